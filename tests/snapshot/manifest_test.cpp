// The manifest: exact, checked, replaced atomically.
#include "snapshot/manifest.h"

#include <sys/stat.h>

#include "tests/snapshot/snapshot_fixture.h"

namespace selvedge::snapshot {
namespace {

class ManifestTest : public SnapshotTest {
 protected:
  ManifestTest() {
    manifest.store = uuid;
    manifest.created_us = 1;
    manifest.watermark = ~std::uint64_t{0};
    manifest.wall_us = 9007199254740993;
    manifest.next_snapshot = 3;
    manifest.clean_close = true;
    manifest.snapshots = {
        {snapshot_name(5, 1), 4, 5, 2, 777, 8, std::string(32, 'a'), Kind::backup, true,
         0xffffffff},
        {snapshot_name(9, 2), 8, ~std::uint64_t{0} - 1, 6, 778, 9, std::string(32, 'b')}};
    manifest.segments = {{1, 0xffffffff, 1, SegmentState::sealed}, {2, 12}};
  }
  void save() {
    const Status saved = manifest.save(files, directory);
    ASSERT_TRUE(saved) << saved.error().message();
  }
  Result<Manifest> load() { return Manifest::load(files, directory); }
  [[nodiscard]] std::string manifest_path() const { return directory + "/MANIFEST"; }
  [[nodiscard]] std::string text() const {
    std::ifstream in(manifest_path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void set_text(const std::string& text) {
    std::ofstream(manifest_path(), std::ios::binary | std::ios::trunc) << text;
  }
  /// Replaces a piece of the text and makes the checksum right again.
  void forge(const std::string& from, const std::string& to) {
    std::string content = text();
    const std::size_t at = content.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    content.replace(at, from.size(), to);
    const std::size_t end = content.rfind(",\n \"checksum\"");
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x",
                  base::crc32c(as_bytes(std::string_view(content).substr(0, end))));
    content.replace(content.rfind('"') - 8, 8, digits.data());
    set_text(content);
  }
  void expect_refused(ErrorCode code, const std::string& place) {
    const auto loaded = load();
    ASSERT_FALSE(loaded) << place;
    EXPECT_EQ(loaded.error().code(), code) << loaded.error().message();
    EXPECT_EQ(loaded.error().path(), manifest_path());
    EXPECT_NE(loaded.error().message().find(place), std::string::npos) << loaded.error().message();
  }

  Manifest manifest;
};

TEST_F(ManifestTest, KeepsEverythingExactly) {
  save();
  const auto loaded = load();
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, manifest);
}

TEST_F(ManifestTest, KeepsAnEmptyOne) {
  manifest = {};
  save();
  EXPECT_EQ(*load(), manifest);
}

TEST_F(ManifestTest, IsAlwaysTheSameText) {
  save();
  EXPECT_EQ(load()->to_json(), text());
}

TEST_F(ManifestTest, IsPrivate) {
  save();
  struct stat status {};
  ASSERT_EQ(::stat(manifest_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ManifestTest, MissingIsNotFound) { EXPECT_EQ(load().error().code(), ErrorCode::not_found); }

TEST_F(ManifestTest, EveryFlippedBitIsFound) {
  save();
  const std::string whole = text();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      const auto loaded = Manifest::parse(flipped, manifest_path());
      ASSERT_FALSE(loaded) << "byte " << i;
      EXPECT_EQ(loaded.error().code(), ErrorCode::corruption) << loaded.error().message();
    }
  }
}

TEST_F(ManifestTest, EveryTruncationIsFound) {
  save();
  const std::string whole = text();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto loaded = Manifest::parse(std::string_view(whole).substr(0, size), manifest_path());
    ASSERT_FALSE(loaded) << size;
    EXPECT_EQ(loaded.error().code(), ErrorCode::corruption);
  }
}

TEST_F(ManifestTest, AWrongChecksumNamesBoth) {
  save();
  std::string content = text();
  content[content.find("watermark")] = 'W';
  set_text(content);
  expect_refused(ErrorCode::corruption, "checksum");
  EXPECT_EQ(load().error().expected().size(), 8U);
  EXPECT_EQ(load().error().found().size(), 8U);
}

TEST_F(ManifestTest, ANewerVersionIsNotTouched) {
  save();
  forge("\"version\": 1", "\"version\": 3,\n \"shards\": []");
  expect_refused(ErrorCode::newer_format, "newer format");
}

TEST_F(ManifestTest, AnUnknownMemberIsNamed) {
  save();
  forge("\"salt\": 12", "\"salt\": 12, \"colour\": \"blue\"");
  expect_refused(ErrorCode::corruption, "segments[1].colour");
}

TEST_F(ManifestTest, AMemberThatIsThereTwiceIsNamed) {
  save();
  forge("\"watermark\"", "\"watermark\": 1, \"watermark\"");
  expect_refused(ErrorCode::corruption, "watermark");
}

TEST_F(ManifestTest, AMissingMemberIsNamed) {
  save();
  forge("\"low_water\": 6,", "");
  expect_refused(ErrorCode::corruption, "snapshots[1].low_water");
}

TEST_F(ManifestTest, AWrongTypeIsNamed) {
  const std::vector<std::array<std::string, 3>> cases = {
      {"\"created_us\": 1,", "\"created_us\": \"1\",", "created_us"},
      {"\"created_us\": 1,", "\"created_us\": -1,", "created_us"},
      {"\"created_us\": 1,", "\"created_us\": 1.0,", "created_us"},
      {"\"created_us\": 1,", "\"created_us\": 18446744073709551616,", "created_us"},
      {"\"version\": 1", "\"version\": null", "version"},
      {"\"version\": 1", "\"version\": 0", "version"},
      {"\"store\": \"07", "\"store\": \"0x", "store"},
      {"\"clean_close\": true", "\"clean_close\": 1", "clean_close"},
      {"\"kind\": \"backup\"", "\"kind\": \"copy\"", "snapshots[0].kind"},
      {"\"verified\": true", "\"verified\": \"yes\"", "snapshots[0].verified"},
      {"\"log_frame_crc\": 4294967295", "\"log_frame_crc\": 4294967296",
       "snapshots[0].log_frame_crc"},
      {"\"salt\": 4294967295", "\"salt\": 4294967296", "segments[0].salt"},
      {"\"state\": \"sealed\"", "\"state\": \"open\"", "segments[0].state"},
      {"\"digest\": \"a", "\"digest\": [], \"x\": \"a", "snapshots[0].digest"},
      {"\"segments\": [", "\"segments\": [ 4,", "segments[0]"},
      {"\"segments\": [", "\"segments\": {}, \"x\": [", "segments"}};
  for (const auto& [from, to, place] : cases) {
    save();
    forge(from, to);
    expect_refused(ErrorCode::corruption, "manifest member " + place + ":");
  }
}

TEST_F(ManifestTest, BrokenJsonWithARightChecksumIsFound) {
  save();
  forge("\"version\": 1", "\"version\" 1");
  expect_refused(ErrorCode::corruption, "not JSON");
}

TEST_F(ManifestTest, AnotherFormOfTheSameContentIsFound) {
  for (const std::string other : {"\"salt\":  12", "\"\\u0073alt\": 12", "\"salt\": 12 "}) {
    save();
    forge("\"salt\": 12", other);
    expect_refused(ErrorCode::corruption, "one form");
  }
}

TEST_F(ManifestTest, TheWatermarkCoversEverySnapshot) {
  save();
  manifest.snapshots[1].end = 10;
  manifest.watermark = 9;
  const Status saved = manifest.save(files, directory);
  ASSERT_FALSE(saved);
  EXPECT_EQ(saved.error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(load()->watermark, ~std::uint64_t{0});  // the old one stands
  forge("\"watermark\": 18446744073709551615", "\"watermark\": 3");
  expect_refused(ErrorCode::corruption, "snapshots[0].end");
}

TEST_F(ManifestTest, NothingIsListedTwice) {
  manifest.snapshots[1].file = manifest.snapshots[0].file;
  EXPECT_FALSE(manifest.save(files, directory));
  manifest.snapshots.pop_back();
  manifest.segments[1].number = 1;
  EXPECT_FALSE(manifest.save(files, directory));
  manifest.segments.pop_back();
  EXPECT_TRUE(manifest.save(files, directory));
}

TEST_F(ManifestTest, ASnapshotsFileHasAPlainName) {
  for (const char* name : {"", "..", "a/b", "/etc/passwd"}) {
    manifest.snapshots[0].file = name;
    EXPECT_FALSE(manifest.save(files, directory)) << name;
  }
  EXPECT_TRUE(listing().empty());
}

/// Whatever fails before the rename, the old content stands and no temporary file stays.
TEST_F(ManifestTest, AFailedReplacementLeavesTheOldOne) {
  save();
  const std::string before = text();
  manifest.clean_close = false;
  using test::Operation;
  for (const Operation operation : {Operation::open, Operation::truncate, Operation::write,
                                    Operation::sync, Operation::close, Operation::rename}) {
    files.fail_next({.operation = operation});
    EXPECT_FALSE(manifest.save(files, directory));
    EXPECT_EQ(text(), before);
    EXPECT_EQ(listing(), std::vector<std::string>{"MANIFEST"});
  }
  save();
  EXPECT_EQ(*load(), manifest);
}

TEST_F(ManifestTest, IsSyncedBeforeItReplacesTheOldOne) {
  save();
  const std::string before = text();
  manifest.clean_close = false;
  std::string at_sync;
  files.set_hook(test::Operation::sync, [&](const std::string&) { at_sync = text(); });
  std::uint64_t syncs_at_rename = 0;
  save();
  EXPECT_EQ(at_sync, before);
  files.set_hook(test::Operation::rename,
                 [&](const std::string&) { syncs_at_rename = files.count(test::Operation::sync); });
  const std::uint64_t syncs = files.count(test::Operation::sync);
  save();
  EXPECT_EQ(syncs_at_rename, syncs + 1);
  EXPECT_EQ(files.count(test::Operation::sync_dir), 3U);
}

}  // namespace
}  // namespace selvedge::snapshot
