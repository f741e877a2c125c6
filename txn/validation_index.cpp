// Serializable reads of indexes: what a commit changes in them, and the check.

#include <algorithm>
#include <vector>

#include "txn/schema_checks.h"
#include "txn/validation.h"

namespace selvedge::txn {

using graph::Head;
using graph::KeyBytes;
using graph::SchemaObject;
using graph::Version;

namespace {

struct Given {
  SchemaObject* object;
  std::uint64_t key_hash;
  bool operator==(const Given&) const = default;
};

/// What a version gives to the indexes.
void collect(const graph::Catalog& catalog, EntityKind entity, std::uint32_t type, Head head,
             std::vector<Given>& out) {
  if (head.empty() || head.is_inline() || head.version()->has(Version::tombstone)) {
    return;
  }
  each_key(catalog, entity, type, graph::ImageView(head.version()->image()),
           [&](SchemaObject& object, std::span<const std::byte> key) {
             out.push_back({&object, graph::hash_key(key)});
           });
}

}  // namespace

void Validation::measure_indexes(State& state) const {
  Footprint& footprint = state.footprint;
  footprint.schema_version = graph_.schema.version();  // before the catalog
  const graph::Catalog* catalog = graph_.schema.catalog();
  if (catalog == nullptr) {
    return;
  }
  if (footprint.bulk) {
    for (const graph::SchemaObjectPtr& object : catalog->objects) {
      footprint.indexes.push_back(object.get());
    }
    return;
  }
  for (const WriteItem& item : state.writes) {
    if (item.has_version()) {
      measure_keys(footprint, *catalog, item, state);
    }
  }
}

/// Keys that the entity gains or loses by this transaction. Its newest version is ours, by the
/// claim; beneath ours is what was there before.
void Validation::measure_keys(Footprint& footprint, const graph::Catalog& catalog,
                              const WriteItem& item, const State& state) const {
  const auto entity = item.is_node() ? EntityKind::node : EntityKind::edge;
  const EntityHead top = head_of(graph_, entity, item.id());
  Head before{top.word};
  while (!before.empty() && !before.is_inline() &&
         before.version()->stamp.load(std::memory_order_acquire) == graph::mark_of(&state)) {
    before.word = before.version()->prev();
  }
  std::vector<Given> gained;
  std::vector<Given> lost;
  collect(catalog, entity, top.type, {top.word}, gained);
  collect(catalog, entity, top.type, before, lost);
  const auto note = [&](const std::vector<Given>& some, const std::vector<Given>& others) {
    for (const Given& each : some) {
      if (std::find(others.begin(), others.end(), each) != others.end()) {
        continue;
      }
      const std::uint64_t hash = index_key_hash(each.object->id, each.key_hash);
      footprint.bloom.add(hash);
      footprint.bloom.add(index_range_hash(each.object->id));
      footprint.stripes.push_back(static_cast<std::uint32_t>(hash >> 48));
      if (std::find(footprint.indexes.begin(), footprint.indexes.end(), each.object) ==
          footprint.indexes.end()) {
        footprint.indexes.push_back(each.object);
      }
    }
  };
  note(gained, lost);
  note(lost, gained);
}

/// Under the log lock. What was measured before the catalog changed says nothing of new indexes.
void Validation::publish_indexes(const Footprint& footprint, std::uint64_t commit) {
  if (footprint.schema_version == graph_.schema.version()) {
    for (SchemaObject* object : footprint.indexes) {
      object->changed.store(commit, std::memory_order_release);
    }
    return;
  }
  if (const graph::Catalog* catalog = graph_.schema.catalog()) {
    for (const graph::SchemaObjectPtr& object : catalog->objects) {
      object->changed.store(commit, std::memory_order_release);
    }
  }
  bulk_.store(commit, std::memory_order_release);
}

/// A clock that has moved is confirmed on the versions: an entry stands for each that has the key
/// now, and for each that the own view sees with it.
std::optional<ReadChange> Validation::check_index(const ReadItem& item, const State& state) const {
  const graph::Catalog* catalog = graph_.schema.catalog();
  const graph::SchemaObjectPtr object = catalog == nullptr ? nullptr : catalog->find(item.type);
  if (object == nullptr) {
    return ReadChange{item.kind, 0, 0};  // dropped: nobody keeps it true any more
  }
  const std::uint64_t view = state.view.sequence;
  const auto bytes = [&](std::size_t index) {
    return std::as_bytes(std::span(state.reads.texts()[index]));
  };
  graph::KeyRange range;
  const auto low = bytes(item.other);
  range.low.assign(low.begin(), low.end());
  std::uint64_t clock = 0;
  if (item.kind == ReadKind::index_key) {
    const auto& striped = clocks_[index_key_hash(item.type, item.id) >> 48];
    clock =
        std::max({striped.load(std::memory_order_acquire), bulk_.load(std::memory_order_acquire),
                  object->defined.load(std::memory_order_acquire)});
    range.high = range.low;
    range.high.push_back(std::byte{0});  // the next key there could be
  } else {
    const auto high = bytes(item.other + 1);
    range.high.assign(high.begin(), high.end());
    clock = object->changed.load(std::memory_order_acquire);
  }
  if (clock <= view) {
    return std::nullopt;
  }
  const bool exact = item.kind == ReadKind::index_key;
  return check_entries(item, *object, range, exact ? low : std::span<const std::byte>{}, view);
}

/// `key` is given for a question about one key: a hash index has no keys of its own.
std::optional<ReadChange> Validation::check_entries(const ReadItem& item,
                                                    const SchemaObject& object,
                                                    const graph::KeyRange& range,
                                                    std::span<const std::byte> key,
                                                    std::uint64_t view) const {
  constexpr std::size_t batch = 256;
  std::vector<graph::IndexEntry> entries;
  graph::IndexPosition position;
  for (bool first = true;; first = false) {
    entries.clear();
    object.index->scan(range, first ? nullptr : &position, Order::ascending, batch, entries);
    std::array<std::byte, 16> scratch;
    for (const graph::IndexEntry& entry : entries) {
      const auto entry_key = key.empty() ? entry.key.view(scratch) : key;
      const EntityHead top = head_of(graph_, object.definition.entity, entry.id);
      const auto has = [&](const graph::Seen& seen) {
        return seen.live && seen.version != nullptr &&
               has_key(object, *seen.version, top.type, entry_key);
      };
      const graph::Seen newest = newest_committed(top.word);
      if (newest.sequence > view && has(newest) != has(graph::see({top.word}, {view, nullptr}))) {
        return ReadChange{item.kind, entry.id, newest.sequence};
      }
    }
    if (entries.size() < batch) {
      return std::nullopt;
    }
    const auto last = entries.back().key.view(scratch);
    position.key.assign(last.begin(), last.end());
    position.id = entries.back().id;
  }
}

}  // namespace selvedge::txn
