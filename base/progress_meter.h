// Counts what a long operation has done, and tells its caller now and then.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include <selvedge/progress.h>

#include "base/mutex.h"

namespace selvedge::base {

/// Role: of one operation; stands between its inner loops and a `ProgressCallback`.
/// Invariants: calls are one at a time; within a step what they say is done never goes down.
/// Threads: `step` and `finish` from one, when nobody adds; `add` from any. Without a callback each
///   is one branch.
/// After failure: a callback that throws is not called again.
class ProgressMeter {
 public:
  /// The callback must live as long; empty: nobody listens.
  ProgressMeter(const ProgressCallback& callback, Activity activity);
  ProgressMeter(const ProgressMeter&) = delete;
  ProgressMeter& operator=(const ProgressMeter&) = delete;

  /// Ends the step before it, and begins one: a literal, and its size (0 = not known).
  void step(std::string_view name, ProgressUnit unit, std::uint64_t total = 0);
  void add(std::uint64_t amount) {
    if (listens_) {
      added(amount);
    }
  }
  /// Ends the last step. An operation that fails does not come here.
  void finish();

 private:
  void added(std::uint64_t amount);
  void tell(std::uint64_t done) SELVEDGE_REQUIRES(mutex_);
  void end_step() SELVEDGE_REQUIRES(mutex_);

  const ProgressCallback& callback_;
  const bool listens_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::int64_t> next_us_{0};  ///< of the steady clock: not before this
  Mutex mutex_;
  Progress at_ SELVEDGE_GUARDED_BY(mutex_);
  bool stepping_ SELVEDGE_GUARDED_BY(mutex_) = false;
  bool failed_ SELVEDGE_GUARDED_BY(mutex_) = false;
};

}  // namespace selvedge::base
