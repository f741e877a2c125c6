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

/// A replay token: `[fault|]crash[/[fault|]crash...]`. The first crash is in the workload, each
/// other one in the recovery from the one before it; the fault is met by the same run.
struct Token {
  struct Level {
    std::optional<Fault> fault;
    CrashPoint point;
  };
  std::vector<Level> levels;
  [[nodiscard]] std::string to_string() const;
  static Result<Token> parse(std::string_view text);
};

/// The events before a crash, with what became of those that were pending.
[[nodiscard]] std::string describe(const std::vector<Event>& trace, const CrashPoint& point);

}  // namespace selvedge::testkit
