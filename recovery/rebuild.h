// What is derived: free slots, adjacency, labels, counts.
#pragma once

#include <selvedge/error.h>

#include "graph/counters.h"
#include "graph/graph.h"
#include "recovery/apply.h"

namespace selvedge::recovery {

struct Rebuilt {
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  graph::BaseCounts counts;
};

/// Drops tombstones, frees slots, and builds adjacency, label lists and counts from the records.
/// `corruption` when an edge hangs on a node that is not there.
Result<Rebuilt> rebuild(graph::Graph& graph, const Applier& applier, unsigned workers);

}  // namespace selvedge::recovery
