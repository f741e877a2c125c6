// Reading CSV pairs. docs/migration.md has the format.

#include <selvedge/json.h>

#include <algorithm>
#include <optional>

#include "base/crc32c.h"
#include "migration/csv_text.h"
#include "migration/csv_values.h"
#include "migration/json_text.h"
#include "migration/record.h"

namespace selvedge::migration {

namespace {

using Role = CsvColumn::Role;

/// Ids of different groups never meet.
std::string grouped(const std::string& group, const std::string& id) {
  return group.empty() ? id : std::to_string(group.size()) + ":" + group + id;
}

/// Role: the records of one file.
class Table {
 public:
  Table(const SourceContext& context, CsvReader reader, bool edges)
      : context_(context), reader_(std::move(reader)), edges_(edges) {}

  Result<bool> next(Record& into);
  void rewind() {
    reader_.rewind();
    columns_.clear();
  }
  [[nodiscard]] const InputFile& file() const { return reader_.file(); }

 private:
  Status header();
  Status check_roles(const Place& place) const;
  Status row(Record& into) const;
  Status field(const CsvColumn& column, const CsvField& field, Record& into) const;
  Status labels(const CsvColumn& column, const CsvField& field, Record& into) const;
  [[nodiscard]] Place place_of(const CsvField& field) const {
    return {reader_.file().path(), field.line, field.column, reader_.place().offset};
  }
  [[nodiscard]] std::size_t count(Role role) const {
    return static_cast<std::size_t>(
        std::count_if(columns_.begin(), columns_.end(),
                      [&](const CsvColumn& each) { return each.role == role; }));
  }

  SourceContext context_;
  CsvReader reader_;
  bool edges_;
  std::vector<CsvColumn> columns_;
  std::vector<CsvField> fields_;
};

Status Table::header() {
  SELVEDGE_TRY(bool any, reader_.next(fields_));
  const std::string& own =
      edges_ ? context_.options.csv_edges_header : context_.options.csv_nodes_header;
  Place place = reader_.place();
  if (!any) {
    return fail(
        bad_input({reader_.file().path(), 1, 0, 0}, "not a table", "a header", "an empty file"));
  }
  if (!own.empty()) {
    fields_.clear();
    for (const std::string_view name : split_csv_array(own, context_.options.csv.delimiter)) {
      fields_.push_back({std::string(name), false, place.line, 1});
    }
  }
  for (const CsvField& field : fields_) {
    auto column = parse_csv_column(field.text);
    if (!column) {
      return fail(bad_input(place_of(field), column.error().what(), column.error().expected(),
                            column.error().found()));
    }
    const bool named = column->role == Role::property || column->role == Role::id;
    if (named && std::any_of(columns_.begin(), columns_.end(), [&](const CsvColumn& other) {
          return other.name == column->name && other.role != Role::ignored &&
                 (column->role == Role::property || !column->name.empty()) &&
                 (other.role == Role::property || !other.name.empty());
        })) {
      return fail(bad_input(place_of(field), "a column comes twice", "each name once",
                            json_string(field.text)));
    }
    columns_.push_back(*std::move(column));
  }
  return check_roles(place);
}

Status Table::check_roles(const Place& place) const {
  const bool type = !context_.options.default_type.empty();
  const bool right = edges_ ? count(Role::start) == 1 && count(Role::end) == 1 &&
                                  count(Role::id) == 0 && count(Role::labels) == 0 &&
                                  (count(Role::type) == 1 || (type && count(Role::type) == 0))
                            : count(Role::id) == 1 && count(Role::labels) <= 1 &&
                                  count(Role::start) == 0 && count(Role::end) == 0 &&
                                  count(Role::type) == 0;
  if (right) {
    return {};
  }
  std::string found;
  for (std::size_t i = 0; i < std::min<std::size_t>(fields_.size(), 12); ++i) {
    found += (i == 0 ? "" : ", ") + fields_[i].text;
  }
  return fail(bad_input(
      place, edges_ ? "these are not the columns of edges" : "these are not the columns of nodes",
      edges_ ? "one :START_ID, one :END_ID and one :TYPE" : "one :ID and at most one :LABEL",
      found));
}

Result<bool> Table::next(Record& into) {
  if (columns_.empty()) {
    SELVEDGE_TRY(header());
  }
  for (;;) {
    auto more = reader_.next(fields_);
    Status status;
    if (!more) {
      status = fail(std::move(more).error());
      if (status.error().code() != ErrorCode::invalid_argument &&
          status.error().code() != ErrorCode::too_large) {
        return fail(std::move(status).error());
      }
    } else if (!*more) {
      return false;
    } else {
      status = row(into);
    }
    if (status) {
      return true;
    }
    SELVEDGE_TRY(context_.bad.add(reader_.place(), std::move(status).error()));
  }
}

Status Table::row(Record& into) const {
  into.clear(edges_ ? Record::Kind::create_edge : Record::Kind::create_node);
  into.place = reader_.place();
  into.bytes = reader_.record_bytes();
  if (fields_.size() != columns_.size()) {
    return fail(bad_input(into.place, "the number of fields is not that of the columns",
                          std::to_string(columns_.size()), std::to_string(fields_.size())));
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    SELVEDGE_TRY(field(columns_[i], fields_[i], into));
  }
  if (edges_ && into.type.empty() && count(Role::type) == 0) {
    into.type = context_.options.default_type;
  }
  if (!edges_ && count(Role::labels) == 0 && !context_.options.default_label.empty()) {
    into.labels.push_back(context_.options.default_label);
  }
  return {};
}

Status Table::field(const CsvColumn& column, const CsvField& field, Record& into) const {
  const bool absent = field.text.empty() && !field.quoted;
  switch (column.role) {
    case Role::ignored: return {};
    case Role::labels: return labels(column, field, into);
    case Role::property: {
      if (absent) {
        return {};
      }
      auto value = parse_csv_value(column, field.text, context_.options.csv);
      if (!value) {
        return fail(bad_input(
            place_of(field), "column " + json_string(column.name) + ": " + value.error().what(),
            value.error().expected(), value.error().found(), value.error().code()));
      }
      into.properties.emplace_back(column.name, *std::move(value));
      return {};
    }
    case Role::type:
      if (absent && !context_.options.default_type.empty()) {
        into.type = context_.options.default_type;
        return {};
      }
      into.type = field.text;
      break;
    case Role::id:
      into.id = grouped(column.group, field.text);
      if (!column.name.empty()) {
        into.properties.emplace_back(column.name, Value(field.text));
      }
      break;
    case Role::start: into.source = grouped(column.group, field.text); break;
    case Role::end: into.target = grouped(column.group, field.text); break;
  }
  return absent ? fail(bad_input(place_of(field), "an id or type is missing", "a text", "nothing"))
                : Status{};
}

Status Table::labels(const CsvColumn& column, const CsvField& field, Record& into) const {
  if (field.text.empty()) {
    return {};
  }
  if (column.type != CsvType::json) {
    for (const std::string_view each :
         split_csv_array(field.text, context_.options.csv.array_delimiter)) {
      if (!each.empty()) {
        into.labels.emplace_back(each);
      }
    }
    return {};
  }
  const auto value = value_from_json(field.text);
  const auto* const list = value ? value->as<List>() : nullptr;
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const auto* const label = (*list)[i].as<std::string>();
    if (label == nullptr) {
      return fail(bad_input(place_of(field), "labels", "a list of texts in JSON", "others"));
    }
    into.labels.push_back(*label);
  }
  return list != nullptr ? Status{}
                         : fail(bad_input(place_of(field), "labels", "a list of texts in JSON",
                                          json_string(field.text.substr(0, 60))));
}

class CsvSource final : public Source {
 public:
  explicit CsvSource(std::vector<Table> tables) : tables_(std::move(tables)) {}

  Result<bool> next(Record& into) override {
    for (; at_ < tables_.size(); ++at_) {
      SELVEDGE_TRY(const bool more, tables_[at_].next(into));
      if (more) {
        return true;
      }
    }
    return false;
  }
  Status rewind() override {
    for (Table& table : tables_) {
      table.rewind();
    }
    at_ = 0;
    return {};
  }
  [[nodiscard]] std::uint64_t bytes_done() const override {
    std::uint64_t bytes = 0;
    for (const Table& table : tables_) {
      bytes += table.file().offset();
    }
    return bytes;
  }
  [[nodiscard]] std::uint64_t bytes_total() const override {
    std::uint64_t bytes = 0;
    for (const Table& table : tables_) {
      bytes += table.file().size();
    }
    return bytes;
  }
  [[nodiscard]] std::string fingerprint() const override {
    std::string text;
    for (const Table& table : tables_) {
      text += std::to_string(table.file().size()) + ":" + std::to_string(table.file().crc()) + ";";
    }
    return text;
  }

 private:
  std::vector<Table> tables_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::unique_ptr<Source>> open_csv(const SourceContext& context,
                                         const std::vector<std::string>& nodes,
                                         const std::vector<std::string>& edges) {
  const CsvDialect& dialect = context.options.csv;
  if (dialect.delimiter == dialect.array_delimiter || dialect.delimiter == dialect.quote ||
      dialect.array_delimiter == dialect.quote) {
    return fail(ErrorCode::invalid_argument, "delimiters and quote of CSV must differ");
  }
  if (nodes.empty()) {
    return fail(ErrorCode::invalid_argument, "an import of CSV has at least one file of nodes");
  }
  std::vector<Table> tables;
  for (const auto* const paths : {&nodes, &edges}) {
    for (const std::string& path : *paths) {
      SELVEDGE_TRY(InputFile file, InputFile::open(context.files, path));
      tables.emplace_back(context,
                          CsvReader(std::move(file), dialect, context.options.record_bytes_max),
                          paths == &edges);
    }
  }
  return std::unique_ptr<Source>(std::make_unique<CsvSource>(std::move(tables)));
}

}  // namespace selvedge::migration
