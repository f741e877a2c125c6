// Writing JSON lines. docs/migration.md has the format.

#include <selvedge/json.h>

#include "migration/json_text.h"
#include "migration/output.h"
#include "migration/schema_text.h"

namespace selvedge {

namespace {

using migration::json_string;

void put_properties(std::string& line, const Reader& view, const Properties& properties) {
  line += R"(,"properties":{)";
  for (std::size_t i = 0; i < properties.size(); ++i) {
    const PropertyView property = properties.at(i);
    line += i == 0 ? "" : ",";
    line += json_string(view.name(property.key)) + ":" + to_json(property.value.to_value());
  }
  line += "}}\n";
}

Status write_nodes(const Reader& view, migration::ExportRun& run, migration::OutputFile& out) {
  std::string line;
  return run.nodes([&](const Node& node) {
    line = R"({"node":)" + std::to_string(node.id().value) + R"(,"labels":[)";
    for (std::size_t i = 0; i < node.label_count(); ++i) {
      line += (i == 0 ? "" : ",") + json_string(view.name(node.label(i)));
    }
    line += "]";
    put_properties(line, view, node.properties());
    ++run.report.nodes;
    return out.write(line);
  });
}

Status write_edges(const Reader& view, migration::ExportRun& run, migration::OutputFile& out) {
  std::string line;
  return run.edges([&](const Edge& edge) {
    line = R"({"edge":)" + std::to_string(edge.id().value) + R"(,"type":)" +
           json_string(view.name(edge.type())) + R"(,"source":)" +
           std::to_string(edge.source().value) + R"(,"target":)" +
           std::to_string(edge.target().value);
    put_properties(line, view, edge.properties());
    ++run.report.edges;
    return out.write(line);
  });
}

Status write_embeddings(const Reader& view, ExportReport& report, migration::OutputFile& out) {
  Status status;
  view.each_embedding([&](NodeId node, KeyId key, std::span<const float> values) {
    ++report.embeddings;
    status = out.write(R"({"embedding":)" + std::to_string(node.value) + R"(,"key":)" +
                       json_string(view.name(key)) + R"(,"vector":)" +
                       to_json(Value(Vector(values.begin(), values.end()))) + "}\n");
    return status.has_value();
  });
  return status;
}

}  // namespace

Result<ExportReport> export_jsonl(const Reader& view, const std::string& path,
                                  const ExportOptions& options) {
  migration::ExportRun run(view, options);
  SELVEDGE_TRY(run.begin());
  ExportReport& report = run.report;
  SELVEDGE_TRY(auto out, migration::OutputFile::create(options, path));
  SELVEDGE_TRY(out.write(R"({"selvedge":"graph","version":1})"
                         "\n"));
  const std::vector<SchemaInfo> schema = view.schema();
  if (!options.schema) {
    report.schema_left_out = schema.size();
  }
  for (std::size_t i = 0; options.schema && i < schema.size(); ++i) {
    ++report.schema;
    SELVEDGE_TRY(out.write(R"({"schema":)" + migration::schema_to_json(schema[i].spec) + "}\n"));
  }
  SELVEDGE_TRY(write_nodes(view, run, out));
  SELVEDGE_TRY(write_edges(view, run, out));
  SELVEDGE_TRY(write_embeddings(view, report, out));
  SELVEDGE_TRY(out.write(R"({"end":{"nodes":)" + std::to_string(report.nodes) + R"(,"edges":)" +
                         std::to_string(report.edges) + R"(,"embeddings":)" +
                         std::to_string(report.embeddings) + R"(,"schema":)" +
                         std::to_string(report.schema) + "}}\n"));
  report.bytes = out.bytes();
  SELVEDGE_TRY(out.publish());
  return run.finish();
}

}  // namespace selvedge
