// Questions that constraints ask of versions: shared by operations and by those who build.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <selvedge/error.h>

#include "graph/graph.h"

namespace selvedge::txn {

/// Where an entity's newest state stands with a key of a unique constraint.
enum class Holds : std::uint8_t {
  no,
  yes,        ///< the newest state has it
  undecided,  ///< it depends on the end of a transaction that is not ours
};

struct Holder {
  Holds holds = Holds::no;
  std::uint64_t commit = 0;  ///< of the state that decided; 0: our own
  std::uint64_t head = 0;
};

/// The versions of others that are not committed may come and go, and what is beneath them too.
/// `self` may be null. The caller is pinned.
Holder holder_of(const graph::Graph& graph, const graph::SchemaObject& object, std::uint64_t id,
                 std::span<const std::byte> key, const graph::TxnStatus* self);

/// Some version in the chain has the key, or one that the index cannot tell from it.
bool chain_has(const graph::Graph& graph, const graph::SchemaObject& object, std::uint64_t id,
               std::span<const std::byte> key);

/// The key is the object's in this version.
bool has_key(const graph::SchemaObject& object, const graph::Version& version, std::uint32_t type,
             std::span<const std::byte> key);

/// Of an exists or type constraint.
Status check_properties(const graph::SchemaObject& object, const graph::ImageView& image,
                        std::uint64_t id);

Error broken(const graph::SchemaObject& object, const std::string& what, std::uint64_t entity);
/// Of an image that an index cannot hold.
Error unindexable(const graph::SchemaObject& object, graph::Indexable why, std::uint64_t entity);

/// Head and type of an entity; nothing when the id names nothing any more.
struct EntityHead {
  std::uint64_t word = 0;
  std::uint32_t type = 0;
};
EntityHead head_of(const graph::Graph& graph, EntityKind entity, std::uint64_t id);

}  // namespace selvedge::txn
