#include "migration/schema_text.h"

#include <selvedge/json.h>

#include <array>
#include <optional>

#include "migration/json_text.h"

namespace selvedge::migration {

namespace {

constexpr std::array kinds{SchemaKind::index, SchemaKind::unique, SchemaKind::exists,
                           SchemaKind::type};
constexpr std::array value_types{ValueType::null,      ValueType::boolean, ValueType::int64,
                                 ValueType::float64,   ValueType::string,  ValueType::bytes,
                                 ValueType::timestamp, ValueType::uuid,    ValueType::list,
                                 ValueType::map,       ValueType::vector};

template <class Enum, std::size_t Count>
std::optional<Enum> named(const std::array<Enum, Count>& all, std::string_view name) {
  for (const Enum each : all) {
    if (to_string(each) == name) {
      return each;
    }
  }
  return std::nullopt;
}

tl::unexpected<Error> bad(std::string what, std::string expected, std::string_view found) {
  return fail(Error(ErrorCode::invalid_argument, "schema: " + std::move(what))
                  .mismatch(std::move(expected), std::string(found)));
}

Status take_word(const std::string& name, const std::string& word, SchemaSpec& spec) {
  if (name == "kind") {
    const auto kind = named(kinds, word);
    if (!kind) {
      return bad("kind", "index, unique, exists or type", word);
    }
    spec.kind = *kind;
  } else if (name == "entity") {
    if (word != "node" && word != "edge") {
      return bad("entity", "node or edge", word);
    }
    spec.entity = word == "node" ? EntityKind::node : EntityKind::edge;
  } else if (name == "index") {
    if (word != "hash" && word != "ordered") {
      return bad("index", "hash or ordered", word);
    }
    spec.index = word == "hash" ? IndexKind::hash : IndexKind::ordered;
  } else if (name == "type") {
    const auto type = named(value_types, word);
    if (!type) {
      return bad("type", "a type of values", word);
    }
    spec.type = *type;
  } else if (name == "target") {
    spec.target = word;
  } else if (name == "name") {
    spec.name = word;
  } else {
    return bad("an unknown member", "kind, entity, target, keys, index, type, name", name);
  }
  return {};
}

}  // namespace

std::string schema_to_json(const SchemaSpec& spec) {
  std::string keys;
  for (const std::string& key : spec.keys) {
    keys += (keys.empty() ? "" : ",") + json_string(key);
  }
  std::string text = R"({"kind":)" + json_string(to_string(spec.kind)) + R"(,"entity":")" +
                     (spec.entity == EntityKind::node ? "node" : "edge") + R"(","target":)" +
                     json_string(spec.target) + R"(,"keys":[)" + keys + "]";
  if (spec.kind == SchemaKind::index || spec.kind == SchemaKind::unique) {
    text +=
        std::string(R"(,"index":")") + (spec.index == IndexKind::hash ? "hash" : "ordered") + "\"";
  }
  if (spec.kind == SchemaKind::type) {
    text += R"(,"type":)" + json_string(to_string(spec.type));
  }
  return text + R"(,"name":)" + json_string(spec.name) + "}";
}

Result<SchemaSpec> schema_from_json(std::string_view text) {
  std::vector<JsonMember> members;
  JsonFault fault;
  if (!split_object(text, members, fault)) {
    return bad("not an object in JSON", fault.expected, "something else");
  }
  SchemaSpec spec;
  bool kind = false;
  bool target = false;
  for (const JsonMember& each : members) {
    SELVEDGE_TRY(const Value value, value_from_json(each.text));
    const auto* const list = value.as<List>();
    const auto* const word = value.as<std::string>();
    if (each.name == "keys" && list != nullptr) {
      for (const Value& key : *list) {
        if (key.as<std::string>() == nullptr) {
          return bad("keys", "texts", to_string(key.type()));
        }
        spec.keys.push_back(*key.as<std::string>());
      }
    } else if (word == nullptr || each.name == "keys") {
      return bad(each.name, each.name == "keys" ? "a list" : "a text", to_string(value.type()));
    } else {
      SELVEDGE_TRY(take_word(each.name, *word, spec));
      kind |= each.name == "kind";
      target |= each.name == "target";
    }
  }
  if (!kind || !target || spec.keys.empty() || spec.keys.size() > SchemaSpec::keys_max) {
    return bad("not complete", "kind, target, and 1 to 8 keys", "others");
  }
  return spec;
}

}  // namespace selvedge::migration
