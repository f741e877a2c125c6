#include "store/write_ops.h"

#include "graph/value_codec.h"

namespace selvedge::detail {

using graph::NameKind;
using graph::PinGuard;
using txn::Operations;

template <class Id>
Result<std::uint32_t> WriteOps::resolve(StoreImpl& store, NameKind kind, NameRef<Id> name) {
  if (!name.interned()) {
    return store.manager().intern(kind, name.text());
  }
  if (name.id().value >= store.graph().names.of(kind).size()) {
    return fail(ErrorCode::not_found, "a name id that was never given out");
  }
  return name.id().value;
}

template Result<std::uint32_t> WriteOps::resolve(StoreImpl&, NameKind, LabelRef);
template Result<std::uint32_t> WriteOps::resolve(StoreImpl&, NameKind, TypeRef);
template Result<std::uint32_t> WriteOps::resolve(StoreImpl&, NameKind, KeyRef);

Status WriteOps::set_all(std::span<const Property> properties) {
  for (const Property& property : properties) {
    SELVEDGE_TRY(const std::uint32_t key, resolve(store_, NameKind::key, property.key));
    SELVEDGE_TRY(builder_.set(key, property.value));
  }
  return {};
}

Result<NodeId> WriteOps::create_node(std::span<const LabelRef> labels,
                                     std::span<const Property> properties) {
  builder_.reset();
  for (const LabelRef& label : labels) {
    SELVEDGE_TRY(const std::uint32_t id, resolve(store_, NameKind::label, label));
    builder_.add_label(id);
  }
  SELVEDGE_TRY(set_all(properties));
  SELVEDGE_TRY(const auto image, builder_.finish());
  SELVEDGE_TRY(const std::uint64_t id, Operations(store_.manager(), state_).create_node(image));
  return NodeId{id};
}

Result<EdgeId> WriteOps::create_edge(NodeId source, TypeRef type, NodeId target,
                                     std::span<const Property> properties) {
  SELVEDGE_TRY(const std::uint32_t type_id, resolve(store_, NameKind::type, type));
  builder_.reset();
  SELVEDGE_TRY(set_all(properties));
  SELVEDGE_TRY(const auto image, builder_.finish());
  SELVEDGE_TRY(const std::uint64_t id,
               Operations(store_.manager(), state_)
                   .create_edge({source.value, target.value, type_id, image}));
  return EdgeId{id};
}

Result<EdgeMade> WriteOps::create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                                 std::span<const Property> properties) {
  SELVEDGE_TRY(const std::uint32_t type_id, resolve(store_, NameKind::type, type));
  SELVEDGE_TRY(const auto found, Operations(store_.manager(), state_)
                                     .find_or_claim({source.value, target.value, type_id, {}}));
  if (found) {
    return EdgeMade{EdgeId{*found}, false};
  }
  SELVEDGE_TRY(const EdgeId made, create_edge(source, TypeId{type_id}, target, properties));
  return EdgeMade{made, true};
}

namespace {

/// An index on just this label and key; of several the first.
graph::SchemaObjectPtr index_on(const graph::Graph& graph, std::uint32_t label, std::uint32_t key) {
  const graph::Catalog* catalog = graph.schema.catalog();
  for (graph::SchemaObject* object : catalog == nullptr ? std::span<graph::SchemaObject* const>{}
                                                        : catalog->on(EntityKind::node, label)) {
    if (object->index != nullptr && object->online() && object->definition.keys.size() == 1 &&
        object->definition.keys.front() == key) {
      return catalog->find(object->id);
    }
  }
  return nullptr;
}

}  // namespace

Result<NodeMade> WriteOps::get_or_create_node(LabelRef label, KeyRef key, const ValueArg& value,
                                              std::span<const Property> properties) {
  SELVEDGE_TRY(const std::uint32_t label_id, resolve(store_, NameKind::label, label));
  SELVEDGE_TRY(const std::uint32_t key_id, resolve(store_, NameKind::key, key));
  graph::SchemaObjectPtr object;
  {
    const PinGuard pin(store_.graph().epochs, state_.slot);
    object = index_on(store_.graph(), label_id, key_id);
  }
  if (object == nullptr) {
    return fail(ErrorCode::not_found, "there is no index on this label and key");
  }
  builder_.reset();
  builder_.add_label(label_id);
  SELVEDGE_TRY(set_all(properties));
  SELVEDGE_TRY(builder_.set(key_id, value));
  SELVEDGE_TRY(const auto image, builder_.finish());
  graph::KeyBytes wanted;
  if (const auto indexable = graph::key_of(object->definition, graph::ImageView(image), wanted);
      indexable != graph::Indexable::yes) {
    return fail(indexable == graph::Indexable::too_long ? ErrorCode::too_large
                                                        : ErrorCode::invalid_argument,
                "a value that an index cannot hold");
  }
  Operations operations(store_.manager(), state_);
  SELVEDGE_TRY(const auto found, operations.find_or_claim(*object, wanted));
  if (found) {
    return NodeMade{NodeId{*found}, false};
  }
  SELVEDGE_TRY(const std::uint64_t id, operations.create_node(image));
  return NodeMade{NodeId{id}, true};
}

/// Loads the image, lets `change` edit it, and writes it back.
template <class Change>
Status WriteOps::change_node(NodeId id, Change change) {
  Operations operations(store_.manager(), state_);
  const PinGuard pin(store_.graph().epochs, state_.slot);
  SELVEDGE_TRY(const txn::Writable base, operations.writable_node(id.value));
  builder_.load(base.seen.image());
  SELVEDGE_TRY(change());
  SELVEDGE_TRY(const auto image, builder_.finish());
  return operations.update_node(id.value, base, image);
}

template <class Change>
Status WriteOps::change_edge(EdgeId id, Change change) {
  Operations operations(store_.manager(), state_);
  const PinGuard pin(store_.graph().epochs, state_.slot);
  SELVEDGE_TRY(const txn::Writable base, operations.writable_edge(id.value));
  builder_.load(base.seen.image());
  SELVEDGE_TRY(change());
  SELVEDGE_TRY(const auto image, builder_.finish());
  return operations.update_edge(id.value, base, image);
}

Status WriteOps::set(NodeId id, std::span<const Property> properties) {
  return change_node(id, [&] { return set_all(properties); });
}

Status WriteOps::set(EdgeId id, std::span<const Property> properties) {
  return change_edge(id, [&] { return set_all(properties); });
}

Status WriteOps::remove(NodeId id, KeyRef key) {
  SELVEDGE_TRY(const std::uint32_t key_id, resolve(store_, NameKind::key, key));
  return change_node(id, [&] {
    builder_.erase(key_id);
    return Status{};
  });
}

Status WriteOps::remove(EdgeId id, KeyRef key) {
  SELVEDGE_TRY(const std::uint32_t key_id, resolve(store_, NameKind::key, key));
  return change_edge(id, [&] {
    builder_.erase(key_id);
    return Status{};
  });
}

Status WriteOps::add_label(NodeId id, LabelRef label) {
  SELVEDGE_TRY(const std::uint32_t label_id, resolve(store_, NameKind::label, label));
  return change_node(id, [&] {
    builder_.add_label(label_id);
    return Status{};
  });
}

Status WriteOps::remove_label(NodeId id, LabelRef label) {
  SELVEDGE_TRY(const std::uint32_t label_id, resolve(store_, NameKind::label, label));
  return change_node(id, [&] {
    builder_.remove_label(label_id);
    return Status{};
  });
}

Status WriteOps::delete_node(NodeId id, bool detach) {
  return Operations(store_.manager(), state_).delete_node(id.value, detach);
}

Status WriteOps::delete_edge(EdgeId id) {
  return Operations(store_.manager(), state_).delete_edge(id.value);
}

namespace {

/// Images of a batch, one after another in one buffer.
class ImageBatch {
 public:
  void add(std::span<const std::byte> image) {
    ends_.push_back(bytes_.size() + image.size());
    bytes_.put_bytes(image);
  }
  [[nodiscard]] std::span<const std::byte> at(std::size_t index) const {
    const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
    return bytes_.span().subspan(begin, ends_[index] - begin);
  }
  [[nodiscard]] std::size_t size() const { return ends_.size(); }

 private:
  ByteWriter bytes_;
  std::vector<std::size_t> ends_;
};

template <class Id>
std::vector<Id> typed(const std::vector<std::uint64_t>& raw) {
  std::vector<Id> ids;
  ids.reserve(raw.size());
  for (const std::uint64_t each : raw) {
    ids.push_back(Id{each});
  }
  return ids;
}

template <class Id>
std::vector<std::uint64_t> untyped(std::span<const Id> ids) {
  std::vector<std::uint64_t> raw;
  raw.reserve(ids.size());
  for (const Id each : ids) {
    raw.push_back(each.value);
  }
  return raw;
}

}  // namespace

Result<std::vector<NodeId>> WriteOps::create_nodes(std::span<const NewNode> nodes) {
  ImageBatch batch;
  for (const NewNode& node : nodes) {
    builder_.reset();
    for (const LabelRef& label : node.labels) {
      SELVEDGE_TRY(const std::uint32_t id, resolve(store_, NameKind::label, label));
      builder_.add_label(id);
    }
    SELVEDGE_TRY(set_all(node.properties));
    SELVEDGE_TRY(const auto image, builder_.finish());
    batch.add(image);
  }
  std::vector<std::span<const std::byte>> images;
  images.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    images.push_back(batch.at(i));
  }
  std::vector<std::uint64_t> ids;
  ids.reserve(images.size());
  SELVEDGE_TRY(Operations(store_.manager(), state_).create_nodes(images, ids));
  return typed<NodeId>(ids);
}

Result<std::vector<EdgeId>> WriteOps::create_edges(std::span<const NewEdge> edges) {
  ImageBatch batch;
  std::vector<txn::EdgeSpec> specs;
  specs.reserve(edges.size());
  for (const NewEdge& edge : edges) {
    SELVEDGE_TRY(const std::uint32_t type, resolve(store_, NameKind::type, edge.type));
    builder_.reset();
    SELVEDGE_TRY(set_all(edge.properties));
    SELVEDGE_TRY(const auto image, builder_.finish());
    batch.add(image);
    specs.push_back({edge.source.value, edge.target.value, type, {}});
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    specs[i].image = batch.at(i);
  }
  std::vector<std::uint64_t> ids;
  ids.reserve(specs.size());
  SELVEDGE_TRY(Operations(store_.manager(), state_).create_edges(specs, ids));
  return typed<EdgeId>(ids);
}

Status WriteOps::delete_nodes(std::span<const NodeId> ids) {
  return Operations(store_.manager(), state_).delete_nodes(untyped(ids));
}

Status WriteOps::delete_edges(std::span<const EdgeId> ids) {
  return Operations(store_.manager(), state_).delete_edges(untyped(ids));
}

}  // namespace selvedge::detail
