// Phase 1: the snapshot, one pass over the log, and the table of transactions.

#include <algorithm>
#include <type_traits>

#include "base/mutants.h"
#include "recovery/attempt.h"

namespace selvedge::recovery {

Status Attempt::placed(Status status, wal::FrameLocation location) const {
  if (status || !status.error().path().empty()) {
    return status;
  }
  return fail(std::move(status).error().at(
      wal::segment_path(input_.directory + "/wal", location.segment), location.offset));
}

Status Attempt::open_snapshot(const snapshot::ManifestSnapshot& chosen, bool& usable) {
  const std::string path = input_.directory + "/snapshots/" + chosen.file;
  auto reader = snapshot::SnapshotReader::open(input_.files, path);
  if (!reader) {
    usable = reader.error().code() != ErrorCode::corruption &&
             reader.error().code() != ErrorCode::not_found;
    return fail(std::move(reader).error());
  }
  const snapshot::Footer& footer = reader->footer();
  const auto differs = [&](const char* what, const std::string& listed, const std::string& found) {
    usable = false;
    return fail(Error(ErrorCode::corruption, what).at(path).mismatch(listed, found));
  };
  if (reader->store() != input_.manifest.store) {
    return differs("the snapshot belongs to another store", to_string(input_.manifest.store),
                   to_string(reader->store()));
  }
  if (footer.end != chosen.end || footer.low_water != chosen.low_water ||
      footer.digest.to_string() != chosen.digest) {
    return differs("the snapshot is not the one that the manifest lists",
                   "end " + std::to_string(chosen.end) + ", low water " +
                       std::to_string(chosen.low_water) + ", digest " + chosen.digest,
                   "end " + std::to_string(footer.end) + ", low water " +
                       std::to_string(footer.low_water) + ", digest " + footer.digest.to_string());
  }
  low_water_ = footer.low_water;
  out_.report.snapshot = chosen.file;
  out_.wall_us = std::max(out_.wall_us, footer.wall_us);
  snapshot_.emplace(std::move(*reader));
  return {};
}

Status Attempt::load_snapshot(bool& usable) {
  applier_.raise_ends(snapshot_->footer().node_slots, snapshot_->footer().edge_slots);
  std::atomic<std::size_t> next{0};
  std::vector<snapshot::Tally> tallies(workers_, snapshot::Tally(*snapshot_));
  Status status = in_parallel(workers_, [&](unsigned worker) -> Status {
    for (std::size_t i = next++; i < snapshot_->chunks().size(); i = next++) {
      SELVEDGE_TRY(const snapshot::Chunk chunk, snapshot_->load(i));
      SELVEDGE_TRY(load_chunk(chunk, tallies[worker]));
    }
    return {};
  });
  if (status) {
    for (unsigned worker = 1; worker < workers_; ++worker) {
      tallies[0].merge(tallies[worker]);
    }
    status = tallies[0].compare();
  }
  if (!status) {
    usable = status.error().code() != ErrorCode::corruption;
    return status;
  }
  out_.report.snapshot_nodes = snapshot_->footer().nodes;
  out_.report.snapshot_edges = snapshot_->footer().edges;
  return {};
}

Status Attempt::load_chunk(const snapshot::Chunk& chunk, snapshot::Tally& tally) {
  return chunk.records([&](const auto& record) -> Status {
    SELVEDGE_TRY(tally.add(chunk, record));
    if constexpr (std::is_same_v<decltype(record), const snapshot::EmbeddingRecord&>) {
      if (goes_back() && record.sequence > input_.until) {
        embeddings_lost_.fetch_add(1, std::memory_order_relaxed);
        return {};
      }
    }
    if constexpr (std::is_same_v<decltype(record), const snapshot::NameRecord&>) {
      return applier_.define(static_cast<graph::NameKind>(record.kind), record.id, record.text,
                             snapshot_->footer().names);
    } else if constexpr (std::is_same_v<decltype(record), const snapshot::SchemaRecord&>) {
      return load_schema(record);
    } else {
      return applier_.load(chunk.info().type, record);
    }
  });
}

Status Attempt::analyse(bool& usable) {
  out_.report.low_water = {low_water_};
  const std::uint64_t end = snapshot_ ? snapshot_->footer().end : 0;
  if (input_.manifest.segments.empty()) {
    SELVEDGE_TRY(const auto files, input_.files.list(input_.directory + "/wal"));
    if (files.empty()) {
      return without_log();
    }
  }
  wal::ScanOptions options;
  options.from_sequence = low_water_;
  options.also_sequence = end;  // the frame that binds the snapshot to this history (rule 7)
  options.acknowledged = std::max(input_.manifest.watermark, end);
  options.store = input_.manifest.store;
  options.salvage = input_.options.salvage;
  options.listed.emplace();
  for (const auto& segment : input_.manifest.segments) {
    options.listed->push_back({segment.number, static_cast<std::uint32_t>(segment.salt)});
  }
  SELVEDGE_TRY(out_.log, scanner_.scan(options, [&](const wal::FrameView& frame) {
    return placed(note_frame(frame), frame.location);
  }));
  SELVEDGE_TRY(table_.check());
  SELVEDGE_TRY(check_base(usable));
  out_.next_sequence = std::max(out_.log.next_sequence, end + 1);
  out_.wall_us = std::max(out_.wall_us, out_.log.wall_us);
  if (out_.log.last_entries.count != 0) {
    out_.last_entries = {out_.log.last_entries.last_sequence(), out_.log.last_entries_crc};
  } else if (snapshot_) {
    out_.last_entries = {snapshot_->footer().end_frame_sequence, snapshot_->footer().end_frame_crc};
  }
  count_transactions();
  return {};
}

/// A backup, or a store that was never written to: the snapshot is all there is.
Status Attempt::without_log() {
  const std::uint64_t end = snapshot_ ? snapshot_->footer().end : 0;
  if (input_.manifest.watermark > end) {
    return fail(Error(ErrorCode::corruption, "acknowledged entries are in no file")
                    .at(input_.directory + "/wal")
                    .mismatch("a log up to sequence " + std::to_string(input_.manifest.watermark),
                              "no segment, and state up to " + std::to_string(end)));
  }
  // A fuzzy snapshot is a state only together with the log from its low-water mark on.
  if (snapshot_ && low_water_ <= end) {
    return fail(
        Error(ErrorCode::corruption, "the log that the snapshot needs is missing")
            .at(input_.directory + "/wal")
            .mismatch("entries from " + std::to_string(low_water_) + " to " + std::to_string(end),
                      "no segment"));
  }
  out_.log.store = input_.manifest.store;
  out_.log.next_sequence = end + 1;
  out_.next_sequence = end + 1;
  return {};
}

/// Snapshot and log go together, and the log reaches back to where it is needed.
Status Attempt::check_base(bool& usable) const {
  const std::string& file = out_.report.snapshot;
  if (!bound_) {
    usable = false;
    return fail(Error(ErrorCode::corruption, "the snapshot belongs to another history of the log")
                    .at(file));
  }
  if (out_.log.damage && snapshot_ && out_.log.next_sequence <= snapshot_->footer().end) {
    usable = false;  // salvage: only what ends before the cut (rule 29)
    return fail(Error(ErrorCode::corruption, "the snapshot ends behind the cut").at(file));
  }
  if (out_.log.beginning_missing && !snapshot_) {
    return fail(Error(ErrorCode::corruption, "no sound snapshot, and the log's beginning is gone")
                    .at(input_.directory)
                    .mismatch("a snapshot, or the log from sequence 1", "neither"));
  }
  if (!out_.log.segments.empty() && out_.log.segments.front().first_sequence > low_water_) {
    const wal::SegmentExtent& first = out_.log.segments.front();
    return fail(Error(ErrorCode::corruption, "the log begins too late for this snapshot")
                    .at(first.path, 40)
                    .mismatch("sequence " + std::to_string(low_water_),
                              std::to_string(first.first_sequence)));
  }
  return {};
}

Status Attempt::note_frame(const wal::FrameView& frame) {
  const wal::FrameHeader& header = frame.header;
  if (snapshot_ && header.count != 0) {
    const snapshot::Footer& footer = snapshot_->footer();
    if (header.sequence <= footer.end && footer.end <= header.last_sequence()) {
      // `end` was the last sequence appended: a frame that goes beyond it is another one.
      bound_ = (header.last_sequence() == footer.end && frame.header_crc == footer.end_frame_crc) ||
               base::mutant(base::Mutant::binding_ignored);
    }
  }
  if (header.kind != wal::FrameKind::operations ||
      (header.count != 0 && header.last_sequence() < low_water_)) {
    return {};
  }
  ++out_.report.frames;
  out_.report.analyse.entries += header.count;
  if (header.regenerable()) {
    return note_embedding(frame);
  }
  SELVEDGE_TRY(table_.add(frame));
  return header.transaction == 0 ? note_plain(frame) : Status{};
}

/// Names count from here on, whatever becomes of the transaction that needed them first.
Status Attempt::note_plain(const wal::FrameView& frame) {
  plain_entries_ += frame.header.count;
  SELVEDGE_TRY(graph::decode_entries(
      shape_of(frame.header), frame.payload, [&](const graph::EntryView& entry) -> Status {
        if (entry.kind == graph::ChangeKind::define_schema ||
            entry.kind == graph::ChangeKind::drop_schema) {
          --plain_entries_;
          return graph::decode_entry(entry,
                                     [&](const graph::Change& change, std::uint64_t sequence) {
                                       return note_schema(change, sequence);
                                     });
        }
        if (entry.kind != graph::ChangeKind::define_name) {
          return {};
        }
        --plain_entries_;
        return graph::decode_entry(entry, [&](const graph::Change& change, std::uint64_t) {
          ++log_names_;
          return applier_.define(change.name_kind, change.type, as_text(change.after),
                                 log_names_ + (snapshot_ ? snapshot_->footer().names : 0));
        });
      }));
  return {};
}

/// Kept until the snapshot's are loaded: the log's come after them.
Status Attempt::note_schema(const graph::Change& change, std::uint64_t sequence) {
  SchemaChange noted{change.type, sequence, std::nullopt};
  if (change.kind == graph::ChangeKind::define_schema) {
    noted.definition.emplace();
    if (!graph::take_definition(change.after, *noted.definition)) {
      return fail(ErrorCode::corruption, "an index or constraint that no store defines");
    }
  }
  log_schema_.push_back(std::move(noted));
  return {};
}

Status Attempt::load_schema(const snapshot::SchemaRecord& object) {
  SchemaChange noted{object.id, object.sequence, graph::Definition{}};
  graph::take_definition(object.definition, *noted.definition);  // the reader has checked it
  const MutexLock lock(schema_mutex_);
  snapshot_schema_.push_back(std::move(noted));
  return {};
}

/// One entry of no transaction, about the node that its header names.
Status Attempt::note_embedding(const wal::FrameView& frame) {
  const wal::FrameHeader& header = frame.header;
  SELVEDGE_TRY(graph::decode_frame(
      shape_of(header), frame.payload,
      [&](const graph::Change& change, std::uint64_t sequence) -> Status {
        if (change.kind != graph::ChangeKind::update_embedding || header.transaction != 0 ||
            change.id != header.entity) {
          return fail(Error(ErrorCode::corruption, "a regenerable frame with another entry")
                          .mismatch("an embedding of " + std::to_string(header.entity),
                                    "an entry about " + std::to_string(change.id)));
        }
        if (goes_back() && sequence > input_.until) {
          return Status{};  // the snapshot has what was before, unless it is lost anyway
        }
        return graph_.embeddings.restore(change.id, change.type, sequence, change.after)
                   ? Status{}
                   : fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
      }));
  return {};
}

void Attempt::count_transactions() {
  RecoveryReport& report = out_.report;
  for (const auto& [number, transaction] : table_.streamed()) {
    if (transaction.committed) {
      ++report.transactions_committed;
    } else if (transaction.aborted) {
      ++report.transactions_aborted;
    } else {
      ++report.transactions_incomplete;
      out_.open_transactions.push_back(number);
    }
  }
  report.transactions_committed += table_.small();
}

}  // namespace selvedge::recovery
