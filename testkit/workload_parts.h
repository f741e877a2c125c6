// What workloads are made of.
#pragma once

#include <cstdint>
#include <vector>

#include <selvedge/testkit/workload.h>

namespace selvedge::testkit {

template <class T>
Status must(const Result<T>& result) {
  return result ? Status{} : fail(result.error().clone());
}

/// A node made by one step.
inline Result<NodeId> node(Trial& trial, const char* label, std::int64_t value) {
  NodeId id;
  SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
    SELVEDGE_TRY(id, store.create_node({label}, {{"v", value}}));
    return {};
  }));
  return id;
}

/// Those about indexes and constraints.
std::vector<Workload> schema_workloads();
/// Those about imports.
std::vector<Workload> import_workloads();
/// Those about stores as they were.
std::vector<Workload> time_workloads();

}  // namespace selvedge::testkit
