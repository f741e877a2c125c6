#include "snapshot/snapshot_writer.h"

#include <zstd.h>

#include <cstdio>

#include "base/crc32c.h"
#include "io/file_util.h"

namespace selvedge::snapshot {

namespace {

constexpr std::size_t chunk_target_bytes = std::size_t{1} << 20;

}  // namespace

void StateDigest::add_node(std::uint64_t id, std::span<const std::byte> image) {
  const auto hash = base::hash128(image, id);
  combine({hash.low, hash.high});
}

void StateDigest::add_edge(std::uint64_t id, std::uint64_t source, std::uint64_t target,
                           std::uint32_t type, std::span<const std::byte> image) {
  const std::array<std::uint64_t, 4> identity = {id | 1, source, target, type};
  const auto who = base::hash128(std::as_bytes(std::span(identity)));
  const auto hash = base::hash128(image, who.low);
  combine({hash.low ^ who.high, hash.high + who.low});
}

void StateDigest::combine(const StateDigest& other) {
  low += other.low;
  high += other.high;
}

std::string StateDigest::to_string() const {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text.data();
}

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::create(FileSystem& files,
                                                               std::string directory,
                                                               std::string name, const Uuid& store,
                                                               Kind kind, Compression compression,
                                                               std::uint64_t created_us) {
  std::unique_ptr<SnapshotWriter> writer(new SnapshotWriter);
  writer->files_ = &files;
  writer->directory_ = std::move(directory);
  writer->name_ = std::move(name);
  writer->temporary_ = writer->directory_ + "/" + writer->name_ + ".tmp";
  writer->compression_ = compression;
  SELVEDGE_TRY(writer->file_, files.open(writer->temporary_, OpenMode::create));
  SELVEDGE_TRY(writer->file_->truncate(0));
  ByteWriter header;
  header.put_bytes(as_bytes("SELVSNP1"));
  header.put(format_version);
  header.put(static_cast<std::uint32_t>(kind));
  header.put_bytes(store.bytes);
  header.put(created_us);
  header.put_zeros(20);
  header.put(base::crc32c(header.span()));
  SELVEDGE_TRY(writer->append(header.span()));
  return writer;
}

SnapshotWriter::~SnapshotWriter() {
  if (!adopted_) {
    file_.reset();
    static_cast<void>(files_->unlink(temporary_));  // a stray is removed by recovery
  }
}

Status SnapshotWriter::append(std::span<const std::byte> bytes) {
  SELVEDGE_TRY(io::write_all(*file_, offset_, bytes));
  offset_ += bytes.size();
  return {};
}

Status SnapshotWriter::added(ChunkType type) {
  ++chunk(type).records;
  return chunk(type).bytes.size() >= chunk_target_bytes ? flush(type) : Status{};
}

Status SnapshotWriter::flush(ChunkType type) {
  Open& open = chunk(type);
  if (open.records == 0) {
    return {};
  }
  std::span<const std::byte> stored = open.bytes.span();
  std::uint8_t codec = 0;
  if (compression_ == Compression::zstd) {
    packed_.resize(ZSTD_compressBound(stored.size()));
    const std::size_t size =
        ZSTD_compress(packed_.data(), packed_.size(), stored.data(), stored.size(), 3);
    if (ZSTD_isError(size) == 0 && size < stored.size()) {
      stored = std::span(packed_).first(size);
      codec = 1;
    }
  }
  ByteWriter head;
  head.put_bytes(as_bytes("SCHK"));
  head.put(type);
  head.put(codec);
  head.put<std::uint16_t>(0);
  head.put(open.records);
  head.put(static_cast<std::uint32_t>(open.bytes.size()));
  head.put(static_cast<std::uint32_t>(stored.size()));
  head.put(base::crc32c(stored));
  head.put<std::uint32_t>(0);
  head.put(base::crc32c(head.span()));
  chunks_.push_back({type, offset_, open.records, static_cast<std::uint32_t>(open.bytes.size()),
                     static_cast<std::uint32_t>(stored.size())});
  SELVEDGE_TRY(append(head.span()));
  SELVEDGE_TRY(append(stored));
  open.bytes.clear();
  open.records = 0;
  return {};
}

Status SnapshotWriter::add_name(const NameRecord& name) {
  ByteWriter& to = chunk(ChunkType::names).bytes;
  to.put(name.kind);
  to.put(name.id);
  to.put_text(name.text);
  ++totals_.names;
  return added(ChunkType::names);
}

Status SnapshotWriter::add_node(const NodeRecord& node) {
  ByteWriter& to = chunk(ChunkType::nodes).bytes;
  to.put(node.id);
  to.put(node.sequence);
  to.put(static_cast<std::uint8_t>(node.tombstone ? 1 : 0));
  to.put_varint(node.image.size());
  to.put_bytes(node.image);
  if (node.tombstone) {
    ++totals_.tombstones;
  } else {
    ++totals_.nodes;
    totals_.digest.add_node(node.id, node.image);
  }
  return added(ChunkType::nodes);
}

Status SnapshotWriter::add_edge(const EdgeRecord& edge) {
  ByteWriter& to = chunk(ChunkType::edges).bytes;
  to.put(edge.id);
  to.put(edge.sequence);
  to.put(static_cast<std::uint8_t>(edge.tombstone ? 1 : 0));
  to.put(edge.source);
  to.put(edge.target);
  to.put(edge.type);
  to.put_varint(edge.image.size());
  to.put_bytes(edge.image);
  if (edge.tombstone) {
    ++totals_.tombstones;
  } else {
    ++totals_.edges;
    totals_.digest.add_edge(edge.id, edge.source, edge.target, edge.type, edge.image);
  }
  return added(ChunkType::edges);
}

Status SnapshotWriter::add_free_node(const FreeSlot& slot) {
  ByteWriter& to = chunk(ChunkType::free_nodes).bytes;
  to.put(slot.slot);
  to.put(slot.next_generation);
  return added(ChunkType::free_nodes);
}

Status SnapshotWriter::add_free_edge(const FreeSlot& slot) {
  ByteWriter& to = chunk(ChunkType::free_edges).bytes;
  to.put(slot.slot);
  to.put(slot.next_generation);
  return added(ChunkType::free_edges);
}

Status SnapshotWriter::add_embedding(const EmbeddingRecord& embedding) {
  ByteWriter& to = chunk(ChunkType::embeddings).bytes;
  to.put(embedding.node);
  to.put(embedding.sequence);
  to.put(embedding.key);
  to.put_varint(embedding.floats.size());
  to.put_bytes(embedding.floats);
  ++totals_.embeddings;
  return added(ChunkType::embeddings);
}

Result<Footer> SnapshotWriter::finish(Footer footer) {
  for (const ChunkType type :
       {ChunkType::names, ChunkType::nodes, ChunkType::edges, ChunkType::free_nodes,
        ChunkType::free_edges, ChunkType::embeddings}) {
    SELVEDGE_TRY(flush(type));
  }
  footer.nodes = totals_.nodes;
  footer.edges = totals_.edges;
  footer.tombstones = totals_.tombstones;
  footer.names = totals_.names;
  footer.embeddings = totals_.embeddings;
  footer.digest = totals_.digest;
  ByteWriter out;
  for (const std::uint64_t number :
       {footer.begin, footer.end, footer.low_water, footer.wall_us,
        std::uint64_t{footer.end_frame_crc}, footer.end_frame_sequence, footer.node_slots,
        footer.edge_slots, footer.nodes, footer.edges, footer.tombstones, footer.names,
        footer.embeddings, footer.digest.low, footer.digest.high, std::uint64_t{chunks_.size()}}) {
    out.put(number);
  }
  for (const ChunkInfo& each : chunks_) {
    out.put(static_cast<std::uint32_t>(each.type));
    out.put(each.offset);
    out.put(each.records);
    out.put(each.raw_bytes);
    out.put(each.stored_bytes);
  }
  out.put(base::crc32c(out.span()));
  const std::uint64_t footer_at = offset_;
  out.put(footer_at);
  out.put_bytes(as_bytes("SELVEND1"));
  SELVEDGE_TRY(append(out.span()));
  SELVEDGE_TRY(file_->sync());
  SELVEDGE_TRY(file_->close());
  return footer;
}

Status SnapshotWriter::adopt_name() {
  SELVEDGE_TRY(files_->rename(temporary_, directory_ + "/" + name_));
  adopted_ = true;
  return files_->sync_dir(directory_);
}

}  // namespace selvedge::snapshot
