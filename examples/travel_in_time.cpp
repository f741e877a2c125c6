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

Status run(const std::string& path) {
  SELVEDGE_TRY(auto store, Store::open(path));
  SELVEDGE_TRY(const NodeId engine,
               store.create_node({"Machine"}, {{"name", "Difference Engine"}}));
  const Sequence before = store.stats().durable;
  SELVEDGE_TRY(store.set(engine, "name", "Analytical Engine"));
  SELVEDGE_TRY(show_then(path, before, engine));
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
