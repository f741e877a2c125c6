// Reads a snapshot file.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>

#include "snapshot/snapshot_format.h"

namespace selvedge::snapshot {

/// A chunk's records, uncompressed and verified.
class Chunk {
 public:
  [[nodiscard]] const ChunkInfo& info() const { return info_; }
  /// Calls `use` for each record; `corruption` for bytes that are no record.
  Status names(const std::function<Status(const NameRecord&)>& use) const;
  Status nodes(const std::function<Status(const NodeRecord&)>& use) const;
  Status edges(const std::function<Status(const EdgeRecord&)>& use) const;
  Status free_slots(const std::function<Status(const FreeSlot&)>& use) const;
  Status embeddings(const std::function<Status(const EmbeddingRecord&)>& use) const;

 private:
  friend class SnapshotReader;
  template <class Take>
  Status each(Take take) const;
  ChunkInfo info_;
  std::string path_;
  std::vector<std::byte> bytes_;
};

/// Role: opens a snapshot (header, trailer and footer checked) and loads its chunks.
/// Invariants: nothing is allocated that the file's size does not justify; compressed chunks name
///   their size, which is at most `chunk_bytes_max`.
/// Threads: `load` from several threads.
/// After failure: errors are `corruption` with file and offset, `newer_format`, or the system's.
class SnapshotReader {
 public:
  static Result<SnapshotReader> open(FileSystem& files, const std::string& path);

  [[nodiscard]] const Footer& footer() const { return footer_; }
  [[nodiscard]] const Uuid& store() const { return store_; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const std::vector<ChunkInfo>& chunks() const { return chunks_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] Result<Chunk> load(std::size_t index) const;
  /// Reads everything; counts and digest must be the footer's.
  [[nodiscard]] Status verify() const;

 private:
  [[nodiscard]] Error bad(std::uint64_t offset, const char* what) const;
  Status read_header();
  Status read_footer();

  std::unique_ptr<File> file_;
  std::string path_;
  std::uint64_t bytes_ = 0;
  Uuid store_;
  Kind kind_{};
  Footer footer_;
  std::vector<ChunkInfo> chunks_;
};

}  // namespace selvedge::snapshot
