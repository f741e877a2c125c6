// The appenders' side of the log; the committers' side is in log_commit.cpp.
#include "wal/log.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace selvedge::wal {

namespace {

/// Room at the start of a buffer, and at its end.
constexpr std::uint64_t buffer_start_bytes = segment_header_bytes + sync_mark_frame_bytes;
constexpr std::uint64_t buffer_end_bytes = seal_frame_bytes;
/// After any append the segment still takes a group that holds nothing but its seal.
constexpr std::uint64_t segment_end_bytes = sync_mark_frame_bytes + seal_frame_bytes;
/// What one section may append at most: the largest frame and some small ones.
constexpr std::uint64_t section_bytes_max = frame_bytes(payload_bytes_max) + (1U << 20);

SegmentStore::Config store_config(const std::string& directory, const LogOptions& options,
                                  const LogStart& start) {
  return {directory,
          std::max<std::uint64_t>(options.segment_bytes, buffer_start_bytes + segment_end_bytes),
          start.segment_number, options.recycled_segments_max, options.sync == SyncMode::immediate};
}

}  // namespace

Log::Log(FileSystem& files, std::string directory, const LogOptions& options, const Uuid& store,
         const LogStart& start, SegmentRegistry& registry)
    : files_(files),
      options_(options),
      store_(store),
      segments_(files, store_config(directory, options_, start), registry),
      next_sequence_(start.next_sequence),
      last_crc_(start.last_frame_crc),
      last_wall_us_(start.last_wall_us),
      appended_(start.next_sequence - 1),
      durable_(start.next_sequence - 1),
      first_sequence_(start.next_sequence) {
  SELVEDGE_ASSERT(start.next_sequence > 0 && start.segment_number > 0);
  last_frame_ = start.last_entries;
  for (Buffer& buffer : buffers_) {
    buffer.capacity = options_.buffer_bytes + buffer_start_bytes + buffer_end_bytes;
    buffer.bytes.reset(new std::byte[buffer.capacity]);
  }
  active_ = &buffers_[0];
}

Log::~Log() = default;

Result<Log::Section> Log::enter(std::uint64_t bytes_max) {
  if (bytes_max > section_bytes_max) {
    return fail(Error(ErrorCode::too_large, "more than one append to the log can hold")
                    .mismatch("at most " + std::to_string(section_bytes_max) + " bytes",
                              std::to_string(bytes_max)));
  }
  for (;;) {
    log_lock_.lock();
    const Obstacle found = obstacle(bytes_max);
    if (found == Obstacle::none) [[likely]] {
      return Section(*this, bytes_max);
    }
    const std::uint64_t segment = segment_.header.number;
    log_lock_.unlock();
    SELVEDGE_TRY(overcome(found, bytes_max, segment));
  }
}

Log::Obstacle Log::obstacle(std::uint64_t bytes_max) const {
  if (poisoned_.load(std::memory_order_relaxed)) {
    return Obstacle::poisoned;
  }
  if (closed_) {
    return Obstacle::closed;
  }
  if (bytes_max == 0) {
    return Obstacle::none;  // somebody who only wants the lock needs no room, not even a disk
  }
  const Buffer& buffer = *active_;
  if (segment_.written + buffer.filled + bytes_max + segment_end_bytes > segment_.bytes ||
      (options_.segment_entries_max != 0 && segment_.entries >= options_.segment_entries_max)) {
    return Obstacle::segment;
  }
  if (buffer.filled + bytes_max + buffer_end_bytes > buffer.capacity) {
    return bytes_max > options_.buffer_bytes ? Obstacle::big_frame : Obstacle::buffer;
  }
  return Obstacle::none;
}

Status Log::overcome(Obstacle obstacle, std::uint64_t bytes_max, std::uint64_t segment) {
  switch (obstacle) {
    case Obstacle::none: return {};
    case Obstacle::poisoned:
      return fail(failure(ErrorCode::poisoned, "the log failed earlier; reopen the store"));
    case Obstacle::closed: return fail(ErrorCode::closed, "the log is closed");
    case Obstacle::big_frame: SELVEDGE_TRY(grow_buffer(bytes_max)); break;
    case Obstacle::buffer: join({.sync = options_.sync == SyncMode::immediate}); break;
    case Obstacle::segment:
      SELVEDGE_TRY(segments_.prepare(buffer_start_bytes + bytes_max + segment_end_bytes));
      join({.sync = true, .rotate_from = segment});
      break;
  }
  MutexLock lock(group_lock_);
  ++stats_.waits;
  return {};
}

/// A frame that no standard buffer can hold: the active buffer is exchanged for a larger one, with
/// what it holds. The buffer shrinks again when its group is written.
Status Log::grow_buffer(std::uint64_t bytes_max) {
  const std::size_t capacity = static_cast<std::size_t>(options_.buffer_bytes + buffer_start_bytes +
                                                        bytes_max + buffer_end_bytes);
  std::unique_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[capacity]);
  if (!bytes) {
    return fail(ErrorCode::out_of_memory,
                "no memory for a frame of " + std::to_string(bytes_max) + " bytes");
  }
  bool crowded = false;
  {
    BriefLock lock(log_lock_);
    Buffer& buffer = *active_;
    crowded = buffer.filled > options_.buffer_bytes + buffer_start_bytes;
    if (!crowded && buffer.capacity < capacity) {
      std::memcpy(bytes.get(), buffer.bytes.get(), buffer.filled);
      std::swap(bytes, buffer.bytes);
      buffer.capacity = capacity;
    }
  }
  if (crowded) {
    join({.sync = options_.sync == SyncMode::immediate});
  }
  return {};
}

void Log::shrink(Buffer& buffer) const {
  const std::size_t capacity = options_.buffer_bytes + buffer_start_bytes + buffer_end_bytes;
  if (buffer.capacity == capacity) {
    return;
  }
  std::unique_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[capacity]);
  if (bytes) {  // otherwise the large one serves on
    buffer.bytes = std::move(bytes);
    buffer.capacity = capacity;
  }
}

Appended Log::append(const FrameParts& parts) {
  std::size_t payload_bytes = 0;
  for (const auto part : parts.payload) {
    payload_bytes += part.size();
  }
  SELVEDGE_ASSERT(payload_bytes <= payload_bytes_max && parts.count > 0);
  SELVEDGE_ASSERT(parts.kind == FrameKind::operations || parts.kind == FrameKind::checkpoint);
  FrameHeader header;
  header.sequence = next_sequence_;
  header.transaction = parts.transaction == transaction_self ? next_sequence_ : parts.transaction;
  header.wall_us = last_wall_us_ = std::max(last_wall_us_, parts.wall_us);
  header.entity = parts.entity;
  header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  header.count = parts.count;
  header.payload_crc = parts.payload_crc;
  header.kind = parts.kind;
  header.flags = parts.flags;

  Buffer& buffer = *active_;
  std::byte* const start = buffer.bytes.get() + buffer.filled;
  const std::uint32_t crc = encode_frame_header(header, segment_.header.salt, start);
  std::byte* at = start + header.header_bytes();
  for (const auto part : parts.payload) {
    if (!part.empty()) {
      std::memcpy(at, part.data(), part.size());
      at += part.size();
    }
  }
  std::byte* const end = start + header.frame_bytes();
  std::memset(at, 0, static_cast<std::size_t>(end - at));
  buffer.filled += static_cast<std::size_t>(end - start);
  buffer.holds_frames = true;
  next_sequence_ += header.count;
  segment_.entries += header.count;
  last_crc_ = crc;
  last_frame_ = {header.last_sequence(), crc};
  ++frames_;
  bytes_ += static_cast<std::uint64_t>(end - start);
  return {header.sequence, header.last_sequence()};
}

Appended Log::Section::append(const FrameParts& parts) {
  const std::size_t before = log_->active_->filled;
  const Appended appended = log_->append(parts);
  const std::size_t used = log_->active_->filled - before;
  SELVEDGE_ASSERT(used <= room_);
  room_ -= used;
  last_ = appended.last;
  return appended;
}

void Log::Section::publish() {
  Log* const log = std::exchange(log_, nullptr);
  if (log == nullptr) {
    return;
  }
  if (last_ != 0) {
    log->appended_.store(last_, std::memory_order_release);
  }
  log->log_lock_.unlock();
}

void Log::append_seal(const SealPayload& next) {
  Buffer& buffer = *active_;
  last_crc_ = encode_seal(next_sequence_, last_wall_us_, next, segment_.header.salt,
                          buffer.bytes.get() + buffer.filled);
  buffer.filled += seal_frame_bytes;
  buffer.holds_frames = true;
  bytes_ += seal_frame_bytes;
  SELVEDGE_ASSERT(buffer.filled <= buffer.capacity &&
                  segment_.written + buffer.filled <= segment_.bytes);
}

/// Room for the mark, whose watermark is filled in when the buffer is cut off.
void Log::start_buffer(bool new_segment) {
  Buffer& buffer = *active_;
  buffer.filled = 0;
  if (new_segment) {
    encode_segment_header(segment_.header, buffer.bytes.get());
    buffer.filled = segment_header_bytes;
  }
  buffer.mark_at = buffer.filled;
  buffer.mark_sequence = next_sequence_;
  buffer.mark_wall_us = last_wall_us_;
  buffer.filled += sync_mark_frame_bytes;
  buffer.holds_frames = false;
}

void Log::start_segment(PreparedSegment prepared, std::uint64_t now_us) {
  SegmentHeader header;
  header.number = prepared.info.number;
  header.salt = prepared.info.salt;
  header.first_sequence = next_sequence_;
  header.predecessor_last = next_sequence_ - 1;
  header.predecessor_crc = last_crc_;
  header.created_at_us = std::max(now_us, segment_.header.created_at_us);
  header.recycled = prepared.recycled;
  header.store = store_;
  segment_.file = std::move(prepared.file);
  segment_.header = header;
  segment_.bytes = prepared.bytes;
  segment_.written = 0;
  segment_.entries = 0;
  start_buffer(true);
}

LastFrame Log::last_frame() const {
  BriefLock lock(log_lock_);
  return last_frame_;
}

SegmentInfo Log::current_segment() const {
  BriefLock lock(log_lock_);
  return {segment_.header.number, segment_.header.salt};
}

Status Log::prepare_next() { return segments_.prepare(0); }

Status Log::recycle(std::uint64_t segment_number) { return segments_.recycle(segment_number); }

}  // namespace selvedge::wal
