// From the public write calls to the operations of a transaction state.
#pragma once

#include <selvedge/store.h>

#include "graph/image.h"
#include "store/store_impl.h"
#include "txn/operations.h"

namespace selvedge::detail {

/// Role: resolves names, builds images, and runs operations for one state.
/// Threads: as the state.
class WriteOps {
 public:
  WriteOps(StoreImpl& store, txn::State& state, graph::ImageBuilder& builder)
      : store_(store), state_(state), builder_(builder) {}

  Result<NodeId> create_node(std::span<const LabelRef> labels,
                             std::span<const Property> properties);
  Result<EdgeId> create_edge(NodeId source, TypeRef type, NodeId target,
                             std::span<const Property> properties);
  Result<EdgeMade> create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                         std::span<const Property> properties);
  Result<NodeMade> get_or_create_node(LabelRef label, KeyRef key, const ValueArg& value,
                                      std::span<const Property> properties);
  Status set(NodeId id, std::span<const Property> properties);
  Status set(EdgeId id, std::span<const Property> properties);
  Status remove(NodeId id, KeyRef key);
  Status remove(EdgeId id, KeyRef key);
  Status add_label(NodeId id, LabelRef label);
  Status remove_label(NodeId id, LabelRef label);
  Status delete_node(NodeId id, bool detach);
  Status delete_edge(EdgeId id);
  Result<std::vector<NodeId>> create_nodes(std::span<const NewNode> nodes);
  Result<std::vector<EdgeId>> create_edges(std::span<const NewEdge> edges);
  Status delete_nodes(std::span<const NodeId> ids);
  Status delete_edges(std::span<const EdgeId> ids);

  /// Interned id of a name; an id that was never given is `not_found`.
  template <class Id>
  static Result<std::uint32_t> resolve(StoreImpl& store, graph::NameKind kind, NameRef<Id> name);

 private:
  template <class Change>
  Status change_node(NodeId id, Change change);
  template <class Change>
  Status change_edge(EdgeId id, Change change);
  Status set_all(std::span<const Property> properties);

  StoreImpl& store_;
  txn::State& state_;
  graph::ImageBuilder& builder_;
};

}  // namespace selvedge::detail
