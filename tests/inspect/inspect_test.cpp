#include <selvedge/inspect.h>

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

class Inspect : public StoreTest {
 protected:
  VerifyReport verified() const {
    auto report = verify_files("/db", {.file_system = faults.get()});
    EXPECT_TRUE(report) << report.error().message();
    return report ? *std::move(report) : VerifyReport{};
  }
  StoreFiles looked_at() const {
    auto found = inspect_files("/db", faults.get());
    EXPECT_TRUE(found) << found.error().message();
    return found ? *std::move(found) : StoreFiles{};
  }
  void flip(const std::string& path, std::uint64_t offset) {
    std::string byte = read_file(path).substr(static_cast<std::size_t>(offset), 1);
    byte[0] = static_cast<char>(byte[0] ^ 0x55);
    write_file(path, offset, byte);
  }
  static ErrorCode code_of(const Result<StoreFiles>& result) {
    return result ? ErrorCode::unsupported : result.error().code();
  }
};

TEST_F(Inspect, ListsSnapshotsAndSegmentsOfALiveStore) {
  node(1);
  must(store->checkpoint());
  node(2);
  const StoreFiles files = looked_at();
  EXPECT_EQ(files.store, store->uuid());
  EXPECT_FALSE(files.clean_close);
  ASSERT_EQ(files.snapshots.size(), 1U);
  EXPECT_FALSE(files.snapshots[0].backup);
  ASSERT_GE(files.segments.size(), 1U);
  EXPECT_EQ(files.segments[0].use, SegmentUse::used);
  EXPECT_EQ(files.segments[0].first.value, 1U);
  EXPECT_GT(files.log_bytes, 0U);
  close();
  EXPECT_TRUE(looked_at().clean_close);
}

TEST_F(Inspect, TellsAMissingSegment) {
  node(1);
  close();
  must(memory->unlink("/db/wal/000001.wal"));
  EXPECT_EQ(looked_at().segments[0].use, SegmentUse::missing);
}

TEST_F(Inspect, SaysWhatThePathIsWhenItIsNoStore) {
  EXPECT_EQ(code_of(inspect_files("/nowhere", faults.get())), ErrorCode::not_found);
  must(memory->mkdir("/empty"));
  EXPECT_EQ(code_of(inspect_files("/empty", faults.get())), ErrorCode::not_found);
  must(memory->mkdir("/music"));
  write_file("/music/song", 0, "la");
  EXPECT_EQ(code_of(inspect_files("/music", faults.get())), ErrorCode::not_a_store);
  EXPECT_EQ(code_of(inspect_files("/music/song", faults.get())), ErrorCode::not_a_store);
  close();
  must(memory->unlink("/db/MANIFEST"));
  EXPECT_EQ(code_of(inspect_files("/db", faults.get())), ErrorCode::corruption);
}

TEST_F(Inspect, VerifiesALiveStore) {
  const NodeId a = node(1);
  const NodeId b = node(2);
  ASSERT_TRUE(store->create_edge(a, "E", b));
  must(store->checkpoint());
  ASSERT_TRUE(store->set(a, "v", 3));
  const VerifyReport report = verified();
  EXPECT_TRUE(report.faults.empty()) << report.faults.front().error.message();
  EXPECT_EQ(report.snapshots, 1U);
  EXPECT_EQ(report.first.value, 1U);
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 1U);
  EXPECT_TRUE(report.recovered);
  EXPECT_EQ(report.digest, store->digest());
}

TEST_F(Inspect, VerifyTellsItsProgress) {
  node(1);
  must(store->checkpoint());
  std::vector<std::string> steps;
  const auto report = verify_files("/db", {.progress =
                                               [&](const Progress& at) {
                                                 EXPECT_EQ(at.activity, Activity::verify);
                                                 if (steps.empty() || steps.back() != at.step) {
                                                   steps.emplace_back(at.step);
                                                 }
                                               },
                                           .file_system = faults.get()});
  ASSERT_TRUE(report);
  EXPECT_EQ(steps, (std::vector<std::string>{"snapshots", "log", "state"}));
}

TEST_F(Inspect, VerifyFindsADamagedOlderSnapshotThatRecoveryDoesNotRead) {
  node(1);
  must(store->checkpoint());
  node(2);
  must(store->checkpoint());
  const std::string older = looked_at().snapshots[0].file;
  close();
  flip("/db/snapshots/" + older, 150);
  const VerifyReport report = verified();
  ASSERT_EQ(report.faults.size(), 1U);
  EXPECT_EQ(report.faults[0].part, "snapshot");
  EXPECT_EQ(report.faults[0].error.code(), ErrorCode::corruption);
  EXPECT_EQ(report.faults[0].error.path(), "/db/snapshots/" + older);
  EXPECT_EQ(report.nodes, 2U);
}

TEST_F(Inspect, VerifyFindsDamageInLogThatRecoveryDoesNotRead) {
  options.segment_bytes = 4096;
  options.log_retention.everything = true;
  reopen();
  for (int i = 0; i < 200; ++i) {
    node(i);
  }
  must(store->checkpoint());
  close();
  flip("/db/wal/000002.wal", 700);
  const VerifyReport report = verified();
  ASSERT_EQ(report.faults.size(), 1U);
  EXPECT_EQ(report.faults[0].part, "log");
  EXPECT_EQ(report.faults[0].error.path(), "/db/wal/000002.wal");
  EXPECT_TRUE(report.recovered);
}

TEST_F(Inspect, VerifyTellsTheSameDamageOnce) {
  node(1);
  node(2);
  close();
  flip("/db/wal/000001.wal", 250);
  const VerifyReport report = verified();
  ASSERT_EQ(report.faults.size(), 1U);
  EXPECT_EQ(report.faults[0].part, "log");
  EXPECT_FALSE(report.recovered);
}

class Dump : public Inspect {
 protected:
  SegmentDump dump(const std::string& path = "/db/wal/000001.wal") const {
    auto opened = SegmentDump::open(path, faults.get());
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  ErrorCode refusal(const std::string& path) const {
    const auto opened = SegmentDump::open(path, faults.get());
    return opened ? ErrorCode::unsupported : opened.error().code();
  }
};

TEST_F(Dump, ShowsEveryFrameToTheSeal) {
  node(1);
  auto tx = begin();
  ASSERT_TRUE(tx.create_node({"N"}));
  ASSERT_TRUE(tx.commit());
  close();
  SegmentDump frames = dump();
  EXPECT_EQ(frames.header().first.value, 1U);
  std::uint64_t entries = 0;
  bool sealed = false;
  bool committed = false;
  while (frames.next()) {
    EXPECT_FALSE(sealed) << "nothing comes behind the seal";
    entries += frames.frame().kind == SegmentFrameKind::operations ? frames.frame().count : 0;
    sealed = frames.frame().kind == SegmentFrameKind::seal;
    committed = committed || (frames.frame().begin && frames.frame().commit);
  }
  EXPECT_TRUE(sealed && committed);
  EXPECT_EQ(frames.end(), SegmentEnd::sealed);
  EXPECT_TRUE(frames.fault());
  EXPECT_GE(entries, 4U);
}

TEST_F(Dump, PassesOverADamagedPayloadAndSaysSo) {
  const NodeId a = node(1);
  close();
  SegmentDump sound = dump();
  std::uint64_t at = 0;
  while (sound.next() && at == 0) {
    at = sound.frame().payload_bytes > 8 ? sound.frame().offset + 50 : 0;
  }
  ASSERT_NE(at, 0U) << a.value;
  flip("/db/wal/000001.wal", at);
  SegmentDump frames = dump();
  bool shown = false;
  std::uint64_t behind = 0;
  while (frames.next()) {
    behind += shown ? 1U : 0U;
    shown = shown || frames.frame().damaged;
  }
  EXPECT_TRUE(shown);
  EXPECT_GT(behind, 0U);
  EXPECT_EQ(frames.end(), SegmentEnd::damaged);
  ASSERT_FALSE(frames.fault());
  EXPECT_EQ(frames.fault().error().code(), ErrorCode::corruption);
}

TEST_F(Dump, ADamagedHeaderEndsItAndTellsWhatStandsBehind) {
  node(1);
  node(2);
  node(3);
  close();
  flip("/db/wal/000001.wal", 200);
  SegmentDump frames = dump();
  while (frames.next()) {
  }
  EXPECT_EQ(frames.end(), SegmentEnd::damaged);
  ASSERT_FALSE(frames.fault());
  EXPECT_NE(frames.fault().error().message().find("behind it stand"), std::string::npos)
      << frames.fault().error().message();
}

TEST_F(Dump, StaleBytesOfARecycledFileAreNoDamage) {
  options.segment_bytes = 4096;
  reopen();
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(store->create_node({"N"}, {{"v", i}}));
    if (i % 50 == 49) {
      must(store->checkpoint());
    }
  }
  const StoreFiles files = looked_at();
  std::size_t recycled = 0;
  for (const SegmentFile& each : files.segments) {
    if (each.use != SegmentUse::used) {
      continue;
    }
    SegmentDump frames = dump(each.path);
    while (frames.next()) {
    }
    EXPECT_NE(frames.end(), SegmentEnd::damaged) << each.path;
    EXPECT_TRUE(frames.fault());
    recycled += frames.header().recycled ? 1U : 0U;
  }
  EXPECT_GT(recycled, 0U);
}

TEST_F(Dump, RefusesWhatIsNoSegment) {
  node(1);
  close();
  EXPECT_EQ(refusal("/db/MANIFEST"), ErrorCode::invalid_argument);
  EXPECT_EQ(refusal("/db/wal/000099.wal"), ErrorCode::not_found);
  flip("/db/wal/000001.wal", 40);
  EXPECT_EQ(refusal("/db/wal/000001.wal"), ErrorCode::corruption);
  write_file("/db/wal/000077.wal", 0, std::string(4096, '\0'));
  EXPECT_EQ(refusal("/db/wal/000077.wal"), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace selvedge
