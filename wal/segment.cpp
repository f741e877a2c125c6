#include "wal/segment.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/limits.h"

namespace selvedge::wal {

namespace {

constexpr std::string_view magic = "SELVWAL1";
constexpr std::size_t at_version = 8;
constexpr std::size_t at_salt = 12;
constexpr std::size_t at_store = 16;
constexpr std::size_t at_number = 32;
constexpr std::size_t at_first = 40;
constexpr std::size_t at_predecessor_last = 48;
constexpr std::size_t at_created = 56;
constexpr std::size_t at_predecessor_crc = 64;
constexpr std::size_t at_flags = 68;
constexpr std::size_t at_crc = 124;
static_assert(at_crc + 4 == segment_header_bytes);

constexpr std::uint32_t flag_recycled = 1;
constexpr std::string_view extension = ".wal";
constexpr std::size_t digits_min = 6;

}  // namespace

void encode_segment_header(const SegmentHeader& header, std::byte* to) {
  std::memset(to, 0, segment_header_bytes);
  std::memcpy(to, magic.data(), magic.size());
  store_le(to + at_version, segment_format_version);
  store_le(to + at_salt, header.salt);
  std::memcpy(to + at_store, header.store.bytes.data(), header.store.bytes.size());
  store_le(to + at_number, header.number);
  store_le(to + at_first, header.first_sequence);
  store_le(to + at_predecessor_last, header.predecessor_last);
  store_le(to + at_created, header.created_at_us);
  store_le(to + at_predecessor_crc, header.predecessor_crc);
  store_le(to + at_flags, header.recycled ? flag_recycled : 0U);
  store_le(to + at_crc, base::crc32c({to, at_crc}));
}

DecodedSegmentHeader decode_segment_header(std::span<const std::byte, segment_header_bytes> bytes) {
  DecodedSegmentHeader decoded;
  if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) {
    return decoded;
  }
  const std::byte* from = bytes.data();
  decoded.format_version = load_le<std::uint32_t>(from + at_version);
  decoded.crc_found = load_le<std::uint32_t>(from + at_crc);
  decoded.crc_expected = base::crc32c(bytes.first(at_crc));
  decoded.state = SegmentHeaderState::damaged;
  if (as_text(bytes.first(magic.size())) != magic || decoded.crc_found != decoded.crc_expected ||
      decoded.format_version == 0) {
    return decoded;
  }
  if (decoded.format_version > segment_format_version) {
    decoded.state = SegmentHeaderState::newer_version;
    return decoded;
  }
  SegmentHeader& header = decoded.header;
  header.salt = load_le<std::uint32_t>(from + at_salt);
  std::memcpy(header.store.bytes.data(), from + at_store, header.store.bytes.size());
  header.number = load_le<std::uint64_t>(from + at_number);
  header.first_sequence = load_le<std::uint64_t>(from + at_first);
  header.predecessor_last = load_le<std::uint64_t>(from + at_predecessor_last);
  header.created_at_us = load_le<std::uint64_t>(from + at_created);
  header.predecessor_crc = load_le<std::uint32_t>(from + at_predecessor_crc);
  header.recycled = (load_le<std::uint32_t>(from + at_flags) & flag_recycled) != 0;
  if (header.first_sequence != 0 && header.first_sequence <= limits::sequence_max &&
      header.first_sequence == header.predecessor_last + 1) {
    decoded.state = SegmentHeaderState::valid;
  }
  return decoded;
}

std::string segment_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < digits_min) {
    digits.insert(0, digits_min - digits.size(), '0');
  }
  return digits.append(extension);
}

std::optional<std::uint64_t> segment_number(std::string_view name) {
  if (!name.ends_with(extension)) {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(0, name.size() - extension.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number == 0 ||
      segment_name(number) != name) {
    return std::nullopt;
  }
  return number;
}

std::string segment_path(const std::string& directory, std::uint64_t number) {
  return directory + "/" + segment_name(number);
}

}  // namespace selvedge::wal
