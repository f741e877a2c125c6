#include "tests/wal/wal_fixture.h"

namespace selvedge::wal {
namespace {

class LogTest : public WalTest {};

TEST_F(LogTest, ReadsBackWhatWasWritten) {
  open();
  EXPECT_EQ(write("one"), 1U);
  EXPECT_EQ(append("two"), 2U);
  EXPECT_EQ(write(""), 3U);
  const LogExtent found = scanned();
  EXPECT_EQ(texts, (Texts{"one", "two", ""}));
  EXPECT_EQ(found.next_sequence, 4U);
  EXPECT_TRUE(found.dropped.empty());
  EXPECT_EQ(found.last_frame_crc, log->last_frame().header_crc);
  EXPECT_EQ(log->durable(), 3U);
}

TEST_F(LogTest, AFrameCoversItsEntriesAndNamesItsTransaction) {
  open();
  append("before");
  FrameParts parts = parts_of("abc", frame_flags::begin | frame_flags::commit);
  parts.payload = {as_bytes("a"), as_bytes("b"), as_bytes("c")};
  parts.count = 5;
  parts.transaction = transaction_self;
  {
    auto section = log->enter(frame_bytes(3));
    ASSERT_TRUE(section);
    EXPECT_EQ(section->next_sequence(), 2U);
    const Appended given = section->append(parts);
    EXPECT_EQ(given.first, 2U);
    EXPECT_EQ(given.last, 6U);
    EXPECT_EQ(log->appended(), 1U) << "not published before the section ends";
  }
  EXPECT_EQ(log->appended(), 6U);
  EXPECT_EQ(write("after"), 7U);
  scanned();
  EXPECT_EQ(texts, (Texts{"before", "abc", "after"}));
  EXPECT_EQ(place(1, 4).header.transaction, 2U);
}

TEST_F(LogTest, EachGroupStartsWithTheWatermarkKnownThen) {
  open();
  write("one");
  append("two");
  write("three");
  write("four");
  std::vector<std::uint64_t> watermarks;
  for (const Place& frame : frames(1)) {
    if (frame.header.kind == FrameKind::sync_mark) {
      watermarks.push_back(load_le<std::uint64_t>(
          reinterpret_cast<const std::byte*>(bytes(1).data()) + frame.payload()));
    }
  }
  EXPECT_EQ(watermarks, (std::vector<std::uint64_t>{0, 1, 3}));
}

TEST_F(LogTest, ClosingSealsAndRefusesFurtherWork) {
  open();
  append("one");
  ASSERT_TRUE(log->close());
  ASSERT_TRUE(log->close());
  EXPECT_EQ(log->durable(), 1U);
  EXPECT_EQ(try_append(parts_of("two")).error().code(), ErrorCode::closed);
  EXPECT_TRUE(scanned().closed_cleanly);
  EXPECT_EQ(texts, Texts{"one"});
}

TEST_F(LogTest, NothingIsOnDiskBeforeTheFirstAppend) {
  open();
  ASSERT_TRUE(log->enter(0));
  ASSERT_TRUE(log->sync_now());
  ASSERT_TRUE(log->close());
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(LogTest, RotatesByBytes) {
  options.segment_bytes = 4096;
  open();
  Texts expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back(std::string(static_cast<std::size_t>(i * 7), 'x'));
    write(expected.back());
  }
  const LogExtent found = scanned();
  EXPECT_EQ(texts, expected);
  EXPECT_GT(found.segments.size(), 5U);
  for (std::size_t i = 0; i < found.segments.size(); ++i) {
    EXPECT_LE(found.segments[i].end_offset, found.segments[i].file_bytes);
    EXPECT_EQ(found.segments[i].sealed, i + 1 != found.segments.size());
  }
}

TEST_F(LogTest, FillsASegmentToItsLastByteAtMost) {
  for (std::size_t size = 3000; size < 3900; size += 8) {
    options.segment_bytes = 4096;
    open();
    write(std::string(size, 'a'));
    write("b");
    write("c");
    scanned();
    ASSERT_EQ(texts, (Texts{std::string(size, 'a'), "b", "c"})) << size;
    ASSERT_LE(frames(1).back().end(), std::filesystem::file_size(path(1)));
    log.reset();
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    registry.drop(1);
    registry.drop(2);
  }
}

TEST_F(LogTest, RotatesByEntries) {
  options.segment_entries_max = 3;
  open();
  for (int i = 0; i < 10; ++i) {
    write(std::to_string(i));
  }
  const LogExtent found = scanned();
  ASSERT_EQ(found.segments.size(), 4U);
  EXPECT_EQ(found.segments[0].entries, 3U);
  EXPECT_EQ(found.segments[3].entries, 1U);
  EXPECT_EQ(found.next_sequence, 11U);
}

TEST_F(LogTest, ASuccessorIsWrittenOnlyAfterItsPredecessorIsSynced) {
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch, SyncMode::none}) {
    options.sync = mode;
    options.segment_entries_max = 2;
    open();
    append("one");
    append("two");
    const std::uint64_t before = files.count(test::Operation::sync_data);
    append("three");
    EXPECT_EQ(files.count(test::Operation::sync_data), before + 1);
    EXPECT_EQ(log->durable(), log->appended() - 1);
    reopen();
  }
}

TEST_F(LogTest, WritesAFrameLargerThanBufferAndSegment) {
  options.buffer_bytes = 1000;
  options.segment_bytes = 8192;
  open();
  const Texts expected{"small", std::string(5000, 'b'), "small", std::string(300'000, 's'), "end"};
  for (const std::string& text : expected) {
    write(text);
  }
  scanned();
  EXPECT_EQ(texts, expected);
}

TEST_F(LogTest, WritesTheLargestFrameAndRefusesMore) {
  open();
  const std::string largest(payload_bytes_max, 'l');
  write(largest);
  EXPECT_EQ(log->enter(std::uint64_t{payload_bytes_max} * 2).error().code(), ErrorCode::too_large);
  write("after");
  scanned();
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_TRUE(texts[0] == largest);
}

TEST_F(LogTest, EveryModeKeepsEverythingOnceSynced) {
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch, SyncMode::none}) {
    options.sync = mode;
    open();
    for (int i = 0; i < 2000; ++i) {
      append("entry " + std::to_string(i));
    }
    ASSERT_TRUE(log->sync_now());
    EXPECT_EQ(log->durable(), log->appended());
    EXPECT_EQ(scanned().next_sequence, log->appended() + 1);
    reopen();
  }
}

TEST_F(LogTest, BatchModeWritesAFullBufferWithoutSync) {
  options.sync = SyncMode::batch;
  options.segment_bytes = 1U << 20;
  open();
  ASSERT_TRUE(log->prepare_next());
  for (int i = 0; i < 1000; ++i) {
    append(std::string(100, 'x'));
  }
  EXPECT_GT(log->stats().writes, 3U);
  EXPECT_EQ(files.count(test::Operation::sync_data), 0U);
  EXPECT_EQ(log->durable(), 0U);
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(scanned().next_sequence, 1001U);
}

TEST_F(LogTest, ImmediateModePreparesRealZeros) {
  open();
  ASSERT_TRUE(log->prepare_next());
  EXPECT_EQ(bytes(1), std::string(options.segment_bytes, '\0'));
  EXPECT_EQ(files.count(test::Operation::allocate), 0U);
  EXPECT_EQ(registry.listed().size(), 1U);
  EXPECT_EQ(scanned().unused.size(), 1U);
}

TEST_F(LogTest, ShortWritesAreFinished) {
  open();
  files.set_write_bytes_max(7);
  write("a text that is longer than seven bytes");
  scanned();
  EXPECT_EQ(texts, Texts{"a text that is longer than seven bytes"});
}

TEST_F(LogTest, RecycledFilesShowNothingOfTheirEarlierLife) {
  options.segment_bytes = 4096;
  open();
  for (int i = 0; i < 60; ++i) {
    write(std::string(200, 'o'));
  }
  const std::uint64_t live = log->current_segment().number;
  ASSERT_GT(live, 2U);
  for (std::uint64_t number = 1; number < live; ++number) {
    registry.drop(number);
    ASSERT_TRUE(log->recycle(number));
  }
  texts.clear();
  for (int i = 0; i < 30; ++i) {
    write(std::string(200, 'n'));
  }
  scan_options.from_sequence = 61;
  const LogExtent found = scanned();
  EXPECT_TRUE(texts == Texts(30, std::string(200, 'n')));
  EXPECT_EQ(found.next_sequence, 91U);
  ASSERT_FALSE(found.dropped.empty()) << "stale bytes behind the last frame are reported";
  EXPECT_TRUE(found.dropped.back().stale);
}

TEST_F(LogTest, RecyclesIntoAnotherSize) {
  options.segment_bytes = 4096;
  options.segment_entries_max = 1;
  open();
  write("one");
  write("two");
  registry.drop(1);
  ASSERT_TRUE(log->recycle(1));
  write(std::string(10'000, 'x'));
  write("four");
  scanned();
  EXPECT_EQ(texts, (Texts{"two", std::string(10'000, 'x'), "four"}));
}

TEST_F(LogTest, KeepsAtMostTheGivenNumberOfRecycledFiles) {
  options.segment_entries_max = 1;
  options.recycled_segments_max = 1;
  open();
  for (int i = 0; i < 4; ++i) {
    write("x");
  }
  for (std::uint64_t number = 1; number <= 3; ++number) {
    registry.drop(number);
    ASSERT_TRUE(log->recycle(number));
  }
  EXPECT_TRUE(std::filesystem::exists(path(1)));
  EXPECT_FALSE(std::filesystem::exists(path(2)));
  EXPECT_FALSE(std::filesystem::exists(path(3)));
}

TEST_F(LogTest, ReadsFromASequenceAndSingleFrames) {
  options.segment_entries_max = 4;
  open();
  for (int i = 1; i <= 10; ++i) {
    write(std::to_string(i));
  }
  const LogExtent found = scanned();
  const LogScanner scanner(files, directory);
  Texts seen;
  std::vector<FrameLocation> places;
  ASSERT_TRUE(scanner.read_from(found, 6, [&](const FrameView& frame) {
    seen.emplace_back(as_text(frame.payload));
    places.push_back(frame.location);
    return Status{};
  }));
  EXPECT_EQ(seen, (Texts{"6", "7", "8", "9", "10"}));
  for (std::size_t i = places.size(); i-- > 0;) {
    const auto frame = scanner.read_frame(found, places[i]);
    ASSERT_TRUE(frame);
    EXPECT_EQ(as_text(frame->payload), seen[i]);
  }
  EXPECT_EQ(scanner.read_frame(found, {2, 130}).error().code(), ErrorCode::corruption);
  EXPECT_EQ(scanner.read_frame(found, {99, 128}).error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace selvedge::wal
