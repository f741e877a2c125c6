#include "base/progress_meter.h"

#include <algorithm>

namespace selvedge {

std::string_view to_string(Activity activity) {
  switch (activity) {
    case Activity::open: return "open";
    case Activity::checkpoint: return "checkpoint";
    case Activity::backup: return "backup";
    case Activity::restore: return "restore";
    case Activity::check: return "check";
    case Activity::create_schema: return "create_schema";
    case Activity::verify: return "verify";
    case Activity::revert: return "revert";
    case Activity::import_data: return "import";
    case Activity::export_data: return "export";
  }
  return "unknown";
}

std::string_view to_string(ProgressUnit unit) {
  switch (unit) {
    case ProgressUnit::bytes: return "bytes";
    case ProgressUnit::records: return "records";
    case ProgressUnit::entries: return "entries";
    case ProgressUnit::lines: return "lines";
    case ProgressUnit::files: return "files";
  }
  return "unknown";
}

namespace base {

namespace {

constexpr std::int64_t interval_us = 100000;

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

ProgressMeter::ProgressMeter(const ProgressCallback& callback, Activity activity)
    : callback_(callback), listens_(static_cast<bool>(callback)) {
  at_.activity = activity;
}

void ProgressMeter::step(std::string_view name, ProgressUnit unit, std::uint64_t total) {
  if (!listens_) {
    return;
  }
  const MutexLock lock(mutex_);
  end_step();
  at_.step = name;
  at_.unit = unit;
  at_.total = total;
  done_.store(0, std::memory_order_relaxed);
  stepping_ = true;
  tell(0);
}

void ProgressMeter::finish() {
  if (!listens_) {
    return;
  }
  const MutexLock lock(mutex_);
  end_step();
}

void ProgressMeter::added(std::uint64_t amount) {
  done_.fetch_add(amount, std::memory_order_relaxed);
  if (now_us() < next_us_.load(std::memory_order_relaxed)) {
    return;
  }
  if (mutex_.try_lock()) {  // else another thread is telling
    tell(done_.load(std::memory_order_relaxed));
    mutex_.unlock();
  }
}

/// What was expected may have been a little more or less than there was.
void ProgressMeter::end_step() {
  if (stepping_) {
    stepping_ = false;
    const std::uint64_t done = done_.load(std::memory_order_relaxed);
    at_.total = at_.total == 0 ? done : at_.total;
    tell(at_.total);
  }
}

void ProgressMeter::tell(std::uint64_t done) {
  if (failed_) {
    return;
  }
  at_.done = at_.total == 0 ? done : std::min(done, at_.total);
  try {
    callback_(at_);
  } catch (...) {
    failed_ = true;  // the operation is worth more than its report
  }
  next_us_.store(now_us() + interval_us, std::memory_order_relaxed);
}

}  // namespace base

}  // namespace selvedge
