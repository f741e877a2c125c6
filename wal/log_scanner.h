// Finds where the log ends, and whether what follows is a torn tail or damage.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "wal/segment.h"
#include "wal/segment_reader.h"

#include <selvedge/error.h>
#include <selvedge/file_system.h>

namespace selvedge::wal {

struct ScanOptions {
  /// Frames that end before this sequence are not needed; 0 = everything there is.
  std::uint64_t from_sequence = 0;
  /// The frame with this sequence is handed out too, where the log still has it; 0 = none.
  std::uint64_t also_sequence = 0;
  /// The largest sequence that something outside the log (manifest, snapshots) knows to be durable.
  std::uint64_t acknowledged = 0;
  /// The manifest's segments. Nothing: there is no manifest, and the directory is all we know.
  std::optional<std::vector<SegmentInfo>> listed;
  /// The store that the segments must belong to. Nothing: that of the first one.
  std::optional<Uuid> store;
  /// End the log at the first damage instead of refusing, and report what is lost.
  bool salvage = false;
};

/// The part of a segment that belongs to the log.
struct SegmentExtent {
  SegmentInfo info;
  std::string path;
  std::uint64_t first_sequence = 0;
  std::uint64_t next_sequence = 0;  ///< after its last entry
  std::uint64_t end_offset = 0;     ///< behind its last frame
  std::uint64_t file_bytes = 0;
  std::uint64_t frames = 0;
  std::uint64_t entries = 0;
  std::uint64_t created_at_us = 0;
  bool sealed = false;
  bool scanned = false;  ///< false: wholly before `from_sequence`, only its header was read
};

/// Bytes that do not belong to the log although they are in its files.
struct DroppedRange {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< up to the last byte that is not zero
  std::uint64_t expected_sequence = 0;
  std::uint64_t frames = 0;  ///< sound frames with entries among them
  std::uint64_t sequence_first = 0;
  std::uint64_t sequence_last = 0;
  FrameFault fault = FrameFault::none;
  bool stale =
      false;  ///< behind the last frame of a recycled file: most likely an older generation
  std::string reason;
};

/// A damaged regenerable frame that was passed over.
struct SkippedFrame {
  FrameLocation location;
  std::string path;
  FrameHeader header;
  std::string reason;
};

/// Segments that hold nothing of the log.
struct IdleSegment {
  SegmentInfo info;  ///< salt 0 when unknown
  std::string path;
  std::string reason;
};

struct LogExtent {
  Uuid store;
  std::vector<SegmentExtent> segments;   ///< in order
  FrameLocation end;                     ///< where the next frame would stand; segment 0 = no log
  std::uint64_t next_sequence = 1;       ///< expected at the end
  std::uint32_t last_frame_crc = 0;      ///< header CRC of the last frame: the successor names it
  FrameHeader last_entries;              ///< the last frame with entries; count 0 = none was read
  std::uint32_t last_entries_crc = 0;    ///< its header CRC
  std::uint64_t wall_us = 0;             ///< newest wall time in a frame
  bool beginning_missing = false;        ///< salvage: no segment reaches back to `from_sequence`
  std::uint64_t watermark = 0;           ///< largest durable watermark seen in the log
  std::uint64_t segment_number_max = 0;  ///< largest on disk or listed: new ones come after it
  bool closed_cleanly = false;           ///< the last frame is the seal of a close
  std::vector<DroppedRange> dropped;
  std::vector<SkippedFrame> skipped;
  std::vector<IdleSegment> unused;  ///< listed, prepared, never written: recycle them
  std::vector<IdleSegment> strays;  ///< on disk, not part of the log and not listed
  std::optional<Error> damage;      ///< salvage: the error that a strict scan would have returned
};

/// Takes a verified frame (operations and checkpoint frames only; marks and seals are the log's
/// own business). An error ends the scan and is returned.
using FrameSink = std::function<Status(const FrameView&)>;

/// Reads the segments of a log directory. Changes nothing on disk.
///
/// **Torn tail or damage?** Let n be the sequence expected where reading stopped. It is damage,
/// and the scan is refused with `corruption`, if
///  1. `acknowledged` >= n, or
///  2. further on in the same segment stands a sound sync mark of the same generation with a
///     watermark >= n (searched at every 8-byte boundary), or
///  3. a later segment has a sound header that names a predecessor's last sequence >= n, or
///  4. a listed segment is missing.
/// Otherwise it is a tail that was never synced, and is dropped. A successor whose predecessor's
/// last is exactly n-1 says that an earlier recovery cut the tail there: reading goes on in it.
/// Where a segment's header is damaged, its salt is taken from the manifest or from the
/// predecessor's seal, and 1 to 4 apply to its first sequence. A frame or segment of a newer format
/// is refused with `newer_format`, wherever it stands. A regenerable frame with a sound header and
/// a bad payload is passed over and reported if 1, 2 or 3 hold for its last sequence.
/// Damage to the last group written before a crash cannot be told from a torn tail.
///
/// *Invariants*: memory is bounded by one reader; sequences given to the sink rise without gaps
/// except for skipped frames.
/// *Threads*: `scan` is for one thread; `read_segment`, `read_from` and `read_frame` are const and
/// may run in several.
/// *After failure*: nothing has changed; the sink may have seen a part of the log.
class LogScanner {
 public:
  LogScanner(FileSystem& files, std::string directory);

  /// One pass: verifies, hands each frame whose last sequence is >= from_sequence (or that
  /// holds also_sequence) to the sink, and
  /// decides where the log ends. The sink sees frames before the decision: on error forget them.
  Result<LogExtent> scan(const ScanOptions& options, const FrameSink& sink = {}) const;

  /// Frames of one segment of a scanned log; segments may be read in parallel.
  Status read_segment(const LogExtent& log, const SegmentExtent& segment,
                      const FrameSink& sink) const;
  /// Frames with last sequence >= `sequence`, to the end of the log.
  Status read_from(const LogExtent& log, std::uint64_t sequence, const FrameSink& sink) const;
  /// One frame by its place, verified again: for undo, which goes backwards.
  Result<OwnedFrame> read_frame(const LogExtent& log, FrameLocation location) const;

 private:
  FileSystem& files_;
  std::string directory_;
};

/// Overwrites a segment's file with zeros from `offset` to its end and syncs it: a dropped tail
/// never rises again. Bytes that are zero already are left alone. Idempotent.
Status erase_tail(FileSystem& files, const std::string& path, std::uint64_t offset);

/// Erases every dropped range of a scanned log.
Status erase_dropped(FileSystem& files, const LogExtent& log);

/// Syncs what was read. A process that died leaves frames that only the system's cache has: nobody
/// may see or build on them before they are on the disk.
Status make_durable(FileSystem& files, const std::string& directory, const LogExtent& log);

}  // namespace selvedge::wal
