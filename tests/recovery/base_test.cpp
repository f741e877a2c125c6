// What snapshot and log must have in common before they are a state, and what is left behind.
#include "tests/recovery/recovery_fixture.h"

namespace selvedge::recovery {
namespace {

constexpr std::uint64_t n1 = id_of(0);
constexpr std::uint64_t n2 = id_of(1);

class RecoveryBase : public RecoveryTest {
 protected:
  /// The log's files and their list are gone.
  void no_log() {
    stop();
    for (const auto& each : std::filesystem::directory_iterator(path + "/wal")) {
      std::filesystem::remove(each);
    }
    manifest.segments.clear();
  }
};

TEST_F(RecoveryBase, BackupWhoseOnlySnapshotIsDamagedIsRefused) {
  const auto made = plain(create(n1, 1));
  const auto file = take({.nodes = {{n1, made, 1}}, .kind = snapshot::Kind::backup});
  no_log();
  flip(file, 100);
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, FuzzySnapshotWithoutTheLogItNeedsIsRefused) {
  const auto made = plain(create(n1, 1));
  const auto t = start();
  const auto entry = stream(t, {update(n1, made, 1, 9)});
  take({.nodes = {{n1, entry, 9}}, .low_water = t});
  no_log();
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, SalvageWithoutASoundSnapshotAndWithoutTheLogsBeginningErasesNothing) {
  log_options.segment_entries_max = 2;
  reopen();
  Shot shot;
  for (std::uint64_t i = 0; i < 6; ++i) {
    shot.nodes.push_back({id_of(i), plain(create(id_of(i), 1)), 1});
    ASSERT_TRUE(log->sync_now());
  }
  const auto file = take(shot);
  plain(create(id_of(9), 9));
  stop();
  const auto full = recover_once();
  ASSERT_TRUE(full);
  while (manifest.segments.front().number != full->log.segments.back().info.number) {
    std::filesystem::remove(segment(manifest.segments.front().number));
    manifest.segments.erase(manifest.segments.begin());
  }
  flip(file, 100);
  options.salvage = true;
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, EmbeddingsOfASnapshotComeBack) {
  const auto made = plain(create(n1, 1));
  const auto sequence = embed(n1, 0, 1.0F);
  take({.nodes = {{n1, made, 1}}, .embeddings = {{n1, sequence, 0, {1.0F}}}});
  stop();
  ASSERT_TRUE(recover_once());
  EXPECT_EQ(embedding(n1, 0), std::vector<float>{1.0F});
}

TEST_F(RecoveryBase, LatestEmbeddingWinsOverLogAndSnapshot) {
  const auto made = plain(create(n1, 1));
  const auto begin = plain(create(n2, 1));
  const auto first = embed(n1, 0, 1.0F);
  const auto second = embed(n1, 0, 2.0F);
  take({.nodes = {{n1, made, 1}, {n2, begin, 1}},
        .embeddings = {{n1, first, 0, {1.0F}}},
        .low_water = begin});
  stop();
  ASSERT_TRUE(recover_once());
  EXPECT_EQ(embedding(n1, 0), std::vector<float>{2.0F}) << second;
}

TEST_F(RecoveryBase, EmbeddingOfADeletedNodeIsForgotten) {
  const auto made = plain(create(n1, 1));
  embed(n1, 0, 1.0F);
  plain(remove(n1, made, 1));
  stop();
  ASSERT_TRUE(recover_once());
  EXPECT_EQ(embedding(n1, 0), std::vector<float>{});
  EXPECT_EQ(graph->embeddings.nodes(), 0U);
}

TEST_F(RecoveryBase, EmbeddingInsideATransactionIsRefused) {
  plain(create(n1, 1));
  const auto t = start();
  embed(n1, 0, 1.0F, t);
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, SnapshotThatEndsInsideAFrameOfAnotherHistoryIsRejected) {
  // A snapshot's end inside a frame of the other history is also another history.
  const auto made = plain(create(n1, 1));
  const auto t = start();
  plain(create(n2, 2));
  take({.nodes = {{n1, made, 77}}, .low_water = t});
  no_log();
  open_log();
  define(graph::NameKind::label, 0, "L");
  define(graph::NameKind::type, 0, "T");
  define(graph::NameKind::key, 0, "k");
  plain(create(n1, 1));
  small({create(n2, 2)});  // its frame holds the snapshot's end, and goes beyond it
  expect_state({{{n1, 1}, {n2, 2}}, {}});
}

TEST_F(RecoveryBase, MalformedEntryNamesItsPlace) {
  plain([](ChangeWriter& to) {
    const Bytes bad = {std::byte{9}, std::byte{9}};
    to.create_node(n1, bad);
  });
  stop();
  const auto recovered = recover_once();
  ASSERT_FALSE(recovered);
  EXPECT_EQ(recovered.error().path(), segment(newest_segment())) << recovered.error().message();
}

TEST_F(RecoveryBase, UndefinedLabelIsCorruption) {
  graph::ImageBuilder builder;
  builder.reset();
  builder.add_label(77);
  const auto image = builder.finish();
  const Bytes bytes(image->begin(), image->end());
  plain([&](ChangeWriter& to) { to.create_node(n1, bytes); });
  stop();
  EXPECT_FALSE(recover_once());
}

TEST_F(RecoveryBase, LeftOversOfDroppedSegmentsAreRemoved) {
  log_options.segment_entries_max = 2;
  reopen();
  Shot shot;
  for (std::uint64_t i = 0; i < 6; ++i) {
    shot.nodes.push_back({id_of(i), plain(create(id_of(i), 1)), 1});
    ASSERT_TRUE(log->sync_now());
  }
  take(shot);
  stop();
  const std::uint64_t first = manifest.segments.front().number;
  manifest.segments.erase(manifest.segments.begin());
  reopen();
  EXPECT_FALSE(std::filesystem::exists(segment(first)));
}

TEST_F(RecoveryBase, StrayManifestTemporaryIsRemoved) {
  write(path + "/MANIFEST.tmp", "half");
  reopen();
  EXPECT_FALSE(std::filesystem::exists(path + "/MANIFEST.tmp"));
}

TEST_F(RecoveryBase, TheNextLifeKnowsTheLastFrameWithEntriesNotTheSeal) {
  plain(create(n1, 1));
  const wal::LastFrame last = log->last_frame();
  ASSERT_TRUE(log->close());
  log.reset();
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->last_entries.sequence, last.sequence);
  EXPECT_EQ(recovered->last_entries.header_crc, last.header_crc);
}

TEST_F(RecoveryBase, WallClockOfTheNextLifeStartsAtTheNewestTimeInTheLog) {
  wall_us = 5'000'000;
  plain(create(n1, 1));
  wall_us = 1'000'000;  // the clock was set back
  plain(create(n2, 2));
  stop();
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->wall_us, 5'000'000U);
  std::vector<std::uint64_t> times;
  ASSERT_TRUE(wal::LogScanner(posix_file_system(), path + "/wal")
                  .read_from(recovered->log, 1, [&](const wal::FrameView& frame) {
                    times.push_back(frame.header.wall_us);
                    return Status{};
                  }));
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_EQ(times.back(), 5'000'000U);
}

TEST_F(RecoveryBase, TransactionThatCountsOtherOperationsIsRefused) {
  frame(
      wal::transaction_self, wal::frame_flags::begin | wal::frame_flags::commit, {create(n1, 1)},
      [](ByteWriter& to) { graph::put_begin(to, {}); },
      [](ByteWriter& to) { graph::put_commit(to, 2); });
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, BeforeImageThatIsNewerThanItsChangeIsRefused) {
  const auto made = plain(create(n1, 1));
  const auto t = start({update(n1, made + 100, 1, 2)});
  take({.nodes = {{n1, t + 1, 2}}, .low_water = t});
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, BeforeImageFromFurtherBackThanTheLogIsRefused) {
  plain(create(n1, 1));
  const auto t = start({update_own(n1, std::uint64_t{1} << 40, 1, 2)});
  take({.nodes = {{n1, t + 1, 2}}, .low_water = t});
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBase, NameWithAnIdBeyondTheCountOfNamesIsRefused) {
  define(graph::NameKind::label, 1, "M");
  define(graph::NameKind::label, graph::name_id_max, "far");
  expect_refused(ErrorCode::corruption, segment(1));
}

TEST_F(RecoveryBase, NameThatNoStoreGivesIsRefused) {
  define(graph::NameKind::label, 1, "");
  expect_refused(ErrorCode::corruption, segment(1));
}

TEST_F(RecoveryBase, NamesThatTheSnapshotHasCountForThoseInTheLog) {
  define(graph::NameKind::label, 1, "M");
  const auto made = plain(create(n1, 1));
  take({.nodes = {{n1, made, 1}}});
  define(graph::NameKind::label, 2, "N");
  stop();
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered) << recovered.error().message();
}

TEST_F(RecoveryBase, SnapshotThatIsNotTheListedOneIsRejected) {
  const auto made = plain(create(n1, 1));
  take({.nodes = {{n1, made, 1}}});
  plain(create(n2, 2));
  stop();
  manifest.snapshots.back().digest[0] = manifest.snapshots.back().digest[0] == '0' ? '1' : '0';
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered) << recovered.error().message();
  EXPECT_EQ(recovered->report.rejected_snapshots.size(), 1U);
  EXPECT_EQ(recovered->report.nodes, 2U);
}

}  // namespace
}  // namespace selvedge::recovery
