// recover, snapshot, compact, backup.
#include "tests/cli/cli_fixture.h"

namespace selvedge {
namespace {

class CliChange : public CliTest {
 protected:
  void SetUp() override { make_people(); }
  /// A copy of the store while it is open: as a crash leaves it.
  void crash() {
    auto store = Store::open(path("people"), quiet_options());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->set(ada, "born", 1817));
    std::filesystem::copy(path("people"), path("crashed"),
                          std::filesystem::copy_options::recursive);
    ASSERT_TRUE(store->close());
  }
  [[nodiscard]] std::string bytes_of(const std::string& file) const {
    std::ifstream stream(path(file), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

TEST_F(CliChange, RecoverDryRunChangesNothing) {
  crash();
  const std::string before = bytes_of("crashed/MANIFEST");
  const std::string out = good({"recover", "crashed", "--dry-run"});
  EXPECT_TRUE(has(out, "not properly: recovered from the log")) << out;
  EXPECT_TRUE(has(out, "Nothing was changed (--dry-run).")) << out;
  EXPECT_EQ(bytes_of("crashed/MANIFEST"), before);
  EXPECT_FALSE(json({"info", "crashed"})["clean_close"].GetBool());
}

TEST_F(CliChange, RecoverClosesProperly) {
  crash();
  EXPECT_TRUE(has(good({"recover", "crashed"}), "Recovered, and closed properly."));
  EXPECT_TRUE(json({"info", "crashed"})["clean_close"].GetBool());
  EXPECT_TRUE(has(good({"get", "crashed", "node", text(ada)}), "1817"));
  EXPECT_TRUE(json({"recover", "crashed", "--dry-run"})["clean_close"].GetBool());
}

TEST_F(CliChange, RecoverRefusesDamageUnlessItMaySalvage) {
  damage("people/wal/000001.wal", 400);
  const std::string before = bytes_of("people/wal/000001.wal");
  const Ran refused = run({"recover", "people"});
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_TRUE(has(refused.err, "people/wal/000001.wal @")) << refused.err;
  EXPECT_TRUE(has(refused.err, "expected")) << refused.err;
  EXPECT_TRUE(has(refused.err, "hint: selvedge verify")) << refused.err;
  const auto dry = json({"recover", "people", "--salvage", "--dry-run"});
  EXPECT_TRUE(dry["salvaged"].GetBool());
  EXPECT_EQ(bytes_of("people/wal/000001.wal"), before);
  const std::string out = good({"recover", "people", "--salvage"});
  EXPECT_TRUE(has(out, "DROPPED")) << out;
  EXPECT_TRUE(has(out, "Salvaged, and closed properly.")) << out;
  EXPECT_TRUE(has(good({"verify", "people"}), "The store is sound."));
}

TEST_F(CliChange, SnapshotShortensTheNextOpen) {
  const auto fresh = json({"snapshot", "people"});
  const auto report = json({"recover", "people", "--dry-run"});
  EXPECT_STREQ(report["snapshot"].GetString(), fresh["file"].GetString());
  EXPECT_EQ(report["snapshot_nodes"].GetUint64(), 3U);
  good({"snapshot", "people", "--set", "snapshot_compression=zstd"});
  EXPECT_EQ(json({"info", "people"})["snapshots"].Size(), 2U);
}

TEST_F(CliChange, CompactLetsGoOfOldLogOrCompressesIt) {
  Options options = quiet_options();
  options.segment_bytes = 4096;
  auto store = Store::open(path("people"), options);
  ASSERT_TRUE(store);
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(store->set(ada, "note", std::string(100, 'x') + std::to_string(i)));
  }
  ASSERT_TRUE(store->close());
  const auto kept =
      json({"compact", "people", "--set", "segment_bytes=4KiB", "--set",
            "log_retention.everything=true", "--set", "log_retention.compression=zstd"});
  EXPECT_EQ(kept["first"].GetUint64(), 1U);
  EXPECT_LT(kept["bytes_after"].GetUint64(), kept["bytes_before"].GetUint64());
  EXPECT_TRUE(std::filesystem::exists(path("people/history/000001.wal.zst")));
  EXPECT_TRUE(has(good({"dump-segment", "people/history/000001.wal.zst"}), "compressed"));
  EXPECT_TRUE(has(good({"verify", "people"}), "The store is sound."));
  EXPECT_GT(json({"compact", "people", "--set", "segment_bytes=4KiB"})["first"].GetUint64(), 1U);
  EXPECT_TRUE(has(good({"compact", "people"}), "the log is retained from sequence"));
}

TEST_F(CliChange, BackupOpensByItself) {
  EXPECT_TRUE(has(good({"backup", "people", "monday"}), "monday: the state at sequence"));
  const auto here = json({"verify", "people"});
  const auto there = json({"verify", "monday"});
  EXPECT_STREQ(there["digest"].GetString(), here["digest"].GetString());
  const Ran again = run({"backup", "people", "monday"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_TRUE(has(again.err, "monday")) << again.err;
}

TEST_F(CliChange, ChangesAreRefusedWhileAProcessHasTheStoreOpen) {
  auto store = Store::open(path("people"), quiet_options());
  ASSERT_TRUE(store);
  for (const char* command : {"recover", "snapshot", "compact"}) {
    const Ran ran = run({command, "people"});
    EXPECT_EQ(ran.exit_code, 5) << command;
    EXPECT_EQ(ran.out, "");
    EXPECT_TRUE(has(ran.err, "the store is open elsewhere")) << ran.err;
    EXPECT_TRUE(has(ran.err, "hint: info, verify, get, txlog")) << ran.err;
  }
  EXPECT_TRUE(store->close());
}

TEST_F(CliChange, NothingIsMadeWhereThereIsNoStore) {
  for (const char* command :
       {"info", "verify", "stats", "txlog", "feed", "recover", "snapshot", "compact"}) {
    const Ran ran = run({command, "nowhere"});
    EXPECT_EQ(ran.exit_code, 3) << command;
    EXPECT_TRUE(has(ran.err, "nowhere: there is no store")) << command << ran.err;
  }
  EXPECT_FALSE(std::filesystem::exists(path("nowhere")));
}

TEST_F(CliChange, ADirectoryOfSomethingElseIsNoStore) {
  std::filesystem::create_directory(path("music"));
  std::ofstream(path("music/song.ogg")) << "la";
  for (const char* command :
       {"info", "verify", "stats", "txlog", "feed", "recover", "snapshot", "compact"}) {
    const Ran ran = run({command, "music"});
    EXPECT_EQ(ran.exit_code, 6) << command;
    EXPECT_TRUE(has(ran.err, "music: the directory holds something else")) << command << ran.err;
    EXPECT_EQ(run({command, "music/song.ogg"}).exit_code, 6) << command;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(path("music")), {}), 1);
}

TEST_F(CliChange, AReadOnlyConfigurationRefusesChanges) {
  const Ran ran = run({"snapshot", "people", "--set", "read_only=true"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_TRUE(has(ran.err, "selvedge config shows where")) << ran.err;
}

}  // namespace
}  // namespace selvedge
