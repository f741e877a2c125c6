// Verbs for tests of snapshots: write, damage, read back.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "graph/image.h"
#include "graph/schema.h"
#include "snapshot/snapshot_reader.h"
#include "snapshot/snapshot_writer.h"
#include "tests/support/faulty_file_system.h"

namespace selvedge::snapshot {

/// Everything in a snapshot, comparable.
struct Content {
  std::vector<std::tuple<int, std::uint32_t, std::string>> names;
  std::map<std::uint64_t,
           std::tuple<std::uint64_t, bool, std::string, std::uint32_t, std::uint32_t>>
      nodes;
  std::map<std::uint64_t, std::tuple<std::uint64_t, bool, std::uint64_t, std::uint64_t,
                                     std::uint32_t, std::string>>
      edges;
  std::map<std::uint64_t, std::uint32_t> free_nodes;
  std::map<std::uint64_t, std::uint32_t> free_edges;
  std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t, std::string>> embeddings;
  std::vector<std::tuple<std::uint32_t, std::uint64_t, std::string>> schema;
  Footer footer;
  Header header;
  bool operator==(const Content&) const = default;
};

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    std::string name = testing::TempDir() + "selvedge-snapshot-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory = name;
    uuid.bytes[0] = std::byte{7};
    footer.begin = 90;
    footer.end = 100;
    footer.low_water = 80;
    footer.wall_us = 1234567;
    footer.end_frame_crc = 0xdecade;
    footer.end_frame_sequence = 101;
    footer.node_slots = 50;
    footer.edge_slots = 60;
  }
  ~SnapshotTest() override {
    writer.reset();
    std::filesystem::remove_all(directory);
  }

  static std::uint64_t id(std::uint64_t slot, std::uint64_t generation = 1) {
    return id_bits::make(slot, generation);
  }
  static std::string text_of(std::span<const std::byte> bytes) {
    return std::string(as_text(bytes));
  }
  /// An image with one property.
  static std::string image(std::string_view value) {
    graph::ImageBuilder builder;
    builder.reset();
    EXPECT_TRUE(builder.set(3, value));
    const auto bytes = builder.finish();
    EXPECT_TRUE(bytes);
    return bytes ? text_of(*bytes) : std::string();
  }

  void create() {
    auto made = SnapshotWriter::create(files, directory, "one.snap", uuid, kind, options, 42);
    ASSERT_TRUE(made) << made.error().message();
    writer = *std::move(made);
  }
  void node(std::uint64_t slot, std::uint64_t sequence, std::string_view bytes,
            bool tombstone = false) {
    const Status added = writer->add_node({id(slot), sequence, tombstone, as_bytes(bytes), 3, 4});
    ASSERT_TRUE(added) << added.error().message();
  }
  void edge(std::uint64_t slot, std::uint64_t from, std::uint64_t to, std::uint64_t sequence,
            std::string_view bytes, bool tombstone = false) {
    const Status added =
        writer->add_edge({id(slot), sequence, tombstone, id(from), id(to), 5, as_bytes(bytes)});
    ASSERT_TRUE(added) << added.error().message();
  }
  void finish() {
    const auto written = writer->finish(footer);
    ASSERT_TRUE(written) << written.error().message();
    const Status adopted = writer->adopt_name();
    ASSERT_TRUE(adopted) << adopted.error().message();
  }
  /// One of everything.
  void write_small() {
    create();
    ASSERT_TRUE(writer->add_name({0, 0, "Person"}));
    ASSERT_TRUE(writer->add_name({1, 5, "KNOWS"}));
    ASSERT_TRUE(writer->add_name({2, 3, std::string_view("")}));
    node(1, 11, image("Ada"));
    node(2, 12, image(std::string(60, 'x')));
    node(3, 13, "");
    node(4, 14, "", true);
    edge(7, 1, 2, 15, image("since"));
    edge(8, 2, 1, 100, "", true);
    ASSERT_TRUE(writer->add_free_node({9, 17}));
    ASSERT_TRUE(writer->add_free_edge({6, 1 << 20}));
    const std::array<float, 3> vector = {1.5F, -0.0F, 1e-40F};
    ASSERT_TRUE(writer->add_embedding({id(2), 16, 3, std::as_bytes(std::span(vector))}));
    ASSERT_TRUE(writer->add_schema({3, 17, as_bytes(definition())}));
    finish();
  }

  static std::string definition() {
    ByteWriter bytes;
    graph::put_definition(bytes, {.target = 1, .keys = {2}, .name = "index"});
    return text_of(bytes.span());
  }
  [[nodiscard]] std::string path() const { return directory + "/one.snap"; }
  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void set_bytes(const std::string& content) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << content;
  }
  void set_byte(std::size_t at, char byte) const {
    std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  /// Overwrites a number and repairs the CRC behind `begin`..`crc_at`.
  template <class T>
  void forge(std::size_t at, T value, std::size_t begin, std::size_t crc_at) {
    std::string content = bytes();
    std::memcpy(content.data() + at, &value, sizeof value);
    const std::uint32_t crc =
        base::crc32c(as_bytes(std::string_view(content).substr(begin, crc_at - begin)));
    std::memcpy(content.data() + crc_at, &crc, sizeof crc);
    set_bytes(content);
  }
  [[nodiscard]] std::vector<std::string> listing() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  SnapshotReader open() {
    auto reader = SnapshotReader::open(files, path());
    EXPECT_TRUE(reader) << reader.error().message();
    return *std::move(reader);
  }
  Result<Content> read() {
    SELVEDGE_TRY(const SnapshotReader reader, SnapshotReader::open(files, path()));
    SELVEDGE_TRY(reader.verify());
    Content content;
    content.footer = reader.footer();
    content.header = reader.header();
    for (std::size_t i = 0; i < reader.chunks().size(); ++i) {
      SELVEDGE_TRY(const Chunk chunk, reader.load(i));
      SELVEDGE_TRY(take(chunk, content));
    }
    return content;
  }
  static Status take(const Chunk& chunk, Content& to) {
    switch (chunk.info().type) {
      case ChunkType::names:
        return chunk.names([&](const NameRecord& name) {
          to.names.emplace_back(name.kind, name.id, std::string(name.text));
          return Status{};
        });
      case ChunkType::nodes:
        return chunk.nodes([&](const NodeRecord& node) {
          to.nodes[node.id] = {node.sequence, node.tombstone, text_of(node.image),
                               node.out_degree_hint, node.in_degree_hint};
          return Status{};
        });
      case ChunkType::edges:
        return chunk.edges([&](const EdgeRecord& edge) {
          to.edges[edge.id] = {edge.sequence, edge.tombstone, edge.source,
                               edge.target,   edge.type,      text_of(edge.image)};
          return Status{};
        });
      case ChunkType::free_nodes:
      case ChunkType::free_edges: {
        auto& slots = chunk.info().type == ChunkType::free_nodes ? to.free_nodes : to.free_edges;
        return chunk.free_slots([&](const FreeSlot& free) {
          slots[free.slot] = free.next_generation;
          return Status{};
        });
      }
      case ChunkType::embeddings:
        return chunk.embeddings([&](const EmbeddingRecord& embedding) {
          to.embeddings.emplace_back(embedding.node, embedding.sequence, embedding.key,
                                     text_of(embedding.floats));
          return Status{};
        });
      case ChunkType::schema:
        return chunk.schema([&](const SchemaRecord& object) {
          to.schema.emplace_back(object.id, object.sequence, text_of(object.definition));
          return Status{};
        });
    }
    return Status{};
  }
  /// Opening or verifying refuses, with this code, and names the file.
  void expect_refused(ErrorCode code) {
    const auto content = read();
    ASSERT_FALSE(content);
    EXPECT_EQ(content.error().code(), code) << content.error().message();
    EXPECT_EQ(content.error().path(), path()) << content.error().message();
  }
  void expect_refused_at(ErrorCode code, std::uint64_t offset) {
    expect_refused(code);
    EXPECT_EQ(read().error().offset(), offset) << read().error().message();
  }

  test::FaultyFileSystem files{posix_file_system()};
  std::string directory;
  Uuid uuid;
  Kind kind = Kind::checkpoint;
  WriterOptions options;
  Footer footer;
  std::unique_ptr<SnapshotWriter> writer;
};

}  // namespace selvedge::snapshot
