// Opening: from snapshot and log to the graph in memory, in four phases.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/options.h>
#include <selvedge/report.h>

#include "graph/counters.h"
#include "graph/graph.h"
#include "recovery/past_log.h"
#include "snapshot/manifest.h"
#include "wal/log.h"
#include "wal/log_scanner.h"

namespace selvedge::recovery {

enum class ApplyPhase : std::uint8_t { redo, undo, non_transactional };
using PhaseOrder = std::array<ApplyPhase, 3>;
inline constexpr PhaseOrder default_order = {ApplyPhase::redo, ApplyPhase::undo,
                                             ApplyPhase::non_transactional};

struct RecoveryInput {
  FileSystem& files;
  const std::string& directory;
  const snapshot::Manifest& manifest;
  const Options& options;
  std::unique_ptr<graph::Graph>& graph;  ///< replaced by a fresh one for each attempt
  /// The state does not depend on it; tests run all six.
  PhaseOrder order = default_order;
  /// Not null: the state at `until`, as if the log had ended there, is recovered from this log.
  PastLog* past = nullptr;
  std::uint64_t until = 0;
};

struct Recovered {
  RecoveryReport report;
  wal::LogExtent log;
  std::uint64_t next_sequence = 1;
  graph::BaseCounts counts;
  std::vector<std::uint64_t> open_transactions;       ///< to be closed with abort entries
  std::vector<snapshot::ManifestSnapshot> snapshots;  ///< those that may stay listed
  std::vector<snapshot::ManifestSegment> segments;
  wal::LastFrame last_entries;  ///< the newest frame with entries
  std::uint64_t wall_us = 0;    ///< newest wall time that anything names (rule 30)
};

/// Reads snapshot and log and fills the graph. Changes nothing on disk.
/// Phases: (1) analyse: verify the log once from the snapshot's low-water mark and build the table
/// of streamed transactions; (2) redo what committed; (3) undo, newest first, what did not, where
/// the record still holds exactly that entry's image; (4) apply what belongs to no transaction.
/// Every image carries its sequence, so each phase is idempotent and their order does not show.
/// Work is partitioned by record slot over threads. Memory: the graph, plus bounded batches.
/// With `past`, a snapshot that ends at or before `until` is the base, or the log from its
/// beginning, or the oldest snapshot behind it, whose state is taken back; `not_retained` names the
/// oldest sequence that can be reached.
Result<Recovered> recover(const RecoveryInput& input);

/// What recovery decided, made true on disk, in this order: the torn tail is erased and the rest
/// synced; the caller saves the manifest; then files that it does not list are removed. Both are
/// idempotent: a crash in them leaves work for the next recovery.
Status settle_log(const RecoveryInput& input, const Recovered& recovered);
Status remove_left_overs(const RecoveryInput& input, Recovered& recovered);

}  // namespace selvedge::recovery
