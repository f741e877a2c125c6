// Phases 2 to 4, and the order of all.

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include "base/mutants.h"
#include "recovery/attempt.h"
#include "recovery/rebuild.h"

namespace selvedge::recovery {

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t microseconds_since(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

constexpr std::size_t batch_bytes = std::size_t{4} << 20;

void add(ApplyCount& total, const std::vector<ApplyCount>& counts) {
  for (const ApplyCount& count : counts) {
    total.entries += count.entries;
    total.applied += count.applied;
    total.skipped += count.skipped;
    total.node_end = std::max(total.node_end, count.node_end);
    total.edge_end = std::max(total.edge_end, count.edge_end);
  }
}

void add(PhaseReport& report, const ApplyCount& count) {
  report.entries += count.entries;
  report.applied += count.applied;
  report.skipped += count.skipped;
}

/// Neighbouring slots belong to one share, so that no two workers write to one cache line.
constexpr unsigned share_slots_shift = 6;

/// Nodes and edges belong to a share; anything else has no business in such a frame.
Result<bool> in_share(const graph::Change& change, const wal::FrameHeader& header, unsigned shares,
                      unsigned worker) {
  if (change.is_node() || change.is_edge()) {
    return (id_bits::slot(change.id) >> share_slots_shift) % shares == worker;
  }
  const bool noted = change.kind == graph::ChangeKind::define_name ||
                     change.kind == graph::ChangeKind::define_schema ||
                     change.kind == graph::ChangeKind::drop_schema;
  if (noted && header.transaction == 0) {
    return false;  // in phase 1
  }
  return fail(ErrorCode::corruption, "an entry of a kind that this frame cannot hold");
}

}  // namespace

Attempt::Attempt(const RecoveryInput& input, Recovered& out)
    : input_(input),
      out_(out),
      graph_(*input.graph),
      applier_(graph_),
      workers_(worker_count(input.options)),
      scanner_(input.files, input.directory + "/wal"),
      until_(input.until) {}

Status Attempt::run(const snapshot::ManifestSnapshot* chosen, bool& usable) {
  const auto start = Clock::now();
  if (chosen != nullptr) {
    SELVEDGE_TRY(open_snapshot(*chosen, usable));
  }
  SELVEDGE_TRY(input_.past != nullptr ? analyse_past(usable) : analyse(usable));
  if (snapshot_) {
    SELVEDGE_TRY(load_snapshot(usable));
  }
  out_.report.analyse.microseconds = microseconds_since(start);
  for (const ApplyPhase which : input_.order) {
    SELVEDGE_TRY(phase(which));
  }
  if (goes_back()) {
    SELVEDGE_TRY(take_back());
  }
  const auto rebuild_start = Clock::now();
  SELVEDGE_TRY(cover_snapshot_slots());
  SELVEDGE_TRY(auto rebuilt, rebuild(graph_, applier_, workers_));
  SELVEDGE_TRY(apply_schema());
  out_.report.rebuild_microseconds = microseconds_since(rebuild_start);
  out_.report.nodes = rebuilt.nodes;
  out_.report.edges = rebuilt.edges;
  out_.counts = std::move(rebuilt.counts);
  report_log();
  return {};
}

Status Attempt::phase(ApplyPhase which) {
  const auto start = Clock::now();
  switch (which) {
    case ApplyPhase::redo:
      SELVEDGE_TRY(forward(true, out_.report.redo));
      out_.report.redo.microseconds = microseconds_since(start);
      break;
    case ApplyPhase::undo:
      SELVEDGE_TRY(undo_losers());
      out_.report.undo.microseconds = microseconds_since(start);
      break;
    case ApplyPhase::non_transactional:
      SELVEDGE_TRY(forward(false, out_.report.non_transactional));
      out_.report.non_transactional.microseconds = microseconds_since(start);
      break;
  }
  return {};
}

/// Slots that were in use once, whatever became of them (rule 13).
Status Attempt::cover_snapshot_slots() {
  if (snapshot_) {
    applier_.raise_ends(snapshot_->footer().node_slots, snapshot_->footer().edge_slots);
  }
  if ((applier_.node_end() != 0 && !graph_.nodes.ensure(applier_.node_end() - 1)) ||
      (applier_.edge_end() != 0 && !graph_.edges.ensure(applier_.edge_end() - 1))) {
    return fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
  }
  return {};
}

// --- phases 2 and 4 ----------------------------------------------------------------------------

Status Attempt::apply_batch(const Batch& batch, PhaseReport& report) {
  std::vector<ApplyCount> counts(workers_);
  SELVEDGE_TRY(in_parallel(workers_, [&](unsigned worker) -> Status {
    const auto apply_item = [&](const Batch::Item& item) -> Status {
      SELVEDGE_TRY(const graph::FrameNotes notes,
                   graph::decode_frame(
                       shape_of(item.header), batch.payload(item),
                       [&](const graph::Change& change, std::uint64_t sequence) -> Status {
                         SELVEDGE_TRY(const bool mine,
                                      in_share(change, item.header, workers_, worker));
                         return mine ? applier_.redo(change, sequence, counts[worker]) : Status{};
                       }));
      return check_small(item.header, notes);
    };
    for (const Batch::Item& item : batch.items) {
      SELVEDGE_TRY(placed(apply_item(item), item.location));
    }
    return {};
  }));
  ApplyCount total;
  add(total, counts);
  applier_.raise_ends(total.node_end, total.edge_end);
  add(report, total);
  return {};
}

Status Attempt::forward(bool transactional, PhaseReport& report) {
  const bool any =
      transactional ? table_.small() != 0 || !table_.streamed().empty() : plain_entries_ != 0;
  if (!any) {
    return {};
  }
  Batch batch;
  std::uint64_t from = low_water_;
  if (snapshot_ && base::mutant(base::Mutant::redo_from_begin)) {
    from = snapshot_->footer().begin;
  }
  if (snapshot_ && !transactional && base::mutant(base::Mutant::plain_entries_from_end)) {
    from = snapshot_->footer().end + 1;
  }
  SELVEDGE_TRY(read_log(from, [&](const wal::FrameView& frame) -> Status {
    const wal::FrameHeader& header = frame.header;
    if (header.kind != wal::FrameKind::operations || header.regenerable() ||
        (header.transaction != 0) != transactional ||
        (transactional && !table_.committed(header) &&
         !base::mutant(base::Mutant::redo_takes_losers))) {
      return {};
    }
    batch.add(frame);
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
  if (base::mutant(base::Mutant::undo_skipped)) {
    return {};
  }
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
    SELVEDGE_TRY(const wal::OwnedFrame frame, read_frame(*place));
    SELVEDGE_TRY(placed(undo_frame(frame, total), place->location));
  }
  out_.report.rolled_back.push_back(
      {TxnNumber{number}, transaction.aborted, transaction.entries, total.applied});
  add(out_.report.undo, total);
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
  if (base::mutant(base::Mutant::undo_oldest_first)) {
    std::reverse(entries.begin(), entries.end());
  }
  const unsigned shares = entries.size() < 256 ? 1 : workers_;
  std::vector<ApplyCount> counts(shares);
  SELVEDGE_TRY(in_parallel(shares, [&](unsigned worker) -> Status {
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      SELVEDGE_TRY(graph::decode_entry(
          *entry, [&](const graph::Change& change, std::uint64_t sequence) -> Status {
            SELVEDGE_TRY(const bool mine, in_share(change, frame.header, shares, worker));
            return mine ? applier_.undo(change, sequence, counts[worker]) : Status{};
          }));
    }
    return {};
  }));
  add(total, counts);
  applier_.raise_ends(total.node_end, total.edge_end);
  return {};
}

// --- the schema --------------------------------------------------------------------------------

/// What the snapshot and then the log say; the indexes are filled from the recovered records.
Status Attempt::apply_schema() {
  std::map<std::uint32_t, graph::SchemaObjectPtr> objects;
  const auto apply = [&](SchemaChange& change) {
    objects.erase(change.id);
    if (change.definition) {
      const auto object = std::make_shared<graph::SchemaObject>(
          change.id, std::move(*change.definition), graph_.arena, graph_.epochs);
      object->defined.store(change.sequence, std::memory_order_relaxed);
      object->changed.store(change.sequence, std::memory_order_relaxed);
      objects.emplace(change.id, object);
    }
  };
  const MutexLock lock(schema_mutex_);
  for (SchemaChange& change : snapshot_schema_) {
    apply(change);
  }
  for (SchemaChange& change : log_schema_) {
    apply(change);
  }
  for (SchemaChange& change : then_schema_) {
    apply(change);
  }
  if (objects.empty()) {
    return {};
  }
  std::vector<graph::SchemaObjectPtr> all;
  all.reserve(objects.size());
  for (const auto& [id, object] : objects) {
    all.push_back(object);
  }
  SELVEDGE_TRY(fill_schema(graph_, applier_, all, workers_));
  graph_.schema.publish(std::move(all));
  return {};
}

// --- the report --------------------------------------------------------------------------------

void Attempt::report_log() {
  RecoveryReport& report = out_.report;
  report.recovered = {out_.next_sequence - 1};
  report.segments = out_.log.segments.size();
  for (const wal::SegmentExtent& segment : out_.log.segments) {
    report.log_bytes += segment.end_offset;
    out_.segments.push_back(
        {segment.info.number, segment.info.salt, segment.first_sequence,
         segment.sealed ? snapshot::SegmentState::sealed : snapshot::SegmentState::listed});
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

}  // namespace selvedge::recovery
