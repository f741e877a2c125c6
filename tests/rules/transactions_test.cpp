// Rules 17 to 19, 22 and 23 (claims, commit) and 31 to 40 (private buffers, streaming).

#include <atomic>
#include <semaphore>
#include <thread>

#include "tests/rules/rules_fixture.h"
#include "txn/manager.h"
#include "txn/operations.h"

namespace selvedge {
namespace {

class Claims : public RulesTest {};
class Commits : public RulesTest {};
class Streaming : public RulesTest {
 protected:
  void finish(Transaction tx, bool commits) {
    if (commits) {
      ASSERT_TRUE(tx.commit());
    }
    crash_here();
  }
};

TEST_F(Claims, Rule17_ARecordIsClaimedFromTheCheckToTheEnd) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    const Status other = store->set(r, "v", 3);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::conflict);
    ASSERT_TRUE(tx.commit());
  }
  must(store->set(r, "v", 4));
  const std::string digest = store->digest();
  crash_now();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(each.digest(), digest);
    EXPECT_EQ(value(each, r), 4);
  });
}

TEST_F(Claims, Rule17_ADetachDeleteClaimsEverythingThatItTakesAlong) {
  const NodeId r = node(1);
  const NodeId s = node(1);
  const auto edge = store->create_edge(r, "E", s, {{"v", 1}});
  ASSERT_TRUE(edge);
  {
    Transaction tx = begin();
    must(tx.set(*edge, "v", 2));
    const std::string digest = store->digest();
    const Status other = store->detach_delete_node(r);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::conflict);
    EXPECT_EQ(store->digest(), digest) << "a part of it was done";
    ASSERT_TRUE(tx.commit());
  }
  must(store->detach_delete_node(r));
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(each.read().edge_count(), 0U); });
}

TEST_F(Claims, Rule18_ADeleteSeesTheEdgeThatIsBeingCreated) {
  for (const char* const point : {"txn.create_edge.pending", "txn.create_edge.checked"}) {
    const NodeId r = node(1);
    const NodeId s = node(1);
    seams.at(point, 1, [&] {
      for (const bool detach : {false, true}) {
        const Status removed = detach ? store->detach_delete_node(s) : store->delete_node(s);
        ASSERT_FALSE(removed) << point;
        EXPECT_EQ(removed.error().code(), ErrorCode::conflict) << removed.error().message();
      }
    });
    ASSERT_TRUE(store->create_edge(r, "E", s));
    EXPECT_TRUE(store->check().faults.empty());
  }
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(each.read().edge_count(), 2U); });
}

TEST_F(Claims, Rule18_ACreateSeesTheNodeThatIsBeingDeleted) {
  const NodeId r = node(1);
  const NodeId s = node(1);
  seams.at("txn.delete_node.marked", 1, [&] {
    for (const auto& [source, target] : {std::pair(r, s), std::pair(s, r), std::pair(s, s)}) {
      const auto made = store->create_edge(source, "E", target);
      ASSERT_FALSE(made);
      EXPECT_EQ(made.error().code(), ErrorCode::conflict) << made.error().message();
    }
  });
  must(store->delete_node(s));
  crash_now();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(each.read().edge_count(), 0U);
    EXPECT_EQ(each.read().node_count(), 1U);
  });
}

TEST_F(Claims, Rule18_ADeleteConflictsWithAnEdgeNewerThanItsView) {
  const NodeId r = node(1);
  const NodeId s = node(1);
  Transaction old = begin();
  ASSERT_TRUE(store->create_edge(r, "E", s));
  const Status removed = old.detach_delete_node(s);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), ErrorCode::conflict);
  must(old.abort());
  EXPECT_TRUE(store->check().faults.empty());
}

TEST_F(Claims, Rule19_CompensationsAreNotCompensatedAgain) {
  for (const bool commits : {true, false}) {
    reopen_with([](Options& each) { each.transaction_buffer_bytes = 0; });
    const NodeId r = node(1);
    NodeId made;
    {
      Transaction tx = begin();
      must(tx.set(r, "v", 2));
      const auto savepoint = tx.savepoint();
      ASSERT_TRUE(savepoint);
      for (int i = 3; i < 6; ++i) {  // rolled back again and again
        must(tx.set(r, "v", i));
        made = *tx.create_node({"N"});
        must(tx.rollback_to(*savepoint));
        EXPECT_EQ((*tx.get(r))["v"].as_int64(), 2);
      }
      if (commits) {
        ASSERT_TRUE(tx.commit());
      } else {
        must(store->sync());
      }
      crash_here();
    }
    move_to_left();
    expect_recovered([&](Store& each) {
      EXPECT_EQ(value(each, r), commits ? 2 : 1);
      EXPECT_FALSE(each.read().exists(made));
    });
  }
}

TEST_F(Commits, Rule22_AViewOpensWhereEverythingIsAppliedAndDurable) {
  const NodeId r = node(1);
  seams.at("txn.commit.appended", 1, [&] {  // in the log's buffer, not published
    EXPECT_EQ(value(r), 1);
  });
  seams.at("txn.commit.published", 1, [&] {  // published, not durable
    EXPECT_EQ(value(r), 1);
    const auto stats = store->stats();
    EXPECT_LT(stats.durable, stats.visible);
  });
  must(store->set(r, "v", 2));
  EXPECT_EQ(value(r), 2);
}

TEST_F(Commits, Rule22_AnEmptyWriteTransactionWaitsForItsViewToBeDurable) {
  const NodeId r = node(1);
  std::thread reader;
  std::optional<std::int64_t> seen;
  seams.at("txn.commit.published", 1, [&] {
    auto tx = std::make_shared<Transaction>(begin());  // opens at `visible`
    seen = (*tx->get(r))["v"].as_int64();
    EXPECT_LT(store->stats().durable, tx->sequence());
    reader = std::thread([&, tx] {
      ASSERT_TRUE(tx->commit());
      EXPECT_GE(store->stats().durable, tx->sequence());
    });
  });
  must(store->set(r, "v", 2));
  reader.join();
  EXPECT_EQ(seen, 2);
}

TEST_F(Commits, Rule23_WhatAFutureViewMayNeedIsNotCollected) {
  const NodeId r = node(1);
  const NodeId s = node(1);
  const auto edge = store->create_edge(r, "E", s);
  ASSERT_TRUE(edge);
  settle();
  seams.at("wal.written", 1, [&] {  // visible, not durable: a view opens below it
    store->maintain().has_value();
    EXPECT_EQ(value(r), 1);
    const auto view = store->read();
    EXPECT_TRUE(view.exists(*edge));
    EXPECT_EQ(view.degree(r, Direction::out), 1U);
    EXPECT_EQ(view.degree(s, Direction::in), 1U);
  });
  must(store->detach_delete_node(s));
  EXPECT_EQ(store->read().degree(r, Direction::out), 0U);
}

TEST_F(Streaming, Rule31_ACommitIsOneStepForTheCheckpoint) {
  const NodeId r = node(1);
  std::binary_semaphore reached(0);
  std::binary_semaphore go_on(0);
  seams.at("txn.commit.appended", 1, [&] {
    reached.release();
    go_on.acquire();
  });
  std::thread writer([&] {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    ASSERT_TRUE(tx.commit());
  });
  reached.acquire();
  std::thread checkpoint([&] { must(store->checkpoint()); });
  go_on.release();
  writer.join();
  checkpoint.join();
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 2); });
}

TEST_F(Streaming, Rule32_OnlyLoggedWorkHoldsTheLowWaterMarkBack) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    must(store->checkpoint());
    EXPECT_EQ(manifest().snapshots.back().low_water, manifest().snapshots.back().begin);
    spill(tx);
    must(store->checkpoint());
    EXPECT_LT(manifest().snapshots.back().low_water, manifest().snapshots.back().begin);
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Streaming, Rule33_BeneathAnUnloggedVersionTheNextOneIsEmitted) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    for (int i = 0; i < 3; ++i) {  // nobody else knows r any more
      must(store->checkpoint());
    }
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Streaming, Rule33_LoggedIsPublishedAfterTheAppend) {
  for (const bool commits : {true, false}) {
    const NodeId r = node(1);
    {
      Transaction tx = begin();
      must(tx.set(r, "v", 2));
      seams.at("txn.spill.appended", 1, [&] { must(store->checkpoint()); });
      spill(tx);
      finish(std::move(tx), commits);
    }
    move_to_left();
    expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), commits ? 2 : 1); });
  }
}

TEST_F(Streaming, Rule34_VisibleIsReadBeforeTheHead) {
  for (const char* const point :
       {"checkpoint.visible_read", "checkpoint.head_read", "checkpoint.walk"}) {
    for (const bool streams : {true, false}) {
      const NodeId r = node(1);
      {
        Transaction tx = begin();
        must(tx.set(r, "v", 2));
        if (streams) {
          spill(tx);
        }
        must(tx.set(r, "v", 3));
        const auto slot = static_cast<int>(id_bits::slot(r.value)) + 1;
        const bool walks = std::string_view(point) == "checkpoint.walk";
        seams.at(point, walks ? 1 : slot, [&] { ASSERT_TRUE(tx.commit()); });
        must(store->checkpoint());
        crash_here();
      }
      move_to_left();
      expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 3) << point; });
    }
  }
}

TEST_F(Streaming, Rule34_ACommitDuringTheWalkIsNotTakenInHalves) {
  for (const bool streams : {true, false}) {
    const NodeId r = node(1);
    {
      Transaction tx = begin();
      must(tx.set(r, "v", 2));
      if (streams) {
        spill(tx);
      }
      ASSERT_TRUE(tx.savepoint());  // the next update keeps the version before it
      must(tx.set(r, "v", 3));
      // The newest version was skipped as unlogged; the one beneath it now has a commit.
      seams.at("checkpoint.walk", 1, [&] { ASSERT_TRUE(tx.commit()); });
      must(store->checkpoint());
      crash_here();
    }
    move_to_left();
    expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 3); });
  }
}

TEST_F(Streaming, Rule34_AnUpdateAndCommitAfterTheHeadWasReadAreNotLost) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    ASSERT_TRUE(tx.savepoint());
    seams.at("checkpoint.head_read", static_cast<int>(id_bits::slot(r.value)) + 1, [&] {
      must(tx.set(r, "v", 3));  // above the head that the scan holds
      ASSERT_TRUE(tx.commit());
    });
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 3); });
}

TEST_F(Streaming, Rule35_LoggedIsAWordInTheVersion) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    const auto savepoint = tx.savepoint();
    ASSERT_TRUE(savepoint);
    must(tx.set(r, "v", 3));
    seams.at("checkpoint.head_read", 1, [&] {
      must(tx.rollback_to(*savepoint));
      must(tx.delete_node(r));
      spill(tx);
      ASSERT_TRUE(tx.commit());
    });
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), std::nullopt); });
}

TEST_F(Streaming, Rule36_ALabelIsTheExactSequence) {
  for (const bool commits : {true, false}) {
    const NodeId a = node(1);
    const NodeId b = node(2);
    {
      Transaction tx = begin();
      must(tx.delete_node(a));
      must(tx.delete_node(b));
      spill(tx);
      must(store->checkpoint());
      finish(std::move(tx), commits);
    }
    move_to_left();
    expect_recovered([&](Store& each) {
      EXPECT_EQ(value(each, a), commits ? std::nullopt : std::optional<std::int64_t>(1));
      EXPECT_EQ(value(each, b), commits ? std::nullopt : std::optional<std::int64_t>(2));
    });
  }
}

TEST_F(Streaming, Rule37_ThePreviousSequenceOfAnOwnUnloggedVersionIsResolved) {
  for (const bool commits : {true, false}) {
    const NodeId r = node(1);
    {
      Transaction tx = begin();
      must(tx.set(r, "v", 2));
      const auto savepoint = tx.savepoint();  // the next update keeps the one before it
      ASSERT_TRUE(savepoint);
      must(tx.set(r, "v", 3));
      spill(tx);
      must(tx.set(r, "v", 4));
      must(store->checkpoint());
      finish(std::move(tx), commits);
    }
    move_to_left();
    expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), commits ? 4 : 1); });
  }
}

TEST_F(Streaming, Rule38_ARecordStaysOursUntilItsCompensationIsLogged) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    ASSERT_TRUE(tx.create_node({"N"}));
    const auto savepoint = tx.savepoint();
    ASSERT_TRUE(savepoint);
    must(tx.delete_node(r));
    spill(tx);
    must(tx.rollback_to(*savepoint));
    const Status early = store->delete_node(r);
    ASSERT_FALSE(early) << "the compensation is not in the log yet";
    EXPECT_EQ(early.error().code(), ErrorCode::conflict);
    ASSERT_TRUE(tx.commit());
  }
  EXPECT_EQ(value(r), 1);
  must(store->delete_node(r));
  crash_now();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), std::nullopt);
    EXPECT_EQ(each.read().node_count("N"), 1U);
  });
}

TEST_F(Streaming, Rule39_AVersionIsNotReplacedAcrossASavepoint) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    must(tx.set(r, "v", 3));
    const auto savepoint = tx.savepoint();
    ASSERT_TRUE(savepoint);
    must(tx.set(r, "v", 4));
    must(tx.set(r, "v", 5));
    must(tx.rollback_to(*savepoint));
    EXPECT_EQ((*tx.get(r))["v"].as_int64(), 3);
    ASSERT_TRUE(tx.commit());
  }
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 3); });
}

TEST_F(Streaming, Rule39_AReplacedLoggedVersionCountsAsUnlogged) {
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    spill(tx);
    must(tx.set(r, "v", 3));  // not logged: the scan must not give it the sequence of 2
    must(store->checkpoint());
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Streaming, Rule40_RedoLabelsWithTheEntrysOwnSequence) {
  log_each_operation();
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    ASSERT_TRUE(tx.create_node({"N"}));
    const auto savepoint = tx.savepoint();
    ASSERT_TRUE(savepoint);
    must(tx.set(r, "v", 2));
    must(tx.rollback_to(*savepoint));  // its compensation is logged at once: r is free
    const Status between = store->set(r, "v", 5);
    if (between) {
      ASSERT_TRUE(tx.commit());
    } else {
      EXPECT_EQ(between.error().code(), ErrorCode::conflict);  // ours until the commit: safe too
      ASSERT_TRUE(tx.commit());
      must(store->set(r, "v", 5));
    }
  }
  must(store->checkpoint());
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 5); });
}

}  // namespace
}  // namespace selvedge
