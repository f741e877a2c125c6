// Latches for a handful of instructions.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/mutex.h"

namespace selvedge {

/// Spins a little, then gives the processor away: the holder may have been descheduled.
class Backoff {
 public:
  void pause() {
    if (++rounds_ < 64) {
      cpu_relax();
    } else {
      std::this_thread::yield();
    }
  }

 private:
  std::uint32_t rounds_ = 0;
};

/// A one-byte lock. Never held over a system call or a wait.
class SELVEDGE_CAPABILITY("latch") SpinLatch {
 public:
  void lock() SELVEDGE_ACQUIRE() {
    if (!locked_.exchange(true, std::memory_order_acquire)) {
      return;
    }
    Backoff backoff;
    do {
      while (locked_.load(std::memory_order_relaxed)) {
        backoff.pause();
      }
    } while (locked_.exchange(true, std::memory_order_acquire));
  }
  bool try_lock() SELVEDGE_TRY_ACQUIRE(true) {
    return !locked_.load(std::memory_order_relaxed) &&
           !locked_.exchange(true, std::memory_order_acquire);
  }
  void unlock() SELVEDGE_RELEASE() { locked_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> locked_{false};
};

/// Holds a SpinLatch for a scope.
class SELVEDGE_SCOPED_CAPABILITY LatchGuard {
 public:
  explicit LatchGuard(SpinLatch& latch) SELVEDGE_ACQUIRE(latch) : latch_(latch) { latch_.lock(); }
  ~LatchGuard() SELVEDGE_RELEASE() { latch_.unlock(); }
  LatchGuard(const LatchGuard&) = delete;
  LatchGuard& operator=(const LatchGuard&) = delete;

 private:
  SpinLatch& latch_;
};

}  // namespace selvedge
