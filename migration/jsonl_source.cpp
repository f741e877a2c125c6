// Reading JSON lines. docs/migration.md has the format.

#include <selvedge/json.h>

#include <array>
#include <optional>

#include "base/utf8.h"
#include "migration/input_file.h"
#include "migration/json_text.h"
#include "migration/record.h"
#include "migration/schema_text.h"

namespace selvedge::migration {

namespace {

class JsonlSource final : public Source {
 public:
  JsonlSource(const SourceContext& context, InputFile file)
      : context_(context), file_(std::move(file)) {}

  Result<bool> next(Record& into) override;
  Status rewind() override {
    file_.rewind();
    seen_ = {};
    ended_ = false;
    return {};
  }
  [[nodiscard]] std::uint64_t bytes_done() const override { return file_.offset(); }
  [[nodiscard]] std::uint64_t bytes_total() const override { return file_.size(); }
  [[nodiscard]] std::string fingerprint() const override {
    return std::to_string(file_.size()) + ":" + std::to_string(file_.crc());
  }

 private:
  struct Counts {
    std::uint64_t nodes = 0;
    std::uint64_t edges = 0;
    std::uint64_t embeddings = 0;
    std::uint64_t schema = 0;
  };

  [[nodiscard]] Place place(std::size_t column = 0) const {
    return {file_.path(), file_.line_number(), column, file_.line_offset()};
  }
  [[nodiscard]] Error bad(const JsonMember& member, std::string what, std::string expected,
                          std::string found) const {
    return bad_input(place(member.at + 1), std::move(what), std::move(expected), std::move(found));
  }
  Status header(std::string_view line);
  Status record(std::string_view line, Record& into);
  Status member(const JsonMember& member, Record& into);
  Status properties(const JsonMember& member, Record& into) const;
  Status end_line(const JsonMember& member);
  [[nodiscard]] Result<Value> value(const JsonMember& member, std::string_view what) const;
  Status text(const JsonMember& member, std::string& into) const;
  Status id(const JsonMember& member, std::string& into) const;
  Status complete(const Record& record, std::uint32_t seen) const;

  SourceContext context_;
  InputFile file_;
  std::vector<JsonMember> members_;
  Counts seen_;
  bool ended_ = false;
};

enum Seen : std::uint32_t {
  has_labels = 1,
  has_type = 2,
  has_source = 4,
  has_target = 8,
  has_key = 16,
  has_vector = 32,
  has_properties = 64,
};

Result<bool> JsonlSource::next(Record& into) {
  for (;;) {
    std::string_view line;
    SELVEDGE_TRY(const auto got, file_.line(line, context_.options.record_bytes_max));
    if (got == InputFile::Line::end) {
      if (file_.line_number() == 1) {
        return fail(bad_input(place(), "not a graph in JSON lines", "a header", "an empty file"));
      }
      if (!ended_) {  // not a matter of one line
        return fail(bad_input(place(), "the file is cut off", "a line {\"end\":..}",
                              "the end of the file"));
      }
      return false;
    }
    if (file_.line_number() == 1) {
      SELVEDGE_TRY(header(line));
      continue;
    }
    Status status;
    if (got == InputFile::Line::too_long) {
      status =
          fail(bad_input(place(), "the line is too long",
                         "at most " + std::to_string(context_.options.record_bytes_max) + " bytes",
                         "more", ErrorCode::too_large));
    } else if (ended_) {
      status = fail(bad_input(place(), "a line behind the end", "the end of the file", "a line"));
    } else if (line.empty()) {
      continue;
    } else {
      status = record(line, into);
    }
    if (!status) {
      Place where = place();
      SELVEDGE_TRY(context_.bad.add(where, std::move(status).error()));
      continue;
    }
    if (!ended_) {
      return true;
    }
  }
}

Status JsonlSource::header(std::string_view line) {
  if (line.starts_with("\xef\xbb\xbf")) {
    line.remove_prefix(3);
  }
  JsonFault fault;
  std::string kind;
  std::int64_t version = 0;
  if (split_object(line, members_, fault)) {
    for (const JsonMember& each : members_) {
      const auto value = value_from_json(each.text);
      if (value && each.name == "selvedge" && value->as<std::string>() != nullptr) {
        kind = *value->as<std::string>();
      } else if (value && each.name == "version" && value->as<std::int64_t>() != nullptr) {
        version = *value->as<std::int64_t>();
      }
    }
  }
  if (kind != "graph") {
    return fail(bad_input(place(), "not a graph in JSON lines",
                          R"({"selvedge":"graph","version":1} in the first line)",
                          json_string(line.substr(0, 40)), ErrorCode::invalid_argument));
  }
  if (version != 1) {
    return fail(bad_input(place(), "the format is of another version", "1", std::to_string(version),
                          ErrorCode::newer_format));
  }
  return {};
}

Result<Value> JsonlSource::value(const JsonMember& member, std::string_view what) const {
  auto value = value_from_json(member.text);
  if (!value) {
    const Error& error = value.error();
    return fail(bad_input(place(member.at + 1), std::string(what) + ": " + error.what(),
                          error.expected(), error.found(), error.code()));
  }
  return value;
}

Status JsonlSource::text(const JsonMember& member, std::string& into) const {
  SELVEDGE_TRY(const Value found, value(member, member.name));
  const auto* const text = found.as<std::string>();
  if (text == nullptr) {
    return fail(bad(member, member.name, "a text", std::string(to_string(found.type()))));
  }
  into = *text;
  return {};
}

/// A text or a whole number: 7 and "7" are the same.
Status JsonlSource::id(const JsonMember& member, std::string& into) const {
  const auto found = value(member, member.name);
  if (!found) {
    return fail(found.error().clone());
  }
  if (const auto* const text = found->as<std::string>()) {
    into = *text;
  } else if (const auto* const number = found->as<std::int64_t>()) {
    into = std::to_string(*number);
  } else {
    return fail(bad(member, member.name, "a text or a whole number",
                    std::string(to_string(found->type()))));
  }
  return {};
}

Status JsonlSource::record(std::string_view line, Record& into) {
  if (!base::valid_utf8(line)) {
    return fail(bad_input(place(), "the line is not valid UTF-8"));
  }
  JsonFault fault;
  if (!split_object(line, members_, fault)) {
    return fail(bad_input(
        place(fault.at + 1), "not an object in JSON", fault.expected,
        fault.at < line.size() ? json_string(line.substr(fault.at, 20)) : "the end of the line"));
  }
  if (members_.empty()) {
    return fail(bad_input(place(), "an empty object", "a record", "{}"));
  }
  const JsonMember& first = members_.front();
  into.place = place();
  if (first.name == "node") {
    into.clear(Record::Kind::create_node);
  } else if (first.name == "edge") {
    into.clear(Record::Kind::create_edge);
  } else if (first.name == "embedding") {
    into.clear(Record::Kind::embedding);
  } else if (first.name == "schema") {
    into.clear(Record::Kind::schema);
  } else if (first.name == "end") {
    return end_line(first);
  } else {
    return fail(bad_input(place(), "a record of an unknown kind",
                          "node, edge, embedding, schema or end as the first member",
                          json_string(first.name)));
  }
  into.bytes = line.size();
  std::uint32_t seen = 0;
  if (into.kind == Record::Kind::schema) {
    auto spec = schema_from_json(first.text);
    if (!spec) {
      return fail(bad(first, spec.error().what(), spec.error().expected(), spec.error().found()));
    }
    into.spec = *std::move(spec);
  } else if (first.text != "null" || into.kind != Record::Kind::create_edge) {
    SELVEDGE_TRY(id(first, into.id));
  }
  for (std::size_t i = 1; i < members_.size(); ++i) {
    SELVEDGE_TRY(member(members_[i], into));
    constexpr std::array<std::pair<std::string_view, Seen>, 7> names{
        {{"labels", has_labels},
         {"type", has_type},
         {"source", has_source},
         {"target", has_target},
         {"key", has_key},
         {"vector", has_vector},
         {"properties", has_properties}}};
    for (const auto& [name, bit] : names) {
      seen |= members_[i].name == name ? bit : 0U;
    }
  }
  SELVEDGE_TRY(complete(into, seen));
  switch (into.kind) {
    case Record::Kind::create_node: ++seen_.nodes; break;
    case Record::Kind::create_edge: ++seen_.edges; break;
    case Record::Kind::embedding: ++seen_.embeddings; break;
    default: ++seen_.schema; break;
  }
  return {};
}

Status JsonlSource::complete(const Record& record, std::uint32_t seen) const {
  std::uint32_t needed = 0;
  if (record.kind == Record::Kind::create_edge) {
    needed = has_type | has_source | has_target;
  } else if (record.kind == Record::Kind::embedding) {
    needed = has_key | has_vector;
  }
  if ((seen & needed) != needed) {
    return fail(bad_input(
        place(), "the record is not complete",
        record.kind == Record::Kind::embedding ? "key and vector" : "type, source and target",
        "fewer members"));
  }
  return {};
}

Status JsonlSource::member(const JsonMember& member, Record& into) {
  const bool node = into.kind == Record::Kind::create_node;
  const bool edge = into.kind == Record::Kind::create_edge;
  const bool embedding = into.kind == Record::Kind::embedding;
  if (member.name == "properties" && (node || edge)) {
    return properties(member, into);
  }
  if (member.name == "labels" && node) {
    SELVEDGE_TRY(const Value found, value(member, "labels"));
    const auto* const list = found.as<List>();
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
      const auto* const label = (*list)[i].as<std::string>();
      if (label == nullptr) {
        return fail(bad(member, "labels", "texts", std::string(to_string((*list)[i].type()))));
      }
      into.labels.push_back(*label);
    }
    return list != nullptr
               ? Status{}
               : fail(bad(member, "labels", "a list", std::string(to_string(found.type()))));
  }
  if (edge && member.name == "type") {
    return text(member, into.type);
  }
  if (edge && member.name == "source") {
    return id(member, into.source);
  }
  if (edge && member.name == "target") {
    return id(member, into.target);
  }
  if (embedding && member.name == "key") {
    return text(member, into.key);
  }
  if (embedding && member.name == "vector") {
    SELVEDGE_TRY(Value found, value(member, "vector"));
    const auto* const vector = found.as<Vector>();
    if (vector == nullptr) {
      return fail(bad(member, "vector", R"({"$vector":..})", std::string(to_string(found.type()))));
    }
    into.vector = *vector;
    return {};
  }
  if (context_.options.ignore_unknown) {
    return {};
  }
  return fail(bad_input(place(member.at + 1), "an unknown member", "one that docs/migration.md has",
                        json_string(member.name)));
}

/// Each property by itself: a value may be nested as deeply here as in the store.
Status JsonlSource::properties(const JsonMember& member, Record& into) const {
  std::vector<JsonMember> properties;
  JsonFault fault;
  if (!split_object(member.text, properties, fault)) {
    return fail(bad_input(place(member.at + fault.at + 1), "properties are not an object in JSON",
                          fault.expected, "something else"));
  }
  for (JsonMember& each : properties) {
    each.at += member.at;
    SELVEDGE_TRY(Value found, value(each, "property " + json_string(each.name)));
    into.properties.emplace_back(std::move(each.name), std::move(found));
  }
  return {};
}

Status JsonlSource::end_line(const JsonMember& member) {
  std::vector<JsonMember> counts;
  JsonFault fault;
  if (!split_object(member.text, counts, fault)) {
    return fail(bad(member, "end", "an object", "something else"));
  }
  for (const JsonMember& each : counts) {
    const std::uint64_t found = each.name == "nodes"        ? seen_.nodes
                                : each.name == "edges"      ? seen_.edges
                                : each.name == "embeddings" ? seen_.embeddings
                                                            : seen_.schema;
    // Those that were bad are told already.
    if (each.text != std::to_string(found) && !context_.options.skip_bad) {
      return fail(bad(member, "lines are missing, or there are too many: " + each.name,
                      std::string(each.text), std::to_string(found)));
    }
  }
  ended_ = true;
  return {};
}

}  // namespace

Result<std::unique_ptr<Source>> open_jsonl(const SourceContext& context, const std::string& path) {
  SELVEDGE_TRY(InputFile file, InputFile::open(context.files, path));
  return std::unique_ptr<Source>(std::make_unique<JsonlSource>(context, std::move(file)));
}

}  // namespace selvedge::migration
