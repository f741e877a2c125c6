#include "graph/schema.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/spin.h"
#include "base/utf8.h"
#include "graph/names.h"

namespace selvedge {

std::string_view to_string(SchemaKind kind) {
  switch (kind) {
    case SchemaKind::index: return "index";
    case SchemaKind::unique: return "unique";
    case SchemaKind::exists: return "exists";
    case SchemaKind::type: return "type";
  }
  return "unknown";
}

}  // namespace selvedge

namespace selvedge::graph {

// --- definitions -------------------------------------------------------------------------------

bool Definition::same_as(const Definition& other) const {
  return kind == other.kind && entity == other.entity && target == other.target &&
         keys == other.keys && (kind != SchemaKind::index || index == other.index) &&
         (kind != SchemaKind::type || type == other.type);
}

void put_definition(ByteWriter& to, const Definition& definition) {
  to.put(definition.kind);
  to.put(definition.entity);
  to.put(definition.index);
  to.put(definition.type);
  to.put(definition.target);
  to.put(static_cast<std::uint8_t>(definition.keys.size()));
  for (const std::uint32_t key : definition.keys) {
    to.put(key);
  }
  to.put_bytes(as_bytes(definition.name));
}

bool take_definition(std::span<const std::byte> bytes, Definition& definition) {
  ByteReader from(bytes);
  const auto kind = from.take<std::uint8_t>();
  const auto entity = from.take<std::uint8_t>();
  const auto index = from.take<std::uint8_t>();
  const auto type = from.take<std::uint8_t>();
  definition.target = from.take<std::uint32_t>();
  const auto keys = from.take<std::uint8_t>();
  definition.keys.clear();
  for (unsigned i = 0; i < keys && from.ok(); ++i) {
    definition.keys.push_back(from.take<std::uint32_t>());
  }
  definition.name = as_text(from.take_rest());
  definition.kind = static_cast<SchemaKind>(kind);
  definition.entity = static_cast<EntityKind>(entity);
  definition.index = static_cast<IndexKind>(index);
  definition.type = static_cast<ValueType>(type);
  const bool ids_fit = definition.target < name_id_max &&
                       std::all_of(definition.keys.begin(), definition.keys.end(),
                                   [](std::uint32_t key) { return key < name_id_max; });
  return from.ok() && kind >= 1 && kind <= 4 && entity <= 1 && index <= 1 &&
         type <= static_cast<std::uint8_t>(ValueType::vector) && keys >= 1 &&
         keys <= SchemaSpec::keys_max && ids_fit && !definition.name.empty() &&
         definition.name.size() <= limits::name_bytes_max && base::valid_utf8(definition.name);
}

Indexable key_of(const Definition& definition, const ImageView& image, KeyBytes& key) {
  key.clear();
  Indexable worst = Indexable::yes;
  for (const std::uint32_t each : definition.keys) {
    const Indexable one = append_value(key, image.find(each));
    if (one == Indexable::absent) {
      return one;
    }
    worst = std::max(worst, one);
  }
  return worst;
}

// --- objects -----------------------------------------------------------------------------------

SchemaObject::SchemaObject(std::uint32_t object_id, Definition what, Arena& arena,
                           EpochManager& epochs)
    : id(object_id),
      definition(std::move(what)),
      index(definition.indexed() ? std::make_unique<PropertyIndex>(definition.index, arena, epochs)
                                 : nullptr) {}

bool SchemaObject::covers(const ImageView& image, std::uint32_t edge_type) const {
  return definition.edges() ? edge_type == definition.target : image.has_label(definition.target);
}

bool SchemaObject::key_in(const Version& version, std::uint32_t edge_type, KeyBytes& key) const {
  if (version.has(Version::tombstone)) {
    return false;
  }
  const ImageView image(version.image());
  return covers(image, edge_type) && key_of(definition, image, key) == Indexable::yes;
}

// --- the catalog -------------------------------------------------------------------------------

Catalog::Catalog(std::uint64_t number, std::vector<SchemaObjectPtr> all)
    : version(number), objects(std::move(all)) {
  for (const SchemaObjectPtr& object : objects) {
    auto& side = object->definition.edges() ? types : labels;
    side[object->definition.target].push_back(object.get());
  }
}

std::span<SchemaObject* const> Catalog::on(EntityKind entity, std::uint32_t target) const {
  const auto& side = entity == EntityKind::edge ? types : labels;
  const auto found = side.find(target);
  return found == side.end() ? std::span<SchemaObject* const>{} : std::span(found->second);
}

SchemaObjectPtr Catalog::find(std::uint32_t id) const {
  for (const SchemaObjectPtr& object : objects) {
    if (object->id == id) {
      return object;
    }
  }
  return nullptr;
}

void Schema::publish(std::vector<SchemaObjectPtr> objects) {
  const std::uint64_t number = version_.load(std::memory_order_relaxed) + 1;
  std::unique_ptr<const Catalog> fresh;
  if (!objects.empty()) {
    fresh = std::make_unique<Catalog>(number, std::move(objects));
  }
  const Catalog* const next = fresh.get();
  if (fresh != nullptr) {
    const MutexLock lock(kept_mutex_);
    kept_.push_back(std::move(fresh));
  }
  const Catalog* const old = catalog_.exchange(next, std::memory_order_seq_cst);
  version_.store(number, std::memory_order_seq_cst);
  if (old != nullptr) {
    epochs_.retire({reinterpret_cast<std::uint64_t>(old), 0, Retired::Kind::catalog});
  }
}

void Schema::release(const Catalog* catalog) {
  const MutexLock lock(kept_mutex_);
  std::erase_if(kept_, [&](const auto& each) { return each.get() == catalog; });
}

/// Two rounds: an operation may have read the phase before a turn and count itself after it. It
/// then sees the new catalog, but stands among those whom the next turn waits for.
void Schema::wait_for_operations() {
  for (int round = 0; round < 2; ++round) {
    const std::uint32_t old = phase_.load(std::memory_order_relaxed);
    phase_.store(1 - old, std::memory_order_seq_cst);
    running_.each([&](Running& part) {
      Backoff backoff;
      while (part.count[old].load(std::memory_order_seq_cst) != 0) {
        backoff.pause();
      }
    });
  }
}

}  // namespace selvedge::graph
