// The operations of a transaction on the graph: claim, log, apply.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/types.h>

#include "base/limits.h"
#include "graph/change.h"
#include "graph/graph.h"
#include "txn/manager.h"
#include "txn/state.h"

namespace selvedge::txn {

/// Members of one bulk entry: bounded, so that memory and frames are.
inline constexpr std::size_t batch_members_max = 4096;
inline constexpr std::size_t batch_bytes_max = std::size_t{1} << 20;

/// An entity that may be written: the head that the claim will replace, and what it shows.
struct Writable {
  std::uint64_t head_word = 0;
  graph::Seen seen;
};

struct EdgeSpec {
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::uint32_t type = 0;
  std::span<const std::byte> image;
};

/// Role: one operation after another for one state.
/// Invariants: an operation takes place wholly or not at all; what it has put into chains and
///   lists is in the write set before anything can fail. A record is claimed by putting a version
///   with the own mark on its head (rule 17); the claim lasts until commit or rollback.
/// Threads: as the State.
class Operations {
 public:
  Operations(Manager& manager, State& state)
      : manager_(manager), graph_(manager.graph_), state_(state), log_(state.buffer) {}

  /// `not_found`, or `conflict` when a newer or uncommitted version of another stands on top.
  Result<Writable> writable_node(std::uint64_t id);
  Result<Writable> writable_edge(std::uint64_t id);

  Result<std::uint64_t> create_node(std::span<const std::byte> image);
  Result<std::uint64_t> create_edge(const EdgeSpec& edge);
  /// The edge of the type between the nodes that the newest state has, or nothing; it cannot come
  /// to be elsewhere until the transaction ends, but by a plain `create_edge`. `conflict` when
  /// another transaction is at it, or the edge is newer than the view.
  Result<std::optional<std::uint64_t>> find_or_claim(const EdgeSpec& edge);
  /// The node of the object's label with this key that the newest state has, or nothing; as
  /// `find_or_claim` for edges.
  Result<std::optional<std::uint64_t>> find_or_claim(const graph::SchemaObject& object,
                                                     std::span<const std::byte> key);
  /// `base` from `writable_*` in the same operation.
  Status update_node(std::uint64_t id, const Writable& base, std::span<const std::byte> image);
  Status update_edge(std::uint64_t id, const Writable& base, std::span<const std::byte> image);
  Status delete_edge(std::uint64_t id);
  /// With `detach` all edges go too; else `has_edges` if there are any.
  Status delete_node(std::uint64_t id, bool detach);

  /// As one entry per batch.
  Status create_nodes(std::span<const std::span<const std::byte>> images,
                      std::vector<std::uint64_t>& ids);
  Status create_edges(std::span<const EdgeSpec> edges, std::vector<std::uint64_t>& ids);
  Status delete_nodes(std::span<const std::uint64_t> ids);
  Status delete_edges(std::span<const std::uint64_t> ids);

  /// Puts the records that items [from, to) changed back to what they were before them, by
  /// versions on top with entries of their own.
  Status compensate(std::size_t from, std::size_t to);

 private:
  template <class Body>
  Status as_entry(Body body);
  [[nodiscard]] graph::PrevSequence prev_of(const Writable& base) const;
  Status claim(std::atomic<std::uint64_t>& head, const Writable& base, graph::Version* version,
               std::uint64_t id);
  Result<graph::Version*> new_version(std::uint32_t flags, std::uint64_t prev,
                                      std::span<const std::byte> image);
  void written(graph::Version* version, const WriteItem& item);
  void note_read(ReadKind kind, std::uint64_t id);
  Error conflict_on(std::uint64_t id, std::uint64_t head_word) const;
  Error memory_refused() const;
  Result<Writable> writable(std::uint64_t head_word, std::uint64_t id, const char* what);

  Status put_node(std::span<const std::byte> image, std::uint64_t& id);
  Status put_edge(const EdgeSpec& spec, std::uint64_t& id);
  template <class Item, class Bytes, class Run>
  Status in_batches(std::span<const Item> items, Bytes bytes_of, Run run);
  std::size_t node_image_bytes(std::uint64_t id) const;
  std::size_t edge_image_bytes(std::uint64_t id) const;
  void prefetch_ends(std::span<const EdgeSpec> edges, std::size_t next) const;
  Status link(std::uint64_t id, const EdgeSpec& spec, graph::Version* version);
  Status check_endpoint(std::uint64_t id, const graph::NodeRecord& record);
  Status put_delete_edge(std::uint64_t id);
  Status put_delete_node(std::uint64_t id);
  Status has_edge_of_ours(graph::NodeRecord& record, std::uint64_t node);
  Result<std::vector<std::uint64_t>> edges_of(std::uint64_t id);
  Status collect_edges(std::uint64_t head, bool skip_loops, std::uint64_t node,
                       std::vector<std::uint64_t>& out);
  WriteItem unsettle_edge(std::uint64_t id, WriteKind kind);
  Status change_labels(std::uint64_t id, std::span<const std::byte> before,
                       std::span<const std::byte> after);
  Status ensure_label(std::uint64_t id, std::uint32_t label);
  void leave_label(std::uint64_t id, std::uint32_t label);
  void count_node(std::span<const std::byte> image, std::int64_t amount);
  void count_edge(std::uint32_t type, std::int64_t amount);
  /// What an operation has put on top of an entity, for the schema: images live there, or nothing.
  struct Replaced {
    EntityKind entity;
    std::uint64_t id;
    std::uint32_t type;  ///< of an edge
    const std::span<const std::byte>* before;
    const std::span<const std::byte>* after;
    bool checked = true;  ///< false: a state that was valid before
  };
  Status enter_schema(const Replaced& change);
  Status enter_object(graph::SchemaObject& object, const Replaced& change);
  Status add_key(graph::SchemaObject& object, std::span<const std::byte> key,
                 const Replaced& change);
  Status check_unique(const graph::SchemaObject& object, std::span<const std::byte> key,
                      std::uint64_t id);
  bool take_claim(std::uint64_t key);
  enum class Found : std::uint8_t { none, visible, newer };
  Found newest_with(const graph::SchemaObject& object, std::span<const std::byte> key,
                    std::uint64_t& id);
  std::optional<std::uint64_t> newest_edge(const EdgeSpec& edge, bool& newer);
  Status put_back(std::uint64_t id, bool node, std::size_t versions);
  Status put_back_edge(std::uint64_t id, const Writable& now, graph::Head then);
  Status put_back_node(std::uint64_t id, const Writable& now, graph::Head then);

  Manager& manager_;
  graph::Graph& graph_;
  State& state_;
  graph::ChangeWriter log_;
};

/// Runs `body` as one log entry: room in the buffer first, everything undone if it fails.
template <class Body>
Status Operations::as_entry(Body body) {
  SELVEDGE_TRY(manager_.make_room(state_));
  const graph::OperationScope scope(graph_.schema);
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  const SavepointMark before = Manager::mark(state_);
  Status status = body();
  if (status && state_.buffer.size() - before.buffer_bytes > limits::entry_bytes_max) {
    status = fail(ErrorCode::too_large, "the operation is too large for one log entry");
  }
  if (status) {
    ++state_.buffered_entries;
    ++state_.entries;
    if (state_.transactional && manager_.options_.transaction_buffer_bytes == 0) {
      status = manager_.spill(state_);
    }
  }
  if (!status) {
    manager_.undo_operation(state_, before);
  }
  return status;
}

}  // namespace selvedge::txn
