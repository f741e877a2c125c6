// Records: what is found under a slot. 32 bytes each, stable addresses, no hashing.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <selvedge/types.h>

#include "base/mutex.h"
#include "base/shards.h"
#include "base/spin.h"
#include "graph/arena.h"
#include "graph/version.h"

namespace selvedge::graph {

/// A node's record.
///   word: generation 20 bits | latch 1 bit | pending edge creations 24 bits (rule 18)
struct NodeRecord {
  static constexpr std::uint64_t latch_bit = std::uint64_t{1} << 20;
  static constexpr std::uint64_t pending_one = std::uint64_t{1} << 21;

  std::atomic<std::uint64_t> head;
  std::atomic<std::uint64_t> word;
  std::atomic<std::uint64_t> out;  ///< adjacency list, see entry_list.h
  std::atomic<std::uint64_t> in;

  [[nodiscard]] std::uint64_t generation() const {
    return word.load(std::memory_order_acquire) & id_bits::generation_max;
  }
  [[nodiscard]] std::uint64_t pending() const { return word.load(std::memory_order_seq_cst) >> 21; }
};
static_assert(sizeof(NodeRecord) == 32);

/// An edge's record. Type and endpoints never change in one generation.
///   word: type 24 bits | generation 20 bits << 24
struct EdgeRecord {
  std::atomic<std::uint64_t> head;
  std::atomic<std::uint64_t> source;
  std::atomic<std::uint64_t> target;
  std::atomic<std::uint64_t> word;

  [[nodiscard]] std::uint64_t generation() const {
    return word.load(std::memory_order_acquire) >> 24 & id_bits::generation_max;
  }
  [[nodiscard]] std::uint32_t type() const {
    return static_cast<std::uint32_t>(word.load(std::memory_order_acquire) & 0xffffff);
  }
  static std::uint64_t make_word(std::uint32_t type, std::uint64_t generation) {
    return type | generation << 24;
  }
};
static_assert(sizeof(EdgeRecord) == 32);

/// Spins on the latch bit of a node; held for an append or a mark in an adjacency list.
class NodeLatch {
 public:
  explicit NodeLatch(NodeRecord& record) : record_(record) {
    Backoff backoff;
    while ((record_.word.fetch_or(NodeRecord::latch_bit, std::memory_order_acquire) &
            NodeRecord::latch_bit) != 0) {
      while ((record_.word.load(std::memory_order_relaxed) & NodeRecord::latch_bit) != 0) {
        backoff.pause();
      }
    }
  }
  ~NodeLatch() { record_.word.fetch_and(~NodeRecord::latch_bit, std::memory_order_release); }
  NodeLatch(const NodeLatch&) = delete;
  NodeLatch& operator=(const NodeLatch&) = delete;

 private:
  NodeRecord& record_;
};

/// Role: records by slot, in chunks that double (1,024 first) and never move.
/// Invariants: a slot below `size()` has a zeroed or written record for the life of the table.
/// Threads: `at` from any thread for slots that `ensure` has covered; `ensure` from any thread.
/// After failure: `ensure` returns false at the memory limit; nothing changes.
template <class Record>
class RecordTable {
 public:
  static constexpr unsigned first_chunk_shift = 10;

  explicit RecordTable(Arena& arena) : arena_(arena) {}
  ~RecordTable() {
    for (unsigned i = 0; i < chunks_.size(); ++i) {
      if (Record* chunk = chunks_[i].load(std::memory_order_relaxed)) {
        ::munmap(chunk, chunk_bytes(i));
        arena_.release_outside(chunk_bytes(i));
      }
    }
  }
  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;

  [[nodiscard]] Record& at(std::uint64_t slot) const {
    const std::uint64_t biased = slot + (std::uint64_t{1} << first_chunk_shift);
    const auto width = static_cast<unsigned>(std::bit_width(biased)) - 1;
    Record* chunk = chunks_[width - first_chunk_shift].load(std::memory_order_acquire);
    return chunk[biased - (std::uint64_t{1} << width)];
  }
  /// Slots below have records.
  [[nodiscard]] std::uint64_t capacity() const { return capacity_.load(std::memory_order_acquire); }
  /// True when the slot has a record (a cheap check for ids that come from outside).
  [[nodiscard]] bool covers(std::uint64_t slot) const { return slot < capacity(); }
  bool ensure(std::uint64_t slot) {
    if (covers(slot)) {
      return true;
    }
    const std::lock_guard guard(latch_);
    while (!covers(slot)) {
      const std::uint64_t have = capacity_.load(std::memory_order_relaxed);
      const auto index = static_cast<unsigned>(
          std::bit_width(have + (std::uint64_t{1} << first_chunk_shift)) - 1 - first_chunk_shift);
      if (index >= chunks_.size() || !arena_.reserve_outside(chunk_bytes(index))) {
        return false;
      }
      void* memory = ::mmap(nullptr, chunk_bytes(index), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (memory == MAP_FAILED) {
        arena_.release_outside(chunk_bytes(index));
        return false;
      }
      if (chunk_bytes(index) >= (std::size_t{2} << 20)) {
        ::madvise(memory, chunk_bytes(index), MADV_HUGEPAGE);  // a hint
      }
      chunks_[index].store(static_cast<Record*>(memory), std::memory_order_release);
      capacity_.store(have + (std::uint64_t{1} << (index + first_chunk_shift)),
                      std::memory_order_release);
    }
    return true;
  }

 private:
  static std::size_t chunk_bytes(unsigned index) {
    return (std::size_t{1} << (index + first_chunk_shift)) * sizeof(Record);
  }

  Arena& arena_;
  std::array<std::atomic<Record*>, 27> chunks_{};
  std::atomic<std::uint64_t> capacity_{0};
  SpinLatch latch_;
};

/// Role: hands out slots; free ones first-in first-out, so that generations are spent evenly. New
///   ones in runs, one for each group of threads: records side by side share cache lines.
/// Threads: any.
class SlotAllocator {
 public:
  /// The next slot: a free one, or one never used.
  std::uint64_t allocate() {
    if (free_count_.load(std::memory_order_relaxed) != 0) {
      const std::lock_guard guard(latch_);
      if (first_ < free_.size()) {
        const std::uint64_t slot = free_[first_++];
        free_count_.store(free_.size() - first_, std::memory_order_relaxed);
        if (first_ >= 4096 && first_ * 2 >= free_.size()) {
          free_.erase(free_.begin(), free_.begin() + static_cast<std::ptrdiff_t>(first_));
          first_ = 0;
        }
        return slot;
      }
    }
    Run& run = runs_.mine();
    const std::lock_guard guard(run.latch);
    if (run.next == run.end) {
      run.next = high_water_.fetch_add(run_slots, std::memory_order_relaxed);
      run.end = run.next + run_slots;
    }
    return run.next++;
  }
  void free(std::uint64_t slot) {
    const std::lock_guard guard(latch_);
    free_.push_back(slot);
    free_count_.store(free_.size() - first_, std::memory_order_relaxed);
  }
  /// Slots at or above were never handed out; below, the ends of runs were not either.
  [[nodiscard]] std::uint64_t high_water() const {
    return high_water_.load(std::memory_order_acquire);
  }
  /// Of what was recovered, before anything is handed out.
  void set_high_water(std::uint64_t slot) { high_water_.store(slot, std::memory_order_release); }
  [[nodiscard]] std::uint64_t free_count() const {
    return free_count_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> high_water_{0};
  std::atomic<std::uint64_t> free_count_{0};
  SpinLatch latch_;
  std::vector<std::uint64_t> free_;
  std::size_t first_ = 0;
  static constexpr std::uint64_t run_slots = 64;
  struct Run {
    SpinLatch latch;
    std::uint64_t next = 0;
    std::uint64_t end = 0;
  };
  base::Shards<Run> runs_;
};

}  // namespace selvedge::graph
