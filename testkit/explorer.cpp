#include <selvedge/testkit/explorer.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "testkit/fault_plan.h"
#include "testkit/verify.h"

namespace selvedge::testkit {

namespace {
constexpr std::size_t all_steps = ~std::size_t{0};
}  // namespace

void Counts::add(const Counts& other) {
  workloads += other.workloads;
  crash_states += other.crash_states;
  distinct_images += other.distinct_images;
  nested += other.nested;
  faults += other.faults;
  for (std::size_t i = 0; i < by_strategy.size(); ++i) {
    by_strategy.at(i) += other.by_strategy.at(i);
  }
}

/// Role: one search through one workload.
class Explorer::Search {
 public:
  Search(const Workload& workload, const ExploreOptions& options, std::size_t steps_max)
      : workload_(workload), options_(options), steps_max_(steps_max) {}

  Exploration explore() {
    ++out_.counts.workloads;
    const Run reference = run({});
    if (!out_.violations.empty()) {
      return std::move(out_);
    }
    crashes(reference.trace, 0, reference_);
    if (options_.faults) {
      for (const Fault& fault : reference.plan) {
        if (!going()) {
          break;
        }
        ++out_.counts.faults;
        const Run faulty = run(fault);
        crashes(faulty.trace, faulty.fault_event, faulty.ledger);
        fault_.reset();
      }
      faulty_recoveries(reference.trace);
    }
    return std::move(out_);
  }

  /// Goes to one place and reports what is wrong there. If the undisturbed run is wrong, it is
  /// that.
  Result<std::optional<Violation>> replay(const std::string& text) {
    SELVEDGE_TRY(const Token token, Token::parse(text));
    steps_max_ = token.steps.value_or(steps_max_);
    const Token::Level& first = token.levels.front();
    Run last = run({});
    if (first.fault && out_.violations.empty()) {
      last = run(first.fault);
    } else if (!out_.violations.empty()) {
      return found();
    }
    return first.point ? follow(Image{}, last.trace, last.ledger, token, std::nullopt) : found();
  }

 private:
  struct Level {
    const std::vector<Event>* trace = nullptr;
    Token::Level where;
  };
  struct Run {
    std::vector<Event> trace;
    Ledger ledger;
    std::size_t fault_event = 0;
    std::vector<Fault> plan;  ///< what can be made to fail in it
  };

  static bool ended_early(const Status& status) {
    return status.error().code() == ErrorCode::finished;
  }
  bool going() {
    return out_.violations.size() < options_.violations_max && !stopped_ &&
           (options_.images_max == 0 || out_.counts.distinct_images < options_.images_max);
  }

  /// Crashes before each event from `first` on, and behind the last.
  void crashes(const std::vector<Event>& trace, std::size_t first, const Ledger& ledger) {
    Disk disk{Image{}};
    for (std::size_t event = 0; event <= trace.size() && going(); ++event) {
      if (event >= first) {
        crash_here(disk, trace, event, ledger, ledger.bounds(event), options_.depth);
      }
      if (event < trace.size()) {
        disk.apply(trace[event]);
      }
    }
  }

  void crash_here(const Disk& disk, const std::vector<Event>& trace, std::size_t event,
                  const Ledger& ledger, Bounds bounds, unsigned depth) {
    const std::optional<Fault> fault = std::exchange(fault_, std::nullopt);
    levels_.push_back({&trace, {fault, CrashPoint{event, {}}}});
    enumerate(disk, options_.seed + event, [&](const Keep& keep) {
      ++out_.counts.crash_states;
      out_.counts.nested += levels_.size() > 1 ? 1U : 0U;
      ++out_.counts.by_strategy.at(static_cast<std::size_t>(keep.strategy));
      levels_.back().where.point->keep = keep;
      examine(disk.crash(keep), ledger, bounds, depth);
      return going();
    });
    levels_.pop_back();
    fault_ = fault;
  }

  void examine(const Image& image, const Ledger& ledger, Bounds bounds, unsigned depth) {
    const std::uint64_t key = (image.hash() ^ (bounds.lower * 0x9e3779b97f4a7c15U)) +
                              bounds.upper * 0xbf58476d1ce4e5b9U + depth * 0x94d049bb133111ebU +
                              bounds.copies * 0xd6e8feb86659fd93U;
    if (!seen_.insert(key).second) {
      return;
    }
    if (++out_.counts.distinct_images % 256 == 0 && options_.go_on && !options_.go_on()) {
      stopped_ = true;
    }
    const Verified verified(workload_, image, ledger, bounds);
    if (verified.fault()) {
      report(*verified.fault());
      return;
    }
    const std::vector<Event>& trace = verified.trace();
    const bool inner =
        depth > 1 && (out_.counts.distinct_images + options_.seed) % options_.nested_one_in == 0;
    const Bounds returned{verified.steps(), verified.steps(), bounds.copies};
    Disk disk(image);
    for (std::size_t event = 0; inner && event <= verified.recovery_events() && going(); ++event) {
      // What the recovery returned stays: the second one changes nothing.
      const bool open = event == verified.recovery_events();
      crash_here(disk, trace, event, ledger, open ? returned : bounds, depth - 1);
      if (event < trace.size()) {
        disk.apply(trace[event]);
      }
    }
    if (const auto fault = life_after(verified, image); fault && going()) {
      report(*fault);
    }
  }

  /// What a further commit and a crash that takes everything unsynced come to.
  static std::optional<std::string> life_after(const Verified& verified, const Image& image) {
    Disk disk(image);
    for (const Event& event : verified.trace()) {
      disk.apply(event);
    }
    return verified.second_life(
        disk.crash({std::vector<bool>(disk.pending().size(), false), {}, Strategy::drop_all}));
  }

  /// The workload, with one failure in it or none; without one it is what all others are held
  /// against. What it was told counts.
  Run run(const std::optional<Fault>& fault) {
    SimFileSystem files;
    if (fault) {
      files.inject(*fault);
    }
    Trial trial(workload_, files, fault ? &reference_ : nullptr);
    const Status done = trial.execute(steps_max_);
    Run run{files.trace(), trial.ledger(), files.fault_event(), fault_plan(files)};
    if (!fault) {
      reference_ = run.ledger;
    }
    fault_ = fault;
    const bool failed = !done && !files.fault_met() && !ended_early(done);
    const std::string cause = failed ? done.error().message() : "";
    if (const auto wrong = fault ? wrong_with_fault(trial, cause) : wrong_by_itself(trial, cause)) {
      report_run(*wrong, run.trace);
    }
    return run;
  }

  static std::optional<std::string> wrong_by_itself(Trial& trial, const std::string& cause) {
    if (trial.violation()) {
      return trial.violation();
    }
    if (!cause.empty()) {
      return "the workload failed without a fault: " + cause;
    }
    if (const Store* store = trial.open_store()) {
      if (const CheckReport live = store->check(); !live.faults.empty()) {
        return "before any crash, the structures disagree: " + live.faults.front();
      }
    }
    return std::nullopt;
  }

  std::optional<std::string> wrong_with_fault(Trial& trial, const std::string& cause) const {
    if (!trial.violation() && !cause.empty()) {
      return "an error without a fault: " + cause;
    }
    std::optional<std::string> wrong = trial.violation();
    if (const Store* store = trial.open_store(); store != nullptr && !wrong) {
      std::size_t steps = 0;
      const Ledger& ledger = trial.ledger();
      wrong = compare_state(*store, workload_, ledger, {0, ledger.steps.size()}, steps);
    }
    return wrong ? "after the fault: " + *wrong : wrong;
  }

  /// The recovery of what the workload left, with one failure in it: a typed error or the right
  /// state, and after it a recovery without one.
  void faulty_recoveries(const std::vector<Event>& trace) {
    Disk disk{Image{}};
    for (const Event& event : trace) {
      disk.apply(event);
    }
    const Bounds bounds = reference_.bounds(trace.size());
    for (const bool all : {false, true}) {
      const CrashPoint point{
          trace.size(), {std::vector<bool>(disk.pending().size(), all), {}, Strategy::drop_all}};
      const Image image = disk.crash(point.keep);
      SimFileSystem counted(image);
      static_cast<void>(Store::open(store_path, Trial::options_of(workload_, counted)));
      levels_.push_back({&trace, {std::nullopt, point}});
      for (const Fault& fault : fault_plan(counted)) {
        if (going()) {
          faulty_recovery(image, fault, bounds);
        }
      }
      levels_.pop_back();
    }
  }

  void faulty_recovery(const Image& image, const Fault& fault, Bounds bounds) {
    ++out_.counts.faults;
    SimFileSystem files(image);
    reopen_with_fault(files, fault, bounds);
    Disk disk(image);
    for (const Event& event : files.trace()) {
      disk.apply(event);
    }
    crash_here(disk, files.trace(), files.trace().size(), reference_, bounds, 1);
    fault_.reset();
  }

  void reopen_with_fault(SimFileSystem& files, const Fault& fault, Bounds bounds) {
    files.inject(fault);
    fault_ = fault;
    const auto store = Store::open(store_path, Trial::options_of(workload_, files));
    std::size_t steps = 0;
    if (store) {
      if (auto wrong = compare_state(*store, workload_, reference_, bounds, steps)) {
        report_run("after a fault in recovery: " + *wrong, files.trace());
      }
    }
    files.power_off();
  }

  /// One level of a token: the crash, and what its image shows.
  Result<std::optional<Violation>> follow(const Image& start, const std::vector<Event>& trace,
                                          const Ledger& ledger, const Token& token,
                                          std::optional<Bounds> known) {
    const Token::Level& level = token.levels[levels_.size()];
    const CrashPoint point = level.point.value_or(CrashPoint{trace.size() + 1, {}});
    Disk disk(start);
    for (std::size_t event = 0; event < std::min(point.event, trace.size()); ++event) {
      disk.apply(trace[event]);
    }
    const auto& tear = point.keep.tear;
    if (point.event > trace.size() || point.keep.kept.size() != disk.pending().size() ||
        (tear && (tear->pending >= disk.pending().size() ||
                  disk.pending()[tear->pending]->kind != Event::Kind::write))) {
      return fail(ErrorCode::invalid_argument, "the token belongs to another run");
    }
    levels_.push_back({&trace, level});
    const Bounds bounds = known ? *known : ledger.bounds(point.event);
    const Image image = disk.crash(point.keep);
    if (levels_.size() == token.levels.size()) {
      return look(image, ledger, bounds);
    }
    const Token::Level& next = token.levels[levels_.size()];
    if (next.fault) {
      SimFileSystem files(image);
      out_.violations.clear();
      reopen_with_fault(files, *next.fault, bounds);
      return next.point ? follow(image, files.trace(), ledger, token, bounds) : found();
    }
    const Verified verified(workload_, image, ledger, bounds);
    const bool open = next.point && next.point->event >= verified.recovery_events();
    const Bounds returned{verified.steps(), verified.steps(), bounds.copies};
    return follow(image, verified.trace(), ledger, token, open ? returned : bounds);
  }

  Result<std::optional<Violation>> look(const Image& image, const Ledger& ledger, Bounds bounds) {
    const Verified verified(workload_, image, ledger, bounds);
    out_.violations.clear();
    if (const auto fault = verified.fault() ? verified.fault() : life_after(verified, image)) {
      report(*fault);
    }
    return found();
  }

  std::optional<Violation> found() {
    return out_.violations.empty() ? std::nullopt
                                   : std::optional(std::move(out_.violations.front()));
  }

  [[nodiscard]] std::string strategy() const {
    std::string text;
    for (const Level& level : levels_) {
      text += level.where.fault ? level.where.fault->to_string() + " " : "";
    }
    const auto& point = levels_.back().where.point;
    return text + (levels_.size() > 1 ? "nested " : "") +
           (point ? name_of(point->keep.strategy) : "run");
  }

  /// What is wrong in a run that nothing stopped.
  void report_run(const std::string& what, const std::vector<Event>& trace) {
    levels_.push_back({&trace, {fault_, std::nullopt}});
    report(what);
    levels_.pop_back();
  }

  void report(const std::string& what) {
    Violation violation;
    violation.what = what;
    violation.strategy = strategy();
    violation.cases = out_.counts.distinct_images;
    violation.steps = reference_.steps.size();
    Token token;
    token.steps = steps_max_ == all_steps ? std::nullopt : std::optional(steps_max_);
    for (const Level& level : levels_) {
      token.levels.push_back(level.where);
      violation.trace += describe(*level.trace, level.where.point);
    }
    violation.token = token.to_string();
    out_.violations.push_back(std::move(violation));
  }

  const Workload& workload_;
  const ExploreOptions& options_;
  std::size_t steps_max_;
  Ledger reference_;
  Exploration out_;
  std::vector<Level> levels_;
  std::optional<Fault> fault_;  ///< met by the run that is crashed next
  std::unordered_set<std::uint64_t> seen_;
  bool stopped_ = false;
};

Explorer::Explorer(ExploreOptions options) : options_(std::move(options)) {}
Explorer::~Explorer() = default;

/// What is found is looked for again in shorter runs: the shortest one is reported.
Exploration Explorer::explore(const Workload& workload) {
  Exploration found = Search(workload, options_, all_steps).explore();
  if (found.violations.empty() || !options_.shorten) {
    return found;
  }
  const std::size_t steps = found.violations.front().steps;
  for (std::size_t shorter = 1; shorter < steps; ++shorter) {
    Exploration again = Search(workload, options_, shorter).explore();
    if (!again.violations.empty()) {
      again.violations.front().cases = found.violations.front().cases;
      found.violations = std::move(again.violations);
      break;
    }
  }
  return found;
}

Result<std::optional<Violation>> Explorer::replay(const Workload& workload,
                                                  const std::string& token) {
  return Search(workload, options_, all_steps).replay(token);
}

/// As long as a half, a quarter, ... a single word can be left out, it is.
RandomFinding shorten(std::vector<std::uint64_t> words, const Violation& violation,
                      const ExploreOptions& options) {
  RandomFinding best{std::move(words), violation};
  for (std::size_t piece = best.words.size() / 2; piece >= 1; piece /= 2) {
    for (std::size_t at = 1; at + piece <= best.words.size();) {
      std::vector<std::uint64_t> fewer = best.words;
      const auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(from, from + static_cast<std::ptrdiff_t>(piece));
      auto found = Explorer(options).explore(random_workload(fewer));
      if (found.violations.empty()) {
        at += piece;
      } else {
        best = {std::move(fewer), std::move(found.violations.front())};
      }
    }
  }
  return best;
}

}  // namespace selvedge::testkit
