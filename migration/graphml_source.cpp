// Reading GraphML, by Expat. docs/migration.md says what is taken.

#include <expat.h>
#include <selvedge/json.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "migration/csv_values.h"
#include "migration/input_file.h"
#include "migration/json_text.h"
#include "migration/record.h"

namespace selvedge::migration {

namespace {

constexpr CsvDialect dialect;

struct ParserFree {
  void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};
using Parser = std::unique_ptr<XML_ParserStruct, ParserFree>;

/// Role: the records of a file: all nodes in a first pass, then all edges, since edges may come
///   before their nodes.
class GraphmlSource final : public Source {
 public:
  GraphmlSource(const SourceContext& context, InputFile file)
      : context_(context), file_(std::move(file)) {}

  Result<bool> next(Record& into) override;
  Status rewind() override {
    pass_ = Pass::nodes;
    parser_.reset();
    return {};
  }
  [[nodiscard]] std::uint64_t bytes_done() const override {
    return file_.offset() + (pass_ == Pass::nodes ? 0 : file_.size());
  }
  [[nodiscard]] std::uint64_t bytes_total() const override { return 2 * file_.size(); }
  [[nodiscard]] std::string fingerprint() const override {
    return std::to_string(file_.size()) + ":" + std::to_string(file_.crc());
  }

 private:
  enum class Pass : std::uint8_t { nodes, edges };
  enum class Inside : std::uint8_t { document, graphml, graph, node, edge, key };
  using Attributes = std::map<std::string_view, std::string_view>;
  struct Key {
    CsvColumn column;
    std::string domain;
    std::optional<std::string> standard;
  };

  static void on_start(void* self, const XML_Char* name, const XML_Char** attributes);
  static void on_end(void* self, const XML_Char* name);
  static void on_text(void* self, const XML_Char* text, int size);
  static void on_entity(void* self, const XML_Char*, int, const XML_Char*, int, const XML_Char*,
                        const XML_Char*, const XML_Char*, const XML_Char*);

  Status open();
  Status feed();
  void start(std::string_view name, const Attributes& attributes);
  void end(std::string_view name);
  Status start_key(const Attributes& attributes);
  void start_record(std::string_view name, const Attributes& attributes);
  void start_data(const Attributes& attributes);
  void end_data();
  void end_record();
  Status labels(std::string_view text);
  [[nodiscard]] Place here() const;
  /// This document is not to be had.
  void stop(Status why);
  /// This record is not to be had; the first fault is the one to tell.
  void refuse(Error error);
  [[nodiscard]] bool wanted() const { return (inside_ == Inside::node) == (pass_ == Pass::nodes); }

  SourceContext context_;
  InputFile file_;
  Parser parser_;
  Pass pass_ = Pass::nodes;
  std::deque<Record> ready_;
  Status status_;

  Inside inside_ = Inside::document;
  bool seen_graph_ = false;
  bool all_fed_ = false;
  bool noted_ = false;
  bool in_data_ = false;
  bool in_default_ = false;
  std::size_t passed_over_ = 0;  ///< depth inside of an element that means nothing here
  std::uint64_t last_event_ = 0;
  std::map<std::string, Key, std::less<>> keys_;
  std::string key_;  ///< of the data, or the key element
  std::string text_;
  std::uint64_t record_begin_ = 0;
  Record record_;
  std::optional<Error> refused_;
};

Place GraphmlSource::here() const {
  return {
      file_.path(), XML_GetCurrentLineNumber(parser_.get()),
      XML_GetCurrentColumnNumber(parser_.get()) + 1,
      static_cast<std::uint64_t>(std::max<XML_Index>(XML_GetCurrentByteIndex(parser_.get()), 0))};
}

void GraphmlSource::stop(Status why) {
  if (status_) {
    status_ = std::move(why);
    XML_StopParser(parser_.get(), XML_FALSE);
  }
}

void GraphmlSource::refuse(Error error) {
  if (!refused_) {
    refused_ = std::move(error);
  }
}

Status GraphmlSource::open() {
  file_.rewind();
  parser_.reset(XML_ParserCreate("UTF-8"));
  if (!parser_) {
    return fail(ErrorCode::out_of_memory, "no memory for a parser of XML");
  }
  XML_SetUserData(parser_.get(), this);
  XML_SetElementHandler(parser_.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser_.get(), on_text);
  XML_SetEntityDeclHandler(parser_.get(), on_entity);
  inside_ = Inside::document;
  seen_graph_ = false;
  all_fed_ = false;
  in_data_ = false;
  in_default_ = false;
  passed_over_ = 0;
  last_event_ = 0;
  keys_.clear();
  ready_.clear();
  status_ = {};
  return {};
}

Result<bool> GraphmlSource::next(Record& into) {
  for (;;) {
    if (!parser_) {
      SELVEDGE_TRY(open());
    }
    if (!ready_.empty()) {
      into = std::move(ready_.front());
      ready_.pop_front();
      return true;
    }
    if (all_fed_) {
      if (pass_ == Pass::edges) {
        return false;
      }
      pass_ = Pass::edges;
      parser_.reset();
      continue;
    }
    SELVEDGE_TRY(feed());
  }
}

Status GraphmlSource::feed() {
  SELVEDGE_TRY(file_.more());
  const std::string_view block = file_.rest();
  if (block.empty() && file_.size() != 0) {
    return fail(Error(ErrorCode::invalid_argument, "the file has become shorter")
                    .at(file_.path(), file_.offset()));
  }
  const bool last = file_.offset() + block.size() >= file_.size();
  const XML_Status parsed =
      XML_Parse(parser_.get(), block.data(), static_cast<int>(block.size()), last ? 1 : 0);
  file_.take(block.size());
  all_fed_ = last;
  if (!status_) {
    return std::move(status_);
  }
  if (parsed != XML_STATUS_OK) {
    return fail(bad_input(here(), "not XML", "a well-formed document",
                          XML_ErrorString(XML_GetErrorCode(parser_.get()))));
  }
  if (file_.offset() - last_event_ > context_.options.record_bytes_max) {
    return fail(bad_input(here(), "an element is too long",
                          "at most " + std::to_string(context_.options.record_bytes_max) + " bytes",
                          "more", ErrorCode::too_large));
  }
  if (last && !seen_graph_) {
    return fail(bad_input(here(), "not GraphML", "an element `graph`", "none"));
  }
  return {};
}

void GraphmlSource::on_start(void* self, const XML_Char* name, const XML_Char** attributes) {
  auto& source = *static_cast<GraphmlSource*>(self);
  Attributes map;
  for (std::size_t i = 0; attributes[i] != nullptr; i += 2) {
    map.emplace(attributes[i], attributes[i + 1]);
  }
  source.last_event_ = source.here().offset;
  source.start(name, map);
}

void GraphmlSource::on_end(void* self, const XML_Char* name) {
  auto& source = *static_cast<GraphmlSource*>(self);
  source.last_event_ = source.here().offset;
  source.end(name);
}

void GraphmlSource::on_text(void* self, const XML_Char* text, int size) {
  auto& source = *static_cast<GraphmlSource*>(self);
  source.last_event_ = source.here().offset;
  if (!source.in_data_ && !source.in_default_) {
    return;
  }
  if (source.text_.size() + static_cast<std::size_t>(size) >
      source.context_.options.record_bytes_max) {
    source.stop(fail(
        bad_input(source.here(), "the text of an element is too long",
                  "at most " + std::to_string(source.context_.options.record_bytes_max) + " bytes",
                  "more", ErrorCode::too_large)));
    return;
  }
  source.text_.append(text, static_cast<std::size_t>(size));
}

/// What entities stand for can be larger than any memory.
void GraphmlSource::on_entity(void* self, const XML_Char* /*name*/, int /*parameter*/,
                              const XML_Char* /*value*/, int /*size*/, const XML_Char* /*base*/,
                              const XML_Char* /*system*/, const XML_Char* /*public_id*/,
                              const XML_Char* /*notation*/) {
  auto& source = *static_cast<GraphmlSource*>(self);
  source.stop(fail(bad_input(source.here(), "entities of one's own are not taken", "none",
                             "a declaration", ErrorCode::unsupported)));
}

void GraphmlSource::start(std::string_view name, const Attributes& attributes) {
  if (passed_over_ != 0 || name == "desc") {
    ++passed_over_;
    return;
  }
  if (in_data_ || in_default_) {
    stop(fail(bad_input(here(), "an element inside of a value", "text", std::string(name),
                        ErrorCode::unsupported)));
  } else if (name == "graphml" && inside_ == Inside::document) {
    inside_ = Inside::graphml;
  } else if (name == "key" && inside_ == Inside::graphml) {
    inside_ = Inside::key;
    if (Status status = start_key(attributes); !status) {
      stop(std::move(status));
    }
  } else if (name == "default" && inside_ == Inside::key) {
    in_default_ = true;
    text_.clear();
  } else if (name == "graph" && inside_ == Inside::graphml) {
    if (seen_graph_) {
      stop(fail(bad_input(here(), "a second graph", "one", "another", ErrorCode::unsupported)));
    }
    inside_ = Inside::graph;
    seen_graph_ = true;
  } else if ((name == "node" || name == "edge") && inside_ == Inside::graph) {
    start_record(name, attributes);
  } else if (name == "data" && inside_ != Inside::document && inside_ != Inside::key) {
    start_data(attributes);
  } else if (inside_ == Inside::document) {
    stop(fail(bad_input(here(), "not GraphML", "an element `graphml`", std::string(name))));
  } else if (context_.options.ignore_unknown) {
    ++passed_over_;
  } else {
    stop(fail(bad_input(here(), "an element that is not taken here",
                        "node, edge, data, key, default, desc: no ports, hyperedges, inner graphs",
                        std::string(name), ErrorCode::unsupported)));
  }
}

void GraphmlSource::end(std::string_view name) {
  if (passed_over_ != 0) {
    --passed_over_;
  } else if (name == "data") {
    end_data();
  } else if (name == "default") {
    keys_.find(key_)->second.standard = text_;
    in_default_ = false;
  } else if (name == "node" || name == "edge") {
    end_record();
    inside_ = Inside::graph;
  } else if (name == "key" || name == "graph") {
    inside_ = Inside::graphml;
  }
}

Status GraphmlSource::start_key(const Attributes& attributes) {
  const auto get = [&](std::string_view name) {
    const auto found = attributes.find(name);
    return found == attributes.end() ? std::string_view{} : found->second;
  };
  Key key;
  key_ = get("id");
  key.domain = get("for").empty() ? std::string("all") : std::string(get("for"));
  std::string_view type = get("sv:type").empty() ? get("attr.type") : get("sv:type");
  if (type.empty()) {
    type = "string";
  }
  const auto column = parse_csv_column("x:" + std::string(type));
  if (key_.empty() || !column || column->role != CsvColumn::Role::property) {
    return fail(bad_input(here(), "a key is not complete, or its type is unknown",
                          "id, attr.name, and a type: boolean, int, long, float, double, string",
                          std::string(type)));
  }
  key.column = *column;
  key.column.name = get("attr.name").empty() ? key_ : std::string(get("attr.name"));
  if (const std::string_view json = get("sv:name"); !json.empty()) {
    const auto name = value_from_json(json);
    const auto* const text = name ? name->as<std::string>() : nullptr;
    if (text == nullptr) {
      return fail(bad_input(here(), "sv:name", "a text in JSON", std::string(json)));
    }
    key.column.name = *text;
  }
  if (!keys_.try_emplace(key_, std::move(key)).second) {
    return fail(bad_input(here(), "a key comes twice", "each id once", key_));
  }
  return {};
}

Status GraphmlSource::labels(std::string_view text) {
  if (!text.starts_with('[')) {
    text.remove_prefix(text.starts_with(':') ? 1 : 0);
    for (const std::string_view label : split_csv_array(text, ':')) {
      if (!label.empty()) {
        record_.labels.emplace_back(label);
      }
    }
    return {};
  }
  const auto value = value_from_json(text);
  const auto* const list = value ? value->as<List>() : nullptr;
  if (list == nullptr || std::any_of(list->begin(), list->end(), [](const Value& each) {
        return each.as<std::string>() == nullptr;
      })) {
    return fail(bad_input(here(), "labels", "a list of texts in JSON", std::string(text)));
  }
  for (const Value& each : *list) {
    record_.labels.push_back(*each.as<std::string>());
  }
  return {};
}

void GraphmlSource::start_record(std::string_view name, const Attributes& attributes) {
  const bool node = name == "node";
  inside_ = node ? Inside::node : Inside::edge;
  refused_.reset();
  record_begin_ = here().offset;
  if (!wanted()) {
    return;
  }
  record_.clear(node ? Record::Kind::create_node : Record::Kind::create_edge);
  record_.place = here();
  const auto take = [&](std::string_view wanted_name, std::string& into, bool needed) {
    const auto found = attributes.find(wanted_name);
    if (found != attributes.end()) {
      into = found->second;
    } else if (needed) {
      refuse(bad_input(here(), "an attribute is missing", std::string(wanted_name), "none"));
    }
    return found != attributes.end();
  };
  take("id", record_.id, node);
  if (node) {
    std::string text;
    if (!take("labels", text, false) && !context_.options.default_label.empty()) {
      record_.labels.push_back(context_.options.default_label);
    }
    if (Status status = labels(text); !status) {
      refuse(std::move(status).error());
    }
    return;
  }
  take("source", record_.source, true);
  take("target", record_.target, true);
  if (!take("label", record_.type, false)) {
    record_.type = context_.options.default_type.empty() ? "EDGE" : context_.options.default_type;
  } else if (record_.type.starts_with('"')) {
    const auto type = value_from_json(record_.type);
    if (!type || type->as<std::string>() == nullptr) {
      refuse(bad_input(here(), "label", "a text in JSON", record_.type));
    } else {
      record_.type = std::string(*type->as<std::string>());
    }
  }
}

void GraphmlSource::start_data(const Attributes& attributes) {
  in_data_ = true;
  text_.clear();
  const auto found = attributes.find("key");
  key_ = found == attributes.end() ? std::string() : std::string(found->second);
  if ((inside_ == Inside::graph || inside_ == Inside::graphml) && !noted_) {
    noted_ = true;
    context_.report.notes.push_back(file_.path() + ":" + std::to_string(here().line) +
                                    ": data of the graph itself has no place in a store");
  }
}

void GraphmlSource::end_data() {
  in_data_ = false;
  if ((inside_ != Inside::node && inside_ != Inside::edge) || !wanted()) {
    return;
  }
  const auto found = keys_.find(key_);
  if (found == keys_.end()) {
    refuse(bad_input(here(), "data of an unknown key", "a key of the document", json_string(key_)));
    return;
  }
  const CsvColumn& column = found->second.column;
  if (std::any_of(record_.properties.begin(), record_.properties.end(),
                  [&](const auto& each) { return each.first == column.name; })) {
    refuse(bad_input(here(), "a property comes twice", "each once", json_string(column.name)));
    return;
  }
  auto value = parse_csv_value(column, text_, dialect);
  if (!value) {
    refuse(bad_input(here(), "property " + json_string(column.name) + ": " + value.error().what(),
                     value.error().expected(), value.error().found(), value.error().code()));
    return;
  }
  record_.properties.emplace_back(column.name, *std::move(value));
}

void GraphmlSource::end_record() {
  if (!wanted()) {
    return;
  }
  const std::string_view domain = inside_ == Inside::node ? "node" : "edge";
  for (const auto& each_key : keys_) {
    const auto& key = each_key.second;
    const bool there = !key.standard || (key.domain != "all" && key.domain != domain) ||
                       std::any_of(record_.properties.begin(), record_.properties.end(),
                                   [&](const auto& each) { return each.first == key.column.name; });
    if (there) {
      continue;
    }
    auto value = parse_csv_value(key.column, *key.standard, dialect);
    if (value) {
      record_.properties.emplace_back(key.column.name, *std::move(value));
    } else {
      refuse(bad_input(record_.place, "the default of a key: " + value.error().what(),
                       value.error().expected(), value.error().found()));
    }
  }
  record_.bytes = here().offset - record_begin_;
  if (!refused_) {
    ready_.push_back(std::move(record_));
    return;
  }
  const Place place = record_.place;
  if (Status status = context_.bad.add(place, *std::move(refused_)); !status) {
    stop(std::move(status));
  }
  refused_.reset();
}

}  // namespace

Result<std::unique_ptr<Source>> open_graphml(const SourceContext& context,
                                             const std::string& path) {
  SELVEDGE_TRY(InputFile file, InputFile::open(context.files, path));
  return std::unique_ptr<Source>(std::make_unique<GraphmlSource>(context, std::move(file)));
}

}  // namespace selvedge::migration
