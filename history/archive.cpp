#include "history/archive.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/file_util.h"
#include "wal/segment.h"

namespace selvedge::history {

namespace {

constexpr std::string_view magic = "SELVARC1";
constexpr std::size_t covered_bytes = 72;
constexpr std::size_t head_bytes = 76;
constexpr std::size_t row_bytes = 8;
constexpr int level = 3;

tl::unexpected<Error> read_only(const std::string& path) {
  return fail(Error(ErrorCode::read_only, "a compressed segment is not written to").at(path));
}

/// The frames must be there, in order, up to the segment's end.
Status read_back(std::unique_ptr<ArchiveFile> archive, const SegmentIdentity& identity) {
  const std::uint64_t next = archive->next_sequence();
  const std::string path = archive->path();
  SELVEDGE_TRY(auto reader, wal::SegmentReader::open(std::move(archive), identity.number));
  while (reader.next_sequence() < next) {
    SELVEDGE_TRY(const wal::ReadStep step, reader.next());
    const bool skipped =
        step.fault == wal::FrameFault::payload_crc && step.frame.header.regenerable();
    if (skipped) {
      reader.skip_damaged(step.frame.header, step.frame.header_crc);
    } else if (step.kind != wal::ReadStep::Kind::frame) {
      return fail(Error(ErrorCode::corruption, "a compressed segment is not what it was made from")
                      .at(path, step.offset)
                      .mismatch("entry " + std::to_string(reader.next_sequence()),
                                std::string(to_string(step.fault))));
    }
  }
  return {};
}

}  // namespace

std::string archive_name(std::uint64_t number) { return wal::segment_name(number) + ".zst"; }

// --- writing -----------------------------------------------------------------------------------

namespace {

Status write_blocks(File& to, File& segment, const SegmentIndex& index) {
  const std::uint64_t raw_bytes = index.end_offset();
  const std::uint64_t blocks = (raw_bytes + archive_block_bytes - 1) / archive_block_bytes;
  if (blocks > std::numeric_limits<std::uint32_t>::max() / row_bytes) {
    return fail(ErrorCode::too_large, "the segment has too many blocks to be compressed");
  }
  ByteWriter head;
  head.put_bytes(as_bytes(magic));
  head.put(archive_format_version);
  head.put(index.identity().salt);
  head.put_bytes(index.identity().store.bytes);
  head.put(index.identity().number);
  head.put(index.identity().first_sequence);
  head.put(index.next_sequence());
  head.put(raw_bytes);
  head.put(archive_block_bytes);
  head.put(static_cast<std::uint32_t>(blocks));
  SELVEDGE_ASSERT(head.size() == covered_bytes);
  ByteWriter table;
  std::vector<std::byte> raw(
      static_cast<std::size_t>(std::min<std::uint64_t>(archive_block_bytes, raw_bytes)));
  std::vector<std::byte> packed(ZSTD_compressBound(raw.size()));
  std::uint64_t at = head_bytes + blocks * row_bytes;
  for (std::uint64_t from = 0; from < raw_bytes; from += archive_block_bytes) {
    const auto block = std::span(raw).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(archive_block_bytes, raw_bytes - from)));
    SELVEDGE_TRY(io::read_exact(segment, from, block));
    const std::size_t size =
        ZSTD_compress(packed.data(), packed.size(), block.data(), block.size(), level);
    if (ZSTD_isError(size) != 0) {
      return fail(Error(ErrorCode::out_of_memory,
                        std::string("compression failed: ") + ZSTD_getErrorName(size))
                      .at(segment.path(), from));
    }
    const auto stored = std::span<const std::byte>(packed).first(size);
    SELVEDGE_TRY(io::write_all(to, at, stored));
    table.put(static_cast<std::uint32_t>(size));
    table.put(base::crc32c(stored));
    at += size;
  }
  head.put(base::crc32c(base::crc32c(head.span()), table.span()));
  head.put_bytes(table.span());
  SELVEDGE_TRY(io::write_all(to, 0, head.span()));
  return to.sync();
}

}  // namespace

Status write_archive(FileSystem& files, const std::string& directory, const std::string& name,
                     File& segment, const SegmentIndex& index) {
  const std::string temporary = directory + "/" + name + ".tmp";
  const auto write = [&]() -> Status {
    SELVEDGE_TRY(const auto file, files.open(temporary, OpenMode::create));
    SELVEDGE_TRY(file->truncate(0));
    SELVEDGE_TRY(write_blocks(*file, segment, index));
    SELVEDGE_TRY(file->close());
    SELVEDGE_TRY(auto archive, ArchiveFile::open(files, temporary));
    SELVEDGE_TRY(read_back(std::move(archive), index.identity()));
    return files.rename(temporary, directory + "/" + name);
  };
  if (Status status = write(); !status) {
    // Best effort: the first error is the one to report, and open removes strays.
    static_cast<void>(files.unlink(temporary));
    return status;
  }
  return files.sync_dir(directory);
}

// --- reading -----------------------------------------------------------------------------------

Error ArchiveFile::damaged(std::uint64_t offset, const char* what) const {
  return Error(ErrorCode::corruption, std::string("compressed segment: ") + what)
      .at(file_->path(), offset);
}

Result<std::unique_ptr<ArchiveFile>> ArchiveFile::open(FileSystem& files, const std::string& path) {
  std::unique_ptr<ArchiveFile> archive(new ArchiveFile);
  SELVEDGE_TRY(archive->file_, files.open(path, OpenMode::read));
  SELVEDGE_TRY(archive->read_head());
  return archive;
}

Status ArchiveFile::read_head() {
  SELVEDGE_TRY(stored_bytes_, file_->size());
  std::array<std::byte, head_bytes> head{};
  SELVEDGE_TRY(const std::size_t got, io::read_up_to(*file_, 0, head));
  ByteReader reader(std::span<const std::byte>(head).first(got));
  if (as_text(reader.take_bytes(magic.size())) != magic) {
    return fail(damaged(0, "no header"));
  }
  const auto version = reader.take<std::uint32_t>();
  identity_.salt = reader.take<std::uint32_t>();
  const auto store = reader.take_bytes(identity_.store.bytes.size());
  if (store.size() == identity_.store.bytes.size()) {
    std::memcpy(identity_.store.bytes.data(), store.data(), store.size());
  }
  identity_.number = reader.take<std::uint64_t>();
  identity_.first_sequence = reader.take<std::uint64_t>();
  next_sequence_ = reader.take<std::uint64_t>();
  raw_bytes_ = reader.take<std::uint64_t>();
  block_bytes_ = reader.take<std::uint32_t>();
  const auto blocks = reader.take<std::uint32_t>();
  const auto crc = reader.take<std::uint32_t>();
  // Nothing is allocated that the file's size does not justify.
  if (!reader.ok() || blocks > (stored_bytes_ - head_bytes) / row_bytes) {
    return fail(damaged(68, "more blocks than the file can hold"));
  }
  std::vector<std::byte> table(std::size_t{blocks} * row_bytes);
  SELVEDGE_TRY(io::read_exact(*file_, head_bytes, table));
  const auto covered = std::span<const std::byte>(head).first(covered_bytes);
  if (base::crc32c(base::crc32c(covered), table) != crc) {
    return fail(damaged(covered_bytes, "the header's CRC does not hold"));
  }
  if (version != archive_format_version) {
    return fail(Error(ErrorCode::newer_format, "a compressed segment of a newer format")
                    .at(file_->path(), 8)
                    .mismatch(std::to_string(archive_format_version), std::to_string(version)));
  }
  constexpr std::uint32_t block_bytes_max = 16U << 20;
  if (block_bytes_ == 0 || block_bytes_ > block_bytes_max ||
      (raw_bytes_ + block_bytes_ - 1) / block_bytes_ != blocks) {
    return fail(damaged(56, "sizes that contradict each other"));
  }
  std::uint64_t at = head_bytes + table.size();
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::byte* row = table.data() + i * row_bytes;
    blocks_.push_back({at, load_le<std::uint32_t>(row), load_le<std::uint32_t>(row + 4)});
    at += blocks_.back().bytes;
  }
  return at <= stored_bytes_ ? Status{} : fail(damaged(stored_bytes_, "the file ends too early"));
}

std::uint64_t ArchiveFile::raw_bytes_of(std::size_t block) const {
  return std::min<std::uint64_t>(block_bytes_, raw_bytes_ - std::uint64_t{block} * block_bytes_);
}

Status ArchiveFile::load(std::size_t block) {
  if (loaded_ == block) {
    return {};
  }
  loaded_ = none;
  const Block& place = blocks_[block];
  packed_.resize(place.bytes);
  SELVEDGE_TRY(io::read_exact(*file_, place.offset, packed_));
  if (base::crc32c(packed_) != place.crc) {
    return fail(damaged(place.offset, "a block's CRC does not hold"));
  }
  raw_.resize(static_cast<std::size_t>(raw_bytes_of(block)));
  const std::size_t size =
      ZSTD_decompress(raw_.data(), raw_.size(), packed_.data(), packed_.size());
  if (ZSTD_isError(size) != 0 || size != raw_.size()) {
    return fail(damaged(place.offset, "a block does not decompress to its size"));
  }
  loaded_ = block;
  return {};
}

Result<std::size_t> ArchiveFile::pread(std::uint64_t offset, std::span<std::byte> into) {
  if (offset >= raw_bytes_ || into.empty()) {
    return std::size_t{0};
  }
  const auto block = static_cast<std::size_t>(offset / block_bytes_);
  SELVEDGE_TRY(load(block));
  const auto at = static_cast<std::size_t>(offset % block_bytes_);
  const std::size_t count = std::min(into.size(), raw_.size() - at);
  std::memcpy(into.data(), raw_.data() + at, count);
  return count;
}

Result<std::size_t> ArchiveFile::pwrite(std::uint64_t, std::span<const std::byte>) {
  return read_only(path());
}
Status ArchiveFile::sync_data() { return read_only(path()); }
Status ArchiveFile::sync() { return read_only(path()); }
Status ArchiveFile::truncate(std::uint64_t) { return read_only(path()); }
Status ArchiveFile::allocate(std::uint64_t) { return read_only(path()); }

}  // namespace selvedge::history
