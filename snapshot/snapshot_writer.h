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

namespace selvedge::snapshot {

/// Role: streams records into chunks of a temporary file; `finish` makes them durable, `adopt_name`
///   gives the file its name. Between the two the caller syncs the log to `end` (rule 1).
/// Invariants: memory is bounded by one chunk per record type.
/// Threads: one.
/// After failure: the temporary file is removed when the writer dies; a stray one is removed by
///   the next recovery.
class SnapshotWriter {
 public:
  static Result<std::unique_ptr<SnapshotWriter>> create(FileSystem& files, std::string directory,
                                                        std::string name, const Uuid& store,
                                                        Kind kind, Compression compression,
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

  /// Writes what is left and the footer, syncs and closes. Returns the footer as written.
  Result<Footer> finish(Footer footer);
  Status adopt_name();
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t bytes() const { return offset_; }

 private:
  SnapshotWriter() = default;
  struct Open {
    ByteWriter bytes;
    std::uint32_t records = 0;
  };
  Open& chunk(ChunkType type) { return open_[static_cast<std::size_t>(type)]; }
  Status added(ChunkType type);
  Status flush(ChunkType type);
  Status append(std::span<const std::byte> bytes);

  FileSystem* files_ = nullptr;
  std::unique_ptr<File> file_;
  std::string directory_;
  std::string name_;
  std::string temporary_;
  Compression compression_ = Compression::none;
  std::array<Open, 7> open_;
  std::vector<ChunkInfo> chunks_;
  std::vector<std::byte> packed_;
  Footer totals_;
  std::uint64_t offset_ = 0;
  bool adopted_ = false;
};

}  // namespace selvedge::snapshot
