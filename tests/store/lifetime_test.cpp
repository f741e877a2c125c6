// What goes on beside a close, and after an end.

#include <atomic>
#include <thread>

#include "tests/store/store_fixture.h"
#include "tests/support/seams.h"

namespace selvedge {
namespace {

class Lifetime : public StoreTest {
 protected:
  template <class T>
  static void expect_code(const Result<T>& result, ErrorCode code) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), code) << result.error().message();
  }
  /// Refused as long as somebody else has a transaction.
  Status close_beside_others() {
    for (;;) {
      Status closed = store->close();
      if (closed || closed.error().code() != ErrorCode::invalid_argument) {
        return closed;
      }
    }
  }
};

TEST_F(Lifetime, AClosedStoreWritesNoMore) {
  const NodeId a = node(1);
  must(store->close());
  options.file_system = faults.get();
  {
    auto other = Store::open("/db", options);  // another process, say
    ASSERT_TRUE(other) << other.error().message();
    must(other->set(a, "v", 2));
    const std::uint64_t writes = faults->count(test::Operation::write);
    const std::array embedding{1.0F};
    expect_code(store->maintain(), ErrorCode::closed);
    expect_code(store->checkpoint(), ErrorCode::closed);
    expect_code(store->sync(), ErrorCode::closed);
    expect_code(store->set(a, "v", 3), ErrorCode::closed);
    expect_code(store->create_node(Labels{}), ErrorCode::closed);
    expect_code(store->set_embedding(a, "e", embedding), ErrorCode::closed);
    expect_code(store->key_id("fresh"), ErrorCode::closed);
    EXPECT_FALSE(store->begin());
    EXPECT_EQ(faults->count(test::Operation::write), writes);
    must(other->set(a, "v", 4));
  }
  store.reset();
  open();
  EXPECT_EQ(value(a), 4);
}

TEST_F(Lifetime, CloseWaitsForACheckpoint) {
  node(1);
  test::Seams seams;
  std::thread closer;
  Status closed = fail(ErrorCode::io, "not called");
  seams.at("checkpoint.node", 1, [&] {
    closer = std::thread([&] { closed = close_beside_others(); });
    while (store->create_node(Labels{})) {  // until the close has begun
    }
  });
  must(store->checkpoint());
  closer.join();
  must(closed);
  store.reset();
  open();
  EXPECT_TRUE(store->recovery_report().clean_close);
  EXPECT_FALSE(store->recovery_report().snapshot.empty());
  expect_sound();
}

/// A name is interned without a view: the close must wait for it all the same, or it would prepare
/// a segment in a directory that belongs to somebody else by then.
TEST_F(Lifetime, CloseWaitsForAName) {
  close();
  options.segment_entries_max = 20;
  open();
  std::thread closer;
  Status closed = fail(ErrorCode::io, "not called");
  std::atomic<bool> met{false};
  faults->set_hook(test::Operation::open, [&](const std::string& path) {
    if (path.find(".wal") != std::string::npos && !met.exchange(true)) {
      closer = std::thread([&] { closed = close_beside_others(); });
      while (store->begin()) {  // until the close has begun
      }
    }
  });
  for (int i = 0; i < 100; ++i) {
    const auto made = store->label_id("label " + std::to_string(i));
    if (!made) {
      EXPECT_EQ(made.error().code(), ErrorCode::closed) << made.error().message();
    }
  }
  faults->set_hook(test::Operation::count, nullptr);
  ASSERT_TRUE(met);
  closer.join();
  must(closed);
  store.reset();
  open();
  EXPECT_TRUE(store->recovery_report().clean_close);
  expect_sound();
}

TEST_F(Lifetime, EveryCloseHasTheResultOfTheFirst) {
  close();
  options.sync = SyncMode::none;
  open();
  node(1);
  faults->fail_next({.operation = test::Operation::sync_data});
  expect_code(store->close(), ErrorCode::poisoned);
  expect_code(store->close(), ErrorCode::poisoned);
}

TEST_F(Lifetime, AnAbortInAPoisonedStoreEndsTheTransaction) {
  Transaction tx = begin();
  ASSERT_TRUE(tx.create_node(Labels{}));
  faults->fail_next({.operation = test::Operation::sync_data});
  EXPECT_FALSE(store->create_node(Labels{}));
  must(tx.abort());
  EXPECT_TRUE(tx.finished());
  expect_code(tx.abort(), ErrorCode::finished);
  EXPECT_EQ(store->stats().transactions_active, 0U);
  faults->clear_fault();
  store.reset();
  open();
  faults->fail_next({.operation = test::Operation::sync_data});
  const auto result = store->transact([&](Transaction& each) -> Result<NodeId> {
    EXPECT_TRUE(each.create_node(Labels{}));
    EXPECT_FALSE(store->create_node(Labels{}));  // poisons
    return fail(ErrorCode::invalid_argument, "the function's own");
  });
  expect_code(result, ErrorCode::invalid_argument);
}

TEST_F(Lifetime, AGoneSavepointStaysGone) {
  Transaction tx = begin();
  const auto first = tx.savepoint();
  ASSERT_TRUE(tx.create_node(Labels{}));
  const auto second = tx.savepoint();
  must(tx.rollback_to(*first));
  const auto third = tx.savepoint();
  ASSERT_TRUE(tx.create_node(Labels{}));
  expect_code(tx.rollback_to(*second), ErrorCode::invalid_argument);
  EXPECT_EQ(tx.node_count(), 1U);
  must(tx.rollback_to(*third));
  EXPECT_EQ(tx.node_count(), 0U);
}

TEST_F(Lifetime, AFailedOpenDoesNotSayCleanClose) {
  close();
  options.transaction_buffer_bytes = 0;
  open();
  {
    Transaction tx = begin();
    ASSERT_TRUE(tx.create_node(Labels{}));
    must(store->sync());
    auto after = memory->crash(Keep::nothing, 1);
    must(tx.abort());
    store.reset();
    faults = std::make_unique<FaultyFileSystem>(*after);
    memory = std::move(after);
  }
  for (const auto operation : {test::Operation::sync_data, test::Operation::write}) {
    for (std::uint64_t nth = 1; nth < 12; ++nth) {
      const auto copy = memory->crash(Keep::everything, 1);
      FaultyFileSystem failing(*copy);
      options.file_system = &failing;
      failing.fail_next({.operation = operation, .nth = nth});
      if (Store::open("/db", options)) {
        continue;
      }
      failing.clear_fault();
      auto again = Store::open("/db", options);
      ASSERT_TRUE(again) << again.error().message();
      const RecoveryReport& report = again->recovery_report();
      EXPECT_FALSE(report.clean_close && !report.rolled_back.empty()) << nth;
    }
  }
  options.file_system = faults.get();
  open();
}

TEST_F(Lifetime, ATransactionThatWroteNothingNamesItsView) {
  node(1);
  Transaction tx = begin();
  const Sequence view = tx.sequence();
  const auto ticket = tx.commit_async();
  ASSERT_TRUE(ticket);
  EXPECT_EQ(ticket->sequence().value, view.value);
  must(ticket->wait());
}

TEST_F(Lifetime, AUsedUpCursorIsNoObstacle) {
  const NodeId a = node();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(store->create_edge(a, "E", node()));
  }
  Transaction tx = begin();
  auto edges = tx.out_edges(a);
  while (edges.next()) {
    must(tx.set(edges.id(), "w", 1));
  }
  EXPECT_FALSE(edges.next());
  auto nodes = tx.nodes();
  while (nodes.next()) {
  }
  EXPECT_FALSE(nodes.next());
  auto labelled = tx.nodes("N");
  while (labelled.next()) {
  }
  auto all = tx.edges();
  while (all.next()) {
  }
  EXPECT_FALSE(all.next());
  ASSERT_TRUE(tx.commit());
}

TEST_F(Lifetime, ACursorMayDieAfterItsTransaction) {
  const NodeId a = node();
  ASSERT_TRUE(store->create_edge(a, "E", a));
  EdgeCursor outlives;
  for (const bool commit : {true, false}) {
    Transaction tx = begin();
    auto edges = tx.out_edges(a);
    ASSERT_TRUE(edges.next());
    must(tx.set(edges.id(), "w", 1));
    outlives = tx.out_edges(a);
    ASSERT_TRUE(outlives.next());
    must(commit ? tx.commit().map([](Sequence) {}) : tx.abort());
    EXPECT_EQ(store->stats().views_open, 0U);
  }
  // What it pins is kept, whatever goes on meanwhile.
  for (int i = 0; i < 200; ++i) {
    must(store->set(a, "v", i));
    must(store->maintain());
  }
  outlives = EdgeCursor();
  expect_sound();
  reopen();
}

TEST_F(Lifetime, AViewMayDieBeforeItsCursor) {
  const NodeId a = node();
  ASSERT_TRUE(store->create_edge(a, "E", a));
  EdgeCursor edges;
  {
    const auto view = store->read();
    edges = view.out_edges(a);
    ASSERT_TRUE(edges.next());
  }
  EXPECT_EQ(store->stats().views_open, 0U);
  edges = EdgeCursor();
}

TEST_F(Lifetime, NothingIsReadInAFinishedTransaction) {
  const NodeId a = node();
  const auto edge = store->create_edge(a, "E", a);
  ASSERT_TRUE(edge);
  Transaction tx = begin();
  ASSERT_TRUE(tx.commit());
  const std::array nodes{a};
  const std::array edges{*edge};
  expect_code(tx.get(a), ErrorCode::finished);
  expect_code(tx.get(*edge), ErrorCode::finished);
  EXPECT_FALSE(tx.get(std::span<const NodeId>(nodes)).front());
  EXPECT_FALSE(tx.get(std::span<const EdgeId>(edges)).front());
  EXPECT_FALSE(tx.exists(a));
  EXPECT_FALSE(tx.exists(*edge));
  EXPECT_TRUE(tx.labels(a).empty());
  EXPECT_FALSE(tx.embedding(a, "v"));
  EXPECT_FALSE(tx.out_edges(a).next());
  EXPECT_FALSE(tx.in_edges(a, "E").next());
  EXPECT_TRUE(tx.neighbours(a, Direction::both).empty());
  EXPECT_TRUE(tx.edges_between(a, a).empty());
  EXPECT_FALSE(tx.edge_between(a, a, "E"));
  EXPECT_EQ(tx.degree(a, Direction::out), 0U);
  EXPECT_FALSE(tx.nodes().next());
  EXPECT_FALSE(tx.nodes("N").next());
  EXPECT_FALSE(tx.first("N"));
  EXPECT_FALSE(tx.edges().next());
  EXPECT_FALSE(tx.edges("E").next());
  EXPECT_EQ(tx.node_count(), 0U);
  EXPECT_EQ(tx.node_count("N"), 0U);
  EXPECT_EQ(tx.edge_count(), 0U);
  EXPECT_EQ(tx.edge_count("E"), 0U);
}

TEST_F(Lifetime, WhatCannotBeTakenBackEndsTheTransaction) {
  close();
  options.transaction_buffer_bytes = 4096;
  open();
  const NodeId a = node(1);
  Transaction tx = begin();
  must(tx.set(a, "v", 2));
  faults->set_full(true);
  const std::string text(200, 'x');
  const std::vector<Property> properties{{"v", text}};
  const std::vector<NewNode> many(20'000, NewNode{{}, properties});
  expect_code(tx.create_nodes(many), ErrorCode::disk_full);
  EXPECT_TRUE(tx.finished());
  EXPECT_FALSE(tx.exists(a));
  expect_code(tx.commit(), ErrorCode::finished);
  faults->set_full(false);
  must(store->maintain());
  EXPECT_EQ(value(a), 1);
  EXPECT_EQ(store->read().node_count(), 1U);
  lose_power();
  EXPECT_EQ(value(a), 1);
  EXPECT_EQ(store->read().node_count(), 1U);
  expect_sound();
}

TEST_F(Lifetime, AFullStoreOpensAgainWithItsOwnLimit) {
  close();
  options.sync = SyncMode::none;
  options.memory_limit_bytes = std::uint64_t{8} << 20;
  options.segment_bytes = std::uint64_t{64} << 20;
  open();
  std::uint64_t made = 0;
  for (;;) {
    const auto id = store->create_node(Labels{});
    if (!id) {
      EXPECT_EQ(id.error().code(), ErrorCode::out_of_memory) << id.error().message();
      break;
    }
    ++made;
  }
  EXPECT_EQ(store->stats().node_slots, made);
  must(store->checkpoint());
  reopen();
  EXPECT_EQ(store->read().node_count(), made);
}

TEST_F(Lifetime, AnEmbeddingCanBeRemovedFromAFullStore) {
  close();
  options.memory_limit_bytes = std::uint64_t{1} << 20;
  options.sync = SyncMode::none;
  open();
  const std::vector<float> floats(100, 1.0F);
  std::vector<NodeId> nodes;
  for (;;) {
    const auto made = store->create_node(Labels{});
    if (!made || !store->set_embedding(*made, "e", floats)) {
      break;
    }
    nodes.push_back(*made);
  }
  while (store->create_node(Labels{})) {
  }
  ASSERT_FALSE(nodes.empty());
  must(store->set_embedding(nodes.front(), "e", {}));
  EXPECT_FALSE(store->read().embedding(nodes.front(), "e"));
}

TEST_F(Lifetime, TheFirstCommitOutlivesAPowerFailureWithItsDirectory) {
  const NodeId a = node(1);
  lose_power();
  EXPECT_EQ(value(a), 1);
}

TEST_F(Lifetime, ABackupOutlivesAPowerFailure) {
  const NodeId a = node(1);
  must(store->backup("/copy"));
  lose_power();
  options.file_system = faults.get();
  auto copy = Store::open("/copy", options);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_TRUE(copy->read().exists(a));
}

TEST_F(Lifetime, ABackupHoldsNothingThatACrashTakesBack) {
  close();
  options.sync = SyncMode::batch;
  open();
  const NodeId a = node(1);
  must(store->sync());
  must(store->set(a, "v", 2));
  must(store->backup("/copy"));
  lose_power();
  options.file_system = faults.get();
  auto copy = Store::open("/copy", options);
  ASSERT_TRUE(copy) << copy.error().message();
  const auto view = copy->read();
  EXPECT_EQ((*view.get(a))["v"].as_int64(), value(a));
}

}  // namespace
}  // namespace selvedge
