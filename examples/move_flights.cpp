// Import and export: real CSV into a store, the store into JSON lines, those into another store.

#include <selvedge/migration.h>

#include <filesystem>
#include <iostream>

namespace {

using selvedge::Status;
using selvedge::Store;

/// The files have headers, but no types in them: these are taken instead.
Status load(Store& store) {
  const std::string data = SELVEDGE_EXAMPLE_DATA;
  selvedge::ImportOptions options;
  options.csv_nodes_header = "iata:ID,name,city,state,country,latitude:double,longitude:double";
  options.csv_edges_header = ":START_ID,:END_ID,flights:long";
  options.default_label = "Airport";
  options.default_type = "ROUTE";
  SELVEDGE_TRY(const auto report,
               selvedge::import_graph(store,
                                      selvedge::ImportSource::csv({data + "/airports.csv"},
                                                                  {data + "/flights-airport.csv"}),
                                      options));
  std::cout << report.nodes << " airports, " << report.edges << " routes\n";
  return {};
}

Status write(const Store& store, const std::string& directory) {
  const selvedge::ReadView view = store.read();
  SELVEDGE_TRY(const auto written, selvedge::export_jsonl(view, directory + "/flights.jsonl"));
  std::cout << written.bytes / 1024 << " KiB of JSON lines\n";
  return {};
}

Status read(Store& copy, const std::string& directory) {
  const auto source = selvedge::ImportSource::jsonl(directory + "/flights.jsonl");
  SELVEDGE_TRY(const auto read, selvedge::import_graph(copy, source));
  std::cout << read.records << " lines read\n";
  return {};
}

std::string digest(const Store& store) {
  const selvedge::ReadView view = store.read();
  return selvedge::content_digest(view);
}

Status run(const std::string& directory) {
  SELVEDGE_TRY(auto store, Store::open(directory + "/store"));
  SELVEDGE_TRY(load(store));
  SELVEDGE_TRY(write(store, directory));
  SELVEDGE_TRY(auto copy, Store::open(directory + "/copy"));
  SELVEDGE_TRY(read(copy, directory));
  if (digest(copy) != digest(store)) {
    return selvedge::fail(selvedge::ErrorCode::corruption, "the copy is another graph");
  }
  std::cout << "the copy is the same graph\n";
  SELVEDGE_TRY(copy.close());
  return store.close();
}

}  // namespace

int main() {
  const auto directory = std::filesystem::temp_directory_path() / "selvedge-move-flights";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  const Status status = run(directory.string());
  if (!status) {
    std::cerr << status.error().message() << "\n";
    return 1;
  }
  std::filesystem::remove_all(directory);
  return 0;
}
