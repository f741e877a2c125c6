// The manifest: which snapshots and segments belong to the store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/uuid.h>

namespace selvedge::snapshot {

inline constexpr std::uint64_t manifest_version = 1;

struct ManifestSnapshot {
  std::string file;  ///< in snapshots/
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t low_water = 0;
  std::uint64_t bytes = 0;
  std::uint64_t created_us = 0;
  std::string digest;
  bool operator==(const ManifestSnapshot&) const = default;
};

struct ManifestSegment {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  bool operator==(const ManifestSegment&) const = default;
};

/// Role: the content of `MANIFEST`: JSON with a checksum, replaced atomically.
/// Invariants: `watermark` >= every listed snapshot's `end` (rule 1); a segment is listed before
///   anything in it is acknowledged (rule 27); snapshots are listed oldest first.
struct Manifest {
  Uuid store;
  std::uint64_t created_us = 0;
  std::uint64_t watermark = 0;  ///< durable when this was written
  std::uint64_t wall_us = 0;    ///< newest wall time given out
  std::uint64_t next_snapshot = 1;
  bool clean_close = false;
  std::vector<ManifestSnapshot> snapshots;
  std::vector<ManifestSegment> segments;
  bool operator==(const Manifest&) const = default;

  [[nodiscard]] std::string to_json() const;
  /// `corruption` for anything but what `to_json` writes; `newer_format` for a later version.
  static Result<Manifest> parse(std::string_view text, const std::string& path);

  /// `not_found` when there is none.
  static Result<Manifest> load(FileSystem& files, const std::string& directory);
  Status save(FileSystem& files, const std::string& directory) const;
};

inline constexpr const char* manifest_name = "MANIFEST";

}  // namespace selvedge::snapshot
