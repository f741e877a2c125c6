// Looks at a store as it was.
#include <selvedge/store.h>

#include <cstdio>
#include <filesystem>

using selvedge::NodeId;
using selvedge::Result;
using selvedge::Sequence;
using selvedge::Status;
using selvedge::Store;

namespace {

std::string name_of(const selvedge::Reader& view, NodeId id) {
  const auto node = view.get(id);
  return std::string(node ? (*node)["name"].as_string().value_or("") : "");
}

/// Beside the open store, which goes on.
Status show_then(const std::string& path, Sequence sequence, NodeId engine) {
  SELVEDGE_TRY(const Store then, Store::open_as_of(path, sequence));
  std::printf("at %llu: %s\n", static_cast<unsigned long long>(sequence.value),
              name_of(then.read(), engine).c_str());
  return {};
}

/// In the open store, as long as memory has it.
Status show_kept(const Store& store, Sequence sequence, NodeId engine) {
  SELVEDGE_TRY(const auto view, store.read_at(sequence));
  std::printf("in memory: %s\n", name_of(view, engine).c_str());
  return {};
}

Status show_versions(const selvedge::Txlog& log, NodeId engine) {
  SELVEDGE_TRY(auto past, log.history(engine));
  while (past.next()) {
    const auto& version = past.version();
    std::printf("%llu: %s\n", static_cast<unsigned long long>(version.sequence.value),
                to_json(version.change).c_str());
  }
  return past.status() ? Status{} : selvedge::fail(past.status().error().clone());
}

Status show_difference(const selvedge::Txlog& log, Sequence sequence) {
  SELVEDGE_TRY(auto diff, log.diff(sequence, log.last()));
  while (diff.next()) {
    std::puts(to_json(diff.change()).c_str());
  }
  return diff.status() ? Status{} : selvedge::fail(diff.status().error().clone());
}

Status ask_the_log(const Store& store, Sequence sequence, NodeId engine) {
  SELVEDGE_TRY(const auto log, store.txlog());
  SELVEDGE_TRY(show_versions(log, engine));
  return show_difference(log, sequence);
}

Status run(const std::string& path) {
  SELVEDGE_TRY(auto store, Store::open(path, {.versions_kept = 1000}));
  SELVEDGE_TRY(const NodeId engine,
               store.create_node({"Machine"}, {{"name", "Difference Engine"}}));
  const Sequence before = store.stats().durable;
  SELVEDGE_TRY(store.set(engine, "name", "Analytical Engine"));
  SELVEDGE_TRY(show_then(path, before, engine));
  SELVEDGE_TRY(show_kept(store, before, engine));
  SELVEDGE_TRY(ask_the_log(store, before, engine));
  return store.close();
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() / "selvedge-travel-in-time";
  std::filesystem::remove_all(path);
  const Status done = run(path);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().message().c_str());
  }
  std::filesystem::remove_all(path);
  return done ? 0 : 1;
}
