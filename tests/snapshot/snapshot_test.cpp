// What is written is read back; what goes wrong while writing leaves nothing behind.
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/snapshot/snapshot_fixture.h"
#include "tests/support/sanitizers.h"

namespace selvedge::snapshot {
namespace {

class Snapshot : public SnapshotTest {
 protected:
  void expect_small() {
    const auto content = read();
    ASSERT_TRUE(content) << content.error().message();
    EXPECT_EQ(content->names.size(), 3U);
    EXPECT_EQ(content->names[2], (std::tuple{2, 3U, std::string()}));
    EXPECT_EQ(content->nodes.at(id(1)), (std::tuple{11ULL, false, image("Ada"), 3U, 4U}));
    EXPECT_EQ(std::get<1>(content->nodes.at(id(4))), true);
    EXPECT_EQ(content->edges.at(id(7)),
              (std::tuple{15ULL, false, id(1), id(2), 5U, image("since")}));
    EXPECT_EQ(std::get<1>(content->edges.at(id(8))), true);
    EXPECT_EQ(content->free_nodes, (std::map<std::uint64_t, std::uint32_t>{{9, 17}}));
    EXPECT_EQ(content->free_edges, (std::map<std::uint64_t, std::uint32_t>{{6, 1 << 20}}));
    const std::array<float, 3> vector = {1.5F, -0.0F, 1e-40F};
    EXPECT_EQ(std::get<3>(content->embeddings.at(0)), text_of(std::as_bytes(std::span(vector))));
    ASSERT_EQ(content->schema.size(), 1U);
    EXPECT_EQ(content->schema.front(), (std::tuple{3U, 17ULL, definition()}));
    EXPECT_EQ(content->footer.nodes, 3U);
    EXPECT_EQ(content->footer.edges, 1U);
    EXPECT_EQ(content->footer.tombstones, 2U);
    EXPECT_EQ(content->footer.end_frame_crc, footer.end_frame_crc);
    EXPECT_EQ(content->footer.end_frame_sequence, footer.end_frame_sequence);
    EXPECT_EQ(content->footer.low_water, footer.low_water);
    EXPECT_EQ(content->header.created_us, 42U);
  }
  /// Many edges with some text each.
  void write_edges(std::uint64_t count) {
    create();
    std::mt19937_64 random(7);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string bytes = image("weight " + std::to_string(random() % 100000));
      edge(i, i % 1000, random() % 1000, i % 100, bytes);
    }
    finish();
  }
};

TEST_F(Snapshot, KeepsEverything) {
  write_small();
  expect_small();
}

TEST_F(Snapshot, KeepsEverythingCompressed) {
  options = {Compression::zstd};
  write_small();
  expect_small();
}

TEST_F(Snapshot, KeepsEverythingWithARecordInEachChunk) {
  options.chunk_bytes = 1;
  write_small();
  EXPECT_EQ(open().chunks().size(), 13U);
  expect_small();
}

TEST_F(Snapshot, OfNothingIsSound) {
  create();
  footer = {.begin = 1, .end = 0, .low_water = 1};
  finish();
  const auto content = read();
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ(content->footer, footer);
  EXPECT_EQ(content->footer.digest, StateDigest{});
  EXPECT_EQ(writer->bytes(), 204U);  // the format page's example
}

TEST_F(Snapshot, CarriesStoreAndKind) {
  uuid = random_uuid();
  kind = Kind::backup;
  write_small();
  EXPECT_EQ(open().store(), uuid);  // whose store it is, the caller judges
  EXPECT_EQ(open().kind(), Kind::backup);
}

TEST_F(Snapshot, IsPrivate) {
  write_small();
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(Snapshot, ChunksKnowTheirSlots) {
  options.chunk_bytes = 70;  // two records
  create();
  for (const std::uint64_t slot : {5U, 3U, 9U, 7U}) {
    node(slot, 1, "");
  }
  finish();
  const auto chunks = open().chunks();
  ASSERT_EQ(chunks.size(), 2U);
  EXPECT_EQ(chunks[0].slot_min, 3U);
  EXPECT_EQ(chunks[0].slot_max, 5U);
  EXPECT_EQ(chunks[1].slot_min, 7U);
  EXPECT_EQ(chunks[1].slot_max, 9U);
}

TEST_F(Snapshot, RaisesTheHighWaterMarksOverEveryRecord) {
  create();
  footer.node_slots = 2;
  footer.edge_slots = 3;
  node(70, 1, "");
  edge(80, 1, 2, 1, "");
  ASSERT_TRUE(writer->add_free_edge({90, 2}));
  finish();
  EXPECT_EQ(open().footer().node_slots, 71U);
  EXPECT_EQ(open().footer().edge_slots, 91U);
}

TEST_F(Snapshot, GivesALargeRecordAChunkOfItsOwn) {
  for (const Compression each : {Compression::none, Compression::zstd}) {
    std::filesystem::remove(path());
    options = {each};
    create();
    const std::string large = image(std::string((std::size_t{15} << 20), 'q'));
    node(1, 1, image("before"));
    node(2, 2, large);
    node(3, 3, image("after"));
    finish();
    EXPECT_EQ(open().chunks().size(), 3U);
    const auto content = read();
    ASSERT_TRUE(content) << content.error().message();
    EXPECT_EQ(std::get<2>(content->nodes.at(id(2))), large);
  }
}

TEST_F(Snapshot, RefusesARecordAboveTheLimitAndGoesOn) {
  create();
  node(1, 1, image("before"));
  const std::vector<std::byte> floats(chunk_bytes_max);
  const Status added = writer->add_embedding({id(1), 1, 1, floats});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), ErrorCode::too_large);
  node(2, 2, image("after"));
  finish();
  EXPECT_EQ(read()->nodes.size(), 2U);
  EXPECT_EQ(read()->embeddings.size(), 0U);
}

TEST_F(Snapshot, KeepsIncompressibleBytesRaw) {
  options = {Compression::zstd};
  create();
  std::mt19937_64 random(1);
  std::array<std::uint64_t, 64> noise{};
  for (std::uint64_t& word : noise) {
    word = random();
  }
  ASSERT_TRUE(writer->add_embedding({id(1), 1, 1, std::as_bytes(std::span(noise))}));
  finish();
  const ChunkInfo chunk = open().chunks().at(0);
  EXPECT_EQ(chunk.raw_bytes, chunk.stored_bytes);
  EXPECT_TRUE(read());
}

TEST_F(Snapshot, CompressesWhatRepeats) {
  options = {Compression::zstd};
  write_edges(20000);
  const ChunkInfo chunk = open().chunks().at(0);
  EXPECT_LT(chunk.stored_bytes, chunk.raw_bytes / 2);
  EXPECT_TRUE(read());
}

TEST_F(Snapshot, WritesManyRecordsInBoundedMemory) {
  struct rusage before {};
  struct rusage after {};
  getrusage(RUSAGE_SELF, &before);
  create();
  const std::string bytes = image(std::string(100, 'b'));
  for (std::uint64_t i = 0; i < 200000; ++i) {
    edge(i, 1, 2, 1, bytes);
    if (i % 10000 == 0) {  // what is not on its way to the file yet is one chunk at most
      EXPECT_LE(i * (bytes.size() + 38), writer->bytes() + options.chunk_bytes);
    }
  }
  finish();
  EXPECT_GT(writer->bytes(), 25U << 20);
  const Status verified = open().verify();
  ASSERT_TRUE(verified) << verified.error().message();
  getrusage(RUSAGE_SELF, &after);
  if (!test::sanitized) {
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 16 << 10);  // KiB
  }
}

TEST_F(Snapshot, LoadsChunksFromFourThreads) {
  options = {Compression::zstd};
  options.chunk_bytes = 64 << 10;
  write_edges(50000);
  const SnapshotReader reader = open();
  ASSERT_GT(reader.chunks().size(), 8U);
  std::atomic<std::size_t> next{0};
  std::array<StateDigest, 4> parts;
  std::atomic<std::uint64_t> edges{0};
  std::vector<std::thread> threads;
  for (StateDigest& part : parts) {
    threads.emplace_back([&] {
      for (std::size_t i = next++; i < reader.chunks().size(); i = next++) {
        const auto chunk = reader.load(i);
        ASSERT_TRUE(chunk) << chunk.error().message();
        ASSERT_TRUE(chunk->edges([&](const EdgeRecord& edge) {
          ++edges;
          part.add_edge(edge.id, edge.source, edge.target, edge.type, edge.image);
          return Status{};
        }));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    parts[0].combine(parts[i]);
  }
  EXPECT_EQ(edges, 50000U);
  EXPECT_EQ(parts[0], reader.footer().digest);
}

TEST_F(Snapshot, StopsAtTheFirstErrorOfTheUser) {
  write_small();
  const auto chunk = open().load(1);
  ASSERT_TRUE(chunk);
  int calls = 0;
  const Status status = chunk->nodes([&](const NodeRecord&) -> Status {
    ++calls;
    return fail(ErrorCode::closed, "enough");
  });
  EXPECT_EQ(calls, 1);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::closed);
}

TEST_F(Snapshot, HasItsNameOnlyWhenAdopted) {
  create();
  node(1, 1, image("one"));
  ASSERT_TRUE(writer->finish(footer));
  EXPECT_EQ(listing(), std::vector<std::string>{"one.snap.tmp"});
  ASSERT_TRUE(writer->adopt_name(snapshot_name(footer.end, 7)));
  EXPECT_EQ(listing(), std::vector<std::string>{"00000000000000000100-7.snap"});
  EXPECT_EQ(writer->name(), "00000000000000000100-7.snap");
  writer.reset();
  EXPECT_EQ(listing().size(), 1U);
}

TEST_F(Snapshot, SyncsFileBeforeNameAndDirectoryAfter) {
  create();
  node(1, 1, image("one"));
  ASSERT_TRUE(writer->finish(footer));
  EXPECT_EQ(files.count(test::Operation::sync), 1U);
  EXPECT_EQ(files.count(test::Operation::rename), 0U);
  ASSERT_TRUE(writer->adopt_name());
  EXPECT_EQ(files.count(test::Operation::rename), 1U);
  EXPECT_EQ(files.count(test::Operation::sync_dir), 1U);
}

TEST_F(Snapshot, NeverReplacesAnother) {
  write_small();
  create();
  ASSERT_TRUE(writer->finish(footer));
  const Status adopted = writer->adopt_name();
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().code(), ErrorCode::already_exists);
  writer.reset();
  EXPECT_EQ(listing(), std::vector<std::string>{"one.snap"});
  expect_small();
}

TEST_F(Snapshot, LeavesNothingWhenAbandoned) {
  create();
  node(1, 1, image("one"));
  ASSERT_TRUE(writer->abandon());
  EXPECT_TRUE(listing().empty());
  create();
  ASSERT_TRUE(writer->finish(footer));
  writer.reset();
  EXPECT_TRUE(listing().empty());
}

TEST_F(Snapshot, OverwritesAStrayTemporaryFile) {
  std::ofstream(path() + ".tmp") << std::string(100000, 's');
  write_small();
  expect_small();
}

TEST_F(Snapshot, RefusesSequencesOutOfOrder) {
  for (const auto& [begin, end, low] :
       {std::tuple{90U, 88U, 80U}, std::tuple{90U, 100U, 91U}, std::tuple{5U, 10U, 5U}}) {
    create();
    node(1, 11, "");
    footer.begin = begin;
    footer.end = end;
    footer.low_water = low;
    const auto written = writer->finish(footer);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ErrorCode::invalid_argument);
  }
}

TEST_F(Snapshot, FailsForGoodAfterAFailedWrite) {
  create();
  options.chunk_bytes = 1;
  create();
  node(1, 1, image("one"));
  files.fail_next({.operation = test::Operation::write, .code = ErrorCode::disk_full});
  const Status added = writer->add_node({id(2), 2, false, {}});
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code(), ErrorCode::disk_full);
  EXPECT_EQ(writer->add_node({id(2), 2, false, {}}).error().code(), ErrorCode::disk_full);
  EXPECT_EQ(writer->finish(footer).error().code(), ErrorCode::disk_full);
  EXPECT_EQ(writer->adopt_name().error().code(), ErrorCode::disk_full);
  writer.reset();
  EXPECT_TRUE(listing().empty());
}

TEST_F(Snapshot, IsNotFinishedWhenTheSyncFails) {
  create();
  node(1, 1, image("one"));
  files.fail_next({.operation = test::Operation::sync});
  EXPECT_FALSE(writer->finish(footer));
  EXPECT_FALSE(writer->adopt_name());
  EXPECT_FALSE(writer->finish(footer));  // a failed sync is not tried again
  EXPECT_EQ(files.count(test::Operation::sync), 1U);
  writer.reset();
  EXPECT_TRUE(listing().empty());
}

TEST_F(Snapshot, RemovesItsFileWhenTheRenameFails) {
  create();
  ASSERT_TRUE(writer->finish(footer));
  files.fail_next({.operation = test::Operation::rename});
  EXPECT_FALSE(writer->adopt_name());
  writer.reset();
  EXPECT_TRUE(listing().empty());
}

TEST_F(Snapshot, SurvivesShortWrites) {
  files.set_write_bytes_max(7);
  write_small();
  expect_small();
}

TEST(SnapshotName, IsReadBack) {
  EXPECT_EQ(snapshot_name(1234, 7), "00000000000000001234-7.snap");
  const std::uint64_t most = ~std::uint64_t{0};
  EXPECT_EQ(parse_snapshot_name(snapshot_name(most, most)), (SnapshotName{most, most}));
  EXPECT_EQ(parse_snapshot_name(snapshot_name(0, 0)), (SnapshotName{0, 0}));
  for (const char* other :
       {"", "1-1.snap", "00000000000000001234-7.snap.tmp", "00000000000000001234-07.snap",
        "00000000000000001234+7.snap", "99999999999999999999-1.snap", "x0000000000000001234-7.snap",
        "00000000000000001234-.snap", "00000000000000001234-7.wal"}) {
    EXPECT_FALSE(parse_snapshot_name(other)) << other;
  }
}

TEST(StateDigest, DoesNotDependOnOrder) {
  StateDigest forth;
  StateDigest back;
  for (std::uint64_t i = 0; i < 100; ++i) {
    forth.add_node(id_bits::make(i, 1), as_bytes(std::to_string(i)));
    forth.add_edge(id_bits::make(i, 1), 1, 2, 3, as_bytes(std::to_string(i)));
    const std::uint64_t j = 99 - i;
    back.add_edge(id_bits::make(j, 1), 1, 2, 3, as_bytes(std::to_string(j)));
    back.add_node(id_bits::make(j, 1), as_bytes(std::to_string(j)));
  }
  EXPECT_EQ(forth, back);
  EXPECT_EQ(forth.to_string().size(), 32U);
}

TEST(StateDigest, DependsOnEveryPart) {
  const auto edge = [](std::uint64_t id, std::uint64_t source, std::uint64_t target,
                       std::uint32_t type, std::string_view image) {
    StateDigest digest;
    digest.add_edge(id, source, target, type, as_bytes(image));
    return digest;
  };
  const StateDigest base = edge(256, 512, 768, 1, "i");
  EXPECT_NE(base, edge(1024, 512, 768, 1, "i"));
  EXPECT_NE(base, edge(256, 768, 512, 1, "i"));
  EXPECT_NE(base, edge(256, 512, 768, 2, "i"));
  EXPECT_NE(base, edge(256, 512, 768, 1, "j"));
  StateDigest node;
  node.add_node(256, as_bytes("i"));
  StateDigest other;
  other.add_node(512, as_bytes("i"));
  EXPECT_NE(node, other);
  StateDigest twice = node;
  twice.combine(node);
  EXPECT_NE(twice, StateDigest{});  // a sum: two of the same do not cancel out
}

/// The sum carries from the low half into the high one.
TEST(StateDigest, CombinesAs128Bits) {
  StateDigest sum{.low = ~std::uint64_t{0}, .high = 1};
  sum.combine({.low = 2, .high = 3});
  EXPECT_EQ(sum, (StateDigest{.low = 1, .high = 5}));
}

}  // namespace
}  // namespace selvedge::snapshot
