// Group commit: the committers' side of the log.
#include <chrono>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/mutants.h"
#include "base/yield_point.h"
#include "io/file_util.h"
#include "wal/log.h"

namespace selvedge::wal {

Status Log::sync(std::uint64_t up_to) {
  while (durable() < up_to) {
    group_lock_.lock();
    if (durable() >= up_to) {
      group_lock_.unlock();
      break;
    }
    if (cause_) {
      group_lock_.unlock();
      return fail(failure(ErrorCode::unknown_outcome,
                          "the log failed before this was known to be durable"));
    }
    if (in_flight_ && in_flight_sync_ && up_to <= in_flight_last_) {
      const std::uint64_t batch = in_flight_batch_;
      group_lock_.unlock();
      wait_for(batch);
      continue;
    }
    SELVEDGE_ASSERT(up_to <= appended());
    join_locked({.sync = true});
  }
  return {};
}

Status Log::sync_now() { return sync(appended()); }

Status Log::flush() {
  join({});
  if (poisoned()) {
    return fail(failure(ErrorCode::poisoned, "the log failed earlier; reopen the store"));
  }
  return {};
}

Status Log::close() {
  bool open = false;
  {
    BriefLock lock(log_lock_);
    open = !closed_;
  }
  if (open && !poisoned()) {
    join({.sync = true, .close = true});
  }
  if (poisoned()) {
    return fail(failure(ErrorCode::poisoned, "the log failed; reopen the store"));
  }
  return {};
}

void Log::join(const Request& request) {
  group_lock_.lock();
  join_locked(request);
}

void Log::join_locked(const Request& request) {
  Request& wanted = forming_.wanted;
  wanted.sync = wanted.sync || request.sync;
  wanted.close = wanted.close || request.close;
  if (request.rotate_from) {
    // Two wishes can only name different segments when the older one has been granted already.
    wanted.rotate_from = std::max(wanted.rotate_from, request.rotate_from);
  }
  if (forming_.has_leader) {
    const std::uint64_t batch = forming_.number;
    group_lock_.unlock();
    wait_for(batch);
    return;
  }
  forming_.has_leader = true;
  while (in_flight_) {
    const std::uint32_t turn = turn_.load(std::memory_order_relaxed);
    group_lock_.unlock();
    turn_.wait(turn, std::memory_order_relaxed);
    group_lock_.lock();
  }
  lead();
}

void Log::wait_for(std::uint64_t batch) {
  const std::atomic<std::uint32_t>& word = words_[batch % 4].value;
  for (;;) {
    const std::uint32_t seen = word.load(std::memory_order_acquire);
    if (completed_.load(std::memory_order_acquire) >= batch) {
      return;
    }
    word.wait(seen, std::memory_order_acquire);
  }
}

void Log::lead() {
  const Batch batch = std::exchange(forming_, Batch{forming_.number + 1, false, {}});
  Cut cut_off;
  if (!cause_) {
    cut_off = cut(batch.wanted);
  }
  in_flight_ = true;
  in_flight_batch_ = batch.number;
  in_flight_last_ = cut_off.last_sequence;
  in_flight_sync_ = cut_off.sync;
  group_lock_.unlock();

  base::yield_point("wal.cut");
  const auto start = std::chrono::steady_clock::now();
  Status status = write_out(cut_off);
  const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::steady_clock::now() - start);
  if (cut_off.buffer != nullptr) {
    shrink(*cut_off.buffer);
  }
  base::yield_point("wal.synced");

  group_lock_.lock();
  finish(cut_off, std::move(status), static_cast<std::uint64_t>(nanoseconds.count()));
  in_flight_ = false;
  completed_.store(batch.number, std::memory_order_release);
  const bool somebody_waits = forming_.has_leader;
  group_lock_.unlock();

  std::atomic<std::uint32_t>& word = words_[batch.number % 4].value;
  word.fetch_add(1, std::memory_order_release);
  word.notify_all();
  if (somebody_waits) {
    turn_.fetch_add(1, std::memory_order_relaxed);
    turn_.notify_one();
  }
  if (cut_off.new_segment) {
    segments_.segment_wanted();
  }
  if (cut_off.sync) {
    segments_.durable_advanced();
  }
}

/// Takes the active buffer away from the appenders and gives them the other one. A seal ends the
/// buffer when the segment is to be left: the buffer after it belongs to the next segment, and is
/// written only after this one is synced, since one write is in flight at a time.
Log::Cut Log::cut(const Request& wanted) {
  const std::uint64_t now_us = files_.wall_clock_us();
  BriefLock lock(log_lock_);
  Cut result;
  std::optional<PreparedSegment> next;
  if (wanted.rotate_from == segment_.header.number && !closed_) {
    next = segments_.take(0);
  }
  const bool seal = segment_.file != nullptr && (next.has_value() || (wanted.close && !closed_));
  closed_ = closed_ || wanted.close;
  result.last_sequence = next_sequence_ - 1;
  result.new_segment = next.has_value();
  if (segment_.file != nullptr && (active_->holds_frames || seal)) {
    const std::uint64_t watermark =
        base::mutant(base::Mutant::mark_too_high) ? next_sequence_ - 1 : durable();
    encode_sync_mark(active_->mark_sequence, active_->mark_wall_us, watermark, segment_.header.salt,
                     active_->bytes.get() + active_->mark_at);
    bytes_ += sync_mark_frame_bytes;
    if (seal) {
      append_seal(next ? SealPayload{next->info.number, next->info.salt} : SealPayload{});
    }
    result.buffer = active_;
    result.file = segment_.file;
    result.offset = segment_.written;
    result.sync = seal ? !base::mutant(base::Mutant::seal_without_sync) : wanted.sync;
    segment_.written += active_->filled;
    active_ = active_ == &buffers_[0] ? &buffers_[1] : &buffers_[0];
    if (!next) {
      start_buffer(false);
    }
  } else if (wanted.sync && unsynced_writes_) {
    result.file = segment_.file;
    result.sync = true;
  }
  if (next) {
    start_segment(*std::move(next), now_us);
  }
  return result;
}

Status Log::write_out(const Cut& cut) {
  if (cut.buffer != nullptr) {
    SELVEDGE_TRY(
        io::write_all(*cut.file, cut.offset, {cut.buffer->bytes.get(), cut.buffer->filled}));
  }
  base::yield_point("wal.written");
  if (cut.sync && !base::mutant(base::Mutant::sync_left_out)) {
    Status synced = cut.file->sync_data();
    if (!synced && base::mutant(base::Mutant::sync_retried)) {
      synced = cut.file->sync_data();
    }
    return synced;
  }
  return {};
}

void Log::finish(const Cut& cut, Status status, std::uint64_t nanoseconds) {
  if (!status && !base::mutant(base::Mutant::write_error_ignored)) {
    cause_ = std::move(status).error();
    poisoned_.store(true, std::memory_order_release);
    return;
  }
  if (cut.buffer != nullptr) {
    ++stats_.writes;
    unsynced_writes_ = true;
  }
  if (cut.sync) {
    ++stats_.syncs;
    stats_.sync_last_ns = nanoseconds;
    stats_.sync_longest_ns = std::max(stats_.sync_longest_ns, nanoseconds);
    unsynced_writes_ = false;
    SELVEDGE_ASSERT(cut.last_sequence >= durable());
    durable_.store(cut.last_sequence + (base::mutant(base::Mutant::durable_too_high) ? 1 : 0),
                   std::memory_order_release);
  }
  stats_.segments += cut.new_segment ? 1 : 0;
}

std::optional<Error> Log::poison_cause() const {
  MutexLock lock(group_lock_);
  return cause_ ? std::optional<Error>(cause_->clone()) : std::nullopt;
}

/// An error of ours that carries the place and the cause of the log's failure.
Error Log::failure(ErrorCode code, const char* what) const {
  const std::optional<Error> cause = poison_cause();
  if (!cause) {
    return Error(code, what);
  }
  return Error(code, std::string(what) + " (" + cause->message() + ")")
      .at(cause->path(), cause->offset())
      .os(cause->os_error());
}

LogStats Log::stats() const {
  LogStats result;
  {
    MutexLock lock(group_lock_);
    result = stats_;
  }
  BriefLock lock(log_lock_);
  result.entries = next_sequence_ - first_sequence_;
  result.frames = frames_;
  result.bytes = bytes_;
  return result;
}

}  // namespace selvedge::wal
