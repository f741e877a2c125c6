// The schema after recovery: indexes filled, constraints checked.

#include <algorithm>
#include <string>
#include <vector>

#include "graph/image.h"
#include "graph/names.h"
#include "graph/schema.h"
#include "recovery/rebuild.h"

namespace selvedge::recovery {

namespace {

using graph::Head;
using graph::ImageView;
using graph::Indexable;
using graph::NameKind;
using graph::SchemaObject;

tl::unexpected<Error> broken(const SchemaObject& object, std::uint64_t entity, const char* what) {
  return fail(Error(ErrorCode::corruption, "the recovered state breaks its schema")
                  .mismatch(object.definition.name, what)
                  .with_entity(entity));
}

bool defined(const graph::Dictionary& names, std::uint32_t id) {
  return id < names.size() && !names.text(id).empty();
}

Status check_names(const graph::Graph& graph, const SchemaObject& object) {
  const auto kind = object.definition.edges() ? NameKind::type : NameKind::label;
  bool known = defined(graph.names.of(kind), object.definition.target);
  for (const std::uint32_t key : object.definition.keys) {
    known = known && defined(graph.names.of(NameKind::key), key);
  }
  return known ? Status{} : broken(object, 0, "a name that nothing defines");
}

Status check_properties(const SchemaObject& object, std::uint64_t id, const ImageView& image) {
  for (const std::uint32_t key : object.definition.keys) {
    const ValueView value = image.find(key);
    const bool absent = !value.present() || value.type() == ValueType::null;
    if (object.definition.kind == SchemaKind::exists
            ? absent
            : !absent && value.type() != object.definition.type) {
      return broken(object, id, absent ? "a property that is missing" : "a value of another type");
    }
  }
  return {};
}

Status enter(SchemaObject& object, std::uint64_t id, const ImageView& image) {
  if (object.index == nullptr) {
    return check_properties(object, id, image);
  }
  graph::KeyBytes key;
  switch (graph::key_of(object.definition, image, key)) {
    case Indexable::absent: return {};
    case Indexable::no:
    case Indexable::too_long: return broken(object, id, "a value that no index can hold");
    case Indexable::yes: break;
  }
  return object.index->add(key, id)
             ? Status{}
             : fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
}

/// Of a unique constraint: no key has two entities. Hashes may agree by chance, so the values of
/// two that share one are looked at.
Status check_unique(const graph::Graph& graph, const SchemaObject& object, std::uint64_t id,
                    const ImageView& image) {
  graph::KeyBytes key;
  if (graph::key_of(object.definition, image, key) != Indexable::yes) {
    return {};
  }
  Status status;
  const SharedLock lock(object.index->lock_of(key));
  object.index->each(key, [&](std::uint64_t other) {
    if (other == id) {
      return true;
    }
    const Head head{(object.definition.edges() ? graph.edges.at(id_bits::slot(other)).head
                                               : graph.nodes.at(id_bits::slot(other)).head)
                        .load(std::memory_order_relaxed)};
    graph::KeyBytes theirs;
    if (graph::key_of(object.definition, ImageView(head.version()->image()), theirs) ==
            Indexable::yes &&
        theirs == key) {
      status = broken(object, id, "two entities with the same values");
    }
    return status.has_value();
  });
  return status;
}

template <class Use>
Status each_covered(graph::Graph& graph, const Applier& applier, const SchemaObject& object,
                    Use use) {
  const bool edges = object.definition.edges();
  const std::uint64_t end = edges ? applier.edge_end() : applier.node_end();
  for (std::uint64_t slot = 0; slot < end; ++slot) {
    const Head head{(edges ? graph.edges.at(slot).head : graph.nodes.at(slot).head)
                        .load(std::memory_order_relaxed)};
    if (head.empty()) {
      continue;
    }
    const ImageView image(head.is_inline() ? std::span<const std::byte>{}
                                           : head.version()->image());
    if (object.covers(image, edges ? graph.edges.at(slot).type() : 0)) {
      const std::uint64_t generation =
          edges ? graph.edges.at(slot).generation() : graph.nodes.at(slot).generation();
      SELVEDGE_TRY(use(id_bits::make(slot, generation), image));
    }
  }
  return {};
}

Status fill(graph::Graph& graph, const Applier& applier, SchemaObject& object) {
  SELVEDGE_TRY(check_names(graph, object));
  SELVEDGE_TRY(each_covered(graph, applier, object, [&](std::uint64_t id, const ImageView& image) {
    return enter(object, id, image);
  }));
  if (object.definition.kind != SchemaKind::unique) {
    return {};
  }
  return each_covered(graph, applier, object, [&](std::uint64_t id, const ImageView& image) {
    return check_unique(graph, object, id, image);
  });
}

}  // namespace

Status fill_schema(graph::Graph& graph, const Applier& applier,
                   const std::vector<graph::SchemaObjectPtr>& objects, unsigned workers) {
  return in_parallel(workers, [&](unsigned worker) -> Status {
    for (std::size_t i = worker; i < objects.size(); i += workers) {
      SELVEDGE_TRY(fill(graph, applier, *objects[i]));
    }
    return {};
  });
}

}  // namespace selvedge::recovery
