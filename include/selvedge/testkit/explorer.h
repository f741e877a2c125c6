// Every crash, every fault: what is left must be a state that the ledger allows.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <selvedge/testkit/disk.h>
#include <selvedge/testkit/workload.h>

namespace selvedge::testkit {

struct ExploreOptions {
  std::uint64_t seed = 1;
  /// Crashes in a row: 1 in the workload, 2 also in each recovery from it, and so on.
  unsigned depth = 1;
  /// Also runs in which the n-th operation of a kind fails, for every n.
  bool faults = true;
  /// Of the recoveries, one in so many is crashed itself when `depth` allows it; 1 = all.
  std::uint32_t nested_one_in = 1;
  /// What is found is looked for again in shorter runs.
  bool shorten = true;
  /// Ends the search after so many violations.
  std::size_t violations_max = 1;
  /// Ends it after so many distinct images; 0 = never.
  std::uint64_t images_max = 0;
  /// Called now and then; false ends the search.
  std::function<bool()> go_on = {};
};

/// What was looked at.
struct Counts {
  std::uint64_t workloads = 0;
  std::uint64_t crash_states = 0;     ///< choices of what a crash leaves
  std::uint64_t distinct_images = 0;  ///< recovered and checked; the others were the same again
  std::uint64_t nested = 0;           ///< of the crash states, those in a recovery
  std::uint64_t faults = 0;           ///< runs with an injected fault
  std::array<std::uint64_t, static_cast<std::size_t>(Strategy::count)> by_strategy{};
  void add(const Counts& other);
};

/// A state that must not be, and how to get there again.
struct Violation {
  std::string what;         ///< expected and found
  std::string token;        ///< for `replay`
  std::string strategy;     ///< that found it first
  std::uint64_t cases = 0;  ///< distinct images until then
  std::size_t steps = 0;    ///< of the shortest run that still shows it
  std::string trace;        ///< events, what was kept of them
};

struct Exploration {
  Counts counts;
  std::vector<Violation> violations;
};

/// Role: runs a workload, works out what each crash can leave, opens it, compares it with the
///   ledger, checks every structure, and lives on with it: one more commit, one more crash.
/// Threads: one at a time; use one for each thread.
class Explorer {
 public:
  explicit Explorer(ExploreOptions options);
  ~Explorer();
  Explorer(const Explorer&) = delete;
  Explorer& operator=(const Explorer&) = delete;

  /// A workload that fails without a fault is a violation of its own.
  Exploration explore(const Workload& workload);
  /// Goes where a token leads and says what is found there; nothing when all is well.
  Result<std::optional<Violation>> replay(const Workload& workload, const std::string& token);

 private:
  class Search;
  ExploreOptions options_;
};

/// Explores random words, and when that finds something, leaves out words as long as it still does.
struct RandomFinding {
  std::vector<std::uint64_t> words;
  Violation violation;
};
[[nodiscard]] RandomFinding shorten(std::vector<std::uint64_t> words, const Violation& violation,
                                    const ExploreOptions& options);

/// What a change of bytes at rest does to a store.
struct DamageCounts {
  std::uint64_t cases = 0;
  std::uint64_t right_state = 0;  ///< opened, all acknowledged steps there
  std::uint64_t refused = 0;      ///< with file (and offset), nothing on disk changed
  std::uint64_t salvaged = 0;     ///< of the refused, those that a salvage opens
  std::vector<Violation> violations;
};

/// Flips each bit of each file of the store that the workload leaves behind (closed properly), and
/// zeroes, swaps and misdirects sectors, and loses or ages files.
[[nodiscard]] DamageCounts damage_at_rest(const Workload& workload, std::uint32_t one_bit_in = 1);

}  // namespace selvedge::testkit
