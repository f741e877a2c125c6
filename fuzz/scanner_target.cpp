// The scan of a log directory with up to three segments.
//
// Input: u8 options | u8 from | u8 also | u8 acknowledged | u8 segments (1 to 3, modulo) |
//        for all segments but the last: u16 bytes of the file | the files, one after another.

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/golden.h"
#include "fuzz/memory_files.h"
#include "fuzz/repair.h"
#include "wal/log_scanner.h"

namespace selvedge::fuzz {

namespace {

using wal::FrameView;
using wal::LogExtent;

const std::string directory = "/wal";

namespace options_bits {
constexpr unsigned salvage = 1;
constexpr unsigned listed = 2;
constexpr unsigned listed_missing = 4;  // one more than there are
}  // namespace options_bits

constexpr std::size_t fixed_bytes = 5;
constexpr std::size_t segments_max = 3;

std::size_t segment_count(Input input) {
  return std::to_integer<std::size_t>(input[4]) % segments_max + 1;
}

/// Offset and size of each file; nothing for an input that is too short.
std::vector<std::pair<std::size_t, std::size_t>> parts_of(Input input) {
  if (input.size() < fixed_bytes) {
    return {};
  }
  const std::size_t count = segment_count(input);
  std::size_t at = fixed_bytes + 2 * (count - 1);
  if (input.size() < at) {
    return {};
  }
  std::vector<std::pair<std::size_t, std::size_t>> parts;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    const std::size_t bytes = std::min<std::size_t>(
        load_le<std::uint16_t>(&input[fixed_bytes + 2 * i]), input.size() - at);
    parts.emplace_back(at, bytes);
    at += bytes;
  }
  parts.emplace_back(at, input.size() - at);
  return parts;
}

/// A frame as the sink got it.
struct Seen {
  wal::FrameHeader header;
  wal::FrameLocation location;
  Buffer payload;
  bool operator==(const Seen&) const = default;
};

struct Scan {
  Result<LogExtent> log;
  std::vector<Seen> frames;
};

wal::FrameSink into(std::vector<Seen>& frames) {
  return [&frames](const FrameView& frame) {
    frames.push_back({frame.header, frame.location, {frame.payload.begin(), frame.payload.end()}});
    return Status{};
  };
}

Scan scan(FileSystem& files, const wal::ScanOptions& options) {
  std::vector<Seen> frames;
  auto log = wal::LogScanner(files, directory).scan(options, into(frames));
  return {std::move(log), std::move(frames)};
}

/// Frames rise without gaps but for what was passed over, and are what their CRCs say.
void check_order(const LogExtent& log, std::uint64_t from, std::vector<Seen> frames) {
  // The one that was asked for besides may stand alone, far before the others.
  std::erase_if(frames, [&](const Seen& each) { return each.header.last_sequence() < from; });
  std::uint64_t next = frames.empty() ? 0 : frames.front().header.sequence;
  for (const Seen& frame : frames) {
    while (frame.header.sequence != next) {
      const auto skipped =
          std::find_if(log.skipped.begin(), log.skipped.end(),
                       [&](const auto& each) { return each.header.sequence == next; });
      require(skipped != log.skipped.end(), "frames come without gaps");
      next = skipped->header.next_sequence();
    }
    require(base::crc32c(frame.payload) == frame.header.payload_crc, "a payload has its CRC");
    next = frame.header.next_sequence();
  }
  require(frames.empty() || next <= log.next_sequence, "the log ends behind its last frame");
  require(log.last_entries.count == 0 || log.last_entries.next_sequence() <= log.next_sequence,
          "the last frame with entries is in the log");
}

/// The other ways to read the same log give the same frames.
void check_reading(FileSystem& files, const LogExtent& log, std::uint64_t from,
                   const std::vector<Seen>& frames) {
  const wal::LogScanner scanner(files, directory);
  std::vector<Seen> wanted;
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(wanted),
               [&](const Seen& each) { return each.header.last_sequence() >= from; });
  std::vector<Seen> again;
  must(scanner.read_from(log, from, into(again)), "a scanned log can be read");
  require(again == wanted, "reading gives what the scan gave");
  for (const Seen& frame : frames) {
    const auto one = must(scanner.read_frame(log, frame.location), "a scanned frame can be read");
    require(one.header == frame.header && one.payload == frame.payload,
            "a frame read by its place is the frame");
  }
}

/// What a recovery leaves is a sound log with the same frames: nothing dropped rises again.
void check_settled(FileSystem& files, wal::ScanOptions options, const Scan& first) {
  must(wal::erase_dropped(files, *first.log), "a dropped tail can be erased");
  options.salvage = false;
  options.store = first.log->store;
  options.acknowledged = first.log->next_sequence - 1;
  options.listed.emplace();
  for (const wal::SegmentExtent& segment : first.log->segments) {
    options.listed->push_back(segment.info);
  }
  if (first.log->segments.empty() || first.log->next_sequence < options.from_sequence) {
    return;  // nobody goes on from there: nothing is left, or a salvage cut before what is needed
  }
  const Scan second = scan(files, options);
  must(second.log ? Status{} : fail(second.log.error().clone()), "a settled log is sound");
  require(second.log->next_sequence == first.log->next_sequence, "a settled log ends where it did");
  require(second.frames == first.frames, "a settled log has the same frames");
  require(second.log->dropped.empty(), "a settled log has no tail");
}

void run(Input input) {
  const auto parts = parts_of(input);
  if (parts.empty()) {
    return;
  }
  test::MemoryFileSystem files;
  must(files.mkdir(directory), "a directory can be made");
  const auto bits = std::to_integer<unsigned>(input[0]);
  wal::ScanOptions options;
  options.salvage = (bits & options_bits::salvage) != 0;
  options.from_sequence = std::to_integer<std::uint64_t>(input[1]);
  options.also_sequence = std::to_integer<std::uint64_t>(input[2]);
  options.acknowledged = std::to_integer<std::uint64_t>(input[3]);
  if ((bits & options_bits::listed) != 0) {
    options.listed.emplace();
  }
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto file = input.subspan(parts[i].first, parts[i].second);
    put_file(files, wal::segment_path(directory, i + 1), file);
    if (options.listed) {
      const auto salt = file.size() < 16 ? 0 : load_le<std::uint32_t>(&file[12]);
      options.listed->push_back({i + 1, salt});
    }
  }
  if (options.listed && (bits & options_bits::listed_missing) != 0) {
    options.listed->push_back({parts.size() + 1, 1});
  }
  const Scan first = scan(files, options);
  if (!first.log) {
    require_answer(first.log.error(), {ErrorCode::corruption, ErrorCode::newer_format});
    return;
  }
  require(!options.salvage || !first.log->damage || !first.log->damage->message().empty(),
          "damage is named");
  check_order(*first.log, options.from_sequence, first.frames);
  check_reading(files, *first.log, options.from_sequence, first.frames);
  check_settled(files, options, first);
}

void repair(std::span<std::byte> input, std::uint64_t choice) {
  for (const auto& [at, bytes] : parts_of(input)) {
    repair_segment(input.subspan(at, bytes), choice % 2 == 0);
  }
}

// --- seeds -------------------------------------------------------------------------------------

/// Role: writes a small segment.
class Segment {
 public:
  Segment(std::uint64_t number, std::uint64_t first, std::uint32_t predecessor_crc, bool recycled)
      : salt_(static_cast<std::uint32_t>(0x5e1fed00 + number)), next_(first) {
    wal::SegmentHeader header;
    header.number = number;
    header.first_sequence = first;
    header.predecessor_last = first - 1;
    header.predecessor_crc = predecessor_crc;
    header.salt = salt_;
    header.recycled = recycled;
    header.store.bytes[0] = std::byte{7};
    bytes_.resize(wal::segment_header_bytes);
    wal::encode_segment_header(header, bytes_.data());
  }
  void mark(std::uint64_t durable) {
    last_crc_ = wal::encode_sync_mark(next_, 1, durable, salt_, room(wal::sync_mark_frame_bytes));
  }
  void seal(std::uint64_t next_segment) {
    const wal::SealPayload payload{next_segment,
                                   static_cast<std::uint32_t>(0x5e1fed00 + next_segment)};
    last_crc_ = wal::encode_seal(next_, 1, payload, salt_, room(wal::seal_frame_bytes));
  }
  void frame(std::string_view text, std::uint32_t count, std::uint8_t flags = 0) {
    wal::FrameHeader header;
    header.sequence = next_;
    header.count = count;
    header.flags = flags;
    header.wall_us = 1;
    header.entity = 256;
    header.transaction = (flags & wal::frame_flags::begin) != 0 ? next_ : 0;
    header.payload_bytes = static_cast<std::uint32_t>(text.size());
    header.payload_crc = base::crc32c(as_bytes(text));
    std::byte* const at = room(static_cast<std::size_t>(header.frame_bytes()));
    last_crc_ = wal::encode_frame_header(header, salt_, at);
    std::copy_n(as_bytes(text).begin(), text.size(), at + header.header_bytes());
    next_ += count;
  }
  /// The last byte of the last frame's payload becomes another.
  void damage(std::size_t from_end) { bytes_[bytes_.size() - from_end] ^= std::byte{0xff}; }
  void damage_header() { bytes_[8] ^= std::byte{0xff}; }

  [[nodiscard]] const Buffer& bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t next() const { return next_; }
  [[nodiscard]] std::uint32_t last_crc() const { return last_crc_; }

 private:
  std::byte* room(std::size_t bytes) {
    bytes_.resize(bytes_.size() + bytes);
    return bytes_.data() + bytes_.size() - bytes;
  }
  Buffer bytes_;
  std::uint32_t salt_;
  std::uint64_t next_;
  std::uint32_t last_crc_ = 0;
};

Buffer seed_of(unsigned bits, std::uint8_t from, std::uint8_t also, std::uint8_t acknowledged,
               std::vector<Buffer> files) {
  Buffer seed = {std::byte(bits), std::byte(from), std::byte(also), std::byte(acknowledged),
                 std::byte(static_cast<unsigned char>(files.size() - 1))};
  for (std::size_t i = 0; i + 1 < files.size(); ++i) {
    seed.resize(seed.size() + 2);
    store_le(&seed[seed.size() - 2], static_cast<std::uint16_t>(files[i].size()));
  }
  for (const Buffer& file : files) {
    seed.insert(seed.end(), file.begin(), file.end());
  }
  return seed;
}

Segment small_segment(std::uint64_t number, std::uint64_t first, std::uint32_t predecessor_crc) {
  Segment segment(number, first, predecessor_crc, number % 2 == 0);
  segment.mark(first - 1);
  segment.frame("a", 1);
  segment.frame("small one", 3, wal::frame_flags::begin | wal::frame_flags::commit);
  segment.frame("floats", 1, wal::frame_flags::regenerable);
  return segment;
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  Segment one = small_segment(1, 1, 0);
  Segment torn = one;
  torn.frame("a torn group", 1);
  torn.damage(4);
  Segment skipped = one;
  skipped.damage(3);
  skipped.mark(one.next() - 1);
  one.seal(2);
  Segment two = small_segment(2, one.next(), one.last_crc());
  Segment headless = two;
  headless.damage_header();
  two.seal(3);
  Segment three = small_segment(3, two.next(), two.last_crc());
  three.seal(0);
  const Buffer blank(256);
  for (const unsigned bits : {0u, 2u, 3u, 6u}) {
    result.push_back(seed_of(bits, 0, 0, 0, {one.bytes()}));
    result.push_back(seed_of(bits, 1, 3, 4, {torn.bytes()}));
    result.push_back(seed_of(bits, 0, 0, 5, {skipped.bytes()}));
    result.push_back(seed_of(bits, 7, 2, 6, {one.bytes(), two.bytes(), three.bytes()}));
    result.push_back(seed_of(bits, 1, 0, 5, {one.bytes(), headless.bytes()}));
    result.push_back(seed_of(bits, 1, 0, 5, {one.bytes(), blank}));
    result.push_back(seed_of(bits, 1, 0, 0, {torn.bytes(), two.bytes()}));
  }
  auto golden = golden_files("wal/");
  golden.resize(2);
  result.push_back(seed_of(options_bits::listed, 1, 0, 80, golden));
  return result;
}

}  // namespace

// Three windows of a megabyte: the reader's, the search's and the eraser's; and the disk itself.
const Target scanner_target{"scanner", run, repair, seeds, std::size_t{4} << 20, 64};

}  // namespace selvedge::fuzz
