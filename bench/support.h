// What the benchmarks share: a directory on a real disk, threads that start together, and a counter
// with its target.
#pragma once

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <selvedge/store.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <latch>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace selvedge::bench {

using Clock = std::chrono::steady_clock;

/// A directory beneath SELVEDGE_BENCH_DIRECTORY (default: the current one), removed at the end.
class Directory {
 public:
  Directory() {
    const char* base = std::getenv("SELVEDGE_BENCH_DIRECTORY");
    path_ = (base != nullptr ? std::string(base) : std::string(".")) + "/selvedge-bench-" +
            std::to_string(::getpid()) + "-" + std::to_string(next_++);
    std::filesystem::create_directories(path_);
  }
  ~Directory() {
    std::error_code ignored;  // of a directory that is gone already
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  static inline int next_ = 0;
  std::string path_;
};

/// The value, or the end of the benchmark: one that failed has no figure (see `measured`).
template <class T>
T must(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

inline void must_equal(std::uint64_t found, std::uint64_t expected, const char* what) {
  if (found != expected) {
    throw std::runtime_error(std::string(what) + ": expected " + std::to_string(expected) +
                             ", found " + std::to_string(found));
  }
}

/// Runs a benchmark; a failure in it is reported in the place of its figures.
template <class Body>
void measured(benchmark::State& state, Body body) {
  try {
    body();
  } catch (const std::exception& failure) {
    state.SkipWithError(failure.what());
  }
}

/// A figure, its target, and how much of the target was reached.
inline void against_target(benchmark::State& state, const std::string& name, double value,
                           double target, bool smaller_is_better = false) {
  state.counters[name] = value;
  state.counters["target " + name] = target;
  state.counters["x target"] = smaller_is_better ? target / value : value / target;
}

/// Resident set of this process in bytes; 0 when the system does not tell.
inline std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  file >> total >> resident;
  return file ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

inline double rate(std::uint64_t count, Clock::duration time) {
  return static_cast<double>(count) / std::chrono::duration<double>(time).count();
}

/// Of at least one value.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Runs `work(thread)` on threads that start together; returns the seconds from then until the last
/// is done.
/// A failure on one of them is thrown here.
template <class Work>
double together(unsigned threads, Work work) {
  std::latch ready(threads + 1);
  std::mutex failure_mutex;
  std::exception_ptr failure;
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      ready.arrive_and_wait();
      try {
        work(t);
      } catch (...) {
        const std::lock_guard guard(failure_mutex);
        failure = std::current_exception();
      }
    });
  }
  ready.arrive_and_wait();
  const auto start = Clock::now();
  for (std::thread& thread : running) {
    thread.join();
  }
  if (failure) {
    std::rethrow_exception(failure);
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace selvedge::bench
