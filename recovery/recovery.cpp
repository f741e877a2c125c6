#include "recovery/recovery.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "recovery/apply.h"
#include "recovery/rebuild.h"
#include "recovery/transactions.h"
#include "snapshot/snapshot_reader.h"

namespace selvedge::recovery {

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t microseconds_since(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

unsigned worker_count(const Options& options) {
  if (options.recovery_threads != 0) {
    return options.recovery_threads;
  }
  return std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
}

constexpr std::size_t batch_bytes = std::size_t{4} << 20;

/// Frames with their own copies of the payload, up to a bounded size.
struct Batch {
  struct Item {
    wal::FrameHeader header;
    std::size_t offset = 0;
  };
  std::vector<Item> items;
  std::vector<std::byte> bytes;

  void add(const wal::FrameHeader& header, std::span<const std::byte> payload) {
    items.push_back({header, bytes.size()});
    bytes.insert(bytes.end(), payload.begin(), payload.end());
  }
  [[nodiscard]] std::span<const std::byte> payload(const Item& item) const {
    return std::span(bytes).subspan(item.offset, item.header.payload_bytes);
  }
  void clear() {
    items.clear();
    bytes.clear();
  }
};

/// Role: one attempt to recover from one snapshot (or none) and the log.
class Attempt {
 public:
  Attempt(const RecoveryInput& input, Recovered& out)
      : input_(input),
        out_(out),
        graph_(*input.graph),
        applier_(graph_),
        workers_(worker_count(input.options)),
        scanner_(input.files, input.directory + "/wal") {}

  /// `usable` is cleared when the snapshot, not the log, is at fault: try the one before.
  Status run(const snapshot::ManifestSnapshot* chosen, bool& usable);

 private:
  Status load_snapshot(bool& usable);
  Status load_chunk(const snapshot::Chunk& chunk);
  Status analyse(bool& usable);
  Status note_frame(const wal::FrameView& frame);
  Status note_plain(const wal::FrameView& frame);
  Status note_embedding(const wal::FrameView& frame);
  Status check_start() const;
  Status forward(bool transactional, PhaseReport& report);
  Status apply_batch(const Batch& batch, PhaseReport& report);
  Status undo_losers();
  Status undo_one(std::uint64_t number, const Streamed& transaction);
  Status undo_frame(const wal::OwnedFrame& frame, ApplyCount& total);
  void add(PhaseReport& report, const std::vector<ApplyCount>& counts) const;
  void report_log();

  const RecoveryInput& input_;
  Recovered& out_;
  graph::Graph& graph_;
  Applier applier_;
  const unsigned workers_;
  wal::LogScanner scanner_;
  std::optional<snapshot::SnapshotReader> snapshot_;
  std::uint64_t low_water_ = 1;
  TransactionTable table_;
  std::uint64_t plain_entries_ = 0;
  bool bound_ = true;  ///< no frame contradicts the snapshot's footer
};

Status Attempt::run(const snapshot::ManifestSnapshot* chosen, bool& usable) {
  if (chosen != nullptr) {
    auto reader = snapshot::SnapshotReader::open(input_.files,
                                                 input_.directory + "/snapshots/" + chosen->file);
    if (!reader) {
      usable = reader.error().code() != ErrorCode::corruption &&
               reader.error().code() != ErrorCode::not_found;
      return fail(std::move(reader).error());
    }
    if (reader->store() != input_.manifest.store) {
      usable = false;
      return fail(Error(ErrorCode::corruption, "the snapshot belongs to another store")
                      .at(chosen->file)
                      .mismatch(to_string(input_.manifest.store), to_string(reader->store())));
    }
    snapshot_.emplace(std::move(*reader));
    low_water_ = snapshot_->footer().low_water;
    out_.report.snapshot = chosen->file;
  }
  const auto start = Clock::now();
  SELVEDGE_TRY(analyse(usable));
  if (snapshot_) {
    SELVEDGE_TRY(load_snapshot(usable));
  }
  out_.report.analyse.microseconds = microseconds_since(start);
  for (const ApplyPhase phase : input_.order) {
    const auto phase_start = Clock::now();
    switch (phase) {
      case ApplyPhase::redo:
        SELVEDGE_TRY(forward(true, out_.report.redo));
        out_.report.redo.microseconds = microseconds_since(phase_start);
        break;
      case ApplyPhase::undo:
        SELVEDGE_TRY(undo_losers());
        out_.report.undo.microseconds = microseconds_since(phase_start);
        break;
      case ApplyPhase::non_transactional:
        SELVEDGE_TRY(forward(false, out_.report.non_transactional));
        out_.report.non_transactional.microseconds = microseconds_since(phase_start);
        break;
    }
  }
  const auto rebuild_start = Clock::now();
  if (snapshot_) {
    applier_.raise_ends(snapshot_->footer().node_slots, snapshot_->footer().edge_slots);
    if ((applier_.node_end() != 0 && !graph_.nodes.ensure(applier_.node_end() - 1)) ||
        (applier_.edge_end() != 0 && !graph_.edges.ensure(applier_.edge_end() - 1))) {
      return fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
    }
  }
  SELVEDGE_TRY(auto rebuilt, rebuild(graph_, applier_, workers_));
  out_.report.rebuild_microseconds = microseconds_since(rebuild_start);
  out_.report.nodes = rebuilt.nodes;
  out_.report.edges = rebuilt.edges;
  out_.counts = std::move(rebuilt.counts);
  report_log();
  return {};
}

// --- phase 1 -----------------------------------------------------------------------------------

Status Attempt::analyse(bool& usable) {
  out_.report.low_water = {low_water_};
  std::uint64_t end = snapshot_ ? snapshot_->footer().end : 0;
  if (input_.manifest.segments.empty()) {
    // A backup, or a store that was never written to: the snapshot is all there is.
    SELVEDGE_TRY(const auto files, input_.files.list(input_.directory + "/wal"));
    if (files.empty()) {
      out_.log.store = input_.manifest.store;
      out_.log.next_sequence = std::max(end, input_.manifest.watermark) + 1;
      out_.next_sequence = out_.log.next_sequence;
      return {};
    }
  }
  wal::ScanOptions options;
  options.from_sequence = low_water_;
  options.acknowledged = std::max(input_.manifest.watermark, end);
  options.store = input_.manifest.store;
  options.salvage = input_.options.salvage;
  options.listed.emplace();
  for (const auto& segment : input_.manifest.segments) {
    options.listed->push_back({segment.number, static_cast<std::uint32_t>(segment.salt)});
  }
  SELVEDGE_TRY(out_.log, scanner_.scan(options, [&](const wal::FrameView& frame) {
    return note_frame(frame);
  }));
  SELVEDGE_TRY(table_.check());
  if (!bound_) {
    usable = false;
    return fail(Error(ErrorCode::corruption, "the snapshot belongs to another history of the log")
                    .at(out_.report.snapshot));
  }
  if (out_.log.damage && out_.log.next_sequence <= end) {
    usable = false;  // salvage: only what ends before the cut (rule 29)
    return fail(
        Error(ErrorCode::corruption, "the snapshot ends behind the cut").at(out_.report.snapshot));
  }
  SELVEDGE_TRY(check_start());
  out_.next_sequence = std::max(out_.log.next_sequence, end + 1);
  for (const auto& [number, transaction] : table_.streamed()) {
    if (transaction.committed) {
      ++out_.report.transactions_committed;
    } else if (transaction.aborted) {
      ++out_.report.transactions_aborted;
    } else {
      ++out_.report.transactions_incomplete;
      out_.open_transactions.push_back(number);
    }
  }
  out_.report.transactions_committed += table_.small();
  return {};
}

/// The log reaches back to where it is needed.
Status Attempt::check_start() const {
  if (out_.log.segments.empty()) {
    return {};
  }
  const wal::SegmentExtent& first = out_.log.segments.front();
  if (first.first_sequence > low_water_) {
    return fail(Error(ErrorCode::corruption, "the log begins too late for this snapshot")
                    .at(first.path, 40)
                    .mismatch("sequence " + std::to_string(low_water_),
                              std::to_string(first.first_sequence)));
  }
  return {};
}

Status Attempt::note_frame(const wal::FrameView& frame) {
  ++out_.report.frames;
  out_.report.analyse.entries += frame.header.count;
  if (snapshot_ && frame.header.count != 0 &&
      frame.header.last_sequence() == snapshot_->footer().end_frame_sequence) {
    bound_ = frame.header_crc == snapshot_->footer().end_frame_crc;
  }
  if (frame.header.kind != wal::FrameKind::operations) {
    return {};
  }
  if (frame.header.regenerable()) {
    return note_embedding(frame);
  }
  SELVEDGE_TRY(table_.add(frame));
  return frame.header.transaction == 0 ? note_plain(frame) : Status{};
}

/// Names count from here on, whatever becomes of the transaction that needed them first.
Status Attempt::note_plain(const wal::FrameView& frame) {
  plain_entries_ += frame.header.count;
  SELVEDGE_TRY(graph::decode_entries(
      shape_of(frame.header), frame.payload, [&](const graph::EntryView& entry) -> Status {
        if (entry.kind != graph::ChangeKind::define_name) {
          return {};
        }
        --plain_entries_;
        return graph::decode_entry(entry, [&](const graph::Change& change, std::uint64_t) {
          return graph_.names.of(change.name_kind).define(change.type, as_text(change.after))
                     ? Status{}
                     : fail(Error(ErrorCode::corruption, "two names for one id, or two ids")
                                .mismatch("one", std::string(as_text(change.after))));
        });
      }));
  return {};
}

Status Attempt::note_embedding(const wal::FrameView& frame) {
  SELVEDGE_TRY(graph::decode_frame(
      shape_of(frame.header), frame.payload,
      [&](const graph::Change& change, std::uint64_t sequence) -> Status {
        Embedding embedding{change.id, sequence, change.type, {}};
        embedding.values.resize(change.after.size() / sizeof(float));
        if (!change.after.empty()) {
          std::memcpy(embedding.values.data(), change.after.data(), change.after.size());
        }
        out_.embeddings.push_back(std::move(embedding));
        return {};
      }));
  return {};
}

Status Attempt::load_snapshot(bool& usable) {
  std::atomic<std::size_t> next{0};
  const Status status = in_parallel(workers_, [&](unsigned) -> Status {
    for (std::size_t i = next++; i < snapshot_->chunks().size(); i = next++) {
      SELVEDGE_TRY(const snapshot::Chunk chunk, snapshot_->load(i));
      SELVEDGE_TRY(load_chunk(chunk));
    }
    return {};
  });
  if (!status) {
    usable = status.error().code() != ErrorCode::corruption;
    return fail(status.error().clone());
  }
  out_.report.snapshot_nodes = snapshot_->footer().nodes;
  out_.report.snapshot_edges = snapshot_->footer().edges;
  return {};
}

Status Attempt::load_chunk(const snapshot::Chunk& chunk) {
  switch (chunk.info().type) {
    case snapshot::ChunkType::names:
      return chunk.names([&](const snapshot::NameRecord& name) {
        return graph_.names.of(static_cast<graph::NameKind>(name.kind)).define(name.id, name.text)
                   ? Status{}
                   : fail(Error(ErrorCode::corruption, "two names for one id, or two ids")
                              .mismatch("one", std::string(name.text)));
      });
    case snapshot::ChunkType::nodes:
      return chunk.nodes([&](const snapshot::NodeRecord& node) { return applier_.load(node); });
    case snapshot::ChunkType::edges:
      return chunk.edges([&](const snapshot::EdgeRecord& edge) { return applier_.load(edge); });
    case snapshot::ChunkType::free_nodes:
      return chunk.free_slots(
          [&](const snapshot::FreeSlot& slot) { return applier_.load_free_node(slot); });
    case snapshot::ChunkType::free_edges:
      return chunk.free_slots(
          [&](const snapshot::FreeSlot& slot) { return applier_.load_free_edge(slot); });
    case snapshot::ChunkType::embeddings:
      return chunk.embeddings([](const snapshot::EmbeddingRecord&) { return Status{}; });
  }
  return {};
}

// --- phases 2 and 4 ----------------------------------------------------------------------------

void Attempt::add(PhaseReport& report, const std::vector<ApplyCount>& counts) const {
  for (const ApplyCount& count : counts) {
    report.entries += count.entries;
    report.applied += count.applied;
    report.skipped += count.skipped;
  }
}

Status Attempt::apply_batch(const Batch& batch, PhaseReport& report) {
  std::vector<ApplyCount> counts(workers_);
  SELVEDGE_TRY(in_parallel(workers_, [&](unsigned worker) -> Status {
    for (const Batch::Item& item : batch.items) {
      SELVEDGE_TRY(
          graph::decode_frame(shape_of(item.header), batch.payload(item),
                              [&](const graph::Change& change, std::uint64_t sequence) -> Status {
                                if ((!change.is_node() && !change.is_edge()) ||
                                    id_bits::slot(change.id) % workers_ != worker) {
                                  return {};
                                }
                                return applier_.redo(change, sequence, counts[worker]);
                              }));
    }
    return {};
  }));
  add(report, counts);
  return {};
}

Status Attempt::forward(bool transactional, PhaseReport& report) {
  const bool any =
      transactional ? table_.small() != 0 || !table_.streamed().empty() : plain_entries_ != 0;
  if (!any) {
    return {};
  }
  Batch batch;
  SELVEDGE_TRY(scanner_.read_from(out_.log, low_water_, [&](const wal::FrameView& frame) -> Status {
    const wal::FrameHeader& header = frame.header;
    if (header.kind != wal::FrameKind::operations || header.regenerable() ||
        (header.transaction != 0) != transactional ||
        (transactional && !table_.committed(header))) {
      return {};
    }
    batch.add(header, frame.payload);
    if (batch.bytes.size() >= batch_bytes) {
      SELVEDGE_TRY(apply_batch(batch, report));
      batch.clear();
    }
    return {};
  }));
  return apply_batch(batch, report);
}

// --- phase 3 -----------------------------------------------------------------------------------

Status Attempt::undo_losers() {
  const auto& all = table_.streamed();
  for (auto each = all.rbegin(); each != all.rend(); ++each) {
    if (each->second.loser()) {
      SELVEDGE_TRY(undo_one(each->first, each->second));
    }
  }
  return {};
}

Status Attempt::undo_one(std::uint64_t number, const Streamed& transaction) {
  ApplyCount total;
  for (auto place = transaction.frames.rbegin(); place != transaction.frames.rend(); ++place) {
    SELVEDGE_TRY(const wal::OwnedFrame frame, scanner_.read_frame(out_.log, *place));
    SELVEDGE_TRY(undo_frame(frame, total));
  }
  out_.report.rolled_back.push_back(
      {TxnNumber{number}, transaction.aborted, transaction.entries, total.applied});
  add(out_.report.undo, {total});
  return {};
}

/// A frame's entries, newest first.
Status Attempt::undo_frame(const wal::OwnedFrame& frame, ApplyCount& total) {
  std::vector<graph::EntryView> entries;
  SELVEDGE_TRY(graph::decode_entries(shape_of(frame.header), frame.payload,
                                     [&](const graph::EntryView& entry) {
                                       entries.push_back(entry);
                                       return Status{};
                                     }));
  std::vector<ApplyCount> counts(workers_);
  SELVEDGE_TRY(in_parallel(entries.size() < 256 ? 1 : workers_, [&](unsigned worker) -> Status {
    const unsigned shares = entries.size() < 256 ? 1 : workers_;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      SELVEDGE_TRY(graph::decode_entry(
          *entry, [&](const graph::Change& change, std::uint64_t sequence) -> Status {
            if ((!change.is_node() && !change.is_edge()) ||
                id_bits::slot(change.id) % shares != worker) {
              return {};
            }
            return applier_.undo(change, sequence, counts[worker]);
          }));
    }
    return {};
  }));
  for (const ApplyCount& count : counts) {
    total.entries += count.entries;
    total.applied += count.applied;
    total.skipped += count.skipped;
  }
  return {};
}

// --- the report --------------------------------------------------------------------------------

void Attempt::report_log() {
  RecoveryReport& report = out_.report;
  report.recovered = {out_.next_sequence - 1};
  report.segments = out_.log.segments.size();
  for (const wal::SegmentExtent& segment : out_.log.segments) {
    report.log_bytes += segment.end_offset;
    out_.segments.push_back({segment.info.number, segment.info.salt});
  }
  for (const wal::DroppedRange& range : out_.log.dropped) {
    report.dropped.push_back({range.path, range.offset, range.bytes, range.reason});
  }
  for (const wal::SkippedFrame& skipped : out_.log.skipped) {
    report.skipped_regenerable.push_back(
        skipped.path + " @" + std::to_string(skipped.location.offset) + ": node " +
        std::to_string(skipped.header.entity) + ": " + skipped.reason);
  }
  for (const wal::IdleSegment& stray : out_.log.strays) {
    report.strays.push_back(stray.path + ": " + stray.reason);
  }
  if (out_.log.damage) {
    report.salvaged = true;
    report.damage = out_.log.damage->message();
  }
}

}  // namespace

Result<Recovered> recover(const RecoveryInput& input) {
  const auto start = Clock::now();
  const auto& listed = input.manifest.snapshots;
  std::vector<std::string> rejected;
  for (std::size_t tries = 0;; ++tries) {
    // Newest first; behind the oldest, the log alone, if it reaches back to the beginning.
    const snapshot::ManifestSnapshot* chosen =
        tries < listed.size() ? &listed[listed.size() - 1 - tries] : nullptr;
    Recovered out;
    out.report.rejected_snapshots = rejected;
    out.report.clean_close = input.manifest.clean_close;
    input.graph = std::make_unique<graph::Graph>(input.options.memory_limit_bytes);
    bool usable = true;
    const Status status = Attempt(input, out).run(chosen, usable);
    if (status) {
      out.snapshots.assign(listed.begin(), listed.end() - static_cast<std::ptrdiff_t>(
                                                              std::min(tries, listed.size())));
      out.report.total_microseconds = microseconds_since(start);
      return out;
    }
    if (usable || chosen == nullptr) {
      return fail(status.error().clone());
    }
    rejected.push_back(chosen->file + ": " + status.error().message());
  }
}

Status repair(const RecoveryInput& input, Recovered& recovered) {
  SELVEDGE_TRY(wal::erase_dropped(input.files, recovered.log));
  const std::string snapshots = input.directory + "/snapshots";
  SELVEDGE_TRY(const auto files, input.files.list(snapshots));
  for (const DirectoryEntry& file : files) {
    const auto& listed = recovered.snapshots;
    const bool known = std::any_of(listed.begin(), listed.end(),
                                   [&](const auto& each) { return each.file == file.name; });
    const bool ours = file.name.ends_with(".snap") || file.name.ends_with(".snap.tmp");
    if (!known && ours && file.kind == FileKind::file) {
      recovered.report.strays.push_back(snapshots + "/" + file.name + ": removed");
      SELVEDGE_TRY(input.files.unlink(snapshots + "/" + file.name));
    }
  }
  return {};
}

}  // namespace selvedge::recovery
