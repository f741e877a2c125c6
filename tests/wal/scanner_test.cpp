// One test per kind of damage: torn tail or corruption?
#include "tests/wal/wal_fixture.h"

namespace selvedge::wal {
namespace {

class WalScanner : public WalTest {
 protected:
  void write_each(int count, const std::string& prefix = "") {
    for (int i = 1; i <= count; ++i) {
      write(prefix + std::to_string(i));
    }
  }
};

TEST_F(WalScanner, EmptyDirectoryIsAnEmptyLog) {
  const LogExtent found = scanned();
  EXPECT_EQ(found.next_sequence, 1U);
  EXPECT_EQ(found.end.segment, 0U);
  scan_options.from_sequence = 42;  // everything dropped behind a snapshot
  EXPECT_EQ(scanned().next_sequence, 42U);
}

TEST_F(WalScanner, MissingDirectoryIsAnError) {
  std::filesystem::remove_all(directory);
  EXPECT_EQ(scan().error().code(), ErrorCode::not_found);
}

TEST_F(WalScanner, StopsAtTornTailAndGoesOnInASecondLife) {
  options.segment_bytes = 4096;
  open();
  write_each(3);
  const Place last = place(1, 3);
  const std::string whole = bytes(1);
  log.reset();
  for (std::uint64_t kept = 0; kept < frame_header_bytes + 1; ++kept) {
    set_bytes(1, whole);
    zero(1, last.offset + kept, last.end() - last.offset - kept);
    registry.drop(2);
    std::filesystem::remove(path(2));
    reopen();
    ASSERT_EQ(texts, (Texts{"1", "2"})) << kept;
    ASSERT_EQ(write("second life"), 3U);
    log.reset();
    const LogExtent found = scanned();
    ASSERT_EQ(texts, (Texts{"1", "2", "second life"})) << kept;
    ASSERT_TRUE(found.dropped.empty());
  }
}

TEST_F(WalScanner, ReportsTheTornTail) {
  open();
  write_each(3);
  const Place last = place(1, 3);
  flip(1, last.payload());
  const LogExtent found = scanned();
  ASSERT_EQ(found.dropped.size(), 1U);
  EXPECT_EQ(found.dropped[0].offset, last.offset);
  EXPECT_EQ(found.dropped[0].bytes, frame_header_bytes + 1);
  EXPECT_EQ(found.dropped[0].expected_sequence, 3U);
  EXPECT_EQ(found.dropped[0].fault, FrameFault::payload_crc);
  EXPECT_EQ(found.end.offset, last.offset);
}

TEST_F(WalScanner, DropsATailWithHoles) {
  options.sync = SyncMode::none;
  open();
  for (const char* text : {"1", "2", "3", "4", "5"}) {
    append(text);
    ASSERT_TRUE(log->flush());
  }
  const Place hole = place(1, 3);
  zero(1, hole.offset, hole.end() - hole.offset);
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"1", "2"}));
  ASSERT_EQ(found.dropped.size(), 1U);
  EXPECT_EQ(found.dropped[0].frames, 2U);
  EXPECT_EQ(found.dropped[0].sequence_first, 4U);
  EXPECT_EQ(found.dropped[0].sequence_last, 5U);
}

TEST_F(WalScanner, AnErasedTailNeverRisesAgain) {
  options.sync = SyncMode::none;
  open();
  for (const char* text : {"1", "2", "3"}) {
    append(text);
  }
  ASSERT_TRUE(log->flush());
  const Place hole = place(1, 2);
  zero(1, hole.offset, hole.end() - hole.offset);
  reopen();
  EXPECT_EQ(bytes(1).find_first_not_of('\0', hole.offset), std::string::npos);
  write("new 2");
  log.reset();
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"1", "new 2"}));
  EXPECT_EQ(found.next_sequence, 3U);
}

TEST_F(WalScanner, RefusesAnyFlipInAMiddleFrame) {
  options.segment_bytes = 4096;
  open();
  write_each(5);
  const Place third = place(1, 3);
  const std::string whole = bytes(1);
  for (std::uint64_t at = third.offset; at < third.payload() + 1; ++at) {
    set_bytes(1, whole);
    flip(1, at);
    expect_refused(1, third.offset);
  }
}

TEST_F(WalScanner, RefusesAZeroedMiddleFrame) {
  open();
  write_each(5);
  const Place third = place(1, 3);
  zero(1, third.offset, third.end() - third.offset);
  expect_refused(1, third.offset);
}

TEST_F(WalScanner, SalvageKeepsWhatIsBeforeTheDamageAndReportsTheRest) {
  options.segment_entries_max = 5;
  open();
  write_each(7);
  const Place third = place(1, 3);
  flip(1, third.payload());
  scan_options.salvage = true;
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"1", "2"}));
  EXPECT_EQ(found.next_sequence, 3U);
  ASSERT_TRUE(found.damage);
  EXPECT_EQ(found.damage->offset(), third.offset);
  ASSERT_EQ(found.dropped.size(), 2U);
  EXPECT_EQ(found.dropped[0].sequence_last, 5U);
  EXPECT_EQ(found.dropped[1].path, path(2));
  EXPECT_EQ(found.dropped[1].sequence_first, 6U);
  ASSERT_TRUE(erase_dropped(files, found));
  scan_options.salvage = false;
  EXPECT_EQ(scanned().next_sequence, 3U);
}

TEST_F(WalScanner, TheManifestsWatermarkProvesDamageInTheLastGroup) {
  open();
  write_each(3);
  const Place last = place(1, 3);
  flip(1, last.payload());
  EXPECT_EQ(scanned().next_sequence, 3U) << "cannot be told from a torn tail";
  scan_options.acknowledged = 3;
  expect_refused(1, last.offset);
}

TEST_F(WalScanner, RefusesALogThatEndsTooEarly) {
  open();
  write_each(3);
  scan_options.acknowledged = 4;
  EXPECT_EQ(scan().error().code(), ErrorCode::corruption);
  scan_options.acknowledged = 0;
  scan_options.from_sequence = 5;
  EXPECT_EQ(scan().error().code(), ErrorCode::corruption);
  scan_options.from_sequence = 4;
  EXPECT_EQ(scanned().next_sequence, 4U);
}

TEST_F(WalScanner, RefusesAFrameOfANewerFormatEvenInTheTail) {
  open();
  write_each(2);
  const Place last = place(1, 2);
  std::string content = bytes(1);
  content[last.offset + 34] = 2;
  const auto salt = registry.listed()[0].salt;
  const std::uint32_t crc =
      base::crc32c(salt, as_bytes(std::string_view(content).substr(last.offset + 4, 44)));
  std::memcpy(&content[last.offset], &crc, 4);
  set_bytes(1, content);
  const auto found = scan();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::newer_format);
  EXPECT_EQ(found.error().offset(), last.offset);
  EXPECT_EQ(bytes(1), content);
}

TEST_F(WalScanner, RefusesASegmentOfANewerFormat) {
  open();
  write("1");
  std::string content = bytes(1);
  content[8] = 2;
  const std::uint32_t crc = base::crc32c(as_bytes(std::string_view(content).substr(0, 124)));
  std::memcpy(&content[124], &crc, 4);
  set_bytes(1, content);
  EXPECT_EQ(scan().error().code(), ErrorCode::newer_format);
}

TEST_F(WalScanner, ASuccessorProvesDamageInItsPredecessor) {
  options.segment_entries_max = 3;
  open();
  write_each(4);
  const Place last = place(1, 3);
  flip(1, last.payload());
  expect_refused(1, last.offset);
}

TEST_F(WalScanner, ALostSealTakesNothingWithIt) {
  options.segment_entries_max = 3;
  open();
  write_each(5);
  const Place seal = frames(1).back();
  ASSERT_EQ(seal.header.kind, FrameKind::seal);
  flip(1, seal.payload());
  const LogExtent found = scanned();
  EXPECT_EQ(found.next_sequence, 6U);
  EXPECT_EQ(texts.size(), 5U);
}

TEST_F(WalScanner, ASuccessorThatFollowsTheCutGoesOn) {
  open();
  write_each(3);
  flip(1, place(1, 3).payload());
  reopen();
  write("3 again");
  write("4");
  // The tail of the first segment comes back to life, as on a disk that lost the erasure.
  patch(1, frames(1).back().end(), "garbage!");
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"1", "2", "3 again", "4"}));
  EXPECT_EQ(found.dropped.size(), 1U);
}

TEST_F(WalScanner, RefusesASegmentThatFollowsAnotherHistory) {
  options.segment_entries_max = 1;
  open();
  write("1");
  write("2");
  SegmentHeader header = SegmentReader::open(files, directory, 2)->header();
  header.predecessor_crc ^= 1;
  std::string encoded(segment_header_bytes, '\0');
  encode_segment_header(header, reinterpret_cast<std::byte*>(encoded.data()));
  patch(2, 0, encoded);
  expect_refused(2, 0);
}

TEST_F(WalScanner, RefusesAListedSegmentThatIsMissing) {
  options.segment_entries_max = 1;
  open();
  write_each(3);
  std::filesystem::remove(path(2));
  const auto found = scan();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::corruption);
  EXPECT_EQ(found.error().path(), path(2));
  list_known = false;  // without a manifest the chain of sequences tells
  EXPECT_EQ(scan().error().code(), ErrorCode::corruption);
}

TEST_F(WalScanner, ADamagedHeaderIsDamageOnceAGroupFollowsTheFirst) {
  open();
  write_each(2);
  const std::string whole = bytes(1);
  for (const std::uint64_t at : std::array<std::uint64_t, 5>{0, 12, 32, 40, 124}) {
    set_bytes(1, whole);
    flip(1, at);
    scan_options.from_sequence = 1;
    expect_refused(1, 0);
  }
  set_bytes(1, whole);
  zero(1, 0, segment_header_bytes);
  expect_refused(1, 0);
}

TEST_F(WalScanner, ATornFirstGroupIsATail) {
  options.segment_entries_max = 2;
  open();
  write_each(3);
  zero(2, 0, segment_header_bytes);
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"1", "2"}));
  ASSERT_EQ(found.dropped.size(), 1U);
  EXPECT_EQ(found.dropped[0].path, path(2));
  reopen();
  write("3 again");
  log.reset();
  scanned();
  EXPECT_EQ(texts, (Texts{"1", "2", "3 again"}));
}

TEST_F(WalScanner, TheSealKnowsTheSaltOfADamagedSuccessor) {
  options.segment_entries_max = 2;
  open();
  write_each(4);  // two groups in the second segment
  zero(2, 0, segment_header_bytes);
  list_known = false;
  expect_refused(2, 0);
}

TEST_F(WalScanner, RefusesAFileUnderAnotherNumber) {
  options.segment_entries_max = 1;
  open();
  write_each(3);
  std::filesystem::copy_file(path(1), path(2), std::filesystem::copy_options::overwrite_existing);
  expect_refused(2, 0);
}

TEST_F(WalScanner, RefusesTheSegmentOfAnotherStore) {
  open();
  write("1");
  log.reset();
  uuid.bytes[0] = std::byte{8};
  expect_refused(1, 0);
  registry.drop(1);
  const LogExtent found = scanned();
  EXPECT_TRUE(texts.empty());
  ASSERT_EQ(found.strays.size(), 1U);
  EXPECT_EQ(found.strays[0].path, path(1));
}

TEST_F(WalScanner, ASealedSegmentThatIsNotListedIsRecovered) {
  options.segment_entries_max = 2;
  open();
  write_each(3);
  registry.drop(2);
  EXPECT_EQ(scanned().next_sequence, 4U);
  EXPECT_EQ(texts.size(), 3U);
  registry.drop(1);
  EXPECT_EQ(scanned().next_sequence, 4U);
}

TEST_F(WalScanner, AnySubsetOfDroppedSegmentsMayBeLeft) {
  options.segment_entries_max = 1;
  open();
  write_each(4);
  for (std::uint64_t number = 1; number <= 3; ++number) {
    registry.drop(number);
  }
  std::filesystem::remove(path(2));
  scan_options.from_sequence = 4;
  scan_options.acknowledged = 4;
  const LogExtent found = scanned();
  EXPECT_EQ(texts, Texts{"4"});
  EXPECT_EQ(found.strays.size(), 2U);
  registry.drop(4);
  std::filesystem::remove(path(4));
  scan_options.from_sequence = 5;
  EXPECT_EQ(scanned().next_sequence, 5U) << "leftovers of a log that is empty behind a snapshot";
}

TEST_F(WalScanner, ReadsOnlyWhatIsNeeded) {
  options.segment_entries_max = 3;
  open();
  write_each(9);
  flip(1, place(1, 1).payload());
  scan_options.from_sequence = 5;
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"5", "6", "7", "8", "9"}));
  ASSERT_EQ(found.segments.size(), 3U);
  EXPECT_FALSE(found.segments[0].scanned);
  EXPECT_EQ(found.segments[0].next_sequence, 4U);
}

TEST_F(WalScanner, RefusesALogWhoseBeginningIsMissing) {
  options.segment_entries_max = 1;
  open();
  write_each(3);
  std::filesystem::remove(path(1));
  registry.drop(1);
  scan_options.from_sequence = 1;
  expect_refused(2, 0);
}

TEST_F(WalScanner, PassesOverADamagedRegenerableEntry) {
  open();
  write("1");
  write_regenerable("embedding", 77);
  write("3");
  const Place frame = place(1, 2);
  flip(1, frame.payload());
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"1", "3"}));
  ASSERT_EQ(found.skipped.size(), 1U);
  EXPECT_EQ(found.skipped[0].header.entity, 77U);
  EXPECT_EQ(found.next_sequence, 4U);
  Texts again;
  ASSERT_TRUE(LogScanner(files, directory).read_from(found, 1, [&](const FrameView& view) {
    again.emplace_back(as_text(view.payload));
    return Status{};
  }));
  EXPECT_EQ(again, texts);
}

TEST_F(WalScanner, ARegenerableEntryInTheTailIsABadFrameLikeAnyOther) {
  open();
  write("1");
  write_regenerable("embedding", 77);
  flip(1, place(1, 2).payload());
  const LogExtent found = scanned();
  EXPECT_EQ(found.next_sequence, 2U);
  EXPECT_TRUE(found.skipped.empty());
  scan_options.acknowledged = 2;
  EXPECT_EQ(scanned().skipped.size(), 1U);
}

TEST_F(WalScanner, ADamagedHeaderOfARegenerableEntryIsDamage) {
  open();
  write_regenerable("embedding", 77);
  write("2");
  const Place frame = place(1, 1);
  flip(1, frame.offset + 48);
  expect_refused(1, frame.offset);
}

TEST_F(WalScanner, AFileCutShortIsJudgedLikeZeros) {
  options.segment_bytes = 4096;
  open();
  write_each(3);
  const Place last = place(1, 3);
  truncate(1, last.payload());
  EXPECT_EQ(scanned().next_sequence, 3U);
  EXPECT_EQ(scanned().dropped.size(), 1U);
  truncate(1, last.offset);
  EXPECT_EQ(scanned().next_sequence, 3U);
  truncate(1, 0);
  EXPECT_EQ(scanned().next_sequence, 1U) << "no evidence is left in the log itself";
  scan_options.acknowledged = 2;
  EXPECT_EQ(scan().error().code(), ErrorCode::corruption);
}

TEST_F(WalScanner, StrayFilesAreNamedAndLeftAlone) {
  open();
  write("1");
  std::ofstream(directory + "/notes.txt") << "mine";
  std::ofstream(path(9)) << std::string(500, '\0');
  const LogExtent found = scanned();
  EXPECT_EQ(texts, Texts{"1"});
  EXPECT_EQ(found.strays.size(), 2U);
  EXPECT_EQ(found.segment_number_max, 9U);
  EXPECT_TRUE(std::filesystem::exists(directory + "/notes.txt"));
}

TEST_F(WalScanner, RecoveringTwiceFindsTheSame) {
  open();
  write_each(4);
  flip(1, place(1, 4).payload());
  reopen();
  const LogExtent first = scanned();
  reopen();
  const LogExtent second = scanned();
  EXPECT_EQ(first.next_sequence, second.next_sequence);
  EXPECT_EQ(first.last_frame_crc, second.last_frame_crc);
  EXPECT_TRUE(second.dropped.empty());
}

TEST_F(WalScanner, ASinksErrorEndsTheScan) {
  open();
  write_each(3);
  const auto found = LogScanner(files, directory).scan({}, [](const FrameView&) -> Status {
    return fail(ErrorCode::out_of_memory, "enough");
  });
  EXPECT_EQ(found.error().code(), ErrorCode::out_of_memory);
}

}  // namespace
}  // namespace selvedge::wal
