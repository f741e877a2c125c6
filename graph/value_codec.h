// Values as bytes.
#pragma once

#include <cstdint>
#include <span>

#include <selvedge/error.h>
#include <selvedge/value.h>

#include "base/bytes.h"

namespace selvedge::graph {

/// Tags of encoded values; 0 means absent. Payloads:
///   null, no, yes   nothing          int8..int64  little-endian, the smallest that fits
///   float64               8 bytes          string       UTF-8 text
///   bytes                 the bytes        timestamp    i64 microseconds
///   uuid                  16 bytes         vector       f32 each
///   list   varint count, then per element: u8 tag | varint payload bytes | payload
///   map    varint count, then per member:  varint key bytes | key | element; keys rising
enum class Tag : std::uint8_t {
  absent = 0,
  null = 1,
  no = 2,
  yes = 3,
  int8 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  float64 = 8,
  string = 9,
  bytes = 10,
  timestamp = 11,
  uuid = 12,
  list = 13,
  map = 14,
  vector = 15,
};

/// Appends a value's payload and returns its tag. `invalid_argument` for a string that is not
/// UTF-8, `too_large` for too deep a nesting or too many bytes.
Result<Tag> put_value(ByteWriter& to, const ValueArg& value);

/// Checks untrusted bytes: everything that views rely on.
bool valid_value(Tag tag, std::span<const std::byte> payload, unsigned depth = 0);

}  // namespace selvedge::graph
