// Snapshot files: layout and the numbers in their footer.
//
//   header, 64 bytes:
//      0  8   magic "SELVSNP1"
//      8  u32 format version 1
//     12  u8  kind (1 checkpoint, 2 backup) | u8[3] 0
//     16  16  store UUID
//     32  u64 created at, microseconds since 1970
//     40  20  zeros
//     60  u32 CRC-32C of bytes 0 to 59
//   chunks, each: 32-byte head, then the stored bytes:
//      0  u32 magic "SCHK" | u8 type | u8 codec (0 raw, 1 zstd) | u16 0
//      8  u32 records | u32 raw bytes | u32 stored bytes | u32 CRC-32C of the stored bytes
//     24  u32 0 | u32 CRC-32C of bytes 0 to 27
//   footer: footer_bytes as below, with its CRC, then 16 bytes:
//      u64 offset of the footer | magic "SELVEND1"
//
// Records inside chunks:
//   name       u8 kind | u32 id | varint bytes | text
//   node       u64 id | u64 sequence | u8 flags (1 tombstone) | varint image bytes | image
//   edge       u64 id | u64 sequence | u8 flags | u64 source | u64 target | u32 type |
//              varint image bytes | image
//   free slot  u64 slot | u32 next generation (2^20 = none left)
//   embedding  u64 node id | u64 sequence | u32 key | varint bytes | floats
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/types.h>
#include <selvedge/uuid.h>

#include "base/hash.h"

namespace selvedge::snapshot {

inline constexpr std::size_t header_bytes = 64;
inline constexpr std::size_t chunk_head_bytes = 32;
inline constexpr std::size_t trailer_bytes = 16;
inline constexpr std::uint32_t format_version = 1;
inline constexpr std::uint32_t chunk_bytes_max = std::uint32_t{64} << 20;

enum class Kind : std::uint8_t { checkpoint = 1, backup = 2 };
enum class ChunkType : std::uint8_t {
  names = 1,
  nodes = 2,
  edges = 3,
  free_nodes = 4,
  free_edges = 5,
  embeddings = 6,
};

/// Order-independent digest of a state: live nodes and edges with their images.
struct StateDigest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  void add_node(std::uint64_t id, std::span<const std::byte> image);
  void add_edge(std::uint64_t id, std::uint64_t source, std::uint64_t target, std::uint32_t type,
                std::span<const std::byte> image);
  void combine(const StateDigest& other);
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

/// What the writer of a snapshot knows at its end.
struct Footer {
  std::uint64_t begin = 0;               ///< first sequence that the scan may have missed
  std::uint64_t end = 0;                 ///< last sequence appended when the scan finished (rule 1)
  std::uint64_t low_water = 0;           ///< the log is needed from here (rule 2)
  std::uint64_t wall_us = 0;             ///< newest wall time in the log
  std::uint32_t end_frame_crc = 0;       ///< header CRC of the log frame that holds `end` (rule 7)
  std::uint64_t end_frame_sequence = 0;  ///< that frame's last sequence; 0 = none
  std::uint64_t node_slots = 0;          ///< high-water mark of slots
  std::uint64_t edge_slots = 0;
  // Filled in by the writer.
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t names = 0;
  std::uint64_t embeddings = 0;
  StateDigest digest;
};

struct ChunkInfo {
  ChunkType type{};
  std::uint64_t offset = 0;
  std::uint32_t records = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t stored_bytes = 0;
};

}  // namespace selvedge::snapshot
