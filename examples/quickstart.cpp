#include <selvedge/store.h>

#include <cstdio>
#include <filesystem>

int main() {
  const auto path = std::filesystem::temp_directory_path() / "selvedge-quickstart";
  std::filesystem::remove_all(path);

  auto store = selvedge::Store::open(path);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message().c_str());
    return 1;
  }

  // All of it, or nothing; run again by itself if another transaction was first.
  auto ada = store->transact([](selvedge::Transaction& tx) -> selvedge::Result<selvedge::NodeId> {
    SELVEDGE_TRY(auto node, tx.create_node({"Person"}, {{"name", "Ada"}, {"born", 1815}}));
    SELVEDGE_TRY(auto charles, tx.create_node({"Person"}, {{"name", "Charles"}}));
    SELVEDGE_TRY(tx.create_edge(node, "KNOWS", charles, {{"since", 1833}}));
    return node;
  });
  if (!ada) {
    std::fprintf(stderr, "%s\n", ada.error().message().c_str());
    return 1;
  }

  auto view = store->read();  // a lock-free view at one moment
  for (auto edge : view.out_edges(*ada, "KNOWS")) {
    auto other = view.get(edge.target());
    std::printf("Ada knows %s since %lld\n", std::string(*(*other)["name"].as_string()).c_str(),
                static_cast<long long>(*edge["since"].as_int64()));
  }
  return 0;
}
