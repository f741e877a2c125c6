// Which entities a segment of the log names: so that who follows one of them passes over the rest.
//
// history/NNNNNN.flt:
//   offset  bytes
//        0  8    magic "SELVFLT1"
//        8  u32  format version 1
//       12  u32  salt                of the segment's generation
//       16  16   store UUID
//       32  u64  segment number
//       40  u64  first sequence
//       48  u64  next sequence       behind the segment's last entry
//       56  u32  blocks
//       60       blocks, 64 bytes each: a Bloom filter whose keys set six bits in one block
//        ..  u32 CRC-32C of everything before
//
// A key is an entity's id, with the lowest bit set for edges; docs/format.md has its hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <selvedge/error.h>

#include "graph/change.h"
#include "history/segment_index.h"

namespace selvedge::history {

inline constexpr std::uint32_t filter_format_version = 1;

/// What a change is about, as a filter knows it; 0: no node and no edge.
std::uint64_t filter_key(const graph::Change& change);

/// Role: says whether a segment may name an entity.
/// Invariants: never says no of one that it names. Of the others about one in 200 is a maybe.
/// Threads: a value.
/// After failure: `decode` gives nothing; the segment is read.
class EntityFilter {
 public:
  /// `keys` may name one several times.
  EntityFilter(const SegmentIdentity& identity, std::uint64_t next_sequence,
               std::vector<std::uint64_t> keys);

  [[nodiscard]] const SegmentIdentity& identity() const { return identity_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] bool may_name(std::uint64_t key) const;

  [[nodiscard]] std::vector<std::byte> encode() const;
  /// `corruption` for anything but what `encode` writes.
  static Result<EntityFilter> decode(std::span<const std::byte> bytes, const std::string& path);

 private:
  EntityFilter() = default;
  static constexpr std::size_t block_words = 8;
  SegmentIdentity identity_;
  std::uint64_t next_sequence_ = 0;
  std::vector<std::uint64_t> words_;
};

/// "000012.flt".
std::string filter_name(std::uint64_t number);

}  // namespace selvedge::history
