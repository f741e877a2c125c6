#include "history/frames.h"

#include <algorithm>
#include <string>

namespace selvedge::history {

using wal::FrameFault;
using wal::ReadStep;

// --- one segment -------------------------------------------------------------------------------

Status PlaceReader::go_to(const Segment& segment, const FramePlace& place) {
  if (!reader_ || segment_.identity != segment.identity) {
    SELVEDGE_TRY(reader_, catalog_.open(segment));
  }
  segment_ = segment;
  reader_->start_at(place.offset, place.sequence, segment.identity.salt);
  return {};
}

Error PlaceReader::lost(const ReadStep& step) {
  return Error(ErrorCode::corruption, "the log is damaged: " + std::string(to_string(step.fault)))
      .at(reader_->path(), step.offset)
      .mismatch("entry " + std::to_string(reader_->next_sequence()) +
                    (step.expected.empty() ? "" : ", " + step.expected),
                step.found.empty() ? std::string(to_string(step.fault)) : step.found);
}

Result<bool> PlaceReader::next(wal::FrameView& frame, bool& damaged) {
  bool fresh = false;
  for (;;) {
    if (!segment_.last() && reader_->next_sequence() >= segment_.next_sequence) {
      return false;
    }
    const std::uint64_t sequence = reader_->next_sequence();
    SELVEDGE_TRY(const ReadStep step, reader_->next());
    const bool skipped = step.fault == FrameFault::payload_crc && step.frame.header.regenerable();
    if (step.kind == ReadStep::Kind::frame || skipped) {
      if (skipped && !fresh) {
        fresh = true;  // half of it may have been read while it was being written
        reader_->forget_buffer();
        continue;
      }
      if (step.frame.header.count == 0) {
        continue;
      }
      if (step.frame.header.last_sequence() > catalog_.end()) {
        reader_->forget_buffer();
        reader_->start_at(step.offset, sequence, segment_.identity.salt);
        return false;
      }
      if (skipped) {
        reader_->skip_damaged(step.frame.header, step.frame.header_crc);
      }
      frame = step.frame;
      damaged = skipped;
      return true;
    }
    if (!fresh) {
      fresh = true;  // what was read ahead may be older than what has been written since
      reader_->forget_buffer();
      reader_->start_at(step.offset, sequence, segment_.identity.salt);
      continue;
    }
    if (step.kind == ReadStep::Kind::newer_version) {
      return fail(Error(ErrorCode::newer_format, "a log frame of a newer format")
                      .at(reader_->path(), step.offset)
                      .mismatch(step.expected, step.found));
    }
    if (step.kind == ReadStep::Kind::bad || !segment_.last()) {
      return fail(lost(step));
    }
    return false;
  }
}

// --- from a sequence on ------------------------------------------------------------------------

Status FramesFrom::place() {
  SELVEDGE_TRY(const auto segment, catalog_.locate(at_));
  if (!segment) {
    return {};
  }
  SELVEDGE_TRY(const FramePlace place, catalog_.seek(*segment, at_));
  return reader_.go_to(*segment, place);
}

Result<bool> FramesFrom::next() {
  while (at_ <= catalog_.end()) {
    if (!reader_.placed()) {
      SELVEDGE_TRY(place());
    }
    auto got = reader_.next(frame_, damaged_);
    if (got && *got) {
      if (frame_.header.last_sequence() < at_) {
        continue;
      }
      at_ = frame_.header.next_sequence();
      distrusted_ = moved_ = false;
      return true;
    }
    const Segment before = reader_.segment();
    reader_.leave();
    if (!got) {
      SELVEDGE_TRY(catalog_.locate(at_));  // `not_retained` tells more than what was left there
      if (distrusted_) {
        return fail(std::move(got).error());
      }
      distrusted_ = true;
      catalog_.distrust(before);
      continue;
    }
    SELVEDGE_TRY(place());
    if (moved_ && reader_.placed() && reader_.segment().identity == before.identity) {
      return fail(Error(ErrorCode::corruption, "the log ends before its last entry")
                      .at(catalog_.wal_path())
                      .mismatch("entry " + std::to_string(at_), "the end of the segment"));
    }
    moved_ = true;
  }
  return false;
}

// --- one transaction ---------------------------------------------------------------------------

Status FramesOf::probe() {
  first_.emplace(catalog_, transaction_);
  auto got = first_->next();
  if (!got) {
    return fail(std::move(got).error());
  }
  const wal::FrameHeader& header = first_->frame().header;
  if (!*got || header.transaction != transaction_ || header.sequence != transaction_ ||
      (header.flags & wal::frame_flags::begin) == 0) {
    return fail(Error(ErrorCode::not_found, "no transaction has this number")
                    .mismatch("the begin of a transaction", std::to_string(transaction_)));
  }
  frame_ = first_->frame();
  at_ = header.next_sequence();
  ended_ = (header.flags & (wal::frame_flags::commit | wal::frame_flags::abort)) != 0;
  return {};
}

/// Finds the segment with its next frames.
Result<bool> FramesOf::more_places() {
  if (!segment_ || segment_->last()) {
    SELVEDGE_TRY(segment_,
                 catalog_.locate(segment_ ? segment_->identity.first_sequence : transaction_));
  }
  while (segment_) {
    bool ended = false;
    SELVEDGE_TRY(places_, catalog_.frames_of(*segment_, transaction_, ended));
    std::erase_if(places_, [&](const FramePlace& place) { return place.sequence < at_; });
    next_place_ = 0;
    if (!places_.empty()) {
      return true;
    }
    if (ended || segment_->last()) {
      return false;
    }
    SELVEDGE_TRY(segment_, catalog_.locate(segment_->next_sequence));
  }
  return false;
}

Result<bool> FramesOf::read_place() {
  SELVEDGE_TRY(reader_.go_to(*segment_, places_[next_place_]));
  SELVEDGE_TRY(const bool got, reader_.next(frame_, damaged_));
  if (got && frame_.header.transaction != transaction_) {
    return fail(
        Error(ErrorCode::corruption, "the frame is another transaction's")
            .at(wal::segment_path(catalog_.wal_path(), frame_.location.segment),
                frame_.location.offset)
            .mismatch(std::to_string(transaction_), std::to_string(frame_.header.transaction)));
  }
  return got;
}

Result<bool> FramesOf::next() {
  if (!given_) {
    if (!first_) {
      SELVEDGE_TRY(probe());
    }
    given_ = true;
    return true;
  }
  if (ended_) {
    return false;
  }
  for (bool distrusted = false;;) {
    if (next_place_ == places_.size()) {
      SELVEDGE_TRY(const bool more, more_places());
      if (!more) {
        return false;
      }
    }
    auto got = read_place();
    if (got && !*got) {
      return false;  // not to be shown yet
    }
    if (got) {
      ++next_place_;
      at_ = frame_.header.next_sequence();
      ended_ = (frame_.header.flags & (wal::frame_flags::commit | wal::frame_flags::abort)) != 0;
      return true;
    }
    SELVEDGE_TRY(catalog_.locate(at_));
    if (distrusted) {
      return fail(std::move(got).error());
    }
    distrusted = true;
    catalog_.distrust(*segment_);
    reader_.leave();
    places_.clear();
    next_place_ = 0;
  }
}

}  // namespace selvedge::history
