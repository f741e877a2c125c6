// An outside project: only the installed headers and library.
#include <cstdio>

#include <selvedge/store.h>

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  auto store = selvedge::Store::open(argv[1]);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message().c_str());
    return 1;
  }
  const auto node = store->create_node({"Person"}, {{"name", "Ada"}});
  return node && store->read().exists(*node) ? 0 : 1;
}
