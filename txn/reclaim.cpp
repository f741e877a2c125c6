// What happens to a write set after its commit: settling, trimming, giving back. Driven by the
// write sets of finished transactions, those of each home in commit order, never by scanning.

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

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
void Manager::reclaim(Reclaim how) noexcept try {
  if (base::mutant(base::Mutant::stale_view)) {
    return;  // a view below the horizon must still find its versions
  }
  {
    std::unique_lock lock(reclaim_mutex_, std::defer_lock);
    if (how == Reclaim::everything) {
      lock.lock();
    } else if (!lock.try_lock()) {
      return;
    }
    advance_kept();
    settle_finished(how);
  }
  how == Reclaim::mine ? graph_.epochs.collect_mine() : graph_.epochs.collect();
} catch (const std::bad_alloc&) {
  return;
}

void Manager::settle_finished(Reclaim how) {
  constexpr std::size_t batch = 256;
  const graph::OperationScope scope(graph_.schema);
  const graph::PinGuard pin(graph_.epochs, reclaim_slot_);
  const std::uint64_t floor = readable_from();
  const std::uint64_t reached =
      base::mutant(base::Mutant::horizon_ignores_views) ? floor : graph_.epochs.horizon(floor);
  for (std::size_t home = 0; home < base::shard_count; ++home) {
    Finished& finished = finished_.at(home);
    if (how != Reclaim::mine || home == base::shard_of_thread() || left_behind(finished, reached)) {
      settle_home(finished, how == Reclaim::everything ? ~std::size_t{0} : batch, floor, reached);
    }
  }
}

/// What threads leave that come no more is settled by the others.
bool Manager::left_behind(const Finished& finished, std::uint64_t reached) {
  constexpr std::uint64_t much = 4096;
  const State* const next = finished.first->next_finished.load(std::memory_order_acquire);
  return next != nullptr && next->commit.load(std::memory_order_acquire) + much < reached;
}

/// Marks entries of one list settled if their edges exist for every present and future view. Under
/// the latch: a deleter puts its tombstone first and then clears the bits under the same latch.
void Manager::settle_entries(std::span<const EntryPlace> of_one_list, std::uint64_t horizon) {
  NodeRecord* owner = graph_.find(NodeId{of_one_list.front().node});
  if (owner == nullptr) {
    return;
  }
  const auto live = [](Head head) {
    return head.is_inline() || !head.version()->has(Version::tombstone);
  };
  const NodeLatch latch(*owner);
  for (const EntryPlace& place : of_one_list) {
    const EdgeRecord* record = graph_.find(EdgeId{place.edge});
    if (record != nullptr &&
        entry_is(place.out ? owner->out : owner->in, place.position, place.edge) &&
        holds_for_all_views(record->head.load(std::memory_order_seq_cst), horizon, live)) {
      (place.out ? graph_.out_list(*owner) : graph_.in_list(*owner))
          .settle(place.position, place.edge);
    }
  }
}

/// Where an edge's two entries are; none when it is gone.
auto Manager::places_of(std::uint64_t edge, const WriteItem& item) const
    -> std::optional<std::array<EntryPlace, 2>> {
  const EdgeRecord* record = graph_.find(EdgeId{edge});
  if (record == nullptr) {
    return std::nullopt;
  }
  return std::array{
      EntryPlace{record->source.load(std::memory_order_relaxed), edge, item.a, true},
      EntryPlace{record->target.load(std::memory_order_relaxed), edge, item.b, false}};
}

void Manager::settle_edge(std::uint64_t id, const WriteItem& item, std::uint64_t horizon) {
  if (const auto places = places_of(id, item)) {
    settle_entries({&(*places)[0], 1}, horizon);
    settle_entries({&(*places)[1], 1}, horizon);
  }
}

/// Role: entries to settle, gathered by their lists: a hub's latch is taken once for many of them,
///   and its cache lines come once.
class Manager::Settling {
 public:
  Settling(Manager& manager, std::uint64_t horizon) : manager_(manager), horizon_(horizon) {}
  ~Settling() { flush(); }
  Settling(const Settling&) = delete;
  Settling& operator=(const Settling&) = delete;

  void add(std::uint64_t edge, const WriteItem& item) {
    if (const auto places = manager_.places_of(edge, item)) {
      if (count_ == places_.size()) {
        flush();
      }
      places_[count_++] = (*places)[0];
      places_[count_++] = (*places)[1];
    }
  }

 private:
  void flush() {
    const auto by_list = [](const EntryPlace& a, const EntryPlace& b) {
      return std::tie(a.node, a.out, a.position) < std::tie(b.node, b.out, b.position);
    };
    const auto all = std::span(places_).first(std::exchange(count_, 0));
    std::sort(all.begin(), all.end(), by_list);
    for (std::size_t from = 0, to = 0; from < all.size(); from = to) {
      while (to < all.size() && to - from < latched_max && all[to].node == all[from].node &&
             all[to].out == all[from].out) {
        ++to;
      }
      manager_.settle_entries(all.subspan(from, to - from), horizon_);
    }
  }

  static constexpr std::size_t latched_max = 32;  // writers of the node wait meanwhile
  Manager& manager_;
  const std::uint64_t horizon_;
  std::array<EntryPlace, 128> places_{};
  std::size_t count_ = 0;
};

/// In any order between homes: each item looks at what is there, and what a later transaction has
/// removed already is not there any more (docs/concurrency.md, "Homes").
void Manager::settle_home(Finished& finished, std::size_t budget, std::uint64_t floor,
                          std::uint64_t reached) {
  Settling settling(*this, reached);
  for (; budget > 0; --budget) {
    State* state = finished.first->next_finished.load(std::memory_order_acquire);
    if (state == nullptr || !state->stamped.load(std::memory_order_acquire)) {
      return;
    }
    if (state->commit_sequence > reached) {
      prune_waiting(finished, floor);
      return;
    }
    settle(*state, settling, reached);
    if (finished.prune_at == state) {
      finished.prune_at = nullptr;
      finished.prune_before = nullptr;
    }
    // The settled state stays as the list's anchor; the one before it is done with.
    if (finished.first != &finished.anchor) {
      recycle(finished.first);
    }
    finished.first = state;
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

void Manager::settle(State& state, Settling& settling, std::uint64_t horizon) {
  base::yield_point("txn.settle");
  for (std::size_t i = 0; i < state.writes.size(); ++i) {
    prefetch_settled(state.writes, i);
    settle_item(state.writes[i], settling, horizon);
  }
  for (; !state.counts.all().empty(); state.counts.drop_last()) {
    base_counts_.apply(state.counts.all().back());
  }
  release_slots(state);
  state.writes.clear();
}

void Manager::settle_item(const WriteItem& item, Settling& settling, std::uint64_t horizon) {
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
      settling.add(id, item);
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

bool Manager::present(const WriteItem& item) const {
  return item.is_node() ? graph_.find(NodeId{item.id()}) != nullptr
                        : graph_.find(EdgeId{item.id()}) != nullptr;
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
  if (!present(item)) {
    return;  // asked after the head was loaded: the slot may be another's, and its head too
  }
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
