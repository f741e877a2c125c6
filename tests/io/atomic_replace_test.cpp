// Replacing a file: every step may fail, and the file holds the old or the new content.
#include <gtest/gtest.h>
#include <string>

#include "base/bytes.h"
#include "io/file_util.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/taken.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

using test::Operation;

class AtomicReplace : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(replace("old content")); }

  Status replace(std::string_view text) {
    return io::atomic_replace(files, directory.root(), "f", as_bytes(text));
  }
  std::string content() {
    auto bytes = io::read_file(posix_file_system(), directory.path("f"), 1000);
    return bytes ? std::string(as_text(*bytes)) : "unreadable";
  }
  std::size_t file_count() {
    return test::taken(posix_file_system().list(directory.root())).size();
  }

  test::TempDirectory directory;
  test::FaultyFileSystem files{posix_file_system()};
};

class AtomicReplaceStep : public AtomicReplace, public testing::WithParamInterface<Operation> {};

TEST_P(AtomicReplaceStep, FailureBeforeTheRenameKeepsTheOldContentAndLeavesNothing) {
  test::Fault fault;
  fault.operation = GetParam();
  fault.bytes_done = 3;
  files.fail_next(fault);
  const Status status = replace("new");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::io);
  EXPECT_EQ(content(), "old content");
  EXPECT_EQ(file_count(), 1u);
  ASSERT_TRUE(replace("new"));
  EXPECT_EQ(content(), "new");
}

INSTANTIATE_TEST_SUITE_P(Steps, AtomicReplaceStep,
                         testing::Values(Operation::open, Operation::truncate, Operation::write,
                                         Operation::sync, Operation::close, Operation::rename));

TEST_F(AtomicReplace, FailureOfTheDirectorySyncIsReported) {
  test::Fault fault;
  fault.operation = Operation::sync_dir;
  files.fail_next(fault);
  EXPECT_FALSE(replace("new"));
  EXPECT_EQ(content(), "new");
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(AtomicReplace, SyncsTheFileThenRenamesThenSyncsTheDirectory) {
  const auto syncs = files.count(Operation::sync);
  const auto directory_syncs = files.count(Operation::sync_dir);
  bool synced_before_rename = false;
  files.set_hook(Operation::rename, [&](const std::string&) {
    synced_before_rename = files.count(Operation::sync) == syncs + 1 &&
                           files.count(Operation::sync_dir) == directory_syncs;
  });
  ASSERT_TRUE(replace("new"));
  EXPECT_TRUE(synced_before_rename);
  EXPECT_EQ(files.count(Operation::sync_dir), directory_syncs + 1);
}

TEST_F(AtomicReplace, ShortWritesAreCarriedOn) {
  files.set_write_bytes_max(2);
  ASSERT_TRUE(replace("something longer"));
  EXPECT_EQ(content(), "something longer");
}

TEST_F(AtomicReplace, AFullDiskKeepsTheOldContent) {
  files.set_full(true);
  const Status status = replace("new");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::disk_full);
  EXPECT_EQ(content(), "old content");
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(AtomicReplace, AStrayTemporaryFileIsOverwritten) {
  auto stray = test::taken(posix_file_system().open(directory.path("f.tmp"), OpenMode::create));
  ASSERT_TRUE(io::write_all(*stray, 0, as_bytes("a stray that is longer than the content")));
  ASSERT_TRUE(replace("new"));
  EXPECT_EQ(content(), "new");
  EXPECT_EQ(file_count(), 1u);
}

}  // namespace
}  // namespace selvedge
