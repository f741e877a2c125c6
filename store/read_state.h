// What a reader knows: the graph, where it stands, and the slot that protects it.
#pragma once

#include <selvedge/read.h>

#include "graph/graph.h"
#include "txn/manager.h"

namespace selvedge::detail {

class ReadState {
 public:
  graph::Graph* graph = nullptr;
  txn::Manager* manager = nullptr;
  graph::ReaderSlot* slot = nullptr;
  graph::Viewpoint view;
  const txn::State* self = nullptr;  ///< the transaction whose own writes are seen
  txn::ReadSet* reads = nullptr;     ///< where a serializable transaction notes what it reads

  [[nodiscard]] graph::EpochManager& epochs() const { return graph->epochs; }
};

}  // namespace selvedge::detail
