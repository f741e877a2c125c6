// State that every thread touches all the time, in parts that threads seldom share.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace selvedge::base {

inline constexpr std::size_t shard_count = 8;

/// The calling thread's part: threads take the parts in turn.
inline std::size_t shard_of_thread() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % shard_count;
  return mine;
}

/// One part for each of a few groups of threads, on cache lines of its own.
template <class Part>
class Shards {
 public:
  [[nodiscard]] Part& mine() { return at(shard_of_thread()); }
  [[nodiscard]] Part& at(std::size_t index) { return parts_[index].part; }
  template <class Use>
  void each(Use use) {
    for (auto& padded : parts_) {
      use(padded.part);
    }
  }
  template <class Use>
  void each(Use use) const {
    for (const auto& padded : parts_) {
      use(padded.part);
    }
  }

 private:
  struct alignas(128) Padded {
    Part part;
  };
  std::array<Padded, shard_count> parts_;
};

/// A count that many threads change and few read. Cost of `sum`: one load for each part.
class ShardedCount {
 public:
  void add(std::int64_t amount) {
    parts_.mine().value.fetch_add(amount, std::memory_order_relaxed);
  }
  /// What was added before; exact when nobody is adding.
  [[nodiscard]] std::uint64_t sum() const {
    std::int64_t total = 0;
    parts_.each([&](const Count& each) { total += each.value.load(std::memory_order_relaxed); });
    return total < 0 ? 0 : static_cast<std::uint64_t>(total);
  }

 private:
  struct Count {
    std::atomic<std::int64_t> value{0};
  };
  Shards<Count> parts_;
};

}  // namespace selvedge::base
