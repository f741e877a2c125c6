#include "txn/schema_checks.h"

namespace selvedge::txn {

using graph::Head;
using graph::ImageView;
using graph::Indexable;
using graph::KeyBytes;
using graph::SchemaObject;
using graph::Version;

EntityHead head_of(const graph::Graph& graph, EntityKind entity, std::uint64_t id) {
  if (entity == EntityKind::edge) {
    const graph::EdgeRecord* record = graph.find(EdgeId{id});
    return record == nullptr
               ? EntityHead{}
               : EntityHead{record->head.load(std::memory_order_seq_cst), record->type()};
  }
  const graph::NodeRecord* record = graph.find(NodeId{id});
  return record == nullptr ? EntityHead{}
                           : EntityHead{record->head.load(std::memory_order_seq_cst), 0};
}

bool has_key(const SchemaObject& object, const Version& version, std::uint32_t type,
             std::span<const std::byte> key) {
  KeyBytes found;
  return object.key_in(version, type, found) && graph::compare_keys(found, key) == 0;
}

bool chain_has(const graph::Graph& graph, const SchemaObject& object, std::uint64_t id,
               std::span<const std::byte> key) {
  const EntityHead top = head_of(graph, object.definition.entity, id);
  KeyBytes found;
  for (Head head{top.word}; !head.empty() && !head.is_inline();
       head.word = head.version()->prev()) {
    if (object.key_in(*head.version(), top.type, found) && object.index->same(found, key)) {
      return true;
    }
  }
  return false;
}

Holder holder_of(const graph::Graph& graph, const SchemaObject& object, std::uint64_t id,
                 std::span<const std::byte> key, const graph::TxnStatus* self) {
  const EntityHead top = head_of(graph, object.definition.entity, id);
  Holder result{Holds::no, 0, top.word};
  bool pending = false;
  for (Head head{top.word}; !head.empty() && !head.is_inline();
       head.word = head.version()->prev()) {
    const Version& version = *head.version();
    const std::uint64_t stamp = version.stamp.load(std::memory_order_acquire);
    const bool ours = graph::is_mark(stamp) && graph::status_of(stamp) == self;
    result.commit = ours ? 0 : graph::committed_at(stamp);
    const bool has = has_key(object, version, top.type, key);
    if (ours || result.commit != 0) {
      result.holds = !has ? Holds::no : pending ? Holds::undecided : Holds::yes;
      return result;
    }
    if (has) {
      result.holds = Holds::undecided;
      return result;
    }
    pending = true;
  }
  return result;
}

Error broken(const SchemaObject& object, const std::string& what, std::uint64_t entity) {
  return Error(ErrorCode::constraint_violated, what + " (" + object.definition.name + ")")
      .with_entity(entity);
}

Error unindexable(const SchemaObject& object, Indexable why, std::uint64_t entity) {
  if (why == Indexable::too_long) {
    return Error(ErrorCode::too_large,
                 "the values are too long for an index (" + object.definition.name + ")")
        .mismatch("at most " + std::to_string(SchemaSpec::key_bytes_max) + " bytes", "more")
        .with_entity(entity);
  }
  return Error(ErrorCode::invalid_argument,
               "a value of a type that no index can hold (" + object.definition.name + ")")
      .mismatch("no list, map or vector", "one of them")
      .with_entity(entity);
}

Status check_properties(const SchemaObject& object, const ImageView& image, std::uint64_t id) {
  for (const std::uint32_t key : object.definition.keys) {
    const ValueView value = image.find(key);
    const bool absent = !value.present() || value.type() == ValueType::null;
    if (object.definition.kind == SchemaKind::exists) {
      if (absent) {
        return fail(broken(object, "a property is missing that must be there", id));
      }
    } else if (!absent && value.type() != object.definition.type) {
      return fail(broken(object, "a property has the wrong type", id)
                      .mismatch(std::string(to_string(object.definition.type)),
                                std::string(to_string(value.type()))));
    }
  }
  return {};
}

}  // namespace selvedge::txn
