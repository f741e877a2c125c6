// The log up to a point that is not its end: phase 1, and how the other phases read.

#include <algorithm>

#include "recovery/attempt.h"

namespace selvedge::recovery {

/// As if the log had ended with `until`. The snapshot ends at or before it, so no image is from
/// behind it, and what the phases do is what they would have done after a crash there.
Status Attempt::analyse_past(bool& usable) {
  PastLog& past = *input_.past;
  out_.report.low_water = {low_water_};
  const std::uint64_t end = snapshot_ ? snapshot_->footer().end : 0;
  // The frame that binds the snapshot to this history is looked at where the log still has it.
  const std::uint64_t wanted = std::max<std::uint64_t>(std::min(low_water_, end), 1);
  const std::uint64_t from = low_water_ <= input_.until ? std::max(wanted, past.first()) : wanted;
  if (from >= past.first() && from <= input_.until) {
    SELVEDGE_TRY(past.read(from, input_.until, [&](const PastLog::Frame& frame) {
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
  return header.last_sequence() <= input_.until ? note_frame(frame.view) : Status{};
}

/// Frames that hold anything from `from` on, and whose entries had all happened.
Status Attempt::read_log(std::uint64_t from, const wal::FrameSink& sink) {
  if (input_.past == nullptr) {
    return scanner_.read_from(out_.log, from, sink);
  }
  if (from > input_.until) {
    return {};
  }
  return input_.past->read(from, input_.until, [&](const PastLog::Frame& frame) {
    const bool happened = frame.view.header.last_sequence() <= input_.until;
    return happened && !frame.damaged ? sink(frame.view) : Status{};
  });
}

Result<wal::OwnedFrame> Attempt::read_frame(const Streamed::Place& place) {
  return input_.past == nullptr ? scanner_.read_frame(out_.log, place.location)
                                : input_.past->frame(place.sequence);
}

}  // namespace selvedge::recovery
