// Numbers and texts as bytes, and what truncated or malformed bytes read as.
#include "base/bytes.h"

#include <gtest/gtest.h>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace selvedge {
namespace {

std::vector<std::uint64_t> edge_numbers() {
  std::vector<std::uint64_t> numbers{0, std::numeric_limits<std::uint64_t>::max()};
  for (unsigned bit = 0; bit < 64; ++bit) {
    numbers.push_back(std::uint64_t{1} << bit);
    numbers.push_back((std::uint64_t{1} << bit) - 1);
  }
  return numbers;
}

TEST(Bytes, VarintsComeBackAndHaveTheAnnouncedSize) {
  for (const std::uint64_t number : edge_numbers()) {
    ByteWriter writer;
    writer.put_varint(number);
    EXPECT_EQ(writer.size(), varint_bytes(number)) << number;
    ByteReader reader(writer.span());
    EXPECT_EQ(reader.take_varint(), number);
    EXPECT_TRUE(reader.at_end());
  }
}

TEST(Bytes, TruncatedVarintFails) {
  for (const std::uint64_t number : edge_numbers()) {
    ByteWriter writer;
    writer.put_varint(number);
    for (std::size_t size = 0; size < writer.size(); ++size) {
      ByteReader reader(writer.span().first(size));
      EXPECT_EQ(reader.take_varint(), 0u);
      EXPECT_FALSE(reader.ok());
    }
  }
}

TEST(Bytes, LongerFormsOfAVarintFail) {
  const std::array<std::byte, 2> padded{std::byte{0x81}, std::byte{0}};
  ByteReader reader(padded);
  EXPECT_EQ(reader.take_varint(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, VarintBeyond64BitsFails) {
  std::array<std::byte, 10> bytes{};
  bytes.fill(std::byte{0xff});
  bytes[9] = std::byte{2};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.take_varint(), 0u);
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, ZigzagComesBackAtTheLimits) {
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t value :
       {Limits::min(), std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, Limits::max()}) {
    EXPECT_EQ(unzigzag(zigzag(value)), value);
  }
  EXPECT_EQ(zigzag(-1), 1u);
}

TEST(Bytes, NumbersAreLittleEndian) {
  ByteWriter writer;
  writer.put(std::uint32_t{0x01020304});
  EXPECT_EQ(as_text(writer.span()), std::string_view("\x04\x03\x02\x01"));
}

TEST(Bytes, AfterAFailureEveryReadGivesNothing) {
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  ByteReader reader(bytes);
  EXPECT_EQ(reader.take<std::uint32_t>(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.take<std::uint8_t>(), 0u);
  EXPECT_TRUE(reader.take_rest().empty());
  EXPECT_TRUE(reader.take_text().empty());
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.at_end());
}

TEST(Bytes, ALengthBeyondTheEndFails) {
  ByteWriter writer;
  writer.put_varint(std::numeric_limits<std::uint64_t>::max());
  writer.put(std::uint8_t{1});
  ByteReader reader(writer.span());
  EXPECT_TRUE(reader.take_text().empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, GrowthKeepsWhatWasWritten) {
  ByteWriter writer;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    writer.put(i);
  }
  ByteReader reader(writer.span());
  for (std::uint32_t i = 0; i < 10000; ++i) {
    ASSERT_EQ(reader.take<std::uint32_t>(), i);
  }
  EXPECT_TRUE(reader.at_end());
}

}  // namespace
}  // namespace selvedge
