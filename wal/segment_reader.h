// Reads one segment from its start (or from a frame boundary) to its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "wal/frame.h"
#include "wal/segment.h"

#include <selvedge/error.h>
#include <selvedge/file_system.h>

namespace selvedge::wal {

/// Where a frame is: enough to read it again.
struct FrameLocation {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const FrameLocation&) const = default;
};

/// A verified frame. `payload` lives until the reader's next call.
struct FrameView {
  FrameHeader header;
  FrameLocation location;
  std::uint32_t header_crc = 0;
  std::span<const std::byte> payload;
};

/// What stands where the next frame should.
struct ReadStep {
  enum class Kind : std::uint8_t {
    frame,          ///< `frame` is it
    sealed,         ///< a seal, in `frame`: nothing behind it belongs to the segment
    unwritten,      ///< zeros, or the end of the file
    bad,            ///< `fault`, `expected`, `found`
    newer_version,  ///< written by a later library
  };
  Kind kind = Kind::unwritten;
  FrameFault fault = FrameFault::none;
  FrameView frame;  ///< with a payload fault: the header, which is sound
  std::uint64_t offset = 0;
  std::string expected;
  std::string found;
};

/// Reads a segment's frames in order through a bounded buffer.
///
/// *Invariants*: a frame is given out only if its header CRC under the segment's salt, its payload
/// CRC, its fields and its sequence (the one after the frame before) hold. Memory is bounded by
/// `buffer_bytes` plus the largest frame, and nothing is allocated for a length that the header
/// CRC has not vouched for.
/// *Threads*: one reader per thread; several readers may read one file.
/// *After failure*: a step that is not `frame` repeats; an I/O error may be retried.
class SegmentReader {
 public:
  static constexpr std::size_t buffer_bytes = 1U << 20;

  /// Opens the file and reads its header. A header that does not verify is an answer, not an
  /// error: `header_state()`. For such a file the caller may name the salt with `start_at`.
  static Result<SegmentReader> open(FileSystem& files, const std::string& directory,
                                    std::uint64_t number);
  /// Of a file that is open already, whatever its name.
  static Result<SegmentReader> open(std::unique_ptr<File> file, std::uint64_t number);

  SegmentReader(SegmentReader&&) noexcept;
  SegmentReader& operator=(SegmentReader&&) noexcept;
  ~SegmentReader();

  [[nodiscard]] const DecodedSegmentHeader& header_state() const { return header_; }
  [[nodiscard]] const SegmentHeader& header() const { return header_.header; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t number() const { return number_; }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }
  [[nodiscard]] File& file() { return *file_; }

  /// Position of the next frame and the sequence that it must have.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] std::uint32_t last_frame_crc() const { return last_frame_crc_; }

  /// Goes to a frame boundary that was found before.
  void start_at(std::uint64_t offset, std::uint64_t next_sequence, std::uint32_t salt);
  /// Reads the file again from here on: it is being written, and what was read ahead is old.
  void forget_buffer() { buffer_filled_ = 0; }

  /// The next frame, marks and seals included.
  Result<ReadStep> next();

  /// After a step with `FrameFault::payload_crc`: goes on behind that frame.
  void skip_damaged(const FrameHeader& header, std::uint32_t header_crc);

 private:
  SegmentReader();
  /// Makes `bytes` bytes from `offset_` on visible in the buffer, or as many as the file has.
  Result<std::span<const std::byte>> window(std::size_t bytes);
  [[nodiscard]] ReadStep bad(FrameFault fault, std::string expected, std::string found) const;
  [[nodiscard]] ReadStep bad_header(const DecodedFrame& decoded) const;
  Result<ReadStep> take(const DecodedFrame& decoded);

  std::unique_ptr<File> file_;
  std::string path_;
  std::uint64_t number_ = 0;
  std::uint64_t file_bytes_ = 0;
  DecodedSegmentHeader header_;
  std::uint32_t salt_ = 0;
  std::uint64_t offset_ = segment_header_bytes;
  std::uint64_t next_sequence_ = 0;
  std::uint32_t last_frame_crc_ = 0;
  bool sealed_ = false;
  std::vector<std::byte> buffer_;
  std::uint64_t buffer_offset_ = 0;
  std::size_t buffer_filled_ = 0;
};

/// A frame with its own copy of the payload.
struct OwnedFrame {
  FrameHeader header;
  FrameLocation location;
  std::vector<std::byte> payload;
};

/// What lies behind a place where reading stopped: evidence for or against acknowledged data.
struct TailEvidence {
  std::uint64_t watermark_max = 0;     ///< largest in any sound sync mark of the generation
  std::uint64_t watermark_offset = 0;  ///< where that mark is
  std::uint64_t frames = 0;            ///< sound frames with entries
  std::uint64_t sequence_first = 0;    ///< smallest and largest sequence in them; 0 = none
  std::uint64_t sequence_last = 0;
  std::uint64_t written_end = 0;  ///< offset behind the last byte that is not zero; 0 = none
};

/// Looks at every 8-byte boundary from `offset` to the end of the file for frames of `salt`.
Result<TailEvidence> search_tail(File& file, std::uint64_t offset, std::uint32_t salt);

}  // namespace selvedge::wal
