// What the programs share: time, a line that shows how far they are, a workload by its name, and a
// child process for what may stop its own.
#pragma once

#include <selvedge/testkit/workload.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace selvedge::programs {

using Clock = std::chrono::steady_clock;

[[nodiscard]] double seconds_since(Clock::time_point start);

/// Role: a line on the terminal that is written over and over; nothing when nobody looks there.
class ProgressLine {
 public:
  ProgressLine();
  /// Five times a second at most; the text is not made more often.
  void show(const std::function<std::string()>& text);
  void clear() const;

 private:
  const bool terminal_;
  std::optional<Clock::time_point> shown_;
};

/// [=====     ]
[[nodiscard]] std::string progress_bar(double done, double all);

/// A standard one, or the random one that these words make.
[[nodiscard]] std::optional<testkit::Workload> find_workload(
    const std::string& name, const std::vector<std::uint64_t>& words);

/// What became of a child process.
struct ChildEnd {
  std::string told;  ///< what its job returned
  int signal = 0;    ///< that ended it; 0: none did
  int exit_code = 0;
  /// Its job returned, and all of what it returned is here.
  [[nodiscard]] bool well() const { return signal == 0 && exit_code == 0; }
};

/// Runs a job in a process of its own: what it runs may stop it, or never end. A job still running
/// after twice its seconds and some is ended by SIGALRM. Throws when there is no process
/// to be had.
[[nodiscard]] ChildEnd run_in_child(double seconds, bool quiet,
                                    const std::function<std::string()>& job);

}  // namespace selvedge::programs
