#include <selvedge/testkit/seams.h>

#include <mutex>
#include <utility>
#include <vector>

#include "base/yield_point.h"

namespace selvedge::testkit {

class Seams::Impl {
 public:
  Impl()
      : hook_{[](const char* name, void* self) { static_cast<Impl*>(self)->reached(name); }, this} {
    base::yield_hook.store(&hook_);
  }
  ~Impl() { base::yield_hook.store(nullptr); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void at(const std::string& place, int times, std::function<void()> step) {
    const std::lock_guard lock(mutex_);
    steps_.push_back({place, times, std::move(step)});
  }
  bool done() const {
    const std::lock_guard lock(mutex_);
    return steps_.empty();
  }

 private:
  struct Step {
    std::string place;
    int left = 0;
    std::function<void()> run;
  };

  void reached(const char* name) {
    if (inside) {
      return;
    }
    std::function<void()> run;
    {
      const std::lock_guard lock(mutex_);
      for (auto step = steps_.begin(); step != steps_.end(); ++step) {
        if (step->place == name && --step->left == 0) {
          run = std::move(step->run);
          steps_.erase(step);
          break;
        }
      }
    }
    if (run) {
      const Inside here;
      run();
    }
  }

  static inline thread_local bool inside = false;
  /// Ends with the step, also when that throws.
  struct Inside {
    Inside() { inside = true; }
    ~Inside() { inside = false; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
  };
  base::YieldHook hook_;
  mutable std::mutex mutex_;
  std::vector<Step> steps_;
};

Seams::Seams() : impl_(std::make_unique<Impl>()) {}
Seams::~Seams() = default;
void Seams::at(const std::string& place, int times, std::function<void()> step) {
  impl_->at(place, times, std::move(step));
}
bool Seams::done() const { return impl_->done(); }

}  // namespace selvedge::testkit
