// Frames: the unit in which the log is written, checked and read.
//
//   offset  bytes
//        0  u32  header_crc      CRC-32C of bytes 4 to the end of the header, started from the
//                                segment's salt
//        4  u32  payload_bytes   at most payload_bytes_max
//        8  u64  sequence        of the first entry; of the next entry when count is 0
//       16  u64  transaction     0 = none
//       24  u32  count           entries: the frame covers sequence .. sequence + count - 1
//       28  u32  payload_crc     CRC-32C of the payload, no salt
//       32  u8   kind
//       33  u8   flags
//       34  u8   format_version  1
//       35  u8   reserved        0
//       36  u32  reserved        0
//       40  u64  wall_us         microseconds since 1970 (UTC); never less than in the frame before
//       48  u64  entity          only with the flag `regenerable`; part of the header
//            payload, then zeros up to a multiple of 8
//
// The payload CRC needs no salt: it is covered by the header's, so a payload left over from an
// earlier life of the file passes only if it is byte for byte the right one.
// Numbers are little-endian. A salt of another generation changes every header CRC.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace selvedge::wal {

inline constexpr std::size_t frame_header_bytes = 48;
inline constexpr std::size_t frame_extension_bytes = 8;
inline constexpr std::size_t frame_alignment_bytes = 8;
inline constexpr std::uint32_t payload_bytes_max = 64U << 20;
inline constexpr std::uint8_t frame_format_version = 1;

enum class FrameKind : std::uint8_t {
  operations = 1,  ///< entries; the payload belongs to the layers above
  sync_mark = 2,   ///< first in each write group: the durable watermark known when it was built
  seal = 3,        ///< last in a segment: number and salt of the next one, or zeros after a close
  checkpoint = 4,  ///< an entry about the log itself; the payload belongs to the layers above
};

/// Bits of FrameHeader::flags.
namespace frame_flags {
inline constexpr std::uint8_t begin = 1;
inline constexpr std::uint8_t commit = 2;
inline constexpr std::uint8_t abort = 4;
inline constexpr std::uint8_t regenerable = 8;
inline constexpr std::uint8_t all = begin | commit | abort | regenerable;
}  // namespace frame_flags

/// FrameParts::transaction: the sequence of this frame's first entry (rule: a transaction's number
/// is the sequence of its begin).
inline constexpr std::uint64_t transaction_self = std::numeric_limits<std::uint64_t>::max();

struct FrameHeader {
  std::uint64_t sequence = 0;
  std::uint64_t transaction = 0;
  std::uint64_t wall_us = 0;
  std::uint64_t entity = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t count = 0;
  std::uint32_t payload_crc = 0;
  FrameKind kind = FrameKind::operations;
  std::uint8_t flags = 0;

  [[nodiscard]] constexpr bool regenerable() const {
    return (flags & frame_flags::regenerable) != 0;
  }
  /// The sequence that the frame after this one must have.
  [[nodiscard]] constexpr std::uint64_t next_sequence() const { return sequence + count; }
  /// Of a frame with count > 0.
  [[nodiscard]] constexpr std::uint64_t last_sequence() const { return sequence + count - 1; }
  [[nodiscard]] constexpr std::size_t header_bytes() const {
    return frame_header_bytes + (regenerable() ? frame_extension_bytes : 0);
  }
  /// Header, payload and padding.
  [[nodiscard]] constexpr std::uint64_t frame_bytes() const {
    const std::uint64_t bytes = header_bytes() + std::uint64_t{payload_bytes};
    return (bytes + frame_alignment_bytes - 1) & ~std::uint64_t{frame_alignment_bytes - 1};
  }
  bool operator==(const FrameHeader&) const = default;
};

/// Bytes in the log of a frame with this payload: what `Log::enter` is told.
constexpr std::uint64_t frame_bytes(std::uint64_t payload_bytes, std::uint8_t flags = 0) {
  const std::uint64_t header =
      frame_header_bytes + ((flags & frame_flags::regenerable) != 0 ? frame_extension_bytes : 0);
  return (header + payload_bytes + frame_alignment_bytes - 1) &
         ~std::uint64_t{frame_alignment_bytes - 1};
}

/// What an appender hands over. The CRC is computed outside the log lock: `payload_crc(parts)`.
struct FrameParts {
  FrameKind kind = FrameKind::operations;
  std::uint8_t flags = 0;
  std::uint64_t transaction = 0;  ///< 0 = none, `transaction_self`, or a number
  std::uint32_t count = 1;
  std::uint32_t payload_crc = 0;  ///< CRC-32C of the parts, one after another
  std::uint64_t wall_us = 0;      ///< now; raised to that of the frame before if it is less
  std::uint64_t entity = 0;       ///< with `regenerable`
  std::array<std::span<const std::byte>, 3> payload{};
};

/// CRC-32C of up to three spans, one after another.
std::uint32_t payload_crc(std::span<const std::byte> first, std::span<const std::byte> second = {},
                          std::span<const std::byte> third = {});

/// Why bytes are not the frame that must stand there.
enum class FrameFault : std::uint8_t {
  none,
  zeros,           ///< nothing was written here
  cut_off,         ///< the file ends inside the frame
  header_crc,      ///< torn, damaged, or of another generation
  length,          ///< the CRC holds, the payload is over its limit
  malformed,       ///< the CRC holds, the fields contradict each other
  payload_crc,     ///< the header holds, the payload does not
  sequence,        ///< a sound frame, but not the next one
  segment_header,  ///< the segment's own header does not verify
  newer_version,   ///< the CRC holds, a later library wrote it
};
std::string_view to_string(FrameFault fault);

/// Writes the header (56 bytes with the extension); returns the header CRC.
std::uint32_t encode_frame_header(const FrameHeader& header, std::uint32_t salt, std::byte* to);

struct DecodedFrame {
  FrameFault fault = FrameFault::none;
  FrameHeader header;            ///< whole when fault is none, else only what the CRC vouches for
  std::uint32_t header_crc = 0;  ///< as found
  std::uint32_t header_crc_expected = 0;  ///< as computed
};

/// Decodes a header out of at most `bytes`; the payload is not looked at. Allocates nothing.
DecodedFrame decode_frame_header(std::span<const std::byte> bytes, std::uint32_t salt);

/// Payload of a seal: where the log goes on. Zeros: nowhere, the store was closed.
struct SealPayload {
  std::uint64_t next_segment = 0;
  std::uint32_t next_salt = 0;
};
inline constexpr std::size_t sync_mark_payload_bytes = 8;
inline constexpr std::size_t seal_payload_bytes = 16;
inline constexpr std::uint64_t sync_mark_frame_bytes = frame_bytes(sync_mark_payload_bytes);
inline constexpr std::uint64_t seal_frame_bytes = frame_bytes(seal_payload_bytes);
static_assert(sync_mark_frame_bytes == 56);
static_assert(seal_frame_bytes == 64);

/// Both write a whole frame, payload included, and return the header CRC.
std::uint32_t encode_sync_mark(std::uint64_t next_sequence, std::uint64_t wall_us,
                               std::uint64_t durable, std::uint32_t salt, std::byte* to);
std::uint32_t encode_seal(std::uint64_t next_sequence, std::uint64_t wall_us,
                          const SealPayload& payload, std::uint32_t salt, std::byte* to);

/// Of payloads whose CRC holds and whose size the decoder has checked.
std::uint64_t decode_sync_mark(std::span<const std::byte> payload);
SealPayload decode_seal(std::span<const std::byte> payload);

}  // namespace selvedge::wal
