// Writes a snapshot file.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/options.h>

#include "base/bytes.h"
#include "snapshot/snapshot_format.h"

struct ZSTD_CCtx_s;

namespace selvedge::snapshot {

struct WriterOptions {
  WriterOptions(Compression wanted = Compression::none) : compression(wanted) {}

  Compression compression;
  int zstd_level = 1;
  /// A chunk is closed before it outgrows this; a larger record gets a chunk of its own.
  std::uint32_t chunk_bytes = std::uint32_t{1} << 20;
};

/// Role: streams records into chunks of a temporary file; `finish` makes them durable, `adopt_name`
///   gives the file its name. Between the two the caller syncs the log to `end` (rule 1).
/// Invariants: memory is bounded by one chunk per record type, and 40 bytes for each chunk written;
///   the footer's slot marks cover every record.
/// Threads: one.
/// After failure: a write that failed makes every later call return the same error; `too_large`
///   leaves the writer as it was. The temporary file is removed by `abandon` or when the writer
///   dies; a stray one is removed by the next recovery.
class SnapshotWriter {
 public:
  /// Writes to `directory/name.tmp`.
  static Result<std::unique_ptr<SnapshotWriter>> create(FileSystem& files, std::string directory,
                                                        std::string name, const Uuid& store,
                                                        Kind kind, const WriterOptions& options,
                                                        std::uint64_t created_us);
  ~SnapshotWriter();
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;

  Status add_name(const NameRecord& name);
  Status add_node(const NodeRecord& node);
  Status add_edge(const EdgeRecord& edge);
  Status add_free_node(const FreeSlot& slot);
  Status add_free_edge(const FreeSlot& slot);
  Status add_embedding(const EmbeddingRecord& embedding);
  Status add_schema(const SchemaRecord& object);

  /// Writes what is left and the footer, syncs and closes. Returns the footer as written.
  /// `invalid_argument` unless low-water <= begin <= end + 1 and no record is newer than `end`.
  Result<Footer> finish(Footer footer);
  /// After `finish`: renames to `name()` or to the name given, and syncs the directory.
  /// `already_exists` when the name is taken.
  Status adopt_name() { return adopt_name(name_); }
  Status adopt_name(const std::string& name);
  /// Gives up: closes and removes the temporary file.
  Status abandon();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t bytes() const { return offset_; }

 private:
  struct Open {
    ByteWriter bytes;
    std::uint32_t records = 0;
    std::uint64_t slot_min = 0;
    std::uint64_t slot_max = 0;
  };
  struct FreeContext {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  enum class State : std::uint8_t { writing, failed, finished, gone };

  explicit SnapshotWriter(FileSystem& files) : files_(files) {}
  Open& chunk(ChunkType type) { return open_[static_cast<std::size_t>(type) - 1]; }
  Result<ByteWriter*> start(ChunkType type, std::uint64_t bytes);
  void added(ChunkType type, std::uint64_t slot);
  Status flush(ChunkType type);
  Result<ChunkHead> pack(std::span<const std::byte> raw, std::span<const std::byte>& stored);
  Status append(std::span<const std::byte> bytes);
  Status write_end(const Footer& footer);
  tl::unexpected<Error> remember(Error error);

  FileSystem& files_;
  std::unique_ptr<File> file_;
  std::string directory_;
  std::string name_;
  std::string temporary_;
  WriterOptions options_;
  std::unique_ptr<ZSTD_CCtx_s, FreeContext> context_;
  std::array<Open, chunk_types> open_;
  std::vector<ChunkInfo> chunks_;
  std::vector<std::byte> packed_;
  Footer totals_;
  std::uint64_t newest_ = 0;  // sequence of the newest record
  std::uint64_t offset_ = 0;
  std::unique_ptr<Error> failure_;
  State state_ = State::gone;  // until the temporary file is there
};

}  // namespace selvedge::snapshot
