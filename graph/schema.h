// Indexes and constraints of a store: definitions, the objects that enforce them, and the catalog.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <selvedge/schema.h>
#include <tsl/robin_map.h>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/shards.h"
#include "graph/epoch.h"
#include "graph/image.h"
#include "graph/index_key.h"
#include "graph/property_index.h"
#include "graph/version.h"

namespace selvedge::graph {

/// As the log and snapshots have it:
///   u8 kind | u8 entity | u8 index kind | u8 value type | u32 label or type | u8 keys |
///   u32 each | name to the end
struct Definition {
  SchemaKind kind = SchemaKind::index;
  EntityKind entity = EntityKind::node;
  IndexKind index = IndexKind::ordered;
  ValueType type = ValueType::null;
  std::uint32_t target = 0;
  std::vector<std::uint32_t> keys;
  std::string name;

  [[nodiscard]] bool edges() const { return entity == EntityKind::edge; }
  [[nodiscard]] bool indexed() const {
    return kind == SchemaKind::index || kind == SchemaKind::unique;
  }
  /// Says the same, whatever the names.
  [[nodiscard]] bool same_as(const Definition& other) const;
};
void put_definition(ByteWriter& to, const Definition& definition);
/// False for bytes that are no definition.
bool take_definition(std::span<const std::byte> bytes, Definition& definition);

/// The key of an image under a definition; `yes` only when it has all values.
Indexable key_of(const Definition& definition, const ImageView& image, KeyBytes& key);

/// Role: an index or constraint at work.
/// Invariants: of an index, (key, id) is an entry if and only if some version in the entity's chain
///   is live, of the target, and has the key; what adds a version adds its entry behind it, what
///   takes one out looks under the index's lock whether another has the key (docs/schema.md).
/// Threads: any.
class SchemaObject {
 public:
  SchemaObject(std::uint32_t object_id, Definition what, Arena& arena, EpochManager& epochs);

  const std::uint32_t id;
  const Definition definition;
  const std::unique_ptr<PropertyIndex> index;  ///< null for exists and type

  std::atomic<std::uint64_t> defined{0};  ///< sequence of its entry; 0 while building
  std::atomic<bool> dropped{false};
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> total{0};
  /// Newest commit that changed which entities are found, for those who validate.
  std::atomic<std::uint64_t> changed{0};

  [[nodiscard]] bool online() const {
    return defined.load(std::memory_order_acquire) != 0 && !dropped.load(std::memory_order_acquire);
  }
  /// An image of the target: a node with the label. Edges are told by their type.
  [[nodiscard]] bool covers(const ImageView& image, std::uint32_t edge_type) const;
  /// The key that a version gives to the entity, if it gives one.
  bool key_in(const Version& version, std::uint32_t edge_type, KeyBytes& key) const;
};
using SchemaObjectPtr = std::shared_ptr<SchemaObject>;

/// All objects at one moment; never changes.
struct Catalog {
  std::uint64_t version = 0;
  std::vector<SchemaObjectPtr> objects;
  tsl::robin_map<std::uint32_t, std::vector<SchemaObject*>> labels;
  tsl::robin_map<std::uint32_t, std::vector<SchemaObject*>> types;

  Catalog(std::uint64_t number, std::vector<SchemaObjectPtr> all);
  [[nodiscard]] std::span<SchemaObject* const> on(EntityKind entity, std::uint32_t target) const;
  [[nodiscard]] SchemaObjectPtr find(std::uint32_t id) const;
};

/// Role: the catalog in force, and who may still be working with an older one.
/// Invariants: an operation that puts versions into chains or takes them out runs inside an
///   `OperationScope`, and loads the catalog after it has entered.
/// Threads: `catalog` from any thread that is pinned or inside an operation; `publish` and
///   `wait_for_operations` from one at a time.
class Schema {
 public:
  explicit Schema(EpochManager& epochs) : epochs_(epochs) {}
  Schema(const Schema&) = delete;
  Schema& operator=(const Schema&) = delete;

  /// Null while there is nothing.
  [[nodiscard]] const Catalog* catalog() const { return catalog_.load(std::memory_order_seq_cst); }
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  void publish(std::vector<SchemaObjectPtr> objects);
  /// Returns when every operation that may have seen an older catalog has ended.
  void wait_for_operations();
  /// Of a catalog that nobody can be looking at any more.
  void release(const Catalog* catalog);

 private:
  friend class OperationScope;
  struct Running {
    std::array<std::atomic<std::uint64_t>, 2> count{};
  };

  EpochManager& epochs_;
  std::atomic<const Catalog*> catalog_{nullptr};
  Mutex kept_mutex_;
  std::vector<std::unique_ptr<const Catalog>> kept_ SELVEDGE_GUARDED_BY(kept_mutex_);
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint32_t> phase_{0};
  base::Shards<Running> running_;
};

/// An operation that changes version chains. Cost: two additions on a line of the thread's own.
class OperationScope {
 public:
  explicit OperationScope(Schema& schema)
      : count_(schema.running_.mine().count[schema.phase_.load(std::memory_order_seq_cst)]) {
    count_.fetch_add(1, std::memory_order_seq_cst);
  }
  ~OperationScope() { count_.fetch_sub(1, std::memory_order_release); }
  OperationScope(const OperationScope&) = delete;
  OperationScope& operator=(const OperationScope&) = delete;

 private:
  std::atomic<std::uint64_t>& count_;
};

/// Calls `use(object, key)` for every index that an image of an entity is in. `key` is scratch.
template <class Use>
void each_key(const Catalog& catalog, EntityKind entity, std::uint32_t edge_type,
              const ImageView& image, Use use) {
  KeyBytes key;
  const auto visit = [&](std::uint32_t target) {
    for (SchemaObject* object : catalog.on(entity, target)) {
      if (object->index != nullptr && key_of(object->definition, image, key) == Indexable::yes) {
        use(*object, key);
      }
    }
  };
  if (entity == EntityKind::edge) {
    visit(edge_type);
    return;
  }
  for (std::size_t i = 0; i < image.label_count(); ++i) {
    visit(image.label(i));
  }
}

}  // namespace selvedge::graph
