#include "graph/epoch.h"

#include <algorithm>
#include <mutex>
#include <new>

#include "base/assert.h"

namespace selvedge::graph {

EpochManager::~EpochManager() {
  ReaderSlot* slot = slots_.load(std::memory_order_acquire);
  while (slot != nullptr) {
    ReaderSlot* next = slot->next;
    delete slot;
    slot = next;
  }
}

ReaderSlot* EpochManager::acquire() {
  {
    const std::lock_guard guard(free_latch_);
    if (!free_slots_.empty()) {
      ReaderSlot* slot = free_slots_.back();
      free_slots_.pop_back();
      return slot;
    }
  }
  auto* fresh = new ReaderSlot(*this);
  ReaderSlot* head = slots_.load(std::memory_order_relaxed);
  do {
    fresh->next = head;
  } while (!slots_.compare_exchange_weak(head, fresh, std::memory_order_seq_cst));
  return fresh;
}

void EpochManager::release(ReaderSlot* slot) noexcept {
  slot->view.store(ReaderSlot::no_view, std::memory_order_release);
  if (slot->depth != 0) {
    slot->depth |= ReaderSlot::leaving;
    return;
  }
  const std::lock_guard guard(free_latch_);
  free_slots_.push_back(slot);
}

void EpochManager::retire(const Retired& item) noexcept try {
  const std::uint64_t now = epoch_.load(std::memory_order_seq_cst);
  const std::lock_guard guard(bags_latch_);
  // A thread that read an older epoch may arrive late: the newest bag is the safe place for it.
  if (bags_.empty() || bags_.back().epoch < now) {
    Bag bag;
    bag.epoch = now;
    if (!spare_.empty()) {
      bag.items = std::move(spare_.back());
      spare_.pop_back();
    }
    bags_.push_back(std::move(bag));
  }
  bags_.back().items.push_back(item);
  retired_count_.fetch_add(1, std::memory_order_relaxed);
} catch (const std::bad_alloc&) {
  // A leak until the graph dies is the safe end of a thing that nobody may touch.
}

std::uint64_t EpochManager::oldest_pin() const {
  std::uint64_t oldest = ReaderSlot::no_view;
  for (const ReaderSlot* slot = slots_.load(std::memory_order_acquire); slot != nullptr;
       slot = slot->next) {
    const std::uint64_t pinned = slot->epoch.load(std::memory_order_seq_cst);
    if (pinned != 0) {
      oldest = std::min(oldest, pinned);
    }
  }
  return oldest;
}

void EpochManager::collect() {
  if (retired_count_.load(std::memory_order_relaxed) == 0) {
    return;
  }
  const std::uint64_t opened = epoch_.fetch_add(1, std::memory_order_seq_cst) + 1;
  const std::uint64_t safe = std::min(oldest_pin(), opened);
  std::vector<Bag> ready;
  {
    const std::lock_guard guard(bags_latch_);
    std::size_t count = 0;
    while (count < bags_.size() && bags_[count].epoch < safe) {
      ++count;
    }
    if (count == 0) {
      return;
    }
    const auto end = bags_.begin() + static_cast<std::ptrdiff_t>(count);
    ready.assign(std::make_move_iterator(bags_.begin()), std::make_move_iterator(end));
    bags_.erase(bags_.begin(), end);
  }
  std::uint64_t given_back = 0;
  for (Bag& bag : ready) {
    for (const Retired& item : bag.items) {
      give_back(item);
    }
    given_back += bag.items.size();
    bag.items.clear();
  }
  retired_count_.fetch_sub(given_back, std::memory_order_relaxed);
  const std::lock_guard guard(bags_latch_);
  for (Bag& bag : ready) {
    if (spare_.size() < 8 && bag.items.capacity() <= 4096) {
      spare_.push_back(std::move(bag.items));
    }
  }
}

void EpochManager::give_back(const Retired& item) {
  if (item.kind == Retired::Kind::memory) {
    arena_.deallocate(reinterpret_cast<void*>(item.address), item.bytes);
  } else {
    SELVEDGE_ASSERT(sink_ != nullptr);
    sink_->reclaim(item);
  }
}

std::uint64_t EpochManager::horizon(std::uint64_t floor) {
  std::uint64_t lowest = floor;
  for (const ReaderSlot* slot = slots_.load(std::memory_order_seq_cst); slot != nullptr;
       slot = slot->next) {
    lowest = std::min(lowest, slot->view.load(std::memory_order_seq_cst));
  }
  std::uint64_t known = horizon_.load(std::memory_order_relaxed);
  while (known < lowest &&
         !horizon_.compare_exchange_weak(known, lowest, std::memory_order_acq_rel)) {
  }
  return std::max(known, lowest);
}

bool EpochManager::views(std::vector<std::uint64_t>& out) const {
  out.clear();
  for (const ReaderSlot* slot = slots_.load(std::memory_order_seq_cst); slot != nullptr;
       slot = slot->next) {
    const std::uint64_t view = slot->view.load(std::memory_order_seq_cst);
    if (view == ReaderSlot::opening) {
      return false;
    }
    if (view != ReaderSlot::no_view) {
      out.push_back(view);
    }
  }
  std::sort(out.begin(), out.end());
  return true;
}

EpochManager::OldestView EpochManager::oldest_view() const {
  OldestView result;
  for (const ReaderSlot* slot = slots_.load(std::memory_order_seq_cst); slot != nullptr;
       slot = slot->next) {
    const std::uint64_t view = slot->view.load(std::memory_order_seq_cst);
    if (view == ReaderSlot::no_view) {
      continue;
    }
    ++result.open;
    if (view < result.sequence) {
      result = {view, slot->opened_us.load(std::memory_order_relaxed),
                slot->site.load(std::memory_order_relaxed), result.open};
    }
  }
  return result;
}

}  // namespace selvedge::graph
