#include "migration/loader.h"

#include <selvedge/json.h>

#include <algorithm>

#include "migration/json_text.h"

namespace selvedge::migration {

bool blames_input(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::corruption:
    case ErrorCode::too_large:
    case ErrorCode::constraint_violated:
    case ErrorCode::unsupported:
    case ErrorCode::newer_format: return true;
    default: return false;
  }
}

Loader::Outcome Loader::apply(Transaction& tx, const Record& record, State& counts) {
  Status status = run(tx, record, counts);
  if (status) {
    return {};
  }
  Error& error = status.error();
  if (!blames_input(error.code())) {
    return {Fault::store, std::move(error)};
  }
  // Errors of the store do not know the place.
  Error placed = error.path().empty() ? bad_input(record.place, error.what(), error.expected(),
                                                  error.found(), error.code())
                                      : std::move(error);
  return {Fault::input, std::move(placed)};
}

Result<NodeId> Loader::find(const Reader& view, const std::string& id, const Record& record) {
  SELVEDGE_TRY(const auto found, view.find_node(import_mark, import_mark, id));
  if (!found) {
    return fail(
        bad_input(record.place, "no such node", "the id of a node of this input", json_string(id)));
  }
  return *found;
}

Status Loader::run(Transaction& tx, const Record& record, State& counts) {
  switch (record.kind) {
    case Record::Kind::create_node: {
      SELVEDGE_TRY(create_node(tx, record));
      ++counts.nodes;
      return {};
    }
    case Record::Kind::put_node: {
      SELVEDGE_TRY(const auto found, tx.find_node(import_mark, import_mark, record.id));
      if (found) {
        return replace_node(tx, *found, record);
      }
      SELVEDGE_TRY(create_node(tx, record));
      ++counts.nodes;
      return {};
    }
    case Record::Kind::delete_node: {
      SELVEDGE_TRY(const auto found, tx.find_node(import_mark, import_mark, record.id));
      if (found) {
        const std::uint64_t edges = tx.degree(*found, Direction::both);
        SELVEDGE_TRY(tx.detach_delete_node(*found));
        --counts.nodes;
        counts.edges -= std::min(counts.edges, edges);
      }
      return {};
    }
    case Record::Kind::create_edge: {
      SELVEDGE_TRY(create_edge(tx, record));
      ++counts.edges;
      return {};
    }
    case Record::Kind::put_edge: return put_edge(tx, record, counts);
    case Record::Kind::delete_edge: {
      SELVEDGE_TRY(const auto found, find_edge(tx, record));
      if (found) {
        SELVEDGE_TRY(tx.delete_edge(*found));
        --counts.edges;
      }
      return {};
    }
    default: return {};  // the importer's own
  }
}

Status Loader::node_parts(const Record& record) {
  labels_.assign(1, import_mark);
  for (const std::string& label : record.labels) {
    if (label == import_mark || label == state_label) {
      return fail(bad_input(record.place, "a label that imports need for themselves",
                            "another label", json_string(label)));
    }
    labels_.emplace_back(label);
  }
  if (!id_label_.empty()) {
    labels_.emplace_back(id_label_);
  }
  properties_.assign(1, {import_mark, record.id});
  for (const auto& [key, value] : record.properties) {
    if (key == import_mark || (!id_key_.empty() && key == id_key_)) {
      return fail(bad_input(record.place, "a property that the import needs for the id",
                            "another name", json_string(key)));
    }
    properties_.push_back({key, value});
  }
  if (!id_key_.empty()) {
    properties_.push_back({id_key_, record.id});
  }
  return {};
}

Status Loader::create_node(Transaction& tx, const Record& record) {
  SELVEDGE_TRY(node_parts(record));
  const auto made = tx.create_node(labels_, properties_);
  if (made) {
    return {};
  }
  if (made.error().code() == ErrorCode::constraint_violated) {
    SELVEDGE_TRY(const auto twin, tx.find_node(import_mark, import_mark, record.id));
    if (twin) {
      return fail(bad_input(record.place, "the id comes twice", "an id of its own",
                            json_string(record.id)));
    }
  }
  return fail(made.error().clone());
}

/// Labels and properties become those of the record.
Status Loader::replace_node(Transaction& tx, NodeId id, const Record& record) {
  SELVEDGE_TRY(node_parts(record));
  std::vector<LabelId> old_labels = tx.labels(id);
  std::vector<KeyId> old_keys;
  {
    SELVEDGE_TRY(const Node node, tx.get(id));
    for (std::size_t i = 0; i < node.properties().size(); ++i) {
      old_keys.push_back(node.properties().at(i).key);
    }
  }
  SELVEDGE_TRY(const Savepoint before, tx.savepoint());
  const auto replace = [&]() -> Status {
    for (const LabelRef& label : labels_) {
      SELVEDGE_TRY(tx.add_label(id, label));
    }
    for (const LabelId old : old_labels) {
      if (std::none_of(labels_.begin(), labels_.end(),
                       [&](const LabelRef& label) { return label.text() == tx.name(old); })) {
        SELVEDGE_TRY(tx.remove_label(id, old));
      }
    }
    for (const KeyId old : old_keys) {
      if (std::none_of(properties_.begin(), properties_.end(), [&](const Property& property) {
            return property.key.text() == tx.name(old);
          })) {
        SELVEDGE_TRY(tx.remove(id, old));
      }
    }
    return tx.set(id, properties_);
  };
  Status status = replace();
  if (!status) {
    SELVEDGE_TRY(tx.rollback_to(before));
  }
  return status;
}

void Loader::edge_parts(const Record& record) {
  properties_.clear();
  for (const auto& [key, value] : record.properties) {
    properties_.push_back({key, value});
  }
  if (!edge_key_.empty()) {
    properties_.push_back({edge_key_, record.id});
  }
}

Status Loader::create_edge(Transaction& tx, const Record& record) {
  SELVEDGE_TRY(const NodeId source, find(tx, record.source, record));
  SELVEDGE_TRY(const NodeId target, find(tx, record.target, record));
  for (const auto& [key, value] : record.properties) {
    if (!edge_key_.empty() && key == edge_key_) {
      return fail(bad_input(record.place, "a property that the import needs for the id",
                            "another name", json_string(key)));
    }
  }
  edge_parts(record);
  SELVEDGE_TRY(tx.create_edge(source, record.type, target, properties_));
  return {};
}

Result<std::optional<EdgeId>> Loader::find_edge(Transaction& tx, const Record& record) {
  for (const std::string& type : edge_types_) {
    SELVEDGE_TRY(const auto found, tx.find_edge(type, edge_key_, record.id));
    if (found) {
      SELVEDGE_TRY(const Edge edge, tx.get(*found));
      SELVEDGE_TRY(const Node source, tx.get(edge.source()));
      if (!source.has_label(import_mark)) {
        return fail(bad_input(record.place, "an edge of this id was in the store before",
                              "an id of its own", json_string(record.id),
                              ErrorCode::constraint_violated));
      }
      return found;
    }
  }
  return std::nullopt;
}

Status Loader::put_edge(Transaction& tx, const Record& record, State& counts) {
  SELVEDGE_TRY(const auto found, find_edge(tx, record));
  if (!found) {
    SELVEDGE_TRY(create_edge(tx, record));
    ++counts.edges;
    return {};
  }
  // Type and ends of an edge never change: it is made anew, with all it has.
  SELVEDGE_TRY(const Savepoint before, tx.savepoint());
  Status status = tx.delete_edge(*found);
  if (status) {
    status = create_edge(tx, record);
  }
  if (!status) {
    SELVEDGE_TRY(tx.rollback_to(before));
  }
  return status;
}

}  // namespace selvedge::migration
