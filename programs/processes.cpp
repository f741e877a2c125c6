// Workloads in real processes, killed at every system call and met by failing ones.

#include <selvedge/testkit/process.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "programs/support.h"

namespace {

using namespace selvedge::testkit;
using namespace selvedge::programs;

struct Settings {
  double seconds = 60;
  std::uint64_t seed = 1;
  std::string workload;
  std::string directory;
  std::vector<std::string> replay;
  std::vector<std::uint64_t> words;
  bool json = false;
};

/// A workload, and the blows that it has not had yet.
struct Subject {
  ProcessTrials trials;
  std::vector<Blow> plan;
  std::chrono::microseconds lasted{0};  ///< undisturbed
  std::vector<std::uint64_t> words = {};
};

/// Role: the runs of one call, and what they came to.
class Processes {
 public:
  explicit Processes(const Settings& settings) : settings_(settings), random_(settings.seed) {}

  int run() {
    const auto obstacle = strace_obstacle();
    strace_ = !obstacle;
    if (obstacle) {
      fmt::print("no strace ({}): processes are only killed after random times\n", *obstacle);
    }
    if (!settings_.replay.empty()) {
      return replay();
    }
    prepare_standard();
    if (subjects_.empty() && !wants("random") && !failed_) {
      fmt::print(stderr, "no such workload: {}\n", settings_.workload);
      return 2;
    }
    rounds();
    finish();
    return failed_ ? 2 : violations_ == 0 ? 0 : 1;
  }

 private:
  [[nodiscard]] double elapsed() const { return seconds_since(start_); }
  [[nodiscard]] bool going() const {
    return elapsed() < settings_.seconds && violations_ == 0 && !failed_;
  }
  [[nodiscard]] bool wants(const std::string& name) const {
    return settings_.workload.empty() || settings_.workload == name;
  }
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

  void prepare_standard() {
    for (Workload& workload : standard_workloads()) {
      if (wants(workload.name) && going()) {
        if (auto subject = prepare(std::move(workload), {})) {
          planned_ += subject->plan.size();
          subjects_.push_back(std::move(*subject));
        }
      }
    }
  }

  /// One undisturbed run, and the plan for the others.
  std::optional<Subject> prepare(Workload workload, std::vector<std::uint64_t> words) {
    auto trials = ProcessTrials::prepare(std::move(workload), settings_.directory);
    if (!trials) {
      return give_up(trials.error());
    }
    Subject subject{*std::move(trials), {}, {}, std::move(words)};
    const auto whole = attempt(subject, {Blow{}});
    if (!whole || whole->violation) {
      return std::nullopt;
    }
    subject.lasted = whole->lasted;
    if (strace_) {
      auto plan = subject.trials.plan();
      if (!plan) {
        return give_up(plan.error());
      }
      subject.plan = *std::move(plan);
      std::shuffle(subject.plan.begin(), subject.plan.end(), random_);
    }
    return subject;
  }
  std::nullopt_t give_up(const selvedge::Error& error) {
    line_.clear();
    fmt::print(stderr, "{}\n", error.message());
    failed_ = true;
    return std::nullopt;
  }

  /// All standard workloads in turn, and among them random ones.
  void rounds() {
    for (std::uint64_t seed = settings_.seed; going(); ++seed) {
      bool more = false;
      for (int turn = 0; turn < 4; ++turn) {
        for (Subject& subject : subjects_) {
          more |= next(subject);
        }
      }
      if (wants("random")) {
        random_round(seed);
      } else if (!more && strace_) {
        return;  // everything planned is done
      }
    }
  }

  void random_round(std::uint64_t seed) {
    auto words = random_words(seed, 20 + seed % 60);
    Workload workload = random_workload(words);
    if (auto subject = going() ? prepare(std::move(workload), std::move(words)) : std::nullopt) {
      for (int i = 0; i < 24; ++i) {
        next(*subject);
      }
    }
  }

  /// The next planned blow, if there is one, and now and then a kill at any time.
  bool next(Subject& subject) {
    if (!going()) {
      return false;
    }
    const bool planned = !subject.plan.empty();
    std::vector<Blow> blows;
    if (planned && below(16) != 0) {
      blows.push_back(std::move(subject.plan.back()));
      subject.plan.pop_back();
      done_ += subject.words.empty() ? 1U : 0U;
    } else {
      blows.push_back(at_any_time(subject.lasted));
    }
    while (below(4) == 0) {
      blows.push_back(in_recovery());
    }
    static_cast<void>(attempt(subject, blows));
    return planned;
  }

  Blow at_any_time(std::chrono::microseconds within) {
    Blow blow;
    blow.kind = Blow::Kind::kill_after;
    blow.after = std::chrono::microseconds(below(static_cast<std::uint64_t>(within.count()) + 1));
    return blow;
  }

  /// Recoveries make few calls of a kind.
  Blow in_recovery() {
    static constexpr std::array calls{"pwrite64", "fdatasync", "fsync",     "rename", "unlink",
                                      "openat",   "ftruncate", "fallocate", "close"};
    if (!strace_) {
      return at_any_time(std::chrono::milliseconds(5));
    }
    Blow blow;
    blow.kind = below(3) == 0 ? Blow::Kind::fail_call : Blow::Kind::kill_at_call;
    blow.call = calls.at(below(calls.size()));
    blow.nth = 1 + below(6);
    if (blow.kind == Blow::Kind::fail_call) {
      blow.error = below(2) == 0 ? "EIO" : "ENOSPC";
      blow.sticky = below(2) == 0;
    }
    return blow;
  }

  std::optional<ProcessRun> attempt(const Subject& subject, const std::vector<Blow>& blows) {
    auto found = subject.trials.run(blows);
    if (!found) {
      return give_up(found.error());
    }
    ++runs_;
    killed_ += found->killed;
    faults_ += found->failed != 0 ? 1U : 0U;
    if (found->violation) {
      ++violations_;
      report(subject, blows, *found);
    }
    progress(subject.trials.workload().name);
    return std::move(*found);
  }

  void report(const Subject& subject, const std::vector<Blow>& blows, const ProcessRun& found) {
    line_.clear();
    fmt::print("violation in {}: {}\n", subject.trials.workload().name, *found.violation);
    std::vector<std::string> texts;
    for (const Blow& blow : blows) {
      texts.push_back(blow.to_string());
    }
    fmt::print("  replay: --workload {}{}{} --replay {}\n", subject.trials.workload().name,
               subject.words.empty() ? "" : " --words ", fmt::join(subject.words, ","),
               fmt::join(texts, ","));
    fmt::print("  reported: {} steps acknowledged, {} issued\n", found.bounds.lower,
               found.bounds.upper);
    for (std::size_t i = 0; i < found.calls.size(); ++i) {
      const auto& calls = found.calls[i];
      fmt::print("  traced process {}, {} calls, the last ones:\n", i + 1, calls.size());
      const std::size_t first = calls.size() > 40 ? calls.size() - 40 : 0;
      for (std::size_t each = first; each < calls.size(); ++each) {
        fmt::print("    {}\n", calls[each]);
      }
    }
  }

  int replay() {
    std::vector<Blow> blows;
    for (const std::string& text : settings_.replay) {
      auto blow = Blow::parse(text);
      if (!blow) {
        fmt::print(stderr, "{}\n", blow.error().message());
        return 2;
      }
      blows.push_back(*std::move(blow));
    }
    auto workload = find_workload(settings_.workload, settings_.words);
    if (!workload) {
      fmt::print(stderr, "no such workload: {}\n", settings_.workload);
      return 2;
    }
    auto trials = ProcessTrials::prepare(*std::move(workload), settings_.directory);
    if (!trials) {
      give_up(trials.error());
      return 2;
    }
    const auto found = attempt({*std::move(trials), {}, {}, settings_.words}, blows);
    if (found && !found->violation) {
      fmt::print("nothing is wrong there: found step {}, between {} acknowledged and {} issued\n",
                 found->steps, found->bounds.lower, found->bounds.upper);
    }
    return failed_ ? 2 : violations_ == 0 ? 0 : 1;
  }

  void progress(const std::string& name) {
    line_.show([&] {
      return fmt::format("{} {:.0f} s, {} runs, {} killed, {} met a fault, {:<26}",
                         progress_bar(elapsed(), settings_.seconds), elapsed(), runs_, killed_,
                         faults_, name);
    });
  }

  void finish() {
    line_.clear();
    if (!settings_.json) {
      fmt::print(
          "{} runs ({} of {} planned for the standard workloads), {} processes killed, "
          "{} runs with a fault, {} violations, seed {}\n",
          runs_, done_, planned_, killed_, faults_, violations_, settings_.seed);
      return;
    }
    fmt::print(
        "{{\"runs\":{},\"killed\":{},\"faults\":{},\"violations\":{},\"seed\":{},\"strace\":{}}}\n",
        runs_, killed_, faults_, violations_, settings_.seed, strace_);
  }

  const Settings& settings_;
  std::mt19937_64 random_;
  const Clock::time_point start_ = Clock::now();
  ProgressLine line_;
  std::vector<Subject> subjects_;
  bool strace_ = false;
  bool failed_ = false;
  std::uint64_t planned_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t runs_ = 0;
  std::uint64_t killed_ = 0;
  std::uint64_t faults_ = 0;
  std::uint64_t violations_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  CLI::App app{
      "Runs workloads in child processes on the real file system, kills them at every system call, "
      "lets calls fail, and checks what recovery makes of what is left. Exit code: 0 none, 1 a "
      "violation, 2 usage or no way to run processes."};
  app.add_option("--seconds", settings.seconds, "how long at most")->capture_default_str();
  app.add_option("--seed", settings.seed, "of the order and the random workloads")
      ->capture_default_str();
  app.add_option("--workload", settings.workload, "only this one; `random`: only the random ones");
  app.add_option("--directory", settings.directory,
                 "where the stores are made (default: the system's for temporary files)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--replay", settings.replay, "these blows to --workload, once")->delimiter(',');
  app.add_option("--words", settings.words, "of a random workload to replay")->delimiter(',');
  app.add_flag("--json", settings.json, "the last line as JSON");
  CLI11_PARSE(app, argc, argv);
  return Processes(settings).run();
}
