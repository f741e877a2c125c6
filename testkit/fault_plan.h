// Which faults are tried, and how a place in a search is written down.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/testkit/disk.h>

namespace selvedge::testkit {

/// The n-th call of each operation for every n that a run made: errors once and for good, a full
/// disk, partial writes, short results.
[[nodiscard]] std::vector<Fault> fault_plan(const SimFileSystem& run);

/// A replay token: `[steps@]level[/level...]`; a level is `[fault|]crash`, and the last one may be
/// `fault` or `run`: what a run shows that nothing stopped. The first level is in the workload, cut
/// off after so many steps, each other one in the recovery from the one before it; the fault is met
/// by the same run.
struct Token {
  struct Level {
    std::optional<Fault> fault;
    std::optional<CrashPoint> point;
  };
  std::optional<std::size_t> steps;
  std::vector<Level> levels;
  [[nodiscard]] std::string to_string() const;
  static Result<Token> parse(std::string_view text);
};

/// The events before a crash, with what became of those that were pending; of a run without one,
/// all.
[[nodiscard]] std::string describe(const std::vector<Event>& trace,
                                   const std::optional<CrashPoint>& crash);

}  // namespace selvedge::testkit
