// What the schema has to do with an operation: constraints on the image that it puts on top, and
// the entries of indexes. docs/schema.md has the argument.

#include <new>
#include <optional>
#include <string>

#include "base/mutants.h"
#include "base/yield_point.h"
#include "txn/operations.h"
#include "txn/schema_checks.h"

namespace selvedge::txn {

using graph::Catalog;
using graph::ImageView;
using graph::Indexable;
using graph::KeyBytes;
using graph::SchemaObject;
using graph::Version;

/// The image is on top already, so whoever is about to put the same key somewhere else sees it.
Status Operations::enter_schema(const Replaced& change) {
  const Catalog* catalog = graph_.schema.catalog();
  if (catalog == nullptr || change.after == nullptr) {
    return {};
  }
  base::yield_point("txn.schema.placed");
  const ImageView image(*change.after);
  if (change.entity == EntityKind::edge) {
    for (SchemaObject* object : catalog->on(EntityKind::edge, change.type)) {
      SELVEDGE_TRY(enter_object(*object, change));
    }
    return {};
  }
  for (std::size_t i = 0; i < image.label_count(); ++i) {
    for (SchemaObject* object : catalog->on(EntityKind::node, image.label(i))) {
      SELVEDGE_TRY(enter_object(*object, change));
    }
  }
  return {};
}

Status Operations::enter_object(SchemaObject& object, const Replaced& change) {
  const ImageView after(*change.after);
  if (object.index == nullptr) {
    return change.checked ? check_properties(object, after, change.id) : Status{};
  }
  KeyBytes key;
  const Indexable indexable = graph::key_of(object.definition, after, key);
  if (indexable == Indexable::absent) {
    return {};
  }
  if (indexable != Indexable::yes) {
    return fail(unindexable(object, indexable, change.id));
  }
  if (change.before != nullptr) {
    const ImageView before(*change.before);
    KeyBytes old;
    if (object.covers(before, change.type) &&
        graph::key_of(object.definition, before, old) == Indexable::yes && old == key) {
      return {};  // its entry stands as long as a version has the key
    }
  }
  return add_key(object, key, change);
}

/// Looking for others and adding the own entry are one step, so of two the second sees the first.
Status Operations::add_key(SchemaObject& object, std::span<const std::byte> key,
                           const Replaced& change) {
  const ExclusiveLock lock(object.index->lock_of(key));
  if (change.checked && object.definition.kind == SchemaKind::unique &&
      !base::mutant(base::Mutant::unique_unchecked)) {
    SELVEDGE_TRY(check_unique(object, key, change.id));
  }
  return object.index->add(key, change.id) ? Status{} : fail(memory_refused());
}

Status Operations::check_unique(const SchemaObject& object, std::span<const std::byte> key,
                                std::uint64_t id) {
  Status status;
  object.index->each(key, [&](std::uint64_t other) {
    if (other == id) {
      return true;
    }
    const Holder holder = holder_of(graph_, object, other, key, &state_);
    if (holder.holds == Holds::undecided ||
        (holder.holds == Holds::yes && holder.commit > state_.view.sequence)) {
      status = fail(conflict_on(other, holder.head));
    } else if (holder.holds == Holds::yes) {
      if (state_.serializable) {
        state_.reads.note_key(object.id, key);
      }
      status = fail(broken(object, "another entity has the same values", other));
    }
    return status.has_value();
  });
  return status;
}

// --- get or create -----------------------------------------------------------------------------

Operations::Found Operations::newest_with(const SchemaObject& object,
                                          std::span<const std::byte> key, std::uint64_t& id) {
  const auto holds = [&](const graph::Seen& seen) {
    return seen.live && seen.version != nullptr && has_key(object, *seen.version, 0, key);
  };
  Found found = Found::none;
  const SharedLock lock(object.index->lock_of(key));
  object.index->each(key, [&](std::uint64_t each) {
    if (!holds(graph_.see_node(NodeId{each}, {~std::uint64_t{0}, &state_}))) {
      return true;
    }
    id = each;
    found = holds(graph_.see_node(NodeId{each}, state_.view)) ? Found::visible : Found::newer;
    return found != Found::visible;
  });
  return found;
}

Result<std::optional<std::uint64_t>> Operations::find_or_claim(const SchemaObject& object,
                                                               std::span<const std::byte> key) {
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  // A conflict tells nothing of the graph; the answer does.
  const auto answer = [&](std::optional<std::uint64_t> found) {
    if (state_.serializable) {
      state_.reads.note_key(object.id, key);
    }
    return found;
  };
  std::uint64_t id = 0;
  if (newest_with(object, key, id) == Found::visible) {
    return answer(id);
  }
  // By label, key and value, whichever index was asked.
  const std::uint64_t claim =
      read_hash(ReadKind::index_key, graph::hash_key(key),
                std::uint64_t{object.definition.target} << 32 | object.definition.keys.front());
  if (!take_claim(claim)) {
    return fail(ErrorCode::conflict, "another transaction may be creating the node");
  }
  switch (newest_with(object, key, id)) {
    case Found::visible: return answer(id);
    case Found::newer: return fail(conflict_on(id, graph_.nodes.at(id_bits::slot(id)).head.load()));
    case Found::none: break;
  }
  return answer(std::nullopt);
}

// --- entries that nothing needs any more -------------------------------------------------------

/// Where the system refuses memory an entry stays that nothing needs; readers pass over it.
void Manager::release_keys(const WriteItem& item, const Version& gone) noexcept try {
  const Catalog* catalog = graph_.schema.catalog();
  if (catalog == nullptr || gone.has(Version::tombstone)) {
    return;
  }
  // The slot's present owner: an item may be older than what it finds there.
  const std::uint64_t slot = id_bits::slot(item.id());
  const std::uint64_t id = id_bits::make(slot, item.is_node() ? graph_.nodes.at(slot).generation()
                                                              : graph_.edges.at(slot).generation());
  const auto entity = item.is_node() ? EntityKind::node : EntityKind::edge;
  const std::uint32_t type = item.is_node() ? 0 : graph_.edges.at(slot).type();
  each_key(*catalog, entity, type, ImageView(gone.image()),
           [&](SchemaObject& object, std::span<const std::byte> key) {
             if (chain_has(graph_, object, id, key)) {
               return;  // whoever takes that version out will ask again
             }
             base::yield_point("txn.schema.release");
             const ExclusiveLock lock(object.index->lock_of(key));
             if (!chain_has(graph_, object, id, key)) {
               object.index->drop(key, id);
             }
           });
} catch (const std::bad_alloc&) {
  return;
}

}  // namespace selvedge::txn
