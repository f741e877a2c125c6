// The manifest: which snapshots and segments belong to the store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/uuid.h>

#include "snapshot/snapshot_format.h"

namespace selvedge::snapshot {

/// 1 is written as long as nothing needs 2: compressed segments.
inline constexpr std::uint64_t manifest_version = 2;
inline constexpr const char* manifest_name = "MANIFEST";

struct ManifestSnapshot {
  std::string file;  ///< in snapshots/; no path
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t low_water = 0;
  std::uint64_t bytes = 0;
  std::uint64_t created_us = 0;
  std::string digest;
  Kind kind = Kind::checkpoint;
  bool verified = false;            ///< was read back completely and found right
  std::uint32_t log_frame_crc = 0;  ///< header CRC of the log frame that holds `end` (rule 7)
  bool operator==(const ManifestSnapshot&) const = default;
};

enum class SegmentState : std::uint8_t {
  listed,  ///< prepared, perhaps in use: its header tells
  sealed,  ///< complete
};

struct ManifestSegment {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;            ///< 32 bits
  std::uint64_t first_sequence = 0;  ///< 0 = not known yet
  SegmentState state = SegmentState::listed;
  bool operator==(const ManifestSegment&) const = default;
};

/// Role: the content of `MANIFEST`: JSON with a checksum, replaced atomically.
/// Invariants, checked by `save` and by `parse`: `watermark` >= every listed snapshot's `end`
///   (rule 1); no file and no segment is listed twice,
///   also not in both lists; a snapshot's file has a plain name. Kept by
///   the caller: a segment is listed before anything in it is acknowledged (rule 27); snapshots
///   are listed oldest first.
/// Threads: a value. Two `save` at once are not allowed.
/// After failure: `save` leaves the old file or the new one. Only when the last step, the sync of
///   the directory, fails is it open which of them a crash will leave.
struct Manifest {
  Uuid store;
  std::uint64_t created_us = 0;
  std::uint64_t watermark = 0;  ///< durable when this was written
  std::uint64_t wall_us = 0;    ///< newest wall time given out
  std::uint64_t next_snapshot = 1;
  bool clean_close = false;
  std::vector<ManifestSnapshot> snapshots;
  std::vector<ManifestSegment> segments;
  /// Compressed segments: older than `segments`, and nothing to recovery.
  std::vector<ManifestSegment> archive;
  bool operator==(const Manifest&) const = default;

  /// One fixed form: the same content always gives the same bytes. Its last member, `checksum`, is
  /// the CRC-32C of everything before it.
  [[nodiscard]] std::string to_json() const;
  /// `corruption` for anything but what `to_json` writes, naming the byte or the member;
  /// `newer_format` for a later version.
  static Result<Manifest> parse(std::string_view text, const std::string& path);

  /// `not_found` when there is none.
  static Result<Manifest> load(FileSystem& files, const std::string& directory);
  /// `invalid_argument`, with nothing written, when an invariant does not hold.
  Status save(FileSystem& files, const std::string& directory) const;
};

}  // namespace selvedge::snapshot
