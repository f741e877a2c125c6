// Memory for versions and adjacency blocks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <selvedge/types.h>
#include <tsl/robin_map.h>

#include "base/spin.h"

namespace selvedge::graph {

/// Role: size-class allocator for the small, short-headed objects of a graph. Classes are steps of
///   8 bytes to 64, then four per doubling; chunks of 2 MiB are asked for with huge pages, smaller
///   ones near the limit.
/// Invariants: an object is freed with the size that it was allocated with; chunks are returned to
///   the system only when the arena dies; a shard hoards at most `hoard_max` objects per class,
///   the rest goes through the shared lists, so memory freed by one thread serves every thread.
/// Threads: all functions may be called from any thread.
///   The last sixteenth below the limit (at most 8 MiB) is kept for what gives memory back.
/// After failure: `allocate` returns nullptr at the limit or when the system refuses; nothing else
///   changes.
class Arena {
 public:
  explicit Arena(std::uint64_t limit_bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Who asks: deletes may use what is kept for them, so that a full store can be emptied.
  enum class For : std::uint8_t { anything, deletes };
  /// 8-aligned memory of at least `bytes` bytes, or nullptr.
  void* allocate(std::size_t bytes, For purpose = For::anything);
  void deallocate(void* pointer, std::size_t bytes) noexcept;

  /// While open, anything may use what is kept for deletes: a full store is loaded again with its
  /// own limit, though its memory comes to lie otherwise.
  void open_reserve(bool open) { reserve_open_.store(open, std::memory_order_relaxed); }

  /// Bytes handed out and not freed (rounded to classes).
  std::uint64_t used_bytes() const;
  /// Bytes taken from the system.
  std::uint64_t reserved_bytes() const { return reserved_.load(std::memory_order_relaxed); }
  std::uint64_t limit_bytes() const { return limit_bytes_; }

  /// Accounts memory that lives outside the arena (record tables) against the same limit.
  bool reserve_outside(std::uint64_t bytes, For purpose = For::anything);
  void release_outside(std::uint64_t bytes) noexcept;

 private:
  static constexpr std::size_t shard_count = 16;
  static constexpr std::size_t class_count = 52;
  static constexpr std::size_t largest_class_bytes = std::size_t{128} << 10;
  static constexpr std::size_t chunk_bytes = std::size_t{2} << 20;
  static constexpr std::size_t smallest_chunk_bytes = std::size_t{64} << 10;
  static constexpr std::size_t hoard_max = 512;

  /// Chunks are aligned: the low bits of their addresses are all the same.
  struct AddressHash {
    std::size_t operator()(const void* address) const noexcept {
      return detail::IdHash{}(reinterpret_cast<std::uint64_t>(address));
    }
  };
  struct Free {
    Free* next;
  };
  struct FreeList {
    Free* head = nullptr;
    std::uint32_t count = 0;
  };
  struct alignas(128) Shard {
    mutable SpinLatch latch;
    std::byte* bump = nullptr;
    std::byte* bump_end = nullptr;
    std::int64_t used = 0;
    std::array<FreeList, class_count> lists{};
    [[nodiscard]] std::size_t room() const { return static_cast<std::size_t>(bump_end - bump); }
  };

  static std::size_t class_of(std::size_t bytes);
  static std::size_t class_bytes(std::size_t index);
  Shard& shard();
  void* take(Shard& from, std::size_t index, bool may_grow);
  void* from_shared(FreeList& mine, std::size_t index);
  bool grow(Shard& mine, std::size_t size);
  std::byte* take_over(Shard& mine, std::size_t size, std::size_t& bytes);
  void* from_reserve(std::size_t index);
  void spill(FreeList& list, std::size_t index);
  std::byte* map(std::size_t bytes, For purpose = For::anything);
  void unmap(void* address, std::size_t bytes) noexcept;

  const std::uint64_t limit_bytes_;
  std::atomic<bool> reserve_open_{false};
  std::atomic<std::uint64_t> reserved_{0};
  std::atomic<std::int64_t> large_used_{0};
  std::array<Shard, shard_count> shards_;
  Shard reserve_;  // its bump memory is for deletes only
  SpinLatch shared_latch_;
  std::array<std::vector<FreeList>, class_count> shared_;
  tsl::robin_map<void*, std::size_t, AddressHash> mapped_;  // everything taken from the system
};

}  // namespace selvedge::graph
