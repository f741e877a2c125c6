#include "recovery/rebuild.h"

#include <algorithm>
#include <string>
#include <vector>

#include "graph/image.h"

namespace selvedge::recovery {

using graph::EdgeRecord;
using graph::EntryList;
using graph::Head;
using graph::NameKind;
using graph::NodeRecord;
using graph::Version;

namespace {

/// Drops a tombstone; true when the record is live.
template <class Record>
bool settle_head(graph::Graph& graph, Record& record) {
  const Head head{record.head.load(std::memory_order_relaxed)};
  const bool live = !head.empty() && (head.is_inline() || !head.version()->has(Version::tombstone));
  if (!live && !head.empty()) {
    graph.free_chain(record.head.exchange(0, std::memory_order_relaxed), true);
  }
  return live;
}

/// What one worker found in its share of the records. Shares no cache line with another's.
struct alignas(128) Share {
  std::uint64_t live = 0;
  std::vector<std::uint64_t> free_slots;
  graph::BaseCounts counts;
};

bool defined(const graph::Dictionary& names, std::uint32_t id) {
  return id < names.size() && !names.text(id).empty();
}

Status undefined(const char* what, std::uint32_t id, std::uint64_t entity) {
  return fail(Error(ErrorCode::corruption, "the recovered state uses a name that nothing defines")
                  .mismatch(std::string("a defined ") + what, "id " + std::to_string(id))
                  .with_entity(entity));
}

Status check_names(const graph::Graph& graph, Head head, std::uint64_t entity) {
  if (head.is_inline()) {
    return {};
  }
  const graph::ImageView image(head.version()->image());
  for (std::size_t i = 0; i < image.label_count(); ++i) {
    if (!defined(graph.names.of(NameKind::label), image.label(i))) {
      return undefined("label", image.label(i), entity);
    }
  }
  for (std::size_t i = 0; i < image.property_count(); ++i) {
    if (!defined(graph.names.of(NameKind::key), image.key(i))) {
      return undefined("key", image.key(i), entity);
    }
  }
  return {};
}

/// Settles a record's head and generation: true when it is live.
template <class Record>
bool settle_record(graph::Graph& graph, Record& record, std::uint64_t slot, Share& share,
                   std::uint64_t& generation) {
  const std::uint64_t seen = Applier::seen_generation(record);
  const bool live = settle_head(graph, record);
  generation = live ? record.generation() : std::max(seen, record.generation());
  if (live) {
    ++share.live;
  } else if (generation < id_bits::generation_max) {
    share.free_slots.push_back(slot);
  }
  return live;
}

Status settle_node(graph::Graph& graph, std::uint64_t slot, Share& share) {
  NodeRecord& record = graph.nodes.at(slot);
  std::uint64_t generation = 0;
  const bool live = settle_record(graph, record, slot, share, generation);
  record.word.store(generation, std::memory_order_relaxed);
  if (!live) {
    return {};
  }
  share.counts.apply({graph::CounterKind::nodes, 0, 1});
  return check_names(graph, {record.head.load(std::memory_order_relaxed)},
                     id_bits::make(slot, generation));
}

Status settle_edge(graph::Graph& graph, std::uint64_t slot, Share& share) {
  EdgeRecord& record = graph.edges.at(slot);
  std::uint64_t generation = 0;
  const bool live = settle_record(graph, record, slot, share, generation);
  record.word.store(EdgeRecord::make_word(record.type(), generation), std::memory_order_relaxed);
  if (!live) {
    return {};
  }
  const std::uint64_t id = id_bits::make(slot, generation);
  if (!defined(graph.names.of(NameKind::type), record.type())) {
    return undefined("type", record.type(), id);
  }
  share.counts.apply({graph::CounterKind::edges, 0, 1});
  share.counts.apply({graph::CounterKind::type, record.type(), 1});
  return check_names(graph, {record.head.load(std::memory_order_relaxed)}, id);
}

/// Runs `settle(slot, share)` for all slots below `end`, and frees the slots found free, in order.
template <class Settle>
Result<std::uint64_t> settle_slots(std::uint64_t end, unsigned workers, graph::BaseCounts& counts,
                                   graph::SlotAllocator& slots, Settle settle) {
  std::vector<Share> shares(workers);
  const std::uint64_t size = (end + workers - 1) / workers;
  SELVEDGE_TRY(in_parallel(workers, [&](unsigned worker) -> Status {
    const std::uint64_t last = std::min(end, size * (worker + 1));
    for (std::uint64_t slot = size * worker; slot < last; ++slot) {
      SELVEDGE_TRY(settle(slot, shares[worker]));
    }
    return {};
  }));
  std::uint64_t live = 0;
  for (Share& share : shares) {
    live += share.live;
    counts.merge(share.counts);
    for (const std::uint64_t slot : share.free_slots) {
      slots.free(slot);
    }
  }
  slots.set_high_water(end);
  return live;
}

Result<Rebuilt> settle_records(graph::Graph& graph, const Applier& applier, unsigned workers) {
  Rebuilt rebuilt;
  SELVEDGE_TRY(rebuilt.nodes, settle_slots(applier.node_end(), workers, rebuilt.counts,
                                           graph.node_slots, [&](std::uint64_t slot, Share& share) {
                                             return settle_node(graph, slot, share);
                                           }));
  SELVEDGE_TRY(rebuilt.edges, settle_slots(applier.edge_end(), workers, rebuilt.counts,
                                           graph.edge_slots, [&](std::uint64_t slot, Share& share) {
                                             return settle_edge(graph, slot, share);
                                           }));
  return rebuilt;
}

Status no_memory() {
  return fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
}

/// How far ahead memory is asked for: an edge's ends lie anywhere.
constexpr std::uint64_t prefetch_records = 32;
constexpr std::uint64_t prefetch_blocks = 16;

std::uint64_t owner_of(const EdgeRecord& record, bool out) {
  return id_bits::slot((out ? record.source : record.target).load(std::memory_order_relaxed));
}

/// One worker's share of the nodes, in one direction: count, reserve, fill.
class ListBuilder {
 public:
  ListBuilder(graph::Graph& graph, std::uint64_t edge_end, std::uint64_t first, std::uint64_t last,
              bool out)
      : graph_(graph), edge_end_(edge_end), first_(first), last_(last), out_(out) {}

  Status build() {
    std::vector<std::uint32_t> degrees(static_cast<std::size_t>(last_ - first_));
    for (std::uint64_t slot = 0; slot < edge_end_; ++slot) {
      if (mine(slot)) {
        ++degrees[static_cast<std::size_t>(owner_of(graph_.edges.at(slot), out_) - first_)];
      }
    }
    for (std::uint64_t slot = first_; slot < last_; ++slot) {
      if (!list(graph_.nodes.at(slot)).reserve(degrees[static_cast<std::size_t>(slot - first_)])) {
        return no_memory();
      }
    }
    for (std::uint64_t slot = 0; slot < edge_end_; ++slot) {
      prefetch(slot);
      if (mine(slot)) {
        SELVEDGE_TRY(add(slot));
      }
    }
    return {};
  }

 private:
  EntryList list(NodeRecord& node) { return out_ ? graph_.out_list(node) : graph_.in_list(node); }

  /// A live edge of one of our nodes.
  [[nodiscard]] bool mine(std::uint64_t slot) const {
    const EdgeRecord& record = graph_.edges.at(slot);
    const std::uint64_t owner = owner_of(record, out_);
    return owner >= first_ && owner < last_ && record.head.load(std::memory_order_relaxed) != 0;
  }

  void prefetch(std::uint64_t slot) const {
    if (slot + prefetch_records < edge_end_ && mine(slot + prefetch_records)) {
      const EdgeRecord& later = graph_.edges.at(slot + prefetch_records);
      __builtin_prefetch(&graph_.nodes.at(owner_of(later, out_)));
    }
    if (slot + prefetch_blocks < edge_end_ && mine(slot + prefetch_blocks)) {
      const EdgeRecord& soon = graph_.edges.at(slot + prefetch_blocks);
      const NodeRecord& node = graph_.nodes.at(owner_of(soon, out_));
      EntryList::prefetch((out_ ? node.out : node.in).load(std::memory_order_relaxed));
    }
  }

  Status add(std::uint64_t slot) {
    const EdgeRecord& record = graph_.edges.at(slot);
    const std::uint64_t other =
        (out_ ? record.target : record.source).load(std::memory_order_relaxed);
    const std::uint64_t id = id_bits::make(slot, record.generation());
    EntryList entries = list(graph_.nodes.at(owner_of(record, out_)));
    const std::uint32_t position = entries.append(id, other, graph::TypeBits::of(record.type()));
    if (position == EntryList::no_position) {
      return no_memory();
    }
    entries.settle(position, id);
    return {};
  }

  graph::Graph& graph_;
  std::uint64_t edge_end_;
  std::uint64_t first_;
  std::uint64_t last_;
  bool out_;
};

Status build_lists(graph::Graph& graph, const Applier& applier, bool out, unsigned worker,
                   unsigned workers) {
  const std::uint64_t node_end = applier.node_end();
  const std::uint64_t share = (node_end + workers - 1) / workers;
  const std::uint64_t first = share * worker;
  const std::uint64_t last = std::min(node_end, first + share);
  return first >= last ? Status{}
                       : ListBuilder(graph, applier.edge_end(), first, last, out).build();
}

/// Every edge of one worker's share hangs on live nodes of the right generation.
Status check_ends(const graph::Graph& graph, const Applier& applier, unsigned worker,
                  unsigned workers) {
  const std::uint64_t share = (applier.edge_end() + workers - 1) / workers;
  const std::uint64_t last = std::min(applier.edge_end(), share * (worker + 1));
  for (std::uint64_t slot = share * worker; slot < last; ++slot) {
    if (slot + prefetch_records < last) {
      const EdgeRecord& later = graph.edges.at(slot + prefetch_records);
      for (const bool out : {true, false}) {
        const std::uint64_t node = owner_of(later, out);
        if (graph.nodes.covers(node)) {
          __builtin_prefetch(&graph.nodes.at(node));
        }
      }
    }
    const EdgeRecord& record = graph.edges.at(slot);
    if (record.head.load(std::memory_order_relaxed) == 0) {
      continue;
    }
    for (const std::uint64_t end : {record.source.load(std::memory_order_relaxed),
                                    record.target.load(std::memory_order_relaxed)}) {
      const NodeRecord* node = graph.find(NodeId{end});
      if (node == nullptr || node->head.load(std::memory_order_relaxed) == 0) {
        return fail(
            Error(ErrorCode::corruption, "the recovered state has an edge on a missing node")
                .mismatch("node " + std::to_string(end), "nothing")
                .with_entity(id_bits::make(slot, record.generation())));
      }
    }
  }
  return {};
}

/// The labels of one worker: those whose id leaves it as remainder.
Status build_labels(graph::Graph& graph, const Applier& applier, unsigned worker, unsigned workers,
                    graph::BaseCounts& counts) {
  for (std::uint64_t slot = 0; slot < applier.node_end(); ++slot) {
    const NodeRecord& record = graph.nodes.at(slot);
    const Head head{record.head.load(std::memory_order_relaxed)};
    if (head.empty()) {
      continue;
    }
    const std::uint64_t id = id_bits::make(slot, record.generation());
    const graph::ImageView image(head.version()->image());
    for (std::size_t i = 0; i < image.label_count(); ++i) {
      const std::uint32_t label = image.label(i);
      if (label % workers != worker) {
        continue;
      }
      EntryList list = graph.label_list(graph.label(label));
      const std::uint32_t position = list.append(id, 0, {});
      if (position == EntryList::no_position) {
        return no_memory();
      }
      list.settle(position, id);
      counts.apply({graph::CounterKind::label, label, 1});
    }
  }
  return {};
}

}  // namespace

Result<Rebuilt> rebuild(graph::Graph& graph, const Applier& applier, unsigned workers) {
  SELVEDGE_TRY(Rebuilt rebuilt, settle_records(graph, applier, workers));
  SELVEDGE_TRY(in_parallel(
      workers, [&](unsigned worker) { return check_ends(graph, applier, worker, workers); }));
  for (const bool out : {true, false}) {
    SELVEDGE_TRY(in_parallel(workers, [&](unsigned worker) {
      return build_lists(graph, applier, out, worker, workers);
    }));
  }
  std::vector<graph::BaseCounts> counts(workers);
  SELVEDGE_TRY(in_parallel(workers, [&](unsigned worker) {
    return build_labels(graph, applier, worker, workers, counts[worker]);
  }));
  for (const graph::BaseCounts& each : counts) {
    rebuilt.counts.merge(each);
  }
  graph.embeddings.retain([&](std::uint64_t node) {
    const NodeRecord* record = graph.find(NodeId{node});
    return record != nullptr && record->head.load(std::memory_order_relaxed) != 0;
  });
  return rebuilt;
}

}  // namespace selvedge::recovery
