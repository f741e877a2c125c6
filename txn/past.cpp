// Views of the past: what is kept for them, and how they open (docs/concurrency.md).

#include <algorithm>
#include <string>

#include "base/yield_point.h"
#include "txn/manager.h"

namespace selvedge::txn {

using graph::ReaderSlot;

/// The floor of everything that settles, cuts or prunes: a view that opens later opens at or above
/// what this returned before.
std::uint64_t Manager::readable_from() const {
  const std::uint64_t newest = readable();
  return keeps_versions() ? std::min(newest, kept_from_.load(std::memory_order_seq_cst)) : newest;
}

/// The slot says `opening` before the floor is loaded. Whoever scanned the slots without seeing
/// that had loaded its floor before, and the floor only rises: it was not above ours. Whoever saw
/// it moves nothing.
Result<ReaderSlot*> Manager::open_view_at(std::uint64_t sequence) {
  ReaderSlot* slot = graph_.epochs.acquire();
  slot->gate.begin();
  slot->view.store(ReaderSlot::opening, std::memory_order_seq_cst);
  base::yield_point("txn.read_at.opening");
  const std::uint64_t oldest = readable_from();
  const std::uint64_t newest = readable();
  if (sequence >= oldest && sequence <= newest) {
    base::yield_point("txn.read_at.chosen");
    slot->view.store(sequence, std::memory_order_seq_cst);
    return slot;
  }
  graph_.epochs.release(slot);
  if (sequence < oldest) {
    return fail(Error(ErrorCode::not_retained, "memory does not have that point any more")
                    .mismatch("a sequence from " + std::to_string(oldest) + " on",
                              std::to_string(sequence)));
  }
  return fail(
      Error(ErrorCode::invalid_argument, "that point cannot be read yet")
          .mismatch("a sequence up to " + std::to_string(newest), std::to_string(sequence)));
}

/// Raises where views of the past begin, as far as the bounds allow.
void Manager::advance_kept() {
  if (!keeps_versions()) {
    return;
  }
  const std::uint64_t newest = readable();
  std::uint64_t from = 0;
  if (options_.versions_kept != 0) {
    from = newest - std::min(newest, options_.versions_kept);
  }
  if (const std::uint64_t age_us = options_.version_age_us; age_us != 0) {
    // What could be read at a moment that is old enough bounds what has to be kept.
    constexpr std::uint64_t moments_per_age = 64;
    const std::uint64_t now_us = options_.clock->wall_clock_us();
    if (moments_.empty() || now_us >= moments_.back().at_us + age_us / moments_per_age) {
      moments_.push_back({now_us, newest});
    }
    while (moments_.size() > 1 && moments_[1].at_us + age_us <= now_us) {
      moments_.pop_front();
    }
    if (moments_.front().at_us + age_us <= now_us) {
      from = std::max(from, moments_.front().readable);
    }
  }
  if (from > kept_from_.load(std::memory_order_relaxed)) {
    kept_from_.store(from, std::memory_order_seq_cst);
  }
}

}  // namespace selvedge::txn
