// The schema against the graph.

#include <set>
#include <string>

#include "store/check.h"
#include "txn/schema_checks.h"

namespace selvedge::detail {

namespace {

using graph::Head;
using graph::ImageView;
using graph::Indexable;
using graph::KeyBytes;
using graph::SchemaObject;

/// Role: one object against every version of every entity.
class ObjectChecker {
 public:
  ObjectChecker(graph::Graph& graph, const SchemaObject& object, const FaultSink& fault)
      : graph_(graph), object_(object), fault_(fault) {}

  void run() {
    const bool edges = object_.definition.edges();
    const std::uint64_t end = edges ? graph_.edge_end() : graph_.node_end();
    for (std::uint64_t slot = 0; slot < end; ++slot) {
      const std::uint64_t generation =
          edges ? graph_.edges.at(slot).generation() : graph_.nodes.at(slot).generation();
      visit(id_bits::make(slot, generation));
    }
    if (object_.index != nullptr && object_.index->size() != entries_) {
      fault_("the schema's " + object_.definition.name + " has " +
             std::to_string(object_.index->size()) + " entries, versions have " +
             std::to_string(entries_) + " keys");
    }
  }

 private:
  void fault(std::uint64_t id, const char* what) {
    fault_("the schema's " + object_.definition.name + " and entity " + std::to_string(id) + ": " +
           what);
  }

  void visit(std::uint64_t id) {
    const txn::EntityHead top = txn::head_of(graph_, object_.definition.entity, id);
    bool newest = true;
    std::set<std::string> keys;
    for (Head head{top.word}; !head.empty(); newest = false) {
      const bool live = head.is_inline() || !head.version()->has(graph::Version::tombstone);
      const ImageView image(head.is_inline() ? std::span<const std::byte>{}
                                             : head.version()->image());
      if (live && object_.covers(image, top.type)) {
        look_at(id, image, newest, keys);
      }
      head.word = head.is_inline() ? 0 : head.version()->prev();
    }
    entries_ += keys.size();
  }

  void look_at(std::uint64_t id, const ImageView& image, bool newest, std::set<std::string>& keys) {
    if (object_.index == nullptr) {
      if (newest && !txn::check_properties(object_, image, id)) {
        fault(id, "it breaks the constraint");
      }
      return;
    }
    KeyBytes key;
    switch (graph::key_of(object_.definition, image, key)) {
      case Indexable::absent: return;
      case Indexable::no:
      case Indexable::too_long:
        if (newest) {
          fault(id, "it has a value that the index cannot hold");
        }
        return;
      case Indexable::yes: break;
    }
    keys.emplace(as_text(key));
    bool found = false;
    bool twice = false;
    const SharedLock lock(object_.index->lock_of(key));
    object_.index->each(key, [&](std::uint64_t other) {
      found = found || other == id;
      twice =
          twice || (newest && other != id &&
                    txn::holder_of(graph_, object_, other, key, nullptr).holds == txn::Holds::yes);
      return true;
    });
    if (!found) {
      fault(id, "its key is not in the index");
    }
    if (twice && object_.definition.kind == SchemaKind::unique) {
      fault(id, "another entity has the same values");
    }
  }

  graph::Graph& graph_;
  const SchemaObject& object_;
  const FaultSink& fault_;
  std::uint64_t entries_ = 0;
};

}  // namespace

void check_schema(StoreImpl& store, const FaultSink& fault) {
  graph::Graph& graph = store.graph();
  graph::ReaderSlot* slot = graph.epochs.acquire();
  {
    const graph::PinGuard pin(graph.epochs, slot);
    if (const graph::Catalog* catalog = graph.schema.catalog()) {
      for (const graph::SchemaObjectPtr& object : catalog->objects) {
        if (object->online()) {
          ObjectChecker(graph, *object, fault).run();
        }
      }
    }
  }
  graph.epochs.release(slot);
}

}  // namespace selvedge::detail
