#include "fuzz/golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "wal/segment.h"

namespace selvedge::fuzz {

namespace {

Buffer read_all(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  require(in.is_open(), "the golden stores are where they were at build time");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  Buffer bytes = buffer_of(text);
  while (!bytes.empty() && bytes.back() == std::byte{0}) {
    bytes.pop_back();  // the reader takes a file's end for zeros
  }
  return bytes;
}

std::vector<GoldenStore> read_stores() {
  std::vector<GoldenStore> stores;
  for (const char* const name : {"log", "checkpoint", "zstd", "backup"}) {
    const std::filesystem::path root = std::filesystem::path(SELVEDGE_GOLDEN) / name;
    GoldenStore store{name, {}};
    for (const auto& each : std::filesystem::recursive_directory_iterator(root)) {
      if (each.is_regular_file()) {
        store.files.push_back(
            {each.path().lexically_relative(root).generic_string(), read_all(each.path())});
      }
    }
    std::sort(store.files.begin(), store.files.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    stores.push_back(std::move(store));
  }
  return stores;
}

void add_frames(Input segment, std::vector<GoldenFrame>& frames) {
  const auto head = wal::decode_segment_header(segment.first<wal::segment_header_bytes>());
  require(head.state == wal::SegmentHeaderState::valid, "a golden segment has a header");
  for (std::size_t at = wal::segment_header_bytes; at < segment.size();) {
    const auto rest = segment.subspan(at);
    const wal::DecodedFrame frame = wal::decode_frame_header(rest, head.header.salt);
    if (frame.fault != wal::FrameFault::none) {
      break;
    }
    const auto whole =
        rest.first(std::min(rest.size(), frame.header.header_bytes() + frame.header.payload_bytes));
    Buffer bytes(whole.begin(), whole.end());
    bytes.resize(frame.header.header_bytes() + frame.header.payload_bytes);  // zeros were cut off
    frames.push_back({frame.header, head.header.salt, std::move(bytes)});
    at += static_cast<std::size_t>(frame.header.frame_bytes());
  }
}

}  // namespace

Buffer buffer_of(std::string_view text) {
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

const std::vector<GoldenStore>& golden_stores() {
  static const std::vector<GoldenStore> stores = read_stores();
  return stores;
}

std::vector<Buffer> golden_files(std::string_view path_begin) {
  std::vector<Buffer> files;
  for (const GoldenStore& store : golden_stores()) {
    for (const GoldenFile& file : store.files) {
      if (file.path.starts_with(path_begin)) {
        files.push_back(file.bytes);
      }
    }
  }
  return files;
}

std::vector<GoldenFrame> golden_frames() {
  std::vector<GoldenFrame> frames;
  for (const GoldenFile& file : golden_stores().front().files) {
    if (file.path.starts_with("wal/")) {
      add_frames(file.bytes, frames);
    }
  }
  return frames;
}

}  // namespace selvedge::fuzz
