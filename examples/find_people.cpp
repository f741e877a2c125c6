// Indexes and constraints: people found by their properties, e-mail addresses that exist once.

#include <selvedge/store.h>

#include <filesystem>
#include <iostream>

namespace {

using selvedge::fail;
using selvedge::Match;
using selvedge::SchemaSpec;
using selvedge::Status;
using selvedge::Store;

Status run(Store& store) {
  // Made once, while others write: `already_exists` after that.
  Status made = store.create_schema(SchemaSpec::node_unique("Person", {"email"}));
  if (!made && made.error().code() != selvedge::ErrorCode::already_exists) {
    return made;
  }
  SELVEDGE_TRY(store.create_schema(SchemaSpec::node_index("Person", {"city", "born"})));

  SELVEDGE_TRY(store.create_node(
      {"Person"}, {{"email", "ada@example.org"}, {"city", "London"}, {"born", 1815}}));
  SELVEDGE_TRY(store.create_node(
      {"Person"}, {{"email", "alan@example.org"}, {"city", "London"}, {"born", 1912}}));
  SELVEDGE_TRY(const auto grace,
               store.get_or_create_node("Person", "email", "grace@example.org", {{"born", 1906}}));
  std::cout << "Grace is " << (grace.created ? "new" : "known") << "\n";

  const auto twin = store.create_node({"Person"}, {{"email", "ada@example.org"}});
  std::cout << twin.error().message() << "\n";

  const selvedge::ReadView view = store.read();
  SELVEDGE_TRY(auto people,
               view.find_nodes("Person", {{"city", "London"}, {"born", Match::below(1900)}}));
  for (const selvedge::Node& person : people) {
    std::cout << *person["email"].as_string() << "\n";
  }
  return {};
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() / "selvedge-find-people";
  std::filesystem::remove_all(path);
  auto store = Store::open(path);
  if (!store) {
    std::cerr << store.error().message() << "\n";
    return 1;
  }
  if (const Status done = run(*store); !done) {
    std::cerr << done.error().message() << "\n";
    return 1;
  }
  return 0;
}
