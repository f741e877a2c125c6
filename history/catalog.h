// Which segments the log has, what is where in them, and who is reading.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/uuid.h>

#include "base/mutex.h"
#include "graph/names.h"
#include "history/entity_filter.h"
#include "history/segment_index.h"
#include "wal/segment.h"
#include "wal/segment_reader.h"

namespace selvedge::history {

/// What the catalog is told about the log: by an open store, or by a scan of a closed one.
class LogSource {
 public:
  virtual ~LogSource() = default;
  /// The last sequence that may be shown. Never goes back.
  [[nodiscard]] virtual std::uint64_t end() const = 0;
  struct Listed {
    wal::SegmentInfo info;
    bool compressed = false;
    std::uint64_t first_sequence = 0;  ///< of a compressed one
  };
  /// The segments that belong to the log, in order; those that are not used yet too.
  [[nodiscard]] virtual std::vector<Listed> segments() const = 0;
  /// Whether the end may move.
  [[nodiscard]] virtual bool grows() const = 0;
};

/// A segment with entries.
struct Segment {
  SegmentIdentity identity;
  std::uint64_t next_sequence = 0;  ///< where its successor begins; 0 = it is the last one
  std::uint64_t file_bytes = 0;     ///< on the disk
  std::uint64_t created_at_us = 0;
  bool compressed = false;
  [[nodiscard]] bool last() const { return next_sequence == 0; }
};

/// Role: knows the segments of one log and finds frames in them, by indexes that it loads, builds
///   and keeps. Shared by everybody who reads the log.
/// Invariants: segments are in order and without gaps; an index is used only if it is of exactly
///   this segment, and what it leads to is verified against the log. At most `indexes_max` indexes
///   are in memory.
/// Threads: any. Locks: `tail_mutex_` (the last segment's index) or `filters_mutex_` (what is kept
///   of filters), then `mutex_`, under which only headers are read, then the source's.
/// After failure: nothing is remembered of what failed.
class Catalog {
 public:
  struct Config {
    std::string directory;  ///< of the store
    Uuid store;
    bool keep_indexes = false;  ///< may write into the directory
  };
  Catalog(FileSystem& files, Config config, const LogSource& source, const graph::Names& names);

  [[nodiscard]] const Uuid& store() const { return config_.store; }
  [[nodiscard]] const graph::Names& names() const { return names_; }
  [[nodiscard]] std::uint64_t end() const { return source_.end(); }
  /// The oldest entry that is retained; end() + 1: there is none.
  Result<std::uint64_t> first();

  /// The segment that has (or will have) this sequence. `not_retained` when it is gone, nothing
  /// when it is behind the end.
  Result<std::optional<Segment>> locate(std::uint64_t sequence);
  Result<wal::SegmentReader> open(const Segment& segment);
  /// Where to start reading to come to a sequence of this segment.
  Result<FramePlace> seek(const Segment& segment, std::uint64_t sequence);
  /// Frames of a streamed transaction in this segment, as far as they may be shown.
  Result<std::vector<FramePlace>> frames_of(const Segment& segment, std::uint64_t transaction,
                                            bool& ended);
  /// What the index led to was not there: it is built anew. The log decides what is damaged.
  void distrust(const Segment& segment);

  /// Which entities a complete segment names; nothing: nobody has looked yet.
  std::optional<EntityFilter> filter_of(const Segment& segment);
  /// Whether filters are kept.
  [[nodiscard]] bool keeps_filters() const { return config_.keep_indexes; }
  /// Writes a filter, unless its segment is gone. One that cannot be kept is made again.
  Status keep_filter(const EntityFilter& filter);

  /// Brings the last segment's index up to the end of the log.
  Status catch_up();
  /// Writes the index of one segment that is complete and has none. False: there was none to write.
  Result<bool> keep_next_index();

  /// What is used of the log, oldest first.
  Result<std::vector<Segment>> segments();
  /// Lets go of segments before the one with this number, as far as no reader needs them: readers
  /// that are behind by more than `lag_bytes_max` (0 = no bound) do not count. Returns the number
  /// of the first that stays. From now on nobody can open what is before it.
  Result<std::uint64_t> retire(std::uint64_t first_number, std::uint64_t lag_bytes_max);
  /// The list of segments could not be saved: they are all still there.
  void unretire();
  /// Writes the compressed form of a segment that is complete; its file stays.
  Status compress(const Segment& segment);
  /// Removes a compressed segment that is not listed any more.
  Status remove_archive(std::uint64_t number);
  /// Removes the index and the filter of a segment that is gone.
  Status forget(std::uint64_t number);
  /// Removes indexes and compressed segments that are not in the log, and what was half written.
  Status remove_strays();

  /// There may be more to show.
  void advanced();
  /// Waits until `end()` is beyond; false when the time ran out, or `stop` is set.
  bool wait_beyond(std::uint64_t sequence, std::chrono::microseconds timeout,
                   const std::atomic<bool>* stop);

  void lease() { leases_.fetch_add(1, std::memory_order_seq_cst); }
  void release() { leases_.fetch_sub(1, std::memory_order_seq_cst); }
  /// Logs and cursors that are alive.
  [[nodiscard]] std::uint64_t leases() const { return leases_.load(std::memory_order_seq_cst); }

  [[nodiscard]] std::string wal_path() const { return config_.directory + "/wal"; }
  [[nodiscard]] std::string history_path() const { return config_.directory + "/history"; }

 private:
  friend class Pin;
  using Shared = std::shared_ptr<const SegmentIndex>;
  static constexpr std::size_t indexes_max = 16;
  Status refresh() SELVEDGE_REQUIRES(mutex_);
  Result<std::optional<Segment>> header_of(const LogSource::Listed& listed) const;
  Result<wal::SegmentReader> open_file(std::uint64_t number, bool compressed,
                                       std::uint64_t* stored_bytes = nullptr) const;
  Status make_directory();
  [[nodiscard]] const Segment* find(std::uint64_t sequence) const SELVEDGE_REQUIRES(mutex_);
  Result<Shared> index_of(const Segment& segment);
  Result<Shared> load(const Segment& segment) const;
  Result<SegmentIndex> build(const Segment& segment);
  Status keep(const SegmentIndex& index);
  Status forget_filter(std::uint64_t number);
  void filters_are(const std::set<std::uint64_t>& numbers);
  Status extend(SegmentIndex& index, const Segment& segment, std::uint64_t end);
  Result<const SegmentIndex*> tail(const Segment& segment) SELVEDGE_REQUIRES(tail_mutex_);

  FileSystem& files_;
  const Config config_;
  const LogSource& source_;
  const graph::Names& names_;
  std::atomic<std::uint64_t> leases_{0};

  Mutex tail_mutex_;
  std::optional<SegmentIndex> tail_ SELVEDGE_GUARDED_BY(tail_mutex_);

  Mutex filters_mutex_;
  std::set<std::uint64_t> filters_ SELVEDGE_GUARDED_BY(filters_mutex_);  ///< that have a file

  Mutex mutex_;
  std::vector<Segment> segments_ SELVEDGE_GUARDED_BY(mutex_);
  std::uint64_t first_number_ SELVEDGE_GUARDED_BY(mutex_) = 0;  ///< older ones are let go of
  std::multiset<std::uint64_t> pins_ SELVEDGE_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Shared> indexes_ SELVEDGE_GUARDED_BY(mutex_);
  /// Segments that have an index file; nothing: nobody has looked yet.
  std::optional<std::set<std::uint64_t>> kept_ SELVEDGE_GUARDED_BY(mutex_);
  std::atomic<bool> directory_ready_{false};  ///< there, and durable

  Mutex wait_mutex_;
  CondVar more_;
};

/// A place in the log that a reader still needs.
class Pin {
 public:
  Pin(Catalog& catalog, std::uint64_t sequence);
  ~Pin();
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  void move(std::uint64_t sequence);

 private:
  Catalog& catalog_;
  std::multiset<std::uint64_t>::iterator place_;
};

}  // namespace selvedge::history
