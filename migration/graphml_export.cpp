// Writing GraphML. docs/migration.md says how labels, types and values are written.

#include <selvedge/json.h>

#include <map>

#include "migration/csv_values.h"
#include "migration/json_text.h"
#include "migration/output.h"
#include "migration/xml_text.h"

namespace selvedge {

namespace {

using migration::CsvColumn;
using migration::CsvType;
using migration::xml_escape;
using migration::xml_safe_json;

constexpr CsvDialect dialect;

/// Role: the `<key>` elements: one for each name of a property, of a type that holds all values of
///   that name exactly.
class Keys {
 public:
  explicit Keys(char prefix) : prefix_(prefix) {}

  void see(const Reader& view, const Properties& properties) {
    for (std::size_t i = 0; i < properties.size(); ++i) {
      const PropertyView property = properties.at(i);
      CsvColumn column = migration::csv_column_of(property.value, dialect);
      if (column.type == CsvType::string &&
          !migration::xml_can_hold(migration::csv_value(column, property.value, dialect))) {
        column.type = CsvType::json;
        column.array = false;
      }
      const std::string name(view.name(property.key));
      const auto [place, fresh] = keys_.try_emplace(name, Key{column, keys_.size()});
      CsvColumn& known = place->second.column;
      if (!fresh && (known.type != column.type || known.array != column.array)) {
        known.type = CsvType::json;
        known.array = false;
      }
    }
  }
  Status write_declarations(const char* what, migration::OutputFile& out) const {
    for (const auto& [name, key] : keys_) {
      const bool plain = migration::xml_can_hold(name);
      std::string line = " <key id=\"" + id(key) + "\" for=\"" + what + "\" attr.name=\"" +
                         (plain ? xml_escape(name) : "name") + "\" attr.type=\"";
      const CsvColumn& column = key.column;
      const bool standard = !column.array && column.type <= CsvType::boolean;
      line += std::string(standard ? name_of(column.type) : "string") + "\"";
      if (!standard) {
        line +=
            " sv:type=\"" + std::string(name_of(column.type)) + (column.array ? "[]" : "") + "\"";
      }
      if (!plain) {
        line += " sv:name=\"" + xml_escape(xml_safe_json(migration::json_string(name))) + "\"";
      }
      SELVEDGE_TRY(out.write(line + "/>\n"));
    }
    return {};
  }
  void put(std::string& text, const Reader& view, const Properties& properties) const {
    for (std::size_t i = 0; i < properties.size(); ++i) {
      const PropertyView property = properties.at(i);
      const Key& key = keys_.at(std::string(view.name(property.key)));
      std::string value = migration::csv_value(key.column, property.value, dialect);
      if (key.column.type == CsvType::json) {
        value = xml_safe_json(std::move(value));
      }
      text += "<data key=\"" + id(key) + "\">" + xml_escape(value) + "</data>";
    }
  }

 private:
  struct Key {
    CsvColumn column;
    std::size_t number = 0;
  };
  [[nodiscard]] std::string id(const Key& key) const {
    return prefix_ + std::to_string(key.number);
  }

  char prefix_;
  std::map<std::string, Key> keys_;
};

/// `:A:B`; as a list in JSON when that would not be the same again.
std::string labels_text(const Reader& view, const Node& node) {
  List list;
  std::string text;
  bool plain = true;
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    const std::string_view label = view.name(node.label(i));
    plain = plain && !label.empty() && label.find(':') == std::string_view::npos &&
            migration::xml_can_hold(label);
    list.emplace_back(label);
    text += ":" + std::string(label);
  }
  return plain ? text : xml_safe_json(to_json(Value(list)));
}

std::string type_text(std::string_view type) {
  const bool plain = !type.empty() && type.front() != '"' && migration::xml_can_hold(type);
  return plain ? std::string(type) : xml_safe_json(migration::json_string(type));
}

}  // namespace

Result<ExportReport> export_graphml(const Reader& view, const std::string& path,
                                    const ExportOptions& options) {
  migration::ExportRun run(view, options);
  SELVEDGE_TRY(run.begin());
  SELVEDGE_TRY(auto out, migration::OutputFile::create(options, path));
  Keys node_keys('n');
  Keys edge_keys('e');
  for (const Node& node : view.nodes()) {
    node_keys.see(view, node.properties());
  }
  for (const Edge& edge : view.edges()) {
    edge_keys.see(view, edge.properties());
  }
  SELVEDGE_TRY(
      out.write("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\""
                " xmlns:sv=\"urn:selvedge:graphml:1\">\n"));
  SELVEDGE_TRY(node_keys.write_declarations("node", out));
  SELVEDGE_TRY(edge_keys.write_declarations("edge", out));
  SELVEDGE_TRY(out.write(" <graph id=\"G\" edgedefault=\"directed\">\n"));
  std::string line;
  SELVEDGE_TRY(run.nodes([&](const Node& node) {
    line = "  <node id=\"" + std::to_string(node.id().value) + "\"";
    if (node.label_count() != 0) {
      line += " labels=\"" + xml_escape(labels_text(view, node)) + "\"";
    }
    line += ">";
    node_keys.put(line, view, node.properties());
    ++run.report.nodes;
    return out.write(line + "</node>\n");
  }));
  SELVEDGE_TRY(run.edges([&](const Edge& edge) {
    line = "  <edge id=\"" + std::to_string(edge.id().value) + "\" source=\"" +
           std::to_string(edge.source().value) + "\" target=\"" +
           std::to_string(edge.target().value) + "\" label=\"" +
           xml_escape(type_text(view.name(edge.type()))) + "\">";
    edge_keys.put(line, view, edge.properties());
    ++run.report.edges;
    return out.write(line + "</edge>\n");
  }));
  SELVEDGE_TRY(out.write(" </graph>\n</graphml>\n"));
  run.leave_out_the_rest();
  run.report.bytes = out.bytes();
  SELVEDGE_TRY(out.publish());
  return run.finish();
}

}  // namespace selvedge
