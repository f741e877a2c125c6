// The log and the point of a store that is opened as it was.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>
#include <selvedge/value.h>

#include "history/frames.h"
#include "history/path_log.h"
#include "recovery/past_log.h"
#include "snapshot/manifest.h"

namespace selvedge::detail {

/// What is asked for: one of the two.
struct PointInTime {
  Sequence sequence;
  std::optional<Timestamp> timestamp;
};

/// Role: gives recovery the log of a store by its path, up to a point.
/// Invariants: only what is asked for is read: the manifest says where segments begin, and indexes
///   where frames are. The end of the log is looked for only when the point lies behind what the
///   manifest vouches for.
/// Threads: one. After failure: throw it away.
class PastFiles final : public recovery::PastLog {
 public:
  static Result<std::unique_ptr<PastFiles>> open(FileSystem& files, const std::string& path,
                                                 const snapshot::Manifest& manifest,
                                                 const PointInTime& point);

  [[nodiscard]] std::uint64_t first() const override { return first_; }
  [[nodiscard]] std::uint64_t last() const override { return log_->end(); }
  /// The sequence that was asked for; of a time, the last commit by then.
  [[nodiscard]] std::uint64_t point() const { return point_; }

  Status read(std::uint64_t from, std::uint64_t to, const Sink& sink) override;
  Result<wal::OwnedFrame> frame(std::uint64_t sequence) override;
  Status take_back(std::uint64_t then, std::uint64_t now, const graph::Names& names,
                   const std::function<Status(const recovery::Before&)>& sink) override;

 private:
  PastFiles(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  Status attach(const snapshot::Manifest& manifest, bool scanned);
  Result<bool> find(const PointInTime& point, bool scanned);

  FileSystem& files_;
  const std::string path_;
  Uuid store_;
  std::unique_ptr<history::PathLog> log_;
  std::optional<history::PlaceReader> reader_;
  std::uint64_t first_ = 0;
  std::uint64_t point_ = 0;
  /// Of a store that was restored: what it began with, if it was there by the time asked for. Its
  /// log begins behind it.
  std::optional<std::uint64_t> copied_;
};

}  // namespace selvedge::detail
