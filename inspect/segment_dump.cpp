#include <selvedge/inspect.h>

#include <utility>

#include "history/archive.h"
#include "inspect/store_files.h"
#include "wal/segment_reader.h"

namespace selvedge {

namespace inspect {

namespace {

std::string file_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

SegmentFrameKind kind_of(wal::FrameKind kind) {
  switch (kind) {
    case wal::FrameKind::operations: return SegmentFrameKind::operations;
    case wal::FrameKind::sync_mark: return SegmentFrameKind::sync_mark;
    case wal::FrameKind::seal: return SegmentFrameKind::seal;
    case wal::FrameKind::checkpoint: break;
  }
  return SegmentFrameKind::checkpoint;
}

}  // namespace

/// Role: a segment's reader, and what it gave last.
/// Threads: one.
/// After failure: stays at its end.
class SegmentFrames {
 public:
  SegmentFrames(wal::SegmentReader reader, bool compressed) : reader_(std::move(reader)) {
    const wal::SegmentHeader& header = reader_.header();
    header_ = {header.store,
               header.number,
               reader_.file_bytes(),
               header.salt,
               header.recycled,
               compressed,
               {header.first_sequence},
               {header.predecessor_last},
               {static_cast<std::int64_t>(header.created_at_us)}};
  }

  bool next() {
    if (over_) {
      return false;
    }
    auto step = reader_.next();
    if (!step) {
      over_ = true;
      status_ = fail(std::move(step).error());
      return false;
    }
    // A seal is told twice: as a frame when it is met, and as an end from then on.
    const bool met = step->kind == wal::ReadStep::Kind::frame ||
                     (step->kind == wal::ReadStep::Kind::sealed && !sealed_);
    const bool passable = step->fault == wal::FrameFault::payload_crc;
    if (!met && !passable) {
      over_ = true;
      status_ = conclude(*step);
      return false;
    }
    sealed_ = step->kind == wal::ReadStep::Kind::sealed;
    show(*step, passable);
    if (passable) {
      fault_ = fault_of(*step);
      end_ = SegmentEnd::damaged;
      reader_.skip_damaged(step->frame.header, step->frame.header_crc);
    }
    return true;
  }

  [[nodiscard]] const SegmentHeaderFacts& header() const { return header_; }
  [[nodiscard]] const SegmentFrame& frame() const { return frame_; }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] SegmentEnd end() const { return end_; }
  [[nodiscard]] std::uint64_t end_offset() const { return reader_.offset(); }
  [[nodiscard]] const Status& fault() const { return fault_; }

 private:
  void show(const wal::ReadStep& step, bool damaged) {
    const wal::FrameHeader& header = step.frame.header;
    const auto has = [&](std::uint8_t flag) { return (header.flags & flag) != 0; };
    frame_ = {};
    frame_.offset = step.offset;
    frame_.bytes = header.frame_bytes();
    frame_.kind = kind_of(header.kind);
    frame_.sequence = {header.sequence};
    frame_.count = header.count;
    frame_.transaction = {header.transaction};
    frame_.begin = has(wal::frame_flags::begin);
    frame_.commit = has(wal::frame_flags::commit);
    frame_.abort = has(wal::frame_flags::abort);
    frame_.regenerable = header.regenerable();
    frame_.damaged = damaged;
    frame_.payload_bytes = header.payload_bytes;
    frame_.payload_crc = header.payload_crc;
    frame_.timestamp = {static_cast<std::int64_t>(header.wall_us)};
    if (!damaged && header.kind == wal::FrameKind::sync_mark) {
      frame_.watermark = {wal::decode_sync_mark(step.frame.payload)};
    } else if (!damaged && header.kind == wal::FrameKind::seal) {
      frame_.next_segment = wal::decode_seal(step.frame.payload).next_segment;
    }
  }

  /// A compressed segment ends with its last entry: it needs no seal.
  Status conclude(const wal::ReadStep& step) {
    const bool faulty = !fault_;  // one that was passed over: the end is not sound any more
    switch (step.kind) {
      case wal::ReadStep::Kind::sealed: end_ = SegmentEnd::sealed; break;
      case wal::ReadStep::Kind::unwritten: end_ = SegmentEnd::unwritten; break;
      default: {
        SELVEDGE_TRY(const auto behind,
                     wal::search_tail(reader_.file(), reader_.offset(), header_.salt));
        // Of this generation nothing stands behind: what is there, an earlier one left.
        const bool stale = header_.recycled && behind.frames == 0 && behind.watermark_max == 0 &&
                           step.fault == wal::FrameFault::header_crc;
        end_ = stale ? SegmentEnd::stale : SegmentEnd::damaged;
        if (!stale && !faulty) {
          fault_ = fault_of(step, &behind);
        }
      }
    }
    if (faulty) {
      end_ = SegmentEnd::damaged;
    }
    return {};
  }

  Status fault_of(const wal::ReadStep& step, const wal::TailEvidence* behind = nullptr) const {
    std::string what = "no sound frame: " + std::string(to_string(step.fault));
    if (behind != nullptr && behind->frames > 0) {
      what += "; behind it stand " + std::to_string(behind->frames) + " sound frames, sequences " +
              std::to_string(behind->sequence_first) + " to " +
              std::to_string(behind->sequence_last);
    }
    return fail(Error(step.kind == wal::ReadStep::Kind::newer_version ? ErrorCode::newer_format
                                                                      : ErrorCode::corruption,
                      std::move(what))
                    .at(reader_.path(), step.offset)
                    .mismatch(step.expected, step.found));
  }

  wal::SegmentReader reader_;
  SegmentHeaderFacts header_;
  SegmentFrame frame_;
  Status status_;
  Status fault_;
  SegmentEnd end_ = SegmentEnd::unwritten;
  bool over_ = false;
  bool sealed_ = false;
};

namespace {

Result<wal::SegmentReader> open_reader(FileSystem& files, const std::string& path,
                                       bool& compressed) {
  constexpr std::string_view packed = ".zst";
  std::string name = file_name(path);
  compressed = name.size() > packed.size() && name.ends_with(packed);
  if (compressed) {
    name.resize(name.size() - packed.size());
  }
  const auto number = wal::segment_number(name);
  if (!number) {
    return fail(Error(ErrorCode::invalid_argument, "this is no segment of a log, by its name")
                    .at(path)
                    .mismatch("000001.wal or 000001.wal.zst", file_name(path)));
  }
  if (compressed) {
    SELVEDGE_TRY(auto archive, history::ArchiveFile::open(files, path));
    return wal::SegmentReader::open(std::move(archive), *number);
  }
  SELVEDGE_TRY(auto file, files.open(path, OpenMode::read));
  return wal::SegmentReader::open(std::move(file), *number);
}

}  // namespace

}  // namespace inspect

std::string_view to_string(SegmentFrameKind kind) {
  switch (kind) {
    case SegmentFrameKind::operations: return "operations";
    case SegmentFrameKind::sync_mark: return "sync_mark";
    case SegmentFrameKind::seal: return "seal";
    case SegmentFrameKind::checkpoint: break;
  }
  return "checkpoint";
}

std::string_view to_string(SegmentEnd end) {
  switch (end) {
    case SegmentEnd::sealed: return "sealed";
    case SegmentEnd::unwritten: return "unwritten";
    case SegmentEnd::stale: return "stale";
    case SegmentEnd::damaged: break;
  }
  return "damaged";
}

SegmentDump::SegmentDump(std::unique_ptr<inspect::SegmentFrames> impl) : impl_(std::move(impl)) {}
SegmentDump::SegmentDump(SegmentDump&&) noexcept = default;
SegmentDump& SegmentDump::operator=(SegmentDump&&) noexcept = default;
SegmentDump::~SegmentDump() = default;

Result<SegmentDump> SegmentDump::open(const std::string& path, FileSystem* file_system) {
  FileSystem& files = inspect::files_or_default(file_system);
  bool compressed = false;
  SELVEDGE_TRY(auto reader, inspect::open_reader(files, path, compressed));
  const wal::DecodedSegmentHeader& header = reader.header_state();
  switch (header.state) {
    case wal::SegmentHeaderState::valid: break;
    case wal::SegmentHeaderState::unused:
      return fail(Error(ErrorCode::invalid_argument,
                        "the segment is prepared, and nothing is written in it yet")
                      .at(path));
    case wal::SegmentHeaderState::damaged:
      return fail(Error(ErrorCode::corruption, "the segment's header does not verify")
                      .at(path, 0)
                      .mismatch("crc " + std::to_string(header.crc_expected),
                                std::to_string(header.crc_found)));
    case wal::SegmentHeaderState::newer_version:
      return fail(Error(ErrorCode::newer_format, "the segment is of a later version")
                      .at(path, 0)
                      .mismatch(std::to_string(wal::segment_format_version),
                                std::to_string(header.format_version)));
  }
  return SegmentDump(std::make_unique<inspect::SegmentFrames>(std::move(reader), compressed));
}

const SegmentHeaderFacts& SegmentDump::header() const { return impl_->header(); }
bool SegmentDump::next() { return impl_->next(); }
const SegmentFrame& SegmentDump::frame() const { return impl_->frame(); }
const Status& SegmentDump::status() const { return impl_->status(); }
SegmentEnd SegmentDump::end() const { return impl_->end(); }
std::uint64_t SegmentDump::end_offset() const { return impl_->end_offset(); }
const Status& SegmentDump::fault() const { return impl_->fault(); }

}  // namespace selvedge
