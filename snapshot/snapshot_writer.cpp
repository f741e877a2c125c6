#include "snapshot/snapshot_writer.h"

#include <zstd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mutants.h"
#include "io/file_util.h"

namespace selvedge::snapshot {

namespace {

constexpr std::uint64_t no_slot = std::numeric_limits<std::uint64_t>::max();
constexpr std::byte tombstone_flag{1};

}  // namespace

void SnapshotWriter::FreeContext::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::create(
    FileSystem& files, std::string directory, std::string name, const Uuid& store, Kind kind,
    const WriterOptions& options, std::uint64_t created_us) {
  if (options.chunk_bytes == 0 || options.chunk_bytes > chunk_bytes_max) {
    return fail(Error(ErrorCode::invalid_argument, "bytes of a snapshot's chunk")
                    .mismatch("1 to " + std::to_string(chunk_bytes_max),
                              std::to_string(options.chunk_bytes)));
  }
  std::unique_ptr<SnapshotWriter> writer(new SnapshotWriter(files));
  writer->directory_ = std::move(directory);
  writer->name_ = std::move(name);
  writer->temporary_ = writer->directory_ + "/" + writer->name_ + ".tmp";
  writer->options_ = options;
  if (options.compression == Compression::zstd) {
    writer->context_.reset(ZSTD_createCCtx());
    if (writer->context_ == nullptr ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->context_.get(), ZSTD_c_compressionLevel,
                                            options.zstd_level)) != 0) {
      return fail(ErrorCode::out_of_memory, "no memory for compression");
    }
  }
  SELVEDGE_TRY(writer->file_, files.open(writer->temporary_, OpenMode::create));
  writer->state_ = State::writing;
  SELVEDGE_TRY(writer->file_->truncate(0));  // a stray of the same name may be there
  const auto header = encode_header({kind, options.compression, store, created_us});
  SELVEDGE_TRY(writer->append(header));
  return writer;
}

SnapshotWriter::~SnapshotWriter() {
  // Without anybody to tell: a temporary file that stays is removed by the next recovery.
  static_cast<void>(abandon());
}

Status SnapshotWriter::abandon() {
  if (state_ == State::gone) {
    return {};
  }
  state_ = State::gone;
  file_.reset();
  return files_.unlink(temporary_);
}

tl::unexpected<Error> SnapshotWriter::remember(Error error) {
  state_ = State::failed;
  failure_ = std::make_unique<Error>(error.clone());
  return fail(std::move(error));
}

Status SnapshotWriter::append(std::span<const std::byte> bytes) {
  if (Status written = io::write_all(*file_, offset_, bytes); !written) {
    return remember(std::move(written).error());
  }
  offset_ += bytes.size();
  return {};
}

/// Makes room for a record of at most `bytes`; returns where it goes.
Result<ByteWriter*> SnapshotWriter::start(ChunkType type, std::uint64_t bytes) {
  if (state_ == State::failed) {
    return fail(failure_->clone());
  }
  SELVEDGE_ASSERT(state_ == State::writing);
  if (bytes > chunk_bytes_max) {
    return fail(Error(ErrorCode::too_large, "a snapshot record is too large")
                    .at(temporary_)
                    .mismatch("at most " + std::to_string(chunk_bytes_max) + " bytes",
                              std::to_string(bytes)));
  }
  Open& open = chunk(type);
  if (open.records != 0 && open.bytes.size() + bytes > options_.chunk_bytes) {
    SELVEDGE_TRY(flush(type));
  }
  return &open.bytes;
}

void SnapshotWriter::added(ChunkType type, std::uint64_t slot) {
  Open& open = chunk(type);
  SELVEDGE_ASSERT(open.bytes.size() <= chunk_bytes_max);
  if (slot != no_slot) {
    open.slot_min = open.records == 0 ? slot : std::min(open.slot_min, slot);
    open.slot_max = std::max(open.slot_max, slot);
  }
  ++open.records;
}

/// Compresses where asked for and worth it.
Result<ChunkHead> SnapshotWriter::pack(std::span<const std::byte> raw,
                                       std::span<const std::byte>& stored) {
  ChunkHead head;
  stored = raw;
  if (context_ != nullptr) {
    packed_.resize(std::max(packed_.size(), ZSTD_compressBound(raw.size())));
    const std::size_t size =
        ZSTD_compress2(context_.get(), packed_.data(), packed_.size(), raw.data(), raw.size());
    if (ZSTD_isError(size) != 0) {
      return remember(Error(ErrorCode::out_of_memory,
                            std::string("compression failed: ") + ZSTD_getErrorName(size))
                          .at(temporary_, offset_));
    }
    if (size < raw.size()) {
      stored = std::span<const std::byte>(packed_).first(size);
      head.codec = Codec::zstd;
    }
  }
  head.info.raw_bytes = static_cast<std::uint32_t>(raw.size());
  head.info.stored_bytes = static_cast<std::uint32_t>(stored.size());
  head.stored_crc = base::crc32c(stored);
  return head;
}

Status SnapshotWriter::flush(ChunkType type) {
  Open& open = chunk(type);
  if (open.records == 0) {
    return {};
  }
  std::span<const std::byte> stored;
  SELVEDGE_TRY(ChunkHead head, pack(open.bytes.span(), stored));
  head.info.type = type;
  head.info.offset = offset_;
  head.info.records = open.records;
  head.info.slot_min = open.slot_min;
  head.info.slot_max = open.slot_max;
  SELVEDGE_TRY(append(encode_chunk_head(head)));
  SELVEDGE_TRY(append(stored));
  chunks_.push_back(head.info);
  if (open.bytes.capacity() > 2 * std::size_t{options_.chunk_bytes}) {
    open.bytes = ByteWriter();  // do not keep the room that one large record took
  }
  open.bytes.clear();
  open.records = 0;
  open.slot_min = 0;
  open.slot_max = 0;
  return {};
}

Status SnapshotWriter::add_name(const NameRecord& name) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::names, name.text.size() + 15));
  to->put(name.kind);
  to->put(name.id);
  to->put_text(name.text);
  ++totals_.names;
  added(ChunkType::names, no_slot);
  return {};
}

Status SnapshotWriter::add_node(const NodeRecord& node) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::nodes, node.image.size() + 35));
  to->put(node.id);
  to->put(node.sequence);
  to->put(node.tombstone ? tombstone_flag : std::byte{0});
  to->put(node.out_degree_hint);
  to->put(node.in_degree_hint);
  to->put_varint(node.image.size());
  to->put_bytes(node.image);
  if (node.tombstone) {
    ++totals_.tombstones;
  } else {
    ++totals_.nodes;
    totals_.digest.add_node(node.id, node.image);
  }
  const std::uint64_t slot = id_bits::slot(node.id);
  totals_.node_slots = std::max(totals_.node_slots, slot + 1);
  newest_ = std::max(newest_, node.sequence);
  added(ChunkType::nodes, slot);
  return {};
}

Status SnapshotWriter::add_edge(const EdgeRecord& edge) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::edges, edge.image.size() + 47));
  to->put(edge.id);
  to->put(edge.sequence);
  to->put(edge.tombstone ? tombstone_flag : std::byte{0});
  to->put(edge.source);
  to->put(edge.target);
  to->put(edge.type);
  to->put_varint(edge.image.size());
  to->put_bytes(edge.image);
  if (edge.tombstone) {
    ++totals_.tombstones;
  } else {
    ++totals_.edges;
    totals_.digest.add_edge(edge.id, edge.source, edge.target, edge.type, edge.image);
  }
  const std::uint64_t slot = id_bits::slot(edge.id);
  totals_.edge_slots = std::max(totals_.edge_slots, slot + 1);
  newest_ = std::max(newest_, edge.sequence);
  added(ChunkType::edges, slot);
  return {};
}

Status SnapshotWriter::add_free_node(const FreeSlot& slot) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::free_nodes, 12));
  to->put(slot.slot);
  to->put(slot.next_generation);
  totals_.node_slots = std::max(totals_.node_slots, slot.slot + 1);
  added(ChunkType::free_nodes, slot.slot);
  return {};
}

Status SnapshotWriter::add_free_edge(const FreeSlot& slot) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::free_edges, 12));
  to->put(slot.slot);
  to->put(slot.next_generation);
  totals_.edge_slots = std::max(totals_.edge_slots, slot.slot + 1);
  added(ChunkType::free_edges, slot.slot);
  return {};
}

Status SnapshotWriter::add_embedding(const EmbeddingRecord& embedding) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::embeddings, embedding.floats.size() + 30));
  to->put(embedding.node);
  to->put(embedding.sequence);
  to->put(embedding.key);
  to->put_varint(embedding.floats.size());
  to->put_bytes(embedding.floats);
  ++totals_.embeddings;
  const std::uint64_t slot = id_bits::slot(embedding.node);
  totals_.node_slots = std::max(totals_.node_slots, slot + 1);
  newest_ = std::max(newest_, embedding.sequence);
  added(ChunkType::embeddings, slot);
  return {};
}

Status SnapshotWriter::add_schema(const SchemaRecord& object) {
  SELVEDGE_TRY(ByteWriter* const to, start(ChunkType::schema, object.definition.size() + 22));
  to->put(object.id);
  to->put(object.sequence);
  to->put_varint(object.definition.size());
  to->put_bytes(object.definition);
  newest_ = std::max(newest_, object.sequence);
  added(ChunkType::schema, 0);
  return {};
}

Status SnapshotWriter::write_end(const Footer& footer) {
  SELVEDGE_TRY(append(encode_end(footer, chunks_, offset_).span()));
  if (Status synced = base::mutant(base::Mutant::snapshot_not_synced) ? Status{} : file_->sync();
      !synced) {
    return remember(std::move(synced).error());
  }
  if (Status closed = file_->close(); !closed) {
    return remember(std::move(closed).error());
  }
  return {};
}

Result<Footer> SnapshotWriter::finish(Footer footer) {
  if (state_ == State::failed) {
    return fail(failure_->clone());
  }
  SELVEDGE_ASSERT(state_ == State::writing);
  if (footer.low_water > footer.begin || footer.begin > footer.end + 1 || newest_ > footer.end) {
    return fail(Error(ErrorCode::invalid_argument, "the snapshot's sequences are out of order")
                    .at(temporary_)
                    .mismatch("low-water <= begin <= end + 1, records up to end",
                              std::to_string(footer.low_water) + ", " +
                                  std::to_string(footer.begin) + ", " + std::to_string(footer.end) +
                                  ", records up to " + std::to_string(newest_)));
  }
  for (std::size_t i = 1; i <= chunk_types; ++i) {
    SELVEDGE_TRY(flush(static_cast<ChunkType>(i)));
  }
  footer.node_slots = std::max(footer.node_slots, totals_.node_slots);
  footer.edge_slots = std::max(footer.edge_slots, totals_.edge_slots);
  footer.nodes = totals_.nodes;
  footer.edges = totals_.edges;
  footer.tombstones = totals_.tombstones;
  footer.names = totals_.names;
  footer.embeddings = totals_.embeddings;
  footer.digest = totals_.digest;
  SELVEDGE_TRY(write_end(footer));
  state_ = State::finished;
  return footer;
}

Status SnapshotWriter::adopt_name(const std::string& name) {
  if (state_ == State::failed) {
    return fail(failure_->clone());
  }
  SELVEDGE_ASSERT(state_ == State::finished);
  const std::string path = directory_ + "/" + name;
  SELVEDGE_TRY(const FileKind there, files_.kind(path));
  if (there != FileKind::none) {
    return fail(Error(ErrorCode::already_exists, "the snapshot's name is taken").at(path));
  }
  SELVEDGE_TRY(files_.rename(temporary_, path));
  name_ = name;
  state_ = State::gone;  // the temporary file is
  return base::mutant(base::Mutant::snapshot_name_not_synced) ? Status{}
                                                              : files_.sync_dir(directory_);
}

}  // namespace selvedge::snapshot
