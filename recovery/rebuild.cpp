#include "recovery/rebuild.h"

#include <algorithm>
#include <string>
#include <vector>

#include "graph/image.h"

namespace selvedge::recovery {

using graph::EdgeRecord;
using graph::EntryList;
using graph::Head;
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

Rebuilt settle_records(graph::Graph& graph, const Applier& applier) {
  Rebuilt rebuilt;
  for (std::uint64_t slot = 0; slot < applier.node_end(); ++slot) {
    NodeRecord& record = graph.nodes.at(slot);
    const std::uint64_t seen = Applier::seen_generation(record);
    const bool live = settle_head(graph, record);
    const std::uint64_t generation =
        live ? record.generation() : std::max(seen, record.generation());
    record.word.store(generation, std::memory_order_relaxed);
    if (live) {
      ++rebuilt.nodes;
      rebuilt.counts.apply({graph::CounterKind::nodes, 0, 1});
    } else if (generation < id_bits::generation_max) {
      graph.node_slots.free(slot);
    }
  }
  for (std::uint64_t slot = 0; slot < applier.edge_end(); ++slot) {
    EdgeRecord& record = graph.edges.at(slot);
    const std::uint64_t seen = Applier::seen_generation(record);
    const bool live = settle_head(graph, record);
    const std::uint64_t generation =
        live ? record.generation() : std::max(seen, record.generation());
    record.word.store(EdgeRecord::make_word(record.type(), generation), std::memory_order_relaxed);
    if (live) {
      ++rebuilt.edges;
      rebuilt.counts.apply({graph::CounterKind::edges, 0, 1});
      rebuilt.counts.apply({graph::CounterKind::type, record.type(), 1});
    } else if (generation < id_bits::generation_max) {
      graph.edge_slots.free(slot);
    }
  }
  graph.node_slots.set_high_water(applier.node_end());
  graph.edge_slots.set_high_water(applier.edge_end());
  return rebuilt;
}

Status no_memory() {
  return fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
}

/// One worker's share of the nodes, in one direction: count, reserve, fill.
Status build_lists(graph::Graph& graph, const Applier& applier, bool out, unsigned worker,
                   unsigned workers) {
  const std::uint64_t node_end = applier.node_end();
  const std::uint64_t share = (node_end + workers - 1) / workers;
  const std::uint64_t first = share * worker;
  const std::uint64_t last = std::min(node_end, first + share);
  if (first >= last) {
    return {};
  }
  std::vector<std::uint32_t> degrees(static_cast<std::size_t>(last - first));
  const auto each_edge = [&](auto use) -> Status {
    for (std::uint64_t slot = 0; slot < applier.edge_end(); ++slot) {
      const EdgeRecord& record = graph.edges.at(slot);
      if (record.head.load(std::memory_order_relaxed) == 0) {
        continue;
      }
      const std::uint64_t source = record.source.load(std::memory_order_relaxed);
      const std::uint64_t target = record.target.load(std::memory_order_relaxed);
      const std::uint64_t owner = id_bits::slot(out ? source : target);
      if (owner >= first && owner < last) {
        SELVEDGE_TRY(use(slot, record, owner, out ? target : source));
      }
    }
    return {};
  };
  SELVEDGE_TRY(each_edge(
      [&](std::uint64_t, const EdgeRecord&, std::uint64_t owner, std::uint64_t) -> Status {
        ++degrees[static_cast<std::size_t>(owner - first)];
        return {};
      }));
  for (std::uint64_t slot = first; slot < last; ++slot) {
    NodeRecord& node = graph.nodes.at(slot);
    EntryList list = out ? graph.out_list(node) : graph.in_list(node);
    if (!list.reserve(degrees[static_cast<std::size_t>(slot - first)])) {
      return no_memory();
    }
  }
  return each_edge([&](std::uint64_t slot, const EdgeRecord& record, std::uint64_t owner,
                       std::uint64_t other) -> Status {
    NodeRecord& node = graph.nodes.at(owner);
    const std::uint64_t id = id_bits::make(slot, record.generation());
    EntryList list = out ? graph.out_list(node) : graph.in_list(node);
    const std::uint32_t position = list.append(id, other, graph::TypeBits::of(record.type()));
    if (position == EntryList::no_position) {
      return no_memory();
    }
    list.settle(position, id);
    return {};
  });
}

/// Every edge hangs on live nodes of the right generation.
Status check_ends(const graph::Graph& graph, const Applier& applier) {
  for (std::uint64_t slot = 0; slot < applier.edge_end(); ++slot) {
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

Status build_labels(graph::Graph& graph, const Applier& applier, graph::BaseCounts& counts) {
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
  Rebuilt rebuilt = settle_records(graph, applier);
  SELVEDGE_TRY(check_ends(graph, applier));
  for (const bool out : {true, false}) {
    SELVEDGE_TRY(in_parallel(workers, [&](unsigned worker) {
      return build_lists(graph, applier, out, worker, workers);
    }));
  }
  SELVEDGE_TRY(build_labels(graph, applier, rebuilt.counts));
  return rebuilt;
}

}  // namespace selvedge::recovery
