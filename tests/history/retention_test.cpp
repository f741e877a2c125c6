// What is kept and what is let go of; readers that are in the way; disk use under steady writes.
#include <algorithm>

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

using std::chrono::seconds;

class RetentionTest : public StoreTest {
 protected:
  static constexpr std::uint64_t segment_bytes = 16 << 10;

  void reopen_with(const std::function<void(Options&)>& change) {
    close();
    options.segment_bytes = segment_bytes;
    options.log_buffer_bytes = 4 << 10;
    change(options);
    open();
  }
  /// About so many segments of log.
  void write_segments(int count) {
    const std::uint64_t wanted =
        store->stats().log_bytes + static_cast<std::uint64_t>(count) * segment_bytes;
    while (store->stats().log_bytes < wanted) {
      must(store->set(steady, "text", std::string(1000, static_cast<char>('a' + turn++ % 26))));
    }
  }
  void checkpoints(int count, int segments_between = 2) {
    for (int i = 0; i < count; ++i) {
      write_segments(segments_between);
      must(store->checkpoint());
    }
  }
  std::uint64_t oldest() const {
    const auto log = store->txlog();
    EXPECT_TRUE(log);
    return log->first().value;
  }
  std::size_t listed_segments() const {
    auto log = store->txlog();
    EXPECT_TRUE(log);
    const std::string manifest = read_file("/db/MANIFEST");
    std::size_t count = 0;
    for (std::size_t at = manifest.find("\"number\""); at != std::string::npos;
         at = manifest.find("\"number\"", at + 1)) {
      ++count;
    }
    return count;
  }
  std::uint64_t bytes_on_disk() const {
    std::uint64_t bytes = 0;
    for (const char* directory : {"/db/wal", "/db/snapshots", "/db/history"}) {
      if (*memory->kind(directory) != FileKind::directory) {
        continue;
      }
      for (const std::string& name : files_in(directory)) {
        bytes += *(*memory->open(std::string(directory) + "/" + name, OpenMode::read))->size();
      }
    }
    return bytes;
  }
  void make_steady() { steady = node(0); }

  NodeId steady;
  int turn = 0;
};

TEST_F(RetentionTest, DiskUseIsBoundedUnderSteadyWrites) {
  reopen_with([](Options& each) { each.checkpoint_log_bytes = 8 * segment_bytes; });
  make_steady();
  std::uint64_t most = 0;
  for (int i = 0; i < 400; ++i) {
    write_segments(1);
    must(store->maintain());
    most = std::max(most, bytes_on_disk());
  }
  // The log of two checkpoints and one under way, the files kept for reuse, and snapshots of one
  // node.
  const std::uint64_t bound = (3 * 8 + 4 + 3) * segment_bytes;
  EXPECT_LE(most, bound);
  EXPECT_GE(store->stats().log_bytes, 400 * segment_bytes);
  RecordProperty("bytes_most", static_cast<int>(most));
}

TEST_F(RetentionTest, ByDefaultNothingStaysThatRecoveryDoesNotNeed) {
  reopen_with([](Options&) {});
  make_steady();
  checkpoints(6);
  EXPECT_GT(oldest(), 1U);
  EXPECT_LE(listed_segments(), 7U);
}

TEST_F(RetentionTest, ALedgerKeepsEverything) {
  reopen_with([](Options& each) { each.log_retention.everything = true; });
  make_steady();
  checkpoints(6);
  reopen();
  EXPECT_EQ(oldest(), 1U);
}

TEST_F(RetentionTest, SegmentsAreKeptByCount) {
  reopen_with([](Options& each) { each.log_retention.segments = 5; });
  make_steady();
  checkpoints(3);
  const std::size_t before = listed_segments();
  checkpoints(8);
  EXPECT_GT(oldest(), 1U);
  EXPECT_LE(listed_segments(), 5U + 7U);
  EXPECT_GE(listed_segments(), std::min<std::size_t>(before, 10U));
}

TEST_F(RetentionTest, SegmentsAreKeptByBytes) {
  reopen_with([](Options& each) { each.log_retention.bytes = 5 * segment_bytes; });
  make_steady();
  checkpoints(8);
  EXPECT_GE(listed_segments(), 9U);
  EXPECT_LE(listed_segments(), 12U);
}

TEST_F(RetentionTest, SegmentsAreKeptByAge) {
  faults->set_wall_clock_us(1'000'000'000);
  reopen_with([](Options& each) { each.log_retention.age = seconds(100); });
  make_steady();
  checkpoints(4);
  EXPECT_EQ(oldest(), 1U);
  faults->set_wall_clock_us(1'050'000'000);
  checkpoints(2);
  EXPECT_EQ(oldest(), 1U);
  faults->set_wall_clock_us(1'120'000'000);
  checkpoints(1);
  EXPECT_GT(oldest(), 1U);
  const std::uint64_t middle = oldest();
  faults->set_wall_clock_us(1'300'000'000);
  checkpoints(2);
  EXPECT_GT(oldest(), middle);
}

TEST_F(RetentionTest, SnapshotsAreKeptByCountAndNeverFewerThanTwo) {
  for (const unsigned count : {0U, 4U}) {
    reopen_with([&](Options& each) { each.snapshots_kept = count; });
    make_steady();
    checkpoints(7);
    EXPECT_EQ(files_in("/db/snapshots").size(), std::max(count, 2U));
  }
}

TEST_F(RetentionTest, SnapshotsAreKeptByAge) {
  faults->set_wall_clock_us(1'000'000'000);
  reopen_with([&](Options& each) { each.snapshot_age = seconds(100); });
  make_steady();
  checkpoints(5);
  EXPECT_EQ(files_in("/db/snapshots").size(), 5U);
  faults->set_wall_clock_us(1'101'000'000);
  checkpoints(1);
  EXPECT_EQ(files_in("/db/snapshots").size(), 2U);
}

TEST_F(RetentionTest, EverySnapshotThatIsKeptCanBeRecoveredFrom) {
  reopen_with([&](Options& each) { each.snapshots_kept = 4; });
  make_steady();
  checkpoints(7);
  write_segments(1);
  const std::string digest = store->digest();
  close();
  const auto snapshots = files_in("/db/snapshots");
  ASSERT_EQ(snapshots.size(), 4U);
  for (std::size_t damaged = 1; damaged < snapshots.size(); ++damaged) {
    write_file("/db/snapshots/" + snapshots[snapshots.size() - damaged], 40, "damage");
    options.read_only = true;
    open();
    EXPECT_EQ(store->digest(), digest);
    close();
  }
  options.read_only = false;
  open();
}

TEST_F(RetentionTest, ASegmentTakesItsIndexWithIt) {
  reopen_with([](Options&) {});
  make_steady();
  for (int i = 0; i < 8; ++i) {
    checkpoints(1);
    for (int round = 0; round < 8; ++round) {
      must(store->maintain());
    }
  }
  for (const std::string& name : files_in("/db/history")) {
    const std::string segment = name.substr(0, name.find('.')) + ".wal";
    EXPECT_NE(read_file("/db/MANIFEST").find(std::to_string(std::stoi(segment))),
              std::string::npos);
    EXPECT_EQ(*memory->kind("/db/wal/" + segment), FileKind::file) << name;
  }
}

TEST_F(RetentionTest, IndexesOfSegmentsThatAreGoneAreRemovedByTheNextOpen) {
  reopen_with([](Options&) {});
  make_steady();
  checkpoints(4);
  must(store->maintain());
  write_file("/db/history/000001.idx", 0, "old");
  write_file("/db/history/000077.idx.tmp", 0, "half");
  write_file("/db/history/notes.txt", 0, "mine");
  reopen();
  const auto files = files_in("/db/history");
  EXPECT_EQ(std::count(files.begin(), files.end(), "000001.idx"), 0);
  EXPECT_EQ(std::count(files.begin(), files.end(), "000077.idx.tmp"), 0);
  EXPECT_EQ(std::count(files.begin(), files.end(), "notes.txt"), 1);
}

// --- compressed segments -----------------------------------------------------------------------

class CompressedTest : public RetentionTest {
 protected:
  void SetUp() override {
    RetentionTest::SetUp();
    reopen_with([](Options& each) {
      each.log_retention.everything = true;
      each.log_retention.compression = Compression::zstd;
    });
    make_steady();
  }
  void maintain() {
    for (int round = 0; round < 40; ++round) {
      must(store->maintain());
    }
  }
  std::vector<std::string> archives() const {
    std::vector<std::string> names = files_in("/db/history");
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".wal.zst"); });
    return names;
  }
  void expect_whole(const Result<Txlog>& log) const {
    ASSERT_TRUE(log) << log.error().message();
    EXPECT_EQ(log->first(), Sequence{1});
    std::uint64_t expected = 1;
    auto cursor = log->entries();
    while (cursor->next()) {
      ASSERT_EQ(cursor->entry().sequence.value, expected++);
    }
    EXPECT_TRUE(cursor->status()) << cursor->status().error().message();
    EXPECT_EQ(expected, log->last().value + 1);
    for (std::uint64_t from = 1; from < expected; from += 13) {
      auto one = log->entries({from}, {}, 1);
      ASSERT_TRUE(one->next());
      EXPECT_EQ(one->entry().sequence.value, from);
    }
  }
};

TEST_F(CompressedTest, ALedgerIsSmallAndReadsTheSame) {
  checkpoints(5);
  const std::uint64_t before = bytes_on_disk();
  maintain();
  EXPECT_GE(archives().size(), 5U);
  EXPECT_LT(bytes_on_disk(), before);
  expect_whole(store->txlog());
  reopen();
  expect_whole(store->txlog());
  close();
  expect_whole(Txlog::open("/db", {.file_system = memory.get()}));
  open();
}

TEST_F(CompressedTest, WhatRecoveryNeedsIsNotCompressed) {
  checkpoints(6);
  maintain();
  const std::string digest = store->digest();
  close();
  const auto snapshots = files_in("/db/snapshots");
  write_file("/db/snapshots/" + snapshots.back(), 40, "damage");
  open();
  EXPECT_EQ(store->digest(), digest);
  expect_whole(store->txlog());
}

TEST_F(CompressedTest, ReadersGoOnWhileTheirSegmentIsCompressed) {
  checkpoints(4);
  {
    auto cursor = store->txlog()->entries();
    std::uint64_t expected = 1;
    while (cursor->next()) {
      EXPECT_EQ(cursor->entry().sequence.value, expected++);
      if (expected % 5 == 0) {
        must(store->maintain());
      }
    }
    EXPECT_TRUE(cursor->status()) << cursor->status().error().message();
    EXPECT_EQ(expected, store->stats().durable.value + 1);
  }
  EXPECT_FALSE(archives().empty());
}

TEST_F(CompressedTest, TheyAreLetGoOfLikeOthers) {
  checkpoints(5);
  maintain();
  const std::size_t before = archives().size();
  ASSERT_GE(before, 4U);
  close();
  options.log_retention.everything = false;
  options.log_retention.segments = 3;
  open();
  checkpoints(1);
  EXPECT_LE(archives().size(), 3U);
  EXPECT_GT(oldest(), 1U);
  reopen();
  EXPECT_LE(archives().size(), 3U);
}

TEST_F(CompressedTest, OnesThatAreNotListedAreRemovedByTheNextOpen) {
  checkpoints(4);
  maintain();
  write_file("/db/history/000099.wal.zst", 0, "not adopted");
  write_file("/db/history/000098.wal.zst.tmp", 0, "half");
  reopen();
  for (const std::string& name : files_in("/db/history")) {
    EXPECT_FALSE(name.starts_with("00009")) << name;
  }
  expect_whole(store->txlog());
}

TEST_F(CompressedTest, DamageIsNamedAndStopsNobodyElse) {
  checkpoints(4);
  maintain();
  const std::string path = "/db/history/" + archives()[1];
  const std::string whole = read_file(path);
  for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 60) {
    close();
    write_file(path, at, std::string(1, static_cast<char>(whole[at] ^ 16)));
    open();
    {
      const auto log = store->txlog();
      ASSERT_TRUE(log) << log.error().message();
      auto cursor = log->entries();
      while (cursor && cursor->next()) {
      }
      ASSERT_TRUE(cursor);
      ASSERT_FALSE(cursor->status()) << "byte " << at;
      EXPECT_EQ(cursor->status().error().path(), path) << cursor->status().error().message();
      auto rest = log->entries(log->last());
      EXPECT_TRUE(rest->next());
    }
    write_segments(1);
    must(store->checkpoint());
    write_file(path, at, whole.substr(at, 1));
  }
  reopen();
  expect_whole(store->txlog());
}

// --- readers -----------------------------------------------------------------------------------

TEST_F(RetentionTest, WhatARunningReaderHasNotReadStays) {
  reopen_with([](Options&) {});
  make_steady();
  write_segments(3);
  {
    auto cursor = store->txlog()->entries({5});
    ASSERT_TRUE(cursor);
    checkpoints(8);
    std::uint64_t expected = 5;
    while (cursor->next()) {
      EXPECT_EQ(cursor->entry().sequence.value, expected++);
    }
    EXPECT_TRUE(cursor->status()) << cursor->status().error().message();
    EXPECT_EQ(expected, store->stats().durable.value + 1);
    checkpoints(3);
    EXPECT_GT(oldest(), 5U);
  }
}

TEST_F(RetentionTest, AFeedHoldsTransactionsThatItSawBegin) {
  reopen_with([](Options& each) { each.transaction_buffer_bytes = 0; });
  make_steady();
  auto tx = begin();
  EXPECT_TRUE(tx.create_node({"Long"}));
  EXPECT_TRUE(tx.create_node({"Long"}));
  auto feed = store->feed({1});
  ASSERT_TRUE(feed);
  while (feed->next()) {
  }
  ASSERT_TRUE(tx.commit());
  checkpoints(6);
  int changes = 0;
  ASSERT_TRUE(feed->next()) << feed->status().error().message();
  while (feed->next_change()) {
    EXPECT_TRUE(feed->change().after.has_label("Long"));
    ++changes;
  }
  EXPECT_EQ(changes, 2);
}

TEST_F(RetentionTest, AReaderThatIsTooSlowLosesItsPlaceAndIsTold) {
  reopen_with([](Options& each) { each.reader_lag_bytes_max = 4 * segment_bytes; });
  make_steady();
  write_segments(3);
  auto cursor = store->txlog()->entries({5});
  auto feed = store->feed({5});
  ASSERT_TRUE(cursor && feed);
  ASSERT_TRUE(cursor->next());
  ASSERT_TRUE(feed->next());
  checkpoints(10);
  while (cursor->next()) {
  }
  ASSERT_FALSE(cursor->status());
  EXPECT_EQ(cursor->status().error().code(), ErrorCode::not_retained);
  EXPECT_NE(cursor->status().error().message().find(std::to_string(oldest())), std::string::npos);
  while (feed->next()) {
  }
  ASSERT_FALSE(feed->status());
  EXPECT_EQ(feed->status().error().code(), ErrorCode::not_retained);
  EXPECT_EQ(store->feed({5}).error().code(), ErrorCode::not_retained);
  EXPECT_EQ(store->txlog()->entries({5}).error().code(), ErrorCode::not_retained);
  EXPECT_EQ(store->txlog()->by_transaction(TxnNumber{5}).error().code(), ErrorCode::not_retained);
}

}  // namespace
}  // namespace selvedge
