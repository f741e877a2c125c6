#include "snapshot/snapshot_reader.h"

#include <zstd.h>

#include <algorithm>
#include <array>

#include "base/crc32c.h"
#include "graph/image.h"
#include "graph/names.h"
#include "graph/schema.h"
#include "io/file_util.h"

namespace selvedge::snapshot {

namespace {

Error corrupt(const std::string& path, std::uint64_t offset, const char* what) {
  return Error(ErrorCode::corruption, what).at(path, offset);
}

/// What the footer says of the bounds of one record, and what the record says.
Status within(const std::string& path, std::uint64_t offset, const char* what, std::uint64_t limit,
              std::uint64_t found) {
  if (found <= limit) {
    return {};
  }
  return fail(corrupt(path, offset, what)
                  .mismatch("at most " + std::to_string(limit), std::to_string(found)));
}

}  // namespace

Result<SnapshotReader> SnapshotReader::open(FileSystem& files, const std::string& path) {
  SnapshotReader reader;
  reader.path_ = path;
  SELVEDGE_TRY(reader.file_, files.open(path, OpenMode::read));
  SELVEDGE_TRY(reader.bytes_, reader.file_->size());
  SELVEDGE_TRY(reader.read_header());
  SELVEDGE_TRY(reader.read_footer());
  return reader;
}

Status SnapshotReader::read_header() {
  if (bytes_ < header_bytes) {
    return fail(corrupt(path_, bytes_, "the file is too short for a snapshot")
                    .mismatch("at least " + std::to_string(header_bytes) + " bytes",
                              std::to_string(bytes_)));
  }
  std::array<std::byte, header_bytes> header{};
  SELVEDGE_TRY(io::read_exact(*file_, 0, header));
  SELVEDGE_TRY(header_, decode_header(header, path_));
  return {};
}

Status SnapshotReader::read_footer() {
  constexpr std::size_t bytes_min = header_bytes + footer_fixed_bytes + 4 + trailer_bytes;
  if (bytes_ < bytes_min) {
    return fail(
        corrupt(path_, bytes_, "the snapshot has no end")
            .mismatch("at least " + std::to_string(bytes_min) + " bytes", std::to_string(bytes_)));
  }
  std::array<std::byte, trailer_bytes> trailer{};
  SELVEDGE_TRY(io::read_exact(*file_, bytes_ - trailer_bytes, trailer));
  SELVEDGE_TRY(const std::uint64_t at, decode_trailer(trailer, bytes_, path_));
  std::vector<std::byte> bytes(static_cast<std::size_t>(bytes_ - trailer_bytes - at));
  SELVEDGE_TRY(io::read_exact(*file_, at, bytes));
  SELVEDGE_TRY(DecodedFooter decoded, decode_footer(bytes, at, path_));
  footer_ = decoded.footer;
  chunks_ = std::move(decoded.chunks);
  return {};
}

Result<Chunk> SnapshotReader::load(std::size_t index) const {
  SELVEDGE_ASSERT(index < chunks_.size());
  const ChunkInfo& info = chunks_[index];
  const std::size_t bytes = chunk_head_bytes + std::size_t{info.stored_bytes};
  Chunk chunk;
  chunk.info_ = info;
  chunk.path_ = path_;
  // Not make_unique: that would write zeros first.
  chunk.buffer_.reset(new std::byte[bytes]);
  const std::span<std::byte> all(chunk.buffer_.get(), bytes);
  SELVEDGE_TRY(io::read_exact(*file_, info.offset, all));
  SELVEDGE_TRY(const ChunkHead head, decode_chunk_head(all.first<chunk_head_bytes>(), info, path_));
  const std::span<const std::byte> stored = all.subspan(chunk_head_bytes);
  if (const std::uint32_t crc = base::crc32c(stored); crc != head.stored_crc) {
    return fail(corrupt(path_, info.offset + chunk_head_bytes, "chunk crc")
                    .mismatch(std::to_string(head.stored_crc), std::to_string(crc)));
  }
  chunk.records_ = stored;
  if (head.codec == Codec::raw) {
    return chunk;
  }
  const unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  if (size != info.raw_bytes) {
    return fail(corrupt(path_, info.offset + chunk_head_bytes, "bytes in a compressed chunk")
                    .mismatch(std::to_string(info.raw_bytes), std::to_string(size)));
  }
  std::unique_ptr<std::byte[]> raw(new std::byte[info.raw_bytes]);
  const std::size_t done = ZSTD_decompress(raw.get(), info.raw_bytes, stored.data(), stored.size());
  if (done != info.raw_bytes) {
    return fail(corrupt(path_, info.offset + chunk_head_bytes, "the chunk does not decompress")
                    .mismatch(std::to_string(info.raw_bytes) + " bytes",
                              ZSTD_isError(done) != 0 ? ZSTD_getErrorName(done)
                                                      : std::to_string(done) + " bytes"));
  }
  chunk.buffer_ = std::move(raw);
  chunk.records_ = {chunk.buffer_.get(), info.raw_bytes};
  chunk.compressed_ = true;
  return chunk;
}

Error Chunk::malformed(std::size_t position, const char* expected) const {
  const std::uint64_t data = info_.offset + chunk_head_bytes;
  const std::string found = "byte " + std::to_string(position) + " of " +
                            std::to_string(records_.size()) +
                            (compressed_ ? " after decompression" : "");
  return Error(ErrorCode::corruption, "a malformed snapshot record")
      .at(path_, compressed_ ? data : data + position)
      .mismatch(expected, found);
}

bool Chunk::take(ByteReader& reader, NameRecord& name) const {
  name.kind = reader.take<std::uint8_t>();
  name.id = reader.take<std::uint32_t>();
  name.text = reader.take_text();
  return reader.ok() && name.kind < graph::name_kinds && name.id <= graph::name_id_max;
}

bool Chunk::take(ByteReader& reader, NodeRecord& node) const {
  node.id = reader.take<std::uint64_t>();
  node.sequence = reader.take<std::uint64_t>();
  const auto flags = reader.take<std::uint8_t>();
  node.tombstone = flags == 1;
  node.out_degree_hint = reader.take<std::uint32_t>();
  node.in_degree_hint = reader.take<std::uint32_t>();
  node.image = reader.take_bytes(reader.take_varint());
  return reader.ok() && flags <= 1 && id_bits::well_formed(node.id) &&
         in_range(id_bits::slot(node.id)) && graph::ImageView::verify(node.image, true);
}

bool Chunk::take(ByteReader& reader, EdgeRecord& edge) const {
  edge.id = reader.take<std::uint64_t>();
  edge.sequence = reader.take<std::uint64_t>();
  const auto flags = reader.take<std::uint8_t>();
  edge.tombstone = flags == 1;
  edge.source = reader.take<std::uint64_t>();
  edge.target = reader.take<std::uint64_t>();
  edge.type = reader.take<std::uint32_t>();
  edge.image = reader.take_bytes(reader.take_varint());
  return reader.ok() && flags <= 1 && id_bits::well_formed(edge.id) &&
         in_range(id_bits::slot(edge.id)) && id_bits::well_formed(edge.source) &&
         id_bits::well_formed(edge.target) && edge.type <= graph::name_id_max &&
         graph::ImageView::verify(edge.image, false);
}

bool Chunk::take(ByteReader& reader, FreeSlot& slot) const {
  slot.slot = reader.take<std::uint64_t>();
  slot.next_generation = reader.take<std::uint32_t>();
  return reader.ok() && in_range(slot.slot) && slot.next_generation <= id_bits::generation_max + 1;
}

bool Chunk::take(ByteReader& reader, EmbeddingRecord& embedding) const {
  embedding.node = reader.take<std::uint64_t>();
  embedding.sequence = reader.take<std::uint64_t>();
  embedding.key = reader.take<std::uint32_t>();
  embedding.floats = reader.take_bytes(reader.take_varint());
  return reader.ok() && embedding.floats.size() % sizeof(float) == 0 &&
         id_bits::well_formed(embedding.node) && in_range(id_bits::slot(embedding.node)) &&
         embedding.key <= graph::name_id_max;
}

bool Chunk::take(ByteReader& reader, SchemaRecord& object) const {
  object.id = reader.take<std::uint32_t>();
  object.sequence = reader.take<std::uint64_t>();
  object.definition = reader.take_bytes(reader.take_varint());
  graph::Definition definition;
  return reader.ok() && object.id > 0 && object.id < graph::name_id_max &&
         graph::take_definition(object.definition, definition);
}

Status Tally::bounds(const Chunk& chunk, std::uint64_t slots, std::uint64_t slot,
                     std::uint64_t sequence) const {
  const std::uint64_t offset = chunk.info().offset;
  SELVEDGE_TRY(
      within(reader_->path(), offset, "a slot beyond the high-water mark", slots, slot + 1));
  return within(reader_->path(), offset, "a record newer than the snapshot", reader_->footer().end,
                sequence);
}

Status Tally::add(const Chunk&, const NameRecord&) {
  ++found_.names;
  return {};
}

Status Tally::add(const Chunk& chunk, const NodeRecord& node) {
  ++(node.tombstone ? found_.tombstones : found_.nodes);
  if (!node.tombstone) {
    found_.digest.add_node(node.id, node.image);
  }
  return bounds(chunk, reader_->footer().node_slots, id_bits::slot(node.id), node.sequence);
}

Status Tally::add(const Chunk& chunk, const EdgeRecord& edge) {
  ++(edge.tombstone ? found_.tombstones : found_.edges);
  if (!edge.tombstone) {
    found_.digest.add_edge(edge.id, edge.source, edge.target, edge.type, edge.image);
  }
  return bounds(chunk, reader_->footer().edge_slots, id_bits::slot(edge.id), edge.sequence);
}

Status Tally::add(const Chunk& chunk, const FreeSlot& slot) {
  const bool node = chunk.info().type == ChunkType::free_nodes;
  const Footer& footer = reader_->footer();
  return bounds(chunk, node ? footer.node_slots : footer.edge_slots, slot.slot, 0);
}

Status Tally::add(const Chunk& chunk, const EmbeddingRecord& embedding) {
  ++found_.embeddings;
  return bounds(chunk, reader_->footer().node_slots, id_bits::slot(embedding.node),
                embedding.sequence);
}

Status Tally::add(const Chunk& chunk, const SchemaRecord& object) {
  return bounds(chunk, 1, 0, object.sequence);
}

void Tally::merge(const Tally& other) {
  found_.nodes += other.found_.nodes;
  found_.edges += other.found_.edges;
  found_.tombstones += other.found_.tombstones;
  found_.names += other.found_.names;
  found_.embeddings += other.found_.embeddings;
  found_.digest.combine(other.found_.digest);
}

Status Tally::compare() const {
  const auto counts = [](const Footer& f) {
    return std::to_string(f.nodes) + " nodes, " + std::to_string(f.edges) + " edges, " +
           std::to_string(f.tombstones) + " tombstones, " + std::to_string(f.names) + " names, " +
           std::to_string(f.embeddings) + " embeddings, digest " + f.digest.to_string();
  };
  if (counts(found_) != counts(reader_->footer())) {
    return fail(Error(ErrorCode::corruption, "the snapshot's records are not what its footer says")
                    .at(reader_->path())
                    .mismatch(counts(reader_->footer()), counts(found_)));
  }
  return {};
}

Status SnapshotReader::verify() const {
  Tally tally(*this);
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    SELVEDGE_TRY(const Chunk chunk, load(i));
    SELVEDGE_TRY(chunk.records([&](const auto& record) { return tally.add(chunk, record); }));
  }
  return tally.compare();
}

}  // namespace selvedge::snapshot
