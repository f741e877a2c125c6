// Reads a snapshot file.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "snapshot/snapshot_format.h"

namespace selvedge::snapshot {

/// Role: a chunk's records, uncompressed, its CRC verified.
/// Invariants: what `use` is given lies in this chunk and lives as long as it. Every record has
///   been checked, its image too; its slot lies within the chunk's range.
/// Threads: any number may iterate at once.
/// After failure: `corruption` for bytes that are no record; those before it have been given out.
class Chunk {
 public:
  [[nodiscard]] const ChunkInfo& info() const { return info_; }

  /// Each calls `Status use(record)` for every record, and stops at the first error.
  template <class Use>
  Status names(Use&& use) const {
    SELVEDGE_ASSERT(info_.type == ChunkType::names);
    return each<NameRecord>(use);
  }
  template <class Use>
  Status nodes(Use&& use) const {
    SELVEDGE_ASSERT(info_.type == ChunkType::nodes);
    return each<NodeRecord>(use);
  }
  template <class Use>
  Status edges(Use&& use) const {
    SELVEDGE_ASSERT(info_.type == ChunkType::edges);
    return each<EdgeRecord>(use);
  }
  template <class Use>
  Status free_slots(Use&& use) const {
    SELVEDGE_ASSERT(info_.type == ChunkType::free_nodes || info_.type == ChunkType::free_edges);
    return each<FreeSlot>(use);
  }
  /// Records of whatever type the chunk has.
  template <class Use>
  Status records(Use&& use) const {
    switch (info_.type) {
      case ChunkType::names: return names(use);
      case ChunkType::nodes: return nodes(use);
      case ChunkType::edges: return edges(use);
      case ChunkType::free_nodes:
      case ChunkType::free_edges: return free_slots(use);
      case ChunkType::embeddings: return embeddings(use);
      case ChunkType::schema: return schema(use);
    }
    return fail(malformed(0, "a chunk of a known type"));
  }
  template <class Use>
  Status embeddings(Use&& use) const {
    SELVEDGE_ASSERT(info_.type == ChunkType::embeddings);
    return each<EmbeddingRecord>(use);
  }

  template <class Use>
  Status schema(Use&& use) const {
    SELVEDGE_ASSERT(info_.type == ChunkType::schema);
    return each<SchemaRecord>(use);
  }

 private:
  friend class SnapshotReader;

  template <class Record, class Use>
  Status each(Use& use) const {
    ByteReader reader(records_);
    for (std::uint32_t i = 0; i < info_.records; ++i) {
      const std::size_t position = reader.position();
      Record record;
      if (!take(reader, record)) {
        return fail(malformed(position, "a whole record"));
      }
      SELVEDGE_TRY(use(std::as_const(record)));
    }
    return reader.at_end() ? Status{} : fail(malformed(reader.position(), "the chunk's end"));
  }
  bool take(ByteReader& reader, NameRecord& record) const;
  bool take(ByteReader& reader, NodeRecord& record) const;
  bool take(ByteReader& reader, EdgeRecord& record) const;
  bool take(ByteReader& reader, FreeSlot& record) const;
  bool take(ByteReader& reader, EmbeddingRecord& record) const;
  bool take(ByteReader& reader, SchemaRecord& record) const;
  [[nodiscard]] bool in_range(std::uint64_t slot) const {
    return slot >= info_.slot_min && slot <= info_.slot_max;
  }
  [[nodiscard]] Error malformed(std::size_t position, const char* expected) const;

  ChunkInfo info_;
  std::string path_;
  std::unique_ptr<std::byte[]> buffer_;
  std::span<const std::byte> records_;
  bool compressed_ = false;
};

class SnapshotReader;

/// Role: counts and digests what was read, to hold it against the footer.
/// Threads: one each; merge afterwards.
class alignas(128) Tally {
 public:
  explicit Tally(const SnapshotReader& reader) : reader_(&reader) {}

  /// `corruption` for a record out of the footer's bounds.
  Status add(const Chunk& chunk, const NameRecord& name);
  Status add(const Chunk& chunk, const NodeRecord& node);
  Status add(const Chunk& chunk, const EdgeRecord& edge);
  Status add(const Chunk& chunk, const FreeSlot& slot);
  Status add(const Chunk& chunk, const EmbeddingRecord& embedding);
  Status add(const Chunk& chunk, const SchemaRecord& object);
  void merge(const Tally& other);
  /// `corruption` unless counts and digest are the footer's.
  [[nodiscard]] Status compare() const;

 private:
  [[nodiscard]] Status bounds(const Chunk& chunk, std::uint64_t slots, std::uint64_t slot,
                              std::uint64_t sequence) const;
  const SnapshotReader* reader_;
  Footer found_;
};

/// Role: opens a snapshot (header, trailer and footer checked) and loads its chunks.
/// Invariants: nothing is allocated that the file's size does not justify; compressed chunks name
///   their size, which is at most `chunk_bytes_max`.
/// Threads: `load` and `verify` from several threads.
/// After failure: errors are `corruption` with file and offset, `newer_format`, or the system's.
class SnapshotReader {
 public:
  static Result<SnapshotReader> open(FileSystem& files, const std::string& path);

  [[nodiscard]] const Footer& footer() const { return footer_; }
  [[nodiscard]] const Header& header() const { return header_; }
  [[nodiscard]] const Uuid& store() const { return header_.store; }
  [[nodiscard]] Kind kind() const { return header_.kind; }
  [[nodiscard]] std::uint64_t created_us() const { return header_.created_us; }
  /// In the file's order.
  [[nodiscard]] const std::vector<ChunkInfo>& chunks() const { return chunks_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Reads, checks and uncompresses one chunk.
  [[nodiscard]] Result<Chunk> load(std::size_t index) const;
  /// Reads everything; counts, bounds and digest must be the footer's.
  [[nodiscard]] Status verify() const;

 private:
  SnapshotReader() = default;
  Status read_header();
  Status read_footer();

  std::unique_ptr<File> file_;
  std::string path_;
  std::uint64_t bytes_ = 0;
  Header header_;
  Footer footer_;
  std::vector<ChunkInfo> chunks_;
};

}  // namespace selvedge::snapshot
