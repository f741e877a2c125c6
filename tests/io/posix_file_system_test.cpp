// The machine's file system: what its calls promise, and the code of each refusal.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <array>
#include <string>

#include <selvedge/file_system.h>

#include "base/bytes.h"
#include "io/file_util.h"
#include "tests/support/taken.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

class PosixFiles : public testing::Test {
 protected:
  void write(const std::string& name, std::string_view text) {
    auto file = files.open(at(name), OpenMode::create);
    ASSERT_TRUE(file);
    ASSERT_TRUE(io::write_all(**file, 0, as_bytes(text)));
  }
  std::string read(const std::string& name) {
    auto bytes = io::read_file(files, at(name), 1000);
    return bytes ? std::string(as_text(*bytes)) : "unreadable";
  }
  ErrorCode open_error(const std::string& name, OpenMode mode) {
    auto file = files.open(at(name), mode);
    EXPECT_FALSE(file);
    return file ? ErrorCode{} : file.error().code();
  }
  FileKind kind(const std::string& name) { return test::taken(files.kind(at(name))); }
  unsigned mode(const std::string& name) {
    struct stat status {};
    EXPECT_EQ(::stat(at(name).c_str(), &status), 0);
    return status.st_mode & 0777u;
  }
  [[nodiscard]] std::string at(const std::string& name) const { return directory.path(name); }

  test::TempDirectory directory;
  FileSystem& files = posix_file_system();
};

TEST_F(PosixFiles, ReadsAreShortNearTheEndAndEmptyAtIt) {
  write("f", "abcdef");
  auto file = test::taken(files.open(at("f"), OpenMode::read));
  std::array<std::byte, 4> into{};
  EXPECT_EQ(test::taken(file->pread(0, into)), 4u);
  EXPECT_EQ(test::taken(file->pread(4, into)), 2u);
  EXPECT_EQ(test::taken(file->pread(6, into)), 0u);
  EXPECT_EQ(test::taken(file->pread(600, into)), 0u);
  const Status status = io::read_exact(*file, 4, into);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::corruption);
}

TEST_F(PosixFiles, MissingFilesAreNotFound) {
  EXPECT_EQ(open_error("none", OpenMode::read), ErrorCode::not_found);
  EXPECT_EQ(open_error("none", OpenMode::read_write), ErrorCode::not_found);
  EXPECT_EQ(open_error("none/f", OpenMode::create), ErrorCode::not_found);
  EXPECT_EQ(files.unlink(at("none")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files.rename(at("none"), at("b")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(files.sync_dir(at("none")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(kind("none"), FileKind::none);
}

TEST_F(PosixFiles, CreateNewRefusesWhatExists) {
  write("f", "a");
  EXPECT_EQ(open_error("f", OpenMode::create_new), ErrorCode::already_exists);
  EXPECT_EQ(files.mkdir(at("f")).error().code(), ErrorCode::already_exists);
  EXPECT_EQ(read("f"), "a");
}

TEST_F(PosixFiles, AFileIsNoDirectory) {
  write("f", "a");
  EXPECT_EQ(open_error("f/g", OpenMode::create), ErrorCode::io);
  EXPECT_EQ(files.list(at("f")).error().code(), ErrorCode::io);
  EXPECT_EQ(files.sync_dir(at("f")).error().code(), ErrorCode::io);
  EXPECT_EQ(files.mkdir(at("f/g")).error().code(), ErrorCode::io);
}

TEST_F(PosixFiles, ADirectoryIsNoFile) {
  ASSERT_TRUE(files.mkdir(at("d")));
  for (const OpenMode mode : {OpenMode::read, OpenMode::read_write, OpenMode::create}) {
    EXPECT_EQ(open_error("d", mode), ErrorCode::io);
  }
  EXPECT_FALSE(files.lock(at("d")));
}

TEST_F(PosixFiles, WhatIsMadeBelongsToItsOwnerAlone) {
  write("f", "a");
  ASSERT_TRUE(files.mkdir(at("d")));
  const auto lock = files.lock(at("l"));
  ASSERT_TRUE(lock);
  EXPECT_EQ(mode("f"), 0600u);
  EXPECT_EQ(mode("d"), 0700u);
  EXPECT_EQ(mode("l"), 0600u);
}

TEST_F(PosixFiles, ALockIsHeldUntilItsObjectDies) {
  {
    const auto first = files.lock(at("l"));
    ASSERT_TRUE(first);
    const auto second = files.lock(at("l"));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code(), ErrorCode::locked);
  }
  EXPECT_TRUE(files.lock(at("l")));
}

TEST_F(PosixFiles, ListIsSortedAndKnowsKinds) {
  write("b", "");
  write("a", "");
  ASSERT_TRUE(files.mkdir(at("c")));
  const auto entries = test::taken(files.list(directory.root()));
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[1].name, "b");
  EXPECT_EQ(entries[1].kind, FileKind::file);
  EXPECT_EQ(entries[2].name, "c");
  EXPECT_EQ(entries[2].kind, FileKind::directory);
}

TEST_F(PosixFiles, RenameReplacesAndUnlinkRemoves) {
  write("a", "new");
  write("b", "old");
  ASSERT_TRUE(files.rename(at("a"), at("b")));
  EXPECT_EQ(kind("a"), FileKind::none);
  EXPECT_EQ(read("b"), "new");
  ASSERT_TRUE(files.unlink(at("b")));
  EXPECT_EQ(kind("b"), FileKind::none);
}

TEST_F(PosixFiles, AllocateGrowsWithZerosAndNeverShortens) {
  write("f", "abc");
  auto file = test::taken(files.open(at("f"), OpenMode::read_write));
  ASSERT_TRUE(file->allocate(5));
  EXPECT_EQ(read("f"), std::string("abc\0\0", 5));
  ASSERT_TRUE(file->allocate(1));
  ASSERT_TRUE(file->allocate(0));
  EXPECT_EQ(test::taken(file->size()), 5u);
  ASSERT_TRUE(file->truncate(2));
  EXPECT_EQ(read("f"), "ab");
}

TEST_F(PosixFiles, AFileOpenForReadingRefusesWrites) {
  write("f", "abc");
  auto file = test::taken(files.open(at("f"), OpenMode::read));
  EXPECT_FALSE(file->pwrite(0, as_bytes("x")));
  EXPECT_FALSE(file->truncate(0));
  EXPECT_EQ(read("f"), "abc");
}

TEST_F(PosixFiles, ReadFileRefusesWhatIsTooLarge) {
  write("f", "abcd");
  EXPECT_TRUE(io::read_file(files, at("f"), 4));
  EXPECT_EQ(io::read_file(files, at("f"), 3).error().code(), ErrorCode::too_large);
}

}  // namespace
}  // namespace selvedge
