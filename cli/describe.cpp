#include "cli/describe.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <selvedge/json.h>

#include "cli/output.h"

namespace selvedge::cli {

namespace {

Map properties_of(const LoggedImage& image) {
  Map map;
  for (std::size_t i = 0; i < image.size(); ++i) {
    map.emplace(image.at(i).key, image.at(i).value.to_value());
  }
  return map;
}

Map properties_of(const Reader& reader, const Properties& properties) {
  Map map;
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const PropertyView property = properties.at(i);
    map.emplace(reader.name(property.key), property.value.to_value());
  }
  return map;
}

/// What a line of a table has room for; --json has all of it.
std::string short_json(const Value& value) {
  constexpr std::size_t columns_max = 60;
  const std::string text = to_json(value);
  return columns_of(text) <= columns_max
             ? text
             : fmt::format("{}\u2026 ({} characters)", first_columns(text, columns_max / 2),
                           columns_of(text));
}

std::string short_json(const Map& map) {
  std::string text;
  for (const auto& [key, value] : map) {
    text +=
        fmt::format("{}{}:{}", text.empty() ? "{" : ",", to_json(Value(key)), short_json(value));
  }
  return text.empty() ? "{}" : text + "}";
}

/// Only what differs: `v: 1 -> 2`.
std::string difference(const LoggedImage& before, const LoggedImage& after) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  const std::string labels = labels_text(before);
  if (labels != labels_text(after)) {
    add(fmt::format("labels {} -> {}", labels.empty() ? "none" : labels,
                    labels_text(after).empty() ? "none" : labels_text(after)));
  }
  const Map old = properties_of(before);
  const Map fresh = properties_of(after);
  for (const auto& [key, value] : old) {
    const auto now = fresh.find(key);
    if (now == fresh.end()) {
      add(fmt::format("{}: {} removed", key, short_json(value)));
    } else if (!(now->second == value)) {
      add(fmt::format("{}: {} -> {}", key, short_json(value), short_json(now->second)));
    }
  }
  for (const auto& [key, value] : fresh) {
    if (!old.contains(key)) {
      add(fmt::format("{}: {} added", key, short_json(value)));
    }
  }
  return text.empty() ? "nothing" : text;
}

std::string of_entity(const LoggedChange& change) {
  if (change.is_edge()) {
    return fmt::format("edge {} {} -{}-> {}", change.edge.value, change.source.value, change.type,
                       change.target.value);
  }
  const LoggedImage& image = change.after ? change.after : change.before;
  const std::string labels = labels_text(image);
  return fmt::format("node {}{}{}", change.node.value, labels.empty() ? "" : " ", labels);
}

std::string of_schema(const LoggedChange& change) {
  if (change.schema == nullptr) {
    return fmt::format("object {}", change.schema_id);
  }
  std::string keys;
  for (const std::string& key : change.schema->keys) {
    keys += (keys.empty() ? "" : ", ") + key;
  }
  return fmt::format("{} {} on {} ({})", to_string(change.schema->kind), change.schema->name,
                     change.schema->target, keys);
}

std::string bulk(const LogEntry& entry) {
  if (entry.changes.size() == 1) {
    return describe(entry.changes.front());
  }
  return fmt::format("{}; first: {}", plural(entry.changes.size(), "entity", "entities"),
                     entry.changes.empty() ? "" : of_entity(entry.changes.front()));
}

}  // namespace

std::string labels_text(const Reader& reader, const Node& node) {
  std::string text;
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    text += ":" + std::string(reader.name(node.label(i)));
  }
  return text;
}

std::string labels_text(const LoggedImage& image) {
  std::string text;
  for (std::size_t i = 0; image && i < image.label_count(); ++i) {
    text += ":" + std::string(image.label(i));
  }
  return text;
}

std::string properties_json(const Reader& reader, const Properties& properties) {
  return to_json(Value(properties_of(reader, properties)));
}

std::string properties_text(const Reader& reader, const Properties& properties) {
  return short_json(properties_of(reader, properties));
}

std::string properties_text(const LoggedImage& image) {
  return image ? short_json(properties_of(image)) : "{}";
}

void put_node(Json& json, const Reader& reader, const Node& node) {
  json.begin_object().member("id", node.id().value).key("labels").begin_array();
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    json.value(reader.name(node.label(i)));
  }
  json.end_array().key("properties").raw(properties_json(reader, node.properties())).end_object();
}

void put_edge(Json& json, const Reader& reader, const Edge& edge) {
  json.begin_object().member("id", edge.id().value);
  json.member("source", edge.source().value).member("target", edge.target().value);
  json.member("type", reader.name(edge.type()));
  json.key("properties").raw(properties_json(reader, edge.properties())).end_object();
}

std::string describe(const LoggedChange& change) {
  switch (change.kind) {
    case EntryKind::create_node:
    case EntryKind::create_edge:
      return fmt::format("{} {}", of_entity(change), properties_text(change.after));
    case EntryKind::update_node:
    case EntryKind::update_edge:
      return fmt::format("{}: {}", of_entity(change), difference(change.before, change.after));
    case EntryKind::delete_node:
    case EntryKind::delete_edge:
      return fmt::format("{} was {}", of_entity(change), properties_text(change.before));
    case EntryKind::update_embedding:
      return fmt::format("node {} {}: {}", change.node.value, change.key,
                         change.vector.empty()
                             ? "removed"
                             : plural(change.vector.size() / sizeof(float), "number"));
    case EntryKind::define_schema:
    case EntryKind::drop_schema: return of_schema(change);
    default: break;
  }
  return fmt::format("code {}", change.code);
}

std::string metadata_text(std::span<const std::pair<std::string, std::string>> metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", key, value);
  }
  return text;
}

std::string describe(const LogEntry& entry) {
  switch (entry.kind) {
    case EntryKind::tx_begin: return metadata_text(entry.metadata);
    case EntryKind::tx_commit: return plural(entry.operations, "operation");
    case EntryKind::tx_abort: return std::string(entry.reason);
    case EntryKind::define_name:
      return fmt::format("{} {} is {}", entry.name_kind, entry.name_id, entry.name);
    case EntryKind::bulk_create_nodes:
    case EntryKind::bulk_create_edges:
    case EntryKind::bulk_delete_nodes:
    case EntryKind::bulk_delete_edges: return bulk(entry);
    case EntryKind::detach_delete_node: {
      const auto edges = static_cast<std::uint64_t>(
          std::count_if(entry.changes.begin(), entry.changes.end(),
                        [](const LoggedChange& change) { return change.is_edge(); }));
      for (const LoggedChange& change : entry.changes) {
        if (change.is_node()) {
          return fmt::format("{}, with {}", of_entity(change), plural(edges, "edge"));
        }
      }
      return plural(edges, "edge");
    }
    case EntryKind::other:
      return fmt::format("code {}, {}", entry.code, plural(entry.payload.size(), "byte"));
    default: break;
  }
  if (entry.damaged || entry.changes.empty()) {
    return entry.damaged ? "damaged; it can be computed again" : "";
  }
  return describe(entry.changes.front());
}

}  // namespace selvedge::cli
