// Damage, snapshots and files: what recovery chooses, refuses, reports and removes.

#include "base/crc32c.h"
#include "tests/recovery/recovery_fixture.h"

namespace selvedge::recovery {
namespace {

constexpr std::uint64_t n1 = id_of(0);
constexpr std::uint64_t n2 = id_of(1);
constexpr std::uint64_t n3 = id_of(2);

class RecoveryFiles : public RecoveryTest {
 protected:
  /// Five nodes, each in a group of its own. Returns the sequence of the first.
  std::uint64_t five_groups() {
    std::uint64_t first = 0;
    for (std::uint64_t i = 0; i < 5; ++i) {
      const auto sequence = plain(create(id_of(i), static_cast<std::int64_t>(i)));
      EXPECT_TRUE(log->sync_now());
      first = i == 0 ? sequence : first;
    }
    return first;
  }
};

TEST_F(RecoveryFiles, FlipInAMiddleFrameIsRefused) {
  const auto first = five_groups();
  stop();
  const auto at = place(first + 2);
  const std::string file = segment(at.segment);
  flip(file, at.offset + at.header.header_bytes() + 3);
  expect_refused(ErrorCode::corruption, file);
  const auto refused = recover_once();
  EXPECT_EQ(refused.error().offset(), at.offset) << refused.error().message();
  EXPECT_FALSE(refused.error().expected().empty());
  EXPECT_FALSE(refused.error().found().empty());
}

TEST_F(RecoveryFiles, SalvageKeepsWhatIsBeforeTheFlipAndReportsTheRest) {
  const auto first = five_groups();
  stop();
  const auto at = place(first + 2);
  flip(segment(at.segment), at.offset + at.header.header_bytes() + 3);
  options.salvage = true;
  expect_state({{{n1, 0}, {n2, 1}}, {}});
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  EXPECT_TRUE(recovered->report.salvaged);
  EXPECT_FALSE(recovered->report.damage.empty());
  ASSERT_EQ(recovered->report.dropped.size(), 1U);
  EXPECT_EQ(recovered->report.dropped[0].offset, at.offset);
  EXPECT_EQ(recovered->next_sequence, first + 2);
}

TEST_F(RecoveryFiles, SalvageUsesOnlySnapshotsThatEndBeforeTheCut) {
  const auto made = plain(create(n1, 1));
  take({.nodes = {{n1, made, 1}}});
  const auto second = plain(create(n2, 2));
  ASSERT_TRUE(log->sync_now());
  const auto mark = start();
  stream(mark, {create(n3, 3)});
  take({.nodes = {{n1, made, 1}, {n2, second, 2}, {n3, mark + 1, 3}}, .low_water = mark});
  abort(mark);
  stop();
  const auto at = place(mark + 1);
  flip(segment(at.segment), at.offset + at.header.header_bytes() + 3);
  expect_refused(ErrorCode::corruption);
  options.salvage = true;
  expect_state({{{n1, 1}, {n2, 2}}, {}});
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->report.snapshot, "1.snap");
  ASSERT_EQ(recovered->report.rejected_snapshots.size(), 1U);
  ASSERT_EQ(recovered->snapshots.size(), 1U);
}

TEST_F(RecoveryFiles, FrameOfANewerFormatIsRefused) {
  const auto first = five_groups();
  stop();
  const auto at = place(first + 4);
  const std::string file = segment(at.segment);
  std::string content = read(file);
  const auto salt = static_cast<std::uint32_t>(manifest.segments.front().salt);
  char* head = content.data() + at.offset;
  head[34] = 2;
  const auto crc = base::crc32c(
      salt, std::as_bytes(std::span(content)).subspan(at.offset + 4, wal::frame_header_bytes - 4));
  store_le(reinterpret_cast<std::byte*>(head), crc);
  write(file, content);
  expect_refused(ErrorCode::newer_format, file);
  options.salvage = true;
  expect_refused(ErrorCode::newer_format, file);
}

TEST_F(RecoveryFiles, DamagedRegenerableEntryIsSkippedAndReported) {
  const auto made = plain(create(n1, 1));
  ASSERT_TRUE(log->sync_now());
  const auto lost = embed(n1, 0, 1.5F);
  ASSERT_TRUE(log->sync_now());
  plain(update(n1, made, 1, 2));
  ASSERT_TRUE(log->sync_now());
  plain(create(n2, 2));
  stop();
  const auto at = place(lost);
  flip(segment(at.segment), at.offset + at.header.header_bytes() + 2);
  expect_state({{{n1, 2}, {n2, 2}}, {}});
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  ASSERT_EQ(recovered->report.skipped_regenerable.size(), 1U);
  EXPECT_NE(recovered->report.skipped_regenerable[0].find(std::to_string(n1)), std::string::npos);
  EXPECT_EQ(embedding(n1, 0), std::vector<float>{});
}

TEST_F(RecoveryFiles, DamagedRegenerableEntryInTheTailIsATail) {
  plain(create(n1, 1));
  ASSERT_TRUE(log->sync_now());
  const auto lost = embed(n1, 0, 1.5F);
  plain(create(n2, 2));
  stop();
  const auto at = place(lost);
  flip(segment(at.segment), at.offset + at.header.header_bytes() + 2);
  expect_state({{{n1, 1}}, {}});
  EXPECT_EQ(recover_once()->next_sequence, lost);
}

TEST_F(RecoveryFiles, EmbeddingComesBackAndTouchesNoImage) {
  plain(create(n1, 1));
  embed(n1, 4, 2.5F);
  expect_state({{{n1, 1}}, {}});
  ASSERT_TRUE(recover_once());
  EXPECT_EQ(embedding(n1, 4), std::vector<float>{2.5F});
}

TEST_F(RecoveryFiles, SegmentThatTheManifestDoesNotListIsRecovered) {
  log_options.segment_entries_max = 2;
  stop();
  const auto begun = reopen();
  for (std::uint64_t i = 0; i < 6; ++i) {
    plain(create(id_of(i), 1));
    ASSERT_TRUE(log->sync_now());
  }
  stop();
  ASSERT_GT(manifest.segments.size(), 2U);
  const auto full = recover_once();
  ASSERT_TRUE(full);
  const std::uint64_t newest = full->log.segments.back().info.number;
  std::erase_if(manifest.segments, [&](const auto& each) { return each.number >= newest; });
  State expected;
  for (std::uint64_t i = 0; i < 6; ++i) {
    expected.nodes[id_of(i)] = 1;
  }
  expect_state(expected);
  const auto recovered = recover_once();
  EXPECT_EQ(recovered->next_sequence, full->next_sequence) << "no sequence is given again";
  EXPECT_EQ(recovered->segments.back().number, newest) << "and it is listed from now on";
  EXPECT_GT(full->next_sequence, begun.next_sequence);
}

TEST_F(RecoveryFiles, MissingListedSegmentIsRefused) {
  log_options.segment_entries_max = 2;
  reopen();
  five_groups();
  stop();
  const auto full = recover_once();
  ASSERT_TRUE(full);
  std::filesystem::remove(full->log.segments.back().path);
  expect_refused(ErrorCode::corruption, full->log.segments.back().path);
}

TEST_F(RecoveryFiles, EverythingTruncatedGoesOnFromTheSnapshot) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  take({.nodes = {{n1, first, 1}, {n2, second, 2}}});
  stop();
  for (const auto& each : manifest.segments) {
    std::filesystem::remove(segment(each.number));
  }
  manifest.segments.clear();
  expect_state({{{n1, 1}, {n2, 2}}, {}});
  EXPECT_EQ(reopen().next_sequence, second + 1);
  EXPECT_EQ(plain(create(n3, 3)), second + 1);
  expect_state({{{n1, 1}, {n2, 2}, {n3, 3}}, {}});
}

TEST_F(RecoveryFiles, NewestSnapshotDamagedFallsBackToTheOneBefore) {
  const auto first = plain(create(n1, 1));
  take({.nodes = {{n1, first, 1}}});
  const auto second = plain(create(n2, 2));
  const std::string newest = take({.nodes = {{n1, first, 1}, {n2, second, 2}}});
  plain(remove(n1, first, 1));
  stop();
  const std::string whole = read(newest);
  for (std::uint64_t at = 0; at < whole.size(); at += 7) {
    flip(newest, at);
    const auto recovered = recover_once();
    ASSERT_TRUE(recovered) << "flip at " << at << ": " << recovered.error().message();
    ASSERT_EQ(state(), (State{{{n2, 2}}, {}})) << "flip at " << at;
    write(newest, whole);
  }
  flip(newest, whole.size() / 2);
  expect_state({{{n2, 2}}, {}});
  const auto recovered = recover_once();
  ASSERT_EQ(recovered->report.rejected_snapshots.size(), 1U);
  EXPECT_NE(recovered->report.rejected_snapshots[0].find("2.snap"), std::string::npos);
  EXPECT_EQ(recovered->report.snapshot, "1.snap");
  ASSERT_EQ(recovered->snapshots.size(), 1U);
}

TEST_F(RecoveryFiles, AllSnapshotsDamagedFallsBackToTheWholeLog) {
  const auto first = plain(create(n1, 1));
  const std::string only = take({.nodes = {{n1, first, 1}}});
  plain(create(n2, 2));
  stop();
  flip(only, 100);
  expect_state({{{n1, 1}, {n2, 2}}, {}});
  std::filesystem::remove(only);
  expect_state({{{n1, 1}, {n2, 2}}, {}});
}

TEST_F(RecoveryFiles, AllSnapshotsDamagedAndTheLogTruncatedIsRefused) {
  log_options.segment_entries_max = 2;
  reopen();
  const auto first = five_groups();
  Shot shot;
  for (std::uint64_t i = 0; i < 5; ++i) {
    shot.nodes.push_back({id_of(i), first + i, static_cast<std::int64_t>(i)});
  }
  const std::string only = take(shot);
  plain(create(id_of(9), 9));
  stop();
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  while (manifest.segments.front().number != recovered->log.segments.back().info.number) {
    std::filesystem::remove(segment(manifest.segments.front().number));
    manifest.segments.erase(manifest.segments.begin());
  }
  State expected;
  for (std::uint64_t i = 0; i < 5; ++i) {
    expected.nodes[id_of(i)] = static_cast<std::int64_t>(i);
  }
  expected.nodes[id_of(9)] = 9;
  expect_state(expected);
  flip(only, 100);
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryFiles, SnapshotOfAnotherHistoryIsRejected) {
  const auto first = plain(create(n1, 1));
  const auto mark = start();
  abort(mark);
  const std::string file = take({.nodes = {{n1, first, 77}}, .low_water = first});
  stop();
  // The same place in the log, given to something else.
  manifest.segments.clear();
  for (const auto& each : std::filesystem::directory_iterator(path + "/wal")) {
    std::filesystem::remove(each);
  }
  open_log();
  define(graph::NameKind::label, 0, "L");
  define(graph::NameKind::type, 0, "T");
  define(graph::NameKind::key, 0, "k");
  plain(create(n1, 1));
  abort(start());
  expect_state({{{n1, 1}}, {}});
  const auto recovered = recover_once();
  ASSERT_EQ(recovered->report.rejected_snapshots.size(), 1U);
  EXPECT_TRUE(recovered->report.snapshot.empty());
}

TEST_F(RecoveryFiles, SnapshotOfAnotherStoreIsRejected) {
  const auto first = plain(create(n1, 1));
  const Uuid own = manifest.store;
  manifest.store.bytes[1] = std::byte{9};
  take({.nodes = {{n1, first, 77}}});
  manifest.store = own;
  expect_state({{{n1, 1}}, {}});
  EXPECT_EQ(recover_once()->report.rejected_snapshots.size(), 1U);
}

TEST_F(RecoveryFiles, FreeSlotsGoOnWithTheirNextGeneration) {
  const auto first = plain(create(n1, 1));
  take({.nodes = {{n1, first, 1}},
        .free_nodes = {{1, 5}, {3, 1}, {4, 1U << 20}},
        .free_edges = {{0, 8}}});
  stop();
  ASSERT_TRUE(recover_once());
  EXPECT_EQ(graph->allocate_node(), id_of(1, 5));
  EXPECT_EQ(graph->allocate_node(), id_of(2, 1)) << "below the high-water mark, never live";
  EXPECT_EQ(graph->allocate_node(), id_of(3, 1));
  EXPECT_EQ(graph->allocate_node(), id_of(5, 1)) << "slot 4 has no generation left";
  EXPECT_EQ(graph->allocate_edge(), id_of(0, 8));
}

TEST_F(RecoveryFiles, IdsOfLosersAreNotGivenAgain) {
  const auto t = start({create(n1, 1)});
  abort(t);
  stop();
  for (const PhaseOrder& order : all_orders) {
    ASSERT_TRUE(recover_once(order));
    EXPECT_EQ(graph->allocate_node(), id_of(0, 2));
  }
}

TEST_F(RecoveryFiles, EdgeOnAMissingNodeIsCorruptionThatNamesIt) {
  plain(create(n1, 1));
  plain(link(id_of(6), n1, n2));
  stop();
  expect_refused(ErrorCode::corruption);
  EXPECT_EQ(recover_once().error().entity(), id_of(6));
}

TEST_F(RecoveryFiles, RepairErasesTheTailAndRemovesUnlistedSnapshotsTwiceAsWellAsOnce) {
  const auto first = plain(create(n1, 1));
  ASSERT_TRUE(log->sync_now());
  const auto torn = plain(create(n2, 2));
  take({.nodes = {{n1, first, 1}}});
  manifest.snapshots.clear();
  manifest.watermark = first;
  stop();
  const auto at = place(torn);
  const std::string file = segment(at.segment);
  flip(file, at.offset + 1);
  write(path + "/snapshots/9.snap.tmp", "half");
  write(path + "/snapshots/notes.txt", "somebody's");
  auto recovered = recover_once();
  ASSERT_TRUE(recovered) << recovered.error().message();
  ASSERT_EQ(recovered->report.dropped.size(), 1U);
  EXPECT_EQ(recovered->report.dropped[0].offset, at.offset);
  EXPECT_EQ(recovered->report.dropped[0].path, file);
  const RecoveryInput input{posix_file_system(), path, manifest, options, graph};
  repair(input, *recovered);
  EXPECT_FALSE(std::filesystem::exists(path + "/snapshots/1.snap"));
  EXPECT_FALSE(std::filesystem::exists(path + "/snapshots/9.snap.tmp"));
  EXPECT_TRUE(std::filesystem::exists(path + "/snapshots/notes.txt"));
  EXPECT_EQ(recovered->report.strays.size(), 2U);
  const std::string tail = read(file).substr(at.offset);
  EXPECT_EQ(tail, std::string(tail.size(), '\0'));
  const auto repaired = content();
  recovered = recover_once();
  ASSERT_TRUE(recovered);
  EXPECT_TRUE(recovered->report.dropped.empty());
  repair(input, *recovered);
  EXPECT_EQ(content(), repaired);
  EXPECT_EQ(state(), (State{{{n1, 1}}, {}}));
}

TEST_F(RecoveryFiles, SalvageThenReopenIsSound) {
  const auto first = five_groups();
  stop();
  const auto at = place(first + 2);
  flip(segment(at.segment), at.offset + at.header.header_bytes() + 3);
  options.salvage = true;
  EXPECT_EQ(reopen().next_sequence, first + 2);
  options.salvage = false;
  plain(create(n3, 33));
  expect_state({{{n1, 0}, {n2, 1}, {n3, 33}}, {}});
}

TEST_F(RecoveryFiles, LosersAreListedOnceAndClosedByTheNextLife) {
  const auto made = plain(create(n1, 1));
  const auto open = start({update(n1, made, 1, 2)});
  const auto aborted = start({create(n2, 2)});
  abort(aborted);
  const auto committed = start({create(n3, 3)});
  commit(committed);
  stop();
  auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  EXPECT_EQ(recovered->open_transactions, std::vector<std::uint64_t>{open});
  EXPECT_EQ(recovered->report.transactions_incomplete, 1U);
  EXPECT_EQ(recovered->report.transactions_aborted, 1U);
  EXPECT_EQ(recovered->report.transactions_committed, 1U);
  ASSERT_EQ(recovered->report.rolled_back.size(), 2U);
  for (const RolledBack& each : recovered->report.rolled_back) {
    EXPECT_EQ(each.aborted, each.number.value == aborted);
    EXPECT_EQ(each.entries, 1U);
    EXPECT_EQ(each.undone, 0U) << "nothing of it was in place";
  }
  reopen();
  plain(update(n1, made, 1, 5));
  expect_state({{{n1, 5}, {n3, 3}}, {}});
  EXPECT_TRUE(recover_once()->open_transactions.empty());
}

TEST_F(RecoveryFiles, ReportCountsAndIsJson) {
  const auto made = plain(create(n1, 1));
  const auto t = start();
  const auto entry = stream(t, {update(n1, made, 1, 9)});
  take({.nodes = {{n1, entry, 9}}, .low_water = t});
  small({create(n2, 2), create(n3, 3)});
  plain(update(n1, made, 1, 4));
  stop();
  const auto recovered = recover_once();
  ASSERT_TRUE(recovered);
  const RecoveryReport& report = recovered->report;
  EXPECT_EQ(report.snapshot, "1.snap");
  EXPECT_EQ(report.snapshot_nodes, 1U);
  EXPECT_EQ(report.low_water.value, t);
  EXPECT_EQ(report.recovered.value, recovered->next_sequence - 1);
  EXPECT_EQ(report.redo.applied, 2U);
  EXPECT_EQ(report.undo.applied, 1U);
  EXPECT_EQ(report.non_transactional.applied, 1U);
  EXPECT_EQ(report.nodes, 3U);
  const std::string json = report.to_json();
  EXPECT_NE(json.find("\"snapshot\":\"1.snap\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"redo\":{\"entries\":2,\"applied\":2"), std::string::npos) << json;
  EXPECT_NE(json.find("\"transaction\":" + std::to_string(t)), std::string::npos) << json;
  EXPECT_EQ(json.front(), '{');
  EXPECT_EQ(json.back(), '}');
}

TEST_F(RecoveryFiles, ManyEntitiesInManyBatchesAndLongLists) {
  constexpr std::uint64_t count = 3000;  // more than a list's first chunk, and over segments
  State expected;
  plain(create(id_of(0), 0));
  expected.nodes[id_of(0)] = 0;
  for (std::uint64_t i = 1; i <= count; ++i) {
    small({create(id_of(i), static_cast<std::int64_t>(i)), link(id_of(i), id_of(i), id_of(0))});
    expected.nodes[id_of(i)] = static_cast<std::int64_t>(i);
    expected.edges[id_of(i)] = {id_of(i), id_of(0)};
  }
  stop();
  ASSERT_GT(manifest.segments.size(), 3U);
  for (const unsigned threads : {1U, 3U}) {
    ASSERT_TRUE(recover_once(default_order, threads));
    EXPECT_EQ(state(), expected);
    EXPECT_EQ(graph::EntryList::positions(graph->nodes.at(0).in.load()), count);
  }
}

TEST_F(RecoveryFiles, MemoryLimitIsAnErrorAndNotAState) {
  for (std::uint64_t i = 0; i < 2000; ++i) {
    plain(create(id_of(i), 1));
  }
  stop();
  options.memory_limit_bytes = 64U << 10;
  expect_refused(ErrorCode::out_of_memory);
  options.memory_limit_bytes = 0;
  ASSERT_TRUE(recover_once());
  EXPECT_EQ(state().nodes.size(), 2000U);
}

}  // namespace
}  // namespace selvedge::recovery
