// CRC-32C (Castagnoli), with the processor's instruction where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace selvedge::base {

/// Extends `crc` (0 to start) over `bytes`. Chosen at run time: SSE4.2 or slicing-by-8.
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes);
inline std::uint32_t crc32c(std::span<const std::byte> bytes) { return crc32c(0, bytes); }

/// The two implementations, for tests.
std::uint32_t crc32c_portable(std::uint32_t crc, std::span<const std::byte> bytes);
bool crc32c_hardware_available();
/// Only when `crc32c_hardware_available()`.
std::uint32_t crc32c_hardware(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace selvedge::base
