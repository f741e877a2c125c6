// Writing CSV pairs. docs/migration.md has the format.

#include <selvedge/json.h>

#include <algorithm>
#include <map>

#include "migration/csv_text.h"
#include "migration/csv_values.h"
#include "migration/output.h"

namespace selvedge {

namespace {

using migration::CsvColumn;
using migration::CsvType;

/// Role: the columns of a file: one for each name of a property, of a type that holds all values of
///   that name exactly.
class Columns {
 public:
  explicit Columns(const CsvDialect& dialect) : dialect_(dialect) {}

  void see(const Reader& view, const Properties& properties) {
    for (std::size_t i = 0; i < properties.size(); ++i) {
      const PropertyView property = properties.at(i);
      CsvColumn column = migration::csv_column_of(property.value, dialect_);
      column.name = view.name(property.key);
      const auto [place, fresh] = columns_.try_emplace(column.name, column);
      CsvColumn& known = place->second;
      if (!fresh && (known.type != column.type || known.array != column.array)) {
        known.type = CsvType::json;
        known.array = false;
      }
    }
  }
  [[nodiscard]] std::string header() const {
    std::string text;
    for (const auto& [name, column] : columns_) {
      text += dialect_.delimiter +
              migration::csv_field(
                  name + ":" + std::string(name_of(column.type)) + (column.array ? "[]" : ""),
                  dialect_);
    }
    return text;
  }
  void put(std::string& line, const Properties& properties) const {
    for (const auto& [name, column] : columns_) {
      line += dialect_.delimiter;
      if (const ValueView value = properties[name]) {
        line += migration::csv_field(migration::csv_value(column, value, dialect_), dialect_);
      }
    }
    line += '\n';
  }

 private:
  const CsvDialect& dialect_;
  std::map<std::string, CsvColumn> columns_;
};

/// Labels between array delimiters, or as JSON when that would not be the same again.
bool plain_labels(const Reader& view, const Node& node, char delimiter) {
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    const std::string_view label = view.name(node.label(i));
    if (label.empty() || label.find(delimiter) != std::string_view::npos) {
      return false;
    }
  }
  return true;
}

std::string labels_text(const Reader& view, const Node& node, bool plain, char delimiter) {
  List list;
  std::string text;
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    const std::string_view label = view.name(node.label(i));
    list.emplace_back(label);
    text += (i == 0 ? "" : std::string(1, delimiter)) + std::string(label);
  }
  return plain ? text : to_json(Value(list));
}

Status write_nodes(const Reader& view, const CsvDialect& dialect, migration::ExportRun& run,
                   migration::OutputFile& out) {
  Columns columns(dialect);
  bool plain = true;
  for (const Node& node : view.nodes()) {
    columns.see(view, node.properties());
    plain = plain && plain_labels(view, node, dialect.array_delimiter);
  }
  SELVEDGE_TRY(out.write(std::string(":ID") + dialect.delimiter +
                         (plain ? ":LABEL" : ":LABEL[json]") + columns.header() + "\n"));
  std::string line;
  return run.nodes([&](const Node& node) {
    line = std::to_string(node.id().value) + dialect.delimiter;
    if (const std::string labels = labels_text(view, node, plain, dialect.array_delimiter);
        !labels.empty()) {
      line += migration::csv_field(labels, dialect);
    }
    columns.put(line, node.properties());
    ++run.report.nodes;
    return out.write(line);
  });
}

Status write_edges(const Reader& view, const CsvDialect& dialect, migration::ExportRun& run,
                   migration::OutputFile& out) {
  Columns columns(dialect);
  for (const Edge& edge : view.edges()) {
    columns.see(view, edge.properties());
  }
  SELVEDGE_TRY(out.write(std::string(":START_ID") + dialect.delimiter + ":END_ID" +
                         dialect.delimiter + ":TYPE" + columns.header() + "\n"));
  std::string line;
  return run.edges([&](const Edge& edge) {
    line = std::to_string(edge.source().value) + dialect.delimiter +
           std::to_string(edge.target().value) + dialect.delimiter +
           migration::csv_field(view.name(edge.type()), dialect);
    columns.put(line, edge.properties());
    ++run.report.edges;
    return out.write(line);
  });
}

}  // namespace

Result<ExportReport> export_csv(const Reader& view, const std::string& nodes_path,
                                const std::string& edges_path, const ExportOptions& options) {
  migration::ExportRun run(view, options);
  SELVEDGE_TRY(run.begin());
  SELVEDGE_TRY(auto nodes, migration::OutputFile::create(options, nodes_path));
  SELVEDGE_TRY(auto edges, migration::OutputFile::create(options, edges_path));
  SELVEDGE_TRY(write_nodes(view, options.csv, run, nodes));
  SELVEDGE_TRY(write_edges(view, options.csv, run, edges));
  run.leave_out_the_rest();
  run.report.bytes = nodes.bytes() + edges.bytes();
  SELVEDGE_TRY(nodes.publish());
  SELVEDGE_TRY(edges.publish());
  return run.finish();
}

}  // namespace selvedge
