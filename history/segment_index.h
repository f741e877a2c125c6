// Where things are in one segment of the log: derived, never trusted over it.
//
// history/NNNNNN.idx:
//   offset  bytes
//        0  8    magic "SELVIDX1"
//        8  u32  format version 1
//       12  u32  salt                of the segment's generation
//       16  16   store UUID
//       32  u64  segment number
//       40  u64  first sequence
//       48  u64  next sequence       behind the segment's last entry
//       56  u64  end offset          behind its last frame with entries
//       64  u32  marks
//       68  u32  frames              of transactions that are in more than one frame
//       72       marks:  varint sequence, varint offset / 8, each less the one before
//        ..      frames: varint sequence, varint offset / 8, each less the one before,
//                        varint (sequence - transaction) << 1 | ends the transaction
//        ..  u32 CRC-32C of everything before
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/uuid.h>

#include "base/bytes.h"
#include "wal/frame.h"

namespace selvedge::history {

inline constexpr std::uint32_t index_format_version = 1;
/// A look-up reads at most this much of the log, and the frame that begins before it ends.
inline constexpr std::uint64_t mark_distance_bytes = 64U << 10;

/// Which segment, of which generation and length, an index is of.
struct SegmentIdentity {
  Uuid store;
  std::uint64_t number = 0;
  std::uint32_t salt = 0;
  std::uint64_t first_sequence = 0;
  bool operator==(const SegmentIdentity&) const = default;
};

/// A frame's place: its first sequence, and where it begins.
struct FramePlace {
  std::uint64_t sequence = 0;
  std::uint64_t offset = 0;
  bool operator==(const FramePlace&) const = default;
};

/// Role: finds frames of one segment by sequence, and those of one streamed transaction.
/// Invariants: covers sequences from `identity().first_sequence` to `next_sequence() - 1`; places
///   rise.
/// Threads: a value.
/// After failure: `decode` gives nothing; the caller builds it anew from the log.
class SegmentIndex {
 public:
  explicit SegmentIndex(const SegmentIdentity& identity);

  /// Takes the next frame with entries.
  void add(const wal::FrameHeader& header, std::uint64_t offset);

  [[nodiscard]] const SegmentIdentity& identity() const { return identity_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] std::uint64_t end_offset() const { return end_offset_; }
  /// The newest mark at or before a sequence of this segment.
  [[nodiscard]] FramePlace find(std::uint64_t sequence) const;
  /// Frames of a streamed transaction here, in order; `ended` is set if its last is among them.
  [[nodiscard]] std::vector<FramePlace> frames_of(std::uint64_t transaction, bool& ended) const;

  [[nodiscard]] std::vector<std::byte> encode() const;
  /// `corruption` for anything but what `encode` writes.
  static Result<SegmentIndex> decode(std::span<const std::byte> bytes, const std::string& path);

 private:
  struct StreamFrame {
    FramePlace place;
    std::uint64_t transaction = 0;
    bool ends = false;
  };
  bool take_places(ByteReader& reader, std::uint32_t marks, std::uint32_t frames);

  SegmentIdentity identity_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t end_offset_ = 0;
  std::vector<FramePlace> marks_;
  std::vector<StreamFrame> frames_;
};

/// "000012.idx".
std::string index_name(std::uint64_t number);

}  // namespace selvedge::history
