// Rules 1 to 8: the fuzzy checkpoint. N is a non-transactional writer, T a transaction.

#include "tests/rules/rules_fixture.h"

namespace selvedge {
namespace {

class Checkpoint : public RulesTest {};

TEST_F(Checkpoint, Rule01_TheLogIsSyncedToTheEndBeforeAdoption) {
  reopen_with([](Options& each) { each.sync = SyncMode::none; });
  const NodeId r = node(1);
  must(store->sync());
  must(store->delete_node(r));  // in memory, not on the disk
  must(store->checkpoint());    // emits nothing for r
  const Sequence seen = store->stats().visible;
  crash_now();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), std::nullopt);
    EXPECT_GE(each.recovery_report().recovered, seen);
  });
}

TEST_F(Checkpoint, Rule01_AMissingSequenceBelowAnAdoptedEndIsCorruption) {
  node(1);
  must(store->checkpoint());
  node(2);
  must(store->checkpoint());
  must(store->close());
  store.reset();
  const auto listed = manifest();
  auto file = files->open("/db/wal/" + files_in("/db/wal").front(), OpenMode::read_write);
  ASSERT_TRUE(file);
  must((*file)->truncate(200));
  must((*file)->sync());
  const auto refused = Store::open("/db", options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::corruption) << refused.error().message();
  EXPECT_EQ(manifest(), listed);
}

TEST_F(Checkpoint, Rule02_WhatIsLoggedDuringTheScanIsNotLost) {
  const NodeId r = node(1);
  seams.at("checkpoint.node", 1, [&] { must(store->set(r, "v", 2)); });
  must(store->checkpoint());
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 2); });
}

TEST_F(Checkpoint, Rule02_ATransactionThatBeginsAfterTheTableWasReadIsUndone) {
  log_each_operation();
  const NodeId r = node(1);
  {
    std::optional<Transaction> tx;
    seams.at("checkpoint.node", 1, [&] {
      tx.emplace(begin());
      must(tx->set(r, "v", 2));  // logged: the scan sees it, and emits it
    });
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Checkpoint, Rule02_LowWaterIsTheBeginOfTheOldestUnfinishedTransaction) {
  log_each_operation();
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    for (int i = 0; i < 10; ++i) {
      node(i);
    }
    must(store->checkpoint());
    const auto listed = manifest().snapshots.back();
    EXPECT_LT(listed.low_water, listed.begin - 10);
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), 1);
    EXPECT_EQ(each.read().node_count("N"), 11U);
  });
}

TEST_F(Checkpoint, Rule03_AnAbortingTransactionCountsUntilItsEntryIsLogged) {
  log_each_operation();
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    const auto visible = store->stats().visible;
    seams.at("txn.abort.unlinked", 1, [&] {  // memory is rolled back, the entry is not logged
      must(store->checkpoint());
      EXPECT_LE(manifest().snapshots.back().low_water, visible.value);
      crash_here();
    });
    must(tx.abort());
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Checkpoint, Rule03_AnImageThatTheScanReadBeforeTheAbortIsUndone) {
  log_each_operation();
  const NodeId r = node(1);
  {
    std::optional<Transaction> tx(begin());
    must(tx->set(r, "v", 2));
    seams.at("checkpoint.head_read", 1, [&] { must(tx->abort()); });
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Checkpoint, Rule04_AllPhasesRunFromTheLowWaterMark) {
  log_each_operation();
  const NodeId r = node(1);
  const NodeId other = node(1);
  {
    Transaction tx = begin();
    must(tx.set(other, "v", 9));  // holds the low-water mark back
    must(store->set(r, "v", 2));  // N, logged before the scan begins
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), 2);
    EXPECT_EQ(value(each, other), 1);
  });
}

TEST_F(Checkpoint, Rule05_ARecordUnderAnUncommittedDeleteComesBack) {
  log_each_operation();
  const NodeId r = node(1);
  const NodeId s = node(2);
  const auto edge = store->create_edge(r, "E", s);
  ASSERT_TRUE(edge);
  must(store->checkpoint());
  {
    Transaction tx = begin();
    must(tx.detach_delete_node(r));
    must(store->checkpoint());
    must(store->checkpoint());  // no snapshot is left that knows more
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), 1);
    EXPECT_TRUE(each.read().exists(*edge));
  });
}

TEST_F(Checkpoint, Rule06_AVersionWithoutASequenceIsInvisibleToTheScan) {
  const NodeId r = node(1);
  must(store->checkpoint());
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));  // in the private buffer only
    must(store->checkpoint());
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Checkpoint, Rule07_ASnapshotThatWasNotAdoptedIsRemovedByTheNextLife) {
  const NodeId r = node(1);
  seams.at("checkpoint.named", 1, [&] { crash_here(Keep::everything); });
  must(store->checkpoint());
  move_to_left();
  ASSERT_EQ(files_in("/db/snapshots").size(), 1U);
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), 1);
    EXPECT_TRUE(files_in("/db/snapshots").empty());
  });
}

TEST_F(Checkpoint, Rule07_ASnapshotOfAnotherHistoryIsRejected) {
  reopen_with([](Options& each) { each.sync = SyncMode::none; });
  const NodeId r = node(1);
  must(store->sync());
  const auto before = files->crash(Keep::nothing, 1);
  must(store->set(r, "v", 2));
  must(store->checkpoint());
  const auto listed = manifest();
  const std::string path = "/db/snapshots/" + listed.snapshots.back().file;
  auto source = files->open(path, OpenMode::read);
  ASSERT_TRUE(source);
  std::vector<std::byte> bytes(*(*source)->size());
  ASSERT_TRUE((*source)->pread(0, bytes));
  // The other life: the same sequences, given to something else.
  store.reset();
  files = before->crash(Keep::everything, 1);
  open();
  const NodeId other = node(7);
  node(8);
  must(store->close());
  store.reset();
  auto copy = files->open(path, OpenMode::create);
  ASSERT_TRUE(copy) << copy.error().message();
  ASSERT_TRUE((*copy)->pwrite(0, bytes));
  must((*copy)->sync());
  auto wrong = manifest();
  wrong.snapshots = listed.snapshots;
  must(wrong.save(*files, "/db"));
  open();
  EXPECT_EQ(store->recovery_report().rejected_snapshots.size(), 1U);
  EXPECT_EQ(value(r), 1);
  EXPECT_EQ(value(other), 7);
}

TEST_F(Checkpoint, Rule08_ADamagedSnapshotIsNotOneOfTheTwoKept) {
  const NodeId r = node(1);
  must(store->checkpoint());
  must(store->set(r, "v", 2));
  must(store->checkpoint());
  const auto two = manifest().snapshots;
  ASSERT_EQ(two.size(), 2U);
  change_file("/db/snapshots/" + two[1].file, 100);
  must(store->set(r, "v", 3));
  must(store->checkpoint());
  const auto kept = manifest().snapshots;
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].file, two[0].file);
  must(store->set(r, "v", 4));
  change_file("/db/snapshots/" + kept[1].file, 100);
  crash_now();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 4); });
}

}  // namespace
}  // namespace selvedge
