// How much memory a piece of work has at one moment.
#pragma once

#include <cstddef>

namespace selvedge::fuzz {

/// Role: counts what is allocated with `new` while it lives.
/// Invariants: one at a time.
/// Threads: allocations of all threads count.
class MemoryWatch {
 public:
  MemoryWatch();
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;
  /// Most bytes held at one moment, beyond those held at the start.
  [[nodiscard]] std::size_t peak_bytes() const;
};

}  // namespace selvedge::fuzz
