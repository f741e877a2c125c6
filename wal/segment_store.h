// Makes segment files ready before the log needs them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "wal/segment.h"

#include <selvedge/error.h>
#include <selvedge/file_system.h>

namespace selvedge::wal {

/// The store's list of segments (its manifest).
class SegmentRegistry {
 public:
  virtual ~SegmentRegistry() = default;
  /// Returns only after the list durably has this segment: nothing is written to it before. After
  /// an error the same segment is offered again, so listing it twice must be the same as once.
  /// Called with the prepare lock held; must not call back into the log.
  virtual Status segment_prepared(const SegmentInfo& segment) = 0;
  /// The prepared segment has been taken: a good moment for `Log::prepare_next`. Called by a
  /// committing thread without locks; must not block.
  virtual void segment_wanted() {}
  /// More is durable. Called by a committing thread without locks; must not block.
  virtual void durable_advanced() {}
};

/// A file that waits to become the current segment.
struct PreparedSegment {
  SegmentInfo info;
  std::shared_ptr<File> file;
  std::string path;
  std::uint64_t bytes = 0;
  bool recycled = false;
};

/// Prepares, keeps and recycles segment files.
///
/// Preparing: create NNNNNN.wal (or zero the header of a dropped file, sync it and rename it),
/// bring it to its size (with `write_zeros` real zeros, otherwise allocation only), sync it, sync
/// the directory, and have the registry list it. Only then may it be taken.
///
/// *Invariants*: at most one segment is prepared; its header is zeros on disk.
/// *Threads*: any. `prepare` holds the prepare lock over its I/O; `take` only a short latch, so it
/// may be called under the log lock.
/// *After failure*: the unfinished file is removed, the number is free for the next attempt, and a
/// file that could not be removed is overwritten by it. A file that is ready but could not be
/// listed is kept and offered again: the list may have it already.
class SegmentStore {
 public:
  struct Config {
    std::string directory;
    std::uint64_t segment_bytes = 0;
    std::uint64_t next_number = 1;
    std::size_t recycled_max = 0;
    bool write_zeros = false;
  };
  SegmentStore(FileSystem& files, Config config, SegmentRegistry& registry);

  /// Makes sure that a segment of at least `bytes_min` bytes is prepared.
  Status prepare(std::uint64_t bytes_min);
  /// The prepared segment, if it has at least `bytes_min` bytes.
  std::optional<PreparedSegment> take(std::uint64_t bytes_min);
  /// Number and salt of the prepared segment.
  [[nodiscard]] std::optional<SegmentInfo> prepared() const;
  /// Keeps a dropped segment's file for reuse, or deletes it.
  Status recycle(std::uint64_t number);
  void segment_wanted() { registry_.segment_wanted(); }
  void durable_advanced() { registry_.durable_advanced(); }

 private:
  Result<PreparedSegment> make(std::uint64_t bytes) SELVEDGE_REQUIRES(prepare_lock_);
  Result<std::shared_ptr<File>> create(const std::string& path, std::uint64_t bytes)
      SELVEDGE_REQUIRES(prepare_lock_);
  Result<std::shared_ptr<File>> reuse(std::uint64_t number, const std::string& path,
                                      std::uint64_t bytes) SELVEDGE_REQUIRES(prepare_lock_);
  Status extend(File& file, const std::string& path, std::uint64_t from, std::uint64_t to) const;
  Status grow(std::uint64_t bytes_min) SELVEDGE_REQUIRES(prepare_lock_);

  FileSystem& files_;
  const Config config_;
  SegmentRegistry& registry_;
  Mutex prepare_lock_;
  std::uint64_t next_number_ SELVEDGE_GUARDED_BY(prepare_lock_);
  std::vector<std::uint64_t> pool_ SELVEDGE_GUARDED_BY(prepare_lock_);
  std::optional<PreparedSegment> unlisted_ SELVEDGE_GUARDED_BY(prepare_lock_);
  mutable Mutex slot_lock_;
  std::optional<PreparedSegment> slot_ SELVEDGE_GUARDED_BY(slot_lock_);
};

}  // namespace selvedge::wal
