// Transactions that their owners forget.

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/store/store_fixture.h"
#include "tests/support/seams.h"

namespace selvedge {
namespace {

using std::chrono::milliseconds;
using test::Seams;

class Age : public StoreTest {
 protected:
  static constexpr milliseconds limit{1000};

  void SetUp() override {
    options.transaction_age_max = limit;
    StoreTest::SetUp();
    set_clock(now_us_);
  }
  void set_clock(std::uint64_t now_us) {
    now_us_ = now_us;
    faults->set_wall_clock_us(now_us_);
  }
  void maintain() { must(store->maintain()); }
  /// Time passes, and maintenance looks.
  void pass(milliseconds time) {
    set_clock(now_us_ + static_cast<std::uint64_t>(time.count()) * 1000);
    maintain();
  }
  /// Everything that is open is as old as the limit.
  void grow_old() {
    maintain();
    pass(limit / 2);
    pass(limit / 2);
  }
  /// The store as the next one after a crash finds it; the transaction is in no store any more.
  void lose_power_under(Transaction tx, Keep keep) {
    auto after = memory->crash(keep, 7);
    { const Transaction gone = std::move(tx); }
    store.reset();
    faults = std::make_unique<FaultyFileSystem>(*after);
    memory = std::move(after);
    open();
    set_clock(now_us_);
  }
  void expect_expired(const Status& status) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code(), ErrorCode::finished);
    EXPECT_NE(status.error().message().find("age"), std::string::npos) << status.error().message();
  }
  template <class T>
  static Status status_of(Result<T> result) {
    return result ? Status{} : fail(std::move(result).error());
  }
  /// Several versions of a node, each in a commit.
  void churn(NodeId id, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      must(store->set(id, "v", i));
      maintain();
    }
  }

 private:
  std::uint64_t now_us_ = 1'800'000'000'000'000;
};

constexpr milliseconds Age::limit;

// --- when ----------------------------------------------------------------------------------------

TEST_F(Age, AForgottenTransactionIsAborted) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  grow_old();
  EXPECT_TRUE(tx.finished());
  must(store->set(id, "v", 3));
  expect_expired(tx.set(id, "v", 4));
  expect_expired(status_of(tx.commit()));
  expect_expired(tx.abort());
  EXPECT_EQ(value(id), 3);
  EXPECT_EQ(store->stats().transactions_expired, 1U);
  EXPECT_EQ(store->stats().aborts, 1U);
  EXPECT_EQ(store->stats().transactions_active, 0U);
  expect_sound();
}

TEST_F(Age, NothingIsAbortedBeforeItsTime) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  maintain();
  for (int i = 0; i < 9; ++i) {
    pass(limit / 10);
  }
  pass(limit / 10 - milliseconds(1));
  EXPECT_FALSE(tx.finished());
  ASSERT_TRUE(tx.commit());
  EXPECT_EQ(value(id), 2);
}

TEST_F(Age, ItIsAbortedAtItsTime) {
  auto tx = begin();
  maintain();
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(tx.finished());
    pass(limit / 10);
  }
  EXPECT_TRUE(tx.finished());
}

TEST_F(Age, WithoutALimitItStaysOpen) {
  auto made = store->begin({.age_max = milliseconds(0)});
  ASSERT_TRUE(made);
  for (int i = 0; i < 100; ++i) {
    pass(limit);
  }
  EXPECT_FALSE(made->finished());
  EXPECT_TRUE(made->create_node({"N"}));
  EXPECT_TRUE(made->commit());
}

TEST_F(Age, ATransactionsOwnLimitCounts) {
  auto patient = store->begin({.age_max = 10 * limit});
  auto hasty = store->begin({.age_max = limit / 10});
  ASSERT_TRUE(patient && hasty);
  auto usual = begin();
  maintain();
  for (int i = 0; i < 2; ++i) {
    pass(limit / 20);
  }
  EXPECT_TRUE(hasty->finished());
  EXPECT_FALSE(usual.finished());
  grow_old();
  EXPECT_TRUE(usual.finished());
  EXPECT_FALSE(patient->finished());
  EXPECT_TRUE(patient->commit());
}

TEST_F(Age, ANegativeLimitIsRefused) {
  const auto made = store->begin({.age_max = milliseconds(-1)});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), ErrorCode::invalid_argument);
}

TEST_F(Age, ANegativeTimeInTheOptionsIsRefused) {
  for (const auto set : std::vector<void (*)(Options&)>{
           [](Options& o) { o.transaction_age_max = milliseconds(-1); },
           [](Options& o) { o.batch_interval = milliseconds(-1); },
           [](Options& o) { o.checkpoint_interval = std::chrono::seconds(-1); },
           [](Options& o) { o.snapshot_age = std::chrono::seconds(-1); },
           [](Options& o) { o.log_retention.age = std::chrono::seconds(-1); }}) {
    Options wrong = options;
    set(wrong);
    const auto opened = Store::open("/other", wrong);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(opened.error().message().find("Options::"), std::string::npos);
  }
}

TEST_F(Age, TheLargestLimitIsNeverReached) {
  auto made = store->begin({.age_max = milliseconds::max()});
  ASSERT_TRUE(made);
  grow_old();
  EXPECT_FALSE(made->finished());
}

TEST_F(Age, AJumpOfTheClockAbortsNothingYoung) {
  auto tx = begin();
  maintain();
  pass(std::chrono::hours(24 * 365));
  EXPECT_FALSE(tx.finished()) << "half its limit at most";
  set_clock(1);
  maintain();
  pass(limit / 4);
  EXPECT_FALSE(tx.finished()) << "a clock that goes back moves nothing";
  set_clock(std::numeric_limits<std::uint64_t>::max());
  maintain();
  EXPECT_TRUE(tx.finished()) << "what was old anyway";
}

TEST_F(Age, TheNextUserOfASlotIsYoung) {
  for (int i = 0; i < 8; ++i) {
    auto tx = begin();
    ASSERT_TRUE(tx.create_node({"N"}));
    pass(limit / 2 + milliseconds(1));
    ASSERT_TRUE(tx.commit());
  }
  EXPECT_EQ(store->stats().transactions_expired, 0U);
}

// --- between two operations only -----------------------------------------------------------------

TEST_F(Age, NobodyIsAbortedAtWork) {
  const NodeId id = node(1);
  auto tx = begin();
  Seams seams;
  seams.at("txn.create_edge.checked", 1, [&] {
    grow_old();
    grow_old();
  });
  const auto edge = tx.create_edge(id, "E", id);
  ASSERT_TRUE(edge) << edge.error().message();
  ASSERT_TRUE(seams.done());
  EXPECT_FALSE(tx.finished());
  EXPECT_EQ(tx.degree(id, Direction::out), 1U);
  maintain();
  EXPECT_TRUE(tx.finished());
  EXPECT_FALSE(store->read().exists(*edge));
}

TEST_F(Age, NobodyIsAbortedInItsCommit) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  Seams seams;
  seams.at("txn.commit.validated", 1, [&] {
    grow_old();
    grow_old();
  });
  ASSERT_TRUE(tx.commit());
  ASSERT_TRUE(seams.done());
  EXPECT_EQ(value(id), 2);
  EXPECT_EQ(store->stats().transactions_expired, 0U);
}

TEST_F(Age, AReadInTheMiddleOfItIsNoRead) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  Seams seams;
  int looks = 0;
  const auto look = [&] {
    ++looks;
    expect_expired(status_of(tx.get(id)));
    EXPECT_FALSE(tx.exists(id));
  };
  seams.at("txn.expire.begun", 1, look);
  seams.at("txn.expire.undone", 1, look);
  grow_old();
  EXPECT_EQ(looks, 2);
}

// --- what it held --------------------------------------------------------------------------------

TEST_F(Age, TheHorizonMoves) {
  const NodeId id = node(1);
  auto tx = begin();
  EXPECT_TRUE(tx.get(id));
  churn(id, 8);
  const Sequence before = store->stats().horizon;
  churn(id, 8);
  EXPECT_EQ(store->stats().horizon, before);
  grow_old();
  EXPECT_GT(store->stats().horizon, before);
  EXPECT_EQ(store->stats().horizon, store->stats().durable);
  churn(id, 1);
  EXPECT_EQ(store->stats().finished_waiting, 0U);
  EXPECT_EQ(store->stats().views_open, 0U);
}

TEST_F(Age, AClaimOnWhatDoesNotExistIsGivenBack) {
  const NodeId id = node(1);
  auto tx = begin();
  ASSERT_TRUE(tx.create_edge_if_absent(id, "E", id));
  EXPECT_FALSE(store->create_edge_if_absent(id, "E", id));
  grow_old();
  const auto made = store->create_edge_if_absent(id, "E", id);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->created);
  EXPECT_EQ(store->read().degree(id, Direction::both), 1U);
}

class StreamedAge : public Age {
 protected:
  void SetUp() override {
    options.transaction_buffer_bytes = 0;
    Age::SetUp();
    close();
    options.segment_bytes = std::uint64_t{64} << 10;
    open();
  }
  /// Fills several segments, and takes checkpoints between.
  void fill_log() {
    const std::string text(8'000, 'x');
    for (int i = 0; i < 4; ++i) {
      for (int k = 0; k < 16; ++k) {
        ASSERT_TRUE(store->create_node({"Filler"}, {{"t", text}}));
      }
      must(store->checkpoint());
    }
  }
};

TEST_F(StreamedAge, TheLogCanBeDroppedAfterwards) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  fill_log();
  maintain();
  const std::uint64_t number = store->stats().transaction_oldest_number;
  EXPECT_NE(number, 0U);
  fill_log();
  const std::size_t held = files_in("/db/wal").size();
  EXPECT_GE(held, 8U) << "nothing is dropped while it is open";
  grow_old();
  fill_log();
  fill_log();
  EXPECT_LE(files_in("/db/wal").size(), held) << "what is dropped is used again";
  EXPECT_TRUE(tx.finished());
  { const Transaction gone = std::move(tx); }
  reopen();
  EXPECT_GT(store->recovery_report().low_water.value, number);
  EXPECT_LT(store->recovery_report().segments, held);
  EXPECT_EQ(value(id), 1);
  expect_sound();
}

TEST_F(StreamedAge, ItIsUndoneAndItsAbortIsLogged) {
  const NodeId id = node(1);
  {
    auto tx = begin();
    must(tx.set(id, "v", 2));
    ASSERT_TRUE(tx.create_node({"Lost"}));
    ASSERT_TRUE(tx.create_edge(id, "E", id));
    grow_old();
    EXPECT_TRUE(tx.uuid()) << "it is in the log, so it has a name";
  }
  EXPECT_EQ(value(id), 1);
  EXPECT_EQ(store->read().node_count("Lost"), 0U);
  reopen();
  const RecoveryReport& report = store->recovery_report();
  EXPECT_EQ(report.transactions_aborted, 1U);
  EXPECT_EQ(report.transactions_incomplete, 0U);
  EXPECT_EQ(value(id), 1);
  expect_sound();
}

TEST_F(StreamedAge, SavepointsAndCompensationsAreUndoneToo) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  const auto mark = tx.savepoint();
  ASSERT_TRUE(mark);
  must(tx.set(id, "v", 3));
  ASSERT_TRUE(tx.create_edge(id, "E", id));
  must(tx.rollback_to(*mark));
  must(tx.set(id, "v", 4));
  grow_old();
  expect_expired(tx.rollback_to(*mark));
  expect_expired(status_of(tx.savepoint()));
  EXPECT_EQ(value(id), 1);
  EXPECT_EQ(store->read().edge_count(), 0U);
  must(store->delete_node(id));
  reopen();
  EXPECT_FALSE(store->read().exists(id));
  expect_sound();
}

TEST_F(StreamedAge, ACrashRightAfterwardsBringsNothingBack) {
  for (const Keep keep : {Keep::nothing, Keep::everything, Keep::random, Keep::cached}) {
    const NodeId id = node(1);
    auto tx = begin();
    must(tx.set(id, "v", 2));
    must(store->sync());  // the loser's entries are on the disk
    grow_old();
    lose_power_under(std::move(tx), keep);
    EXPECT_EQ(value(id), 1);
    must(store->set(id, "v", 5));
    reopen();
    EXPECT_EQ(value(id), 5);
    expect_sound();
  }
}

TEST_F(StreamedAge, ACrashInTheMiddleOfItBringsNothingBack) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  must(store->sync());
  Seams seams;
  std::unique_ptr<MemoryFileSystem> after;
  seams.at("txn.abort.unlinked", 1, [&] { after = memory->crash(Keep::everything, 1); });
  grow_old();
  ASSERT_TRUE(seams.done());
  { const Transaction gone = std::move(tx); }
  store.reset();
  faults = std::make_unique<FaultyFileSystem>(*after);
  memory = std::move(after);
  open();
  EXPECT_EQ(store->recovery_report().transactions_incomplete, 1U);
  EXPECT_EQ(value(id), 1);
  expect_sound();
}

TEST_F(StreamedAge, AnAbortThatCannotBeLoggedEndsItAllTheSame) {
  const NodeId id = node(1);
  auto tx = begin();
  must(tx.set(id, "v", 2));
  Seams seams;
  seams.at("txn.expire.begun", 1, [&] {
    faults->fail_next({.operation = test::Operation::sync_data});
    std::thread([&] { EXPECT_FALSE(store->sync()); }).join();
  });
  grow_old();
  ASSERT_TRUE(seams.done());
  EXPECT_TRUE(store->stats().poisoned);
  EXPECT_TRUE(tx.finished());
  EXPECT_EQ(store->stats().transactions_active, 0U);
  EXPECT_EQ(value(id), 1);
  { const Transaction gone = std::move(tx); }
  lose_power();
  EXPECT_EQ(value(id), 1);
  expect_sound();
}

// --- what the owner still holds ------------------------------------------------------------------

TEST_F(Age, ReadsFindNothing) {
  const NodeId id = node(1);
  ASSERT_TRUE(store->create_edge(id, "E", id));
  auto tx = begin();
  const auto edge = tx.edge_between(id, id);
  ASSERT_TRUE(edge);
  grow_old();
  expect_expired(status_of(tx.get(id)));
  expect_expired(status_of(tx.get(*edge)));
  EXPECT_FALSE(tx.get(std::array{id})[0]);
  EXPECT_FALSE(tx.exists(id));
  EXPECT_EQ(tx.node_count(), 0U);
  EXPECT_EQ(tx.degree(id, Direction::out), 0U);
  EXPECT_TRUE(tx.neighbours(id, Direction::out).empty());
  EXPECT_TRUE(tx.edges_between(id, id).empty());
  EXPECT_FALSE(tx.first("N"));
  EXPECT_FALSE(tx.nodes().next());
  EXPECT_FALSE(tx.edges().next());
  EXPECT_FALSE(tx.out_edges(id).next());
  expect_expired(tx.set(id, "v", 9));
  expect_expired(status_of(tx.get(id)));
}

TEST_F(Age, OpenCursorsAreAtTheirEndAndSafe) {
  const NodeId id = node(1);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(store->create_edge(id, "E", id, {{"w", i}}));
  }
  auto tx = begin();
  auto list = tx.out_edges(id);
  auto all = tx.nodes();
  auto scan = tx.edges();
  ASSERT_TRUE(list.next() && all.next() && scan.next());
  const std::int64_t before = *all.node()["v"].as_int64();
  grow_old();
  must(store->detach_delete_node(id));
  for (int i = 0; i < 200; ++i) {
    const NodeId other = node(100 + i);
    ASSERT_TRUE(store->create_edge(other, "E", other));
    maintain();
  }
  EXPECT_EQ(all.node()["v"].as_int64(), before) << "what it stands on is pinned";
  EXPECT_EQ(list.edge().properties().size(), 0U);
  EXPECT_FALSE(list.next() || all.next() || scan.next());
  EXPECT_FALSE(list.next() || all.next() || scan.next());
  expect_sound();
}

TEST_F(Age, ACursorMayOutliveIt) {
  const NodeId id = node(1);
  std::optional<NodeCursor> cursor;
  {
    auto tx = begin();
    cursor.emplace(tx.nodes());
    ASSERT_TRUE(cursor->next());
    grow_old();
  }
  churn(id, 20);
  cursor.reset();
  churn(id, 20);
  EXPECT_EQ(store->stats().views_open, 0U);
}

TEST_F(Age, HandlesStayReadableForAsLongAgain) {
  const std::string text(500, 'a');
  const auto id = store->create_node({"N"}, {{"t", text}});
  ASSERT_TRUE(id);
  auto tx = begin();
  const auto handle = tx.get(*id);
  ASSERT_TRUE(handle);
  const auto borrowed = (*handle)["t"].as_string();
  ASSERT_TRUE(borrowed);
  must(tx.set(*id, "other", 1));
  grow_old();
  const std::string fill(500, 'b');
  for (int i = 0; i < 300; ++i) {
    must(store->set(*id, "t", fill));
    maintain();
  }
  EXPECT_EQ(*borrowed, text);
  EXPECT_EQ((*handle)["t"].as_string(), text);
  const std::uint64_t kept = store->stats().memory_used_bytes;
  pass(limit / 2);
  pass(limit / 2);
  maintain();
  EXPECT_LT(store->stats().memory_used_bytes, kept - 300 * text.size() / 2)
      << "then what it kept is used again";
}

TEST_F(Age, LettingGoGivesTheMemoryBackAtOnce) {
  const NodeId id = node(1);
  auto tx = begin();
  grow_old();
  const std::string fill(500, 'b');
  for (int i = 0; i < 300; ++i) {
    must(store->set(id, "t", fill));
    maintain();
  }
  const std::uint64_t kept = store->stats().memory_used_bytes;
  expect_expired(tx.set(id, "v", 1));
  maintain();
  EXPECT_LT(store->stats().memory_used_bytes, kept - 300 * fill.size() / 2);
}

TEST_F(Age, TheStoreIsNotClosedUnderIt) {
  auto tx = begin();
  grow_old();
  const Status refused = store->close();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  expect_expired(status_of(tx.commit()));
  close();
}

TEST_F(Age, TransactDoesNotTryAgain) {
  const NodeId id = node(1);
  int runs = 0;
  const Status done = store->transact([&](Transaction& tx) -> Status {
    ++runs;
    SELVEDGE_TRY(tx.set(id, "v", 2));
    grow_old();
    return {};
  });
  expect_expired(done);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(value(id), 1);
}

// --- what is told --------------------------------------------------------------------------------

TEST_F(StreamedAge, StatsNameTheOldest) {
  EXPECT_EQ(store->stats().transaction_oldest_age, milliseconds(0));
  auto old = store->begin({.age_max = milliseconds(0)});
  ASSERT_TRUE(old);
  maintain();
  pass(milliseconds(300));
  StoreStats stats = store->stats();
  EXPECT_EQ(stats.transaction_oldest_age, milliseconds(300));
  EXPECT_EQ(stats.view_oldest_age, milliseconds(300));
  EXPECT_FALSE(stats.transaction_oldest_uuid) << "nothing of it is in the log";
  ASSERT_TRUE(old->create_node({"N"}));
  auto young = begin();
  ASSERT_TRUE(young.create_node({"N"}));
  maintain();
  pass(milliseconds(100));
  stats = store->stats();
  EXPECT_EQ(stats.transaction_oldest_age, milliseconds(400));
  EXPECT_EQ(stats.transaction_oldest_uuid, old->uuid());
  EXPECT_NE(stats.transaction_oldest_number, 0U);
  ASSERT_TRUE(old->commit());
  EXPECT_EQ(store->stats().transaction_oldest_age, milliseconds(100));
  EXPECT_EQ(store->stats().transaction_oldest_uuid, young.uuid());
}

TEST_F(Age, AViewGrowsOldButIsNotEnded) {
  const NodeId id = node(1);
  const auto view = store->read();
  maintain();
  for (int i = 0; i < 10; ++i) {
    pass(limit);
  }
  EXPECT_EQ(store->stats().view_oldest_age, 10 * limit);
  EXPECT_EQ(store->stats().transaction_oldest_age, milliseconds(0));
  EXPECT_TRUE(view.exists(id));
}

}  // namespace
}  // namespace selvedge
