// Snapshot files.

#include <algorithm>

#include "base/bytes.h"
#include "fuzz/golden.h"
#include "fuzz/memory_files.h"
#include "fuzz/repair.h"
#include "graph/schema.h"
#include "snapshot/snapshot_reader.h"
#include "snapshot/snapshot_writer.h"

namespace selvedge::fuzz {

namespace {

using snapshot::SnapshotReader;
using snapshot::SnapshotWriter;

/// All records of a type, encoded: comparable.
using Records = std::array<std::vector<Buffer>, snapshot::chunk_types>;

void put(ByteWriter& to, const snapshot::NameRecord& name) {
  to.put(name.kind);
  to.put(name.id);
  to.put_text(name.text);
}
void put(ByteWriter& to, const snapshot::NodeRecord& node) {
  to.put(node.id);
  to.put(node.sequence);
  to.put(node.tombstone);
  to.put(node.out_degree_hint);
  to.put(node.in_degree_hint);
  to.put_bytes(node.image);
}
void put(ByteWriter& to, const snapshot::EdgeRecord& edge) {
  to.put(edge.id);
  to.put(edge.sequence);
  to.put(edge.tombstone);
  to.put(edge.source);
  to.put(edge.target);
  to.put(edge.type);
  to.put_bytes(edge.image);
}
void put(ByteWriter& to, const snapshot::FreeSlot& slot) {
  to.put(slot.slot);
  to.put(slot.next_generation);
}
void put(ByteWriter& to, const snapshot::EmbeddingRecord& embedding) {
  to.put(embedding.node);
  to.put(embedding.sequence);
  to.put(embedding.key);
  to.put_bytes(embedding.floats);
}

void put(ByteWriter& to, const snapshot::SchemaRecord& object) {
  to.put(object.id);
  to.put(object.sequence);
  to.put_bytes(object.definition);
}

Records read_records(const SnapshotReader& reader) {
  Records records;
  for (std::size_t i = 0; i < reader.chunks().size(); ++i) {
    const auto chunk = must(reader.load(i), "a verified chunk can be read");
    must(chunk.records([&](const auto& record) {
      ByteWriter bytes;
      put(bytes, record);
      records[static_cast<std::size_t>(chunk.info().type) - 1].emplace_back(bytes.span().begin(),
                                                                            bytes.span().end());
      return Status{};
    }),
         "a verified chunk has sound records");
  }
  return records;
}

Status add(SnapshotWriter& to, snapshot::ChunkType, const snapshot::NameRecord& name) {
  return to.add_name(name);
}
Status add(SnapshotWriter& to, snapshot::ChunkType, const snapshot::NodeRecord& node) {
  return to.add_node(node);
}
Status add(SnapshotWriter& to, snapshot::ChunkType, const snapshot::EdgeRecord& edge) {
  return to.add_edge(edge);
}
Status add(SnapshotWriter& to, snapshot::ChunkType type, const snapshot::FreeSlot& slot) {
  return type == snapshot::ChunkType::free_nodes ? to.add_free_node(slot) : to.add_free_edge(slot);
}
Status add(SnapshotWriter& to, snapshot::ChunkType, const snapshot::EmbeddingRecord& embedding) {
  return to.add_embedding(embedding);
}

Status add(SnapshotWriter& to, snapshot::ChunkType, const snapshot::SchemaRecord& object) {
  return to.add_schema(object);
}

void write_again(FileSystem& files, const SnapshotReader& reader) {
  const snapshot::Header& header = reader.header();
  const auto writer =
      must(SnapshotWriter::create(files, "/db", "again.snap", header.store, header.kind,
                                  header.compression, header.created_us),
           "a snapshot can be written");
  for (std::size_t i = 0; i < reader.chunks().size(); ++i) {
    const auto chunk = must(reader.load(i), "a verified chunk can be read");
    must(chunk.records([&](const auto& record) { return add(*writer, chunk.info().type, record); }),
         "a record can be written");
  }
  must(writer->finish(reader.footer()), "a snapshot can be finished");
  must(writer->adopt_name(), "a snapshot gets its name");
}

void run(Input input) {
  const auto files = memory_files({{"/db/s.snap", input}});
  must(files->mkdir("/db"), "a directory can be made");
  const auto reader = SnapshotReader::open(*files, "/db/s.snap");
  if (!reader) {
    require_answer(reader.error(), {ErrorCode::corruption, ErrorCode::newer_format});
    return;
  }
  if (const Status verified = reader->verify(); !verified) {
    require_answer(verified.error(), {ErrorCode::corruption, ErrorCode::newer_format});
    return;
  }
  write_again(*files, *reader);
  const auto again = must(SnapshotReader::open(*files, "/db/again.snap"), "what was written opens");
  must(again.verify(), "what was written is sound");
  require(again.header() == reader->header(), "a header is written as it was read");
  require(again.footer() == reader->footer(), "a footer is written as it was read");
  require(read_records(again) == read_records(*reader), "records are written as they were read");
}

void repair(std::span<std::byte> input, std::uint64_t choice) {
  repair_snapshot(input, choice % 4 != 0);
}

/// Every type of record.
Buffer small_snapshot(Compression compression) {
  test::MemoryFileSystem files;
  must(files.mkdir("/db"), "a directory can be made");
  const auto to = must(SnapshotWriter::create(files, "/db", "s.snap", {},
                                              snapshot::Kind::checkpoint, compression, 1),
                       "a snapshot can be written");
  const Buffer image = {std::byte{1}, std::byte{0}, std::byte{1}, std::byte{0},
                        std::byte{5}, std::byte{0}, std::byte{2}, std::byte{8}};
  const std::array<float, 2> floats = {1.5F, -0.0F};
  must(to->add_name({0, 0, "Person"}), "a name");
  must(to->add_node({id_bits::make(1, 1), 11, false, image, 1, 0}), "a node");
  must(to->add_node({id_bits::make(2, 3), 12, true, {}, 0, 0}), "a tombstone");
  must(to->add_edge(
           {id_bits::make(7, 1), 13, false, id_bits::make(1, 1), id_bits::make(1, 1), 0, image}),
       "an edge");
  must(to->add_free_node({0, 2}), "a free slot");
  must(to->add_free_edge({6, 1 << 20}), "a free slot");
  must(to->add_embedding({id_bits::make(1, 1), 14, 5, std::as_bytes(std::span(floats))}),
       "an embedding");
  ByteWriter definition;
  graph::put_definition(definition, {.target = 0, .keys = {5}, .name = "index"});
  must(to->add_schema({1, 15, definition.span()}), "an index");
  snapshot::Footer footer;
  footer.begin = 20;
  footer.end = 20;
  footer.low_water = 20;
  must(to->finish(footer), "a snapshot can be finished");
  must(to->adopt_name(), "a snapshot gets its name");
  return get_file(files, "/db/s.snap");
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result = golden_files("snapshots/");
  result.push_back(small_snapshot(Compression::none));
  result.push_back(small_snapshot(Compression::zstd));
  return result;
}

}  // namespace

// A compressed chunk says how large it is, up to 32 MiB, and so are the copies of its records.
const Target snapshot_target{"snapshot", run, repair, seeds, std::size_t{256} << 20, 256};

}  // namespace selvedge::fuzz
