// Epoch reclamation, with the memory that a reader may touch (epoch) kept apart from what it must
// see (view).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/mutex.h"
#include "base/shards.h"
#include "base/spin.h"
#include "graph/arena.h"
#include "graph/gate.h"

namespace selvedge::graph {

class EpochManager;
struct TxnStatus;

/// One reader or writer. `epoch` is 0 while it touches no shared memory; `view` is the sequence
/// that it must keep seeing, `no_view` when it needs none, `opening` while it is choosing one.
struct alignas(128) ReaderSlot {
  ReaderSlot(EpochManager& manager, std::size_t part) : owner(manager), home(part) {}
  static constexpr std::uint64_t no_view = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t opening = 0;

  std::atomic<std::uint64_t> epoch{0};
  std::atomic<std::uint64_t> view{no_view};
  /// Nested pins; touched by the owning thread only. The bit: to be released with the last one.
  std::uint32_t depth = 0;
  static constexpr std::uint32_t leaving = std::uint32_t{1} << 31;
  std::atomic<const char*> site{nullptr};
  Gate gate;  ///< begins a new use with each view
  /// The transaction whose view it is; null for others, and as soon as it has ended.
  std::atomic<TxnStatus*> holder{nullptr};
  std::atomic<std::uint64_t> age_limit_us{0};  ///< 0: none
  // Of whoever looks at ages, under a lock of its own.
  std::uint64_t aged_use = 0;
  std::uint64_t age_us = 0;
  ReaderSlot* next = nullptr;
  EpochManager& owner;
  const std::size_t home;  ///< where it waits for its next use, whoever releases it
};

/// Something that is given back once no pinned reader can hold it: memory, or a record slot.
struct Retired {
  enum class Kind : std::uint32_t { memory, node_slot, edge_slot, status, catalog };
  std::uint64_t address = 0;  ///< pointer, slot number or status
  std::uint64_t bytes = 0;
  Kind kind = Kind::memory;
};

/// Receives retired things that are not plain memory.
class RetiredSink {
 public:
  virtual void reclaim(const Retired& item) = 0;

 protected:
  ~RetiredSink() = default;
};

/// Role: who may still touch what.
/// Invariants: a thing retired in epoch r is given back only when every pinned slot has an epoch
///   > r; callers unlink with a seq_cst store or exchange *before* `retire` reads the epoch, so a
///   later pin cannot load the old pointer. The horizon never moves back; a slot that is `opening`
///   holds it where it is, and a slot opened after a scan chooses a view >= the durable sequence
///   that the scan had loaded first.
/// Threads: all functions may be called from any thread; a slot belongs to one thread at a time.
class EpochManager {
 public:
  explicit EpochManager(Arena& arena) : arena_(arena) {}
  ~EpochManager();
  EpochManager(const EpochManager&) = delete;
  EpochManager& operator=(const EpochManager&) = delete;

  void set_sink(RetiredSink* sink) { sink_ = sink; }

  /// A slot of one's own; never null (allocation failure throws std::bad_alloc).
  ReaderSlot* acquire();
  /// Ends the slot's view at once. Pins that are left keep memory until they go, and the slot then.
  void release(ReaderSlot* slot) noexcept;

  void pin(ReaderSlot* slot) noexcept {
    if (slot->depth++ == 0) {
      slot->epoch.store(epoch_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    }
  }
  void unpin(ReaderSlot* slot) noexcept {
    if (--slot->depth == 0) {
      slot->epoch.store(0, std::memory_order_release);
    } else if (slot->depth == ReaderSlot::leaving) {
      slot->depth = 0;
      slot->epoch.store(0, std::memory_order_release);
      release(slot);
    }
  }
  /// Lets go and pins anew; only without nesting. What was loaded before must be loaded again.
  void repin(ReaderSlot* slot) noexcept {
    if (slot->depth == 1) {
      slot->epoch.store(epoch_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
    }
  }

  /// When the system refuses memory for the list, the item stays unused until the graph dies.
  void retire(const Retired& item) noexcept;
  void retire_memory(void* pointer, std::size_t bytes) noexcept {
    retire({reinterpret_cast<std::uint64_t>(pointer), bytes, Retired::Kind::memory});
  }

  /// Opens a new epoch and gives back what nobody can hold. Cheap when nothing is retired.
  void collect() { collect_where(1); }
  /// As `collect`; what other threads retired only where much has gathered.
  void collect_mine() { collect_where(much); }

  /// Lowest sequence that an open or future view can have, given that future views open at or
  /// above `floor`. `floor` must have been loaded before the call.
  std::uint64_t horizon(std::uint64_t floor);
  /// All open views in rising order; false when one is being opened right now.
  bool views(std::vector<std::uint64_t>& out) const;
  /// Every slot that there is, in use or not.
  template <class Use>
  void each_slot(Use use) {
    for (ReaderSlot* slot = slots_.load(std::memory_order_seq_cst); slot != nullptr;
         slot = slot->next) {
      use(*slot);
    }
  }
  struct OldestView {
    std::uint64_t sequence = ReaderSlot::no_view;
    const char* site = nullptr;
    std::uint32_t open = 0;
  };
  OldestView oldest_view() const;
  /// Somebody is touching shared memory now.
  bool pinned() const { return oldest_pin() != ReaderSlot::no_view; }
  std::uint64_t retired_count() const {
    std::uint64_t total = 0;
    bags_.each([&](const Bags& each) { total += each.items.load(std::memory_order_relaxed); });
    return total;
  }

 private:
  struct Bag {
    std::uint64_t epoch = 0;
    std::vector<Retired> items;
  };
  std::uint64_t oldest_pin() const;
  void give_back(const Retired& item);

  Arena& arena_;
  RetiredSink* sink_ = nullptr;
  alignas(128) std::atomic<std::uint64_t> epoch_{1};
  alignas(128) std::atomic<ReaderSlot*> slots_{nullptr};
  std::atomic<std::uint64_t> horizon_{0};
  struct Bags {
    SpinLatch latch;
    std::vector<Bag> bags;  // rising epochs
    std::vector<std::vector<Retired>> spare;
    std::atomic<std::uint64_t> items{0};
  };
  static constexpr std::uint64_t much = 4096;
  void collect_where(std::uint64_t items_min);
  void collect_from(Bags& from, std::uint64_t safe);
  base::Shards<Bags> bags_;
  struct FreeSlots {
    SpinLatch latch;
    std::vector<ReaderSlot*> slots;
  };
  base::Shards<FreeSlots> free_;
};

/// Pins for a scope.
class PinGuard {
 public:
  PinGuard(EpochManager& epochs, ReaderSlot* slot) : epochs_(epochs), slot_(slot) {
    epochs_.pin(slot_);
  }
  ~PinGuard() { epochs_.unpin(slot_); }
  PinGuard(const PinGuard&) = delete;
  PinGuard& operator=(const PinGuard&) = delete;

 private:
  EpochManager& epochs_;
  ReaderSlot* slot_;
};

}  // namespace selvedge::graph
