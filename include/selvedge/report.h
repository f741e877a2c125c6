// What an open did.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <selvedge/types.h>
#include <selvedge/uuid.h>

namespace selvedge {

/// A transaction that recovery rolled back.
struct RolledBack {
  TxnNumber number;
  bool aborted = false;  ///< had an abort entry; false: cut off by the crash
  std::uint64_t entries = 0;
  std::uint64_t undone = 0;  ///< entries whose image was still in place
};

/// Bytes of the log that were not used.
struct DroppedBytes {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::string reason;
};

struct PhaseReport {
  std::uint64_t entries = 0;  ///< looked at
  std::uint64_t applied = 0;
  std::uint64_t skipped = 0;  ///< the record was newer already, or did not hold the entry's image
  std::uint64_t microseconds = 0;
};

/// Threads: a value. `to_json` costs its size.
struct RecoveryReport {
  bool created = false;                         ///< a new, empty store
  bool clean_close = false;                     ///< the store had been closed properly
  bool salvaged = false;                        ///< damage was cut off; see `damage`
  std::string snapshot;                         ///< file that was loaded; empty = none
  std::vector<std::string> rejected_snapshots;  ///< file: reason
  std::uint64_t snapshot_nodes = 0;
  std::uint64_t snapshot_edges = 0;
  Sequence low_water;  ///< the log was read from here
  Sequence recovered;  ///< last sequence of the recovered state
  std::uint64_t segments = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t frames = 0;
  std::uint64_t transactions_committed = 0;
  std::uint64_t transactions_aborted = 0;
  std::uint64_t transactions_incomplete = 0;
  PhaseReport analyse;
  PhaseReport redo;
  PhaseReport undo;
  PhaseReport non_transactional;
  std::uint64_t rebuild_microseconds = 0;
  std::uint64_t total_microseconds = 0;
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::vector<RolledBack> rolled_back;
  std::vector<DroppedBytes> dropped;
  std::vector<std::string> skipped_regenerable;
  std::vector<std::string> strays;  ///< files that belong to nobody: reported, or removed
  std::string damage;               ///< the error that a strict open would have returned

  [[nodiscard]] std::string to_json() const;
};

}  // namespace selvedge
