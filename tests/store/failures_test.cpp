// What the store does when the disk fails, fills up, or memory ends.

#include <thread>

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

using test::Fault;
using test::Operation;

class Failures : public StoreTest {
 protected:
  void expect_code(const Status& status, ErrorCode code) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), code) << status.error().message();
  }
};

TEST_F(Failures, AFailedSyncPoisonsAndReadsGoOn) {
  const NodeId r = node(1);
  for (const Operation operation : {Operation::sync_data, Operation::write}) {
    Fault fault;
    fault.operation = operation;
    faults->fail_next(fault);
    expect_code(store->set(r, "v", 2), ErrorCode::unknown_outcome);
    faults->clear_fault();
    expect_code(store->set(r, "v", 3), ErrorCode::poisoned);
    expect_code(store->checkpoint(), ErrorCode::poisoned);
    expect_code([&] { return store->begin().map([](auto&&) {}); }(), ErrorCode::poisoned);
    EXPECT_EQ(value(r), 1) << "reads go on at the durable watermark";
    EXPECT_TRUE(store->stats().poisoned);
    EXPECT_FALSE(store->stats().cause.empty());
    store.reset();
    open();
    const auto now = value(r);
    EXPECT_TRUE(now == 1 || now == 2) << *now;  // unknown was the truth
    must(store->set(r, "v", 1));
    expect_sound();
  }
}

TEST_F(Failures, AFullDiskRefusesAndWritingResumes) {
  const NodeId r = node(0);
  faults->set_full(true);
  Status status;
  std::int64_t last = 0;
  while ((status = store->set(r, "text", std::string(20'000, 'x'))).has_value()) {
    static_cast<void>(store->maintain());  // it finds no room either
    if (const Status numbered = store->set(r, "v", ++last); !numbered) {
      --last;
      status = fail(numbered.error().clone());
      break;
    }
    ASSERT_LT(last, 10'000);
  }
  expect_code(status, ErrorCode::disk_full);
  EXPECT_FALSE(store->stats().poisoned);
  EXPECT_EQ(value(r), last);
  const std::string digest = store->digest();
  faults->set_full(false);
  must(store->maintain());
  EXPECT_EQ(store->digest(), digest);
  must(store->set(r, "v", -1));
  lose_power();
  EXPECT_EQ(value(r), -1);
  expect_sound();
}

TEST_F(Failures, ConflictsAreCountedOnce) {
  const NodeId a = node(1);
  Transaction first = begin();
  Transaction second = begin();
  must(first.set(a, "v", 2));
  expect_code(second.set(a, "v", 3), ErrorCode::conflict);
  EXPECT_EQ(store->stats().conflicts, 1U);
  expect_code(second.delete_node(a), ErrorCode::conflict);
  EXPECT_EQ(store->stats().conflicts, 2U);
  expect_code(second.delete_nodes(std::array{a}), ErrorCode::conflict);
  EXPECT_EQ(store->stats().conflicts, 3U);
}

TEST_F(Failures, TheStatsNameAFailedCheckpointUntilOneSucceeds) {
  node(1);
  faults->fail_next({.operation = Operation::rename});
  const Status failed = store->checkpoint();
  expect_code(failed, ErrorCode::io);
  must(store->maintain());
  EXPECT_EQ(store->stats().cause, failed.error().message());
  must(store->checkpoint());
  EXPECT_EQ(store->stats().cause, "");
}

TEST_F(Failures, AFailedCheckpointCostsNothing) {
  const NodeId r = node(1);
  for (const Operation operation :
       {Operation::write, Operation::sync, Operation::rename, Operation::sync_dir}) {
    for (std::uint64_t nth = 1; nth < 4; ++nth) {
      Fault fault;
      fault.operation = operation;
      fault.nth = nth;
      faults->fail_next(fault);
      const Status taken = store->checkpoint();
      faults->clear_fault();
      if (store->stats().poisoned) {  // the fault met the log
        store.reset();
        open();
      }
      must(store->set(r, "v", 1));
      static_cast<void>(taken);
      must(store->checkpoint());
      lose_power();
      EXPECT_EQ(value(r), 1);
      expect_sound();
    }
  }
}

TEST_F(Failures, TheMemoryLimitRefusesAndTheStoreStaysConsistent) {
  close();
  options.memory_limit_bytes = std::uint64_t{24} << 20;
  open();
  const std::string text(10'000, 'm');
  std::vector<NodeId> made;
  Status last;
  while (last) {
    const auto fresh = store->create_node({"Big"}, {{"text", text}});
    if (fresh) {
      made.push_back(*fresh);
    } else {
      last = fail(fresh.error().clone());
    }
    ASSERT_LT(made.size(), 10'000U);
  }
  expect_code(last, ErrorCode::out_of_memory);
  EXPECT_EQ(store->read().node_count("Big"), made.size());
  {
    Transaction tx = begin();
    EXPECT_FALSE(tx.create_node({"Big"}, {{"text", text}}));
    must(tx.abort());
  }
  expect_sound();
  for (std::size_t i = 0; i < made.size() / 2; ++i) {
    must(store->delete_node(made[i]));
  }
  for (int i = 0; i < 8; ++i) {
    must(store->maintain());
  }
  for (int i = 0; i < 100; ++i) {
    const auto again = store->create_node({"Big"}, {{"text", text}});
    ASSERT_TRUE(again) << again.error().message();
  }
  expect_sound();
}

TEST_F(Failures, WhatEachSyncModeKeeps) {
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch, SyncMode::none}) {
    close();
    options.sync = mode;
    open();
    const NodeId first = node(1);
    must(store->sync());
    const NodeId second = node(2);
    EXPECT_EQ(value(second), 2) << "visible at once, durable or not";
    const bool durable = store->stats().durable == store->stats().visible;
    EXPECT_EQ(durable, mode == SyncMode::immediate);
    if (mode == SyncMode::batch) {
      must(store->maintain());  // what the interval does
      EXPECT_EQ(store->stats().durable, store->stats().visible);
    }
    const NodeId third = node(3);
    lose_power();
    EXPECT_EQ(value(first), 1);
    EXPECT_EQ(value(second).has_value(), mode != SyncMode::none);
    EXPECT_EQ(value(third).has_value(), mode == SyncMode::immediate);
    expect_sound();
  }
}

TEST_F(Failures, ACleanCloseKeepsEverythingInEveryMode) {
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch, SyncMode::none}) {
    close();
    options.sync = mode;
    open();
    const NodeId id = node(7);
    must(store->close());
    lose_power();
    EXPECT_EQ(value(id), 7);
  }
}

TEST_F(Failures, AnAsynchronousCommitIsDurableWhenItsTicketSaysSo) {
  Transaction tx = begin();
  const auto id = tx.create_node({"N"}, {{"v", 5}});
  ASSERT_TRUE(id);
  const auto ticket = tx.commit_async();
  ASSERT_TRUE(ticket);
  EXPECT_GT(ticket->sequence().value, 0U);
  must(ticket->wait());
  EXPECT_GE(store->stats().durable, ticket->sequence());
  lose_power();
  EXPECT_EQ(value(*id), 5);
}

TEST_F(Failures, ABackupIsAStoreOfItsOwn) {
  const NodeId r = node(1);
  const NodeId s = node(2);
  ASSERT_TRUE(store->create_edge(r, "E", s, {{"w", 0.5}}));
  std::optional<Transaction> open_one(begin());
  must(open_one->set(r, "v", 9));
  must(store->backup("/copy"));
  expect_code(store->backup("/copy"), ErrorCode::already_exists);
  open_one.reset();
  auto copy = Store::open("/copy", options);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_EQ(copy->digest(), store->digest());
  EXPECT_TRUE(copy->check().faults.empty());
  ASSERT_TRUE(copy->set(r, "v", 3));
  ASSERT_TRUE(copy->close());
  auto again = Store::open("/copy", options);
  ASSERT_TRUE(again);
  const auto view = again->read();
  EXPECT_EQ((*view.get(r))["v"].as_int64(), 3);
}

TEST_F(Failures, CheckpointsComeByBytesAndDropSegments) {
  close();
  options.checkpoint_log_bytes = std::uint64_t{1} << 20;
  options.segment_bytes = std::uint64_t{256} << 10;
  open();
  const NodeId r = node(0);
  std::size_t segments_max = 0;
  for (int i = 0; i < 4000; ++i) {
    must(store->set(r, "v", std::string(2000, 'v')));
    must(store->maintain());
    segments_max = std::max(segments_max, files_in("/db/wal").size());
  }
  EXPECT_GE(store->stats().checkpoints, 5U);
  EXPECT_LE(segments_max, 24U) << "old segments are dropped or used again";
  EXPECT_LE(files_in("/db/snapshots").size(), 2U);
  lose_power();
  expect_sound();
}

/// Case 20 of recovery: the files of dropped segments may be there or not, in any mixture.
TEST_F(Failures, AnySubsetOfTheDroppedSegmentsMayBeGone) {
  close();
  options.segment_entries_max = 4;
  open();
  const NodeId r = node(0);
  for (int i = 1; i <= 20; ++i) {
    must(store->set(r, "v", i));
    must(store->maintain());
  }
  const auto before = memory->crash(Keep::everything, 1);
  must(store->checkpoint());
  must(store->set(r, "v", 21));
  must(store->checkpoint());
  must(store->set(r, "v", 22));
  std::vector<std::string> dropped;
  const auto now = files_in("/db/wal");
  store.reset();
  const auto after = memory->crash(Keep::everything, 1);
  const auto listed = before->list("/db/wal");
  ASSERT_TRUE(listed);
  for (const DirectoryEntry& each : *listed) {
    if (std::find(now.begin(), now.end(), each.name) == now.end()) {
      dropped.push_back(each.name);
    }
  }
  for (std::uint64_t subset = 0; subset < 16; ++subset) {
    memory = after->crash(Keep::everything, 1);
    faults = std::make_unique<FaultyFileSystem>(*memory);
    for (std::size_t i = 0; i < dropped.size(); ++i) {
      if ((subset >> (i % 4) & 1) != 0) {
        auto source = before->open("/db/wal/" + dropped[i], OpenMode::read);
        ASSERT_TRUE(source);
        std::string bytes(static_cast<std::size_t>(*(*source)->size()), '\0');
        ASSERT_TRUE((*source)->pread(0, std::as_writable_bytes(std::span(bytes))));
        write_file("/db/wal/" + dropped[i], 0, bytes);
      }
    }
    open();
    EXPECT_EQ(value(r), 22);
    expect_sound();
    store.reset();
  }
  open();
}

/// Case 22 of recovery: many writers, and the sequences in the file rise by one.
TEST_F(Failures, SixteenWritersLeaveSequencesWithoutGaps) {
  close();
  options.sync = SyncMode::none;
  options.segment_bytes = std::uint64_t{4} << 20;
  options.background_maintenance = true;
  open();
  std::vector<std::thread> writers;
  for (int t = 0; t < 16; ++t) {
    writers.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        Transaction tx = begin();
        ASSERT_TRUE(tx.create_node({"N"}, {{"v", i}}));
        ASSERT_TRUE(tx.create_node({"N"}));
        ASSERT_TRUE(tx.commit());
      }
    });
  }
  for (std::thread& each : writers) {
    each.join();
  }
  const auto entries = store->stats().visible;
  EXPECT_GE(entries.value, 32'000U);
  close();
  options.sync = SyncMode::immediate;
  open();  // recovery refuses a log whose sequences do not rise by one
  EXPECT_EQ(store->recovery_report().recovered, entries);
  EXPECT_EQ(store->read().node_count("N"), 16'000U);
  EXPECT_EQ(store->recovery_report().analyse.entries, entries.value);
}

}  // namespace
}  // namespace selvedge
