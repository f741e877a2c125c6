#include "graph/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>

#include "base/assert.h"

namespace selvedge::graph {

namespace {

std::size_t thread_number() {
  static std::atomic<std::size_t> next{0};
  thread_local const std::size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace

Arena::Arena(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

Arena::~Arena() {
  for (const auto& [address, bytes] : mapped_) {
    ::munmap(address, bytes);
  }
}

std::size_t Arena::class_of(std::size_t bytes) {
  if (bytes <= 64) {
    return bytes == 0 ? 0 : (bytes - 1) / 8;
  }
  const auto doubling = static_cast<std::size_t>(std::bit_width(bytes - 1));  // 2^(d-1) < bytes
  const std::size_t base = std::size_t{1} << (doubling - 1);
  const std::size_t quarter = (bytes - 1 - base) / (base / 4);
  return 8 + (doubling - 7) * 4 + quarter;
}

std::size_t Arena::class_bytes(std::size_t index) {
  if (index < 8) {
    return (index + 1) * 8;
  }
  const std::size_t base = std::size_t{64} << ((index - 8) / 4);
  return base + (base / 4) * ((index - 8) % 4 + 1);
}

Arena::Shard& Arena::shard() { return shards_[thread_number() % shard_count]; }

void* Arena::allocate(std::size_t bytes, For purpose) {
  if (bytes > largest_class_bytes) {
    const std::size_t rounded = (bytes + 4095) & ~std::size_t{4095};
    std::byte* address = map(rounded);
    if (address == nullptr) {
      return nullptr;
    }
    large_used_.fetch_add(static_cast<std::int64_t>(rounded), std::memory_order_relaxed);
    return address;
  }
  const std::size_t index = class_of(bytes);
  void* result = take(shard(), index, true);
  // At the limit, what other threads have left over serves too.
  for (std::size_t i = 0; result == nullptr && i < shard_count; ++i) {
    result = take(shards_[i], index, false);
  }
  return result == nullptr && purpose == For::deletes ? from_reserve(index) : result;
}

void* Arena::take(Shard& from, std::size_t index, bool may_grow) {
  const std::lock_guard guard(from.latch);
  FreeList& list = from.lists[index];
  const std::size_t size = class_bytes(index);
  void* result = nullptr;
  if (list.head != nullptr) {
    result = list.head;
    list.head = list.head->next;
    --list.count;
  } else {
    result = may_grow ? from_shared(list, index) : nullptr;
  }
  if (result == nullptr && (from.room() >= size || (may_grow && grow(from, size)))) {
    result = from.bump;
    from.bump += size;
  }
  if (result != nullptr) {
    from.used += static_cast<std::int64_t>(size);
  }
  return result;
}

void Arena::deallocate(void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) {
    return;
  }
  if (bytes > largest_class_bytes) {
    const std::size_t rounded = (bytes + 4095) & ~std::size_t{4095};
    large_used_.fetch_sub(static_cast<std::int64_t>(rounded), std::memory_order_relaxed);
    unmap(pointer, rounded);
    return;
  }
  const std::size_t index = class_of(bytes);
  Shard& mine = shard();
  const std::lock_guard guard(mine.latch);
  FreeList& list = mine.lists[index];
  auto* item = static_cast<Free*>(pointer);
  item->next = list.head;
  list.head = item;
  mine.used -= static_cast<std::int64_t>(class_bytes(index));
  if (++list.count >= hoard_max) {
    spill(list, index);
  }
}

void Arena::spill(FreeList& list, std::size_t index) {
  const std::lock_guard guard(shared_latch_);
  shared_[index].push_back(list);
  list = FreeList{};
}

/// A list that some thread had too much of: its first object, the rest for the caller's list.
void* Arena::from_shared(FreeList& mine, std::size_t index) {
  const std::lock_guard guard(shared_latch_);
  if (shared_[index].empty()) {
    return nullptr;
  }
  const FreeList list = shared_[index].back();
  shared_[index].pop_back();
  mine = FreeList{list.head->next, list.count - 1};
  return list.head;
}

/// A fresh piece of memory for a shard with no room for `size` bytes; false: memory is refused.
bool Arena::grow(Shard& mine, std::size_t size) {
  const std::uint64_t have = reserved_.load(std::memory_order_relaxed);
  std::byte* chunk = nullptr;
  std::size_t want = 0;
  if (limit_bytes_ != 0 && have > limit_bytes_ / 2) {
    chunk = take_over(mine, size, want);
  }
  if (chunk == nullptr) {
    // The first chunks are small, so that a small store stays small; those of a store with a small
    // limit too, and the last ones before it.
    want = chunk_bytes;
    while (want > (std::size_t{256} << 10) && want > have) {
      want /= 2;
    }
    while (limit_bytes_ != 0 && want > smallest_chunk_bytes && want > limit_bytes_ / 32) {
      want /= 2;
    }
    want = std::max(want, std::bit_ceil(size));
    while ((chunk = map(want)) == nullptr && want / 2 >= std::max(size, smallest_chunk_bytes)) {
      want /= 2;
    }
  }
  if (chunk == nullptr) {
    return false;
  }
  while (mine.room() >= 8) {  // the rest of the old piece becomes small objects
    std::size_t fit = class_of(mine.room());
    if (class_bytes(fit) > mine.room()) {
      --fit;
    }
    auto* item = reinterpret_cast<Free*>(mine.bump);
    item->next = mine.lists[fit].head;
    mine.lists[fit].head = item;
    ++mine.lists[fit].count;
    mine.bump += class_bytes(fit);
  }
  mine.bump = chunk;
  mine.bump_end = chunk + want;
  return true;
}

/// What another shard has not cut up yet. Which memory serves a store must not depend much on how
/// many threads have written to it.
std::byte* Arena::take_over(Shard& mine, std::size_t size, std::size_t& bytes) {
  for (Shard& other : shards_) {
    if (&other == &mine || !other.latch.try_lock()) {
      continue;
    }
    std::byte* const piece = other.bump;
    bytes = other.room();
    const bool enough = bytes >= std::max(size, std::size_t{4096});
    if (enough) {
      other.bump = other.bump_end = nullptr;
    }
    other.latch.unlock();
    if (enough) {
      return piece;
    }
  }
  return nullptr;
}

void* Arena::from_reserve(std::size_t index) {
  const std::size_t size = class_bytes(index);
  const std::lock_guard guard(reserve_.latch);
  if (reserve_.room() < size) {
    std::byte* chunk =
        size <= smallest_chunk_bytes ? map(smallest_chunk_bytes, For::deletes) : nullptr;
    if (chunk == nullptr) {
      return nullptr;
    }
    reserve_.bump = chunk;
    reserve_.bump_end = chunk + smallest_chunk_bytes;
  }
  void* result = reserve_.bump;
  reserve_.bump += size;
  reserve_.used += static_cast<std::int64_t>(size);
  return result;
}

std::byte* Arena::map(std::size_t bytes, For purpose) {
  if (!reserve_outside(bytes, purpose)) {
    return nullptr;
  }
  void* address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    release_outside(bytes);
    return nullptr;
  }
  if (bytes >= chunk_bytes) {
    ::madvise(address, bytes, MADV_HUGEPAGE);  // a hint: refusal changes nothing
  }
  try {
    const std::lock_guard guard(shared_latch_);
    mapped_.emplace(address, bytes);
  } catch (const std::bad_alloc&) {
    ::munmap(address, bytes);
    release_outside(bytes);
    return nullptr;
  }
  return static_cast<std::byte*>(address);
}

void Arena::unmap(void* address, std::size_t bytes) noexcept {
  {
    const std::lock_guard guard(shared_latch_);
    mapped_.erase(address);
  }
  ::munmap(address, bytes);
  release_outside(bytes);
}

std::uint64_t Arena::used_bytes() const {
  std::int64_t total = large_used_.load(std::memory_order_relaxed);
  {
    const std::lock_guard guard(reserve_.latch);
    total += reserve_.used;
  }
  for (const Shard& each : shards_) {
    const std::lock_guard guard(each.latch);
    total += each.used;
  }
  return static_cast<std::uint64_t>(total < 0 ? 0 : total);
}

bool Arena::reserve_outside(std::uint64_t bytes, For purpose) {
  const bool whole = purpose == For::deletes || reserve_open_.load(std::memory_order_relaxed);
  const std::uint64_t kept = whole ? 0 : std::min(limit_bytes_ / 16, std::uint64_t{8} << 20);
  std::uint64_t before = reserved_.load(std::memory_order_relaxed);
  do {
    if (limit_bytes_ != 0 && before + bytes > limit_bytes_ - kept) {
      return false;
    }
  } while (!reserved_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
  return true;
}

void Arena::release_outside(std::uint64_t bytes) noexcept {
  reserved_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace selvedge::graph
