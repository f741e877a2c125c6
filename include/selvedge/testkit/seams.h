// Steps of one party at a named place in another one's way.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace selvedge::testkit {

/// Role: runs a step when the engine reaches a named place for the n-th time, on the thread that
///   reaches it. Steps see no seam themselves, so what they do does not count.
/// Threads: the places are reached from any; one of these at a time in a process.
/// The places (`base/yield_point.h`) belong to the engine's inside and may change with it.
class Seams {
 public:
  Seams();
  ~Seams();
  Seams(const Seams&) = delete;
  Seams& operator=(const Seams&) = delete;

  /// Counted from now on, 1 = the next time.
  void at(const std::string& place, int times, std::function<void()> step);
  /// Every step has run.
  [[nodiscard]] bool done() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace selvedge::testkit
