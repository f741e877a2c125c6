// A file of the input, read from its beginning to its end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/file_system.h>

#include "base/bytes.h"

namespace selvedge::migration {

/// Role: bytes in order, with their number and checksum.
/// Invariants: `offset` is the place of the first byte of `rest`.
/// Threads: one.
class InputFile {
 public:
  /// `invalid_argument` for what is no regular file, with what it is.
  static Result<InputFile> open(FileSystem& files, const std::string& path);

  /// Gets more behind `rest` (which moves). False at the end of the file.
  Result<bool> more();
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(begin_); }
  void take(std::size_t count) {
    begin_ += count;
    offset_ += count;
  }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// Of everything that was read so far.
  [[nodiscard]] std::uint32_t crc() const { return crc_; }
  void rewind();

  enum class Line : std::uint8_t { line, too_long, end };
  /// The next line without its end; of one that is longer than `bytes_max` the beginning, and it is
  /// passed over. A last line without an end is a line.
  Result<Line> line(std::string_view& into, std::size_t bytes_max);
  /// Of the line that `line` returned last: from 1.
  [[nodiscard]] std::uint64_t line_number() const { return line_number_; }
  [[nodiscard]] std::uint64_t line_offset() const { return line_offset_; }

 private:
  static constexpr std::size_t block_bytes = std::size_t{256} << 10;
  Result<Line> pass_over(std::string_view& into);

  std::unique_ptr<File> file_;
  std::string path_;
  std::string buffer_;
  std::string beginning_;  ///< of a line that is too long
  std::size_t begin_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t read_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t line_number_ = 0;
  std::uint64_t line_offset_ = 0;
  std::uint32_t crc_ = 0;
};

}  // namespace selvedge::migration
