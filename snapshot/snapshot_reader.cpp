#include "snapshot/snapshot_reader.h"

#include <zstd.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "graph/image.h"
#include "io/file_util.h"

namespace selvedge::snapshot {

Error SnapshotReader::bad(std::uint64_t offset, const char* what) const {
  return Error(ErrorCode::corruption, what).at(path_, offset);
}

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
  if (bytes_ < header_bytes + trailer_bytes) {
    return fail(bad(bytes_, "the snapshot is too short"));
  }
  std::array<std::byte, header_bytes> header{};
  SELVEDGE_TRY(io::read_exact(*file_, 0, header));
  if (as_text(std::span<const std::byte>(header).first(8)) != "SELVSNP1") {
    return fail(bad(0, "the snapshot has another magic"));
  }
  if (load_le<std::uint32_t>(&header[60]) !=
      base::crc32c(std::span<const std::byte>(header).first(60))) {
    return fail(bad(0, "the snapshot's header CRC is wrong"));
  }
  const auto version = load_le<std::uint32_t>(&header[8]);
  if (version != format_version) {
    return fail(Error(ErrorCode::newer_format, "a snapshot of another format version")
                    .at(path_, 8)
                    .mismatch(std::to_string(format_version), std::to_string(version)));
  }
  const auto kind = load_le<std::uint32_t>(&header[12]);
  if (kind != 1 && kind != 2) {
    return fail(bad(12, "the snapshot's kind is unknown"));
  }
  kind_ = static_cast<Kind>(kind);
  std::memcpy(store_.bytes.data(), &header[16], store_.bytes.size());
  return {};
}

Status SnapshotReader::read_footer() {
  std::array<std::byte, trailer_bytes> trailer{};
  SELVEDGE_TRY(io::read_exact(*file_, bytes_ - trailer_bytes, trailer));
  const auto at = load_le<std::uint64_t>(trailer.data());
  if (as_text(std::span<const std::byte>(trailer).last(8)) != "SELVEND1" || at < header_bytes ||
      at > bytes_ - trailer_bytes) {
    return fail(bad(bytes_ - trailer_bytes, "the snapshot's end is missing"));
  }
  std::vector<std::byte> raw(static_cast<std::size_t>(bytes_ - trailer_bytes - at));
  SELVEDGE_TRY(io::read_exact(*file_, at, raw));
  if (raw.size() < 4 || load_le<std::uint32_t>(raw.data() + raw.size() - 4) !=
                            base::crc32c(std::span<const std::byte>(raw).first(raw.size() - 4))) {
    return fail(bad(at, "the snapshot's footer CRC is wrong"));
  }
  ByteReader reader(std::span<const std::byte>(raw).first(raw.size() - 4));
  footer_.begin = reader.take<std::uint64_t>();
  footer_.end = reader.take<std::uint64_t>();
  footer_.low_water = reader.take<std::uint64_t>();
  footer_.wall_us = reader.take<std::uint64_t>();
  footer_.end_frame_crc = static_cast<std::uint32_t>(reader.take<std::uint64_t>());
  footer_.end_frame_sequence = reader.take<std::uint64_t>();
  footer_.node_slots = reader.take<std::uint64_t>();
  footer_.edge_slots = reader.take<std::uint64_t>();
  footer_.nodes = reader.take<std::uint64_t>();
  footer_.edges = reader.take<std::uint64_t>();
  footer_.tombstones = reader.take<std::uint64_t>();
  footer_.names = reader.take<std::uint64_t>();
  footer_.embeddings = reader.take<std::uint64_t>();
  footer_.digest.low = reader.take<std::uint64_t>();
  footer_.digest.high = reader.take<std::uint64_t>();
  const auto count = reader.take<std::uint64_t>();
  if (count > reader.remaining() / 24) {
    return fail(bad(at, "the snapshot's chunk count is wrong"));
  }
  std::uint64_t expected = header_bytes;
  for (std::uint64_t i = 0; i < count; ++i) {
    ChunkInfo info;
    const auto type = reader.take<std::uint32_t>();
    info.type = static_cast<ChunkType>(type);
    info.offset = reader.take<std::uint64_t>();
    info.records = reader.take<std::uint32_t>();
    info.raw_bytes = reader.take<std::uint32_t>();
    info.stored_bytes = reader.take<std::uint32_t>();
    if (type < 1 || type > 6 || info.offset != expected || info.raw_bytes > chunk_bytes_max ||
        info.stored_bytes > info.raw_bytes) {
      return fail(bad(at, "the snapshot's chunk index is wrong"));
    }
    expected = info.offset + chunk_head_bytes + info.stored_bytes;
    chunks_.push_back(info);
  }
  if (!reader.at_end() || expected != at) {
    return fail(bad(at, "the snapshot's footer is malformed"));
  }
  return {};
}

Result<Chunk> SnapshotReader::load(std::size_t index) const {
  const ChunkInfo& info = chunks_[index];
  std::vector<std::byte> stored(chunk_head_bytes + info.stored_bytes);
  SELVEDGE_TRY(io::read_exact(*file_, info.offset, stored));
  const auto head = std::span<const std::byte>(stored).first(chunk_head_bytes);
  const auto body = std::span<const std::byte>(stored).subspan(chunk_head_bytes);
  const auto codec = std::to_integer<unsigned>(head[5]);
  if (as_text(head.first(4)) != "SCHK" ||
      load_le<std::uint32_t>(&head[28]) != base::crc32c(head.first(28)) ||
      std::to_integer<unsigned>(head[4]) != static_cast<unsigned>(info.type) ||
      load_le<std::uint32_t>(&head[8]) != info.records ||
      load_le<std::uint32_t>(&head[12]) != info.raw_bytes ||
      load_le<std::uint32_t>(&head[16]) != info.stored_bytes || codec > 1 ||
      (codec == 0 && info.raw_bytes != info.stored_bytes)) {
    return fail(bad(info.offset, "a chunk's head is damaged"));
  }
  if (load_le<std::uint32_t>(&head[20]) != base::crc32c(body)) {
    return fail(bad(info.offset + chunk_head_bytes, "a chunk's CRC is wrong"));
  }
  Chunk chunk;
  chunk.info_ = info;
  chunk.path_ = path_;
  if (codec == 0) {
    chunk.bytes_.assign(body.begin(), body.end());
    return chunk;
  }
  if (ZSTD_getFrameContentSize(body.data(), body.size()) != info.raw_bytes) {
    return fail(bad(info.offset, "a compressed chunk's size is wrong"));
  }
  chunk.bytes_.resize(info.raw_bytes);
  if (ZSTD_decompress(chunk.bytes_.data(), chunk.bytes_.size(), body.data(), body.size()) !=
      info.raw_bytes) {
    return fail(bad(info.offset, "a chunk does not decompress"));
  }
  return chunk;
}

template <class Take>
Status Chunk::each(Take take) const {
  ByteReader reader(bytes_);
  for (std::uint32_t i = 0; i < info_.records; ++i) {
    const std::size_t position = reader.position();
    SELVEDGE_TRY(const bool whole, take(reader));
    if (!whole || !reader.ok()) {
      return fail(
          Error(ErrorCode::corruption, "a malformed snapshot record")
              .at(path_, info_.offset + chunk_head_bytes)
              .mismatch("a whole record", "a fault at chunk byte " + std::to_string(position)));
    }
  }
  if (!reader.at_end()) {
    return fail(
        Error(ErrorCode::corruption, "bytes behind a chunk's records").at(path_, info_.offset));
  }
  return {};
}

Status Chunk::names(const std::function<Status(const NameRecord&)>& use) const {
  return each([&](ByteReader& reader) -> Result<bool> {
    NameRecord name;
    name.kind = reader.take<std::uint8_t>();
    name.id = reader.take<std::uint32_t>();
    name.text = reader.take_text();
    if (!reader.ok() || name.kind > 2 || name.id >> 24 != 0) {
      return false;
    }
    SELVEDGE_TRY(use(name));
    return true;
  });
}

Status Chunk::nodes(const std::function<Status(const NodeRecord&)>& use) const {
  return each([&](ByteReader& reader) -> Result<bool> {
    NodeRecord node;
    node.id = reader.take<std::uint64_t>();
    node.sequence = reader.take<std::uint64_t>();
    const auto flags = reader.take<std::uint8_t>();
    node.tombstone = flags == 1;
    node.image = reader.take_bytes(reader.take_varint());
    if (!reader.ok() || flags > 1 || !id_bits::well_formed(node.id)) {
      return false;
    }
    SELVEDGE_TRY(graph::ImageView::verify(node.image, true));
    SELVEDGE_TRY(use(node));
    return true;
  });
}

Status Chunk::edges(const std::function<Status(const EdgeRecord&)>& use) const {
  return each([&](ByteReader& reader) -> Result<bool> {
    EdgeRecord edge;
    edge.id = reader.take<std::uint64_t>();
    edge.sequence = reader.take<std::uint64_t>();
    const auto flags = reader.take<std::uint8_t>();
    edge.tombstone = flags == 1;
    edge.source = reader.take<std::uint64_t>();
    edge.target = reader.take<std::uint64_t>();
    edge.type = reader.take<std::uint32_t>();
    edge.image = reader.take_bytes(reader.take_varint());
    if (!reader.ok() || flags > 1 || !id_bits::well_formed(edge.id) ||
        !id_bits::well_formed(edge.source) || !id_bits::well_formed(edge.target) ||
        edge.type >> 24 != 0) {
      return false;
    }
    SELVEDGE_TRY(graph::ImageView::verify(edge.image, false));
    SELVEDGE_TRY(use(edge));
    return true;
  });
}

Status Chunk::free_slots(const std::function<Status(const FreeSlot&)>& use) const {
  return each([&](ByteReader& reader) -> Result<bool> {
    FreeSlot slot;
    slot.slot = reader.take<std::uint64_t>();
    slot.next_generation = reader.take<std::uint32_t>();
    if (!reader.ok() || slot.slot > id_bits::slot_max ||
        slot.next_generation > id_bits::generation_max + 1) {
      return false;
    }
    SELVEDGE_TRY(use(slot));
    return true;
  });
}

Status Chunk::embeddings(const std::function<Status(const EmbeddingRecord&)>& use) const {
  return each([&](ByteReader& reader) -> Result<bool> {
    EmbeddingRecord embedding;
    embedding.node = reader.take<std::uint64_t>();
    embedding.sequence = reader.take<std::uint64_t>();
    embedding.key = reader.take<std::uint32_t>();
    embedding.floats = reader.take_bytes(reader.take_varint());
    if (!reader.ok() || embedding.floats.size() % 4 != 0) {
      return false;
    }
    SELVEDGE_TRY(use(embedding));
    return true;
  });
}

Status SnapshotReader::verify() const {
  Footer found;
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    SELVEDGE_TRY(const Chunk chunk, load(i));
    Status status;
    switch (chunk.info().type) {
      case ChunkType::names:
        status = chunk.names([&](const NameRecord&) {
          ++found.names;
          return Status{};
        });
        break;
      case ChunkType::nodes:
        status = chunk.nodes([&](const NodeRecord& node) {
          if (node.tombstone) {
            ++found.tombstones;
          } else {
            ++found.nodes;
            found.digest.add_node(node.id, node.image);
          }
          return Status{};
        });
        break;
      case ChunkType::edges:
        status = chunk.edges([&](const EdgeRecord& edge) {
          if (edge.tombstone) {
            ++found.tombstones;
          } else {
            ++found.edges;
            found.digest.add_edge(edge.id, edge.source, edge.target, edge.type, edge.image);
          }
          return Status{};
        });
        break;
      case ChunkType::free_nodes:
      case ChunkType::free_edges:
        status = chunk.free_slots([](const FreeSlot&) { return Status{}; });
        break;
      case ChunkType::embeddings:
        status = chunk.embeddings([&](const EmbeddingRecord&) {
          ++found.embeddings;
          return Status{};
        });
        break;
    }
    SELVEDGE_TRY(std::move(status));
  }
  if (found.names != footer_.names || found.nodes != footer_.nodes ||
      found.edges != footer_.edges || found.tombstones != footer_.tombstones ||
      found.embeddings != footer_.embeddings || !(found.digest == footer_.digest)) {
    return fail(Error(ErrorCode::corruption, "the snapshot's records are not what its footer says")
                    .at(path_)
                    .mismatch(footer_.digest.to_string(), found.digest.to_string()));
  }
  return {};
}

}  // namespace selvedge::snapshot
