// What is different between two moments, from the log between them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <selvedge/history.h>

#include "history/entries.h"
#include "history/net_changes.h"

namespace selvedge::history {

/// Which commits lie between two sequences.
struct CommitRange {
  std::uint64_t after = 0;
  std::uint64_t last = 0;
  std::vector<std::uint64_t> streamed;  ///< numbers of streamed ones, rising
  [[nodiscard]] bool holds(std::uint64_t commit) const { return commit > after && commit <= last; }
  /// Where the first entry of any of them is.
  [[nodiscard]] std::uint64_t begin() const;
};

/// Role: the frames of all commits of a range, in the order of the log. For one entity that is the
///   order of the commits: who writes an entity has it until the end.
class FramesBetween final : public Frames {
 public:
  FramesBetween(Catalog& catalog, const CommitRange& range)
      : range_(range), frames_(catalog, range.begin()) {}
  Result<bool> next() override;

 private:
  [[nodiscard]] bool wanted(const wal::FrameHeader& header) const;
  const CommitRange& range_;
  FramesFrom frames_;
};

/// Role: behind `Diff`: one pass for the streamed transactions, one for the changes; and if these
///   do not fit, what `LargeCommit` does.
/// Invariants: the pin holds the log from the first entry that is needed.
/// Threads: one. After failure: `status` stays.
class DiffImpl {
 public:
  DiffImpl(const Lease& lease, std::uint64_t after, std::uint64_t last, const DiffOptions& options);
  Status prepare();
  bool next();
  [[nodiscard]] const LoggedChange& change() const { return *change_; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  Status find_streamed();
  Result<bool> gather();
  Lease lease_;
  Pin pin_;
  const std::uint64_t memory_bytes_;
  CommitRange range_;
  NetChanges net_;
  std::unique_ptr<LargeCommit> large_;
  const LoggedChange* change_ = nullptr;
  Status status_;
};

}  // namespace selvedge::history
