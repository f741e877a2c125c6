// Verbs for tests of the log: write, damage, scan.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "tests/support/faulty_file_system.h"
#include "wal/log.h"
#include "wal/log_scanner.h"

namespace selvedge::wal {

/// The manifest's part: remembers what was listed.
class TestRegistry final : public SegmentRegistry {
 public:
  Status segment_prepared(const SegmentInfo& segment) override {
    const std::lock_guard lock(mutex_);
    offered.push_back(segment);
    if (failures > 0) {
      --failures;
      return fail(ErrorCode::io, "the manifest could not be written");
    }
    listed_[segment.number] = segment;
    return {};
  }
  std::vector<SegmentInfo> listed() const {
    const std::lock_guard lock(mutex_);
    std::vector<SegmentInfo> result;
    for (const auto& [number, info] : listed_) {
      result.push_back(info);
    }
    return result;
  }
  void drop(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    listed_.erase(number);
  }
  std::vector<SegmentInfo> offered;
  int failures = 0;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, SegmentInfo> listed_;
};

class WalTest : public testing::Test {
 protected:
  WalTest() {
    std::string name = testing::TempDir() + "selvedge-wal-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    directory = name;
    options.segment_bytes = 64U << 10;
    options.buffer_bytes = 16U << 10;
    uuid.bytes[0] = std::byte{7};
  }
  ~WalTest() override {
    log.reset();
    std::filesystem::remove_all(directory);
  }

  void open() { log = std::make_unique<Log>(files, directory, options, uuid, start, registry); }
  /// What recovery does: scan, erase, go on in a new segment.
  void reopen() {
    log.reset();
    auto found = scan();
    ASSERT_TRUE(found) << found.error().message();
    const Status erased = erase_dropped(files, *found);
    ASSERT_TRUE(erased) << erased.error().message();
    start = {found->next_sequence,
             found->segment_number_max + 1,
             found->last_frame_crc,
             {found->next_sequence - 1, found->last_entries_crc},
             found->wall_us};
    open();
  }

  static FrameParts parts_of(std::string_view text, std::uint8_t flags = 0) {
    FrameParts parts;
    parts.flags = flags;
    parts.payload[0] = as_bytes(text);
    parts.payload_crc = payload_crc(parts.payload[0]);
    return parts;
  }
  Result<std::uint64_t> try_append(const FrameParts& parts) {
    SELVEDGE_TRY(auto section, log->enter(frame_bytes(parts.payload[0].size(), parts.flags)));
    return section.append(parts).last;
  }
  /// Appends; returns the sequence.
  std::uint64_t append(std::string_view text) {
    const auto sequence = try_append(parts_of(text));
    EXPECT_TRUE(sequence) << sequence.error().message();
    return sequence ? *sequence : 0;
  }
  /// Appends and waits for the disk: a group of its own.
  std::uint64_t write(std::string_view text) {
    const std::uint64_t sequence = append(text);
    const Status synced = log->sync(sequence);
    EXPECT_TRUE(synced) << synced.error().message();
    return sequence;
  }
  void write_regenerable(std::string_view text, std::uint64_t entity) {
    FrameParts parts = parts_of(text, frame_flags::regenerable);
    parts.entity = entity;
    const auto sequence = try_append(parts);
    ASSERT_TRUE(sequence);
    ASSERT_TRUE(log->sync(*sequence));
  }

  std::string path(std::uint64_t segment) const { return segment_path(directory, segment); }
  std::string bytes(std::uint64_t segment) const {
    std::ifstream in(path(segment), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void set_bytes(std::uint64_t segment, const std::string& content) {
    std::ofstream(path(segment), std::ios::binary | std::ios::trunc) << content;
  }
  void patch(std::uint64_t segment, std::uint64_t offset, const std::string& with) {
    std::string content = bytes(segment);
    ASSERT_LE(offset + with.size(), content.size());
    content.replace(offset, with.size(), with);
    set_bytes(segment, content);
  }
  void zero(std::uint64_t segment, std::uint64_t offset, std::uint64_t count) {
    patch(segment, offset, std::string(count, '\0'));
  }
  void flip(std::uint64_t segment, std::uint64_t offset) {
    patch(segment, offset, std::string(1, static_cast<char>(bytes(segment).at(offset) ^ 0x10)));
  }
  void truncate(std::uint64_t segment, std::uint64_t size) {
    std::filesystem::resize_file(path(segment), size);
  }

  struct Place {
    FrameHeader header;
    std::uint64_t offset = 0;
    [[nodiscard]] std::uint64_t end() const { return offset + header.frame_bytes(); }
    [[nodiscard]] std::uint64_t payload() const { return offset + header.header_bytes(); }
  };
  /// All frames of a segment, marks and seals too.
  std::vector<Place> frames(std::uint64_t segment) {
    auto reader = SegmentReader::open(files, directory, segment);
    EXPECT_TRUE(reader);
    std::vector<Place> result;
    for (;;) {
      auto step = reader->next();
      EXPECT_TRUE(step);
      if (step->kind == ReadStep::Kind::sealed) {
        result.push_back({step->frame.header, step->offset});
      }
      if (step->kind != ReadStep::Kind::frame) {
        return result;
      }
      result.push_back({step->frame.header, step->offset});
    }
  }
  /// The frame that holds this sequence.
  Place place(std::uint64_t segment, std::uint64_t sequence) {
    for (const Place& frame : frames(segment)) {
      if (frame.header.count > 0 && frame.header.sequence <= sequence &&
          sequence <= frame.header.last_sequence()) {
        return frame;
      }
    }
    ADD_FAILURE() << "no frame with sequence " << sequence;
    return {};
  }

  Result<LogExtent> scan() {
    texts.clear();
    sequences.clear();
    scan_options.listed = registry.listed();
    if (!list_known) {
      scan_options.listed.reset();
    }
    scan_options.store = uuid;
    return LogScanner(files, directory).scan(scan_options, [this](const FrameView& frame) {
      texts.emplace_back(as_text(frame.payload));
      sequences.push_back(frame.header.sequence);
      return Status{};
    });
  }
  LogExtent scanned() {
    auto found = scan();
    EXPECT_TRUE(found) << found.error().message();
    return found ? *std::move(found) : LogExtent{};
  }
  /// The scan refuses, changes nothing, and names the place.
  void expect_refused(std::uint64_t segment, std::uint64_t offset) {
    const auto before = content();
    const auto found = scan();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), ErrorCode::corruption) << found.error().message();
    EXPECT_EQ(found.error().path(), path(segment)) << found.error().message();
    EXPECT_EQ(found.error().offset(), offset) << found.error().message();
    EXPECT_EQ(content(), before);
  }
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      std::ifstream in(entry.path(), std::ios::binary);
      result[entry.path()] = {std::istreambuf_iterator<char>(in), {}};
    }
    return result;
  }

  test::FaultyFileSystem files{posix_file_system()};
  std::string directory;
  LogOptions options;
  LogStart start;
  Uuid uuid;
  TestRegistry registry;
  std::unique_ptr<Log> log;
  ScanOptions scan_options;
  bool list_known = true;
  std::vector<std::string> texts;
  std::vector<std::uint64_t> sequences;
};

using Texts = std::vector<std::string>;

}  // namespace selvedge::wal
