#include <selvedge/uuid.h>

#include <algorithm>
#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <cstring>

#include "base/bytes.h"

namespace selvedge {

namespace {

Uuid from_boost(const boost::uuids::uuid& from) {
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), from.data, uuid.bytes.size());
  return uuid;
}

}  // namespace

std::string to_string(const Uuid& uuid) {
  boost::uuids::uuid from{};
  std::memcpy(from.data, uuid.bytes.data(), uuid.bytes.size());
  return boost::uuids::to_string(from);
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) {
      return std::nullopt;
    }
  }
  return from_boost(boost::uuids::string_generator{}(text.begin(), text.end()));
}

Uuid random_uuid() { return from_boost(boost::uuids::random_generator_pure{}()); }

Uuid derive_uuid(const Uuid& session, std::uint64_t number) {
  Uuid uuid = session;
  for (std::size_t i = 0; i < 8; ++i) {
    uuid.bytes[15 - i] = static_cast<std::byte>(number >> (8 * i));
  }
  // The version and variant fields take six bits of the session and the number's top two.
  uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x80};
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return uuid;
}

std::uint64_t derived_number(const Uuid& derived) {
  std::uint64_t number = std::to_integer<std::uint64_t>(derived.bytes[8] & std::byte{0x3f});
  for (std::size_t i = 9; i < 16; ++i) {
    number = number << 8 | std::to_integer<std::uint64_t>(derived.bytes[i]);
  }
  return number;
}

}  // namespace selvedge
