// 128-bit identifiers (RFC 9562).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace selvedge {

struct Uuid {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
};

/// 8-4-4-4-12 lower-case hexadecimal digits.
std::string to_string(const Uuid& uuid);
std::optional<Uuid> parse_uuid(std::string_view text);
/// Version 4, from the system's random numbers.
Uuid random_uuid();
/// Version 8: the first bytes of `session` and `number`, the same for the same pair.
Uuid derive_uuid(const Uuid& session, std::uint64_t number);
/// The number again (below 2^62), of whatever session.
std::uint64_t derived_number(const Uuid& derived);

}  // namespace selvedge
