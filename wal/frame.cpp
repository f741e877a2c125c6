#include "wal/frame.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/limits.h"

namespace selvedge::wal {

namespace {

constexpr std::size_t at_crc = 0;
constexpr std::size_t at_payload_bytes = 4;
constexpr std::size_t at_sequence = 8;
constexpr std::size_t at_transaction = 16;
constexpr std::size_t at_count = 24;
constexpr std::size_t at_payload_crc = 28;
constexpr std::size_t at_kind = 32;
constexpr std::size_t at_flags = 33;
constexpr std::size_t at_version = 34;
constexpr std::size_t at_reserved8 = 35;
constexpr std::size_t at_reserved32 = 36;
constexpr std::size_t at_wall = 40;
constexpr std::size_t at_entity = 48;
static_assert(at_entity == frame_header_bytes);

bool is_entry_kind(FrameKind kind) {
  return kind == FrameKind::operations || kind == FrameKind::checkpoint;
}

bool well_formed_entries(const FrameHeader& header) {
  using namespace frame_flags;
  const bool bounds = (header.flags & (begin | commit | abort)) != 0;
  return header.count > 0 && header.sequence > 0 &&
         header.sequence <= limits::sequence_max - header.count &&
         header.transaction != transaction_self &&
         (header.flags & (commit | abort)) != (commit | abort) &&
         (!bounds || header.transaction != 0) &&
         ((header.flags & begin) == 0 || header.transaction == header.sequence);
}

bool well_formed(const FrameHeader& header) {
  if (is_entry_kind(header.kind)) {
    return (header.flags & ~frame_flags::all) == 0 && well_formed_entries(header);
  }
  const std::uint32_t bytes = header.kind == FrameKind::sync_mark ? sync_mark_payload_bytes
                              : header.kind == FrameKind::seal    ? seal_payload_bytes
                                                                  : 0;
  return bytes != 0 && header.payload_bytes == bytes && header.count == 0 && header.flags == 0 &&
         header.transaction == 0 && header.sequence > 0 && header.sequence <= limits::sequence_max;
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

std::uint32_t own_frame(FrameKind kind, std::uint64_t next_sequence, std::uint64_t wall_us,
                        std::size_t payload_bytes, std::uint32_t salt, std::byte* to) {
  FrameHeader header;
  header.kind = kind;
  header.sequence = next_sequence;
  header.wall_us = wall_us;
  header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  header.payload_crc = base::crc32c({to + frame_header_bytes, payload_bytes});
  return encode_frame_header(header, salt, to);
}

}  // namespace

std::string_view to_string(FrameFault fault) {
  switch (fault) {
    case FrameFault::none: return "sound";
    case FrameFault::zeros: return "zeros";
    case FrameFault::cut_off: return "frame cut off by the end of the file";
    case FrameFault::header_crc: return "frame header crc";
    case FrameFault::length: return "payload length";
    case FrameFault::malformed: return "contradicting frame fields";
    case FrameFault::payload_crc: return "payload crc";
    case FrameFault::sequence: return "sequence";
    case FrameFault::segment_header: return "segment header";
    case FrameFault::newer_version: return "newer format version";
  }
  return "unknown fault";
}

std::uint32_t payload_crc(std::span<const std::byte> first, std::span<const std::byte> second,
                          std::span<const std::byte> third) {
  return base::crc32c(base::crc32c(base::crc32c(first), second), third);
}

std::uint32_t encode_frame_header(const FrameHeader& header, std::uint32_t salt, std::byte* to) {
  store_le(to + at_payload_bytes, header.payload_bytes);
  store_le(to + at_sequence, header.sequence);
  store_le(to + at_transaction, header.transaction);
  store_le(to + at_count, header.count);
  store_le(to + at_payload_crc, header.payload_crc);
  to[at_kind] = static_cast<std::byte>(header.kind);
  to[at_flags] = static_cast<std::byte>(header.flags);
  to[at_version] = std::byte{frame_format_version};
  to[at_reserved8] = std::byte{0};
  store_le(to + at_reserved32, std::uint32_t{0});
  store_le(to + at_wall, header.wall_us);
  if (header.regenerable()) {
    store_le(to + at_entity, header.entity);
  }
  const std::uint32_t crc =
      base::crc32c(salt, {to + at_payload_bytes, header.header_bytes() - at_payload_bytes});
  store_le(to + at_crc, crc);
  return crc;
}

DecodedFrame decode_frame_header(std::span<const std::byte> bytes, std::uint32_t salt) {
  DecodedFrame decoded;
  const auto fixed = bytes.first(std::min(bytes.size(), frame_header_bytes));
  if (all_zero(fixed)) {
    decoded.fault = FrameFault::zeros;
    return decoded;
  }
  if (bytes.size() < frame_header_bytes) {
    decoded.fault = FrameFault::cut_off;
    return decoded;
  }
  const std::byte* from = bytes.data();
  FrameHeader header;
  header.flags = std::to_integer<std::uint8_t>(from[at_flags]);
  if (bytes.size() < header.header_bytes()) {
    decoded.fault = FrameFault::cut_off;
    return decoded;
  }
  decoded.header_crc = load_le<std::uint32_t>(from + at_crc);
  decoded.header_crc_expected =
      base::crc32c(salt, {from + at_payload_bytes, header.header_bytes() - at_payload_bytes});
  if (decoded.header_crc != decoded.header_crc_expected) {
    decoded.fault = FrameFault::header_crc;
    return decoded;
  }
  header.payload_bytes = load_le<std::uint32_t>(from + at_payload_bytes);
  header.sequence = load_le<std::uint64_t>(from + at_sequence);
  header.transaction = load_le<std::uint64_t>(from + at_transaction);
  header.count = load_le<std::uint32_t>(from + at_count);
  header.payload_crc = load_le<std::uint32_t>(from + at_payload_crc);
  header.kind = static_cast<FrameKind>(from[at_kind]);
  header.wall_us = load_le<std::uint64_t>(from + at_wall);
  header.entity = header.regenerable() ? load_le<std::uint64_t>(from + at_entity) : 0;
  decoded.header = header;
  if (std::to_integer<std::uint8_t>(from[at_version]) > frame_format_version) {
    decoded.fault = FrameFault::newer_version;
  } else if (header.payload_bytes > payload_bytes_max) {
    decoded.fault = FrameFault::length;
  } else if (from[at_version] != std::byte{frame_format_version} ||
             from[at_reserved8] != std::byte{0} ||
             load_le<std::uint32_t>(from + at_reserved32) != 0 || !well_formed(header)) {
    decoded.fault = FrameFault::malformed;
  }
  return decoded;
}

std::uint32_t encode_sync_mark(std::uint64_t next_sequence, std::uint64_t wall_us,
                               std::uint64_t durable, std::uint32_t salt, std::byte* to) {
  store_le(to + frame_header_bytes, durable);
  return own_frame(FrameKind::sync_mark, next_sequence, wall_us, sync_mark_payload_bytes, salt, to);
}

std::uint32_t encode_seal(std::uint64_t next_sequence, std::uint64_t wall_us,
                          const SealPayload& payload, std::uint32_t salt, std::byte* to) {
  store_le(to + frame_header_bytes, payload.next_segment);
  store_le(to + frame_header_bytes + 8, payload.next_salt);
  store_le(to + frame_header_bytes + 12, std::uint32_t{0});
  return own_frame(FrameKind::seal, next_sequence, wall_us, seal_payload_bytes, salt, to);
}

std::uint64_t decode_sync_mark(std::span<const std::byte> payload) {
  SELVEDGE_ASSERT(payload.size() == sync_mark_payload_bytes);
  return load_le<std::uint64_t>(payload.data());
}

SealPayload decode_seal(std::span<const std::byte> payload) {
  SELVEDGE_ASSERT(payload.size() == seal_payload_bytes);
  return {load_le<std::uint64_t>(payload.data()), load_le<std::uint32_t>(payload.data() + 8)};
}

}  // namespace selvedge::wal
