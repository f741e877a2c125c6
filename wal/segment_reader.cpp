#include "wal/segment_reader.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mutants.h"
#include "io/file_util.h"

namespace selvedge::wal {

namespace {

std::string hex(std::uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", static_cast<unsigned>(value));
  return text.data();
}

}  // namespace

SegmentReader::SegmentReader() = default;
SegmentReader::SegmentReader(SegmentReader&&) noexcept = default;
SegmentReader& SegmentReader::operator=(SegmentReader&&) noexcept = default;
SegmentReader::~SegmentReader() = default;

Result<SegmentReader> SegmentReader::open(FileSystem& files, const std::string& directory,
                                          std::uint64_t number) {
  SELVEDGE_TRY(std::unique_ptr<File> file,
               files.open(segment_path(directory, number), OpenMode::read));
  return open(std::move(file), number);
}

Result<SegmentReader> SegmentReader::open(std::unique_ptr<File> file, std::uint64_t number) {
  SegmentReader reader;
  reader.number_ = number;
  reader.path_ = file->path();
  reader.file_ = std::move(file);
  SELVEDGE_TRY(reader.file_bytes_, reader.file_->size());
  std::array<std::byte, segment_header_bytes> bytes{};
  // A shorter file reads as if zeros followed: unused if it is empty, damaged if not.
  SELVEDGE_TRY(io::read_up_to(*reader.file_, 0, bytes));
  reader.header_ = decode_segment_header(bytes);
  if (reader.header_.state == SegmentHeaderState::valid) {
    reader.salt_ = reader.header().salt;
    reader.next_sequence_ = reader.header().first_sequence;
  }
  return reader;
}

void SegmentReader::start_at(std::uint64_t offset, std::uint64_t next_sequence,
                             std::uint32_t salt) {
  offset_ = offset;
  next_sequence_ = next_sequence;
  salt_ = salt;
  sealed_ = false;
}

Result<std::span<const std::byte>> SegmentReader::window(std::size_t bytes) {
  const std::uint64_t left = file_bytes_ > offset_ ? file_bytes_ - offset_ : 0;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left));
  const bool held =
      offset_ >= buffer_offset_ && offset_ - buffer_offset_ + wanted <= buffer_filled_;
  if (!held) {
    const std::size_t fill =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(wanted, buffer_bytes), left));
    if (buffer_.size() < fill) {
      buffer_.resize(fill);
    }
    buffer_filled_ = 0;
    SELVEDGE_TRY(const std::size_t got,
                 io::read_up_to(*file_, offset_, std::span(buffer_).first(fill)));
    buffer_offset_ = offset_;
    buffer_filled_ = got;
  }
  const auto at = static_cast<std::size_t>(offset_ - buffer_offset_);
  return std::span<const std::byte>(buffer_).subspan(at, std::min(wanted, buffer_filled_ - at));
}

ReadStep SegmentReader::bad(FrameFault fault, std::string expected, std::string found) const {
  ReadStep step;
  step.kind = ReadStep::Kind::bad;
  step.fault = fault;
  step.offset = offset_;
  step.expected = std::move(expected);
  step.found = std::move(found);
  return step;
}

ReadStep SegmentReader::bad_header(const DecodedFrame& decoded) const {
  switch (decoded.fault) {
    case FrameFault::header_crc:
      return bad(decoded.fault, hex(decoded.header_crc_expected), hex(decoded.header_crc));
    case FrameFault::length:
      return bad(decoded.fault, "at most " + std::to_string(payload_bytes_max),
                 std::to_string(decoded.header.payload_bytes));
    case FrameFault::cut_off:
      return bad(decoded.fault, std::to_string(frame_header_bytes) + " bytes",
                 std::to_string(file_bytes_ - offset_));
    default:
      return bad(decoded.fault, "a frame of format " + std::to_string(frame_format_version),
                 "kind " + std::to_string(static_cast<unsigned>(decoded.header.kind)) + ", flags " +
                     std::to_string(decoded.header.flags) + ", count " +
                     std::to_string(decoded.header.count));
  }
}

Result<ReadStep> SegmentReader::next() {
  ReadStep step;
  step.offset = offset_;
  if (sealed_) {
    step.kind = ReadStep::Kind::sealed;
    return step;
  }
  SELVEDGE_TRY(const auto head, window(frame_header_bytes + frame_extension_bytes));
  const DecodedFrame decoded = decode_frame_header(head, salt_);
  switch (decoded.fault) {
    case FrameFault::none: break;
    case FrameFault::zeros: step.fault = FrameFault::zeros; return step;
    case FrameFault::newer_version:
      step = bad(decoded.fault, "at most " + std::to_string(frame_format_version), "a later one");
      step.kind = ReadStep::Kind::newer_version;
      return step;
    default: return bad_header(decoded);
  }
  if (decoded.header.sequence != next_sequence_) {
    return bad(FrameFault::sequence, std::to_string(next_sequence_),
               std::to_string(decoded.header.sequence));
  }
  return take(decoded);
}

/// The header is sound: its length may be believed.
Result<ReadStep> SegmentReader::take(const DecodedFrame& decoded) {
  const FrameHeader& header = decoded.header;
  const std::size_t bytes = header.header_bytes() + header.payload_bytes;
  SELVEDGE_TRY(const auto whole, window(bytes));
  if (whole.size() < bytes) {
    return bad(FrameFault::cut_off, std::to_string(bytes) + " bytes", std::to_string(whole.size()));
  }
  const auto payload = whole.subspan(header.header_bytes());
  const std::uint32_t crc = base::crc32c(payload);
  ReadStep step;
  if (crc != header.payload_crc && !base::mutant(base::Mutant::payload_crc_ignored)) {
    step = bad(FrameFault::payload_crc, hex(header.payload_crc), hex(crc));
  }
  step.offset = offset_;
  step.frame.header = header;
  step.frame.location = {number_, offset_};
  step.frame.header_crc = decoded.header_crc;
  if (step.fault != FrameFault::none) {
    return step;
  }
  step.frame.payload = payload;
  sealed_ = header.kind == FrameKind::seal;
  step.kind = sealed_ ? ReadStep::Kind::sealed : ReadStep::Kind::frame;
  skip_damaged(header, decoded.header_crc);
  return step;
}

void SegmentReader::skip_damaged(const FrameHeader& header, std::uint32_t header_crc) {
  offset_ += header.frame_bytes();
  next_sequence_ = header.next_sequence();
  last_frame_crc_ = header_crc;
}

namespace {

/// Looks through a file for frames of one generation, window by window.
class TailSearch {
 public:
  TailSearch(File& file, std::uint32_t salt, std::uint64_t file_bytes)
      : file_(file), salt_(salt), file_bytes_(file_bytes) {}

  Result<TailEvidence> run(std::uint64_t offset) {
    at_ = (offset + frame_alignment_bytes - 1) & ~std::uint64_t{frame_alignment_bytes - 1};
    if (at_ < file_bytes_) {
      buffer_.resize(static_cast<std::size_t>(
          std::min<std::uint64_t>(window_bytes + header_room, file_bytes_ - at_)));
    }
    while (at_ < file_bytes_) {
      const std::uint64_t left = file_bytes_ - at_;
      SELVEDGE_TRY(filled_, io::read_up_to(file_, at_,
                                           std::span(buffer_).first(static_cast<std::size_t>(
                                               std::min<std::uint64_t>(buffer_.size(), left)))));
      if (filled_ == 0) {
        break;
      }
      window_ = at_;
      const std::uint64_t end = window_ + std::min(filled_, window_bytes);
      const std::uint64_t written = std::min(end, note_written());
      while (at_ < written) {
        SELVEDGE_TRY(const std::uint64_t step, look());
        at_ += step;
      }
      at_ = std::max(at_, end);  // zeros are no frames
    }
    return evidence_;
  }

 private:
  static constexpr std::size_t window_bytes = 1U << 20;
  static constexpr std::size_t header_room = 64;  // a whole sync mark behind the window's end

  /// Behind it the window holds zeros.
  std::uint64_t note_written() {
    std::size_t end = filled_;
    while (end >= sizeof(std::uint64_t) && load_le<std::uint64_t>(&buffer_[end - 8]) == 0) {
      end -= sizeof(std::uint64_t);
    }
    while (end > 0 && buffer_[end - 1] == std::byte{0}) {
      --end;
    }
    if (end != 0) {
      evidence_.written_end = std::max(evidence_.written_end, window_ + end);
    }
    return window_ + end;
  }

  /// Bytes to go on by: 8, or over the sound frame that stands here.
  Result<std::uint64_t> look() {
    const auto bytes = std::span<const std::byte>(buffer_).first(filled_).subspan(
        static_cast<std::size_t>(at_ - window_));
    if (bytes.size() < frame_header_bytes || load_le<std::uint64_t>(bytes.data()) == 0 ||
        bytes[34] != std::byte{frame_format_version} || bytes[35] != std::byte{0}) {
      return frame_alignment_bytes;
    }
    const DecodedFrame decoded = decode_frame_header(bytes, salt_);
    if (decoded.fault != FrameFault::none) {
      return frame_alignment_bytes;
    }
    SELVEDGE_TRY(const bool sound, payload_holds(decoded.header));
    if (!sound) {
      return frame_alignment_bytes;
    }
    note(decoded.header, bytes);
    return decoded.header.frame_bytes();
  }

  void note(const FrameHeader& header, std::span<const std::byte> bytes) {
    if (header.kind == FrameKind::sync_mark) {
      const std::uint64_t watermark =
          decode_sync_mark(bytes.subspan(frame_header_bytes, sync_mark_payload_bytes));
      if (watermark >= evidence_.watermark_max) {
        evidence_.watermark_max = watermark;
        evidence_.watermark_offset = at_;
      }
    } else if (header.count > 0) {
      ++evidence_.frames;
      if (evidence_.sequence_first == 0) {
        evidence_.sequence_first = header.sequence;
      }
      evidence_.sequence_first = std::min(evidence_.sequence_first, header.sequence);
      evidence_.sequence_last = std::max(evidence_.sequence_last, header.last_sequence());
    }
  }

  Result<bool> payload_holds(const FrameHeader& header) {
    std::uint64_t from = at_ + header.header_bytes();
    if (from + header.payload_bytes > file_bytes_) {
      return false;
    }
    if (from + header.payload_bytes <= window_ + filled_) {
      return base::crc32c({buffer_.data() + (from - window_), header.payload_bytes}) ==
             header.payload_crc;
    }
    std::vector<std::byte> piece(std::min<std::size_t>(header.payload_bytes, window_bytes));
    std::uint32_t crc = 0;
    for (std::uint64_t left = header.payload_bytes; left > 0;) {
      const auto part = std::span(piece).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size())));
      SELVEDGE_TRY(io::read_exact(file_, from, part));
      crc = base::crc32c(crc, part);
      from += part.size();
      left -= part.size();
    }
    return crc == header.payload_crc;
  }

  File& file_;
  const std::uint32_t salt_;
  const std::uint64_t file_bytes_;
  std::vector<std::byte> buffer_;
  std::size_t filled_ = 0;
  std::uint64_t window_ = 0;
  std::uint64_t at_ = 0;
  TailEvidence evidence_;
};

}  // namespace

Result<TailEvidence> search_tail(File& file, std::uint64_t offset, std::uint32_t salt) {
  SELVEDGE_TRY(const std::uint64_t file_bytes, file.size());
  return TailSearch(file, salt, file_bytes).run(offset);
}

}  // namespace selvedge::wal
