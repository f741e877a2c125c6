#include "wal/frame.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "wal/segment.h"

namespace selvedge::wal {
namespace {

FrameHeader sample(std::uint8_t flags = frame_flags::begin | frame_flags::commit) {
  FrameHeader header;
  header.sequence = 41;
  header.transaction = 41;
  header.wall_us = 0x99aabbccddeeff00;
  header.entity = (flags & frame_flags::regenerable) != 0 ? 0x1122334455667788 : 0;
  header.payload_bytes = 100;
  header.count = 3;
  header.payload_crc = 0xabcdef01;
  header.flags = flags;
  return header;
}

TEST(Frame, HeaderComesBack) {
  for (const std::uint8_t flags : std::array<std::uint8_t, 3>{0, 3, 8}) {
    std::vector<std::byte> bytes(56);
    encode_frame_header(sample(flags), 99, bytes.data());
    const DecodedFrame decoded = decode_frame_header(bytes, 99);
    EXPECT_EQ(decoded.fault, FrameFault::none);
    EXPECT_EQ(decoded.header, sample(flags));
  }
}

TEST(Frame, LayoutIsPinned) {
  std::vector<std::byte> bytes(56);
  encode_frame_header(sample(frame_flags::regenerable), 0x01020304, bytes.data());
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[4]), 100U);
  EXPECT_EQ(load_le<std::uint64_t>(&bytes[8]), 41U);
  EXPECT_EQ(load_le<std::uint64_t>(&bytes[16]), 41U);
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[24]), 3U);
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[28]), 0xabcdef01U);
  EXPECT_EQ(bytes[32], std::byte{1});
  EXPECT_EQ(bytes[33], std::byte{8});
  EXPECT_EQ(bytes[34], std::byte{1});
  EXPECT_EQ(load_le<std::uint64_t>(&bytes[40]), 0x99aabbccddeeff00U);
  EXPECT_EQ(load_le<std::uint64_t>(&bytes[48]), 0x1122334455667788U);
  EXPECT_EQ(load_le<std::uint32_t>(&bytes[0]),
            base::crc32c(0x01020304, std::span(bytes).subspan(4, 52)));
}

TEST(Frame, EveryFlippedBitIsSeen) {
  std::vector<std::byte> good(56);
  encode_frame_header(sample(frame_flags::regenerable), 99, good.data());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<std::byte> bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_NE(decode_frame_header(bad, 99).fault, FrameFault::none) << "bit " << bit;
  }
}

TEST(Frame, AnotherGenerationNeverPasses) {
  std::vector<std::byte> bytes(56);
  encode_frame_header(sample(), 99, bytes.data());
  for (std::uint32_t salt = 0; salt < 100'000; ++salt) {
    if (salt != 99) {
      ASSERT_EQ(decode_frame_header(bytes, salt).fault, FrameFault::header_crc) << salt;
    }
  }
}

TEST(Frame, NamesWhatIsWrong) {
  std::vector<std::byte> bytes(56);
  EXPECT_EQ(decode_frame_header(bytes, 99).fault, FrameFault::zeros);
  EXPECT_EQ(decode_frame_header({}, 99).fault, FrameFault::zeros);

  FrameHeader header = sample();
  header.payload_bytes = payload_bytes_max + 1;
  encode_frame_header(header, 99, bytes.data());
  EXPECT_EQ(decode_frame_header(bytes, 99).fault, FrameFault::length);
  EXPECT_EQ(decode_frame_header(std::span(bytes).first(47), 99).fault, FrameFault::cut_off);

  encode_frame_header(sample(), 99, bytes.data());
  bytes[34] = std::byte{2};
  store_le(bytes.data(), base::crc32c(99, std::span(bytes).subspan(4, 44)));
  EXPECT_EQ(decode_frame_header(bytes, 99).fault, FrameFault::newer_version);
}

TEST(Frame, RefusesContradictions) {
  const auto fault = [](auto change) {
    FrameHeader header = sample(0);
    header.transaction = 0;
    change(header);
    std::vector<std::byte> bytes(56);
    encode_frame_header(header, 99, bytes.data());
    return decode_frame_header(bytes, 99).fault;
  };
  EXPECT_EQ(fault([](FrameHeader&) {}), FrameFault::none);
  EXPECT_EQ(fault([](FrameHeader& h) { h.count = 0; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.sequence = 0; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.sequence = ~0ULL - 1; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.sequence = (1ULL << 61) - 4; }), FrameFault::none);
  EXPECT_EQ(fault([](FrameHeader& h) { h.sequence = (1ULL << 61) - 3; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.kind = FrameKind{9}; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.flags = 16; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.flags = frame_flags::commit; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) { h.kind = FrameKind::seal; }), FrameFault::malformed);
  EXPECT_EQ(fault([](FrameHeader& h) {
              h.flags = frame_flags::begin;
              h.transaction = 40;
            }),
            FrameFault::malformed);
}

TEST(Segment, HeaderComesBackAndEveryFlippedBitIsSeen) {
  SegmentHeader header;
  header.number = 12;
  header.first_sequence = 100;
  header.predecessor_last = 99;
  header.predecessor_crc = 7;
  header.created_at_us = 1'700'000'000'000'000;
  header.salt = 5;
  header.recycled = true;
  header.store.bytes[15] = std::byte{3};
  std::array<std::byte, segment_header_bytes> good{};
  EXPECT_EQ(decode_segment_header(good).state, SegmentHeaderState::unused);
  encode_segment_header(header, good.data());
  EXPECT_EQ(decode_segment_header(good).state, SegmentHeaderState::valid);
  EXPECT_EQ(decode_segment_header(good).header, header);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_EQ(decode_segment_header(bad).state, SegmentHeaderState::damaged) << "bit " << bit;
  }
}

TEST(Segment, HeaderWithASequenceThatNoStoreHasIsDamaged) {
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1} << 61}) {
    SegmentHeader header;
    header.number = 1;
    header.first_sequence = first;
    header.predecessor_last = first - 1;
    std::array<std::byte, segment_header_bytes> bytes{};
    encode_segment_header(header, bytes.data());
    EXPECT_EQ(decode_segment_header(bytes).state, SegmentHeaderState::damaged) << first;
  }
}

TEST(Segment, NamesAreStrict) {
  EXPECT_EQ(segment_name(12), "000012.wal");
  EXPECT_EQ(segment_name(12'345'678), "12345678.wal");
  EXPECT_EQ(segment_number("000012.wal"), 12U);
  EXPECT_EQ(segment_number("12345678.wal"), 12'345'678U);
  for (const char* name : {"12.wal", "0000012.wal", "000000.wal", "00001a.wal", "000012.wal.bak",
                           ".wal", "-00012.wal", "99999999999999999999999.wal"}) {
    EXPECT_EQ(segment_number(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace selvedge::wal
