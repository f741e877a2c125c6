// Limits that users meet; docs/format.md repeats them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace selvedge::limits {

inline constexpr std::size_t name_bytes_max = std::size_t{64} << 10;
inline constexpr std::size_t image_bytes_max = (std::size_t{1} << 24) - 1;
inline constexpr std::size_t nesting_max = 32;
inline constexpr std::size_t labels_max = 65535;
/// A regenerable vector beside a node.
inline constexpr std::size_t embedding_floats_max = std::size_t{256} << 10;
inline constexpr std::size_t metadata_bytes_max = std::size_t{64} << 10;
/// One operation with all its images (bulk batches are cut well below it).
inline constexpr std::size_t entry_bytes_max = std::size_t{48} << 20;
/// What a record's head holds of a sequence (graph/version.h). Nobody gets there: larger is damage.
inline constexpr std::uint64_t sequence_max = (std::uint64_t{1} << 61) - 1;

}  // namespace selvedge::limits
