// What one transaction carries from its first operation until nothing of it is needed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <selvedge/types.h>

#include "base/bytes.h"
#include "graph/change.h"
#include "graph/counters.h"
#include "graph/epoch.h"
#include "graph/schema.h"
#include "graph/version.h"
#include "txn/read_set.h"

namespace selvedge::txn {

enum class WriteKind : std::uint8_t {
  create_node = 1,
  update_node,
  delete_node,
  restore_node,  ///< a live version over an own tombstone (rollback_to)
  create_edge,   ///< a, b: positions in the out and in list
  update_edge,
  delete_edge,  ///< a, b as create_edge
  restore_edge,
  add_label,     ///< a: label, b: position in the label's list
  remove_label,  ///< a, b as add_label
};

/// One entry of a write set: what commit, settling and rollback need to find the place again.
struct WriteItem {
  std::uint64_t word = 0;  ///< id | kind
  std::uint32_t a = 0;
  std::uint32_t b = 0;

  static WriteItem make(WriteKind kind, std::uint64_t id, std::uint32_t a = 0,
                        std::uint32_t b = 0) {
    return {id | static_cast<std::uint64_t>(kind), a, b};
  }
  [[nodiscard]] WriteKind kind() const { return static_cast<WriteKind>(word & 0xff); }
  [[nodiscard]] std::uint64_t id() const { return word & ~std::uint64_t{0xff}; }
  [[nodiscard]] bool has_version() const { return kind() < WriteKind::add_label; }
  [[nodiscard]] bool is_node() const { return kind() <= WriteKind::restore_node; }
};
static_assert(sizeof(WriteItem) == 16);

enum class Phase : std::uint8_t { idle, active, committed, aborted };

/// Where a savepoint was set.
struct SavepointMark {
  std::uint64_t name = 0;  ///< never given twice in a transaction; 0: not the user's
  std::size_t items = 0;
  std::size_t buffer_bytes = 0;
  std::uint32_t buffered_entries = 0;
  std::size_t unlogged = 0;
  std::uint64_t entries = 0;
  std::uint64_t spills = 0;
  graph::CountDeltas counts;
};

/// What a commit raises for those who validate (`Validation`).
struct Footprint {
  std::vector<std::uint32_t> stripes;
  std::vector<std::uint32_t> labels;  ///< the first `label_members` gained or lost members
  std::vector<std::uint32_t> types;
  std::vector<graph::SchemaObject*> indexes;  ///< whose entries change
  std::uint64_t schema_version = 0;           ///< of the catalog that `indexes` is from
  std::size_t label_members = 0;
  std::size_t type_members = 0;
  bool node_members = false;
  bool node_content = false;
  bool edge_members = false;
  bool edge_content = false;
  bool bulk = false;  ///< too much to name: all stripes
  Bloom bloom;

  void clear() {
    stripes.clear();
    labels.clear();
    types.clear();
    indexes.clear();
    label_members = type_members = 0;
    node_members = node_content = edge_members = edge_content = bulk = false;
    bloom.clear();
  }
};

/// A transaction's state. The base is what marks in versions point to; it lives in a pool and is
/// used again only after all stamps are written and an epoch has passed.
///
/// Three states of an own version: *written* (in the chain, its entry in `buffer`), *logged* (its
/// entry has a sequence; the version's distance says which), *committed* (the status word).
struct State : graph::TxnStatus {
  std::size_t home = 0;  ///< of the threads that use it

  // Set for each use.
  graph::ReaderSlot* slot = nullptr;
  graph::Viewpoint view;
  Phase phase = Phase::idle;
  bool transactional = true;  ///< false: an operation of the store, transaction number 0
  std::uint64_t number = 0;   ///< sequence of tx_begin; 0 until logged
  graph::Metadata metadata;

  // The write set.
  std::vector<WriteItem> writes;
  std::size_t logged_items = 0;  ///< items whose entries have sequences
  graph::CountDeltas counts;
  std::vector<std::uint64_t> dropped_node_slots;  ///< of creates undone by rollback_to (rule 12)
  std::vector<std::uint64_t> dropped_edge_slots;

  // The private log buffer.
  ByteWriter buffer;
  std::uint32_t buffered_entries = 0;
  std::vector<graph::Version*> unlogged;  ///< versions whose entries are in the buffer
  std::uint64_t entries = 0;              ///< all, logged ones too
  std::uint64_t spills = 0;

  std::vector<SavepointMark> savepoints;

  std::vector<std::uint64_t> claims;  ///< on what did not exist: `Claims`

  // Serializable: what was read must still be so at the commit.
  bool serializable = false;
  ReadSet reads;
  std::uint64_t validated_commits = 0;  ///< commits that the last check has seen
  Footprint footprint;

  // After the commit.
  std::uint64_t commit_sequence = 0;
  std::size_t compacted_items = 0;  ///< of `writes`, when they were last looked through
  std::atomic<bool> stamped{false};
  std::atomic<State*> next_finished{nullptr};  ///< of the same home

  [[nodiscard]] bool streamed() const { return first.load(std::memory_order_relaxed) != 0; }
  [[nodiscard]] bool wrote() const { return entries != 0 || streamed(); }
};

using graph::unlogged_flag;

}  // namespace selvedge::txn
