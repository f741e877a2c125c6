// Histories of real threads against what their level of isolation promises, for as long as asked;
// and bugs planted in the engine, each of which must be found in that way.

#include <selvedge/testkit/history_run.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/mutants.h"
#include "programs/support.h"

namespace {

using namespace selvedge::testkit;
using selvedge::Isolation;
using selvedge::base::Mutant;
using selvedge::base::MutantGroup;
using selvedge::base::MutantInfo;
using namespace selvedge::programs;

struct Settings {
  double seconds = 60;
  std::uint64_t seed = 1;
  double control_seconds = 60;
  bool one = false;
  bool json = false;
  std::string control;
  std::string save = "/tmp";
};

/// Both levels in turn; one in four with power losses.
HistoryPlan plan_of(std::uint64_t seed) {
  const Isolation isolation = seed % 2 == 0 ? Isolation::snapshot : Isolation::serializable;
  const bool losses = seed / 2 % 4 == 3;
  return history_plan(seed, isolation, losses ? static_cast<unsigned>(1 + seed / 8 % 3) : 0);
}

struct Totals {
  std::uint64_t histories = 0;
  std::uint64_t transactions = 0;
  std::uint64_t power_losses = 0;
  std::uint64_t anomalies = 0;
  int controls = 0;
  int rejected = 0;
};

/// Role: the runs of one call, and what they came to.
class Histories {
 public:
  explicit Histories(const Settings& settings) : settings_(settings) {}

  void run(Totals& totals) {
    const auto start = Clock::now();
    for (std::uint64_t seed = settings_.seed;
         seconds_since(start) < settings_.seconds && totals.anomalies == 0; ++seed) {
      const HistoryPlan plan = plan_of(seed);
      const HistoryRun done = run_history(plan);
      ++totals.histories;
      totals.transactions += done.history.transactions.size();
      totals.power_losses += done.power_losses;
      const auto wrong = judge(plan, done);
      if (!wrong.empty()) {
        report(plan, done, wrong);
      }
      totals.anomalies += wrong.size();
      line_.show([&] {
        return fmt::format("{:.0f} of {:.0f} s, {} histories, {} transactions, {} power losses",
                           seconds_since(start), settings_.seconds, totals.histories,
                           totals.transactions, totals.power_losses);
      });
      if (settings_.one) {
        break;
      }
    }
    line_.clear();
  }

 private:
  void report(const HistoryPlan& plan, const HistoryRun& run,
              const std::vector<std::string>& wrong) const {
    line_.clear();
    const auto file =
        std::filesystem::path(settings_.save) / fmt::format("selvedge-history-{}.jsonl", plan.seed);
    std::ofstream out(file);
    out << to_json_lines(run.history) << std::flush;
    fmt::print("wrong in {}\n  the history: {}\n", plan.to_string(),
               out ? file.string() : "could not be written to " + file.string());
    for (const std::string& each : wrong) {
      fmt::print("{}\n", each);
    }
  }

  const Settings& settings_;
  ProgressLine line_;
};

// --- planted bugs ------------------------------------------------------------------------------

/// The level that the bug breaks: what only keeps reads valid is not asked under snapshot.
Isolation level_of(Mutant mutant) {
  switch (mutant) {
    case Mutant::first_updater_ignored:
    case Mutant::latest_read:
    case Mutant::claim_ignored:
    case Mutant::stale_view: return Isolation::snapshot;
    default: return Isolation::serializable;
  }
}

/// Only a power loss shows it.
bool needs_losses(Mutant mutant) {
  return mutant == Mutant::sync_left_out || mutant == Mutant::acknowledged_before_sync ||
         mutant == Mutant::view_not_durable || mutant == Mutant::empty_commit_unwaited;
}

/// The isolation group; and bugs that lose, or show, what a power loss takes back.
bool is_control(const MutantInfo& info) {
  return info.group == MutantGroup::isolation || info.mutant == Mutant::sync_left_out ||
         info.mutant == Mutant::acknowledged_before_sync;
}

struct Rejection {
  std::uint64_t histories = 0;
  std::string what;  ///< empty: nothing was found
};

/// Runs with the bug until the checker rejects one.
Rejection reject(const MutantInfo& info, const Settings& settings) {
  const unsigned losses = needs_losses(info.mutant) ? 3 : 0;
  selvedge::base::active_mutant.store(info.mutant);
  const auto start = Clock::now();
  Rejection rejection;
  for (std::uint64_t seed = settings.seed;
       rejection.what.empty() && seconds_since(start) < settings.control_seconds; ++seed) {
    const HistoryPlan plan = history_plan(seed, level_of(info.mutant), losses);
    const HistoryRun run = run_history(plan);
    ++rejection.histories;
    const auto found = find_anomalies(run.history, plan.isolation);
    if (found && !found->empty()) {
      rejection.what = found->front().text;
    }
  }
  return rejection;
}

/// In a process of its own: a bug may stop it. Only the checker's word counts.
bool control(const MutantInfo& info, const Settings& settings) {
  const ChildEnd end = run_in_child(settings.control_seconds, false, [&] {
    const Rejection rejection = reject(info, settings);
    return rejection.what.empty()
               ? std::string()
               : fmt::format("in history {}: {}", rejection.histories, rejection.what);
  });
  const std::string& text = end.told;
  const bool rejected = end.well() && !text.empty();
  if (!settings.json) {
    const bool in_full = !settings.control.empty();
    // The name of the anomaly, or all that is known of it.
    const std::string shown = in_full ? text : text.substr(0, text.find(':', text.find(':') + 1));
    fmt::print("control {} ({}): {}\n", info.name, info.what,
               rejected ? "rejected " + shown : "NOT REJECTED");
  }
  return rejected;
}

void run_controls(const Settings& settings, Totals& totals) {
  for (const MutantInfo& info : selvedge::base::mutants) {
    if (is_control(info) && (settings.control.empty() || settings.control == info.name)) {
      ++totals.controls;
      totals.rejected += control(info, settings) ? 1 : 0;
    }
  }
}

int summary(const Settings& settings, const Totals& totals) {
  const auto controls = fmt::format("{}/{}", totals.rejected, totals.controls);
  if (settings.json) {
    fmt::print(
        "{{\"histories\":{},\"transactions\":{},\"power_losses\":{},\"anomalies\":{},"
        "\"controls_rejected\":\"{}\",\"seed\":{}}}\n",
        totals.histories, totals.transactions, totals.power_losses, totals.anomalies, controls,
        settings.seed);
  } else {
    fmt::print(
        "{} histories, {} transactions, {} power losses, {} anomalies; {} planted bugs "
        "rejected, seed {}\n",
        totals.histories, totals.transactions, totals.power_losses, totals.anomalies, controls,
        settings.seed);
  }
  return totals.anomalies == 0 && totals.rejected == totals.controls ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{
      "Runs threads on few keys, with their schedule shuffled and the power failing, and holds "
      "their histories against snapshot isolation and strict serializability; before that, planted "
      "bugs that must be found in this way. Exit code: 0 no anomaly, and every bug is found; 1 "
      "not so; 2 usage."};
  app.add_option("--seconds", settings.seconds, "how long, after the controls")
      ->capture_default_str();
  app.add_option("--seed", settings.seed, "of the first history")->capture_default_str();
  CLI::Option* const one =
      app.add_flag("--one", settings.one, "only the history of this seed, no controls");
  app.add_option("--control", settings.control, "only this planted bug, with what was found")
      ->excludes(one);
  app.add_option("--control-seconds", settings.control_seconds, "at most, for each planted bug")
      ->capture_default_str();
  app.add_option("--save", settings.save, "directory for histories that are wrong")
      ->capture_default_str();
  app.add_flag("--json", settings.json, "the last line as JSON");
  CLI11_PARSE(app, argc, argv);
  Totals totals;
  if (!settings.one) {
    run_controls(settings, totals);
  }
  if (!settings.control.empty()) {
    if (totals.controls == 0) {
      fmt::print(stderr, "no such planted bug: {}\n", settings.control);
      return 2;
    }
    return settings.json ? summary(settings, totals) : (totals.rejected == totals.controls ? 0 : 1);
  }
  Histories(settings).run(totals);
  return summary(settings, totals);
}
