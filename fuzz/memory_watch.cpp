#include "fuzz/memory_watch.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "base/assert.h"

namespace selvedge::fuzz {

namespace {

std::atomic<bool> watching{false};
std::atomic<std::ptrdiff_t> held{0};
std::atomic<std::ptrdiff_t> peak{0};

void* counted(std::size_t bytes) noexcept {
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory != nullptr && watching.load(std::memory_order_relaxed)) {
    const auto size = static_cast<std::ptrdiff_t>(::malloc_usable_size(memory));
    const std::ptrdiff_t now = held.fetch_add(size, std::memory_order_relaxed) + size;
    std::ptrdiff_t most = peak.load(std::memory_order_relaxed);
    while (most < now && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
  }
  return memory;
}

void* counted_or_throw(std::size_t bytes) {
  void* const memory = counted(bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

void release(void* memory) noexcept {
  if (memory != nullptr && watching.load(std::memory_order_relaxed)) {
    held.fetch_sub(static_cast<std::ptrdiff_t>(::malloc_usable_size(memory)),
                   std::memory_order_relaxed);
  }
  std::free(memory);
}

}  // namespace

MemoryWatch::MemoryWatch() {
  SELVEDGE_ASSERT(!watching.load());
  held = 0;
  peak = 0;
  watching = true;
}

MemoryWatch::~MemoryWatch() { watching = false; }

std::size_t MemoryWatch::peak_bytes() const { return static_cast<std::size_t>(peak.load()); }

}  // namespace selvedge::fuzz

// The program's own allocation functions; those for larger alignments stay the library's.
void* operator new(std::size_t bytes) { return selvedge::fuzz::counted_or_throw(bytes); }
void* operator new[](std::size_t bytes) { return selvedge::fuzz::counted_or_throw(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return selvedge::fuzz::counted(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return selvedge::fuzz::counted(bytes);
}
void operator delete(void* memory) noexcept { selvedge::fuzz::release(memory); }
void operator delete[](void* memory) noexcept { selvedge::fuzz::release(memory); }
void operator delete(void* memory, std::size_t) noexcept { selvedge::fuzz::release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { selvedge::fuzz::release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  selvedge::fuzz::release(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  selvedge::fuzz::release(memory);
}
