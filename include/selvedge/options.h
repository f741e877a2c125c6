// How a store is opened.
#pragma once

#include <chrono>
#include <cstdint>

#include <selvedge/file_system.h>

namespace selvedge {

/// When a commit is acknowledged. See docs/durability.md for what a crash can take in each mode.
enum class SyncMode : std::uint8_t {
  immediate,  ///< when its log is on disk
  batch,      ///< when its log is in memory; synced at an interval
  none,       ///< when its log is in memory; synced at rotation, checkpoint and close
};

/// What transactions may do to each other. docs/isolation.md has the table of anomalies.
enum class Isolation : std::uint8_t {
  serializable,  ///< as if they had run one after another, in the order of their commits
  snapshot,  ///< each reads one moment; two that write one entity conflict, write skew may happen
};

enum class Compression : std::uint8_t { none, zstd };

/// Which complete segments of the log are kept although recovery does not need them any more. Those
/// within all bounds that are set stay, the newest first; with none set, nothing stays. Applied at
/// each checkpoint. What recovery needs always stays, and what a running reader needs too
/// (`Options::reader_lag_bytes_max`).
struct LogRetention {
  bool everything = false;      ///< a ledger: nothing of the log is ever let go of
  std::uint64_t segments = 0;   ///< 0: no bound by their count
  std::uint64_t bytes = 0;      ///< 0: no bound by their size
  std::chrono::seconds age{0};  ///< since its last entry; 0: no bound by time
  /// Of segments that are kept, once recovery does not need them; one in each round of maintenance.
  Compression compression = Compression::none;
};

struct Options {
  SyncMode sync = SyncMode::immediate;
  /// Interval of `SyncMode::batch`.
  std::chrono::milliseconds batch_interval{100};

  /// Of transactions that do not say it themselves.
  Isolation isolation = Isolation::serializable;

  /// A transaction that its owner leaves open for longer than this is aborted by maintenance, so
  /// that it does not hold the log, memory and the records that it wrote for ever; 0 = never. Of
  /// transactions that do not say it themselves. docs/durability.md, "Transactions that are
  /// forgotten", says when exactly, and what its owner may still do.
  std::chrono::milliseconds transaction_age_max{0};

  bool create_if_missing = true;
  /// No lock, no change on disk; writes return `read_only`. Works beside a live store: it shows
  /// the state that a recovery at this moment would find.
  bool read_only = false;

  /// Upper bound of the graph's memory in bytes; 0 = none. Beyond it writes return
  /// `out_of_memory` and nothing changes. A sixteenth of it (at most 8 MiB) is kept for deletes,
  /// so that a full store can be emptied, and opened again.
  std::uint64_t memory_limit_bytes = 0;

  /// Old versions that memory keeps for `Store::read_at`: those of the last so many sequences, and
  /// of the last so long; within both, if both are set. 0 and 0: none. They are counted by rounds
  /// of maintenance and of settling, count towards the memory limit, and are gone after an open.
  std::uint64_t versions_kept = 0;
  std::chrono::milliseconds version_age{0};

  /// A log segment is closed at this size, or at this many entries (0 = no limit).
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint64_t segment_entries_max = 0;
  /// Each of the two buffers in which commits gather while the log is being written.
  std::uint32_t log_buffer_bytes = std::uint32_t{4} << 20;
  /// What a transaction gathers privately before it streams to the log; 0 logs each operation. At
  /// most 8 MiB are gathered.
  std::uint32_t transaction_buffer_bytes = std::uint32_t{64} << 10;

  /// A checkpoint is taken after this much log (0 = never by size) and after this time with any
  /// new log (0 = never by time).
  std::uint64_t checkpoint_log_bytes = std::uint64_t{256} << 20;
  std::chrono::seconds checkpoint_interval{0};
  Compression snapshot_compression = Compression::none;
  /// Snapshots that are kept, with the log that goes with them: the newest ones, at least the two
  /// that recovery can choose from; and besides, those that are younger than this (0 = none).
  unsigned snapshots_kept = 2;
  std::chrono::seconds snapshot_age{0};

  LogRetention log_retention = {};
  /// A cursor or feed that is alive holds the log that it has not read yet, up to this much; beyond
  /// it loses its place (`not_retained`). 0: no bound, and a reader that stands still fills the
  /// disk.
  std::uint64_t reader_lag_bytes_max = std::uint64_t{1} << 30;
  /// Run maintenance (batch sync, segment preparation, checkpoints, settling) in a thread of the
  /// store. Without it call `Store::maintain`.
  bool background_maintenance = true;

  /// Threads of recovery; 0 = one per processor, at most 8.
  unsigned recovery_threads = 0;
  /// End the log at the first damage instead of refusing to open; the report says what was lost.
  bool salvage = false;

  /// Null: the machine's own. Must outlive the store.
  FileSystem* file_system = nullptr;
};

}  // namespace selvedge
