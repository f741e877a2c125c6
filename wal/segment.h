// Segment files: name and header.
//
//   offset  bytes
//        0  8    magic "SELVWAL1"
//        8  u32  format version            1
//       12  u32  salt                      of this generation of the file
//       16  16   store UUID
//       32  u64  segment number            equals the number in the file name
//       40  u64  first sequence            of the first entry in it
//       48  u64  predecessor's last sequence
//       56  u64  created at, microseconds since 1970
//       64  u32  predecessor's last frame: its header CRC, 0 = no predecessor
//       68  u32  bit 0: the file is recycled and may hold stale bytes behind the last frame
//       72  52   zeros
//      124  u32  CRC-32C of bytes 0 to 123
//
// Until the segment is used its header is all zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <selvedge/error.h>
#include <selvedge/uuid.h>

namespace selvedge::wal {

inline constexpr std::size_t segment_header_bytes = 128;
inline constexpr std::uint32_t segment_format_version = 1;

/// What the manifest keeps of each segment.
struct SegmentInfo {
  std::uint64_t number = 0;
  std::uint32_t salt = 0;
  bool operator==(const SegmentInfo&) const = default;
};

struct SegmentHeader {
  std::uint64_t number = 0;
  std::uint64_t first_sequence = 0;
  std::uint64_t predecessor_last = 0;
  std::uint64_t created_at_us = 0;
  std::uint32_t predecessor_crc = 0;
  std::uint32_t salt = 0;
  bool recycled = false;
  Uuid store;
  bool operator==(const SegmentHeader&) const = default;
};

void encode_segment_header(const SegmentHeader& header, std::byte* to);

enum class SegmentHeaderState : std::uint8_t { valid, unused, damaged, newer_version };
struct DecodedSegmentHeader {
  SegmentHeaderState state = SegmentHeaderState::unused;
  SegmentHeader header;  ///< when valid
  std::uint32_t format_version = 0;
  std::uint32_t crc_expected = 0;
  std::uint32_t crc_found = 0;
};
DecodedSegmentHeader decode_segment_header(std::span<const std::byte, segment_header_bytes> bytes);

/// "000012.wal".
std::string segment_name(std::uint64_t number);
/// The number in such a name; nothing for any other name.
std::optional<std::uint64_t> segment_number(std::string_view name);
std::string segment_path(const std::string& directory, std::uint64_t number);

}  // namespace selvedge::wal
