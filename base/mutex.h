// Locks that clang's -Wthread-safety can check.
#pragma once

#include <chrono>
#include <condition_variable>
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
  /// For a section that lasts less than it costs to sleep and be woken: tries for a while first.
  void lock_briefly() SELVEDGE_ACQUIRE() SELVEDGE_NO_THREAD_SAFETY_ANALYSIS {
    for (int tries = 0; tries < 100; ++tries) {
      if (mutex_.try_lock()) {
        return;
      }
      cpu_relax();
    }
    mutex_.lock();
  }
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
