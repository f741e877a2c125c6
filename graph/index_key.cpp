#include "graph/index_key.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include <selvedge/schema.h>

#include "base/bytes.h"
#include "base/hash.h"

namespace selvedge::graph {

namespace {

enum class Class : std::uint8_t {
  boolean = 0x10,
  number = 0x20,
  nan = 0x21,
  string = 0x30,
  bytes = 0x31,
  timestamp = 0x40,
  uuid = 0x48,
};

void put_byte(KeyBytes& key, std::uint8_t byte) { key.push_back(static_cast<std::byte>(byte)); }
void put_class(KeyBytes& key, Class which) { put_byte(key, static_cast<std::uint8_t>(which)); }

template <class T>
void put_big_endian(KeyBytes& key, T value) {
  for (unsigned shift = sizeof(T) * 8; shift > 0; shift -= 8) {
    put_byte(key, static_cast<std::uint8_t>(value >> (shift - 8)));
  }
}

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;

/// Bits that compare as the numbers do. No NaN.
std::uint64_t sortable(double number) {
  const auto bits = std::bit_cast<std::uint64_t>(number == 0 ? 0.0 : number);
  return (bits & sign_bit) != 0 ? ~bits : bits | sign_bit;
}

void put_number(KeyBytes& key, double number, std::uint16_t rest) {
  put_class(key, Class::number);
  put_big_endian(key, sortable(number));
  put_big_endian(key, rest);
}

void put_float(KeyBytes& key, double number) {
  if (std::isnan(number)) {
    put_class(key, Class::nan);
  } else {
    put_number(key, number, 0);
  }
}

/// As the largest double that is not above it, and the rest: below 1,024, as far apart as doubles
/// are below 2^63.
void put_int(KeyBytes& key, std::int64_t number) {
  auto below = static_cast<double>(number);
  constexpr double two_63 = 9223372036854775808.0;
  if (below >= two_63 || static_cast<std::int64_t>(below) > number) {
    below = std::nextafter(below, -std::numeric_limits<double>::infinity());
  }
  put_number(key, below, static_cast<std::uint16_t>(number - static_cast<std::int64_t>(below)));
}

void put_escaped(KeyBytes& key, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    key.push_back(byte);
    if (byte == std::byte{0}) {
      put_byte(key, 0xff);
    }
  }
}

void put_text(KeyBytes& key, Class which, std::span<const std::byte> bytes) {
  put_class(key, which);
  put_escaped(key, bytes);
  put_byte(key, 0);
  put_byte(key, 1);
}

Indexable put_value_key(KeyBytes& key, const ValueView& value) {
  switch (value.type()) {
    case ValueType::null: return Indexable::absent;
    case ValueType::boolean:
      put_class(key, Class::boolean);
      put_byte(key, *value.as_bool() ? 1 : 0);
      break;
    case ValueType::int64: put_int(key, *value.as_int64()); break;
    case ValueType::float64: put_float(key, *value.as_float64()); break;
    case ValueType::string:
    case ValueType::bytes:
      if (value.size() > SchemaSpec::key_bytes_max) {
        return Indexable::too_long;
      }
      put_text(key, value.type() == ValueType::string ? Class::string : Class::bytes,
               value.payload());
      break;
    case ValueType::timestamp:
      put_class(key, Class::timestamp);
      put_big_endian(key,
                     static_cast<std::uint64_t>(value.as_timestamp()->microseconds) ^ sign_bit);
      break;
    case ValueType::uuid:
      put_class(key, Class::uuid);
      key.insert(key.end(), value.payload().begin(), value.payload().end());
      break;
    case ValueType::list:
    case ValueType::map:
    case ValueType::vector: return Indexable::no;
  }
  return key.size() <= SchemaSpec::key_bytes_max ? Indexable::yes : Indexable::too_long;
}

}  // namespace

Indexable append_value(KeyBytes& key, const ValueView& value) {
  if (!value.present()) {
    return Indexable::absent;
  }
  const std::size_t before = key.size();
  const Indexable result = put_value_key(key, value);
  if (result != Indexable::yes) {
    key.resize(before);
  }
  return result;
}

void append_class(KeyBytes& key, const ValueView& value) {
  KeyBytes one;
  if (append_value(one, value) == Indexable::yes) {
    key.push_back(one.front());
  }
}

void append_prefix(KeyBytes& key, std::string_view prefix) {
  put_class(key, Class::string);
  put_escaped(key, selvedge::as_bytes(prefix));
}

KeyBytes end_of_prefix(std::span<const std::byte> prefix) {
  KeyBytes end(prefix.begin(), prefix.end());
  while (!end.empty() && end.back() == std::byte{0xff}) {
    end.pop_back();
  }
  if (!end.empty()) {
    end.back() = static_cast<std::byte>(std::to_integer<unsigned>(end.back()) + 1);
  }
  return end;
}

int compare_keys(std::span<const std::byte> a, std::span<const std::byte> b) {
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  return order != 0 ? order : (a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0);
}

bool KeyRange::contains(std::span<const std::byte> key) const {
  return compare_keys(key, low) >= 0 && (high.empty() || compare_keys(key, high) < 0);
}

std::uint64_t hash_key(std::span<const std::byte> key) { return base::hash128(key).low; }

}  // namespace selvedge::graph
