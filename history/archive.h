// Compressed segments: log that nobody but a reader of history needs.
//
// history/NNNNNN.wal.zst:
//   offset  bytes
//        0  8    magic "SELVARC1"
//        8  u32  format version 1
//       12  u32  salt                of the segment
//       16  16   store UUID
//       32  u64  segment number
//       40  u64  first sequence
//       48  u64  next sequence       behind the segment's last entry
//       56  u64  raw bytes           of the segment's file, from its header to its last entry
//       64  u32  block bytes         raw bytes of each block but the last
//       68  u32  blocks
//       72  u32  CRC-32C of bytes 0 to 71 and of the table
//       76       table: for each block u32 stored bytes | u32 CRC-32C of them
//        ..      blocks, each a zstd frame
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>

#include "history/segment_index.h"
#include "wal/segment_reader.h"

namespace selvedge::history {

inline constexpr std::uint32_t archive_format_version = 1;
inline constexpr std::uint32_t archive_block_bytes = 256U << 10;

/// Role: a compressed segment that reads like the file that it was made from.
/// Invariants: a block is given out only if its CRC and its size hold. Memory: two blocks.
/// Threads: one at a time, unlike other files. Writing is refused.
/// After failure: `corruption` with the place in the compressed file; may be tried again.
class ArchiveFile final : public File {
 public:
  static Result<std::unique_ptr<ArchiveFile>> open(FileSystem& files, const std::string& path);

  [[nodiscard]] const SegmentIdentity& identity() const { return identity_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] std::uint64_t stored_bytes() const { return stored_bytes_; }

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override;
  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> from) override;
  Status sync_data() override;
  Status sync() override;
  Status truncate(std::uint64_t size) override;
  Status allocate(std::uint64_t size) override;
  Result<std::uint64_t> size() override { return raw_bytes_; }
  Status close() override { return file_->close(); }
  [[nodiscard]] const std::string& path() const override { return file_->path(); }

 private:
  struct Block {
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
    std::uint32_t crc = 0;
  };
  static constexpr std::size_t none = ~std::size_t{0};
  Status read_head();
  Status load(std::size_t block);
  [[nodiscard]] std::uint64_t raw_bytes_of(std::size_t block) const;
  [[nodiscard]] Error damaged(std::uint64_t offset, const char* what) const;

  std::unique_ptr<File> file_;
  SegmentIdentity identity_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t raw_bytes_ = 0;
  std::uint64_t stored_bytes_ = 0;
  std::uint32_t block_bytes_ = 0;
  std::vector<Block> blocks_;
  std::vector<std::byte> packed_;
  std::vector<std::byte> raw_;
  std::size_t loaded_ = none;
};

/// Writes `directory/name` from a segment's file, so that a crash leaves it whole or under another
/// name: compressed, synced, read back frame by frame, renamed, directory synced. The segment's
/// file stays. After failure nothing is left behind under the name.
Status write_archive(FileSystem& files, const std::string& directory, const std::string& name,
                     File& segment, const SegmentIndex& index);

/// "000012.wal.zst".
std::string archive_name(std::uint64_t number);

}  // namespace selvedge::history
