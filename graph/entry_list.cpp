#include "graph/entry_list.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/hash.h"

namespace selvedge::graph {

namespace {

constexpr std::uint32_t chunk_entries = EntryBlock::capacity_max;

std::uint32_t next_capacity(std::uint32_t capacity) {
  if (capacity < 4) {
    return capacity + 1;
  }
  if (capacity < 8) {
    return capacity + 2;
  }
  const std::uint32_t step = std::bit_floor(capacity) / 4;
  return std::min(capacity + step, chunk_entries);
}

/// Writers of a list hold its owner's latch, so nobody adds at the same time.
void add_irregular(EntryBlock& block, std::int32_t amount) {
  const std::uint32_t now = block.irregular.load(std::memory_order_relaxed);
  block.irregular.store(now + static_cast<std::uint32_t>(amount), std::memory_order_release);
}

}  // namespace

std::uint32_t EntryList::positions(std::uint64_t head) {
  if (head == 0) {
    return 0;
  }
  if (!is_long(head)) {
    return block_of(head)->count.load(std::memory_order_acquire);
  }
  ChunkDirectory* directory = directory_of(head);
  const std::uint32_t chunks = directory->chunk_count.load(std::memory_order_acquire);
  return (chunks - 1) * chunk_entries + directory->chunks()[chunks - 1]
                                            .load(std::memory_order_acquire)
                                            ->count.load(std::memory_order_acquire);
}

Entry& EntryList::at(std::uint64_t head, std::uint32_t position) {
  if (!is_long(head)) {
    return block_of(head)->entries()[position];
  }
  EntryBlock* chunk =
      directory_of(head)->chunks()[position / chunk_entries].load(std::memory_order_acquire);
  return chunk->entries()[position % chunk_entries];
}

EntryBlock* EntryList::new_block(std::uint32_t capacity) {
  auto* block = static_cast<EntryBlock*>(arena_.allocate(EntryBlock::bytes(capacity)));
  if (block != nullptr) {
    block->count.store(0, std::memory_order_relaxed);
    block->irregular.store(0, std::memory_order_relaxed);
    block->capacity = static_cast<std::uint16_t>(capacity);
    block->dead = 0;
    block->free_head = 0;
  }
  return block;
}

EntryBlock* EntryList::block_for(std::uint32_t position) const {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  return is_long(head) ? directory_of(head)->chunks()[position / chunk_entries].load(
                             std::memory_order_relaxed)
                       : block_of(head);
}

std::uint32_t EntryList::append(std::uint64_t entity, std::uint64_t neighbour, TypeBits type) {
  entity |= type.entity_bits;
  neighbour |= type.neighbour_bits;
  return is_long(head_.load(std::memory_order_relaxed)) ? append_long(entity, neighbour)
                                                        : append_short(entity, neighbour);
}

std::uint32_t EntryList::append_short(std::uint64_t entity, std::uint64_t neighbour) {
  EntryBlock* block = block_of(head_.load(std::memory_order_relaxed));
  if (block != nullptr && block->free_head != 0) {
    const std::uint32_t position = block->free_head - 1;
    Entry& entry = block->entries()[position];
    block->free_head = static_cast<std::uint32_t>(entry.neighbour.load(std::memory_order_relaxed));
    --block->dead;
    entry.neighbour.store(neighbour, std::memory_order_release);
    entry.entity.store(entity, std::memory_order_release);
    return position;
  }
  const std::uint32_t count = block == nullptr ? 0 : block->count.load(std::memory_order_relaxed);
  if (block == nullptr || count == block->capacity) {
    if (count == chunk_entries) {
      return add_chunk(block) ? append_long(entity, neighbour) : no_position;
    }
    EntryBlock* grown = new_block(count == 0 ? 1 : next_capacity(count));
    if (grown == nullptr) {
      return no_position;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      const Entry& from = block->entries()[i];
      Entry& to = grown->entries()[i];
      to.entity.store(from.entity.load(std::memory_order_relaxed), std::memory_order_relaxed);
      to.neighbour.store(from.neighbour.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    grown->count.store(count, std::memory_order_relaxed);
    if (block != nullptr) {
      grown->irregular.store(block->irregular.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
    }
    head_.exchange(reinterpret_cast<std::uint64_t>(grown), std::memory_order_seq_cst);
    if (block != nullptr) {
      epochs_.retire_memory(block, EntryBlock::bytes(block->capacity));
    }
    block = grown;
  }
  Entry& entry = block->entries()[count];
  entry.neighbour.store(neighbour, std::memory_order_relaxed);
  entry.entity.store(entity, std::memory_order_relaxed);
  add_irregular(*block, 1);
  block->count.store(count + 1, std::memory_order_release);
  return count;
}

/// Turns a full block into the first chunk of a long list, or adds a chunk to a long one.
bool EntryList::add_chunk(EntryBlock* first) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  ChunkDirectory* old = first == nullptr ? directory_of(head) : nullptr;
  const std::uint32_t count = old == nullptr ? 1 : old->chunk_count.load(std::memory_order_relaxed);
  EntryBlock* chunk = new_block(chunk_entries);
  if (chunk == nullptr) {
    return false;
  }
  if (old != nullptr && count < old->chunk_capacity) {
    old->chunks()[count].store(chunk, std::memory_order_release);
    old->chunk_count.store(count + 1, std::memory_order_release);
    return true;
  }
  const std::uint32_t capacity = old == nullptr ? 4 : old->chunk_capacity * 2;
  auto* grown = static_cast<ChunkDirectory*>(arena_.allocate(ChunkDirectory::bytes(capacity)));
  if (grown == nullptr) {
    arena_.deallocate(chunk, EntryBlock::bytes(chunk_entries));
    return false;
  }
  grown->chunk_capacity = capacity;
  grown->dead = old == nullptr ? 0 : old->dead;
  grown->free_head = old == nullptr ? 0 : old->free_head;
  grown->by_entity.store(old == nullptr ? nullptr : old->by_entity.load(std::memory_order_relaxed),
                         std::memory_order_relaxed);
  grown->by_neighbour.store(
      old == nullptr ? nullptr : old->by_neighbour.load(std::memory_order_relaxed),
      std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    grown->chunks()[i].store(
        old == nullptr ? first : old->chunks()[i].load(std::memory_order_relaxed),
        std::memory_order_relaxed);
  }
  grown->chunks()[count].store(chunk, std::memory_order_relaxed);
  grown->chunk_count.store(count + 1, std::memory_order_relaxed);
  head_.exchange(reinterpret_cast<std::uint64_t>(grown) | 1, std::memory_order_seq_cst);
  if (old != nullptr) {
    epochs_.retire_memory(old, ChunkDirectory::bytes(old->chunk_capacity));
  }
  return true;
}

std::uint32_t EntryList::append_long(std::uint64_t entity, std::uint64_t neighbour) {
  ChunkDirectory* directory = directory_of(head_.load(std::memory_order_relaxed));
  std::uint32_t position = 0;
  if (directory->free_head != 0) {
    position = directory->free_head - 1;
    EntryBlock* chunk = block_for(position);
    Entry& entry = chunk->entries()[position % chunk_entries];
    directory->free_head =
        static_cast<std::uint32_t>(entry.neighbour.load(std::memory_order_relaxed));
    --directory->dead;
    --chunk->dead;
    entry.neighbour.store(neighbour, std::memory_order_release);
    entry.entity.store(entity, std::memory_order_release);
  } else {
    std::uint32_t chunks = directory->chunk_count.load(std::memory_order_relaxed);
    EntryBlock* chunk = directory->chunks()[chunks - 1].load(std::memory_order_relaxed);
    if (chunk->count.load(std::memory_order_relaxed) == chunk_entries) {
      if (chunks >= no_position / chunk_entries - 1 || !add_chunk(nullptr)) {
        return no_position;
      }
      directory = directory_of(head_.load(std::memory_order_relaxed));
      chunk = directory->chunks()[chunks++].load(std::memory_order_relaxed);
    }
    const std::uint32_t at = chunk->count.load(std::memory_order_relaxed);
    Entry& entry = chunk->entries()[at];
    entry.neighbour.store(neighbour, std::memory_order_relaxed);
    entry.entity.store(entity, std::memory_order_relaxed);
    add_irregular(*chunk, 1);
    chunk->count.store(at + 1, std::memory_order_release);
    position = (chunks - 1) * chunk_entries + at;
  }
  index_insert(directory->by_entity, false, position, entity & Entry::id_mask);
  index_insert(directory->by_neighbour, true, position, neighbour & Entry::id_mask);
  return position;
}

void EntryList::settle(std::uint32_t position, std::uint64_t entity) {
  Entry& entry = at(head_.load(std::memory_order_relaxed), position);
  const std::uint64_t word = entry.entity.load(std::memory_order_relaxed);
  SELVEDGE_ASSERT((word & Entry::id_mask) == entity && (word & Entry::dead_bit) == 0);
  if ((word & Entry::settled_bit) == 0) {
    entry.entity.store(word | Entry::settled_bit, std::memory_order_release);
    add_irregular(*block_for(position), -1);
  }
}

void EntryList::unsettle(std::uint32_t position, std::uint64_t entity) {
  Entry& entry = at(head_.load(std::memory_order_relaxed), position);
  const std::uint64_t word = entry.entity.load(std::memory_order_relaxed);
  SELVEDGE_ASSERT((word & Entry::id_mask) == entity && (word & Entry::dead_bit) == 0);
  if ((word & Entry::settled_bit) != 0) {
    add_irregular(*block_for(position), 1);
    entry.entity.store(word & ~Entry::settled_bit, std::memory_order_release);
  }
}

void EntryList::kill(std::uint32_t position, std::uint64_t entity) {
  unsettle(position, entity);
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  EntryBlock* block = block_for(position);
  Entry& entry = at(head, position);
  std::uint32_t& free_head = is_long(head) ? directory_of(head)->free_head : block->free_head;
  entry.entity.store(entity | Entry::dead_bit, std::memory_order_release);
  entry.neighbour.store(free_head, std::memory_order_release);
  free_head = position + 1;
  ++block->dead;
  std::uint32_t dead = block->dead;
  std::uint32_t irregular = block->irregular.load(std::memory_order_relaxed);
  if (is_long(head)) {
    ChunkDirectory* directory = directory_of(head);
    dead = ++directory->dead;
    if (dead < positions(head) / 2) {
      return;
    }
    irregular = 0;
    const std::uint32_t chunks = directory->chunk_count.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < chunks; ++i) {
      irregular += directory->chunks()[i]
                       .load(std::memory_order_relaxed)
                       ->irregular.load(std::memory_order_relaxed);
    }
  }
  // Every entry settled or dead: nobody holds a position, so positions may move.
  if (dead == irregular && (dead > 8 || dead == positions(head)) && dead >= positions(head) / 2) {
    compact();
  }
}

void EntryList::compact() {
  const std::uint64_t old_head = head_.load(std::memory_order_relaxed);
  const std::uint32_t count = positions(old_head);
  const std::uint32_t dead =
      is_long(old_head) ? directory_of(old_head)->dead : block_of(old_head)->dead;
  HeadWord fresh_head{0};
  EntryList fresh(arena_, epochs_, fresh_head);
  if (!fresh.reserve(count - dead)) {
    return;  // compaction is a service: without memory the list stays as it is
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    const Entry& entry = at(old_head, i);
    const std::uint64_t entity = entry.entity.load(std::memory_order_relaxed);
    if ((entity & Entry::dead_bit) == 0) {
      const std::uint32_t position = fresh.append(
          entity & ~Entry::settled_bit, entry.neighbour.load(std::memory_order_relaxed), {});
      if (position == no_position) {
        fresh.destroy();
        return;
      }
      fresh.settle(position, entity & Entry::id_mask);
    }
  }
  head_.exchange(fresh_head.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  HeadWord stale{old_head};
  EntryList(arena_, epochs_, stale).drop();
}

bool EntryList::reserve(std::uint32_t entries) {
  if (entries == 0) {
    return true;
  }
  EntryBlock* block = new_block(std::min(entries, chunk_entries));
  if (block == nullptr) {
    return false;
  }
  head_.exchange(reinterpret_cast<std::uint64_t>(block), std::memory_order_seq_cst);
  return true;
}

std::uint32_t EntryList::find(std::uint64_t entity) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const std::uint32_t count = positions(head);
  const auto matches = [&](std::uint32_t position) {
    const std::uint64_t word = at(head, position).entity.load(std::memory_order_relaxed);
    return (word & (Entry::id_mask | Entry::dead_bit)) == entity;
  };
  if (head != 0 && is_long(head)) {
    ChunkDirectory* directory = directory_of(head);
    PositionIndex* index = directory->by_entity.load(std::memory_order_relaxed);
    if (index == nullptr) {
      index = build_index(false);
    }
    if (index != nullptr) {
      for (std::uint32_t i = hash_of_id(entity) & index->mask;; i = (i + 1) & index->mask) {
        const std::uint32_t slot = index->slots()[i].load(std::memory_order_relaxed);
        if (slot == 0) {
          return no_position;
        }
        if (matches(slot - 1)) {
          return slot - 1;
        }
      }
    }
  }
  for (std::uint32_t i = count; i-- > 0;) {  // young entries are looked for most
    if (matches(i)) {
      return i;
    }
  }
  return no_position;
}

PositionIndex* EntryList::neighbour_index() {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  if (head == 0 || !is_long(head)) {
    return nullptr;
  }
  PositionIndex* index = directory_of(head)->by_neighbour.load(std::memory_order_relaxed);
  return index != nullptr ? index : build_index(true);
}

PositionIndex* EntryList::build_index(bool by_neighbour) {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  ChunkDirectory* directory = directory_of(head);
  const std::uint32_t count = positions(head);
  const std::uint32_t capacity = std::bit_ceil(count * 2);
  auto* index = static_cast<PositionIndex*>(arena_.allocate(PositionIndex::bytes(capacity)));
  if (index == nullptr) {
    return nullptr;
  }
  index->mask = capacity - 1;
  index->used = 0;
  for (std::uint32_t i = 0; i < capacity; ++i) {
    index->slots()[i].store(0, std::memory_order_relaxed);
  }
  for (std::uint32_t position = 0; position < count; ++position) {
    const Entry& entry = at(head, position);
    const std::uint64_t entity = entry.entity.load(std::memory_order_relaxed);
    if ((entity & Entry::dead_bit) != 0) {
      continue;
    }
    const std::uint64_t key =
        (by_neighbour ? entry.neighbour.load(std::memory_order_relaxed) : entity) & Entry::id_mask;
    std::uint32_t i = hash_of_id(key) & index->mask;
    while (index->slots()[i].load(std::memory_order_relaxed) != 0) {
      i = (i + 1) & index->mask;
    }
    index->slots()[i].store(position + 1, std::memory_order_relaxed);
    ++index->used;
  }
  auto& word = by_neighbour ? directory->by_neighbour : directory->by_entity;
  PositionIndex* old = word.exchange(index, std::memory_order_seq_cst);
  if (old != nullptr) {
    epochs_.retire_memory(old, PositionIndex::bytes(old->mask + 1));
  }
  return index;
}

void EntryList::index_insert(std::atomic<PositionIndex*>& word, bool by_neighbour,
                             std::uint32_t position, std::uint64_t key) {
  PositionIndex* index = word.load(std::memory_order_relaxed);
  if (index == nullptr) {
    return;
  }
  if (index->used >= index->mask / 4 * 3) {
    if (build_index(by_neighbour) == nullptr) {
      // No memory for a larger index: go without one, it is built again when needed.
      PositionIndex* old = word.exchange(nullptr, std::memory_order_seq_cst);
      epochs_.retire_memory(old, PositionIndex::bytes(old->mask + 1));
    }
    return;
  }
  std::uint32_t i = hash_of_id(key) & index->mask;
  for (;; i = (i + 1) & index->mask) {
    const std::uint32_t slot = index->slots()[i].load(std::memory_order_relaxed);
    if (slot == position + 1) {
      return;  // a stale slot of this position in the same chain serves again
    }
    if (slot == 0) {
      break;
    }
  }
  index->slots()[i].store(position + 1, std::memory_order_release);
  ++index->used;
}

void EntryList::free_memory(void* pointer, std::size_t bytes, bool now) {
  if (now) {
    arena_.deallocate(pointer, bytes);
  } else {
    epochs_.retire_memory(pointer, bytes);
  }
}

void EntryList::give_up(bool now) {
  const std::uint64_t head = head_.exchange(0, std::memory_order_seq_cst);
  if (head == 0) {
    return;
  }
  if (!is_long(head)) {
    EntryBlock* block = block_of(head);
    free_memory(block, EntryBlock::bytes(block->capacity), now);
    return;
  }
  ChunkDirectory* directory = directory_of(head);
  const std::uint32_t chunks = directory->chunk_count.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < chunks; ++i) {
    free_memory(directory->chunks()[i].load(std::memory_order_relaxed),
                EntryBlock::bytes(chunk_entries), now);
  }
  for (auto* word : {&directory->by_entity, &directory->by_neighbour}) {
    if (PositionIndex* index = word->load(std::memory_order_relaxed)) {
      free_memory(index, PositionIndex::bytes(index->mask + 1), now);
    }
  }
  free_memory(directory, ChunkDirectory::bytes(directory->chunk_capacity), now);
}

void EntryList::drop() { give_up(false); }
void EntryList::destroy() { give_up(true); }

}  // namespace selvedge::graph
