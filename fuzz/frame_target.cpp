// Headers of frames and segments, and the names of files.
//
// Input: u32 salt | bytes, taken as a frame, as a segment's header and as a name.

#include <array>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/golden.h"
#include "fuzz/repair.h"
#include "snapshot/snapshot_format.h"
#include "wal/segment.h"

namespace selvedge::fuzz {

namespace {

using wal::FrameKind;

/// The log's own frames, written again from what was understood, are understood in the same way.
void check_own_frame(const wal::FrameHeader& header, Input payload, std::uint32_t salt) {
  if (base::crc32c(payload) != header.payload_crc) {
    return;
  }
  std::array<std::byte, wal::seal_frame_bytes> again{};
  if (header.kind == FrameKind::sync_mark) {
    const std::uint64_t durable = wal::decode_sync_mark(payload);
    wal::encode_sync_mark(header.sequence, header.wall_us, durable, salt, again.data());
    const auto decoded = wal::decode_frame_header(again, salt);
    require(decoded.fault == wal::FrameFault::none && decoded.header == header,
            "a sync mark is written as it was read");
  } else if (header.kind == FrameKind::seal) {
    const wal::SealPayload seal = wal::decode_seal(payload);
    wal::encode_seal(header.sequence, header.wall_us, seal, salt, again.data());
    const wal::SealPayload second =
        wal::decode_seal(Input(again).subspan(wal::frame_header_bytes, wal::seal_payload_bytes));
    require(second.next_segment == seal.next_segment && second.next_salt == seal.next_salt,
            "a seal is written as it was read");
  }
}

void check_frame(Input bytes, std::uint32_t salt) {
  const wal::DecodedFrame decoded = wal::decode_frame_header(bytes, salt);
  require(!wal::to_string(decoded.fault).empty(), "a fault has a name");
  if (decoded.fault != wal::FrameFault::none) {
    return;
  }
  const wal::FrameHeader& header = decoded.header;
  require(header.payload_bytes <= wal::payload_bytes_max, "a sound header keeps to the limit");
  require(header.frame_bytes() % wal::frame_alignment_bytes == 0 &&
              header.frame_bytes() >= header.header_bytes() + header.payload_bytes,
          "a frame has room for its payload");
  require(header.count == 0 || header.last_sequence() >= header.sequence,
          "a frame's sequences do not wrap");
  std::array<std::byte, wal::frame_header_bytes + wal::frame_extension_bytes> again{};
  require(wal::encode_frame_header(header, salt, again.data()) == decoded.header_crc,
          "a header is written with the CRC that it was read with");
  require(
      std::equal(again.begin(), again.begin() + static_cast<std::ptrdiff_t>(header.header_bytes()),
                 bytes.begin()),
      "a header is written as it was read");
  if (bytes.size() - header.header_bytes() >= header.payload_bytes) {
    check_own_frame(header, bytes.subspan(header.header_bytes(), header.payload_bytes), salt);
  }
}

void check_segment_header(Input bytes) {
  std::array<std::byte, wal::segment_header_bytes> head{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), head.size()), head.begin());
  const auto decoded = wal::decode_segment_header(head);
  if (decoded.state != wal::SegmentHeaderState::valid) {
    return;
  }
  wal::encode_segment_header(decoded.header, head.data());
  const auto again = wal::decode_segment_header(head);
  require(again.state == wal::SegmentHeaderState::valid && again.header == decoded.header,
          "a segment's header is written as it was read");
}

void check_names(std::string_view name) {
  if (const auto number = wal::segment_number(name)) {
    require(wal::segment_name(*number) == name, "a segment's name stands for one number");
  }
  if (const auto snapshot = snapshot::parse_snapshot_name(name)) {
    require(snapshot::snapshot_name(snapshot->end, snapshot->counter) == name,
            "a snapshot's name stands for one pair of numbers");
  }
}

void run(Input input) {
  ByteReader reader(input);
  const auto salt = reader.take<std::uint32_t>();
  const auto bytes = reader.take_rest();
  check_frame(bytes, salt);
  check_segment_header(bytes);
  check_names(as_text(bytes));
}

void repair(std::span<std::byte> input, std::uint64_t choice) {
  if (input.size() < 4) {
    return;
  }
  if (choice % 4 == 0 && input.size() >= 4 + wal::segment_header_bytes) {
    repair_segment(input.subspan(4, wal::segment_header_bytes), true);
  } else {
    repair_frame(input.subspan(4), load_le<std::uint32_t>(input.data()));
  }
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  const auto add = [&](std::uint32_t salt, Input bytes) {
    Buffer seed(4);
    store_le(seed.data(), salt);
    seed.insert(seed.end(), bytes.begin(), bytes.end());
    result.push_back(std::move(seed));
  };
  for (const GoldenFrame& frame : golden_frames()) {
    if (frame.bytes.size() < 512) {
      add(frame.salt, frame.bytes);
    }
  }
  for (const Buffer& segment : golden_files("wal/")) {
    add(0, Input(segment).first(wal::segment_header_bytes));
  }
  for (const char* const name : {"000012.wal", "1234567.wal", "00000000000000000082-1.snap",
                                 "00000000000000000000-1.snap"}) {
    add(0, buffer_of(name));
  }
  return result;
}

}  // namespace

const Target frame_target{"frame", run, repair, seeds, 4096, 2};

}  // namespace selvedge::fuzz
