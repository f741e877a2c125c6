// The log's writer: appends frames under one short lock, commits them in groups.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "wal/frame.h"
#include "wal/segment.h"
#include "wal/segment_store.h"

#include <selvedge/error.h>
#include <selvedge/file_system.h>

namespace selvedge::wal {

enum class SyncMode : std::uint8_t {
  immediate,  ///< a commit waits for its group's sync
  batch,      ///< somebody calls `sync_now` at an interval
  none,       ///< synced at rotation and close only
};

struct LogOptions {
  SyncMode sync = SyncMode::immediate;
  std::uint64_t segment_bytes = 64U << 20;
  /// A segment that holds this many entries is closed; 0 = no limit. A frame is never split, so
  /// the last one may go over.
  std::uint64_t segment_entries_max = 0;
  /// Of each of the two buffers. A larger frame gets a larger buffer for its group.
  std::size_t buffer_bytes = 4U << 20;
  /// Dropped segments kept for reuse; more are deleted.
  std::size_t recycled_segments_max = 4;
};

/// The newest frame with entries: a snapshot's footer names both (rule: bind snapshot to history).
struct LastFrame {
  std::uint64_t sequence = 0;  ///< its last; 0 = none
  std::uint32_t header_crc = 0;
};

/// Where a log goes on. A new store: the defaults. After recovery: from LogExtent. A log always
/// goes on in a new segment, with a new salt.
struct LogStart {
  std::uint64_t next_sequence = 1;
  std::uint64_t segment_number = 1;  ///< larger than any on disk or listed
  std::uint32_t last_frame_crc = 0;  ///< of the frame before
  LastFrame last_entries;            ///< the newest frame with entries, if it is known
  std::uint64_t last_wall_us = 0;    ///< newest wall time that anything names
};

struct LogStats {
  std::uint64_t entries = 0;
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;   ///< appended, log's own frames included
  std::uint64_t writes = 0;  ///< groups written
  std::uint64_t syncs = 0;
  std::uint64_t segments = 0;  ///< begun
  std::uint64_t sync_last_ns = 0;
  std::uint64_t sync_longest_ns = 0;
  std::uint64_t waits = 0;  ///< times that an appender found the buffer or the segment full
};

/// First and last sequence of an appended frame.
struct Appended {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// Appends frames to segment files and makes them durable in groups.
///
/// Life of a segment: *prepared* (a file NNNNNN.wal with a zero header, of full size, synced with
/// its directory, listed by the registry) -> *current* (its header goes out with its first group,
/// in the same sync) -> *sealed* (seal written, file synced, only then is its successor written) ->
/// *dropped* by the store -> *recycled* (header zeroed and synced, renamed, prepared again) or
/// deleted.
///
/// What each crash leaves behind
///  - while preparing: an unlisted file with a zero header, or a recycled one under its old name:
///    a stray, nothing in it was ever acknowledged.
///  - prepared, not used: listed, zero header; the predecessor may already be sealed.
///  - during the first group: header, frames or parts of both, nothing acknowledged; the salt is
///    known from the registry and from the predecessor's seal.
///  - during any group: a torn tail, perhaps with holes; all groups before it are whole, since at
///    most one write and sync is in flight. In `batch` and `none` mode all groups since the last
///    sync may have holes.
///  - during rotation: the predecessor without its seal, or sealed with an unused successor.
/// A log that is opened again never appends to an old segment, so a stale tail cannot be continued.
///
/// Group commit: frames gather in one buffer while the other is written. Each group starts with a
/// sync mark whose watermark is filled in when the group is cut. Threads that need a group on disk
/// (or out of the way) join the forming batch: its first joiner leads it, alone and at once if no
/// write is in flight, else when the one in flight is done. A finished batch is woken once, through
/// one futex word, and then the next leader, who cuts its batch when it runs.
///
/// *Invariants*: sequences rise by one from frame to frame; at most one write + sync in flight;
/// durable <= appended < next; a buffer always has room for a seal, a segment for a mark and a
/// seal. *Threads*: all members from any thread; the Section belongs to one thread. Lock order:
/// prepare lock, group lock, log lock. The log makes no system call and allocates nothing under the
/// log lock; what a Section's holder does there is his own. *After failure*: a failed write or sync
/// poisons the log for ever (a sync is never tried again). Waiters get `unknown_outcome`, later
/// appenders `poisoned`, both with the cause; `durable()` stays. A full disk is met while
/// preparing: `enter` returns `disk_full`, nothing is lost, and a later `enter` tries again.
class Log {
 public:
  class Section;

  Log(FileSystem& files, std::string directory, const LogOptions& options, const Uuid& store,
      const LogStart& start, SegmentRegistry& registry);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Takes the log lock with room for `bytes_max` bytes of frames (sum of `frame_bytes`). Waits,
  /// outside the lock, for a buffer and for a segment. Errors: poisoned, disk_full, too_large,
  /// out_of_memory, closed, or what preparing a segment met.
  Result<Section> enter(std::uint64_t bytes_max) SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;

  /// Waits until everything up to this sequence is durable (group commit). Errors:
  /// unknown_outcome, which names the cause.
  Status sync(std::uint64_t up_to);
  /// Makes everything appended durable.
  Status sync_now();
  /// Writes everything appended, without a sync.
  Status flush();
  /// Makes sure that the next segment is ready, so that rotation need not wait for it.
  Status prepare_next();
  /// A segment that the registry no longer lists, durably: its file is kept for reuse or deleted.
  Status recycle(std::uint64_t segment_number);
  /// Syncs, seals and refuses further work. The first call's result counts.
  Status close();

  [[nodiscard]] SyncMode mode() const { return options_.sync; }
  /// Last sequence known to be on disk.
  [[nodiscard]] std::uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
  /// Last sequence appended by a section that has ended.
  [[nodiscard]] std::uint64_t appended() const { return appended_.load(std::memory_order_acquire); }
  [[nodiscard]] bool poisoned() const { return poisoned_.load(std::memory_order_acquire); }
  /// Why: a copy of the first failure. Nothing while the log is sound.
  [[nodiscard]] std::optional<Error> poison_cause() const;
  /// Takes the log lock.
  [[nodiscard]] LastFrame last_frame() const;
  /// The segment written to; number 0 before the first append.
  [[nodiscard]] SegmentInfo current_segment() const;
  [[nodiscard]] LogStats stats() const;

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t capacity = 0;
    std::size_t filled = 0;   ///< header and mark included
    std::size_t mark_at = 0;  ///< where the sync mark goes
    std::uint64_t mark_sequence = 0;
    std::uint64_t mark_wall_us = 0;
    bool holds_frames = false;  ///< something beside header and mark
  };
  struct Segment {
    std::shared_ptr<File> file;
    SegmentHeader header;
    std::uint64_t bytes = 0;
    std::uint64_t written = 0;  ///< offset where the active buffer goes
    std::uint64_t entries = 0;
  };
  /// What a thread wants from a batch beside being written.
  struct Request {
    bool sync = false;
    bool close = false;
    std::optional<std::uint64_t> rotate_from{};
  };
  struct Batch {
    std::uint64_t number = 1;
    bool has_leader = false;
    Request wanted{};
  };
  /// A batch cut off from the log: what its leader writes.
  struct Cut {
    Buffer* buffer = nullptr;  ///< none: nothing to write
    std::shared_ptr<File> file;
    std::uint64_t offset = 0;
    std::uint64_t last_sequence = 0;
    bool sync = false;
    bool new_segment = false;
  };

  /// Why an append cannot go ahead now.
  enum class Obstacle : std::uint8_t { none, poisoned, closed, segment, buffer, big_frame };
  Obstacle obstacle(std::uint64_t bytes_max) const SELVEDGE_REQUIRES(log_lock_);
  /// Removes it, outside the log lock.
  Status overcome(Obstacle obstacle, std::uint64_t bytes_max, std::uint64_t segment);
  Status grow_buffer(std::uint64_t bytes_max);
  [[nodiscard]] Error failure(ErrorCode code, const char* what) const;

  /// Takes part in the forming batch; returns when it is over. How it ended is in durable_ and
  /// poisoned_.
  void join(const Request& request);
  void join_locked(const Request& request) SELVEDGE_RELEASE(group_lock_);
  void wait_for(std::uint64_t batch);
  void lead() SELVEDGE_RELEASE(group_lock_);
  Cut cut(const Request& wanted) SELVEDGE_REQUIRES(group_lock_);
  void finish(const Cut& cut, Status status, std::uint64_t nanoseconds)
      SELVEDGE_REQUIRES(group_lock_);
  static Status write_out(const Cut& cut);
  void shrink(Buffer& buffer) const;

  void append_seal(const SealPayload& next) SELVEDGE_REQUIRES(log_lock_);
  void start_buffer(bool new_segment) SELVEDGE_REQUIRES(log_lock_);
  void start_segment(PreparedSegment prepared, std::uint64_t now_us) SELVEDGE_REQUIRES(log_lock_);
  Appended append(const FrameParts& parts) SELVEDGE_REQUIRES(log_lock_);

  FileSystem& files_;
  const LogOptions options_;
  const Uuid store_;
  SegmentStore segments_;

  // Appenders. Nothing else shares these lines.
  alignas(128) mutable BriefMutex log_lock_;
  alignas(128) std::uint64_t next_sequence_ SELVEDGE_GUARDED_BY(log_lock_);
  Buffer* active_ SELVEDGE_GUARDED_BY(log_lock_) = nullptr;
  Segment segment_ SELVEDGE_GUARDED_BY(log_lock_);
  LastFrame last_frame_ SELVEDGE_GUARDED_BY(log_lock_);
  std::uint32_t last_crc_ SELVEDGE_GUARDED_BY(log_lock_);
  std::uint64_t last_wall_us_ SELVEDGE_GUARDED_BY(log_lock_);
  std::uint64_t frames_ SELVEDGE_GUARDED_BY(log_lock_) = 0;
  std::uint64_t bytes_ SELVEDGE_GUARDED_BY(log_lock_) = 0;
  bool closed_ SELVEDGE_GUARDED_BY(log_lock_) = false;
  Buffer buffers_[2] SELVEDGE_GUARDED_BY(log_lock_);

  // Read by many, written once per section.
  alignas(128) std::atomic<std::uint64_t> appended_;
  // Read by many, written once per group.
  alignas(128) std::atomic<std::uint64_t> durable_;
  std::atomic<bool> poisoned_{false};

  // Group commit.
  alignas(128) mutable Mutex group_lock_;
  Batch forming_ SELVEDGE_GUARDED_BY(group_lock_);
  bool in_flight_ SELVEDGE_GUARDED_BY(group_lock_) = false;
  std::uint64_t in_flight_batch_ SELVEDGE_GUARDED_BY(group_lock_) = 0;
  std::uint64_t in_flight_last_ SELVEDGE_GUARDED_BY(group_lock_) = 0;
  bool in_flight_sync_ SELVEDGE_GUARDED_BY(group_lock_) = false;
  bool unsynced_writes_ SELVEDGE_GUARDED_BY(group_lock_) = false;
  std::optional<Error> cause_ SELVEDGE_GUARDED_BY(group_lock_);
  LogStats stats_ SELVEDGE_GUARDED_BY(group_lock_);
  const std::uint64_t first_sequence_;

  alignas(128) std::atomic<std::uint64_t> completed_{0};  ///< batches that are over
  std::atomic<std::uint32_t> turn_{0};                    ///< futex word of the next leader
  struct alignas(128) Word {
    std::atomic<std::uint32_t> value{0};
  };
  Word words_[4];  ///< futex word of batch b: words_[b % 4]
};

/// Holds the log lock: the order of sections is the order of the log.
///
/// Append, then store what readers look at first (status words), then let the section end: that
/// publishes `appended()`.
class [[nodiscard]] Log::Section {
 public:
  Section(Section&& other) noexcept
      : log_(std::exchange(other.log_, nullptr)), room_(other.room_), last_(other.last_) {}
  Section& operator=(Section&&) = delete;
  ~Section() { publish(); }

  /// The sequence that the next entry gets.
  [[nodiscard]] std::uint64_t next_sequence() const SELVEDGE_NO_THREAD_SAFETY_ANALYSIS {
    return log_->next_sequence_;
  }
  /// Of kind `operations` or `checkpoint`, count > 0, within the room that was asked for.
  Appended append(const FrameParts& parts) SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;
  /// Publishes `appended()` and releases the lock. The destructor does it otherwise.
  void publish() SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;

 private:
  friend class Log;
  Section(Log& log, std::uint64_t room) : log_(&log), room_(room) {}
  Log* log_;
  std::uint64_t room_;
  std::uint64_t last_ = 0;
};

}  // namespace selvedge::wal
