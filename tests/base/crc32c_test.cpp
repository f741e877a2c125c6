// CRC-32C: the vectors of RFC 3720, and one answer from both implementations.
#include "base/crc32c.h"

#include <gtest/gtest.h>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "base/bytes.h"

namespace selvedge::base {
namespace {

std::array<std::byte, 32> bytes_from(int first, int step) {
  std::array<std::byte, 32> bytes{};
  for (int i = 0; i < 32; ++i) {
    bytes[static_cast<std::size_t>(i)] = static_cast<std::byte>(first + step * i);
  }
  return bytes;
}

TEST(Crc32c, MatchesPublishedVectors) {
  EXPECT_EQ(crc32c(bytes_from(0, 0)), 0x8a9136aau);
  EXPECT_EQ(crc32c(bytes_from(0xff, 0)), 0x62a8ab43u);
  EXPECT_EQ(crc32c(bytes_from(0, 1)), 0x46dd794eu);
  EXPECT_EQ(crc32c(bytes_from(31, -1)), 0x113fdb5cu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, PortableMatchesPublishedVectors) {
  EXPECT_EQ(crc32c_portable(0, bytes_from(0, 0)), 0x8a9136aau);
  EXPECT_EQ(crc32c_portable(0, bytes_from(0, 1)), 0x46dd794eu);
  EXPECT_EQ(crc32c_portable(0, as_bytes("123456789")), 0xe3069283u);
}

TEST(Crc32c, BothPathsAgreeForAllLengthsAndOffsets) {
  if (!crc32c_hardware_available()) {
    GTEST_SKIP() << "this processor has no CRC-32C instruction";
  }
  std::mt19937 random(7);
  std::vector<std::byte> bytes(320);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random());
  }
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (std::size_t size = 0; size <= 300; ++size) {
      const auto part = std::span(bytes).subspan(offset, size);
      const auto seed = static_cast<std::uint32_t>(random());
      ASSERT_EQ(crc32c_portable(seed, part), crc32c_hardware(seed, part)) << offset << ' ' << size;
    }
  }
}

TEST(Crc32c, ExtendsOverPieces) {
  const auto bytes = bytes_from(3, 7);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const auto all = std::span<const std::byte>(bytes);
    EXPECT_EQ(crc32c(crc32c(all.first(cut)), all.subspan(cut)), crc32c(all)) << cut;
  }
}

}  // namespace
}  // namespace selvedge::base
