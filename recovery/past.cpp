// The log up to a point that is not its end: phase 1, and how the other phases read.

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "recovery/attempt.h"

namespace selvedge::recovery {

/// As if the log had ended with `until_`. The snapshot ends at or before it, so no image is from
/// behind it, and what the phases do is what they would have done after a crash there.
Status Attempt::analyse_past(bool& usable) {
  PastLog& past = *input_.past;
  out_.report.low_water = {low_water_};
  const std::uint64_t end = snapshot_ ? snapshot_->footer().end : 0;
  until_ = std::max(input_.until, end);
  // The frame that binds the snapshot to this history is looked at where the log still has it.
  const std::uint64_t wanted = std::max<std::uint64_t>(std::min(low_water_, end), 1);
  const std::uint64_t from = low_water_ <= until_ ? std::max(wanted, past.first()) : wanted;
  if (from >= past.first() && from <= until_) {
    SELVEDGE_TRY(past.read(from, until_, [&](const PastLog::Frame& frame) {
      return placed(note_past(frame), frame.view.location);
    }));
  }
  SELVEDGE_TRY(table_.check());
  if (!bound_) {
    usable = false;
    return fail(Error(ErrorCode::corruption, "the snapshot belongs to another history of the log")
                    .at(out_.report.snapshot));
  }
  out_.log.store = input_.manifest.store;
  out_.log.next_sequence = input_.until + 1;
  out_.next_sequence = input_.until + 1;
  out_.wall_us = std::max(out_.wall_us, out_.log.wall_us);
  count_transactions();
  return {};
}

Status Attempt::note_past(const PastLog::Frame& frame) {
  const wal::FrameHeader& header = frame.view.header;
  out_.log.wall_us = std::max(out_.log.wall_us, header.wall_us);
  out_.report.log_bytes += header.frame_bytes();
  if (frame.damaged) {
    out_.report.skipped_regenerable.push_back(
        wal::segment_path(input_.directory + "/wal", frame.view.location.segment) + " @" +
        std::to_string(frame.view.location.offset) + ": node " + std::to_string(header.entity) +
        ": payload crc");
    return {};
  }
  // A frame is appended as a whole: of one that the point lies in, nothing had happened yet, and
  // its transaction had not ended.
  return header.last_sequence() <= until_ ? note_frame(frame.view) : Status{};
}

/// Frames that hold anything from `from` on, and whose entries had all happened.
Status Attempt::read_log(std::uint64_t from, const wal::FrameSink& sink) {
  if (input_.past == nullptr) {
    return scanner_.read_from(out_.log, from, sink);
  }
  if (from > until_) {
    return {};
  }
  return input_.past->read(from, until_, [&](const PastLog::Frame& frame) {
    const bool happened = frame.view.header.last_sequence() <= until_;
    return happened && !frame.damaged ? sink(frame.view) : Status{};
  });
}

Result<wal::OwnedFrame> Attempt::read_frame(const Streamed::Place& place) {
  return input_.past == nullptr ? scanner_.read_frame(out_.log, place.location)
                                : input_.past->frame(place.sequence);
}

// --- back --------------------------------------------------------------------------------------

/// What commits behind the point have changed is put back as it was. Losers have no image left.
Status Attempt::take_back() {
  SELVEDGE_TRY(take_back_schema());
  SELVEDGE_TRY(
      input_.past->take_back(input_.until, until_, graph_.names,
                             [&](const Before& before) { return applier_.put_back(before); }));
  // Changed and changed back again: the same, under a later sequence.
  applier_.age_to(input_.until);
  if (embeddings_lost_ != 0) {
    out_.report.skipped_regenerable.push_back(
        std::to_string(embeddings_lost_) +
        " embeddings that were set later: what they were is not known");
  }
  return {};
}

/// An object whose first change behind the point is its definition was not there; one that was
/// dropped then is looked for in the log before.
Status Attempt::take_back_schema() {
  std::set<std::uint32_t> touched;
  std::set<std::uint32_t> dropped;
  const auto each_change = [&](std::uint64_t from, std::uint64_t to,
                               const graph::ChangeSink& sink) {
    return from > to ? Status{}
                     : input_.past->read(from, to, [&](const PastLog::Frame& frame) -> Status {
                         const wal::FrameHeader& header = frame.view.header;
                         if (frame.damaged || header.transaction != 0 || header.regenerable() ||
                             header.kind != wal::FrameKind::operations ||
                             header.last_sequence() < from || header.sequence > to) {
                           return {};
                         }
                         return graph::decode_frame(shape_of(header), frame.view.payload, sink)
                             .map([](const graph::FrameNotes&) {});
                       });
  };
  SELVEDGE_TRY(each_change(input_.until + 1, until_,
                           [&](const graph::Change& change, std::uint64_t) -> Status {
                             const bool drops = change.kind == graph::ChangeKind::drop_schema;
                             if ((drops || change.kind == graph::ChangeKind::define_schema) &&
                                 touched.insert(change.type).second) {
                               then_schema_.push_back({change.type, 0, std::nullopt});
                               if (drops) {
                                 dropped.insert(change.type);
                               }
                             }
                             return {};
                           }));
  if (dropped.empty()) {
    return {};
  }
  std::map<std::uint32_t, SchemaChange> found;
  SELVEDGE_TRY(each_change(
      input_.past->first(), input_.until,
      [&](const graph::Change& change, std::uint64_t sequence) -> Status {
        if (change.kind != graph::ChangeKind::define_schema || !dropped.contains(change.type)) {
          return {};
        }
        SchemaChange defined{change.type, sequence, graph::Definition{}};
        if (!graph::take_definition(change.after, *defined.definition)) {
          return fail(ErrorCode::corruption, "an index or constraint that no store defines");
        }
        found.insert_or_assign(change.type, std::move(defined));
        return {};
      }));
  for (const std::uint32_t id : dropped) {
    const auto defined = found.find(id);
    if (defined == found.end()) {
      return fail(Error(ErrorCode::not_retained,
                        "what an index or constraint that was dropped since had been is not "
                        "retained")
                      .at(input_.directory)
                      .mismatch("its definition in the log",
                                "the log from entry " + std::to_string(input_.past->first())));
    }
    then_schema_.push_back(std::move(defined->second));
  }
  return {};
}

}  // namespace selvedge::recovery
