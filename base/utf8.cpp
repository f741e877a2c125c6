#include "base/utf8.h"

#include <cstdint>

#include "base/bytes.h"

namespace selvedge::base {

bool valid_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const std::byte*>(text.data());
  const auto* end = at + text.size();
  const auto tail = [&](std::ptrdiff_t i) {
    return (std::to_integer<std::uint32_t>(at[i]) & 0xc0) == 0x80;
  };
  while (at < end) {
    if (end - at >= 8 && (load_le<std::uint64_t>(at) & 0x8080808080808080ull) == 0) {
      at += 8;
      continue;
    }
    const auto lead = std::to_integer<std::uint32_t>(*at);
    const std::ptrdiff_t left = end - at;
    if (lead < 0x80) {
      at += 1;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
      if (left < 2 || !tail(1)) {
        return false;
      }
      at += 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      if (left < 3 || !tail(1) || !tail(2)) {
        return false;
      }
      const auto second = std::to_integer<std::uint32_t>(at[1]);
      if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) {
        return false;
      }
      at += 3;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      if (left < 4 || !tail(1) || !tail(2) || !tail(3)) {
        return false;
      }
      const auto second = std::to_integer<std::uint32_t>(at[1]);
      if ((lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
        return false;
      }
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace selvedge::base
