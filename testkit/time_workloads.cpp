// Workloads whose log is kept: after a crash every moment of it is opened as it was.

#include <string>
#include <utility>

#include "testkit/workload_parts.h"

namespace selvedge::testkit {

namespace {

/// Commits, aborts and what goes on for long, on both sides of snapshots.
Status as_of(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId b, node(trial, "N", 2));
  SELVEDGE_TRY(auto late, trial.begin());
  SELVEDGE_TRY(late.set(a, {{"v", 10}, {"text", std::string(400, 'l')}}));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(b, "v", 3); }));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return must(store.create_edge(a, "E", b)); }));
  SELVEDGE_TRY(auto never, trial.begin());
  SELVEDGE_TRY(never.set(b, {{"v", 4}, {"text", std::string(400, 'n')}}));
  SELVEDGE_TRY(late.create_node({"Late"}, {{"text", std::string(400, 'x')}}));
  SELVEDGE_TRY(never.abort("never"));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(b, "v", 5); }));
  SELVEDGE_TRY(trial.commit(late));
  SELVEDGE_TRY(trial.store().maintain());
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.detach_delete_node(b); }));
  SELVEDGE_TRY(trial.reopen());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 11); }));
  SELVEDGE_TRY(trial.store().checkpoint());
  return must(node(trial, "N", 6));
}

}  // namespace

std::vector<Workload> time_workloads() {
  const auto keeps = [](Options& options) { options.log_retention.everything = true; };
  const auto streams = [](Options& options) {
    options.log_retention.everything = true;
    options.transaction_buffer_bytes = 0;
    options.snapshots_kept = 4;
  };
  const auto compresses = [](Options& options) {
    options.log_retention.everything = true;
    options.log_retention.compression = Compression::zstd;
    options.segment_bytes = 4 << 10;
  };
  return {{"as-of", as_of, keeps},
          {"as-of-streaming", as_of, streams},
          {"as-of-compressed", as_of, compresses}};
}

}  // namespace selvedge::testkit
