// info, verify, stats, dump-segment, config.
#include <selvedge/config.h>

#include "tests/cli/cli_fixture.h"

namespace selvedge {
namespace {

class CliLook : public CliTest {
 protected:
  void SetUp() override { make_people(); }
};

TEST_F(CliLook, InfoShowsFilesAndSequences) {
  const std::string out = good({"info", "people"});
  EXPECT_TRUE(has(out, "state    closed properly")) << out;
  EXPECT_TRUE(has(out, "sequences 1 to ")) << out;
  EXPECT_TRUE(has(out, "All options have their default value")) << out;
  const auto info = json({"info", "people"});
  EXPECT_TRUE(info["clean_close"].GetBool());
  EXPECT_EQ(info["log"]["first"].GetUint64(), 1U);
  EXPECT_EQ(info["segments"][0]["use"], "used");
}

TEST_F(CliLook, InfoShowsWhereOptionsAreFrom) {
  std::ofstream(path("selvedge.yaml")) << "sync: batch\nsegment_bytes: 8MiB\n";
  variables = {{"SELVEDGE_CONFIG", "selvedge.yaml"}, {"SELVEDGE_SEGMENT_BYTES", "16MiB"}};
  const std::string out = good({"info", "people", "--set", "snapshots_kept=3"});
  EXPECT_TRUE(has(out, "sync            batch  selvedge.yaml:1")) << out;
  EXPECT_TRUE(has(out, "segment_bytes   16MiB  SELVEDGE_SEGMENT_BYTES")) << out;
  EXPECT_TRUE(has(out, "snapshots_kept  3      --set")) << out;
  EXPECT_FALSE(has(out, "isolation")) << out;
  EXPECT_TRUE(has(good({"info", "people", "--all"}), "isolation"));
}

TEST_F(CliLook, InfoOfADamagedLogShowsTheRestAndSaysSo) {
  good({"snapshot", "people"});
  make_people("more");
  damage("more/wal/000001.wal", 400);
  const Ran ran = run({"info", "more"});
  EXPECT_EQ(ran.exit_code, 4);
  EXPECT_TRUE(has(ran.out, "log      damaged")) << ran.out;
  EXPECT_TRUE(has(ran.err, "more/wal/000001.wal @")) << ran.err;
}

TEST_F(CliLook, VerifyOfASoundStoreSaysSo) {
  good({"snapshot", "people"});
  const std::string out = good({"verify", "people"});
  EXPECT_TRUE(has(out, "ok   snapshots  1 read whole")) << out;
  EXPECT_TRUE(has(out, "3 nodes, 3 edges")) << out;
  EXPECT_TRUE(has(out, "The store is sound.")) << out;
  const auto report = json({"verify", "people"});
  EXPECT_TRUE(report["sound"].GetBool());
  EXPECT_EQ(report["nodes"].GetUint64(), 3U);
  EXPECT_EQ(report["faults"].Size(), 0U);
}

TEST_F(CliLook, VerifyFindsADamagedSnapshotAndGoesOn) {
  const std::string file = json({"snapshot", "people"})["file"].GetString();
  damage("people/snapshots/" + file, 150);
  const Ran ran = run({"verify", "people"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_TRUE(has(ran.out, "BAD  snapshots")) << ran.out;
  EXPECT_TRUE(has(ran.out, "ok   state      3 nodes")) << ran.out;
  EXPECT_TRUE(has(ran.out, file)) << ran.out;
  const Ran again = run({"verify", "people", "--json"});
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_TRUE(has(again.out, "\"sound\":false")) << again.out;
  EXPECT_TRUE(has(again.out, "\"part\":\"snapshot\"")) << again.out;
}

TEST_F(CliLook, VerifyFindsDamageInTheLog) {
  damage("people/wal/000001.wal", 400);
  const Ran ran = run({"verify", "people"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_TRUE(has(ran.out, "BAD  log        not readable")) << ran.out;
  EXPECT_TRUE(has(ran.out, "BAD  state      cannot be recovered")) << ran.out;
  EXPECT_TRUE(has(ran.out, "1 fault.")) << "the same damage is told once: " << ran.out;
  EXPECT_TRUE(has(ran.out, "people/wal/000001.wal @")) << ran.out;
}

TEST_F(CliLook, VerifyFindsADamagedManifest) {
  damage("people/MANIFEST", 20);
  const Ran ran = run({"verify", "people"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_TRUE(has(ran.out, "manifest: people/MANIFEST")) << ran.out;
}

TEST_F(CliLook, LookingWorksBesideALiveStoreAndChangesNothing) {
  auto store = Store::open(path("people"), quiet_options());
  ASSERT_TRUE(store);
  ASSERT_TRUE(store->set(ada, "born", 1817));
  ASSERT_TRUE(store->create_node({"Person"}, {{"name", "Mary"}}));
  EXPECT_TRUE(has(good({"info", "people"}), "open at this moment"));
  EXPECT_TRUE(has(good({"verify", "people"}), "The store is sound."));
  EXPECT_EQ(json({"stats", "people"})["labels"]["Person"].GetUint64(), 4U);
  EXPECT_TRUE(has(good({"get", "people", "node", text(ada)}), "1817"));
  EXPECT_TRUE(has(good({"neighbors", "people", text(ada)}), "Charles"));
  good({"txlog", "people"});
  good({"feed", "people"});
  good({"recover", "people", "--dry-run"});
  good({"dump-segment", "people/wal/000002.wal"});
  ASSERT_TRUE(store->set(ada, "born", 1818));
  EXPECT_TRUE(store->close());
}

TEST_F(CliLook, StatsCountsByLabelAndType) {
  const std::string out = good({"stats", "people"});
  EXPECT_TRUE(has(out, "nodes           3 (0 without a label, 0 without edges)")) << out;
  EXPECT_TRUE(has(out, "Person      3")) << out;
  EXPECT_TRUE(has(out, "KNOWS          3")) << out;
  const auto stats = json({"stats", "people"});
  EXPECT_EQ(stats["types"]["KNOWS"].GetUint64(), 3U);
  EXPECT_EQ(stats["degree_max"].GetUint64(), 3U);
}

TEST_F(CliLook, DumpSegmentShowsFrames) {
  const std::string out = good({"dump-segment", "people/wal/000001.wal"});
  EXPECT_TRUE(has(out, "sync_mark")) << out;
  EXPECT_TRUE(has(out, "begin commit")) << out;
  EXPECT_TRUE(has(out, "end at ")) << out;
  const auto lines = json_lines({"dump-segment", "people/wal/000001.wal"});
  ASSERT_GT(lines.size(), 3U);
  EXPECT_EQ(lines.front()["segment"].GetUint64(), 1U);
  EXPECT_EQ(lines[1]["offset"].GetUint64(), 128U);
  EXPECT_TRUE(lines.back().HasMember("end"));
}

TEST_F(CliLook, DumpSegmentShowsDamageWithItsPlace) {
  damage("people/wal/000001.wal", 260);
  const Ran ran = run({"dump-segment", "people/wal/000001.wal"});
  EXPECT_EQ(ran.exit_code, 4);
  EXPECT_TRUE(has(ran.out, "there is damage")) << ran.out;
  EXPECT_TRUE(has(ran.err, "people/wal/000001.wal @")) << ran.err;
  EXPECT_EQ(run({"dump-segment", "people/MANIFEST"}).exit_code, 2);
  EXPECT_EQ(run({"dump-segment", "people/wal/000099.wal"}).exit_code, 3);
}

TEST_F(CliLook, ConfigListsEveryOption) {
  const auto options = json({"config"});
  EXPECT_EQ(options.Size(), Config::keys().size());
  const std::string out = good({"config", "--describe"});
  EXPECT_TRUE(has(out, "SELVEDGE_LOG_RETENTION_AGE")) << out;
  EXPECT_TRUE(has(out, "immediate, batch or none")) << out;
}

TEST_F(CliLook, AConfigurationThatCannotBeRightIsAUsageError) {
  std::ofstream(path("a.yaml")) << "# mine\nsegment_byts: 1MiB\n";
  const Ran file = run({"info", "people", "--config", "a.yaml"});
  EXPECT_EQ(file.exit_code, 2);
  EXPECT_EQ(file.out, "");
  EXPECT_TRUE(has(file.err,
                  "a.yaml:2: unknown option \"segment_byts\"; the nearest known one is "
                  "segment_bytes"))
      << file.err;
  EXPECT_EQ(run({"info", "people", "--config", "b.yaml"}).exit_code, 3);
  EXPECT_EQ(run({"info", "people", "--set", "sync"}).exit_code, 2);
  EXPECT_EQ(run({"info", "people", "--set", "sync=often"}).exit_code, 2);
  variables = {{"SELVEDGE_SNYC", "none"}};
  const Ran variable = run({"info", "people"});
  EXPECT_EQ(variable.exit_code, 2);
  EXPECT_TRUE(has(variable.err, "SELVEDGE_SYNC")) << variable.err;
}

}  // namespace
}  // namespace selvedge
