#include "wal/log_scanner.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/crc32c.h"
#include "base/mutants.h"
#include "io/file_util.h"
#include "wal/log_scan.h"

namespace selvedge::wal {

namespace {

constexpr std::size_t erase_bytes = 1U << 20;

bool was_skipped(const LogExtent& log, FrameLocation location) {
  return std::any_of(log.skipped.begin(), log.skipped.end(),
                     [&](const SkippedFrame& frame) { return frame.location == location; });
}

Error changed(const std::string& path, const ReadStep& step) {
  return Error(ErrorCode::corruption, "the log is not as it was when it was verified: " +
                                          std::string(to_string(step.fault)))
      .at(path, step.offset)
      .mismatch(step.expected, step.found);
}

}  // namespace

LogScanner::LogScanner(FileSystem& files, std::string directory)
    : files_(files), directory_(std::move(directory)) {}

Result<LogExtent> LogScanner::scan(const ScanOptions& options, const FrameSink& sink) const {
  return LogScan(files_, directory_, options, sink).run();
}

Status LogScanner::read_segment(const LogExtent& log, const SegmentExtent& segment,
                                const FrameSink& sink) const {
  SELVEDGE_TRY(SegmentReader reader, SegmentReader::open(files_, directory_, segment.info.number));
  reader.start_at(segment_header_bytes, segment.first_sequence, segment.info.salt);
  while (segment.scanned ? reader.offset() < segment.end_offset
                         : reader.next_sequence() < segment.next_sequence) {
    SELVEDGE_TRY(const ReadStep step, reader.next());
    const bool skipped =
        step.fault == FrameFault::payload_crc && was_skipped(log, step.frame.location);
    if (skipped) {
      reader.skip_damaged(step.frame.header, step.frame.header_crc);
    } else if (step.kind == ReadStep::Kind::sealed && segment.sealed) {
      break;
    } else if (step.kind != ReadStep::Kind::frame) {
      return fail(changed(reader.path(), step));
    } else if (step.frame.header.count > 0) {
      SELVEDGE_TRY(sink(step.frame));
    }
  }
  return {};
}

Status LogScanner::read_from(const LogExtent& log, std::uint64_t sequence,
                             const FrameSink& sink) const {
  for (const SegmentExtent& segment : log.segments) {
    if (segment.next_sequence <= sequence) {
      continue;
    }
    SELVEDGE_TRY(read_segment(log, segment, [&](const FrameView& frame) {
      return frame.header.last_sequence() < sequence ? Status{} : sink(frame);
    }));
  }
  return {};
}

Result<OwnedFrame> LogScanner::read_frame(const LogExtent& log, FrameLocation location) const {
  const auto segment = std::find_if(
      log.segments.begin(), log.segments.end(),
      [&](const SegmentExtent& extent) { return extent.info.number == location.segment; });
  if (segment == log.segments.end()) {
    return fail(Error(ErrorCode::not_found, "no such segment in the log")
                    .at(segment_path(directory_, location.segment), location.offset));
  }
  SELVEDGE_TRY(const std::unique_ptr<File> file, files_.open(segment->path, OpenMode::read));
  std::array<std::byte, frame_header_bytes + frame_extension_bytes> head{};
  SELVEDGE_TRY(const std::size_t got, io::read_up_to(*file, location.offset, head));
  const DecodedFrame decoded = decode_frame_header(std::span(head).first(got), segment->info.salt);
  OwnedFrame frame;
  frame.header = decoded.header;
  frame.location = location;
  FrameFault fault = decoded.fault;
  if (fault == FrameFault::none) {
    frame.payload.resize(decoded.header.payload_bytes);
    SELVEDGE_TRY(
        io::read_exact(*file, location.offset + decoded.header.header_bytes(), frame.payload));
    if (base::crc32c(frame.payload) != decoded.header.payload_crc) {
      fault = FrameFault::payload_crc;
    }
  }
  if (fault != FrameFault::none) {
    return fail(Error(ErrorCode::corruption, "the log is not as it was when it was verified: " +
                                                 std::string(to_string(fault)))
                    .at(segment->path, location.offset));
  }
  return frame;
}

Status erase_tail(FileSystem& files, const std::string& path, std::uint64_t offset) {
  SELVEDGE_TRY(const std::unique_ptr<File> file, files.open(path, OpenMode::read_write));
  const std::vector<std::byte> zeros(erase_bytes);
  std::vector<std::byte> piece(erase_bytes);
  for (std::uint64_t at = offset;;) {
    SELVEDGE_TRY(const std::size_t got, io::read_up_to(*file, at, piece));
    if (got == 0) {
      break;
    }
    const auto read = std::span<const std::byte>(piece).first(got);
    const auto blank = std::span<const std::byte>(zeros).first(got);
    if (!std::equal(read.begin(), read.end(), blank.begin())) {
      SELVEDGE_TRY(io::write_all(*file, at, blank));
    }
    at += got;
  }
  // Even if nothing was written: zeros of an interrupted attempt may not be on the disk yet.
  return base::mutant(base::Mutant::tail_erased_unsynced) ? Status{} : file->sync();
}

Status erase_dropped(FileSystem& files, const LogExtent& log) {
  if (base::mutant(base::Mutant::tail_not_erased)) {
    return {};
  }
  for (const DroppedRange& range : log.dropped) {
    SELVEDGE_TRY(erase_tail(files, range.path, range.offset));
  }
  return {};
}

Status make_durable(FileSystem& files, const std::string& directory, const LogExtent& log) {
  for (const SegmentExtent& segment : log.segments) {
    if (segment.scanned && !base::mutant(base::Mutant::recovered_log_unsynced)) {
      SELVEDGE_TRY(const auto file, files.open(segment.path, OpenMode::read_write));
      SELVEDGE_TRY(file->sync());
    }
  }
  return log.segments.empty() ? Status{} : files.sync_dir(directory);
}

}  // namespace selvedge::wal
