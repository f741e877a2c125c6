// What happens to a write set after its commit: settling, trimming, giving back. Driven by the
// write sets of finished transactions in commit order, never by scanning.

#include <algorithm>
#include <mutex>
#include <new>

#include "base/mutants.h"
#include "base/yield_point.h"
#include "graph/image.h"
#include "txn/manager.h"

namespace selvedge::txn {

using graph::EdgeRecord;
using graph::EntryList;
using graph::Head;
using graph::ImageView;
using graph::NodeLatch;
using graph::NodeRecord;
using graph::Version;

namespace {

/// Every version from the head down to the first that all views have passed satisfies `holds`.
template <class Holds>
bool holds_for_all_views(std::uint64_t head_word, std::uint64_t horizon, Holds holds) {
  for (Head head{head_word}; !head.empty(); head.word = head.version()->prev()) {
    if (!holds(head)) {
      return false;
    }
    const std::uint64_t committed =
        head.is_inline()
            ? head.sequence()
            : graph::committed_at(head.version()->stamp.load(std::memory_order_acquire));
    if (committed != 0 && committed <= horizon) {
      return true;
    }
    if (head.is_inline()) {
      return false;
    }
  }
  return false;
}

/// The head is a delete that every view has passed.
bool gone_for_all(std::uint64_t head_word, std::uint64_t horizon) {
  const Head head{head_word};
  if (head.empty() || head.is_inline() || !head.version()->has(Version::tombstone)) {
    return false;
  }
  const std::uint64_t committed =
      graph::committed_at(head.version()->stamp.load(std::memory_order_acquire));
  return committed != 0 && committed <= horizon;
}

bool entry_is(const EntryList::HeadWord& head, std::uint32_t position, std::uint64_t entity) {
  const std::uint64_t word = head.load(std::memory_order_relaxed);
  if (word == 0 || position >= EntryList::positions(word)) {
    return false;
  }
  const std::uint64_t entry = EntryList::at(word, position).entity.load(std::memory_order_relaxed);
  return (entry & (graph::Entry::id_mask | graph::Entry::dead_bit)) == entity;
}

}  // namespace

std::uint64_t Manager::horizon() {
  const std::uint64_t floor = readable_from();  // before the slots are looked at
  return graph_.epochs.horizon(floor);
}

/// Part of a commit that is visible already, so it must not fail: where the system refuses memory,
/// what was not done is done the next time.
void Manager::reclaim(bool everything) noexcept try {
  if (base::mutant(base::Mutant::stale_view)) {
    return;  // a view below the horizon must still find its versions
  }
  {
    std::unique_lock lock(reclaim_mutex_, std::defer_lock);
    if (everything) {
      lock.lock();
    } else if (!lock.try_lock()) {
      return;
    }
    advance_kept();
    settle_finished(everything ? ~std::size_t{0} : 256);
  }
  graph_.epochs.collect();
} catch (const std::bad_alloc&) {
  return;
}

void Manager::settle_finished(std::size_t budget) {
  const graph::OperationScope scope(graph_.schema);
  const graph::PinGuard pin(graph_.epochs, reclaim_slot_);
  const std::uint64_t floor = readable_from();
  const std::uint64_t reached =
      base::mutant(base::Mutant::horizon_ignores_views) ? floor : graph_.epochs.horizon(floor);
  for (; budget > 0; --budget) {
    State* state = finished_first_->next_finished.load(std::memory_order_acquire);
    if (state == nullptr || !state->stamped.load(std::memory_order_acquire)) {
      return;
    }
    if (state->commit_sequence > reached) {
      prune_waiting(floor);
      return;
    }
    settle(*state, reached);
    if (prune_at_ == state) {
      prune_at_ = nullptr;
      prune_before_ = nullptr;
    }
    // The settled state stays as the list's anchor; the one before it is done with.
    if (finished_first_ != &finished_anchor_) {
      recycle(finished_first_);
    }
    finished_first_ = state;
    waiting_.add(-1);
  }
}

/// Asks for what the settling of edges to come will touch. Hints only, under the reclaimer's pin.
void Manager::prefetch_settled(std::span<const WriteItem> items, std::size_t next) const {
  constexpr std::size_t nodes_ahead = 16;
  constexpr std::size_t lists_ahead = 8;
  const auto each_end = [&](std::size_t index, auto use) {
    if (index >= items.size() || items[index].kind() != WriteKind::create_edge) {
      return;
    }
    const EdgeRecord& edge = graph_.edges.at(id_bits::slot(items[index].id()));
    use(edge.source.load(std::memory_order_relaxed), true);
    use(edge.target.load(std::memory_order_relaxed), false);
  };
  each_end(next + nodes_ahead, [&](std::uint64_t node, bool) {
    if (graph_.nodes.covers(id_bits::slot(node))) {
      __builtin_prefetch(&graph_.nodes.at(id_bits::slot(node)), 1);
    }
  });
  each_end(next + lists_ahead, [&](std::uint64_t node, bool out) {
    if (const NodeRecord* record = graph_.find(NodeId{node})) {
      EntryList::prefetch((out ? record->out : record->in).load(std::memory_order_relaxed));
    }
  });
}

void Manager::settle(State& state, std::uint64_t horizon) {
  base::yield_point("txn.settle");
  for (std::size_t i = 0; i < state.writes.size(); ++i) {
    prefetch_settled(state.writes, i);
    settle_item(state.writes[i], horizon);
  }
  for (; !state.counts.all().empty(); state.counts.drop_last()) {
    base_counts_.apply(state.counts.all().back());
  }
  release_slots(state);
  state.writes.clear();
}

void Manager::settle_item(const WriteItem& item, std::uint64_t horizon) {
  const std::uint64_t id = item.id();
  const std::uint64_t slot = id_bits::slot(id);
  switch (item.kind()) {
    case WriteKind::create_node: break;
    case WriteKind::update_node:
    case WriteKind::restore_node: trim(item, horizon); break;
    case WriteKind::delete_node:
      if (graph_.find(NodeId{id}) != nullptr &&
          gone_for_all(graph_.nodes.at(slot).head.load(std::memory_order_acquire), horizon)) {
        remove_node(id);
      }
      break;
    case WriteKind::create_edge:
      settle_edge(id, item, horizon);
      trim(item, horizon);
      break;
    case WriteKind::update_edge:
    case WriteKind::restore_edge: trim(item, horizon); break;
    case WriteKind::delete_edge:
      if (graph_.find(EdgeId{id}) != nullptr &&
          gone_for_all(graph_.edges.at(slot).head.load(std::memory_order_acquire), horizon)) {
        remove_edge(id, item);
      } else {
        settle_edge(id, item, horizon);  // brought back by its own transaction
      }
      break;
    case WriteKind::add_label: settle_label(id, item, horizon); break;
    case WriteKind::remove_label: static_cast<void>(release_label(id, item)); break;
  }
}

void Manager::retire_chain(const WriteItem& item, std::uint64_t head_word) {
  for (Head head{head_word}; !head.empty() && !head.is_inline();
       head.word = head.version()->prev()) {
    release_keys(item, *head.version());
  }
  graph_.free_chain(head_word, false);
}

/// Cuts what no view can see, and folds an edge without properties or history into its head.
void Manager::trim(const WriteItem& item, std::uint64_t horizon) {
  std::atomic<std::uint64_t>& head_word = head_of(item);
  Head head{head_word.load(std::memory_order_acquire)};
  while (!head.empty() && !head.is_inline()) {
    Version* version = head.version();
    const std::uint64_t committed =
        graph::committed_at(version->stamp.load(std::memory_order_acquire));
    if (committed == 0 || committed > horizon) {
      head.word = version->prev();
      continue;
    }
    if (version->prev() != 0) {
      retire_chain(item, version->prev_word().exchange(0, std::memory_order_seq_cst));
    }
    const std::uint64_t stamp = version->stamp.load(std::memory_order_acquire);
    if (!item.is_node() && version->image_bytes() == 0 && !version->has(Version::tombstone) &&
        !graph::is_mark(stamp)) {
      std::uint64_t expected = head.word;
      if (head_word.compare_exchange_strong(expected, Head::of_sequence(committed).word,
                                            std::memory_order_seq_cst)) {
        graph_.retire_version(version);
      }
    }
    return;
  }
}

/// Marks an edge's two entries settled if the edge exists for every present and future view. Under
/// the latch: a deleter puts its tombstone first and then clears the bits under the same latch.
void Manager::settle_edge(std::uint64_t id, const WriteItem& item, std::uint64_t horizon) {
  const EdgeRecord* record = graph_.find(EdgeId{id});
  if (record == nullptr) {
    return;
  }
  const auto settle_in = [&](std::uint64_t node, bool out, std::uint32_t position) {
    NodeRecord* owner = graph_.find(NodeId{node});
    if (owner == nullptr) {
      return;
    }
    const NodeLatch latch(*owner);
    const auto live = [](Head head) {
      return head.is_inline() || !head.version()->has(Version::tombstone);
    };
    auto& head = out ? owner->out : owner->in;
    if (entry_is(head, position, id) &&
        holds_for_all_views(record->head.load(std::memory_order_seq_cst), horizon, live)) {
      (out ? graph_.out_list(*owner) : graph_.in_list(*owner)).settle(position, id);
    }
  };
  settle_in(record->source.load(std::memory_order_relaxed), true, item.a);
  settle_in(record->target.load(std::memory_order_relaxed), false, item.b);
}

void Manager::kill_entries(std::uint64_t edge, const WriteItem& item) {
  const EdgeRecord& record = graph_.edges.at(id_bits::slot(edge));
  const auto kill_in = [&](std::uint64_t node, bool out, std::uint32_t position) {
    NodeRecord* owner = graph_.find(NodeId{node});
    if (owner == nullptr) {
      return;
    }
    const NodeLatch latch(*owner);
    if (entry_is(out ? owner->out : owner->in, position, edge)) {
      (out ? graph_.out_list(*owner) : graph_.in_list(*owner)).kill(position, edge);
    }
  };
  kill_in(record.source.load(std::memory_order_relaxed), true, item.a);
  kill_in(record.target.load(std::memory_order_relaxed), false, item.b);
}

void Manager::remove_edge(std::uint64_t id, const WriteItem& item) {
  EdgeRecord& record = graph_.edges.at(id_bits::slot(id));
  kill_entries(id, item);
  retire_chain(item, record.head.exchange(0, std::memory_order_seq_cst));
  graph_.retire_edge_slot(id_bits::slot(id));
}

void Manager::remove_node(std::uint64_t id) {
  NodeRecord& record = graph_.nodes.at(id_bits::slot(id));
  {
    const NodeLatch latch(record);
    graph_.out_list(record).drop();
    graph_.in_list(record).drop();
  }
  retire_chain(WriteItem::make(WriteKind::delete_node, id),
               record.head.exchange(0, std::memory_order_seq_cst));
  graph_.retire_node_slot(id_bits::slot(id));
}

namespace {

bool carries(Head head, std::uint32_t label) {
  return !head.is_inline() && !head.version()->has(Version::tombstone) &&
         ImageView(head.version()->image()).has_label(label);
}

}  // namespace

void Manager::settle_label(std::uint64_t id, const WriteItem& item, std::uint64_t horizon) {
  graph::LabelList& list = graph_.label(item.a);
  const LatchGuard guard(list.latch);
  const NodeRecord* record = graph_.find(NodeId{id});
  if (record != nullptr && entry_is(list.head, item.b, id) &&
      holds_for_all_views(record->head.load(std::memory_order_seq_cst), horizon,
                          [&](Head head) { return carries(head, item.a); })) {
    graph_.label_list(list).settle(item.b, id);
  }
}

/// The entry dies when no version of the node carries the label any more: true when it has.
bool Manager::release_label(std::uint64_t id, const WriteItem& item) {
  graph::LabelList& list = graph_.label(item.a);
  const LatchGuard guard(list.latch);
  if (!entry_is(list.head, item.b, id)) {
    return true;
  }
  const NodeRecord* record = graph_.find(NodeId{id});
  if (record != nullptr) {
    for (Head head{record->head.load(std::memory_order_seq_cst)};
         !head.empty() && !head.is_inline(); head.word = head.version()->prev()) {
      if (carries(head, item.a)) {
        return false;
      }
    }
  }
  graph_.label_list(list).kill(item.b, id);
  return true;
}

}  // namespace selvedge::txn
