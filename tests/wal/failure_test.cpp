// The log when the disk fails or is full.
#include "tests/wal/wal_fixture.h"

namespace selvedge::wal {
namespace {

using test::Fault;
using test::Operation;

class WalFailure : public WalTest {
 protected:
  /// After a failure: nothing new is accepted, what was durable is there after a reopening.
  void expect_poisoned(std::uint64_t durable, const Texts& kept) {
    EXPECT_TRUE(log->poisoned());
    EXPECT_EQ(log->durable(), durable);
    const auto refused = try_append(parts_of("more"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::poisoned);
    EXPECT_EQ(refused.error().os_error(), EIO);
    EXPECT_EQ(log->poison_cause()->os_error(), EIO);
    EXPECT_EQ(log->sync(log->appended()).error().code(), ErrorCode::unknown_outcome);
    EXPECT_TRUE(log->sync(durable)) << "what was durable stays so";
    EXPECT_EQ(log->close().error().code(), ErrorCode::poisoned);
    scanned();
    ASSERT_GE(texts.size(), kept.size());
    EXPECT_EQ(Texts(texts.begin(), texts.begin() + static_cast<std::ptrdiff_t>(kept.size())), kept);
  }
};

TEST_F(WalFailure, AFailedSyncPoisonsForEverAndIsNotTriedAgain) {
  open();
  write("1");
  append("2");
  files.fail_next({.operation = Operation::sync_data});
  const std::uint64_t before = files.count(Operation::sync_data);
  const Status synced = log->sync(2);
  ASSERT_FALSE(synced);
  EXPECT_EQ(synced.error().code(), ErrorCode::unknown_outcome);
  EXPECT_EQ(synced.error().path(), path(1));
  expect_poisoned(1, {"1"});
  EXPECT_EQ(files.count(Operation::sync_data), before + 1);
}

TEST_F(WalFailure, AFailedWritePoisonsWhateverReachedTheDisk) {
  for (const std::size_t done : {0U, 1U, 60U, 90U}) {
    open();
    write("1");
    append("2");
    files.fail_next({.operation = Operation::write, .bytes_done = done});
    EXPECT_EQ(log->sync(2).error().code(), ErrorCode::unknown_outcome);
    expect_poisoned(1, {"1"});
    log.reset();
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    registry.drop(1);
  }
}

TEST_F(WalFailure, AFailureDuringRotationPoisons) {
  options.segment_entries_max = 2;
  open();
  write("1");
  write("2");
  ASSERT_TRUE(log->prepare_next());
  files.fail_next({.operation = Operation::sync_data});
  EXPECT_EQ(try_append(parts_of("3")).error().code(), ErrorCode::poisoned);
  EXPECT_EQ(log->durable(), 2U);
  reopen();
  EXPECT_EQ(write("3"), 3U);
}

TEST_F(WalFailure, AFlushOfAFailedLogSaysSo) {
  options.sync = SyncMode::batch;
  open();
  append("1");
  files.fail_next({.operation = Operation::write});
  EXPECT_EQ(log->flush().error().code(), ErrorCode::poisoned);
}

TEST_F(WalFailure, AFullDiskRefusesTheAppendAndWritingResumesWithSpace) {
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch}) {
    options.sync = mode;
    options.segment_bytes = 4096;
    open();
    const std::uint64_t first = log->appended() + 1;
    files.set_full(true);
    EXPECT_EQ(try_append(parts_of("x")).error().code(), ErrorCode::disk_full);
    EXPECT_EQ(scanned().strays.size(), 0U) << "the partial file is gone";
    files.set_full(false);
    EXPECT_EQ(write("x"), first) << "a refused append takes no sequence";
    files.set_full(true);
    Result<std::uint64_t> last = first;
    std::uint64_t accepted = 0;
    while (last) {
      accepted = *last;
      last = try_append(parts_of(std::string(500, 'y')));
    }
    EXPECT_EQ(last.error().code(), ErrorCode::disk_full);
    ASSERT_TRUE(log->sync(accepted)) << "what was accepted becomes durable on the full disk";
    EXPECT_FALSE(log->poisoned());
    EXPECT_TRUE(log->enter(0)) << "the lock is to be had";
    files.set_full(false);
    EXPECT_EQ(write("z"), accepted + 1);
    EXPECT_EQ(scanned().next_sequence, accepted + 2);
    reopen();
  }
}

TEST_F(WalFailure, APreparedSegmentThatCannotGrowServesSmallerFrames) {
  options.segment_bytes = 4096;
  open();
  ASSERT_TRUE(log->prepare_next());
  files.set_full(true);
  EXPECT_EQ(try_append(parts_of(std::string(9000, 'b'))).error().code(), ErrorCode::disk_full);
  EXPECT_EQ(write("small"), 1U);
  files.set_full(false);
  EXPECT_EQ(write(std::string(9000, 'b')), 2U);
  EXPECT_EQ(scanned().next_sequence, 3U);
}

TEST_F(WalFailure, AnErrorWhilePreparingLosesNothing) {
  for (const Operation operation :
       {Operation::open, Operation::write, Operation::sync, Operation::sync_dir}) {
    open();
    const std::uint64_t next = log->appended() + 1;
    files.fail_next({.operation = operation});
    EXPECT_EQ(try_append(parts_of("x")).error().code(), ErrorCode::io);
    EXPECT_FALSE(log->poisoned());
    EXPECT_EQ(write("x"), next);
    reopen();
  }
}

TEST_F(WalFailure, AnUnlistedSegmentIsOfferedAgainAndNotWritten) {
  open();
  registry.failures = 2;
  EXPECT_EQ(try_append(parts_of("x")).error().code(), ErrorCode::io);
  EXPECT_EQ(try_append(parts_of("x")).error().code(), ErrorCode::io);
  EXPECT_EQ(bytes(1).find_first_not_of('\0'), std::string::npos);
  EXPECT_EQ(write("x"), 1U);
  ASSERT_EQ(registry.offered.size(), 3U);
  EXPECT_EQ(registry.offered[0], registry.offered[2]);
}

TEST_F(WalFailure, AnErrorWhileRecyclingLosesNothing) {
  for (const Operation operation : {Operation::open, Operation::write, Operation::sync,
                                    Operation::rename, Operation::sync_dir}) {
    options.segment_entries_max = 1;
    open();
    write("1");
    const std::uint64_t dropped = log->current_segment().number;
    write("2");
    registry.drop(dropped);
    ASSERT_TRUE(log->recycle(dropped));
    files.fail_next({.operation = operation});
    EXPECT_EQ(try_append(parts_of("3")).error().code(), ErrorCode::io);
    const std::uint64_t last = write("3");
    scan_options.from_sequence = last;
    EXPECT_EQ(scanned().next_sequence, last + 1);
    EXPECT_EQ(texts, Texts{"3"});
    for (const SegmentInfo& info : registry.listed()) {
      registry.drop(info.number);
    }
    log.reset();
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    start = {};
    scan_options.from_sequence = 0;
  }
}

TEST_F(WalFailure, ReadErrorsAreNotTakenForTheEndOfTheLog) {
  open();
  write("1");
  const std::uint64_t before = files.count(Operation::read);
  scanned();
  const std::uint64_t reads = files.count(Operation::read) - before;
  for (std::uint64_t nth = 1; nth <= reads; ++nth) {
    files.fail_next({.operation = Operation::read, .nth = nth});
    const auto found = scan();
    ASSERT_FALSE(found) << nth;
    EXPECT_EQ(found.error().code(), ErrorCode::io);
  }
}

}  // namespace
}  // namespace selvedge::wal
