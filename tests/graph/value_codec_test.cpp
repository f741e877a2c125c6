// Values as bytes: bit-exact both ways, and no bytes that views could stumble over.
#include "graph/value_codec.h"

#include <gtest/gtest.h>
#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace selvedge::graph {
namespace {

struct Encoded {
  Tag tag{};
  std::vector<std::byte> payload;
};

Encoded encode(const Value& value) {
  ByteWriter writer;
  auto tag = put_value(writer, value);
  if (!tag) {
    throw std::runtime_error(tag.error().message());
  }
  return {*tag, {writer.span().begin(), writer.span().end()}};
}

Value decode(const Encoded& encoded) {
  return ValueView(static_cast<std::uint8_t>(encoded.tag), encoded.payload).to_value();
}

std::vector<Value> hard_values() {
  Bytes all_bytes;
  for (int i = 0; i < 256; ++i) {
    all_bytes.push_back(static_cast<std::byte>(i));
  }
  Vector floats(1536);
  for (std::size_t i = 0; i < floats.size(); ++i) {
    floats[i] = static_cast<float>(i) * 0.37f - 100.0f;
  }
  floats[7] = std::bit_cast<float>(0x7fc12345u);
  using Doubles = std::numeric_limits<double>;
  using Ints = std::numeric_limits<std::int64_t>;
  std::vector<Value> values{
      nullptr,
      true,
      false,
      std::int64_t{9007199254740993},
      Ints::min(),
      Ints::max(),
      -0.0,
      0.0,
      std::bit_cast<double>(0x7ff8dead0000beefull),
      Doubles::infinity(),
      -Doubles::infinity(),
      1e-310,
      "",
      std::string("\0x", 2),
      all_bytes,
      Bytes{},
      Timestamp{Ints::min()},
      random_uuid(),
      floats,
      Vector{},
      List{},
      Map{},
      List{1, nullptr, List{"a", Map{{"", -0.0}}}, all_bytes},
      Map{{"", 1}, {std::string(65536, 'k'), List{true, Vector{1.0f}}}, {"z", Map{{"y", 2}}}}};
  for (const int shift : {7, 8, 15, 16, 31, 32}) {
    for (const std::int64_t nearby : {-1, 0, 1}) {
      values.emplace_back((std::int64_t{1} << shift) + nearby);
      values.emplace_back(-(std::int64_t{1} << shift) + nearby);
    }
  }
  return values;
}

TEST(ValueCodec, EveryValueComesBackBitForBit) {
  for (const Value& value : hard_values()) {
    const Encoded encoded = encode(value);
    EXPECT_TRUE(valid_value(encoded.tag, encoded.payload)) << to_string(value.type());
    EXPECT_TRUE(decode(encoded) == value) << to_string(value.type());
  }
}

TEST(ValueCodec, EncodingIsCanonical) {
  for (const Value& value : hard_values()) {
    const Encoded first = encode(value);
    const Encoded second = encode(decode(first));
    EXPECT_EQ(first.tag, second.tag);
    EXPECT_EQ(first.payload, second.payload);
  }
}

TEST(ValueCodec, TruncatedListsAndMapsAreRefused) {
  const Encoded list = encode(List{1, "abc", List{2.5}});
  const Encoded map = encode(Map{{"a", 1}, {"b", List{"x"}}});
  for (const Encoded& encoded : {list, map}) {
    for (std::size_t size = 0; size < encoded.payload.size(); ++size) {
      EXPECT_FALSE(valid_value(encoded.tag, std::span(encoded.payload).first(size))) << size;
    }
  }
}

TEST(ValueCodec, WhateverPassesTheCheckReadsAsTheSameBytes) {
  std::mt19937 random(26);
  const Encoded base = encode(Map{{"a", List{1, 300, "x"}}, {"b", Map{{"c", -0.0}}}});
  unsigned refused = 0;
  for (int round = 0; round < 20000; ++round) {
    Encoded damaged = base;
    if (round % 2 == 0) {
      damaged.payload[random() % damaged.payload.size()] ^=
          static_cast<std::byte>(1u << random() % 8);
    } else {
      damaged.tag = static_cast<Tag>(random() % 20);
      damaged.payload.resize(random() % 24);
      for (std::byte& byte : damaged.payload) {
        byte = static_cast<std::byte>(random() % 32);
      }
    }
    if (!valid_value(damaged.tag, damaged.payload)) {
      ++refused;
      continue;
    }
    const Encoded again = encode(decode(damaged));
    ASSERT_EQ(again.tag, damaged.tag);
    ASSERT_EQ(again.payload, damaged.payload);
  }
  EXPECT_GT(refused, 1000u);
}

TEST(ValueCodec, HugeAnnouncedCountsAreRefused) {
  ByteWriter writer;
  writer.put_varint(std::numeric_limits<std::uint64_t>::max());
  EXPECT_FALSE(valid_value(Tag::list, writer.span()));
  EXPECT_FALSE(valid_value(Tag::map, writer.span()));
}

TEST(ValueCodec, TextThatIsNotUtf8IsRefused) {
  ByteWriter writer;
  EXPECT_EQ(put_value(writer, "\xff").error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(put_value(writer, Value(Map{{"\xff", 1}})).error().code(), ErrorCode::invalid_argument);
}

TEST(ValueCodec, NestingHasALimitThatReaderAndWriterShare) {
  Value value = 1;
  ByteWriter writer;
  unsigned depth = 0;
  for (; depth < 10000 && put_value(writer, value); ++depth) {
    const Encoded encoded = encode(value);
    ASSERT_TRUE(valid_value(encoded.tag, encoded.payload)) << depth;
    value = List{value};
    writer.clear();
  }
  EXPECT_EQ(put_value(writer, value).error().code(), ErrorCode::too_large);
}

}  // namespace
}  // namespace selvedge::graph
