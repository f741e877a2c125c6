#include "snapshot/snapshot_format.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/limits.h"

namespace selvedge::snapshot {

namespace {

constexpr std::string_view header_magic = "SELVSNP1";
constexpr std::string_view chunk_magic = "SCHK";
constexpr std::string_view trailer_magic = "SELVEND1";
constexpr std::size_t header_crc_at = 60;
constexpr std::size_t chunk_crc_at = 44;
static_assert(header_crc_at + 4 == header_bytes);
static_assert(chunk_crc_at + 4 == chunk_head_bytes);

constexpr std::string_view extension = ".snap";
constexpr std::size_t end_digits = 20;

std::string hex(std::uint32_t value) {
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

std::string printable(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    text += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return text;
}

Error corrupt(const std::string& path, std::uint64_t offset, std::string what) {
  return Error(ErrorCode::corruption, std::move(what)).at(path, offset);
}
Error differs(const std::string& path, std::uint64_t offset, std::string what,
              std::uint64_t expected, std::uint64_t found) {
  return corrupt(path, offset, std::move(what))
      .mismatch(std::to_string(expected), std::to_string(found));
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

/// The CRC behind `bytes`' last four.
Status check_crc(std::span<const std::byte> bytes, std::uint64_t offset, const std::string& path,
                 std::string what) {
  const auto covered = bytes.first(bytes.size() - 4);
  const auto found = load_le<std::uint32_t>(covered.data() + covered.size());
  const std::uint32_t expected = base::crc32c(covered);
  if (found != expected) {
    return fail(corrupt(path, offset, std::move(what)).mismatch(hex(expected), hex(found)));
  }
  return {};
}

}  // namespace

void StateDigest::add_node(std::uint64_t id, std::span<const std::byte> image) {
  const auto hash = base::hash128(image, id);
  combine({hash.low, hash.high});
}

void StateDigest::add_edge(std::uint64_t id, std::uint64_t source, std::uint64_t target,
                           std::uint32_t type, std::span<const std::byte> image) {
  const std::array<std::uint64_t, 4> identity = {id | 1, source, target, type};
  const auto who = base::hash128(std::as_bytes(std::span(identity)));
  const auto hash = base::hash128(image, who.low);
  combine({hash.low ^ who.high, hash.high + who.low});
}

void StateDigest::combine(const StateDigest& other) {
  low += other.low;
  high += other.high + (low < other.low ? 1 : 0);
}

std::string StateDigest::to_string() const {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text.data();
}

std::string snapshot_name(std::uint64_t end, std::uint64_t counter) {
  std::string digits = std::to_string(end);
  digits.insert(0, end_digits - digits.size(), '0');
  return digits + "-" + std::to_string(counter) + std::string(extension);
}

std::optional<SnapshotName> parse_snapshot_name(std::string_view name) {
  if (name.size() < end_digits + 2 + extension.size() || !name.ends_with(extension)) {
    return std::nullopt;
  }
  SnapshotName found;
  const char* last = name.data() + name.size() - extension.size();
  const auto end = std::from_chars(name.data(), name.data() + end_digits, found.end);
  const auto counter = std::from_chars(name.data() + end_digits + 1, last, found.counter);
  if (end.ec != std::errc{} || counter.ec != std::errc{} ||
      snapshot_name(found.end, found.counter) != name) {
    return std::nullopt;
  }
  return found;
}

std::array<std::byte, header_bytes> encode_header(const Header& header) {
  std::array<std::byte, header_bytes> bytes{};
  std::memcpy(bytes.data(), header_magic.data(), header_magic.size());
  store_le(&bytes[8], format_version);
  bytes[12] = static_cast<std::byte>(header.kind);
  bytes[13] = static_cast<std::byte>(header.compression);
  std::memcpy(&bytes[16], header.store.bytes.data(), header.store.bytes.size());
  store_le(&bytes[32], header.created_us);
  store_le(&bytes[header_crc_at],
           base::crc32c(std::span<const std::byte>(bytes).first(header_crc_at)));
  return bytes;
}

Result<Header> decode_header(std::span<const std::byte, header_bytes> bytes,
                             const std::string& path) {
  if (as_text(bytes.first(8)) != header_magic) {
    return fail(corrupt(path, 0, "this is no snapshot")
                    .mismatch(std::string(header_magic), printable(bytes.first(8))));
  }
  SELVEDGE_TRY(check_crc(bytes, 0, path, "snapshot header crc"));
  const auto version = load_le<std::uint32_t>(&bytes[8]);
  if (version > format_version) {
    return fail(
        Error(ErrorCode::newer_format, "a snapshot of a newer format")
            .at(path, 8)
            .mismatch("at most " + std::to_string(format_version), std::to_string(version)));
  }
  const auto kind = std::to_integer<unsigned>(bytes[12]);
  const auto compression = std::to_integer<unsigned>(bytes[13]);
  if (version == 0 || (kind != 1 && kind != 2) || compression > 1 ||
      !all_zero(bytes.subspan(14, 2)) || !all_zero(bytes.subspan(40, 20))) {
    return fail(corrupt(path, 8, "malformed snapshot header"));
  }
  Header header;
  header.kind = static_cast<Kind>(kind);
  header.compression = static_cast<Compression>(compression);
  std::memcpy(header.store.bytes.data(), &bytes[16], header.store.bytes.size());
  header.created_us = load_le<std::uint64_t>(&bytes[32]);
  return header;
}

std::array<std::byte, chunk_head_bytes> encode_chunk_head(const ChunkHead& head) {
  std::array<std::byte, chunk_head_bytes> bytes{};
  std::memcpy(bytes.data(), chunk_magic.data(), chunk_magic.size());
  bytes[4] = static_cast<std::byte>(head.info.type);
  bytes[5] = static_cast<std::byte>(head.codec);
  store_le(&bytes[8], head.info.records);
  store_le(&bytes[12], head.info.raw_bytes);
  store_le(&bytes[16], head.info.stored_bytes);
  store_le(&bytes[20], head.stored_crc);
  store_le(&bytes[24], head.info.slot_min);
  store_le(&bytes[32], head.info.slot_max);
  store_le(&bytes[chunk_crc_at],
           base::crc32c(std::span<const std::byte>(bytes).first(chunk_crc_at)));
  return bytes;
}

Result<ChunkHead> decode_chunk_head(std::span<const std::byte, chunk_head_bytes> bytes,
                                    const ChunkInfo& expected, const std::string& path) {
  const std::uint64_t offset = expected.offset;
  if (as_text(bytes.first(4)) != chunk_magic) {
    return fail(corrupt(path, offset, "no chunk where the index has one")
                    .mismatch(std::string(chunk_magic), printable(bytes.first(4))));
  }
  SELVEDGE_TRY(check_crc(bytes, offset, path, "chunk head crc"));
  ChunkHead head;
  head.info = {static_cast<ChunkType>(bytes[4]),   offset,
               load_le<std::uint32_t>(&bytes[8]),  load_le<std::uint32_t>(&bytes[12]),
               load_le<std::uint32_t>(&bytes[16]), load_le<std::uint64_t>(&bytes[24]),
               load_le<std::uint64_t>(&bytes[32])};
  const auto codec = std::to_integer<unsigned>(bytes[5]);
  head.codec = static_cast<Codec>(codec);
  head.stored_crc = load_le<std::uint32_t>(&bytes[20]);
  const bool agrees = codec > 1                  ? false
                      : head.codec == Codec::raw ? head.info.stored_bytes == head.info.raw_bytes
                                                 : head.info.stored_bytes < head.info.raw_bytes;
  if (!(head.info == expected) || !agrees || !all_zero(bytes.subspan(6, 2)) ||
      !all_zero(bytes.subspan(40, 4))) {
    return fail(corrupt(path, offset, "the chunk's head is not what the index says"));
  }
  return head;
}

ByteWriter encode_end(const Footer& footer, std::span<const ChunkInfo> chunks,
                      std::uint64_t offset) {
  ByteWriter out;
  for (const std::uint64_t number :
       {footer.begin, footer.end, footer.low_water, footer.wall_us, footer.end_frame_sequence,
        footer.node_slots, footer.edge_slots, footer.nodes, footer.edges, footer.tombstones,
        footer.names, footer.embeddings, footer.digest.low, footer.digest.high}) {
    out.put(number);
  }
  out.put(footer.end_frame_crc);
  out.put(static_cast<std::uint32_t>(chunks.size()));
  SELVEDGE_ASSERT(out.size() == footer_fixed_bytes);
  for (const ChunkInfo& each : chunks) {
    out.put(each.offset);
    out.put(static_cast<std::uint32_t>(each.type));
    out.put(each.records);
    out.put(each.raw_bytes);
    out.put(each.stored_bytes);
    out.put(each.slot_min);
    out.put(each.slot_max);
  }
  out.put(base::crc32c(out.span()));
  out.put(offset);
  out.put_bytes(as_bytes(trailer_magic));
  return out;
}

Result<std::uint64_t> decode_trailer(std::span<const std::byte, trailer_bytes> bytes,
                                     std::uint64_t file_bytes, const std::string& path) {
  const std::uint64_t at = file_bytes - trailer_bytes;
  if (as_text(bytes.last(8)) != trailer_magic) {
    return fail(corrupt(path, at, "the snapshot has no end")
                    .mismatch(std::string(trailer_magic), printable(bytes.last(8))));
  }
  const auto footer = load_le<std::uint64_t>(bytes.data());
  if (footer < header_bytes || footer > at || at - footer < footer_fixed_bytes + 4) {
    return fail(corrupt(path, at, "offset of the footer")
                    .mismatch("within the file", std::to_string(footer)));
  }
  return footer;
}

namespace {

/// One line of the index; `expected` is where its chunk must begin.
Result<ChunkInfo> take_chunk(ByteReader& reader, std::uint64_t expected, std::uint64_t limit,
                             std::uint64_t offset, const std::string& path) {
  ChunkInfo info;
  info.offset = reader.take<std::uint64_t>();
  const auto type = reader.take<std::uint32_t>();
  info.type = static_cast<ChunkType>(type);
  info.records = reader.take<std::uint32_t>();
  info.raw_bytes = reader.take<std::uint32_t>();
  info.stored_bytes = reader.take<std::uint32_t>();
  info.slot_min = reader.take<std::uint64_t>();
  info.slot_max = reader.take<std::uint64_t>();
  if (type > chunk_types) {
    return fail(Error(ErrorCode::newer_format, "a chunk of a kind that this version lacks")
                    .at(path, offset)
                    .mismatch("at most " + std::to_string(chunk_types), std::to_string(type)));
  }
  if (info.offset != expected) {
    return fail(differs(path, offset, "a chunk's place", expected, info.offset));
  }
  if (info.raw_bytes > chunk_bytes_max || info.stored_bytes > info.raw_bytes ||
      info.end() > limit) {
    return fail(corrupt(path, offset, "a chunk's size")
                    .mismatch("at most " + std::to_string(chunk_bytes_max) +
                                  " bytes, stored within the file",
                              std::to_string(info.raw_bytes) + " bytes, stored as " +
                                  std::to_string(info.stored_bytes)));
  }
  if (type == 0 || info.records == 0 || info.records > info.raw_bytes ||
      info.slot_min > info.slot_max || info.slot_max > id_bits::slot_max) {
    return fail(corrupt(path, offset, "a malformed line in the chunk index"));
  }
  return info;
}

/// What must hold between the footer's own numbers.
Status check_footer(const DecodedFooter& decoded, std::uint64_t offset, const std::string& path) {
  const Footer& footer = decoded.footer;
  if (footer.end > limits::sequence_max) {
    return fail(corrupt(path, offset, "a sequence that no store reaches")
                    .mismatch("at most " + std::to_string(limits::sequence_max),
                              std::to_string(footer.end)));
  }
  if (footer.low_water > footer.begin || footer.begin > footer.end + 1) {
    return fail(
        corrupt(path, offset, "the snapshot's sequences contradict each other")
            .mismatch("low-water <= begin <= end + 1", std::to_string(footer.low_water) + ", " +
                                                           std::to_string(footer.begin) + ", " +
                                                           std::to_string(footer.end)));
  }
  std::array<std::uint64_t, chunk_types + 1> records{};
  for (const ChunkInfo& chunk : decoded.chunks) {
    records[static_cast<std::size_t>(chunk.type)] += chunk.records;
  }
  const auto of = [&](ChunkType type) { return records[static_cast<std::size_t>(type)]; };
  const std::uint64_t entities = of(ChunkType::nodes) + of(ChunkType::edges);
  if (of(ChunkType::names) != footer.names) {
    return fail(differs(path, offset, "count of names", footer.names, of(ChunkType::names)));
  }
  if (of(ChunkType::embeddings) != footer.embeddings) {
    return fail(
        differs(path, offset, "count of embeddings", footer.embeddings, of(ChunkType::embeddings)));
  }
  if (entities != footer.nodes + footer.edges + footer.tombstones) {
    return fail(differs(path, offset, "count of nodes, edges and tombstones",
                        footer.nodes + footer.edges + footer.tombstones, entities));
  }
  return {};
}

}  // namespace

Result<DecodedFooter> decode_footer(std::span<const std::byte> bytes, std::uint64_t offset,
                                    const std::string& path) {
  SELVEDGE_ASSERT(bytes.size() >= footer_fixed_bytes + 4);
  SELVEDGE_TRY(check_crc(bytes, offset, path, "snapshot footer crc"));
  ByteReader reader(bytes.first(bytes.size() - 4));
  DecodedFooter decoded;
  Footer& footer = decoded.footer;
  for (std::uint64_t* number :
       {&footer.begin, &footer.end, &footer.low_water, &footer.wall_us, &footer.end_frame_sequence,
        &footer.node_slots, &footer.edge_slots, &footer.nodes, &footer.edges, &footer.tombstones,
        &footer.names, &footer.embeddings, &footer.digest.low, &footer.digest.high}) {
    *number = reader.take<std::uint64_t>();
  }
  footer.end_frame_crc = reader.take<std::uint32_t>();
  const auto count = reader.take<std::uint32_t>();
  if (reader.remaining() != count * std::uint64_t{index_entry_bytes}) {
    return fail(differs(path, offset, "bytes of the chunk index",
                        count * std::uint64_t{index_entry_bytes}, reader.remaining()));
  }
  std::uint64_t expected = header_bytes;
  decoded.chunks.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t line = offset + reader.position();
    SELVEDGE_TRY(const ChunkInfo info, take_chunk(reader, expected, offset, line, path));
    expected = info.end();
    decoded.chunks.push_back(info);
  }
  if (expected != offset) {
    return fail(differs(path, offset, "end of the last chunk", offset, expected));
  }
  SELVEDGE_TRY(check_footer(decoded, offset, path));
  return decoded;
}

}  // namespace selvedge::snapshot
