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
  Shard& mine = shard();
  const std::lock_guard guard(mine.latch);
  FreeList& list = mine.lists[index];
  void* result = nullptr;
  if (list.head != nullptr) {
    result = list.head;
    list.head = list.head->next;
    --list.count;
  } else {
    result = refill(mine, index);
    if (result == nullptr && purpose == For::deletes) {
      result = from_reserve(index);
    }
  }
  if (result != nullptr) {
    mine.used += static_cast<std::int64_t>(class_bytes(index));
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

void* Arena::refill(Shard& mine, std::size_t index) {
  {
    const std::lock_guard guard(shared_latch_);
    if (!shared_[index].empty()) {
      FreeList list = shared_[index].back();
      shared_[index].pop_back();
      void* result = list.head;
      mine.lists[index] = FreeList{list.head->next, list.count - 1};
      return result;
    }
  }
  const std::size_t size = class_bytes(index);
  if (static_cast<std::size_t>(mine.bump_end - mine.bump) < size) {
    while (mine.bump_end - mine.bump >= 8) {  // the rest of the chunk becomes small objects
      const auto left = static_cast<std::size_t>(mine.bump_end - mine.bump);
      std::size_t fit = class_of(left);
      if (class_bytes(fit) > left) {
        --fit;
      }
      auto* item = reinterpret_cast<Free*>(mine.bump);
      item->next = mine.lists[fit].head;
      mine.lists[fit].head = item;
      ++mine.lists[fit].count;
      mine.bump += class_bytes(fit);
    }
    // The first chunks of a shard are small, so that a small store stays small.
    const std::uint64_t have = reserved_.load(std::memory_order_relaxed);
    std::size_t want = chunk_bytes;
    while (want > (std::size_t{256} << 10) && want > have) {
      want /= 2;
    }
    std::byte* chunk = map(want);
    if (chunk == nullptr) {
      mine.bump = mine.bump_end = nullptr;
      return nullptr;
    }
    mine.bump = chunk;
    mine.bump_end = chunk + want;
  }
  void* result = mine.bump;
  mine.bump += size;
  return result;
}

void* Arena::from_reserve(std::size_t index) {
  const std::size_t size = class_bytes(index);
  const std::lock_guard guard(reserve_.latch);
  if (static_cast<std::size_t>(reserve_.bump_end - reserve_.bump) < size) {
    constexpr std::size_t piece = std::size_t{64} << 10;
    std::byte* chunk = size <= piece ? map(piece, For::deletes) : nullptr;
    if (chunk == nullptr) {
      return nullptr;
    }
    reserve_.bump = chunk;
    reserve_.bump_end = chunk + piece;
  }
  void* result = reserve_.bump;
  reserve_.bump += size;
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
  for (const Shard& each : shards_) {
    const std::lock_guard guard(const_cast<SpinLatch&>(each.latch));
    total += each.used;
  }
  return static_cast<std::uint64_t>(total < 0 ? 0 : total);
}

bool Arena::reserve_outside(std::uint64_t bytes, For purpose) {
  const std::uint64_t kept =
      purpose == For::deletes ? 0 : std::min(limit_bytes_ / 16, std::uint64_t{8} << 20);
  const std::uint64_t before = reserved_.fetch_add(bytes, std::memory_order_relaxed);
  if (limit_bytes_ != 0 && before + bytes > limit_bytes_ - kept) {
    reserved_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  return true;
}

void Arena::release_outside(std::uint64_t bytes) noexcept {
  reserved_.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace selvedge::graph
