#include "wal/segment_store.h"

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/mutants.h"
#include "io/file_util.h"

namespace selvedge::wal {

namespace {

constexpr std::size_t zeros_bytes = 1U << 20;

std::uint32_t random_salt(FileSystem& files) {
  std::array<std::byte, sizeof(std::uint32_t)> bytes{};
  std::uint32_t salt = 0;
  while (salt == 0) {
    files.random(bytes);
    salt = std::bit_cast<std::uint32_t>(bytes);
  }
  return salt;
}

}  // namespace

SegmentStore::SegmentStore(FileSystem& files, Config config, SegmentRegistry& registry)
    : files_(files),
      config_(std::move(config)),
      registry_(registry),
      next_number_(config_.next_number) {}

Status SegmentStore::prepare(std::uint64_t bytes_min) {
  MutexLock lock(prepare_lock_);
  bool present = false;
  {
    MutexLock slot(slot_lock_);
    present = slot_.has_value();
    if (present && slot_->bytes >= bytes_min) {
      return {};
    }
  }
  if (present) {
    return grow(bytes_min);
  }
  if (!unlisted_) {
    SELVEDGE_TRY(unlisted_, make(std::max(bytes_min, config_.segment_bytes)));
    ++next_number_;
  }
  if (!base::mutant(base::Mutant::segment_not_listed)) {
    SELVEDGE_TRY(registry_.segment_prepared(unlisted_->info));
  }
  bool large_enough = false;
  {
    MutexLock slot(slot_lock_);
    large_enough = unlisted_->bytes >= bytes_min;
    slot_ = std::exchange(unlisted_, std::nullopt);
  }
  return large_enough ? Status{} : grow(bytes_min);
}

std::optional<PreparedSegment> SegmentStore::take(std::uint64_t bytes_min) {
  MutexLock slot(slot_lock_);
  if (!slot_ || slot_->bytes < bytes_min) {
    return std::nullopt;
  }
  return std::exchange(slot_, std::nullopt);
}

std::optional<SegmentInfo> SegmentStore::prepared() const {
  MutexLock slot(slot_lock_);
  return slot_ ? std::optional(slot_->info) : std::nullopt;
}

/// A segment that is prepared already and too small for the frame that comes: taken out of its slot
/// so that nobody uses it meanwhile. On a full disk it goes back as it was. After any other failure
/// nothing is known about its bytes (a sync is never tried again), so it stays behind, listed and
/// unused, and the next number takes its place.
Status SegmentStore::grow(std::uint64_t bytes_min) {
  std::optional<PreparedSegment> segment = take(0);
  if (!segment) {
    return {};  // it was used in between: the caller looks again
  }
  Status status = extend(*segment->file, segment->path, segment->bytes, bytes_min);
  if (!status) {
    const bool full = status.error().code() == ErrorCode::disk_full;
    if (!full || !segment->file->truncate(segment->bytes)) {
      return status;
    }
  } else {
    SELVEDGE_TRY(segment->file->sync());
    segment->bytes = bytes_min;
  }
  MutexLock slot(slot_lock_);
  slot_ = std::move(segment);
  return status;
}

Result<PreparedSegment> SegmentStore::make(std::uint64_t bytes) {
  PreparedSegment made;
  made.info = {next_number_, random_salt(files_)};
  if (base::mutant(base::Mutant::salt_left_out)) {
    made.info.salt = 7;
  }
  made.path = segment_path(config_.directory, next_number_);
  made.bytes = bytes;
  std::optional<std::uint64_t> dropped;
  if (!pool_.empty()) {
    dropped = pool_.back();
    pool_.pop_back();
    made.recycled = true;
  }
  auto file = dropped ? reuse(*dropped, made.path, bytes) : create(made.path, bytes);
  if (!file) {
    // What is left of it would hold space on a disk that may be full. If it cannot be removed
    // either, the next attempt overwrites it; one under its old name is a stray that recovery
    // removes.
    static_cast<void>(files_.unlink(made.path));
    if (dropped) {
      static_cast<void>(files_.unlink(segment_path(config_.directory, *dropped)));
    }
    return fail(std::move(file).error());
  }
  made.file = *std::move(file);
  return made;
}

Result<std::shared_ptr<File>> SegmentStore::create(const std::string& path, std::uint64_t bytes) {
  SELVEDGE_TRY(std::shared_ptr<File> file, files_.open(path, OpenMode::create));
  SELVEDGE_TRY(const std::uint64_t size, file->size());
  if (size != 0) {
    SELVEDGE_TRY(file->truncate(0));
  }
  SELVEDGE_TRY(extend(*file, path, 0, bytes));
  if (!base::mutant(base::Mutant::segment_not_synced)) {
    SELVEDGE_TRY(file->sync());
  }
  if (!base::mutant(base::Mutant::segment_name_not_synced)) {
    SELVEDGE_TRY(files_.sync_dir(config_.directory));
  }
  return file;
}

/// The header is zeroed and synced under the old name: the new name never shows an old header.
Result<std::shared_ptr<File>> SegmentStore::reuse(std::uint64_t number, const std::string& path,
                                                  std::uint64_t bytes) {
  const std::string old_path = segment_path(config_.directory, number);
  SELVEDGE_TRY(std::shared_ptr<File> file, files_.open(old_path, OpenMode::read_write));
  constexpr std::array<std::byte, segment_header_bytes> zeros{};
  if (!base::mutant(base::Mutant::old_header_kept)) {
    SELVEDGE_TRY(io::write_all(*file, 0, zeros));
  }
  SELVEDGE_TRY(const std::uint64_t size, file->size());
  if (size > bytes) {
    SELVEDGE_TRY(file->truncate(bytes));
  } else if (size < bytes) {
    SELVEDGE_TRY(extend(*file, old_path, size, bytes));
  }
  SELVEDGE_TRY(file->sync());
  SELVEDGE_TRY(files_.rename(old_path, path));
  SELVEDGE_TRY(files_.sync_dir(config_.directory));
  // Opened again so that errors and reports name the file as it is called now.
  SELVEDGE_TRY(file, files_.open(path, OpenMode::read_write));
  return file;
}

Status SegmentStore::extend(File& file, const std::string& path, std::uint64_t from,
                            std::uint64_t to) const {
  if (!config_.write_zeros) {
    return file.allocate(to);
  }
  const auto piece_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(zeros_bytes, to > from ? to - from : 0));
  const std::unique_ptr<std::byte[]> zeros(new (std::nothrow) std::byte[piece_bytes]());
  if (!zeros) {
    return fail(Error(ErrorCode::out_of_memory, "no memory to prepare a segment").at(path));
  }
  for (std::uint64_t at = from; at < to;) {
    const std::uint64_t step = std::min<std::uint64_t>(piece_bytes, to - at);
    SELVEDGE_TRY(io::write_all(file, at, {zeros.get(), static_cast<std::size_t>(step)}));
    at += step;
  }
  return {};
}

Status SegmentStore::recycle(std::uint64_t number) {
  MutexLock lock(prepare_lock_);
  if (pool_.size() < config_.recycled_max) {
    pool_.push_back(number);
    return {};
  }
  SELVEDGE_TRY(files_.unlink(segment_path(config_.directory, number)));
  return files_.sync_dir(config_.directory);
}

}  // namespace selvedge::wal
