// What the benchmarks share: a directory on a real disk, stores, and a counter with its target.
#pragma once

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <selvedge/store.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace selvedge::bench {

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

/// The value or the end of the program: a benchmark that failed has no figure.
template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message().c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}

inline void must_equal(std::uint64_t found, std::uint64_t expected, const char* what) {
  if (found != expected) {
    std::fprintf(stderr, "%s: expected %llu, found %llu\n", what,
                 static_cast<unsigned long long>(expected), static_cast<unsigned long long>(found));
    std::abort();
  }
}

inline double rate(std::uint64_t count, std::chrono::steady_clock::duration time) {
  return static_cast<double>(count) / std::chrono::duration<double>(time).count();
}

}  // namespace selvedge::bench
