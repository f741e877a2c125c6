#include "fuzz/repair.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/memory_files.h"
#include "snapshot/snapshot_reader.h"
#include "wal/frame.h"
#include "wal/segment.h"

namespace selvedge::fuzz {

namespace {

namespace frame_at {
constexpr std::size_t payload_bytes = 4;
constexpr std::size_t sequence = 8;
constexpr std::size_t count = 24;
constexpr std::size_t payload_crc = 28;
constexpr std::size_t flags = 33;
}  // namespace frame_at

/// Bytes of a frame's header as its flags have it; 0 when it does not fit.
std::size_t frame_header_bytes_at(Input bytes) {
  if (bytes.size() < wal::frame_header_bytes) {
    return 0;
  }
  wal::FrameHeader header;
  header.flags = std::to_integer<std::uint8_t>(bytes[frame_at::flags]);
  return bytes.size() < header.header_bytes() ? 0 : header.header_bytes();
}

void store_crc(std::span<std::byte> file, std::size_t begin, std::size_t crc_at) {
  store_le(&file[crc_at], base::crc32c(Input(file).subspan(begin, crc_at - begin)));
}

}  // namespace

void repair_frame(std::span<std::byte> bytes, std::uint32_t salt) {
  const std::size_t header = frame_header_bytes_at(bytes);
  if (header == 0) {
    return;
  }
  const auto payload = load_le<std::uint32_t>(&bytes[frame_at::payload_bytes]);
  if (payload <= bytes.size() - header) {
    store_le(&bytes[frame_at::payload_crc], base::crc32c(Input(bytes).subspan(header, payload)));
  }
  store_le(bytes.data(), base::crc32c(salt, Input(bytes).subspan(4, header - 4)));
}

void repair_segment(std::span<std::byte> file, bool chain) {
  if (file.size() < wal::segment_header_bytes) {
    return;
  }
  constexpr std::size_t at_first = 40;
  constexpr std::size_t at_predecessor_last = 48;
  const auto salt = load_le<std::uint32_t>(&file[12]);
  auto next = load_le<std::uint64_t>(&file[at_first]);
  if (chain) {
    store_le(&file[at_predecessor_last], next - 1);
  }
  store_crc(file, 0, wal::segment_header_bytes - 4);
  for (std::size_t at = wal::segment_header_bytes; at < file.size();) {
    const auto rest = file.subspan(at);
    const std::size_t header = frame_header_bytes_at(rest);
    if (header == 0 || std::all_of(rest.begin(), rest.begin() + wal::frame_header_bytes,
                                   [](std::byte each) { return each == std::byte{0}; })) {
      return;
    }
    if (chain) {
      store_le(&rest[frame_at::sequence], next);
    }
    repair_frame(rest, salt);
    next += load_le<std::uint32_t>(&rest[frame_at::count]);
    const std::uint64_t bytes =
        header + std::uint64_t{load_le<std::uint32_t>(&rest[frame_at::payload_bytes])};
    at += static_cast<std::size_t>((bytes + 7) & ~std::uint64_t{7});
  }
}

namespace {

constexpr std::size_t at_index = snapshot::footer_fixed_bytes;

/// Where the footer is, or 0.
std::size_t footer_of(Input file) {
  if (file.size() < snapshot::header_bytes + at_index + 4 + snapshot::trailer_bytes) {
    return 0;
  }
  const auto at = load_le<std::uint64_t>(&file[file.size() - snapshot::trailer_bytes]);
  const std::size_t last = file.size() - snapshot::trailer_bytes - 4 - at_index;
  return at < snapshot::header_bytes || at > last ? 0 : static_cast<std::size_t>(at);
}

/// The lines of the index that are in the file.
std::size_t index_lines(Input file, std::size_t footer) {
  const std::size_t room = file.size() - snapshot::trailer_bytes - 4 - footer - at_index;
  return std::min<std::size_t>(load_le<std::uint32_t>(&file[footer + 116]),
                               room / snapshot::index_entry_bytes);
}

/// The chunk's head becomes what its line in the index says.
void repair_chunk(std::span<std::byte> file, std::size_t footer, std::size_t line) {
  const auto offset = load_le<std::uint64_t>(&file[line]);
  const auto stored = load_le<std::uint32_t>(&file[line + 20]);
  if (offset > footer || footer - offset < snapshot::chunk_head_bytes ||
      footer - offset - snapshot::chunk_head_bytes < stored) {
    return;
  }
  const auto chunk = file.subspan(static_cast<std::size_t>(offset));
  chunk[4] = file[line + 8];                      // type
  std::memcpy(&chunk[8], &file[line + 12], 12);   // records, raw and stored bytes
  std::memcpy(&chunk[24], &file[line + 24], 16);  // lowest and highest slot
  store_le(&chunk[20], base::crc32c(Input(chunk).subspan(snapshot::chunk_head_bytes, stored)));
  store_crc(chunk, 0, snapshot::chunk_head_bytes - 4);
}

void store_footer_crc(std::span<std::byte> file, std::size_t footer) {
  store_crc(file, footer, file.size() - snapshot::trailer_bytes - 4);
}

/// Counts that agree with the index: what opening a snapshot asks for.
void store_index_counts(std::span<std::byte> file, std::size_t footer) {
  std::array<std::uint64_t, 256> records{};
  for (std::size_t i = 0; i < index_lines(file, footer); ++i) {
    const std::size_t line = footer + at_index + i * snapshot::index_entry_bytes;
    records[std::to_integer<std::size_t>(file[line + 8])] +=
        load_le<std::uint32_t>(&file[line + 12]);
  }
  store_le(&file[footer + 56], records[2]);
  store_le(&file[footer + 64], records[3]);
  store_le(&file[footer + 72], std::uint64_t{0});
  store_le(&file[footer + 80], records[1]);
  store_le(&file[footer + 88], records[6]);
}

struct Totals {
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::uint64_t tombstones = 0;
  snapshot::StateDigest digest;

  void add(const snapshot::NodeRecord& node) {
    ++(node.tombstone ? tombstones : nodes);
    if (!node.tombstone) {
      digest.add_node(node.id, node.image);
    }
  }
  void add(const snapshot::EdgeRecord& edge) {
    ++(edge.tombstone ? tombstones : edges);
    if (!edge.tombstone) {
      digest.add_edge(edge.id, edge.source, edge.target, edge.type, edge.image);
    }
  }
  template <class Other>
  void add(const Other&) {}
};

/// What the records say, as far as they can be read.
Totals count_records(Input file) {
  Totals totals;
  const auto files = memory_files({{"/s.snap", file}});
  const auto reader = snapshot::SnapshotReader::open(*files, "/s.snap");
  for (std::size_t i = 0; reader && i < reader->chunks().size(); ++i) {
    const auto chunk = reader->load(i);
    if (!chunk || !chunk->records([&](const auto& record) {
          totals.add(record);
          return Status{};
        })) {
      break;
    }
  }
  return totals;
}

}  // namespace

void repair_snapshot(std::span<std::byte> file, bool totals) {
  if (file.size() >= snapshot::header_bytes) {
    store_crc(file, 0, snapshot::header_bytes - 4);
  }
  const std::size_t footer = footer_of(file);
  if (footer == 0) {
    return;
  }
  for (std::size_t i = 0; i < index_lines(file, footer); ++i) {
    repair_chunk(file, footer, footer + at_index + i * snapshot::index_entry_bytes);
  }
  if (totals) {
    store_index_counts(file, footer);
    store_footer_crc(file, footer);
    const Totals found = count_records(file);
    store_le(&file[footer + 56], found.nodes);
    store_le(&file[footer + 64], found.edges);
    store_le(&file[footer + 72], found.tombstones);
    store_le(&file[footer + 96], found.digest.low);
    store_le(&file[footer + 104], found.digest.high);
  }
  store_footer_crc(file, footer);
}

void repair_manifest(std::span<std::byte> text) {
  constexpr std::string_view member = ",\n \"checksum\": \"";
  const std::size_t at = as_text(text).rfind(member);
  if (at == std::string_view::npos || text.size() - at < member.size() + 8) {
    return;
  }
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08x", base::crc32c(Input(text).first(at)));
  std::memcpy(&text[at + member.size()], digits.data(), 8);
}

}  // namespace selvedge::fuzz
