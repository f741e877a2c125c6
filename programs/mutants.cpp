// The kit against bugs planted in the engine: which are found, how, and how soon.

#include <selvedge/testkit/explorer.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/mutants.h"
#include "programs/support.h"

namespace {

using namespace selvedge::testkit;
using selvedge::base::Mutant;
using selvedge::base::MutantGroup;
using selvedge::base::MutantInfo;
using namespace selvedge::programs;

/// What is known of one bug.
struct Verdict {
  bool caught = false;
  std::string workload;
  std::string strategy;
  std::string what;
  std::uint64_t cases = 0;
  double seconds = 0;
};

/// Those that no crash can show, and why.
std::optional<std::string> equivalent(Mutant mutant);

/// Role: the searches, from the cheapest to the dearest, until one finds something.
class Hunt {
 public:
  explicit Hunt(double seconds) : seconds_(seconds) {}

  std::optional<Verdict> run() {
    const std::vector<Workload> all = standard_workloads();
    ExploreOptions plain;
    plain.faults = false;
    const ExploreOptions faults;
    for (const Workload& workload : all) {
      if (workload.tiny && explore(workload, plain)) {
        return verdict_;
      }
    }
    for (const Workload& workload : all) {
      const bool short_one = workload.name == "updates" || workload.name == "reopened";
      if (short_one && explore(workload, faults)) {
        return verdict_;
      }
    }
    // Something of each before all of any: most bugs show soon in the workload that is made for
    // them.
    for (const std::uint64_t images_max : {2'000U, 10'000U, 0U}) {
      plain.images_max = images_max;
      for (const Workload& workload : all) {
        if (!workload.tiny && explore(workload, plain)) {
          return verdict_;
        }
      }
    }
    for (const char* name : {"rotation", "checkpoints-streaming", "updates"}) {
      if (damage(all, name)) {
        return verdict_;
      }
    }
    for (const Workload& workload : all) {
      if (explore(workload, faults)) {
        return verdict_;
      }
    }
    ExploreOptions deep = plain;
    deep.depth = 2;
    for (const Workload& workload : all) {
      deep.nested_one_in = workload.tiny ? 1 : 16;
      if (explore(workload, deep)) {
        return verdict_;
      }
    }
    for (std::uint64_t seed = 1; going(); ++seed) {
      if (explore(random_workload(random_words(seed, 40)), plain)) {
        return verdict_;
      }
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] bool going() const { return seconds_since(start_) < seconds_; }

  bool explore(const Workload& workload, ExploreOptions options) {
    if (!going()) {
      return false;
    }
    options.go_on = [this] { return going(); };
    options.shorten = false;
    const Exploration found = Explorer(options).explore(workload);
    if (!found.violations.empty()) {
      note(workload.name, found.violations.front(), cases_ + found.violations.front().cases);
    }
    cases_ += found.counts.distinct_images;
    return verdict_.has_value();
  }

  bool damage(const std::vector<Workload>& all, const std::string& name) {
    for (const Workload& workload : all) {
      if (workload.name == name) {
        const DamageCounts found = damage_at_rest(workload, 29);
        if (!found.violations.empty()) {
          note(name, found.violations.front(), cases_ + found.violations.front().cases);
        }
        cases_ += found.cases;
      }
    }
    return verdict_.has_value();
  }

  void note(const std::string& workload, const Violation& violation, std::uint64_t cases) {
    verdict_ = {true, workload, violation.strategy, violation.what, cases, seconds_since(start_)};
  }

  const double seconds_;
  const Clock::time_point start_ = Clock::now();
  std::uint64_t cases_ = 0;
  std::optional<Verdict> verdict_;
};

std::string field(std::string_view& text) {
  const std::size_t end = text.find('\x1f');
  std::string part(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

/// In a process of its own: a bug may stop it, or never end.
Verdict hunt(const MutantInfo& info, double seconds) {
  const auto start = Clock::now();
  const ChildEnd end = run_in_child(seconds, true, [&] {
    selvedge::base::active_mutant.store(info.mutant);
    const auto verdict = Hunt(seconds).run();
    return verdict ? fmt::format("{}\x1f{}\x1f{}\x1f{}\x1f{}", verdict->workload, verdict->strategy,
                                 verdict->what, verdict->cases, verdict->seconds)
                   : std::string();
  });
  Verdict verdict;
  verdict.seconds = seconds_since(start);
  if (end.signal != 0) {
    verdict.caught = true;
    verdict.strategy = end.signal == SIGALRM ? "it never ends" : "it stops the process";
    verdict.what = ::strsignal(end.signal);
  } else if (end.well() && !end.told.empty()) {
    std::string_view rest = end.told;
    verdict.caught = true;
    verdict.workload = field(rest);
    verdict.strategy = field(rest);
    verdict.what = field(rest);
    verdict.cases = std::stoull(field(rest));
    verdict.seconds = std::stod(field(rest));
  }
  return verdict;
}

std::optional<std::string> equivalent(Mutant mutant) {
  switch (mutant) {
    case Mutant::salt_left_out:
      return "a segment that is used again starts at a sequence above all that it held";
    case Mutant::segment_not_synced:
      return "the sync of the first group makes the file's size and bytes durable too";
    case Mutant::snapshot_listed_too_early:
      return "after a crash recovery falls back to the snapshot before, whose log is still there; "
             "what a failed rename does to the next checkpoint is in the tests of the kit";
    case Mutant::old_snapshot_deleted_first:
      return "the newer snapshot is listed by then, and nobody asks for the old one";
    case Mutant::binding_ignored:
      return "recovery deletes snapshots that are not listed, and none is listed before the log is "
             "durable to its end; files of another history are in the tests of recovery";
    case Mutant::redo_from_begin:
      return "an entry and its version appear in one section: what is below the begin is in the "
             "snapshot, and the log below it is for undo only";
    case Mutant::redo_takes_losers:
      return "history is repeated, and undo takes back what carries a loser's sequence";
    case Mutant::losers_left_open:
      return "who has no end is a loser in each later recovery too; the entry is bookkeeping";
    case Mutant::slots_of_losers_forgotten:
      return "nobody was told of the id, and the loser's entries carry other sequences";
    default: return std::nullopt;
  }
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 60;
  std::string only;
  bool list = false;
  CLI::App app{
      "Runs the crash-test kit against each bug planted in the engine. Exit code: 0 all are "
      "found or explained, 1 one is not, 2 usage."};
  app.add_option("--seconds", seconds, "at most, for each")->capture_default_str();
  app.add_option("--mutant", only, "only this one");
  app.add_flag("--list", list, "only list them");
  CLI11_PARSE(app, argc, argv);
  int missed = 0;
  int shown = 0;
  int others = 0;
  fmt::print("| bug | found | workload | by | cases | seconds |\n|---|---|---|---|---|---|\n");
  for (const MutantInfo& info : selvedge::base::mutants) {
    if (!only.empty() && only != info.name) {
      continue;
    }
    if (info.group != MutantGroup::crashes) {
      ++others;
      continue;
    }
    ++shown;
    if (list) {
      fmt::print("| {}: {} | | | | | |\n", info.name, info.what);
      continue;
    }
    const Verdict verdict = hunt(info, seconds);
    const auto reason = equivalent(info.mutant);
    if (verdict.caught) {
      fmt::print("| {}: {} | yes | {} | {} | {} | {:.2f} |\n", info.name, info.what,
                 verdict.workload, verdict.strategy, verdict.cases, verdict.seconds);
      if (!only.empty()) {
        fmt::print("{}\n", verdict.what);
      }
    } else {
      fmt::print("| {}: {} | {} | | | | {:.1f} |\n", info.name, info.what,
                 reason ? "equivalent: " + *reason : "NO", verdict.seconds);
      missed += reason ? 0 : 1;
    }
    std::fflush(stdout);
  }
  if (shown == 0) {
    fmt::print(stderr, "{}: {}\n", others == 0 ? "no such bug" : "for ./dev histories", only);
    return 2;
  }
  if (others != 0) {
    fmt::print("\n{} bugs of isolation are left out: ./dev histories looks for them\n", others);
  }
  fmt::print("\n{} bugs, {} not found and not explained\n", shown, missed);
  return missed == 0 ? 0 : 1;
}
