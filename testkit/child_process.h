// A child process that reports, is traced, and is ended.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/testkit/process.h>

namespace selvedge::testkit {

/// Role: the child's way of telling its parent. Unbuffered: what was told outlives the child.
class Teller {
 public:
  explicit Teller(int descriptor) : descriptor_(descriptor) {}
  void bounds(Bounds bounds) const;
  /// The error that ended its run.
  void error(std::string_view text) const;
  /// What it found to be wrong itself.
  void wrong(std::string_view text) const;
  void done() const;

 private:
  int descriptor_;
};

/// What a child told, and how it ended.
struct ChildEnd {
  Bounds bounds;
  std::optional<std::string> error;
  std::optional<std::string> wrong;
  bool done = false;  ///< it came to its end
  bool hung = false;  ///< it was killed because it did not
  int signal = 0;
  int exit_code = 0;
  std::chrono::microseconds lasted{0};
};

/// Runs the job in a child, with the blow. When `trace` names a file, strace writes the calls there
/// and delivers the blow.
/// Errors: unsupported (no strace, or it cannot attach), io.
Result<ChildEnd> run_in_child(const std::function<void(const Teller&)>& job, const Blow& blow,
                              const std::string& trace, Bounds start);

}  // namespace selvedge::testkit
