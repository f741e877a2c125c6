// Writes the golden stores of the present format version into an empty directory. Run once for each
// format version, by hand; what it wrote is kept for ever and never written again.

#include <selvedge/store.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/golden/golden_values.h"
#include "tests/support/memory_file_system.h"

namespace selvedge::test {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

/// Every kind of entry, and a state that golden_test.cpp spells out.
void fill(Store& store) {
  const NodeId ada = must(store.create_node({"Person", "Pioneer"}, {{"name", "Ada"}}));
  const NodeId charles = must(store.create_node({"Person"}, {{"name", "Charles"}}));
  must(store.create_edge(ada, "KNOWS", charles, {{"since", 1833}}));
  must(store.create_edge(charles, "KNOWS", ada));
  must(store.set(ada, "born", 1815));
  must(store.add_label(charles, "Inventor"));
  must(store.remove_label(ada, "Pioneer"));
  const NodeId values = must(store.create_node({"Values"}));
  std::size_t number = 0;
  for (const Value& value : golden_values()) {
    must(store.set(values, "p" + std::to_string(number++), value));
  }
  const NodeId gone = must(store.create_node({"Gone"}));
  must(store.create_edge(ada, "LOST", gone));
  must(store.detach_delete_node(gone));
  const auto bulk = must(store.create_nodes(std::vector<NewNode>(20)));
  std::vector<NewEdge> chain;
  for (std::size_t i = 1; i < bulk.size(); ++i) {
    chain.push_back({bulk[i - 1], "NEXT", bulk[i], {}});
  }
  const auto edges = must(store.create_edges(chain));
  must(store.delete_edges(std::vector<EdgeId>{edges[17], edges[18]}));
  must(store.delete_nodes(std::vector<NodeId>{bulk[18], bulk[19]}));
  must(store.set_embedding(ada, "vector", std::vector<float>{0.5F, -1.0F}));
  Transaction streamed = must(store.begin({.metadata = {{"who", "golden"}}}));
  must(streamed.set(charles, "note", std::string(3000, 'n')));
  const Savepoint savepoint = must(streamed.savepoint());
  must(streamed.set(charles, "note", std::string(3000, 'x')));
  must(streamed.create_node({"Undone"}));
  must(streamed.rollback_to(savepoint));
  must(streamed.set(charles, "born", 1791));
  must(streamed.commit());
  Transaction aborted = must(store.begin());
  must(aborted.set(ada, "born", 1));
  must(aborted.create_node({"Aborted"}, {{"text", std::string(3000, 'a')}}));
  must(aborted.set(ada, "born", 2));
  must(aborted.abort("golden"));
}

void copy_out(MemoryFileSystem& files, const std::string& from, const std::string& to) {
  std::filesystem::create_directories(to);
  for (const DirectoryEntry& each : must(files.list(from))) {
    if (each.kind == FileKind::directory) {
      copy_out(files, from + "/" + each.name, to + "/" + each.name);
    } else if (each.name != "LOCK") {
      const auto file = must(files.open(from + "/" + each.name, OpenMode::read));
      std::string bytes(static_cast<std::size_t>(must(file->size())), '\0');
      must(file->pread(0, std::as_writable_bytes(std::span(bytes))));
      std::ofstream(to + "/" + each.name, std::ios::binary) << bytes;
    }
  }
}

void write_all(const std::string& directory) {
  for (const std::string name : {"log", "checkpoint", "zstd"}) {
    MemoryFileSystem files;
    Options options;
    options.file_system = &files;
    options.segment_bytes = std::uint64_t{32} << 10;
    options.transaction_buffer_bytes = 1024;
    options.background_maintenance = false;
    options.snapshot_compression = name == "zstd" ? Compression::zstd : Compression::none;
    Store store = must(Store::open("/db", options));
    fill(store);
    const auto view = store.read();
    const NodeId first = *view.first("Person");
    Transaction loser = must(store.begin());
    must(loser.set(first, "born", 3));
    must(loser.create_node({"Lost"}, {{"text", std::string(3000, 'l')}}));
    must(loser.delete_node(must(loser.create_node({"Lost"}))));
    if (name != "log") {
      must(store.checkpoint());
    }
    must(store.sync());
    const auto crashed = files.crash(Keep::everything, 1);
    copy_out(*crashed, "/db", directory + "/" + name);
    if (name == "log") {
      must(store.backup("/copy"));
      copy_out(files, "/copy", directory + "/backup");
    }
    must(loser.abort());
  }
}

}  // namespace
}  // namespace selvedge::test

int main(int count, char** arguments) {
  if (count != 2 || std::filesystem::exists(arguments[1])) {
    std::fprintf(stderr, "usage: write_golden NEW_DIRECTORY\n");
    return 2;
  }
  selvedge::test::write_all(arguments[1]);
  return 0;
}
