// Workloads about indexes and constraints.

#include <chrono>
#include <utility>

#include "testkit/workload_parts.h"

namespace selvedge::testkit {

namespace {

Status make(Trial& trial, const SchemaSpec& spec) {
  SchemaOptions options;
  options.wait = std::chrono::milliseconds(0);
  return trial.alone([&](Store& store) { return store.create_schema(spec, options); });
}

Status schema_changes(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(make(trial, SchemaSpec::node_index("N", {"v"})));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 2); }));
  SELVEDGE_TRY(trial.sync());
  SELVEDGE_TRY(make(trial, SchemaSpec::node_unique("N", {"v"})));
  SELVEDGE_TRY(node(trial, "N", 1));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.drop_schema("unique nodes N(v)"); }));
  return must(node(trial, "N", 1));
}

/// Objects on both sides of checkpoints, and ids of theirs that come again.
Status schema_checkpoints(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(make(trial, SchemaSpec::node_exists("N", {"v"})));
  SELVEDGE_TRY(make(trial, SchemaSpec::node_unique("N", {"v"})));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.drop_schema("unique nodes N(v)"); }));
  SELVEDGE_TRY(node(trial, "N", 1));
  SELVEDGE_TRY(make(trial, SchemaSpec::edge_unique("E", {"w"})));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) {
    return must(store.create_edge(a, "E", a, {{"w", 1}}));
  }));
  SELVEDGE_TRY(trial.reopen());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.drop_schema("unique edges E(w)"); }));
  SELVEDGE_TRY(trial.alone([&](Store& store) {
    return must(store.create_edge(a, "E", a, {{"w", 1}}));
  }));
  return trial.store().checkpoint();
}

/// Writers go on while an index is filled and a checkpoint is taken.
Status inside_schema_changes(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId b, node(trial, "N", 2));
  SELVEDGE_TRY(auto open, trial.begin());
  SELVEDGE_TRY(open.set(b, "v", 20));
  trial.during("schema.published", 1,
               [&] { return trial.alone([&](Store& store) { return store.set(a, "v", 3); }); });
  trial.during("schema.fill", 2, [&] { return trial.commit(open); });
  trial.during("schema.filled", 1, [&] { return trial.store().checkpoint(); });
  SELVEDGE_TRY(make(trial, SchemaSpec::node_unique("N", {"v"})));
  trial.during("checkpoint.node", 1, [&] {
    return trial.alone([&](Store& store) { return store.drop_schema("unique nodes N(v)"); });
  });
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(node(trial, "N", 3));
  trial.during("checkpoint.node", 2,
               [&] { return make(trial, SchemaSpec::node_index("N", {"v"}, IndexKind::hash)); });
  SELVEDGE_TRY(trial.store().checkpoint());
  return trial.alone([&](Store& store) { return store.set(a, "v", 5); });
}

/// Data that breaks a constraint: a crash in the refused attempt leaves nothing of it.
Status refused_schema_changes(Trial& trial) {
  SELVEDGE_TRY(node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId twin, node(trial, "N", 1));
  const Status refused = trial.store().create_schema(SchemaSpec::node_unique("N", {"v"}));
  if (refused || refused.error().code() != ErrorCode::constraint_violated) {
    return fail(ErrorCode::invalid_argument, "a broken constraint is not refused");
  }
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(twin, "v", 2); }));
  SELVEDGE_TRY(make(trial, SchemaSpec::node_unique("N", {"v"})));
  // No step: what is refused has changed nothing.
  static_cast<void>(trial.store().create_node({"N"}, {{"v", 1}}));
  return must(node(trial, "N", 3));
}

/// What unfinished transactions have taken of a unique constraint is free after a crash.
Status unique_losers(Trial& trial) {
  SELVEDGE_TRY(make(trial, SchemaSpec::node_unique("N", {"v"})));
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(auto loser, trial.begin());
  SELVEDGE_TRY(loser.set(a, "v", 7));
  SELVEDGE_TRY(loser.create_node({"N"}, {{"v", 8}}));
  SELVEDGE_TRY(loser.create_node({"N"}, {{"v", 1}}));
  SELVEDGE_TRY(trial.store().checkpoint());
  std::vector<Transaction> open;
  open.push_back(std::move(loser));
  SELVEDGE_TRY(trial.die(std::move(open)));
  SELVEDGE_TRY(node(trial, "N", 7));
  SELVEDGE_TRY(auto winner, trial.begin());
  SELVEDGE_TRY(winner.delete_node(a));
  SELVEDGE_TRY(winner.create_node({"N"}, {{"v", 1}}));
  return trial.commit(winner);
}

}  // namespace

std::vector<Workload> schema_workloads() {
  const auto small_buffer = [](Options& options) { options.transaction_buffer_bytes = 0; };
  const auto none = [](Options& options) { options.sync = SyncMode::none; };
  return {
      {"schema-changes", schema_changes, {}, {}, true},
      {"schema-changes-unsynced", schema_changes, none},
      {"schema-checkpoints", schema_checkpoints},
      {"schema-checkpoints-unsynced", schema_checkpoints, none},
      {"inside-schema-changes", inside_schema_changes},
      {"inside-schema-changes-streaming", inside_schema_changes, small_buffer},
      {"refused-schema-changes", refused_schema_changes},
      {"unique-losers", unique_losers},
      {"unique-losers-streaming", unique_losers, small_buffer},
  };
}

}  // namespace selvedge::testkit
