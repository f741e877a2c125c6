// What an import leaves in the store while it is not finished.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/migration.h>
#include <selvedge/store.h>

namespace selvedge::migration {

/// Label of the nodes that were imported, and the property with the input's id.
inline constexpr std::string_view import_mark = "selvedge:import";
/// Label of the one node that has the position.
inline constexpr std::string_view state_label = "selvedge:import state";
/// Of the last transaction: which import it ended.
inline constexpr std::string_view done_key = "selvedge.import";

/// The index on the input's ids.
SchemaSpec id_index();

/// Where an import is.
struct State {
  enum class Phase : std::uint8_t {
    load,     ///< records [0, `records`) are in the store
    clean,    ///< all of it is; the marks are being removed
    discard,  ///< it is being taken out
  };
  std::string source;  ///< which input, and how it is read
  GraphFormat format = GraphFormat::jsonl;
  std::vector<std::string> paths;
  Phase phase = Phase::load;
  std::uint64_t records = 0;
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::uint64_t embeddings = 0;
  std::uint64_t schema = 0;
  std::uint64_t bad = 0;
  /// Indexes and constraints that this import makes, as JSON.
  std::vector<std::string> made;
  bool operator==(const State&) const = default;
};

struct StateNode {
  NodeId id;
  State state;
};
/// `corruption` for a node of this label that no import has written.
Result<std::optional<StateNode>> find_state(const Reader& view);
/// `already_exists` when there is one.
Result<NodeId> create_state(Store& store, const State& state);
/// In the transaction that changes what it speaks about. `locked` unless the store has `before`.
Status replace_state(Transaction& tx, NodeId id, const State& before, const State& after);

/// The state that an import ended with, if the log's last entries tell of it.
Result<std::optional<State>> find_done(const Store& store, const std::string& source);
/// For the transaction that ends it.
std::vector<std::pair<std::string, std::string>> done_metadata(const State& state);

/// The store's own of the same content, whatever its name.
std::optional<SchemaInfo> find_schema(const Store& store, const SchemaSpec& spec);

}  // namespace selvedge::migration
