// The workloads that come with the kit.

#include <selvedge/testkit/workload.h>

#include <array>
#include <utility>

#include "testkit/workload_parts.h"

namespace selvedge::testkit {

namespace {

// --- one operation -----------------------------------------------------------------------------

Status single_create(Trial& trial) { return must(node(trial, "N", 1)); }

Status single_transaction(Trial& trial) {
  SELVEDGE_TRY(auto tx, trial.begin());
  SELVEDGE_TRY(const NodeId a, tx.create_node({"N"}, {{"v", 1}}));
  SELVEDGE_TRY(const NodeId b, tx.create_node({"N"}));
  SELVEDGE_TRY(tx.create_edge(a, "E", b, {{"w", 1}}));
  return trial.commit(tx);
}

Status updates(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 2); }));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.add_label(a, "M"); }));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.remove(a, "v"); }));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.remove_label(a, "N"); }));
  return trial.alone([&](Store& store) { return store.delete_node(a); });
}

Status reuse_of_slots(Trial& trial) {
  for (int round = 0; round < 3; ++round) {
    SELVEDGE_TRY(const NodeId a, node(trial, "N", round));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_node(a); }));
    for (int i = 0; i < 3; ++i) {
      SELVEDGE_TRY(trial.store().maintain());
    }
  }
  return must(node(trial, "M", 7));
}

Status reopened(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(trial.reopen());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 2); }));
  SELVEDGE_TRY(trial.reopen());
  return must(node(trial, "M", 3));
}

// --- transactions ------------------------------------------------------------------------------

Status interleaved(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId b, node(trial, "N", 2));
  SELVEDGE_TRY(auto first, trial.begin());
  SELVEDGE_TRY(auto second, trial.begin());
  SELVEDGE_TRY(first.set(a, "v", 10));
  SELVEDGE_TRY(second.set(b, "v", 20));
  SELVEDGE_TRY(const Savepoint mark, first.savepoint());
  SELVEDGE_TRY(first.create_edge(a, "E", a));
  SELVEDGE_TRY(first.set(a, "v", 11));
  SELVEDGE_TRY(second.create_node({"M"}, {{"v", 3}}));
  SELVEDGE_TRY(first.rollback_to(mark));
  SELVEDGE_TRY(trial.commit(second));
  SELVEDGE_TRY(auto third, trial.begin());
  SELVEDGE_TRY(third.set(b, "v", 21));
  SELVEDGE_TRY(third.detach_delete_node(b));
  SELVEDGE_TRY(trial.commit(first));
  SELVEDGE_TRY(third.abort("not wanted"));
  SELVEDGE_TRY(auto fourth, trial.begin());
  SELVEDGE_TRY(fourth.create_edge(a, "E", b, {{"w", 1}}));
  return trial.commit(fourth);
}

/// Names that only transactions use that never commit are there, or not, and mean the same.
Status names_of_losers(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(auto loser, trial.begin());
  SELVEDGE_TRY(loser.set(a, "lost", 1));
  SELVEDGE_TRY(loser.create_node({"Lost"}, {{"never", 1}}));
  SELVEDGE_TRY(auto winner, trial.begin());
  SELVEDGE_TRY(winner.create_node({"Lost"}, {{"lost", 2}, {"kept", 3}}));
  SELVEDGE_TRY(trial.commit(winner));
  SELVEDGE_TRY(loser.abort("lost"));
  return trial.alone([&](Store& store) { return store.set(a, "kept", 4); });
}

Status hub(Trial& trial) {
  SELVEDGE_TRY(const NodeId center, node(trial, "Hub", 0));
  std::vector<EdgeId> edges;
  for (int i = 0; i < 4; ++i) {
    SELVEDGE_TRY(auto tx, trial.begin());
    SELVEDGE_TRY(const NodeId leaf, tx.create_node({"Leaf"}, {{"v", i}}));
    SELVEDGE_TRY(edges.emplace_back(), tx.create_edge(center, "E", leaf));
    SELVEDGE_TRY(tx.create_edge(leaf, "E", center, {{"w", i}}));
    SELVEDGE_TRY(trial.commit(tx));
  }
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_edge(edges[1]); }));
  SELVEDGE_TRY(
      trial.alone([&](Store& store) { return must(store.create_edge(center, "F", center)); }));
  return trial.alone([&](Store& store) { return store.detach_delete_node(center); });
}

Status bulk(Trial& trial) {
  std::vector<NodeId> nodes;
  std::vector<EdgeId> edges;
  SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
    const std::array<Property, 1> properties{{{"v", 1}}};
    const std::vector<NewNode> fresh(6, NewNode{{}, properties});
    SELVEDGE_TRY(nodes, store.create_nodes(fresh));
    return {};
  }));
  SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
    std::vector<NewEdge> fresh;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      fresh.push_back({nodes[i], "E", nodes[(i + 1) % nodes.size()], {}});
    }
    SELVEDGE_TRY(edges, store.create_edges(fresh));
    return {};
  }));
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_edges(edges); }));
  return trial.alone([&](Store& store) { return store.delete_nodes(std::span(nodes).first(4)); });
}

Status large_values(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(
      trial.alone([&](Store& store) { return store.set(a, "v", std::string(9'000, 'a')); }));
  SELVEDGE_TRY(auto tx, trial.begin());
  SELVEDGE_TRY(tx.set(a, "v", std::string(20'000, 'b')));
  SELVEDGE_TRY(tx.create_node({"N"}, {{"v", std::string(5'000, 'c')}}));
  SELVEDGE_TRY(trial.commit(tx));
  return trial.alone([&](Store& store) { return store.set(a, "v", 3); });
}

/// Larger than the transaction's buffer: it streams, and one of them never ends.
Status streaming(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(auto first, trial.begin());
  SELVEDGE_TRY(auto second, trial.begin());
  SELVEDGE_TRY(auto endless, trial.begin());
  SELVEDGE_TRY(const NodeId b, first.create_node({"N"}, {{"v", 5}}));
  SELVEDGE_TRY(endless.create_node({"Lost"}, {{"v", 6}}));
  SELVEDGE_TRY(endless.set(a, "v", 100));
  SELVEDGE_TRY(second.create_node({"N"}, {{"v", 7}}));
  SELVEDGE_TRY(const Savepoint mark, first.savepoint());
  SELVEDGE_TRY(first.set(b, "v", 8));
  SELVEDGE_TRY(first.create_edge(b, "E", b));
  SELVEDGE_TRY(first.rollback_to(mark));
  SELVEDGE_TRY(first.set(b, "w", 9));
  SELVEDGE_TRY(trial.commit(first));
  SELVEDGE_TRY(second.abort("not wanted"));
  SELVEDGE_TRY(endless.delete_node(a));
  return trial.alone([&](Store& store) { return store.set(b, "v", 10); });
}

/// What an old view sees stays, whatever is updated, deleted and given back meanwhile.
Status old_views(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId b, node(trial, "N", 2));
  EdgeId edge;
  SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
    SELVEDGE_TRY(edge, store.create_edge(a, "E", b, {{"w", 1}}));
    return {};
  }));
  SELVEDGE_TRY(trial.store().maintain());
  {
    const ReadView view = trial.store().read();
    const std::uint64_t before = state_hash(view);
    const auto neighbours = view.neighbours(a, Direction::out);
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 10); }));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_edge(edge); }));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_node(b); }));
    for (int i = 0; i < 3; ++i) {
      SELVEDGE_TRY(trial.store().maintain());
      SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 20 + i); }));
    }
    if (state_hash(view) != before || view.neighbours(a, Direction::out) != neighbours) {
      return fail(ErrorCode::corruption, "an open view shows something else");
    }
    if (!trial.store().read().neighbours(a, Direction::out).empty()) {
      return fail(ErrorCode::corruption, "a deleted edge is still there");
    }
  }
  SELVEDGE_TRY(trial.store().maintain());
  return must(node(trial, "M", 3));
}

// --- files -------------------------------------------------------------------------------------

Status checkpoints(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(auto tx, trial.begin());
  SELVEDGE_TRY(tx.set(a, "v", 2));
  SELVEDGE_TRY(tx.create_node({"M"}, {{"v", 3}}));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(tx.create_edge(a, "E", a));
  SELVEDGE_TRY(trial.commit(tx));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 4); }));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.detach_delete_node(a); }));
  return trial.store().checkpoint();
}

/// Commits, streams and aborts in the middle of a checkpoint's scan.
Status inside_checkpoints(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId b, node(trial, "N", 2));
  SELVEDGE_TRY(const NodeId c, node(trial, "N", 3));
  SELVEDGE_TRY(auto long_one, trial.begin());
  SELVEDGE_TRY(long_one.set(a, "v", 100));
  SELVEDGE_TRY(long_one.delete_node(c));
  SELVEDGE_TRY(auto other, trial.begin());
  SELVEDGE_TRY(other.create_node({"Lost"}, {{"v", 7}}));
  trial.during("checkpoint.head_read", 1, [&]() -> Status {
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(b, "v", 20); }));
    return must(node(trial, "N", 4));
  });
  trial.during("checkpoint.head_read", 2,
               [&] { return trial.alone([&](Store& store) { return store.set(b, "v", 21); }); });
  trial.during("checkpoint.node", 3, [&]() -> Status {
    SELVEDGE_TRY(trial.commit(long_one));
    return trial.alone([&](Store& store) { return must(store.create_edge(a, "E", b)); });
  });
  SELVEDGE_TRY(trial.store().checkpoint());
  trial.during("checkpoint.node", 2, [&] { return other.abort("not wanted"); });
  trial.during("checkpoint.head_read", 3, [&]() -> Status {
    SELVEDGE_TRY(auto late, trial.begin());
    SELVEDGE_TRY(late.set(a, "v", 30));
    SELVEDGE_TRY(late.create_node({"N"}, {{"v", 31}}));
    return trial.commit(late);
  });
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(b, "v", 22); }));
  return trial.store().checkpoint();
}

/// A checkpoint in the middle of an abort.
Status checkpoint_inside_abort(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  for (const char* place : {"txn.abort.unlinked", "txn.abort.logged"}) {
    SELVEDGE_TRY(auto tx, trial.begin());
    SELVEDGE_TRY(tx.set(a, "v", 2));
    SELVEDGE_TRY(tx.create_node({"Lost"}, {{"v", 3}}));
    SELVEDGE_TRY(tx.set(a, "v", 4));
    trial.during(place, 1, [&] { return trial.store().checkpoint(); });
    SELVEDGE_TRY(tx.abort("not wanted"));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 5); }));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 1); }));
  }
  SELVEDGE_TRY(trial.store().checkpoint());
  return trial.alone([&](Store& store) { return store.set(a, "v", 6); });
}

/// Segments fill up, follow each other, are dropped by checkpoints and used again.
Status rotation(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  for (int i = 0; i < 12; ++i) {
    SELVEDGE_TRY(trial.alone([&](Store& store) {
      return store.set(a, "v", std::string(1'500, static_cast<char>('a' + i)));
    }));
    SELVEDGE_TRY(trial.store().maintain());
    if (i % 4 == 3) {
      SELVEDGE_TRY(trial.store().checkpoint());
    }
  }
  return trial.alone([&](Store& store) { return store.set(a, "v", 0); });
}

/// Old log goes at each checkpoint, as far as the options and a feed that lags behind let it.
Status retention(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  const auto write = [&](int count) -> Status {
    for (int i = 0; i < count; ++i) {
      SELVEDGE_TRY(trial.alone([&](Store& store) {
        return store.set(a, "v", std::string(1'500, static_cast<char>('a' + i)));
      }));
    }
    SELVEDGE_TRY(trial.store().maintain());
    return trial.store().checkpoint();
  };
  SELVEDGE_TRY(write(4));
  {
    SELVEDGE_TRY(Feed feed, trial.store().feed({1}));
    SELVEDGE_TRY(write(4));
    SELVEDGE_TRY(write(4));
    while (feed.next()) {
    }
    if (!feed.status()) {
      return fail(feed.status().error().clone());
    }
  }
  SELVEDGE_TRY(write(4));
  SELVEDGE_TRY(trial.reopen());
  return write(4);
}

// --- several lives -----------------------------------------------------------------------------

std::vector<Transaction> casualties(Transaction transaction) {
  std::vector<Transaction> open;
  open.push_back(std::move(transaction));
  return open;
}

/// What a process wrote and did not sync is read by the next one, shown, and therefore durable.
Status killed(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  for (int i = 0; i < 4; ++i) {
    SELVEDGE_TRY(trial.alone([&](Store& store) {
      return store.set(a, "v", std::string(700, static_cast<char>('a' + i)));
    }));
  }
  SELVEDGE_TRY(auto loser, trial.begin());
  SELVEDGE_TRY(loser.set(a, "v", 7));
  SELVEDGE_TRY(trial.die(casualties(std::move(loser))));
  SELVEDGE_TRY(node(trial, "M", 2));
  SELVEDGE_TRY(trial.die());
  return must(node(trial, "M", 3));
}

/// Of several writes the first one is lost with the power and later ones are not. Their sequences
/// are given again, their segment is used again, and nothing of them comes back.
Status lost_and_reused(Trial& trial) {
  const auto change = [&](NodeId id, int value) {
    return trial.alone([&](Store& store) { return store.set(id, "v", value); });
  };
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(trial.sync());
  for (int i = 0; i < 12; ++i) {
    SELVEDGE_TRY(change(a, 100 + i));
    SELVEDGE_TRY(trial.store().maintain());
  }
  SELVEDGE_TRY(trial.lose_power({}, [](std::size_t i, std::size_t) { return i != 0; }));
  for (int i = 0; i < 3; ++i) {
    SELVEDGE_TRY(trial.store().checkpoint());
    for (int k = 0; k < 3; ++k) {
      SELVEDGE_TRY(change(a, 200 + 10 * i + k));
      SELVEDGE_TRY(trial.sync());
    }
  }
  return change(a, 300);
}

/// A transaction that the crash cuts off after it streamed, in every later life of its entries.
Status losers_and_checkpoints(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(const NodeId b, node(trial, "N", 2));
  SELVEDGE_TRY(auto loser, trial.begin());
  SELVEDGE_TRY(loser.set(a, "v", 100));
  SELVEDGE_TRY(loser.savepoint());
  SELVEDGE_TRY(loser.set(a, "v", 101));
  SELVEDGE_TRY(const Savepoint mark, loser.savepoint());
  SELVEDGE_TRY(loser.set(a, "v", std::string(300, 'x')));
  SELVEDGE_TRY(loser.delete_node(b));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(loser.rollback_to(mark));
  SELVEDGE_TRY(loser.create_node({"Lost"}, {{"v", std::string(300, 'y')}}));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(trial.lose_power(casualties(std::move(loser)),
                                [](std::size_t, std::size_t) { return true; }));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(node(trial, "M", 3));
  SELVEDGE_TRY(trial.store().checkpoint());
  return trial.alone([&](Store& store) { return store.set(a, "v", 4); });
}

/// Others write what an aborted transaction had logged.
Status after_aborts(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(auto loser, trial.begin());
  SELVEDGE_TRY(loser.set(a, "v", std::string(300, 'x')));
  SELVEDGE_TRY(loser.create_node({"Lost"}, {{"v", 3}}));
  SELVEDGE_TRY(loser.abort("not wanted"));
  SELVEDGE_TRY(auto winner, trial.begin());
  SELVEDGE_TRY(winner.set(a, "v", 2));
  SELVEDGE_TRY(winner.create_node({"Kept"}, {{"v", 4}}));
  SELVEDGE_TRY(trial.commit(winner));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(auto other, trial.begin());
  SELVEDGE_TRY(other.delete_node(a));
  return trial.commit(other);
}

/// The first entries after a checkpoint's begin, to what its scan has passed already, and versions
/// that come on top of those that it has just read.
Status just_behind_the_scan(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(node(trial, "N", 2));
  trial.during("checkpoint.node", 2,
               [&] { return trial.alone([&](Store& store) { return store.set(a, "v", 3); }); });
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(auto late, trial.begin());
  SELVEDGE_TRY(late.set(a, "v", 10));
  trial.during("checkpoint.head_read", 1, [&]() -> Status {
    SELVEDGE_TRY(late.savepoint());
    SELVEDGE_TRY(late.set(a, "v", 11));
    return trial.commit(late);
  });
  SELVEDGE_TRY(trial.store().checkpoint());
  return trial.alone([&](Store& store) { return store.set(a, "w", 5); });
}

/// The second copy is taken in the middle of a transaction, and holds nothing of it.
Status backups(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(trial.backup("/copy"));
  SELVEDGE_TRY(auto tx, trial.begin());
  SELVEDGE_TRY(const NodeId b, tx.create_node({"M"}, {{"late", 2}}));
  SELVEDGE_TRY(tx.create_edge(a, "E", b, {{"w", 3}}));
  const std::array vector{1.0F, 2.0F};
  SELVEDGE_TRY(
      trial.alone([&](Store& store) { return store.set_embedding(a, "embedding", vector); }));
  SELVEDGE_TRY(trial.backup("/other"));
  SELVEDGE_TRY(trial.commit(tx));
  return trial.alone([&](Store& store) { return store.set(a, "v", 3); });
}

Status embeddings(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  const std::array first{1.0F, 2.0F};
  const std::array second{3.0F};
  SELVEDGE_TRY(
      trial.alone([&](Store& store) { return store.set_embedding(a, "embedding", first); }));
  SELVEDGE_TRY(trial.store().checkpoint());
  SELVEDGE_TRY(
      trial.alone([&](Store& store) { return store.set_embedding(a, "embedding", second); }));
  return trial.alone([&](Store& store) { return store.set_embedding(a, "embedding", {}); });
}

/// Commits that are not durable at once; `sync` says when they are.
Status unsynced(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  for (int i = 0; i < 6; ++i) {
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", i); }));
    SELVEDGE_TRY(auto tx, trial.begin());
    SELVEDGE_TRY(tx.create_edge(a, "E", a, {{"w", i}}));
    SELVEDGE_TRY(trial.commit(tx));
    if (i % 2 == 1) {
      SELVEDGE_TRY(trial.sync());
    }
  }
  SELVEDGE_TRY(trial.store().checkpoint());
  return trial.alone([&](Store& store) { return store.set(a, "v", 9); });
}

/// Several writes of the log wait for a sync: the disk may have any of them.
Status unsynced_appends(Trial& trial) {
  SELVEDGE_TRY(node(trial, "N", 1));
  SELVEDGE_TRY(trial.sync());
  for (int i = 0; i < 5; ++i) {
    SELVEDGE_TRY(trial.alone([&](Store& store) {
      return must(store.create_node({"N"}, {{"v", std::string(500, 't')}}));
    }));
  }
  return {};
}

/// A transaction that nobody ends: maintenance does, where the clock is ours.
Status forgotten(Trial& trial) {
  SELVEDGE_TRY(const NodeId a, node(trial, "N", 1));
  SELVEDGE_TRY(auto loser, trial.begin());
  SELVEDGE_TRY(loser.set(a, "v", 2));
  SELVEDGE_TRY(const NodeId lost, loser.create_node({"N"}));
  SELVEDGE_TRY(const Savepoint mark, loser.savepoint());
  SELVEDGE_TRY(loser.create_edge(a, "E", lost));
  SELVEDGE_TRY(loser.rollback_to(mark));
  SELVEDGE_TRY(trial.store().checkpoint());  // with the loser's images
  for (int i = 0; i < 3; ++i) {
    trial.pass_time(std::chrono::milliseconds(1));
    SELVEDGE_TRY(trial.store().maintain());
  }
  if (!loser.finished()) {
    SELVEDGE_TRY(loser.abort("nobody ended it"));
  }
  SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "v", 3); }));
  for (int i = 0; i < 2; ++i) {
    SELVEDGE_TRY(trial.store().checkpoint());
    SELVEDGE_TRY(node(trial, "M", i));
  }
  return trial.alone([&](Store& store) { return store.delete_node(a); });
}

}  // namespace

std::vector<Workload> standard_workloads() {
  const auto small_buffer = [](Options& options) { options.transaction_buffer_bytes = 0; };
  const auto batch = [](Options& options) { options.sync = SyncMode::batch; };
  const auto none = [](Options& options) { options.sync = SyncMode::none; };
  const auto small_log = [](Options& options) {
    options.sync = SyncMode::none;
    options.log_buffer_bytes = 1 << 10;
  };
  const auto hasty = [](Options& options) {
    options.transaction_age_max = std::chrono::milliseconds(1);
    options.transaction_buffer_bytes = 0;
  };
  const auto frames_of_two = [](Options& options) { options.transaction_buffer_bytes = 300; };
  const auto keeps_some = [](Options& options) {
    options.log_retention.segments = 2;
    options.snapshots_kept = 3;
  };
  const auto compresses = [](Options& options) {
    options.log_retention.segments = 4;
    options.log_retention.compression = Compression::zstd;
  };
  const auto compressed = [](Options& options) {
    options.snapshot_compression = Compression::zstd;
  };
  std::vector<Workload> all{
      {"single-create", single_create, {}, {}, true},
      {"single-transaction", single_transaction, {}, {}, true},
      {"updates", updates, {}, {}, true},
      {"reuse-of-slots", reuse_of_slots, {}, {}, true},
      {"reopened", reopened, {}, {}, true},
      {"interleaved", interleaved, {}, {}, true},
      {"interleaved-streaming", interleaved, small_buffer, {}, true},
      {"names-of-losers", names_of_losers, {}, {}, true},
      {"names-of-losers-streaming", names_of_losers, small_buffer},
      {"hub", hub},
      {"hub-streaming", hub, small_buffer},
      {"bulk", bulk},
      {"large-values", large_values},
      {"streaming", streaming, small_buffer},
      {"checkpoints", checkpoints},
      {"checkpoints-streaming", checkpoints, small_buffer},
      {"checkpoints-compressed", checkpoints, compressed},
      {"old-views", old_views},
      {"inside-checkpoints", inside_checkpoints},
      {"inside-checkpoints-streaming", inside_checkpoints, small_buffer},
      {"checkpoint-inside-abort", checkpoint_inside_abort, small_buffer},
      {"rotation", rotation},
      {"retention", retention},
      {"retention-by-count", retention, keeps_some},
      {"retention-compressed", retention, compresses},
      {"backups", backups},
      {"backups-streaming", backups, small_buffer},
      {"backups-unsynced", backups, none},
      {"rotation-unsynced", rotation, none},
      {"killed", killed},
      {"killed-unsynced", killed, small_log},
      {"killed-streaming", killed, small_buffer},
      {"lost-and-reused", lost_and_reused, batch},
      {"losers-and-checkpoints", losers_and_checkpoints, small_buffer},
      {"losers-and-checkpoints-in-pairs", losers_and_checkpoints, frames_of_two},
      {"after-aborts", after_aborts, small_buffer},
      {"just-behind-the-scan", just_behind_the_scan},
      {"embeddings", embeddings},
      {"forgotten", forgotten, hasty},
      {"unsynced-batch", unsynced, batch},
      {"unsynced-none", unsynced, none},
      {"unsynced-appends", unsynced_appends, small_log},
  };
  for (Workload& each : schema_workloads()) {
    all.push_back(std::move(each));
  }
  for (Workload& each : import_workloads()) {
    all.push_back(std::move(each));
  }
  for (Workload& each : time_workloads()) {
    all.push_back(std::move(each));
  }
  return all;
}

}  // namespace selvedge::testkit
