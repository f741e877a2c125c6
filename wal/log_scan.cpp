#include "wal/log_scan.h"

#include "base/mutants.h"

#include <algorithm>
#include <utility>

namespace selvedge::wal {

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

}  // namespace

LogScan::LogScan(FileSystem& files, const std::string& directory, const ScanOptions& options,
                 const FrameSink& sink)
    : files_(files), directory_(directory), options_(options), sink_(sink) {}

Result<LogExtent> LogScan::run() {
  SELVEDGE_TRY(collect());
  SELVEDGE_TRY(inspect());
  SELVEDGE_TRY(choose_start());
  for (std::size_t index = start_; index < candidates_.size(); ++index) {
    if (cut_) {
      SELVEDGE_TRY(drop_rest(index));
      break;
    }
    SELVEDGE_TRY(scan_candidate(index));
  }
  SELVEDGE_TRY(conclude());
  return std::move(result_);
}

/// The directory's segments and the manifest's, by number.
Status LogScan::collect() {
  std::map<std::uint64_t, Candidate> found;
  std::uint64_t listed_min = 0;
  if (options_.listed) {
    for (const SegmentInfo& info : *options_.listed) {
      found[info.number].info = info;
      found[info.number].listed = true;
      listed_min = listed_min == 0 ? info.number : std::min(listed_min, info.number);
      result_.segment_number_max = std::max(result_.segment_number_max, info.number);
    }
  }
  SELVEDGE_TRY(const std::vector<DirectoryEntry> entries, files_.list(directory_));
  for (const DirectoryEntry& entry : entries) {
    const std::string path = directory_ + "/" + entry.name;
    const auto name = segment_number(entry.name);
    if (!name || entry.kind != FileKind::file) {
      result_.strays.push_back({{}, path, "not a segment's name"});
      continue;
    }
    result_.segment_number_max = std::max(result_.segment_number_max, *name);
    if (*name < listed_min) {
      result_.strays.push_back({{*name, 0}, path, "older than the listed segments"});
      continue;
    }
    found[*name].on_disk = true;
  }
  for (auto& [key, candidate] : found) {
    candidate.info.number = key;
    candidate.path = segment_path(directory_, key);
    candidates_.push_back(std::move(candidate));
  }
  return {};
}

/// Reads all headers; sorts out files that are not this log's.
Status LogScan::inspect() {
  std::vector<Candidate> admitted;
  if (options_.store) {
    result_.store = *options_.store;
  }
  bool store_known = options_.store.has_value();
  for (Candidate& candidate : candidates_) {
    if (!candidate.on_disk && base::mutant(base::Mutant::missing_segment_ignored)) {
      continue;
    }
    if (!candidate.on_disk) {
      SELVEDGE_TRY(
          damage(Error(ErrorCode::corruption, "a listed segment is missing").at(candidate.path)));
      cut_ = false;  // what stands before it is still good; the chain of sequences tells
      continue;
    }
    SELVEDGE_TRY(SegmentReader reader,
                 SegmentReader::open(files_, directory_, candidate.info.number));
    candidate.header = reader.header_state();
    candidate.file_bytes = reader.file_bytes();
    if (candidate.valid() && !store_known) {
      store_known = true;
      result_.store = candidate.header.header.store;
    }
    SELVEDGE_TRY(const bool belongs, admit(candidate));
    if (belongs) {
      admitted.push_back(std::move(candidate));
    }
  }
  candidates_ = std::move(admitted);
  return {};
}

Result<bool> LogScan::admit(Candidate& candidate) {
  const SegmentHeader& header = candidate.header.header;
  if (candidate.header.state == SegmentHeaderState::newer_version) {
    return fail(Error(ErrorCode::newer_format, "a log segment of a newer format")
                    .at(candidate.path, 0)
                    .mismatch("at most " + number(segment_format_version),
                              number(candidate.header.format_version)));
  }
  std::string what;
  std::string expected;
  std::string found;
  if (!candidate.valid()) {
    if (options_.listed && !candidate.listed) {
      result_.strays.push_back({candidate.info, candidate.path, "not listed, and has no header"});
      return false;
    }
    return true;
  }
  if (header.store != result_.store) {
    what = "the segment belongs to another store";
    expected = to_string(result_.store);
    found = to_string(header.store);
  } else if (header.number != candidate.info.number) {
    what = "the segment's number is not that of its file name";
    expected = number(candidate.info.number);
    found = number(header.number);
  } else if (candidate.listed && header.salt != candidate.info.salt) {
    what = "the segment is of another generation than the manifest's";
    expected = "salt " + number(candidate.info.salt);
    found = number(header.salt);
  }
  if (what.empty()) {
    candidate.info.salt = header.salt;
    return true;
  }
  if (!candidate.listed) {
    result_.strays.push_back({candidate.info, candidate.path, what});
    return false;
  }
  SELVEDGE_TRY(damage(Error(ErrorCode::corruption, std::move(what))
                          .at(candidate.path, 0)
                          .mismatch(std::move(expected), std::move(found))));
  cut_ = false;
  candidate.header.state = SegmentHeaderState::damaged;
  return true;
}

Status LogScan::choose_start() {
  if (options_.from_sequence == 0) {
    return {};
  }
  const std::uint64_t wanted = options_.also_sequence == 0
                                   ? options_.from_sequence
                                   : std::min(options_.from_sequence, options_.also_sequence);
  std::optional<std::size_t> last;      // that has what is needed
  std::optional<std::size_t> earliest;  // that has what is wanted besides
  const Candidate* first_valid = nullptr;
  for (std::size_t index = 0; index < candidates_.size(); ++index) {
    if (!candidates_[index].valid()) {
      continue;
    }
    first_valid = first_valid == nullptr ? &candidates_[index] : first_valid;
    if (candidates_[index].header.header.first_sequence <= options_.from_sequence) {
      last = index;
    }
    if (candidates_[index].header.header.first_sequence <= wanted) {
      earliest = index;
    }
  }
  if (last) {
    start_ = earliest.value_or(*last);
    pass_over(start_);
    return {};
  }
  next_ = options_.from_sequence;
  known_ = true;
  if (first_valid == nullptr) {
    return {};
  }
  result_.beginning_missing = true;
  return damage(Error(ErrorCode::corruption, "the log's beginning is missing")
                    .at(first_valid->path, 0)
                    .mismatch("a segment that begins at or before sequence " + number(next_),
                              number(first_valid->header.header.first_sequence)));
}

/// Segments that hold nothing that is needed: known by their headers only.
void LogScan::pass_over(std::size_t count) {
  for (std::size_t index = 0; index < count; ++index) {
    const Candidate& candidate = candidates_[index];
    if (!candidate.valid()) {
      result_.unused.push_back({candidate.info, candidate.path,
                                "no valid header, and before everything that is needed"});
      continue;
    }
    const auto successor =
        std::find_if(candidates_.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                     candidates_.end(), [](const Candidate& c) { return c.valid(); });
    SegmentExtent extent;
    extent.info = candidate.info;
    extent.path = candidate.path;
    extent.first_sequence = candidate.header.header.first_sequence;
    extent.next_sequence = successor->header.header.predecessor_last + 1;
    extent.file_bytes = candidate.file_bytes;
    extent.created_at_us = candidate.header.header.created_at_us;
    result_.segments.push_back(std::move(extent));
  }
}

Status LogScan::scan_candidate(std::size_t index) {
  const Candidate& candidate = candidates_[index];
  if (!candidate.valid()) {
    return judge_headless(index);
  }
  SELVEDGE_TRY(const bool belongs, chains(candidate));
  if (cut_) {
    return drop_rest(index);
  }
  return belongs ? read_frames(index) : Status{};
}

/// Whether the segment goes on where the one before ended.
Result<bool> LogScan::chains(const Candidate& candidate) {
  const SegmentHeader& header = candidate.header.header;
  if (!known_) {
    known_ = true;
    next_ = header.first_sequence;
    return true;
  }
  if (result_.end.segment == 0 && header.first_sequence <= next_) {
    next_ = header.first_sequence;  // the first that is read may begin before what is needed
    return true;
  }
  if (header.first_sequence != next_) {
    if (!candidate.listed && header.first_sequence < next_) {
      result_.strays.push_back(
          {candidate.info, candidate.path, "begins before the end of the segment before it"});
      return false;
    }
    SELVEDGE_TRY(
        damage(Error(ErrorCode::corruption, "the segment does not follow the one before")
                   .at(candidate.path, 0)
                   .mismatch("first sequence " + number(next_), number(header.first_sequence))));
    return false;
  }
  // A seal that is there is the last frame. One that was lost takes nothing with it.
  if (sealed_ && header.predecessor_crc != result_.last_frame_crc) {
    SELVEDGE_TRY(damage(
        Error(ErrorCode::corruption, "the segment follows another history than the one before it")
            .at(candidate.path, 0)
            .mismatch("last frame crc " + number(result_.last_frame_crc),
                      number(header.predecessor_crc))));
    return false;
  }
  return true;
}

Status LogScan::read_frames(std::size_t index) {
  const Candidate& candidate = candidates_[index];
  SELVEDGE_TRY(SegmentReader reader,
               SegmentReader::open(files_, directory_, candidate.info.number));
  SegmentExtent extent;
  extent.info = candidate.info;
  extent.path = candidate.path;
  extent.first_sequence = next_;
  extent.file_bytes = reader.file_bytes();
  extent.created_at_us = candidate.header.header.created_at_us;
  extent.scanned = true;
  reader.start_at(segment_header_bytes, next_, candidate.info.salt);
  for (;;) {
    SELVEDGE_TRY(const ReadStep step, reader.next());
    if (step.kind == ReadStep::Kind::frame) {
      SELVEDGE_TRY(deliver(step.frame, extent));
      continue;
    }
    if (step.kind == ReadStep::Kind::newer_version) {
      return fail(Error(ErrorCode::newer_format, "a log frame of a newer format")
                      .at(reader.path(), step.offset)
                      .mismatch(step.expected, step.found));
    }
    if (step.kind == ReadStep::Kind::sealed) {
      extent.sealed = true;
      seal_ = decode_seal(step.frame.payload);
    } else {
      SELVEDGE_TRY(const bool skipped, skip_regenerable(reader, step, index));
      if (skipped) {
        continue;
      }
    }
    next_ = reader.next_sequence();
    stop_ = {reader.path(), step.offset, step.fault, step.expected, step.found};
    break;
  }
  sealed_ = extent.sealed;
  extent.next_sequence = next_;
  extent.end_offset = reader.offset();
  result_.end = {candidate.info.number, reader.offset()};
  result_.last_frame_crc =
      reader.last_frame_crc() != 0 ? reader.last_frame_crc() : result_.last_frame_crc;
  result_.segments.push_back(std::move(extent));
  return judge_tail(reader.file(), index, candidate.info.salt, candidate.header.header.recycled);
}

Status LogScan::deliver(const FrameView& frame, SegmentExtent& extent) {
  ++extent.frames;
  result_.wall_us = std::max(result_.wall_us, frame.header.wall_us);
  if (frame.header.kind == FrameKind::sync_mark) {
    result_.watermark = std::max(result_.watermark, decode_sync_mark(frame.payload));
    return {};
  }
  extent.entries += frame.header.count;
  result_.last_entries = frame.header;
  result_.last_entries_crc = frame.header_crc;
  const bool also = frame.header.sequence <= options_.also_sequence &&
                    options_.also_sequence <= frame.header.last_sequence();
  if (sink_ && (also || frame.header.last_sequence() >= options_.from_sequence)) {
    return sink_(frame);
  }
  return {};
}

/// A damaged regenerable entry is passed over where it is known to have been acknowledged.
Result<bool> LogScan::skip_regenerable(SegmentReader& reader, const ReadStep& step,
                                       std::size_t index) {
  const FrameHeader& header = step.frame.header;
  if (step.fault != FrameFault::payload_crc || !header.regenerable()) {
    return false;
  }
  const std::uint64_t last = header.last_sequence();
  std::string evidence = later_evidence(index, last);
  if (evidence.empty() && options_.acknowledged >= last) {
    evidence = "the manifest";
  }
  if (evidence.empty()) {
    SELVEDGE_TRY(const TailEvidence tail,
                 search_tail(reader.file(), step.offset, candidates_[index].info.salt));
    if (tail.watermark_max < last) {
      return false;
    }
  }
  result_.skipped.push_back({{reader.number(), step.offset},
                             reader.path(),
                             header,
                             "payload crc: expected " + step.expected + ", found " + step.found});
  reader.skip_damaged(header, step.frame.header_crc);
  result_.last_entries = header;
  result_.last_entries_crc = step.frame.header_crc;
  return true;
}

std::string LogScan::later_evidence(std::size_t index, std::uint64_t sequence) const {
  for (std::size_t later = index + 1; later < candidates_.size(); ++later) {
    const Candidate& candidate = candidates_[later];
    if (!candidate.valid() || candidate.header.header.first_sequence < sequence) {
      continue;
    }
    if (candidate.header.header.first_sequence == sequence) {
      return {};  // it goes on right here
    }
    return candidate.path + " follows sequence " + number(candidate.header.header.predecessor_last);
  }
  return {};
}

/// Reading stopped at `stop_`, where `next_` should be. Damage, or a tail that was never synced?
Status LogScan::judge_tail(File& file, std::size_t index, std::uint32_t salt, bool recycled) {
  const std::string later = later_evidence(index, next_);
  if (!later.empty() && !options_.salvage && !base::mutant(base::Mutant::damage_taken_for_tail)) {
    return fail(damaged_at(stop_, next_, later));
  }
  if (sealed_) {
    return later.empty() ? Status{} : damage(damaged_at(stop_, next_, later));
  }
  SELVEDGE_TRY(const TailEvidence tail, search_tail(file, stop_.offset, salt));
  const std::string mark = "a sync mark @" + number(tail.watermark_offset) + " with watermark " +
                           number(tail.watermark_max);
  const bool stale = recycled && tail.frames == 0 && tail.watermark_max == 0 &&
                     stop_.fault == FrameFault::header_crc;
  const bool acknowledged = (tail.watermark_max >= next_ || !later.empty()) &&
                            !base::mutant(base::Mutant::damage_taken_for_tail);
  if (acknowledged || base::mutant(base::Mutant::tail_taken_for_damage)) {
    SELVEDGE_TRY(damage(damaged_at(stop_, next_, tail.watermark_max >= next_ ? mark : later)));
    drop(stop_, tail, "behind the damage", false);
  } else {
    drop(stop_, tail, stale ? "never written in this generation" : "never synced", stale);
  }
  return {};
}

/// A file without a valid header: prepared and not used, torn in its first group, or damaged.
Status LogScan::judge_headless(std::size_t index) {
  Candidate& candidate = candidates_[index];
  if (candidate.info.salt == 0 && sealed_ && seal_.next_segment == candidate.info.number) {
    candidate.info.salt = seal_.next_salt;
  }
  const bool blank = candidate.header.state == SegmentHeaderState::unused;
  SELVEDGE_TRY(const std::unique_ptr<File> file, files_.open(candidate.path, OpenMode::read));
  SELVEDGE_TRY(const TailEvidence tail, search_tail(*file, 0, candidate.info.salt));
  const bool salted = candidate.info.salt != 0;
  if (blank && (!salted || (tail.frames == 0 && tail.watermark_max == 0))) {
    result_.unused.push_back({candidate.info, candidate.path, "prepared, never used"});
    return {};
  }
  const Stop stop{candidate.path, 0, FrameFault::segment_header,
                  "crc " + number(candidate.header.crc_expected),
                  blank ? "zeros" : number(candidate.header.crc_found)};
  const std::uint64_t expected = known_ ? next_ : tail.sequence_first;
  if (expected != 0) {
    std::string evidence = later_evidence(index, expected);
    if (salted && tail.watermark_max >= expected) {
      evidence = "a sync mark @" + number(tail.watermark_offset) + " with watermark " +
                 number(tail.watermark_max);
    }
    if (!evidence.empty()) {
      SELVEDGE_TRY(damage(damaged_at(stop, expected, evidence)));
    }
  }
  drop(stop, tail, cut_ ? "behind the damage" : "its first group was never synced", false);
  if (known_ && tail.frames != 0) {
    stop_ = stop;
  }
  return {};
}

void LogScan::drop(const Stop& stop, const TailEvidence& evidence, std::string reason, bool stale) {
  if (evidence.written_end <= stop.offset) {
    return;
  }
  DroppedRange range;
  range.path = stop.path;
  range.offset = stop.offset;
  range.bytes = evidence.written_end - stop.offset;
  range.expected_sequence = next_;
  range.frames = evidence.frames;
  range.sequence_first = evidence.sequence_first;
  range.sequence_last = evidence.sequence_last;
  range.fault = stop.fault;
  range.stale = stale;
  range.reason = std::move(reason);
  result_.dropped.push_back(std::move(range));
}

/// Salvage: the segments behind the damage.
Status LogScan::drop_rest(std::size_t index) {
  cut_ = true;
  for (; index < candidates_.size(); ++index) {
    const Candidate& candidate = candidates_[index];
    SELVEDGE_TRY(const std::unique_ptr<File> file, files_.open(candidate.path, OpenMode::read));
    SELVEDGE_TRY(const TailEvidence tail, search_tail(*file, 0, candidate.info.salt));
    if (candidate.header.state == SegmentHeaderState::unused && tail.frames == 0) {
      result_.unused.push_back({candidate.info, candidate.path, "prepared, never used"});
      continue;
    }
    drop({candidate.path, 0, FrameFault::none, {}, {}}, tail, "behind the damage", false);
  }
  candidates_.clear();
  return {};
}

Status LogScan::conclude() {
  if (!known_) {
    next_ = std::max<std::uint64_t>(options_.from_sequence, 1);
  }
  const bool any_listed =
      !options_.listed || std::any_of(candidates_.begin(), candidates_.end(),
                                      [](const Candidate& c) { return c.listed; });
  if (!any_listed && !cut_ && next_ < options_.from_sequence) {
    // Left behind when old segments were dropped: the manifest knows none of them.
    for (SegmentExtent& extent : result_.segments) {
      result_.strays.push_back({extent.info, std::move(extent.path), "ends below what is needed"});
    }
    result_.segments.clear();
    result_.dropped.clear();
    result_.skipped.clear();
    result_.end = {};
    result_.last_frame_crc = 0;
    sealed_ = false;
    next_ = options_.from_sequence;
  }
  const std::uint64_t needed = options_.from_sequence == 0 ? 0 : options_.from_sequence - 1;
  const std::uint64_t acknowledged = std::max(options_.acknowledged, needed);
  if (acknowledged >= next_ && !result_.damage) {
    if (stop_.path.empty()) {
      stop_.path = directory_;
    }
    SELVEDGE_TRY(damage(
        damaged_at(stop_, next_, "the manifest or a snapshot, up to " + number(acknowledged))));
  }
  result_.next_sequence = next_;
  result_.closed_cleanly = sealed_ && seal_.next_segment == 0 && result_.dropped.empty();
  return {};
}

Status LogScan::damage(Error error) {
  if (!options_.salvage) {
    return fail(std::move(error));
  }
  if (!result_.damage) {
    result_.damage = std::move(error);
  }
  cut_ = true;
  return {};
}

Error LogScan::damaged_at(const Stop& stop, std::uint64_t sequence,
                          const std::string& evidence) const {
  Error error(ErrorCode::corruption,
              "entry " + number(sequence) + " was acknowledged (" + evidence +
                  ") and is not there: " + std::string(to_string(stop.fault)));
  const std::optional<std::uint64_t> offset =
      stop.path == directory_ ? std::nullopt : std::optional(stop.offset);
  if (stop.expected.empty() && stop.found.empty()) {
    return std::move(error)
        .at(stop.path, offset)
        .mismatch("the frame of sequence " + number(sequence),
                  stop.fault == FrameFault::none ? "the end of the log" : "zeros");
  }
  return std::move(error).at(stop.path, offset).mismatch(stop.expected, stop.found);
}

}  // namespace selvedge::wal
