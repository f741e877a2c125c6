#include "migration/nornic_ops.h"

#include <selvedge/json.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/limits.h"
#include "migration/json_text.h"

namespace selvedge::migration {

namespace {

tl::unexpected<Error> bad(std::string what, std::string expected, std::string_view found) {
  return fail(Error(ErrorCode::corruption, std::move(what))
                  .mismatch(std::move(expected), std::string(found.substr(0, 60))));
}

Status text_of(const JsonMember& member, std::string& into) {
  const auto value = value_from_json(member.text);
  const auto* const text = value ? value->as<std::string>() : nullptr;
  if (text == nullptr) {
    return bad(member.name, "a text", member.text);
  }
  into = *text;
  return {};
}

Result<std::vector<JsonMember>> members_of(std::string_view json, std::string_view what) {
  std::vector<JsonMember> members;
  JsonFault fault;
  if (!split_object(json, members, fault)) {
    return bad(std::string(what) + " is no object in JSON", fault.expected, json);
  }
  return members;
}

Status take_labels(const JsonMember& member, Record& into) {
  if (member.text == "null") {
    return {};
  }
  const auto value = value_from_json(member.text);
  const auto* const list = value ? value->as<List>() : nullptr;
  if (list == nullptr) {
    return bad("labels", "a list of texts", member.text);
  }
  for (const Value& each : *list) {
    if (each.as<std::string>() == nullptr) {
      return bad("labels", "a list of texts", member.text);
    }
    into.labels.push_back(*each.as<std::string>());
  }
  return {};
}

Status take_properties(const JsonMember& member, Record& into) {
  if (member.text == "null") {
    return {};
  }
  SELVEDGE_TRY(std::vector<JsonMember> members, members_of(member.text, "properties"));
  for (JsonMember& each : members) {
    auto value = plain_json(each.text);
    if (!value) {
      return fail(Error(value.error().code(),
                        "property " + json_string(each.name) + ": " + value.error().what())
                      .mismatch(value.error().expected(), value.error().found()));
    }
    into.properties.emplace_back(std::move(each.name), *std::move(value));
  }
  return {};
}

Status unknown(const JsonMember& member, bool ignore_unknown) {
  return ignore_unknown ? Status{} : bad("an unknown member", "one of the format", member.name);
}

/// Role: turns one entry's data into records.
class ChangeParser {
 public:
  ChangeParser(const NornicEntry& entry, const NornicIds& ids, bool ignore_unknown,
               NornicChange& into)
      : entry_(entry), ids_(ids), ignore_unknown_(ignore_unknown), into_(into) {}

  Status run() {
    into_.transaction.clear();
    into_.operations = 0;
    into_.records.clear();
    const std::string& op = entry_.operation;
    if (op == "checkpoint" || op == "tx_prepare" || op == "update_embedding") {
      return {};  // says nothing about the graph; vectors are computed again
    }
    SELVEDGE_TRY(const auto members, members_of(entry_.data, "data"));
    if (op == "tx_begin" || op == "tx_commit" || op == "tx_abort") {
      return marker(members);
    }
    constexpr std::array<std::string_view, 10> known{
        "create_node",       "update_node",      "delete_node",       "create_edge",
        "update_edge",       "delete_edge",      "bulk_create_nodes", "bulk_create_edges",
        "bulk_delete_nodes", "bulk_delete_edges"};
    if (std::find(known.begin(), known.end(), op) == known.end()) {
      return bad("an unknown operation", "one of the format", op);
    }
    const bool bulk = op.starts_with("bulk_");
    const bool remove = op.find("delete") != std::string::npos;
    edges_ = op.find("edge") != std::string::npos;
    const std::string_view subject = remove   ? (bulk ? "ids" : "id")
                                     : edges_ ? (bulk ? "edges" : "edge")
                                              : (bulk ? "nodes" : "node");
    bool found = false;
    for (const JsonMember& each : members) {
      if (each.name == subject) {
        found = true;
        SELVEDGE_TRY(bulk ? list(each, remove) : one(each.text, remove));
      } else if (each.name == "tx_id") {
        SELVEDGE_TRY(text_of(each, into_.transaction));
      } else if (!each.name.starts_with("old_")) {  // what was there before: nobody asks for it
        SELVEDGE_TRY(unknown(each, ignore_unknown_));
      }
    }
    return found ? Status{} : bad("data of " + op, std::string(subject), "none");
  }

 private:
  Status marker(const std::vector<JsonMember>& members) {
    for (const JsonMember& each : members) {
      if (each.name == "tx_id") {
        SELVEDGE_TRY(text_of(each, into_.transaction));
      } else if (each.name == "op_count") {
        const char* const end = each.text.data() + each.text.size();
        if (std::from_chars(each.text.data(), end, into_.operations).ptr != end) {
          return bad("op_count", "a whole number", each.text);
        }
      } else if (each.name != "metadata" && each.name != "reason") {
        SELVEDGE_TRY(unknown(each, ignore_unknown_));
      }
    }
    return into_.transaction.empty() ? bad("data of " + entry_.operation, "tx_id", "none")
                                     : Status{};
  }

  Status list(const JsonMember& member, bool remove) {
    if (member.text == "null") {
      return {};
    }
    std::vector<std::string_view> elements;
    JsonFault fault;
    if (!split_array(member.text, elements, fault)) {
      return bad(member.name + " is no list in JSON", fault.expected, member.text);
    }
    for (const std::string_view each : elements) {
      if (each != "null") {
        SELVEDGE_TRY(one(each, remove));
      }
    }
    return {};
  }

  Status one(std::string_view json, bool remove) {
    Record record;
    bool wanted = true;
    if (remove) {
      record.clear(edges_ ? Record::Kind::delete_edge : Record::Kind::delete_node);
      SELVEDGE_TRY(text_of({"id", json, 0}, record.id));
      wanted = ids_.complete(record.id, entry_.database);
    } else if (edges_) {
      SELVEDGE_TRY(wanted, parse_nornic_edge(json, entry_.database, ids_, ignore_unknown_, record));
    } else {
      SELVEDGE_TRY(wanted, parse_nornic_node(json, entry_.database, ids_, ignore_unknown_, record));
    }
    if (wanted) {
      record.place = entry_.place;
      record.bytes = json.size();
      into_.records.push_back(std::move(record));
    }
    return {};
  }

  const NornicEntry& entry_;
  const NornicIds& ids_;
  bool ignore_unknown_;
  NornicChange& into_;
  bool edges_ = false;
};

std::optional<Error> placed(Status status, const Place& place) {
  if (status) {
    return std::nullopt;
  }
  const Error& error = status.error();
  return bad_input(place, error.what(), error.expected(), error.found(), error.code());
}

}  // namespace

Result<Value> plain_json(std::string_view text, unsigned depth) {
  if (depth > limits::nesting_max) {
    return fail(
        Error(ErrorCode::too_large, "a value is nested too deeply")
            .mismatch("at most " + std::to_string(limits::nesting_max) + " levels", "more"));
  }
  JsonFault fault;
  if (text.starts_with('{')) {
    std::vector<JsonMember> members;
    if (!split_object(text, members, fault)) {
      return bad("not an object in JSON", fault.expected, text);
    }
    Map map;
    for (const JsonMember& each : members) {
      SELVEDGE_TRY(map[each.name], plain_json(each.text, depth + 1));
    }
    return Value(std::move(map));
  }
  if (text.starts_with('[')) {
    std::vector<std::string_view> elements;
    if (!split_array(text, elements, fault)) {
      return bad("not a list in JSON", fault.expected, text);
    }
    List list;
    for (const std::string_view each : elements) {
      SELVEDGE_TRY(Value value, plain_json(each, depth + 1));
      list.push_back(std::move(value));
    }
    return Value(std::move(list));
  }
  auto value = value_from_json(text);
  const bool digits = !text.empty() && text.find_first_not_of("-0123456789") == text.npos;
  if (!value && digits) {
    return value_from_json(std::string(text) + ".0");  // a double without its point
  }
  return value;
}

bool NornicIds::complete(std::string& id, const std::string& database) const {
  if (!database.empty() && !id.starts_with(database + ":")) {
    id.insert(0, database + ":");
  }
  if (only_.empty()) {
    return true;
  }
  if (!id.starts_with(only_ + ":")) {
    return false;
  }
  id.erase(0, only_.size() + 1);
  return true;
}

Result<bool> parse_nornic_node(std::string_view json, const std::string& database,
                               const NornicIds& ids, bool ignore_unknown, Record& into) {
  into.clear(Record::Kind::put_node);
  SELVEDGE_TRY(const auto members, members_of(json, "a node"));
  for (const JsonMember& each : members) {
    if (each.name == "id") {
      SELVEDGE_TRY(text_of(each, into.id));
    } else if (each.name == "labels") {
      SELVEDGE_TRY(take_labels(each, into));
    } else if (each.name == "properties") {
      SELVEDGE_TRY(take_properties(each, into));
    } else {
      SELVEDGE_TRY(unknown(each, ignore_unknown));
    }
  }
  if (into.id.empty()) {
    return bad("a node is not complete", "id", "none");
  }
  return ids.complete(into.id, database);
}

Result<bool> parse_nornic_edge(std::string_view json, const std::string& database,
                               const NornicIds& ids, bool ignore_unknown, Record& into) {
  into.clear(Record::Kind::put_edge);
  SELVEDGE_TRY(const auto members, members_of(json, "an edge"));
  for (const JsonMember& each : members) {
    if (each.name == "id") {
      SELVEDGE_TRY(text_of(each, into.id));
    } else if (each.name == "startNode") {
      SELVEDGE_TRY(text_of(each, into.source));
    } else if (each.name == "endNode") {
      SELVEDGE_TRY(text_of(each, into.target));
    } else if (each.name == "type") {
      SELVEDGE_TRY(text_of(each, into.type));
    } else if (each.name == "properties") {
      SELVEDGE_TRY(take_properties(each, into));
    } else {
      SELVEDGE_TRY(unknown(each, ignore_unknown));
    }
  }
  if (into.id.empty() || into.source.empty() || into.target.empty() || into.type.empty()) {
    return bad("an edge is not complete", "id, startNode, endNode and type", "fewer members");
  }
  // All of an edge is in one database.
  const bool ends = ids.complete(into.source, database) && ids.complete(into.target, database);
  return ids.complete(into.id, database) && ends;
}

std::optional<Error> parse_nornic_change(const NornicEntry& entry, const NornicIds& ids,
                                         bool ignore_unknown, NornicChange& into) {
  return placed(ChangeParser(entry, ids, ignore_unknown, into).run(), entry.place);
}

std::optional<Error> parse_nornic_transaction(const NornicEntry& entry, std::string& into) {
  into.clear();
  const auto run = [&]() -> Status {
    if (entry.data.empty()) {
      return {};
    }
    SELVEDGE_TRY(const auto members, members_of(entry.data, "data"));
    for (const JsonMember& each : members) {
      if (each.name == "tx_id") {
        return text_of(each, into);
      }
    }
    return {};
  };
  return placed(run(), entry.place);
}

}  // namespace selvedge::migration
