// Records into a transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <selvedge/store.h>

#include "migration/marks.h"
#include "migration/record.h"

namespace selvedge::migration {

/// Role: does what a record says, to nodes and edges of this import and to no others.
/// Invariants: a record that fails has changed nothing.
/// Threads: one.
class Loader {
 public:
  /// `edge_key`: the property that edges are asked for by, of these types; empty: they never are.
  Loader(std::string id_key, std::string id_label, std::string edge_key,
         const std::vector<std::string>& edge_types)
      : id_key_(std::move(id_key)),
        id_label_(std::move(id_label)),
        edge_key_(std::move(edge_key)),
        edge_types_(edge_types) {}

  /// What the record itself is to blame for is `Fault::input`.
  enum class Fault : std::uint8_t { none, input, store };
  struct Outcome {
    Fault fault = Fault::none;
    std::optional<Error> error;
  };
  Outcome apply(Transaction& tx, const Record& record, State& counts);
  /// The node of an embedding, as committed.
  Result<NodeId> find(const Reader& view, const std::string& id, const Record& record);

 private:
  Status run(Transaction& tx, const Record& record, State& counts);
  Status create_node(Transaction& tx, const Record& record);
  Status replace_node(Transaction& tx, NodeId id, const Record& record);
  Status create_edge(Transaction& tx, const Record& record);
  Status put_edge(Transaction& tx, const Record& record, State& counts);
  Result<std::optional<EdgeId>> find_edge(Transaction& tx, const Record& record);
  Status node_parts(const Record& record);
  void edge_parts(const Record& record);

  std::string id_key_;
  std::string id_label_;
  std::string edge_key_;
  const std::vector<std::string>& edge_types_;
  std::vector<LabelRef> labels_;
  std::vector<Property> properties_;
};

/// Whether an error of a write says something about what was written.
bool blames_input(ErrorCode code);

}  // namespace selvedge::migration
