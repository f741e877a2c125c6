// Who works on a transaction: its owner, or maintenance that ends it for its age.
#pragma once

#include <atomic>
#include <cstdint>

namespace selvedge::graph {

/// Role: lets the owner of a transaction and maintenance work on it in turn, never at once.
/// Invariants: one word holds the use and the phase. A use has a number of its own, so that who
///   looked at an earlier one changes nothing in this one. Phases: `own` (maintenance has no
///   business here), or idle <-> busy by the owner, idle -> expiring -> over by maintenance.
/// Threads: `begin`, `arm`, `enter`, `leave`: the owner. `expire`, `done`: who aborts for
///   age, one at a time. The rest: any.
class Gate {
 public:
  /// A new use that maintenance leaves alone.
  void begin() {
    word_.store(((word_.load(std::memory_order_relaxed) >> phase_bits) + 1) << phase_bits | own,
                std::memory_order_release);
  }
  /// From here on maintenance may end it.
  void arm() { set(idle); }

  /// The owner comes to work: false when the transaction was ended for its age.
  bool enter() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    return phase(word) == own ||
           (phase(word) == idle && word_.compare_exchange_strong(word, (word & ~phase_mask) | busy,
                                                                 std::memory_order_acquire));
  }
  void leave() {
    if (phase(word_.load(std::memory_order_relaxed)) == busy) {
      set(idle);
    }
  }

  [[nodiscard]] bool armed() const { return phase(word_.load(std::memory_order_acquire)) != own; }
  /// When it is false, what was loaded before (with acquire) still stood in the view.
  [[nodiscard]] bool expired() const {
    return phase(word_.load(std::memory_order_acquire)) >= expiring;
  }

  [[nodiscard]] bool undone() const { return phase(word_.load(std::memory_order_acquire)) == over; }

  [[nodiscard]] std::uint64_t use() const {
    return word_.load(std::memory_order_acquire) >> phase_bits;
  }
  /// False when the owner is at work, or has ended that use.
  bool expire(std::uint64_t use) {
    std::uint64_t word = use << phase_bits | idle;
    return word_.compare_exchange_strong(word, use << phase_bits | expiring,
                                         std::memory_order_acq_rel);
  }
  /// All is undone: the owner may end it.
  void done() { set(over); }

 private:
  static constexpr unsigned phase_bits = 3;
  static constexpr std::uint64_t phase_mask = (1U << phase_bits) - 1;
  static constexpr std::uint64_t own = 0;
  static constexpr std::uint64_t idle = 1;
  static constexpr std::uint64_t busy = 2;
  static constexpr std::uint64_t expiring = 3;
  static constexpr std::uint64_t over = 4;
  static std::uint64_t phase(std::uint64_t word) { return word & phase_mask; }
  void set(std::uint64_t to) {
    word_.store((word_.load(std::memory_order_relaxed) & ~phase_mask) | to,
                std::memory_order_release);
  }

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace selvedge::graph
