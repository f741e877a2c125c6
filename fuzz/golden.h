// The golden stores, as bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/target.h"
#include "wal/frame.h"

namespace selvedge::fuzz {

struct GoldenFile {
  std::string path;  ///< inside the store: "wal/000001.wal"
  Buffer bytes;      ///< without the zeros at its end
};
struct GoldenStore {
  std::string name;
  std::vector<GoldenFile> files;
};

/// All golden stores of format version 1; read once.
const std::vector<GoldenStore>& golden_stores();
/// All golden files whose path begins so.
std::vector<Buffer> golden_files(std::string_view path_begin);

/// A frame of a golden segment.
struct GoldenFrame {
  wal::FrameHeader header;
  std::uint32_t salt = 0;
  Buffer bytes;  ///< header, payload
  [[nodiscard]] Input payload() const { return Input(bytes).subspan(header.header_bytes()); }
};
std::vector<GoldenFrame> golden_frames();

Buffer buffer_of(std::string_view text);

}  // namespace selvedge::fuzz
