// An outside project that crash-tests itself: only the installed headers and libraries.
#include <cstdio>

#include <selvedge/testkit/explorer.h>

int main() {
  using namespace selvedge;
  testkit::Workload workload;
  workload.name = "outside";
  workload.body = [](testkit::Trial& trial) {
    return trial.alone([](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"Person"}, {{"name", "Ada"}}));
      return {};
    });
  };
  const auto found = testkit::Explorer({}).explore(workload);
  for (const auto& violation : found.violations) {
    std::fprintf(stderr, "%s\n%s", violation.what.c_str(), violation.trace.c_str());
  }
  return found.violations.empty() && found.counts.distinct_images > 0 ? 0 : 1;
}
