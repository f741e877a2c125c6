// The end of a transaction that does not commit: by its owner, or for its age.

#include <algorithm>
#include <limits>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/mutants.h"
#include "base/yield_point.h"
#include "graph/change.h"
#include "txn/manager.h"
#include "wal/frame.h"

namespace selvedge::txn {

using graph::ReaderSlot;

void Manager::abort(State* state, std::string_view reason) {
  take_back(*state, state->slot, reason);
  finish(state);
  release_slots(*state);
  aborts_.add(1);
  recycle(state);
  reclaim_now_and_then();
}

/// Undoes everything, in memory and in the log. `slot` is of the calling thread. Where the system
/// refuses memory for it, the process ends: nobody may see half of it undone, and recovery undoes
/// all.
void Manager::take_back(State& state, ReaderSlot* slot, std::string_view reason) noexcept {
  SELVEDGE_ASSERT(state.phase == Phase::active);
  state.phase = Phase::aborted;
  const bool log_first = base::mutant(base::Mutant::abort_logged_first);
  if (!log_first) {
    unlink_items(state, 0, slot);
  }
  base::yield_point("txn.abort.unlinked");
  // Memory first, the abort entry last: until then the transaction counts as active (rule 3).
  if (state.streamed()) {
    if (!log_abort(state.number, reason)) {
      // The number stays in the table, and so in low-water, until the entry can be logged.
      const MutexLock lock(zombies_mutex_);
      zombies_.push_back({state.number, std::string(reason)});
    }
  }
  if (log_first) {
    base::yield_point("txn.abort.logged");
    unlink_items(state, 0, slot);
  }
}

Status Manager::log_abort(std::uint64_t number, std::string_view reason) {
  ByteWriter payload;
  graph::put_abort(payload, reason.substr(0, limits::metadata_bytes_max));
  wal::FrameParts parts;
  parts.flags = wal::frame_flags::abort;
  parts.transaction = number;
  parts.count = 1;
  parts.wall_us = options_.clock->wall_clock_us();
  parts.payload = {payload.span(), {}, {}};
  parts.payload_crc = wal::payload_crc(parts.payload[0]);
  SELVEDGE_TRY(wal::Log::Section section,
               log_.enter(wal::frame_bytes(payload.size(), parts.flags)));
  section.append(parts);
  std::erase(active_numbers_, number);
  return {};
}

Status Manager::close_zombies() {
  const MutexLock lock(zombies_mutex_);
  while (!zombies_.empty()) {
    SELVEDGE_TRY(log_abort(zombies_.back().number, zombies_.back().reason));
    zombies_.pop_back();
  }
  return {};
}

// --- for its age -------------------------------------------------------------------------------

namespace {

/// Of one step of the clock, what counts for something with a limit: at most half of it, so that
/// no single jump of the clock uses it up.
std::uint64_t counted(std::uint64_t step_us, std::uint64_t limit_us) {
  return limit_us == 0 ? step_us : std::min(step_us, limit_us / 2 + limit_us % 2);
}

void add(std::uint64_t& age_us, std::uint64_t step_us) {
  age_us += std::min(step_us, std::numeric_limits<std::uint64_t>::max() - age_us);
}

}  // namespace

void Manager::limit_age(State& state, std::uint64_t age_max_us) {
  state.slot->age_limit_us.store(age_max_us, std::memory_order_relaxed);
  state.slot->gate.arm();
}

Ages Manager::ages() { return look_at_ages(nullptr); }

/// Where the system refuses memory for the list, the next round makes one.
void Manager::expire_old() {
  std::vector<TooOld> too_old;
  try {
    look_at_ages(&too_old);
  } catch (const std::bad_alloc&) {
    too_old.clear();
  }
  for (const TooOld& each : too_old) {
    expire(each);
  }
}

/// Makes everything that is open older by what the clock moved since the last look; what was not
/// there then has age 0 now. A clock that went back moved not at all.
Ages Manager::look_at_ages(std::vector<TooOld>* too_old) {
  const MutexLock lock(ages_mutex_);
  const std::uint64_t now_us = options_.clock->wall_clock_us();
  const std::uint64_t step_us =
      looked_at_us_ != 0 && now_us > looked_at_us_ ? now_us - looked_at_us_ : 0;
  looked_at_us_ = now_us;
  Ages ages;
  graph_.epochs.each_slot([&](ReaderSlot& slot) {
    const std::uint64_t use = slot.gate.use();
    if (slot.view.load(std::memory_order_seq_cst) == ReaderSlot::no_view ||
        slot.gate.use() != use) {
      return;
    }
    const bool armed = slot.gate.armed();
    const std::uint64_t limit_us =
        armed ? slot.age_limit_us.load(std::memory_order_relaxed) : std::uint64_t{0};
    if (slot.aged_use != use) {
      slot.aged_use = use;
      slot.age_us = 0;
    } else {
      add(slot.age_us, counted(step_us, limit_us));
    }
    ages.view_us = std::max(ages.view_us, slot.age_us);
    const graph::TxnStatus* holder = slot.holder.load(std::memory_order_acquire);
    if (holder != nullptr && slot.age_us >= ages.transaction_us) {
      const std::uint64_t number = holder->first.load(std::memory_order_acquire);
      // A state that its slot still names had not ended when the number was read.
      if (slot.holder.load(std::memory_order_acquire) == holder && slot.gate.use() == use) {
        ages.transaction_us = slot.age_us;
        ages.transaction = number;
      }
    }
    if (too_old != nullptr && limit_us != 0 && slot.age_us >= limit_us) {
      too_old->push_back({&slot, use});
    }
  });
  for (Kept& each : kept_) {
    if (!std::exchange(each.looked_at, true)) {
      continue;  // how much of this step was before its time is not known
    }
    const std::uint64_t step = counted(step_us, each.limit_us);
    each.left_us -= std::min(each.left_us, step);
    if (each.left_us == 0 && each.pin != nullptr) {
      graph_.epochs.unpin(each.pin);
      graph_.epochs.release(std::exchange(each.pin, nullptr));
    }
  }
  return ages;
}

/// A pin that keeps what the owner may have borrowed from being used again for a while. Null when
/// the system refuses memory: nothing has begun yet, and the next round tries again.
ReaderSlot* Manager::pin_for_owner() try {
  {
    const MutexLock lock(ages_mutex_);
    kept_.reserve(kept_.size() + 1);  // only one thread adds to it
  }
  ReaderSlot* const pin = graph_.epochs.acquire();
  graph_.epochs.pin(pin);
  return pin;
} catch (const std::bad_alloc&) {
  return nullptr;
}

/// What the owner's abort would do, with a slot of our own. The owner keeps its slot, where its
/// cursors have their pins, and the state, until it lets go of them (`end_expired`).
void Manager::expire(const TooOld& old) {
  const MutexLock one(expiry_mutex_);
  ReaderSlot& slot = *old.slot;
  ReaderSlot* const pin = pin_for_owner();
  if (pin == nullptr) {
    return;
  }
  if (!slot.gate.expire(old.use)) {  // at work, or gone: the next round will see
    graph_.epochs.unpin(pin);
    graph_.epochs.release(pin);
    return;
  }
  base::yield_point("txn.expire.begun");
  State& state = *static_cast<State*>(slot.holder.load(std::memory_order_acquire));
  {
    const MutexLock lock(ages_mutex_);
    const std::uint64_t limit_us = slot.age_limit_us.load(std::memory_order_relaxed);
    kept_.push_back({&slot, pin, limit_us, limit_us, false});
  }
  // Before the view goes: whoever finds no view open finds this.
  expired_open_.fetch_add(1, std::memory_order_seq_cst);
  take_back(state, expiry_slot_, "older than its limit");
  base::yield_point("txn.expire.undone");
  release_claims(state);
  release_slots(state);
  active_.add(-1);
  aborts_.add(1);
  expired_.add(1);
  slot.view.store(ReaderSlot::no_view, std::memory_order_seq_cst);
  slot.gate.done();
}

void Manager::end_expired(State* state) {
  ReaderSlot* const slot = state->slot;
  if (!slot->gate.undone()) {
    const MutexLock undone(expiry_mutex_);  // held from before it began until it is done
  }
  {
    const MutexLock lock(ages_mutex_);
    const auto kept = std::find_if(kept_.begin(), kept_.end(),
                                   [&](const Kept& each) { return each.owner == slot; });
    SELVEDGE_ASSERT(kept != kept_.end());
    if (kept->pin != nullptr) {
      graph_.epochs.unpin(kept->pin);
      graph_.epochs.release(kept->pin);
    }
    *kept = kept_.back();
    kept_.pop_back();
  }
  state->slot = nullptr;
  slot->holder.store(nullptr, std::memory_order_release);
  graph_.epochs.release(slot);
  recycle(state);
  reclaim_now_and_then();
  expired_open_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace selvedge::txn
