// Schedules that an idle machine would hardly ever have.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>

#include "base/spin.h"
#include "base/yield_point.h"

namespace selvedge::testkit {

/// Steps of a thread's own: splitmix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  /// 0 to `sides` - 1.
  std::uint64_t roll(std::uint64_t sides) { return next() % sides; }
  bool one_in(std::uint64_t sides) { return roll(sides) == 0; }

 private:
  std::uint64_t state_;
};

/// Role: short random delays at the engine's yield points, and wherever else it is asked.
/// Threads: any; one of these at a time in a process.
class Shuffle {
 public:
  /// `after`: called at each of the places, with their number so far.
  explicit Shuffle(std::function<void(std::uint64_t)> after)
      : after_(std::move(after)),
        hook_{[](const char*, void* self) { static_cast<Shuffle*>(self)->here(); }, this} {
    base::yield_hook.store(&hook_);
  }
  ~Shuffle() { base::yield_hook.store(nullptr); }
  Shuffle(const Shuffle&) = delete;
  Shuffle& operator=(const Shuffle&) = delete;

  /// Of the calling thread.
  static void seed(std::uint64_t seed) { dice = Dice(seed); }

  void here() {
    after_(places_.fetch_add(1) + 1);
    // Few yields: on a busy machine each costs the time that others are given.
    switch (dice.roll(32)) {
      case 0:
      case 1: std::this_thread::yield(); break;
      case 2:
        for (auto left = dice.roll(6); left > 0; --left) {
          std::this_thread::yield();
        }
        break;
      case 3:
      case 4:
      case 5:
      case 6:
        for (auto left = dice.roll(2'000); left > 0; --left) {
          cpu_relax();
        }
        break;
      default: break;
    }
  }

 private:
  static inline thread_local Dice dice{1};
  std::atomic<std::uint64_t> places_{0};
  const std::function<void(std::uint64_t)> after_;
  base::YieldHook hook_;
};

}  // namespace selvedge::testkit
