// Steps of one party at a named place in another one's way.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/yield_point.h"

namespace selvedge::test {

/// Runs a step when a yield point is reached for the n-th time, on the thread that reaches it.
/// Steps see no hook, so what they do does not count.
class Seams {
 public:
  Seams() {
    hook_ = {[](const char* name, void* self) { static_cast<Seams*>(self)->reached(name); }, this};
    base::yield_hook.store(&hook_);
  }
  ~Seams() { base::yield_hook.store(nullptr); }
  Seams(const Seams&) = delete;
  Seams& operator=(const Seams&) = delete;

  /// Counted from now on, 1 = the next time.
  void at(const std::string& point, int times, std::function<void()> step) {
    const std::lock_guard lock(mutex_);
    steps_.push_back({point, times, std::move(step)});
  }
  /// Every step has run.
  [[nodiscard]] bool done() const { return steps_.empty(); }

 private:
  struct Step {
    std::string point;
    int left = 0;
    std::function<void()> run;
  };
  void reached(const char* name) {
    if (inside_) {
      return;
    }
    std::function<void()> run;
    {
      const std::lock_guard lock(mutex_);
      for (auto step = steps_.begin(); step != steps_.end(); ++step) {
        if (step->point == name && --step->left == 0) {
          run = std::move(step->run);
          steps_.erase(step);
          break;
        }
      }
    }
    if (run) {
      inside_ = true;
      run();
      inside_ = false;
    }
  }

  static inline thread_local bool inside_ = false;
  base::YieldHook hook_;
  std::mutex mutex_;
  std::vector<Step> steps_;
};

}  // namespace selvedge::test
