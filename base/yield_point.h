// Named places at which a test can stop a thread. One load when no test listens.
#pragma once

#include <atomic>

namespace selvedge::base {

struct YieldHook {
  void (*function)(const char* name, void* context) = nullptr;
  void* context = nullptr;
};

inline std::atomic<const YieldHook*> yield_hook{nullptr};

inline void yield_point(const char* name) {
  if (const YieldHook* hook = yield_hook.load(std::memory_order_acquire)) [[unlikely]] {
    hook->function(name, hook->context);
  }
}

}  // namespace selvedge::base
