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
    FreeSlots& free = free_.mine();
    const std::lock_guard guard(free.latch);
    if (!free.slots.empty()) {
      ReaderSlot* slot = free.slots.back();
      free.slots.pop_back();
      return slot;
    }
  }
  auto* fresh = new ReaderSlot(*this, base::shard_of_thread());
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
  FreeSlots& free = free_.at(slot->home);
  const std::lock_guard guard(free.latch);
  free.slots.push_back(slot);
}

void EpochManager::retire(const Retired& item) noexcept try {
  const std::uint64_t now = epoch_.load(std::memory_order_seq_cst);
  Bags& mine = bags_.mine();
  const std::lock_guard guard(mine.latch);
  // A thread that read an older epoch may arrive late: the newest bag is the safe place for it.
  if (mine.bags.empty() || mine.bags.back().epoch < now) {
    Bag bag;
    bag.epoch = now;
    if (!mine.spare.empty()) {
      bag.items = std::move(mine.spare.back());
      mine.spare.pop_back();
    }
    mine.bags.push_back(std::move(bag));
  }
  mine.bags.back().items.push_back(item);
  mine.items.fetch_add(1, std::memory_order_relaxed);
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

void EpochManager::collect_where(std::uint64_t items_min) {
  if (retired_count() == 0) {
    return;
  }
  const Bags& mine = bags_.mine();
  const std::uint64_t opened = epoch_.fetch_add(1, std::memory_order_seq_cst) + 1;
  const std::uint64_t safe = std::min(oldest_pin(), opened);
  bags_.each([&](Bags& each) {
    const std::uint64_t items = each.items.load(std::memory_order_relaxed);
    if (items >= items_min || (&each == &mine && items != 0)) {
      collect_from(each, safe);
    }
  });
}

void EpochManager::collect_from(Bags& from, std::uint64_t safe) {
  std::vector<Bag> ready;
  {
    const std::lock_guard guard(from.latch);
    std::size_t count = 0;
    while (count < from.bags.size() && from.bags[count].epoch < safe) {
      ++count;
    }
    if (count == 0) {
      return;
    }
    const auto end = from.bags.begin() + static_cast<std::ptrdiff_t>(count);
    ready.assign(std::make_move_iterator(from.bags.begin()), std::make_move_iterator(end));
    from.bags.erase(from.bags.begin(), end);
  }
  std::uint64_t given_back = 0;
  for (Bag& bag : ready) {
    for (const Retired& item : bag.items) {
      give_back(item);
    }
    given_back += bag.items.size();
    bag.items.clear();
  }
  from.items.fetch_sub(given_back, std::memory_order_relaxed);
  const std::lock_guard guard(from.latch);
  for (Bag& bag : ready) {
    if (from.spare.size() < 8 && bag.items.capacity() <= 4096) {
      from.spare.push_back(std::move(bag.items));
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
      result = {view, slot->site.load(std::memory_order_relaxed), result.open};
    }
  }
  return result;
}

}  // namespace selvedge::graph
