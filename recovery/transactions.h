// The transaction table of the analyse phase.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <selvedge/error.h>

#include "graph/change.h"
#include "wal/segment_reader.h"

namespace selvedge::recovery {

/// A streamed transaction: one whose begin and end are in different frames.
struct Streamed {
  bool begun = false;  ///< its begin is in the log that was read
  bool committed = false;
  bool aborted = false;
  std::uint64_t entries = 0;
  struct Place {
    wal::FrameLocation location;
    std::uint64_t sequence = 0;  ///< of its first entry
  };
  std::vector<Place> frames;  ///< those with changes
  [[nodiscard]] bool loser() const { return !committed; }
};

/// `corruption` when a transaction in one frame counts other operations than it has.
Status check_small(const wal::FrameHeader& header, const graph::FrameNotes& notes);

/// Role: what became of each transaction. Small committed ones need no place in it.
class TransactionTable {
 public:
  Status add(const wal::FrameView& frame);
  /// `corruption` for a transaction with neither begin nor end (rule 16).
  Status check() const;
  /// True when a transactional frame's changes count.
  [[nodiscard]] bool committed(const wal::FrameHeader& header) const;
  [[nodiscard]] const std::map<std::uint64_t, Streamed>& streamed() const { return streamed_; }
  [[nodiscard]] std::uint64_t small() const { return small_; }

 private:
  std::map<std::uint64_t, Streamed> streamed_;
  std::uint64_t small_ = 0;
};

}  // namespace selvedge::recovery
