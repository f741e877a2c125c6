// What a reader knows: the graph, where it stands, and the slot that protects it.
#pragma once

#include <selvedge/read.h>

#include "graph/graph.h"
#include "txn/manager.h"

namespace selvedge::detail {

inline Error transaction_ended() { return {ErrorCode::finished, "the transaction has ended"}; }
inline Error transaction_expired() {
  return {ErrorCode::finished,
          "the transaction was aborted for its age: it was open longer than its limit"};
}

class ReadState {
 public:
  graph::Graph* graph = nullptr;
  txn::Manager* manager = nullptr;
  graph::ReaderSlot* slot = nullptr;
  graph::Viewpoint view;
  const txn::State* self = nullptr;  ///< the transaction whose own writes are seen
  txn::ReadSet* reads = nullptr;     ///< where a serializable transaction notes what it reads
  bool aged = false;                 ///< it has ended, and not by its owner

  /// Maintenance has ended the transaction for its age. Asked after a read: when it is false, the
  /// read was one of the view (docs/concurrency.md, "A transaction that is too old").
  [[nodiscard]] bool expired() const { return aged || (slot != nullptr && slot->gate.expired()); }

  [[nodiscard]] graph::EpochManager& epochs() const { return graph->epochs; }
};

/// The view is over: there is nothing to see. (A view that was moved from has no state.)
inline bool over(const ReadState* state) {
  return state == nullptr || state->slot == nullptr || state->expired();
}

/// Why it is over.
inline Error finished(const ReadState* state) {
  return state != nullptr && state->expired() ? transaction_expired() : transaction_ended();
}

}  // namespace selvedge::detail
