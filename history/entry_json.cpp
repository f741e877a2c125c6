// Entries as JSON, and their kinds as words.
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <utility>

#include <selvedge/json.h>
#include <selvedge/txlog.h>

#include "graph/image.h"
#include "graph/names.h"
#include "graph/value_codec.h"

namespace selvedge {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;
using graph::NameKind;

constexpr std::array<std::pair<EntryKind, std::string_view>, 19> kind_names = {{
    {EntryKind::tx_begin, "tx_begin"},
    {EntryKind::tx_commit, "tx_commit"},
    {EntryKind::tx_abort, "tx_abort"},
    {EntryKind::create_node, "create_node"},
    {EntryKind::update_node, "update_node"},
    {EntryKind::delete_node, "delete_node"},
    {EntryKind::create_edge, "create_edge"},
    {EntryKind::update_edge, "update_edge"},
    {EntryKind::delete_edge, "delete_edge"},
    {EntryKind::bulk_create_nodes, "bulk_create_nodes"},
    {EntryKind::bulk_create_edges, "bulk_create_edges"},
    {EntryKind::bulk_delete_nodes, "bulk_delete_nodes"},
    {EntryKind::bulk_delete_edges, "bulk_delete_edges"},
    {EntryKind::detach_delete_node, "detach_delete_node"},
    {EntryKind::define_name, "define_name"},
    {EntryKind::update_embedding, "update_embedding"},
    {EntryKind::define_schema, "define_schema"},
    {EntryKind::drop_schema, "drop_schema"},
    {EntryKind::other, "other"},
}};

void put_text(Writer& to, std::string_view text) {
  to.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}
void put(Writer& to, const char* key, std::uint64_t value) {
  to.Key(key);
  to.Uint64(value);
}
void put(Writer& to, const char* key, std::string_view text) {
  to.Key(key);
  put_text(to, text);
}

void put_image(Writer& to, const char* key, const LoggedImage& image, bool node) {
  if (!image) {
    return;
  }
  to.Key(key);
  to.StartObject();
  if (node) {
    to.Key("labels");
    to.StartArray();
    for (std::size_t i = 0; i < image.label_count(); ++i) {
      put_text(to, image.label(i));
    }
    to.EndArray();
  }
  Map properties;
  for (std::size_t i = 0; i < image.size(); ++i) {
    const LoggedProperty property = image.at(i);
    properties.emplace(property.key, property.value.to_value());
  }
  to.Key("properties");
  const std::string text = to_json(Value(std::move(properties)));
  to.RawValue(text.data(), text.size(), rapidjson::kObjectType);
  to.EndObject();
}

std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte each : bytes) {
    text.push_back(digits[std::to_integer<std::size_t>(each >> 4)]);
    text.push_back(digits[std::to_integer<std::size_t>(each & std::byte{15})]);
  }
  return text;
}

void put_vector(Writer& to, std::span<const std::byte> floats) {
  const ValueView view(static_cast<std::uint8_t>(graph::Tag::vector), floats);
  const std::string text = to_json(view.to_value());
  to.Key("vector");
  to.RawValue(text.data(), text.size(), rapidjson::kObjectType);
}

void put_schema(Writer& to, const LoggedChange& change) {
  put(to, "id", std::uint64_t{change.schema_id});
  if (change.schema == nullptr) {
    return;
  }
  const SchemaSpec& spec = *change.schema;
  put(to, "what", to_string(spec.kind));
  put(to, "name", std::string_view(spec.name));
  put(to, "on", spec.entity == EntityKind::node ? "nodes" : "edges");
  put(to, "target", std::string_view(spec.target));
  to.Key("keys");
  to.StartArray();
  for (const std::string& key : spec.keys) {
    put_text(to, key);
  }
  to.EndArray();
  if (spec.kind == SchemaKind::index || spec.kind == SchemaKind::unique) {
    put(to, "index", spec.index == IndexKind::ordered ? "ordered" : "hash");
  }
  if (spec.kind == SchemaKind::type) {
    put(to, "type", to_string(spec.type));
  }
}

/// The members of one change, into an object that is open.
void put_change(Writer& to, const LoggedChange& change) {
  if (change.kind == EntryKind::define_schema || change.kind == EntryKind::drop_schema) {
    put_schema(to, change);
    return;
  }
  if (change.kind == EntryKind::update_embedding) {
    put(to, "node", change.node.value);
    put(to, "key", change.key);
    put_vector(to, change.vector);
    return;
  }
  if (change.is_edge()) {
    put(to, "edge", change.edge.value);
    put(to, "source", change.source.value);
    put(to, "target", change.target.value);
    put(to, "type", change.type);
  } else {
    put(to, "node", change.node.value);
  }
  put_image(to, "before", change.before, change.is_node());
  if (change.before) {
    put(to, "beforeSeq", change.before_sequence.value);
  }
  put_image(to, "after", change.after, change.is_node());
}

void put_member(Writer& to, const LoggedChange& change) {
  to.StartObject();
  put(to, "kind", to_string(change.kind));
  if (change.kind == EntryKind::other) {
    put(to, "code", std::uint64_t{change.code});
  } else {
    put_change(to, change);
  }
  to.EndObject();
}

void put_payload(Writer& to, const LogEntry& entry) {
  to.StartObject();
  switch (entry.kind) {
    case EntryKind::tx_begin:
      to.Key("metadata");
      to.StartArray();
      for (const auto& [key, value] : entry.metadata) {
        to.StartArray();
        put_text(to, key);
        put_text(to, value);
        to.EndArray();
      }
      to.EndArray();
      break;
    case EntryKind::tx_commit: put(to, "operations", entry.operations); break;
    case EntryKind::tx_abort: put(to, "reason", entry.reason); break;
    case EntryKind::define_name:
      put(to, "what", entry.name_kind);
      put(to, "id", std::uint64_t{entry.name_id});
      put(to, "name", entry.name);
      break;
    case EntryKind::bulk_create_nodes:
    case EntryKind::bulk_create_edges:
    case EntryKind::bulk_delete_nodes:
    case EntryKind::bulk_delete_edges:
    case EntryKind::detach_delete_node:
      to.Key("changes");
      to.StartArray();
      for (const LoggedChange& change : entry.changes) {
        put_member(to, change);
      }
      to.EndArray();
      break;
    case EntryKind::other:
      put(to, "code", std::uint64_t{entry.code});
      put(to, "bytes", hex(entry.payload));
      break;
    default:
      if (entry.damaged) {
        to.Key("damaged");
        to.Bool(true);
      }
      for (const LoggedChange& change : entry.changes) {
        put_change(to, change);
      }
      break;
  }
  to.EndObject();
}

std::string text_of(const rapidjson::StringBuffer& buffer) {
  return {buffer.GetString(), buffer.GetSize()};
}

std::string_view name_of(const graph::Names* names, NameKind kind, std::uint32_t id) {
  const graph::Dictionary& dictionary = names->of(kind);
  return id < dictionary.size() ? dictionary.text(id) : std::string_view{};
}

}  // namespace

std::string_view to_string(EntryKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < kind_names.size() ? kind_names[index].second : "other";
}

std::optional<EntryKind> parse_entry_kind(std::string_view name) {
  const auto found = std::find_if(kind_names.begin(), kind_names.end(),
                                  [&](const auto& each) { return each.second == name; });
  return found == kind_names.end() ? std::nullopt : std::optional(found->first);
}

std::string payload_json(const LogEntry& entry) {
  rapidjson::StringBuffer buffer;
  Writer to(buffer);
  put_payload(to, entry);
  return text_of(buffer);
}

std::string to_json(const LoggedChange& change) {
  rapidjson::StringBuffer buffer;
  Writer to(buffer);
  put_member(to, change);
  return text_of(buffer);
}

std::string to_json(const LogEntry& entry) {
  rapidjson::StringBuffer buffer;
  Writer to(buffer);
  to.StartObject();
  to.Key("txId");
  if (entry.transaction) {
    put_text(to, to_string(*entry.transaction));
  } else {
    to.Null();
  }
  put(to, "txNumber", entry.number.value);
  put(to, "db", to_string(entry.db));
  put(to, "kind", to_string(entry.kind));
  put(to, "seq", entry.sequence.value);
  to.Key("timestamp");
  to.Int64(entry.timestamp.microseconds);
  to.Key("payload");
  put_payload(to, entry);
  to.EndObject();
  return text_of(buffer);
}

// --- images ------------------------------------------------------------------------------------

std::size_t LoggedImage::label_count() const { return graph::ImageView(image_).label_count(); }
std::string_view LoggedImage::label(std::size_t index) const {
  return name_of(names_, NameKind::label, graph::ImageView(image_).label(index));
}
bool LoggedImage::has_label(std::string_view label) const {
  if (names_ == nullptr) {
    return false;
  }
  const auto id = names_->of(NameKind::label).find(label);
  return id && graph::ImageView(image_).has_label(*id);
}
std::size_t LoggedImage::size() const { return graph::ImageView(image_).property_count(); }
LoggedProperty LoggedImage::at(std::size_t index) const {
  const graph::ImageView image(image_);
  return {name_of(names_, NameKind::key, image.key(index)), image.value(index)};
}
ValueView LoggedImage::operator[](std::string_view key) const {
  if (names_ == nullptr) {
    return {};
  }
  const auto id = names_->of(NameKind::key).find(key);
  return id ? graph::ImageView(image_).find(*id) : ValueView{};
}

}  // namespace selvedge
