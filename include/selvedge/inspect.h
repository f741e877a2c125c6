// The files of a store, to be looked at: closed or open elsewhere, sound or damaged. Nothing
// changes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/progress.h>
#include <selvedge/report.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>
#include <selvedge/value.h>

namespace selvedge {

namespace inspect {
class SegmentFrames;
}

/// A snapshot that the manifest lists.
struct SnapshotFile {
  std::string file;  ///< in snapshots/
  bool backup = false;
  Sequence begin;
  Sequence end;        ///< the state that it holds
  Sequence low_water;  ///< it needs the log from here on
  std::uint64_t bytes = 0;
  Timestamp created;
  bool verified = false;  ///< was read back whole after it was written
  std::string digest;
};

enum class SegmentUse : std::uint8_t {
  used,
  prepared,    ///< for what comes; nothing in it counts
  compressed,  ///< history that recovery does not need
  damaged,     ///< its header cannot be read
  missing,     ///< listed, but there is no such file
};
std::string_view to_string(SegmentUse use);

/// A segment of the log that the manifest lists.
struct SegmentFile {
  std::uint64_t number = 0;
  std::string path;
  SegmentUse use = SegmentUse::used;
  Sequence first;           ///< of its first entry; 0 when none is known
  std::uint64_t bytes = 0;  ///< on the disk
  Timestamp created;
};

/// What the manifest says, and which files there are.
struct StoreFiles {
  Uuid store;
  Timestamp created;
  bool clean_close = false;  ///< false: open at this moment, or not closed properly
  Sequence watermark;        ///< durable when the manifest was written
  std::vector<SnapshotFile> snapshots;
  std::vector<SegmentFile> segments;
  std::uint64_t log_bytes = 0;  ///< also of segments that are prepared, and of unlisted files
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t history_bytes = 0;  ///< indexes and compressed segments
};

/// Reads the manifest and the headers of the log. Errors: not_found, not_a_store, newer_format,
/// corruption, the system's. Cost: the number of files.
Result<StoreFiles> inspect_files(const std::string& path, FileSystem* file_system = nullptr);

struct VerifyOptions {
  ProgressCallback progress = {};
  /// Null: the machine's own.
  FileSystem* file_system = nullptr;
};

/// Something that is not as it should be.
struct VerifyFault {
  std::string part;  ///< "manifest", "snapshot", "log", "state"
  Error error;
};

/// What was read, and what was found.
struct VerifyReport {
  std::vector<VerifyFault> faults;  ///< none: sound
  std::uint64_t snapshots = 0;      ///< whole and right
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t entries = 0;  ///< of the log, each verified and decoded
  Sequence first;             ///< of them
  Sequence last;
  bool recovered = false;   ///< the state could be recovered in memory
  std::uint64_t nodes = 0;  ///< of the state, compared with every structure made from it
  std::uint64_t edges = 0;
  RecoveryReport recovery;  ///< what an open would do now
  std::string digest;       ///< of the state
};

/// Reads everything that counts: the manifest, every snapshot record by record, every entry of the
/// retained log, then recovers the state in memory and compares all its structures. Beside a live
/// store it verifies what is there at this moment. An error is returned only when nothing could be
/// looked at (not_found, not_a_store, newer_format, permission_denied); all else is in the report.
/// Cost: all files once, the log since the last snapshot three times, and the graph's memory.
Result<VerifyReport> verify_files(const std::string& path, const VerifyOptions& options = {});

enum class SegmentFrameKind : std::uint8_t { operations, sync_mark, seal, checkpoint };
std::string_view to_string(SegmentFrameKind kind);

/// One frame as docs/format-log.md has it.
struct SegmentFrame {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< header, payload and padding
  SegmentFrameKind kind = SegmentFrameKind::operations;
  Sequence sequence;        ///< of the first entry; of the next one when there is none
  std::uint32_t count = 0;  ///< entries
  TxnNumber transaction;
  bool begin = false;
  bool commit = false;
  bool abort = false;
  bool regenerable = false;
  bool damaged = false;  ///< the header holds, the payload does not
  std::uint32_t payload_bytes = 0;
  std::uint32_t payload_crc = 0;
  Timestamp timestamp;
  Sequence watermark;              ///< of a sync mark: what was durable
  std::uint64_t next_segment = 0;  ///< of a seal; 0 after a close
};

struct SegmentHeaderFacts {
  Uuid store;
  std::uint64_t number = 0;
  std::uint64_t file_bytes = 0;  ///< uncompressed
  std::uint32_t salt = 0;
  bool recycled = false;  ///< stale bytes may stand behind the last frame
  bool compressed = false;
  Sequence first;
  Sequence predecessor_last;
  Timestamp created;
};

/// What stands behind the last frame.
enum class SegmentEnd : std::uint8_t {
  sealed,     ///< the segment is complete
  unwritten,  ///< zeros, or the end of the file
  stale,      ///< bytes of an earlier life of the file, and nothing of this one
  damaged,    ///< bytes that cannot be right
};
std::string_view to_string(SegmentEnd end);

/// Role: the frames of one file of the log, `NNNNNN.wal` or `NNNNNN.wal.zst`, wherever it lies.
///
///   SELVEDGE_TRY(auto dump, SegmentDump::open(path));
///   while (dump.next()) use(dump.frame());
///
/// Threads: one at a time.
/// After failure: `next` is false; `status` has what the system, or a compressed file, says. Bytes
///   that are no frame are no failure: `end` and `fault` tell.
class SegmentDump {
 public:
  /// Errors: `not_found`, `corruption` for a header that does not verify, `newer_format`,
  /// `invalid_argument` for a file that was never written, or is no segment by its name.
  static Result<SegmentDump> open(const std::string& path, FileSystem* file_system = nullptr);
  SegmentDump(SegmentDump&&) noexcept;
  SegmentDump& operator=(SegmentDump&&) noexcept;
  ~SegmentDump();

  [[nodiscard]] const SegmentHeaderFacts& header() const;
  /// A frame with a damaged payload is shown and passed over.
  bool next();
  [[nodiscard]] const SegmentFrame& frame() const;
  [[nodiscard]] const Status& status() const;
  /// Behind the last frame:
  [[nodiscard]] SegmentEnd end() const;
  [[nodiscard]] std::uint64_t end_offset() const;
  /// Of `SegmentEnd::damaged`: where, expected, found; and what further sound frames stand behind.
  [[nodiscard]] const Status& fault() const;

 private:
  explicit SegmentDump(std::unique_ptr<inspect::SegmentFrames> impl);
  std::unique_ptr<inspect::SegmentFrames> impl_;
};

}  // namespace selvedge
