#include "history/segment_index.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/assert.h"
#include "base/crc32c.h"
#include "wal/segment.h"

namespace selvedge::history {

namespace {

constexpr std::string_view magic = "SELVIDX1";
constexpr std::size_t header_bytes = 72;
constexpr std::size_t crc_bytes = 4;

/// A place, as distance from the one before.
void put_place(ByteWriter& to, const FramePlace& place, FramePlace& before) {
  to.put_varint(place.sequence - before.sequence);
  to.put_varint((place.offset - before.offset) / wal::frame_alignment_bytes);
  before = place;
}

void take_place(ByteReader& from, FramePlace& place) {
  place.sequence += from.take_varint();
  place.offset += from.take_varint() * wal::frame_alignment_bytes;
}

}  // namespace

std::string index_name(std::uint64_t number) {
  std::string name = wal::segment_name(number);
  name.resize(name.size() - std::string_view("wal").size());
  return name + "idx";
}

SegmentIndex::SegmentIndex(const SegmentIdentity& identity)
    : identity_(identity),
      next_sequence_(identity.first_sequence),
      end_offset_(wal::segment_header_bytes) {
  marks_.push_back({next_sequence_, end_offset_});
}

void SegmentIndex::add(const wal::FrameHeader& header, std::uint64_t offset) {
  SELVEDGE_ASSERT(header.count > 0 && header.sequence >= next_sequence_ && offset >= end_offset_);
  if (offset - marks_.back().offset >= mark_distance_bytes) {
    marks_.push_back({header.sequence, offset});
  }
  const bool begins = (header.flags & wal::frame_flags::begin) != 0;
  const bool ends = (header.flags & (wal::frame_flags::commit | wal::frame_flags::abort)) != 0;
  if (header.transaction != 0 && !(begins && ends)) {
    frames_.push_back({{header.sequence, offset}, header.transaction, ends});
  }
  next_sequence_ = header.next_sequence();
  end_offset_ = offset + header.frame_bytes();
}

FramePlace SegmentIndex::find(std::uint64_t sequence) const {
  const auto behind = std::upper_bound(
      marks_.begin(), marks_.end(), sequence,
      [](std::uint64_t wanted, const FramePlace& mark) { return wanted < mark.sequence; });
  return behind == marks_.begin() ? marks_.front() : *std::prev(behind);
}

std::vector<FramePlace> SegmentIndex::frames_of(std::uint64_t transaction, bool& ended) const {
  std::vector<FramePlace> found;
  const auto from = std::lower_bound(
      frames_.begin(), frames_.end(), transaction,
      [](const StreamFrame& frame, std::uint64_t wanted) { return frame.place.sequence < wanted; });
  for (auto frame = from; frame != frames_.end() && !ended; ++frame) {
    if (frame->transaction == transaction) {
      found.push_back(frame->place);
      ended = frame->ends;
    }
  }
  return found;
}

std::vector<std::byte> SegmentIndex::encode() const {
  ByteWriter to;
  to.put_bytes(as_bytes(magic));
  to.put(index_format_version);
  to.put(identity_.salt);
  to.put_bytes(identity_.store.bytes);
  to.put(identity_.number);
  to.put(identity_.first_sequence);
  to.put(next_sequence_);
  to.put(end_offset_);
  to.put(static_cast<std::uint32_t>(marks_.size()));
  to.put(static_cast<std::uint32_t>(frames_.size()));
  SELVEDGE_ASSERT(to.size() == header_bytes);
  FramePlace before;
  for (const FramePlace& mark : marks_) {
    put_place(to, mark, before);
  }
  before = {};
  for (const StreamFrame& frame : frames_) {
    put_place(to, frame.place, before);
    to.put_varint((frame.place.sequence - frame.transaction) << 1 | (frame.ends ? 1 : 0));
  }
  to.put(base::crc32c(to.span()));
  return {to.span().begin(), to.span().end()};
}

Result<SegmentIndex> SegmentIndex::decode(std::span<const std::byte> bytes,
                                          const std::string& path) {
  const auto damaged = [&](std::uint64_t offset, const char* what) {
    return fail(Error(ErrorCode::corruption, std::string("log index: ") + what).at(path, offset));
  };
  if (bytes.size() < header_bytes + crc_bytes || as_text(bytes.first(magic.size())) != magic) {
    return damaged(0, "no header");
  }
  const auto covered = bytes.first(bytes.size() - crc_bytes);
  if (base::crc32c(covered) != load_le<std::uint32_t>(bytes.data() + covered.size())) {
    return damaged(covered.size(), "its CRC does not hold");
  }
  ByteReader reader(covered);
  reader.take_bytes(magic.size());
  if (reader.take<std::uint32_t>() != index_format_version) {
    return damaged(8, "another format version");
  }
  SegmentIdentity identity;
  identity.salt = reader.take<std::uint32_t>();
  const auto store = reader.take_bytes(identity.store.bytes.size());
  std::memcpy(identity.store.bytes.data(), store.data(), store.size());
  identity.number = reader.take<std::uint64_t>();
  identity.first_sequence = reader.take<std::uint64_t>();
  SegmentIndex index(identity);
  index.next_sequence_ = reader.take<std::uint64_t>();
  index.end_offset_ = reader.take<std::uint64_t>();
  const auto marks = reader.take<std::uint32_t>();
  const auto frames = reader.take<std::uint32_t>();
  if (!index.take_places(reader, marks, frames)) {
    return damaged(header_bytes, "its places do not rise, or go beyond the segment");
  }
  return index;
}

bool SegmentIndex::take_places(ByteReader& reader, std::uint32_t marks, std::uint32_t frames) {
  // A place takes two bytes at least: nothing is allocated that the file's size does not justify.
  if (marks == 0 || (std::uint64_t{marks} + frames) * 2 > reader.remaining()) {
    return false;
  }
  marks_.clear();
  const auto within = [&](const FramePlace& place) {
    return place.sequence >= identity_.first_sequence && place.sequence <= next_sequence_ &&
           place.offset >= wal::segment_header_bytes && place.offset <= end_offset_;
  };
  FramePlace place;
  for (std::uint32_t i = 0; i < marks; ++i) {
    take_place(reader, place);
    if (!reader.ok() || !within(place)) {
      return false;
    }
    marks_.push_back(place);
  }
  place = {};
  for (std::uint32_t i = 0; i < frames; ++i) {
    take_place(reader, place);
    const std::uint64_t word = reader.take_varint();
    if (!reader.ok() || !within(place) || word >> 1 > place.sequence) {
      return false;
    }
    frames_.push_back({place, place.sequence - (word >> 1), (word & 1) != 0});
  }
  return reader.at_end();
}

}  // namespace selvedge::history
