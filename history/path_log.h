// The log of a store that is not open here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>

#include "graph/names.h"
#include "history/catalog.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot_reader.h"
#include "wal/segment_reader.h"

namespace selvedge::history {

/// Role: a log by its path. `attach` believes the manifest and knows the log as far as that vouches
///   for it; `scan` reads what lies behind the newest snapshot and knows the end, and all names.
/// Invariants: nothing on disk changes; the end stays where it was found.
/// Threads: `attach` and `scan` from one, then any.
/// After failure: throw it away. Beside a live store, manifest and files may be of two moments.
class PathLog final : public LogSource {
 public:
  PathLog(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  /// Reads no file of the log yet.
  void attach(const snapshot::Manifest& manifest);
  /// `unconfirmed`: as far as the log is written, though nothing proves that it is durable.
  Status scan(const snapshot::Manifest& manifest, bool unconfirmed);

  [[nodiscard]] std::uint64_t end() const override { return end_; }
  [[nodiscard]] std::vector<Listed> segments() const override { return segments_; }
  [[nodiscard]] bool grows() const override { return false; }
  [[nodiscard]] Catalog& catalog() { return *catalog_; }

 private:
  void list_archive(const snapshot::Manifest& manifest);
  Result<std::uint64_t> load_names(const snapshot::Manifest& manifest);
  Status load_names(const snapshot::SnapshotReader& reader);
  Status note_names(const wal::FrameView& frame);
  Status define(graph::NameKind kind, std::uint32_t id, std::string_view text);

  FileSystem& files_;
  const std::string path_;
  graph::Names names_;
  std::vector<Listed> segments_;
  std::uint64_t end_ = 0;
  std::optional<Catalog> catalog_;
};

}  // namespace selvedge::history
