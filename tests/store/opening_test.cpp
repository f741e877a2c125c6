// What a path may hold, and what an open says about it. A refusal changes no byte.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/crc32c.h"
#include "snapshot/manifest.h"
#include "tests/store/store_fixture.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

using test::TempDirectory;

void write(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

ErrorCode refused(const std::string& path, const Options& options = {}) {
  const auto store = Store::open(path, options);
  EXPECT_FALSE(store) << "it opened";
  if (store) {
    return ErrorCode::unsupported;
  }
  EXPECT_NE(store.error().message().find(path), std::string::npos) << store.error().message();
  return store.error().code();
}

TEST(Opening, CreatesAStoreWithPrivateFiles) {
  TempDirectory directory;
  const std::string path = directory.path("s");
  auto store = Store::open(path);
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_TRUE(store->recovery_report().created);
  ASSERT_TRUE(store->create_node({"N"}));
  for (const auto& each : std::filesystem::recursive_directory_iterator(path)) {
    struct stat facts {};
    ASSERT_EQ(::stat(each.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, each.is_directory() ? 0700U : 0600U) << each.path();
  }
}

TEST(Opening, AMissingPathIsNotCreatedUnlessAsked) {
  TempDirectory directory;
  Options options;
  options.create_if_missing = false;
  EXPECT_EQ(refused(directory.path("s"), options), ErrorCode::not_found);
  EXPECT_FALSE(std::filesystem::exists(directory.path("s")));
  EXPECT_EQ(refused(directory.path("a/b/c")), ErrorCode::not_found);
  options.read_only = true;
  EXPECT_EQ(refused(directory.path("s"), options), ErrorCode::not_found);
}

TEST(Opening, AnEmptyDirectoryBecomesAStore) {
  TempDirectory directory;
  std::filesystem::create_directory(directory.path("s"));
  Options options;
  options.create_if_missing = false;
  EXPECT_EQ(refused(directory.path("s"), options), ErrorCode::not_found);
  EXPECT_TRUE(Store::open(directory.path("s")));
}

TEST(Opening, AFileWhereADirectoryShouldBe) {
  TempDirectory directory;
  write(directory.path("s"), "hello");
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::not_a_store);
  EXPECT_EQ(std::filesystem::file_size(directory.path("s")), 5U);
}

TEST(Opening, ADirectoryOfSomethingElse) {
  TempDirectory directory;
  std::filesystem::create_directory(directory.path("s"));
  write(directory.path("s/letter.txt"), "Dear Ada");
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::not_a_store);
  EXPECT_FALSE(std::filesystem::exists(directory.path("s/MANIFEST")));
  EXPECT_FALSE(std::filesystem::exists(directory.path("s/LOCK")));
}

TEST(Opening, StrayFilesBesideAStoreAreLeftAlone) {
  TempDirectory directory;
  ASSERT_TRUE(Store::open(directory.path("s")));
  for (const char* const name : {"s/letter.txt", "s/wal/notes.txt", "s/snapshots/notes.txt"}) {
    write(directory.path(name), "mine");
  }
  auto store = Store::open(directory.path("s"));
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ(store->recovery_report().strays.size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(directory.path("s/letter.txt")));
  EXPECT_TRUE(std::filesystem::exists(directory.path("s/wal/notes.txt")));
  EXPECT_TRUE(std::filesystem::exists(directory.path("s/snapshots/notes.txt")));
}

TEST(Opening, ALostManifestIsCorruptionNotANewStore) {
  TempDirectory directory;
  {
    auto store = Store::open(directory.path("s"));
    ASSERT_TRUE(store && store->create_node({"N"}));
  }
  std::filesystem::remove(directory.path("s/MANIFEST"));
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::corruption);
  std::filesystem::remove_all(directory.path("s/snapshots"));
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::corruption);
}

TEST(Opening, ALogThatIsGoneIsCorruption) {
  TempDirectory directory;
  {
    auto store = Store::open(directory.path("s"));
    ASSERT_TRUE(store && store->create_node({"N"}));
  }
  std::filesystem::remove_all(directory.path("s/wal"));
  const auto store = Store::open(directory.path("s"));
  ASSERT_FALSE(store);
  std::filesystem::create_directory(directory.path("s/wal"));
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::corruption);
}

TEST(Opening, ASecondOpenIsLockedInThisProcessAndInAnother) {
  TempDirectory directory;
  auto store = Store::open(directory.path("s"));
  ASSERT_TRUE(store);
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::locked);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto other = Store::open(directory.path("s"));
    ::_exit(!other && other.error().code() == ErrorCode::locked ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ASSERT_TRUE(store->close());
  EXPECT_TRUE(Store::open(directory.path("s")));
  const Status late = store->checkpoint();
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::closed);
}

TEST(Opening, ReadOnlyWorksBesideALiveStoreAndWritesNothing) {
  TempDirectory directory;
  Options writing;
  writing.background_maintenance = false;  // nothing but the reader is at work
  writing.segment_bytes = std::uint64_t{1} << 20;
  auto live = Store::open(directory.path("s"), writing);
  ASSERT_TRUE(live);
  const auto node = live->create_node({"N"}, {{"v", 1}});
  ASSERT_TRUE(node);
  Options options;
  options.read_only = true;
  const auto content = [&] {
    std::map<std::string, std::string> all;
    for (const auto& each : std::filesystem::recursive_directory_iterator(directory.path("s"))) {
      if (each.is_regular_file()) {
        std::ifstream file(each.path(), std::ios::binary);
        all[each.path()] = std::string(std::istreambuf_iterator<char>(file), {});
      }
    }
    return all;
  };
  const auto before = content();
  {
    auto reader = Store::open(directory.path("s"), options);
    ASSERT_TRUE(reader) << reader.error().message();
    const auto view = reader->read();
    EXPECT_EQ((*view.get(*node))["v"].as_int64(), 1);
    for (const Status& each :
         {Status(reader->set(*node, "v", 2)), Status(reader->checkpoint()),
          Status(reader->maintain()), Status(reader->set_embedding(*node, "e", Vector{1}))}) {
      ASSERT_FALSE(each);
      EXPECT_EQ(each.error().code(), ErrorCode::read_only) << each.error().message();
    }
    const auto tx = reader->begin();
    ASSERT_FALSE(tx);
    EXPECT_EQ(tx.error().code(), ErrorCode::read_only);
  }
  EXPECT_TRUE(content() == before);
  ASSERT_TRUE(live->set(*node, "v", 3));
}

TEST(Opening, NoPermission) {
  if (::geteuid() == 0) {  // root may do everything but this
    EXPECT_EQ(Store::open("/proc/selvedge").error().code(), ErrorCode::not_found);
    return;
  }
  TempDirectory directory;
  std::filesystem::create_directory(directory.path("s"));
  ::chmod(directory.path("s").c_str(), 0500);
  EXPECT_EQ(refused(directory.path("s")), ErrorCode::permission_denied);
  ::chmod(directory.path("s").c_str(), 0700);
}

class NewerFormat : public StoreTest {
 protected:
  void expect_newer(const std::string& path) {
    const auto opened = Store::open("/db", options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::newer_format) << opened.error().message();
    EXPECT_NE(opened.error().message().find(path), std::string::npos) << opened.error().message();
  }
};

TEST_F(NewerFormat, OfALogFrameIsRefused) {
  node();
  close();
  const std::string path = "/db/wal/" + files_in("/db/wal").front();
  const std::string before = read_file(path);
  // The first frame: its version byte, and a header CRC to match.
  std::string bytes = before;
  const auto manifest = snapshot::Manifest::load(*memory, "/db");
  ASSERT_TRUE(manifest);
  bytes[128 + 34] = 2;
  const std::uint32_t crc =
      base::crc32c(static_cast<std::uint32_t>(manifest->segments.front().salt),
                   std::as_bytes(std::span(bytes)).subspan(128 + 4, 44));
  std::memcpy(&bytes[128], &crc, 4);
  write_file(path, 0, bytes);
  expect_newer(path);
  EXPECT_EQ(read_file(path), bytes);
  write_file(path, 0, before);
  open();
}

}  // namespace
}  // namespace selvedge
