// Lists of entries: the adjacency of a node in one direction, or the members of a label.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include <selvedge/types.h>

#include "graph/arena.h"
#include "graph/epoch.h"

namespace selvedge::graph {

/// One entry, 16 bytes. Each word is an id whose 8 low bits carry something else:
///   entity     edge (or member node) id | type bits 0..5 << 2 | dead << 1 | settled
///   neighbour  node id | type bits 6..13; in a dead entry: next free position + 1
/// *Settled*: the entity exists for every present and future view. *Dead*: for none, and the
/// position may be given to another entity.
struct Entry {
  static constexpr std::uint64_t settled_bit = 1;
  static constexpr std::uint64_t dead_bit = 2;
  static constexpr std::uint64_t id_mask = ~std::uint64_t{0xff};

  std::atomic<std::uint64_t> entity;
  std::atomic<std::uint64_t> neighbour;
};
static_assert(sizeof(Entry) == 16);

/// The 14 low bits of an edge type, as they lie in an entry.
struct TypeBits {
  std::uint64_t entity_bits = 0;
  std::uint64_t neighbour_bits = 0;
  static constexpr std::uint64_t entity_mask = 0xfc;
  static constexpr std::uint64_t neighbour_mask = 0xff;
  static constexpr TypeBits of(std::uint32_t type) {
    return {(type & 0x3fu) << 2, type >> 6 & 0xffu};
  }
  [[nodiscard]] bool match(std::uint64_t entity, std::uint64_t neighbour) const {
    return (entity & entity_mask) == entity_bits && (neighbour & neighbour_mask) == neighbour_bits;
  }
  /// Types from here on share bits with others: a match must be confirmed by the edge's record.
  static constexpr std::uint32_t exact_types = 1u << 14;
};

/// A block of entries: the whole of a short list, or one chunk (16 KiB) of a long one.
/// `irregular` counts the entries that are not settled, dead ones included: 0 means that the
/// block may be scanned without a look at anything else.
struct EntryBlock {
  std::atomic<std::uint32_t> count;
  std::atomic<std::uint32_t> irregular;
  std::uint16_t capacity;
  std::uint16_t dead;
  std::uint32_t free_head;  ///< first dead position + 1 (short lists only)

  static constexpr std::uint32_t capacity_max = 1023;
  [[nodiscard]] Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
  [[nodiscard]] const Entry* entries() const { return reinterpret_cast<const Entry*>(this + 1); }
  static std::size_t bytes(std::uint32_t capacity) {
    return sizeof(EntryBlock) + capacity * sizeof(Entry);
  }
};
static_assert(sizeof(EntryBlock) == 16);

/// Positions by the hash of an id: for finding entries in long lists. Slots may be stale; whoever
/// probes compares the entry.
struct PositionIndex {
  std::uint32_t mask;
  std::uint32_t used;
  [[nodiscard]] std::atomic<std::uint32_t>* slots() {
    return reinterpret_cast<std::atomic<std::uint32_t>*>(this + 1);
  }
  static std::size_t bytes(std::uint32_t capacity) {
    return sizeof(PositionIndex) + capacity * sizeof(std::uint32_t);
  }
};

/// A long list: a directory of full-size chunks, so that no growth copies entries.
struct ChunkDirectory {
  std::atomic<std::uint32_t> chunk_count;
  std::uint32_t chunk_capacity;
  std::uint32_t dead;
  std::uint32_t free_head;  ///< position + 1
  std::atomic<PositionIndex*> by_entity;
  std::atomic<PositionIndex*> by_neighbour;
  [[nodiscard]] std::atomic<EntryBlock*>* chunks() {
    return reinterpret_cast<std::atomic<EntryBlock*>*>(this + 1);
  }
  static std::size_t bytes(std::uint32_t capacity) {
    return sizeof(ChunkDirectory) + capacity * sizeof(EntryBlock*);
  }
};
static_assert(sizeof(ChunkDirectory) == 32);

/// Role: append, mark and find in the list under one head word (0, EntryBlock*, or
///   ChunkDirectory* | 1).
/// Invariants: growth keeps positions. Compaction, which does not, happens only when every entry
///   is settled or dead: then nobody holds a position (docs/concurrency.md, "Life of an entry").
///   An entry's neighbour word is written before its entity word, a dead mark before the
///   neighbour word is reused: a reader that finds the entity word unchanged after reading the
///   neighbour word has a pair that belongs together.
/// Threads: writers hold the owner's latch; readers are pinned.
/// After failure: `append` returns `no_position` when memory is refused; nothing changed.
class EntryList {
 public:
  static constexpr std::uint32_t no_position = 0xffffffffu;
  using HeadWord = std::atomic<std::uint64_t>;

  EntryList(Arena& arena, EpochManager& epochs, HeadWord& head)
      : arena_(arena), epochs_(epochs), head_(head) {}

  std::uint32_t append(std::uint64_t entity, std::uint64_t neighbour, TypeBits type);
  void settle(std::uint32_t position, std::uint64_t entity);
  void unsettle(std::uint32_t position, std::uint64_t entity);
  void kill(std::uint32_t position, std::uint64_t entity);
  /// Position of the entity's entry, or `no_position`. Builds the index of a long list.
  std::uint32_t find(std::uint64_t entity);
  /// Index of a long list by neighbour, built when missing; null for short lists or no memory.
  PositionIndex* neighbour_index();
  /// Replaces an empty list by one with exactly this capacity (recovery).
  bool reserve(std::uint32_t entries);
  /// Gives the whole list back through the epochs and empties the head.
  void drop();
  /// As drop, at once: only when no reader exists.
  void destroy();

  static bool is_long(std::uint64_t head) { return (head & 1) != 0; }
  static EntryBlock* block_of(std::uint64_t head) { return reinterpret_cast<EntryBlock*>(head); }
  static ChunkDirectory* directory_of(std::uint64_t head) {
    return reinterpret_cast<ChunkDirectory*>(head & ~std::uint64_t{1});
  }
  /// Asks for the memory of a short list, before it is needed. A hint: touches nothing.
  static void prefetch(std::uint64_t head) {
    if (!is_long(head)) {
      __builtin_prefetch(reinterpret_cast<const void*>(head));
      __builtin_prefetch(reinterpret_cast<const void*>(head + 64));
    }
  }
  /// Upper bound of positions.
  static std::uint32_t positions(std::uint64_t head);
  static Entry& at(std::uint64_t head, std::uint32_t position);

  /// Calls `use(entity id)` for the live entries of a long list with this neighbour; an entity may
  /// come twice. The reader is pinned.
  template <class Use>
  static void for_neighbour(std::uint64_t head, PositionIndex& index, std::uint64_t neighbour,
                            Use use);

 private:
  EntryBlock* new_block(std::uint32_t capacity);
  EntryBlock* block_for(std::uint32_t position) const;
  std::uint32_t append_short(std::uint64_t entity, std::uint64_t neighbour);
  std::uint32_t append_long(std::uint64_t entity, std::uint64_t neighbour);
  bool add_chunk(EntryBlock* first);
  void compact();
  PositionIndex* build_index(bool by_neighbour);
  void index_insert(std::atomic<PositionIndex*>& index, bool by_neighbour, std::uint32_t position,
                    std::uint64_t key);
  void free_memory(void* pointer, std::size_t bytes, bool now);
  void give_up(bool now);

  Arena& arena_;
  EpochManager& epochs_;
  HeadWord& head_;
};

/// A loop over the entries of a list as one moment shows them: `next_block` gives runs; entries
/// of a regular run need no check. The reader stays pinned meanwhile.
class EntryScan {
 public:
  explicit EntryScan(std::uint64_t head) : head_(head) {
    if (head != 0 && EntryList::is_long(head)) {
      chunk_count_ = EntryList::directory_of(head)->chunk_count.load(std::memory_order_acquire);
    } else {
      chunk_count_ = head != 0 ? 1 : 0;
    }
  }

  struct Run {
    const Entry* entries = nullptr;
    std::uint32_t count = 0;
    bool regular = false;
  };
  bool next(Run& run) {
    while (chunk_ < chunk_count_) {
      EntryBlock* block =
          EntryList::is_long(head_)
              ? EntryList::directory_of(head_)->chunks()[chunk_].load(std::memory_order_acquire)
              : EntryList::block_of(head_);
      ++chunk_;
      run.count = block->count.load(std::memory_order_acquire);  // before irregular
      run.regular = block->irregular.load(std::memory_order_acquire) == 0;
      run.entries = block->entries();
      if (run.count != 0) {
        return true;
      }
    }
    return false;
  }

 private:
  std::uint64_t head_;
  std::uint32_t chunk_ = 0;
  std::uint32_t chunk_count_ = 0;
};

/// Loads an entry as a pair that belongs together; false when it is dead.
inline bool load_entry(const Entry& entry, std::uint64_t& entity, std::uint64_t& neighbour) {
  for (;;) {
    entity = entry.entity.load(std::memory_order_acquire);
    if ((entity & Entry::dead_bit) != 0) {
      return false;
    }
    neighbour = entry.neighbour.load(std::memory_order_acquire);
    const std::uint64_t again = entry.entity.load(std::memory_order_relaxed);
    if (((again ^ entity) & ~Entry::settled_bit) == 0) {
      return true;
    }
  }
}

inline std::uint32_t hash_of_id(std::uint64_t id) {
  return static_cast<std::uint32_t>(detail::IdHash{}(id));
}

template <class Use>
void EntryList::for_neighbour(std::uint64_t head, PositionIndex& index, std::uint64_t neighbour,
                              Use use) {
  for (std::uint32_t i = hash_of_id(neighbour) & index.mask;; i = (i + 1) & index.mask) {
    const std::uint32_t slot = index.slots()[i].load(std::memory_order_acquire);
    if (slot == 0) {
      return;
    }
    std::uint64_t entity = 0;
    std::uint64_t other = 0;
    // A position beyond what this head covers belongs to a younger list: not in this view.
    if (slot <= positions(head) && load_entry(at(head, slot - 1), entity, other) &&
        (other & Entry::id_mask) == neighbour) {
      use(entity & Entry::id_mask);
    }
  }
}

}  // namespace selvedge::graph
