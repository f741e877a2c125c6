// Random workloads, random crashes, for as long as asked.

#include <selvedge/testkit/explorer.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "programs/support.h"

namespace {

using namespace selvedge::testkit;
using namespace selvedge::programs;

struct Settings {
  double seconds = 60;
  std::uint64_t seed = 1;
  std::string workload;
  std::string replay;
  unsigned depth = 0;
  bool json = false;
};

/// Role: the rounds of one call, and what they came to.
class Torture {
 public:
  explicit Torture(const Settings& settings) : settings_(settings) {}

  int run() {
    for (const Workload& workload : standard_workloads()) {
      if (settings_.workload.empty() || settings_.workload == workload.name) {
        known_ = true;
        round(workload, {});
      }
    }
    if (settings_.workload.empty() || settings_.workload == "random") {
      known_ = true;
      for (std::uint64_t seed = settings_.seed; going(); ++seed) {
        auto words = random_words(seed, 20 + seed % 60);
        round(random_workload(words), words);
      }
    }
    if (!known_) {
      fmt::print(stderr, "no such workload: {}\n", settings_.workload);
      return 2;
    }
    finish();
    return violations_ == 0 ? 0 : 1;
  }

 private:
  [[nodiscard]] double elapsed() const { return seconds_since(start_); }
  [[nodiscard]] bool going() const { return elapsed() < settings_.seconds && violations_ == 0; }

  /// Tiny ones are crashed in every recovery too; of the others, one recovery in 64.
  void round(const Workload& workload, const std::vector<std::uint64_t>& words) {
    if (!going()) {
      return;
    }
    ExploreOptions options;
    options.seed = settings_.seed;
    options.depth = settings_.depth != 0 ? settings_.depth : words.empty() || deep(words) ? 2 : 1;
    options.nested_one_in = workload.tiny ? 1 : 64;
    options.faults = words.empty() || words.size() % 4 == 0;
    options.go_on = [&] {
      progress(workload.name);
      return going();
    };
    const Exploration found = Explorer(options).explore(workload);
    counts_.add(found.counts);
    progress(workload.name);
    for (const Violation& violation : found.violations) {
      report(workload, words, violation, options);
    }
  }
  static bool deep(const std::vector<std::uint64_t>& words) { return words.size() % 3 == 0; }

  void progress(const std::string& name) {
    line_.show([&] {
      return fmt::format("{} {:.0f} s, {} workloads, {} images, {:<28}",
                         progress_bar(elapsed(), settings_.seconds), elapsed(), counts_.workloads,
                         counts_.distinct_images, name);
    });
  }

  void report(const Workload& workload, const std::vector<std::uint64_t>& words,
              Violation violation, const ExploreOptions& options) {
    ++violations_;
    line_.clear();
    fmt::print("violation in {}: {}\n", workload.name, violation.what);
    if (!words.empty()) {
      RandomFinding shortest = shorten(words, violation, options);
      violation = std::move(shortest.violation);
      fmt::print("  words: {}\n", fmt::join(shortest.words, ","));
    }
    fmt::print("  steps: {}\n  found by: {}\n  token: {}\n{}", violation.steps, violation.strategy,
               violation.token, violation.trace);
  }

  void finish() {
    line_.clear();
    const double rate = static_cast<double>(counts_.crash_states) / std::max(elapsed(), 1e-3);
    if (!settings_.json) {
      fmt::print(
          "{} workloads, {} crash states ({:.0f}/s), {} distinct images, {} of the states "
          "in recoveries, {} runs with a fault, {} violations, seed {}\n",
          counts_.workloads, counts_.crash_states, rate, counts_.distinct_images, counts_.nested,
          counts_.faults, violations_, settings_.seed);
      return;
    }
    fmt::print(
        "{{\"workloads\":{},\"crash_states\":{},\"distinct_images\":{},\"nested\":{},"
        "\"faults\":{},\"violations\":{},\"states_per_second\":{:.0f},\"seed\":{}}}\n",
        counts_.workloads, counts_.crash_states, counts_.distinct_images, counts_.nested,
        counts_.faults, violations_, rate, settings_.seed);
  }

  const Settings& settings_;
  const Clock::time_point start_ = Clock::now();
  ProgressLine line_;
  Counts counts_;
  std::uint64_t violations_ = 0;
  bool known_ = false;
};

int replay(const Settings& settings, const std::vector<std::uint64_t>& words) {
  const auto workload = find_workload(settings.workload, words);
  if (!workload) {
    fmt::print(stderr, "no such workload: {}\n", settings.workload);
    return 2;
  }
  const auto found = Explorer({}).replay(*workload, settings.replay);
  if (!found) {
    fmt::print(stderr, "{}\n", found.error().message());
    return 2;
  }
  if (!*found) {
    fmt::print("nothing is wrong there\n");
    return 0;
  }
  fmt::print("{}\n{}", (*found)->what, (*found)->trace);
  return 1;
}

/// Every bit of every file, flipped alone; sectors and whole files too.
int damage(const Settings& settings) {
  DamageCounts total;
  bool known = false;
  for (const Workload& workload : standard_workloads()) {
    if (!settings.workload.empty() ? settings.workload != workload.name : !workload.tiny) {
      continue;
    }
    known = true;
    DamageCounts found = damage_at_rest(workload);
    total.cases += found.cases;
    total.right_state += found.right_state;
    total.refused += found.refused;
    total.salvaged += found.salvaged;
    for (Violation& violation : found.violations) {
      fmt::print("violation in {}: {}: {}\n", workload.name, violation.token, violation.what);
      total.violations.push_back(std::move(violation));
    }
  }
  if (!known) {
    fmt::print(stderr, "no such workload: {}\n", settings.workload);
    return 2;
  }
  if (settings.json) {
    fmt::print("{{\"cases\":{},\"right\":{},\"refused\":{},\"salvaged\":{},\"violations\":{}}}\n",
               total.cases, total.right_state, total.refused, total.salvaged,
               total.violations.size());
  } else {
    fmt::print("{} damages: {} right, {} refused ({} of them open with a salvage), {} violations\n",
               total.cases, total.right_state, total.refused, total.salvaged,
               total.violations.size());
  }
  return total.violations.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  std::vector<std::uint64_t> words;
  CLI::App app{
      "Crashes workloads at every I/O event, in every way a disk may leave them, and "
      "checks what recovery makes of it. Exit code: 0 none, 1 a violation, 2 usage."};
  app.add_option("--seconds", settings.seconds, "how long")->capture_default_str();
  app.add_option("--seed", settings.seed, "of the random workloads")->capture_default_str();
  app.add_option("--workload", settings.workload, "only this one; `random`: only the random ones");
  app.add_option("--depth", settings.depth,
                 "crashes in a row (default: 2 for small workloads and some random ones, else 1)");
  app.add_option(
      "--replay", settings.replay,
      "go to this token of --workload and say what is there: [STEPS@]LEVEL[/LEVEL...], a "
      "level being [FAULT|]EVENT:MASK[:TEAR], or at the end FAULT, or alone `run`");
  app.add_option("--words", words, "of a random workload to replay")->delimiter(',');
  bool at_rest = false;
  app.add_flag(
      "--damage", at_rest,
      "instead: flip each bit of every file of the store that --workload leaves (or each of "
      "the small ones), and damage sectors and whole files");
  app.add_flag("--json", settings.json, "the last line as JSON");
  CLI11_PARSE(app, argc, argv);
  if (at_rest) {
    return damage(settings);
  }
  return settings.replay.empty() ? Torture(settings).run() : replay(settings, words);
}
