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

/// Fills the indexes of a schema from a rebuilt graph and checks its constraints: each worker takes
/// its share of the objects. `corruption` names the object and the first entity that breaks it.
Status fill_schema(graph::Graph& graph, const Applier& applier,
                   const std::vector<graph::SchemaObjectPtr>& objects, unsigned workers);

}  // namespace selvedge::recovery
