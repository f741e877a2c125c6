// Writing DOT, for Graphviz.

#include <selvedge/json.h>

#include "migration/output.h"

namespace selvedge {

namespace {

/// In quotes; a backslash is a letter like others.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': result += "\\\""; break;
      case '\\': result += "\\\\"; break;
      case '\n': result += "\\n"; break;
      case '\r':
      case '\0': break;  // nothing to draw
      default: result += c;
    }
  }
  return result + "\"";
}

std::string text_of(const ValueView& value) {
  const auto text = value.as_string();
  return text ? std::string(*text) : to_json(value.to_value());
}

std::string node_text(const Reader& view, const Node& node, const std::string& key) {
  if (!key.empty() && node[key]) {
    return text_of(node[key]);
  }
  std::string text;
  for (std::size_t i = 0; i < node.label_count(); ++i) {
    text += (i == 0 ? "" : " ") + std::string(view.name(node.label(i)));
  }
  return text.empty() ? std::to_string(node.id().value) : text;
}

}  // namespace

Result<ExportReport> export_dot(const Reader& view, const std::string& path,
                                const ExportOptions& options) {
  migration::ExportRun run(view, options);
  SELVEDGE_TRY(run.begin());
  SELVEDGE_TRY(auto out, migration::OutputFile::create(options, path));
  SELVEDGE_TRY(out.write("digraph graph_ {\n"));
  SELVEDGE_TRY(run.nodes([&](const Node& node) {
    ++run.report.nodes;
    return out.write("  " + std::to_string(node.id().value) +
                     " [label=" + quoted(node_text(view, node, options.dot_label)) + "];\n");
  }));
  SELVEDGE_TRY(run.edges([&](const Edge& edge) {
    ++run.report.edges;
    return out.write("  " + std::to_string(edge.source().value) + " -> " +
                     std::to_string(edge.target().value) +
                     " [label=" + quoted(view.name(edge.type())) + "];\n");
  }));
  SELVEDGE_TRY(out.write("}\n"));
  run.leave_out_the_rest();
  run.report.bytes = out.bytes();
  SELVEDGE_TRY(out.publish());
  return run.finish();
}

}  // namespace selvedge
