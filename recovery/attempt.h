// One attempt to recover from one snapshot, or none, and the log.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "recovery/apply.h"
#include "recovery/recovery.h"
#include "recovery/transactions.h"
#include "snapshot/snapshot_reader.h"

namespace selvedge::recovery {

/// Frames with their own copies of the payload, up to a bounded size.
struct Batch {
  struct Item {
    wal::FrameHeader header;
    wal::FrameLocation location;
    std::size_t offset = 0;
  };
  std::vector<Item> items;
  std::vector<std::byte> bytes;

  void add(const wal::FrameView& frame) {
    items.push_back({frame.header, frame.location, bytes.size()});
    bytes.insert(bytes.end(), frame.payload.begin(), frame.payload.end());
  }
  [[nodiscard]] std::span<const std::byte> payload(const Item& item) const {
    return std::span(bytes).subspan(item.offset, item.header.payload_bytes);
  }
  void clear() {
    items.clear();
    bytes.clear();
  }
};

/// Role: fills a graph from one snapshot (or none) and the log. The phases are in phases.cpp, the
///   first of them in analyse.cpp, and in past.cpp for a log that is read up to a point.
/// Invariants: nothing on disk changes. Every error about bytes of the log names file and offset.
/// Threads: `run` from one; it starts its own.
/// After failure: the graph is thrown away; `usable` tells whether an older snapshot may do.
class Attempt {
 public:
  Attempt(const RecoveryInput& input, Recovered& out);

  /// `usable` is cleared when the snapshot, not the log, is at fault: try the one before.
  Status run(const snapshot::ManifestSnapshot* chosen, bool& usable);

 private:
  Status open_snapshot(const snapshot::ManifestSnapshot& chosen, bool& usable);
  Status load_snapshot(bool& usable);
  Status load_chunk(const snapshot::Chunk& chunk, snapshot::Tally& tally);
  Status analyse(bool& usable);
  Status analyse_past(bool& usable);
  /// The state is recovered at a later point than it is asked for, and taken back from there.
  [[nodiscard]] bool goes_back() const { return input_.past != nullptr && until_ > input_.until; }
  Status take_back();
  Status take_back_schema();
  Status note_past(const PastLog::Frame& frame);
  Status without_log();
  Status check_base(bool& usable) const;
  Status note_frame(const wal::FrameView& frame);
  Status note_plain(const wal::FrameView& frame);
  Status note_embedding(const wal::FrameView& frame);
  Status note_schema(const graph::Change& change, std::uint64_t sequence);
  Status load_schema(const snapshot::SchemaRecord& object);
  Status apply_schema();
  void count_transactions();
  Status phase(ApplyPhase which);
  Status forward(bool transactional, PhaseReport& report);
  Status read_log(std::uint64_t from, const wal::FrameSink& sink);
  Result<wal::OwnedFrame> read_frame(const Streamed::Place& place);
  Status apply_batch(const Batch& batch, PhaseReport& report);
  Status undo_losers();
  Status undo_one(std::uint64_t number, const Streamed& transaction);
  Status undo_frame(const wal::OwnedFrame& frame, ApplyCount& total);
  Status cover_snapshot_slots();
  void report_log();
  /// The error with the frame's file and offset, unless it names a place already.
  [[nodiscard]] Status placed(Status status, wal::FrameLocation location) const;

  const RecoveryInput& input_;
  Recovered& out_;
  graph::Graph& graph_;
  Applier applier_;
  const unsigned workers_;
  wal::LogScanner scanner_;
  std::optional<snapshot::SnapshotReader> snapshot_;
  std::uint64_t low_water_ = 1;
  std::uint64_t until_ = 0;  ///< with a past: how far the phases go
  std::atomic<std::uint64_t> embeddings_lost_{0};
  TransactionTable table_;
  std::uint64_t plain_entries_ = 0;
  std::uint64_t log_names_ = 0;  ///< defined by the log so far
  /// What the log says of an object of the schema; no definition: it is dropped.
  struct SchemaChange {
    std::uint32_t id = 0;
    std::uint64_t sequence = 0;
    std::optional<graph::Definition> definition;
  };
  std::vector<SchemaChange> log_schema_;   ///< in the log's order
  std::vector<SchemaChange> then_schema_;  ///< what goes back: how the changed ones were
  Mutex schema_mutex_;
  std::vector<SchemaChange> snapshot_schema_ SELVEDGE_GUARDED_BY(schema_mutex_);
  bool bound_ = true;  ///< no frame contradicts the snapshot's footer
};

}  // namespace selvedge::recovery
