// What an old view does not need: versions between views, and write sets with no view between them.

#include <algorithm>
#include <utility>

#include <tsl/robin_set.h>

#include "txn/manager.h"

namespace selvedge::txn {

using graph::Head;
using graph::Version;

namespace {

constexpr std::uint64_t waiting_min = 64;
constexpr std::size_t compact_items_min = 256;

bool is_update(WriteKind kind) {
  return kind == WriteKind::update_node || kind == WriteKind::restore_node ||
         kind == WriteKind::update_edge || kind == WriteKind::restore_edge;
}

bool is_delete(WriteKind kind) {
  return kind == WriteKind::delete_node || kind == WriteKind::delete_edge;
}

/// A tombstone at or before `floor` with nothing beneath that any view could see. Views above the
/// floor see the tombstone, those below it see nothing.
bool gone_between_views(std::uint64_t head_word, std::uint64_t floor) {
  const Head head{head_word};
  if (head.empty() || head.is_inline() || !head.version()->has(Version::tombstone) ||
      head.version()->prev() != 0) {
    return false;
  }
  const std::uint64_t committed =
      graph::committed_at(head.version()->stamp.load(std::memory_order_acquire));
  return committed != 0 && committed <= floor;
}

}  // namespace

/// Takes out versions that fall between all views: `newer` hides them from every view at or after
/// its commit, and no view stands between the two commits.
void Manager::prune_chain(const WriteItem& item, std::uint64_t floor) {
  for (Head head{head_of(item).load(std::memory_order_acquire)};
       !head.empty() && !head.is_inline();) {
    Version* newer = head.version();
    const std::uint64_t newer_at =
        graph::committed_at(newer->stamp.load(std::memory_order_acquire));
    const Head below{newer->prev()};
    if (newer_at == 0 || newer_at > floor || below.empty()) {
      head = below;
      continue;
    }
    const std::uint64_t below_at =
        below.is_inline()
            ? below.sequence()
            : graph::committed_at(below.version()->stamp.load(std::memory_order_acquire));
    const auto first = std::lower_bound(prune_views_.begin(), prune_views_.end(), below_at);
    const bool seen = below_at == 0 || (first != prune_views_.end() && *first < newer_at);
    if (seen) {
      head = below;
      continue;
    }
    const std::uint64_t rest = below.is_inline() ? 0 : below.version()->prev();
    newer->prev_word().exchange(rest, std::memory_order_seq_cst);
    if (!below.is_inline()) {
      release_keys(item, *below.version());
      graph_.retire_version(below.version());
    }
  }
}

/// An old view holds settling back, but neither the versions that it cannot see, nor one write set
/// for each commit: memory grows with what differs from what open views see, not with time.
void Manager::prune_waiting(Finished& finished, std::uint64_t floor) {
  if (waiting_.sum() < waiting_min || !graph_.epochs.views(prune_views_)) {
    return;
  }
  for (std::size_t budget = 1024; budget > 0; --budget) {
    State* const before = finished.prune_at != nullptr ? finished.prune_at : finished.first;
    State* const state = before->next_finished.load(std::memory_order_acquire);
    if (state == nullptr || !state->stamped.load(std::memory_order_acquire) ||
        state->commit_sequence > floor) {
      return;
    }
    prune_items(*state, floor);
    if (finished.prune_at != nullptr && no_view_between(*finished.prune_at, *state)) {
      absorb(finished, *state);
    } else {
      finished.prune_before = before;
    }
    finished.prune_at =
        state;  // the older one may be gone: before anything that can run out of memory
    if (state->writes.size() >= 2 * state->compacted_items + compact_items_min) {
      compact(*state, floor);
    }
  }
}

void Manager::prune_items(const State& state, std::uint64_t floor) {
  for (const WriteItem& item : state.writes) {
    if (is_update(item.kind()) || is_delete(item.kind())) {
      prune_chain(item, floor);
    }
  }
}

std::atomic<std::uint64_t>& Manager::head_of(const WriteItem& item) {
  const std::uint64_t slot = id_bits::slot(item.id());
  return item.is_node() ? graph_.nodes.at(slot).head : graph_.edges.at(slot).head;
}

/// No open view sees the older commit and not the newer. Future ones open above both.
bool Manager::no_view_between(const State& older, const State& newer) const {
  const auto first =
      std::lower_bound(prune_views_.begin(), prune_views_.end(), older.commit_sequence);
  return first == prune_views_.end() || *first >= newer.commit_sequence;
}

/// Moves an older write set into the next one, which keeps its commit sequence: for every view both
/// are there, or neither.
void Manager::absorb(Finished& finished, State& newer) {
  State& older = *finished.prune_at;
  // What can run out of memory comes first, and leaves two write sets that say the same.
  for (const bool nodes : {true, false}) {
    auto& from = nodes ? older.dropped_node_slots : older.dropped_edge_slots;
    auto& to = nodes ? newer.dropped_node_slots : newer.dropped_edge_slots;
    to.insert(to.end(), from.begin(), from.end());
    from.clear();
  }
  graph::CountDeltas counts = newer.counts;
  for (const graph::CountDelta& delta : older.counts.all()) {
    counts.add(delta.kind, delta.id, delta.amount);
  }
  older.writes.insert(older.writes.end(), newer.writes.begin(), newer.writes.end());
  older.writes.swap(newer.writes);
  newer.compacted_items = older.compacted_items;
  newer.counts = std::move(counts);
  finished.prune_before->next_finished.store(&newer, std::memory_order_release);
  older.writes.clear();
  recycle(&older);
  waiting_.add(-1);
}

/// Gives back what was created and deleted again unseen, and forgets what is said twice.
void Manager::compact(State& state, std::uint64_t floor) {
  tsl::robin_set<std::uint64_t, selvedge::detail::IdHash> updated;
  updated.reserve(state.writes.size());  // from here on nothing fails
  const auto done = [&](const WriteItem& item) {
    switch (item.kind()) {
      case WriteKind::delete_node:
      case WriteKind::delete_edge: {
        const bool there = present(item);
        if (!there || !gone_between_views(head_of(item).load(std::memory_order_acquire), floor)) {
          return !there;
        }
        item.is_node() ? remove_node(item.id()) : remove_edge(item.id(), item);
        return true;
      }
      case WriteKind::remove_label: return release_label(item.id(), item);
      case WriteKind::add_label: return graph_.find(NodeId{item.id()}) == nullptr;
      default: break;
    }
    const bool there = present(item) && head_of(item).load(std::memory_order_acquire) != 0;
    return !there || (is_update(item.kind()) && !updated.insert(item.word).second);
  };
  // From the newest to the oldest: an entity is removed before its creation is looked at.
  std::size_t kept = state.writes.size();
  for (std::size_t i = state.writes.size(); i-- > 0;) {
    const WriteItem item = state.writes[i];
    if (!done(item)) {
      state.writes[--kept] = item;
    }
  }
  state.writes.erase(state.writes.begin(),
                     state.writes.begin() + static_cast<std::ptrdiff_t>(kept));
  state.compacted_items = state.writes.size();
}

}  // namespace selvedge::txn
