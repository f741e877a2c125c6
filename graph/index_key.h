// Keys of indexes: values as bytes whose order is the order of the values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <absl/container/inlined_vector.h>
#include <selvedge/value.h>

namespace selvedge::graph {

// A key is the concatenation of its values. No encoded value is the beginning of another, so keys
// of several values compare value by value. The first byte is the class:
//
//   0x10  boolean    u8
//   0x20  number     float64, sign and bits turned so that they sort, big-endian | u16 rest:
//                    of an int64 the largest double not above it, and what is missing
//   0x21  NaN        nothing
//   0x30  string     0x00 as 0x00 0xff; end 0x00 0x01
//   0x31  bytes      as a string
//   0x40  timestamp  i64, sign turned, big-endian
//   0x48  uuid       16 bytes

using KeyBytes = absl::InlinedVector<std::byte, 64>;

enum class Indexable : std::uint8_t {
  yes,
  absent,    ///< no value, or null
  no,        ///< a list, map or vector
  too_long,  ///< the key would exceed SchemaSpec::key_bytes_max
};

/// Appends a value to a key. On anything but `yes` the key is as it was.
Indexable append_value(KeyBytes& key, const ValueView& value);
/// Appends the class of a value only: the beginning of all of that class.
void append_class(KeyBytes& key, const ValueView& value);
/// Appends the beginning that all strings with this prefix share.
void append_prefix(KeyBytes& key, std::string_view prefix);

/// The smallest key above all that begin with these bytes; empty for "none": there is no end.
KeyBytes end_of_prefix(std::span<const std::byte> prefix);

/// Keys from `low` on and below `high`; an empty `high` is no bound.
struct KeyRange {
  KeyBytes low;
  KeyBytes high;
  [[nodiscard]] bool contains(std::span<const std::byte> key) const;
};

/// Below zero, zero or above, as the bytes compare.
int compare_keys(std::span<const std::byte> a, std::span<const std::byte> b);

/// A hash that two keys share by accident once in 2^64.
std::uint64_t hash_key(std::span<const std::byte> key);

}  // namespace selvedge::graph
