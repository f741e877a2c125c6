// Locks that clang's -Wthread-safety can check.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <shared_mutex>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__clang__)
#define SELVEDGE_TSA_(x) __attribute__((x))
#else
#define SELVEDGE_TSA_(x)
#endif
#define SELVEDGE_CAPABILITY(x) SELVEDGE_TSA_(capability(x))
#define SELVEDGE_SCOPED_CAPABILITY SELVEDGE_TSA_(scoped_lockable)
#define SELVEDGE_GUARDED_BY(x) SELVEDGE_TSA_(guarded_by(x))
#define SELVEDGE_PT_GUARDED_BY(x) SELVEDGE_TSA_(pt_guarded_by(x))
#define SELVEDGE_REQUIRES(...) SELVEDGE_TSA_(requires_capability(__VA_ARGS__))
#define SELVEDGE_ACQUIRE(...) SELVEDGE_TSA_(acquire_capability(__VA_ARGS__))
#define SELVEDGE_ACQUIRE_SHARED(...) SELVEDGE_TSA_(acquire_shared_capability(__VA_ARGS__))
#define SELVEDGE_TRY_ACQUIRE(...) SELVEDGE_TSA_(try_acquire_capability(__VA_ARGS__))
#define SELVEDGE_RELEASE(...) SELVEDGE_TSA_(release_capability(__VA_ARGS__))
#define SELVEDGE_RELEASE_SHARED(...) SELVEDGE_TSA_(release_shared_capability(__VA_ARGS__))
#define SELVEDGE_RELEASE_GENERIC(...) SELVEDGE_TSA_(release_generic_capability(__VA_ARGS__))
#define SELVEDGE_REQUIRES_SHARED(...) SELVEDGE_TSA_(requires_shared_capability(__VA_ARGS__))
#define SELVEDGE_EXCLUDES(...) SELVEDGE_TSA_(locks_excluded(__VA_ARGS__))
#define SELVEDGE_RETURN_CAPABILITY(x) SELVEDGE_TSA_(lock_returned(x))
#define SELVEDGE_ASSERT_CAPABILITY(x) SELVEDGE_TSA_(assert_capability(x))
#define SELVEDGE_NO_THREAD_SAFETY_ANALYSIS SELVEDGE_TSA_(no_thread_safety_analysis)

namespace selvedge {

inline void cpu_relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

class SELVEDGE_CAPABILITY("mutex") Mutex {
 public:
  void lock() SELVEDGE_ACQUIRE() { mutex_.lock(); }
  bool try_lock() SELVEDGE_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void unlock() SELVEDGE_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SELVEDGE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SELVEDGE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() SELVEDGE_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// A mutex for sections that last less than it costs to sleep and be woken: who comes looks for a
/// while, without a write that would take the line from the holder, and sleeps only then
/// (U. Drepper, "Futexes Are Tricky", mutex 2).
class SELVEDGE_CAPABILITY("mutex") BriefMutex {
 public:
  void lock() SELVEDGE_ACQUIRE() {
    std::uint32_t found = free;
    for (int looks = 0; looks < 200; ++looks) {
      if (found == free && word_.compare_exchange_weak(found, held, std::memory_order_acquire)) {
        return;
      }
      cpu_relax();
      found = word_.load(std::memory_order_relaxed);
    }
    while (word_.exchange(held_waited_for, std::memory_order_acquire) != free) {
      word_.wait(held_waited_for, std::memory_order_relaxed);
    }
  }
  bool try_lock() SELVEDGE_TRY_ACQUIRE(true) {
    std::uint32_t found = free;
    return word_.compare_exchange_strong(found, held, std::memory_order_acquire);
  }
  void unlock() SELVEDGE_RELEASE() {
    if (word_.exchange(free, std::memory_order_release) == held_waited_for) {
      word_.notify_one();
    }
  }

 private:
  static constexpr std::uint32_t free = 0;
  static constexpr std::uint32_t held = 1;
  static constexpr std::uint32_t held_waited_for = 2;
  std::atomic<std::uint32_t> word_{free};
};

class SELVEDGE_SCOPED_CAPABILITY BriefLock {
 public:
  explicit BriefLock(BriefMutex& mutex) SELVEDGE_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~BriefLock() SELVEDGE_RELEASE() { mutex_.unlock(); }
  BriefLock(const BriefLock&) = delete;
  BriefLock& operator=(const BriefLock&) = delete;

 private:
  BriefMutex& mutex_;
};

class CondVar {
 public:
  void wait(Mutex& mutex) SELVEDGE_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// False when the time ran out.
  bool wait_for(Mutex& mutex, std::chrono::microseconds time) SELVEDGE_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const bool signalled = condition_.wait_for(lock, time) == std::cv_status::no_timeout;
    lock.release();
    return signalled;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

class SELVEDGE_CAPABILITY("shared_mutex") SharedMutex {
 public:
  void lock() SELVEDGE_ACQUIRE() { mutex_.lock(); }
  void unlock() SELVEDGE_RELEASE() { mutex_.unlock(); }
  void lock_shared() SELVEDGE_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() SELVEDGE_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

class SELVEDGE_SCOPED_CAPABILITY SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) SELVEDGE_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~SharedLock() SELVEDGE_RELEASE_GENERIC() { mutex_.unlock_shared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class SELVEDGE_SCOPED_CAPABILITY ExclusiveLock {
 public:
  explicit ExclusiveLock(SharedMutex& mutex) SELVEDGE_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~ExclusiveLock() SELVEDGE_RELEASE() { mutex_.unlock(); }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace selvedge
