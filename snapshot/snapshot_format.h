// Snapshot files: layout, records, and the numbers in the footer. docs/format-snapshot.md says why.
//
//   file = header chunk* footer trailer
//
//   header, 64 bytes:
//      0  8   magic "SELVSNP1"
//      8  u32 format version 1
//     12  u8  kind (1 checkpoint, 2 backup)
//     13  u8  compression asked for (0 none, 1 zstd); each chunk names its own codec
//     14  u16 0
//     16  16  store UUID
//     32  u64 created at, microseconds since 1970
//     40  20  zeros
//     60  u32 CRC-32C of bytes 0 to 59
//   chunk, a 48-byte head, then the stored bytes:
//      0  u32 magic "SCHK"
//      4  u8  type | u8 codec (0 raw, 1 zstd) | u16 0
//      8  u32 records
//     12  u32 raw bytes
//     16  u32 stored bytes
//     20  u32 CRC-32C of the stored bytes
//     24  u64 lowest slot of its records (0 in names and schema)
//     32  u64 highest slot
//     40  u32 0
//     44  u32 CRC-32C of bytes 0 to 43
//   footer:
//      0  u64 begin | u64 end | u64 low-water mark | u64 newest wall time
//     32  u64 last sequence of the log frame that holds `end`
//     40  u64 node slots | u64 edge slots           high-water marks
//     56  u64 nodes | u64 edges | u64 tombstones | u64 names | u64 embeddings
//     96  u64 digest, low half | u64 digest, high half
//    112  u32 header CRC of the log frame that holds `end`
//    116  u32 chunks
//    120  for each chunk, in the file's order:
//           u64 offset | u32 type | u32 records | u32 raw bytes | u32 stored bytes |
//           u64 lowest slot | u64 highest slot
//     ..  u32 CRC-32C of everything from the footer's start
//   trailer, 16 bytes: u64 offset of the footer | magic "SELVEND1"
//
// Records inside chunks:
//   name       u8 kind | u32 id | varint bytes | text
//   node       u64 id | u64 sequence | u8 flags (1 tombstone) | u32 out-degree hint |
//              u32 in-degree hint | varint image bytes | image
//   edge       u64 id | u64 sequence | u8 flags | u64 source | u64 target | u32 type |
//              varint image bytes | image
//   free slot  u64 slot | u32 next generation (2^20 = none left)
//   embedding  u64 node id | u64 sequence | u32 key | varint bytes | floats
//   schema     u32 object id | u64 sequence | varint bytes | definition (graph/schema.h)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/options.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace selvedge::snapshot {

inline constexpr std::size_t header_bytes = 64;
inline constexpr std::size_t chunk_head_bytes = 48;
inline constexpr std::size_t footer_fixed_bytes = 120;
inline constexpr std::size_t index_entry_bytes = 40;
inline constexpr std::size_t trailer_bytes = 16;
inline constexpr std::uint32_t format_version = 1;
/// A chunk's records, uncompressed; so no record is larger either.
inline constexpr std::uint32_t chunk_bytes_max = std::uint32_t{32} << 20;

enum class Kind : std::uint8_t { checkpoint = 1, backup = 2 };
enum class ChunkType : std::uint8_t {
  names = 1,
  nodes = 2,
  edges = 3,
  free_nodes = 4,
  free_edges = 5,
  embeddings = 6,
  schema = 7,
};
/// Later versions add types from here on. This one refuses them as `newer_format`: what it does not
/// understand it must not drop.
inline constexpr std::size_t chunk_types = 7;

/// Order-independent digest of a state: live nodes and edges with their images. The 128-bit sum of
/// one hash per entity, so parts may be digested apart and combined. Equal images name the same
/// labels, types and keys only within one store.
struct StateDigest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  void add_node(std::uint64_t id, std::span<const std::byte> image);
  void add_edge(std::uint64_t id, std::uint64_t source, std::uint64_t target, std::uint32_t type,
                std::span<const std::byte> image);
  void combine(const StateDigest& other);
  /// 32 hexadecimal digits.
  [[nodiscard]] std::string to_string() const;
  bool operator==(const StateDigest&) const = default;
};

struct NameRecord {
  std::uint8_t kind = 0;
  std::uint32_t id = 0;
  std::string_view text;
};
struct NodeRecord {
  std::uint64_t id = 0;
  std::uint64_t sequence = 0;
  bool tombstone = false;
  std::span<const std::byte> image;
  std::uint32_t out_degree_hint = 0;  ///< 0 = not known; never more than a hint
  std::uint32_t in_degree_hint = 0;
};
struct EdgeRecord {
  std::uint64_t id = 0;
  std::uint64_t sequence = 0;
  bool tombstone = false;
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::uint32_t type = 0;
  std::span<const std::byte> image;
};
struct FreeSlot {
  std::uint64_t slot = 0;
  std::uint32_t next_generation = 0;
};
struct EmbeddingRecord {
  std::uint64_t node = 0;
  std::uint64_t sequence = 0;
  std::uint32_t key = 0;
  std::span<const std::byte> floats;
};

struct SchemaRecord {
  std::uint32_t id = 0;
  std::uint64_t sequence = 0;
  std::span<const std::byte> definition;
};

struct Header {
  Kind kind{};
  Compression compression{};
  Uuid store;
  std::uint64_t created_us = 0;
  bool operator==(const Header&) const = default;
};

/// What the writer of a snapshot knows at its end.
struct Footer {
  std::uint64_t begin = 0;               ///< first sequence that the scan may have missed
  std::uint64_t end = 0;                 ///< last sequence appended when the scan finished (rule 1)
  std::uint64_t low_water = 0;           ///< the log is needed from here (rule 2)
  std::uint64_t wall_us = 0;             ///< newest wall time in the log
  std::uint32_t end_frame_crc = 0;       ///< header CRC of the log frame that holds `end` (rule 7)
  std::uint64_t end_frame_sequence = 0;  ///< that frame's last sequence; 0 = none
  std::uint64_t node_slots = 0;          ///< high-water mark of slots; raised to cover every record
  std::uint64_t edge_slots = 0;
  // Filled in by the writer.
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t names = 0;
  std::uint64_t embeddings = 0;
  StateDigest digest{};
  bool operator==(const Footer&) const = default;
};

struct ChunkInfo {
  ChunkType type{};
  std::uint64_t offset = 0;
  std::uint32_t records = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t stored_bytes = 0;
  std::uint64_t slot_min = 0;
  std::uint64_t slot_max = 0;

  /// Where the file goes on behind this chunk.
  [[nodiscard]] std::uint64_t end() const { return offset + chunk_head_bytes + stored_bytes; }
  bool operator==(const ChunkInfo&) const = default;
};

/// "00000000000000001234-7.snap".
std::string snapshot_name(std::uint64_t end, std::uint64_t counter);
struct SnapshotName {
  std::uint64_t end = 0;
  std::uint64_t counter = 0;
  bool operator==(const SnapshotName&) const = default;
};
/// The numbers in such a name; nothing for any other name.
std::optional<SnapshotName> parse_snapshot_name(std::string_view name);

// The codec of everything but records. `path` is for messages only.

std::array<std::byte, header_bytes> encode_header(const Header& header);
Result<Header> decode_header(std::span<const std::byte, header_bytes> bytes,
                             const std::string& path);

enum class Codec : std::uint8_t { raw = 0, zstd = 1 };
struct ChunkHead {
  ChunkInfo info;
  Codec codec{};
  std::uint32_t stored_crc = 0;
};
std::array<std::byte, chunk_head_bytes> encode_chunk_head(const ChunkHead& head);
/// `expected` is what the index says.
Result<ChunkHead> decode_chunk_head(std::span<const std::byte, chunk_head_bytes> bytes,
                                    const ChunkInfo& expected, const std::string& path);

/// Footer, its CRC and the trailer; `offset` is where they go.
ByteWriter encode_end(const Footer& footer, std::span<const ChunkInfo> chunks,
                      std::uint64_t offset);
/// Offset of the footer in a file of `file_bytes`.
Result<std::uint64_t> decode_trailer(std::span<const std::byte, trailer_bytes> bytes,
                                     std::uint64_t file_bytes, const std::string& path);
struct DecodedFooter {
  Footer footer;
  std::vector<ChunkInfo> chunks;
};
/// `bytes` are those between `offset` and the trailer.
Result<DecodedFooter> decode_footer(std::span<const std::byte> bytes, std::uint64_t offset,
                                    const std::string& path);

}  // namespace selvedge::snapshot
