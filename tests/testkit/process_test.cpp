#include <gtest/gtest.h>
#include <selvedge/testkit/process.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

namespace selvedge::testkit {
namespace {

/// A program that behaves as in the run in memory, except in the child.
bool in_child(const Trial& trial) { return !trial.path("").empty(); }

class Processes : public ::testing::Test {
 protected:
  /// In memory where there is such a place: the calls are what matters, and many are syncs.
  static std::string directory() {
    return std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "";
  }
  static ProcessTrials trials_of(Workload workload) {
    auto trials = ProcessTrials::prepare(std::move(workload), directory());
    if (!trials) {
      throw std::runtime_error(trials.error().message());
    }
    return *std::move(trials);
  }
  static ProcessTrials standard(const std::string& name) {
    for (Workload& each : standard_workloads()) {
      if (each.name == name) {
        return trials_of(std::move(each));
      }
    }
    ADD_FAILURE() << "no workload " << name;
    return trials_of({});
  }
  static Workload body(std::function<Status(Trial&)> function) {
    Workload workload;
    workload.name = "own";
    workload.body = std::move(function);
    return workload;
  }
  static Status create(Trial& trial, std::int64_t value) {
    return trial.alone([&](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"N"}, {{"v", value}}));
      return {};
    });
  }
  static ProcessRun run(const ProcessTrials& trials, std::vector<Blow> blows = {}) {
    auto found = trials.run(blows);
    EXPECT_TRUE(found) << found.error().message();
    return found ? *std::move(found) : ProcessRun{};
  }
  static ProcessRun expect_sound(const ProcessTrials& trials, const std::vector<Blow>& blows) {
    ProcessRun found = run(trials, blows);
    EXPECT_FALSE(found.violation) << trials.workload().name << ", " << blows.front().to_string()
                                  << ": " << *found.violation;
    return found;
  }
  static std::string violation(const ProcessTrials& trials, const std::vector<Blow>& blows = {}) {
    return run(trials, blows).violation.value_or("none");
  }
  static Blow parsed(const std::string& text) {
    auto blow = Blow::parse(text);
    EXPECT_TRUE(blow) << text;
    return blow ? *blow : Blow{};
  }
  static std::vector<Blow> plan_of(const ProcessTrials& trials, Blow::Kind kind) {
    auto plan = trials.plan();
    EXPECT_TRUE(plan) << plan.error().message();
    std::erase_if(*plan, [&](const Blow& blow) { return blow.kind != kind; });
    return *std::move(plan);
  }
};

class TracedProcesses : public Processes {
 protected:
  void SetUp() override {
    if (const auto obstacle = strace_obstacle()) {
      GTEST_SKIP() << *obstacle;
    }
  }
};

TEST_F(Processes, AnUndisturbedOneLeavesAllItsSteps) {
  for (const char* name : {"updates", "rotation", "backups", "unsynced-none"}) {
    const ProcessRun found = expect_sound(standard(name), {Blow{}});
    EXPECT_EQ(found.steps, found.bounds.upper) << name;
    EXPECT_EQ(found.bounds.lower, found.bounds.upper) << name;
  }
}

TEST_F(Processes, KilledAtAnyTimeLosesNothingAcknowledged) {
  const ProcessTrials trials = standard("checkpoints-streaming");
  const auto whole = run(trials).lasted;
  std::uint64_t killed = 0;
  for (int part = 0; part < 10; ++part) {
    Blow blow;
    blow.kind = Blow::Kind::kill_after;
    blow.after = whole * part / 10;
    killed += expect_sound(trials, {blow}).killed;
  }
  EXPECT_GE(killed, 1U);
}

TEST_F(TracedProcesses, KilledAtEachCallLoseNothingAcknowledged) {
  const ProcessTrials trials = standard("single-transaction");
  const auto plan = plan_of(trials, Blow::Kind::kill_at_call);
  EXPECT_GT(plan.size(), 20U);
  std::set<std::size_t> found;
  for (const Blow& blow : plan) {
    const ProcessRun run = expect_sound(trials, {blow});
    EXPECT_EQ(run.killed, 1U) << blow.to_string();
    found.insert(run.steps);
  }
  EXPECT_EQ(found, (std::set<std::size_t>{0, 1})) << "killed before and after the commit";
}

TEST_F(TracedProcesses, FailingCallsAreSurvived) {
  const ProcessTrials trials = standard("checkpoints");
  const auto plan = plan_of(trials, Blow::Kind::fail_call);
  for (std::size_t i = 0; i < plan.size(); i += 13) {
    EXPECT_GE(expect_sound(trials, {plan[i]}).failed, 1U) << plan[i].to_string();
  }
}

TEST_F(TracedProcesses, RecoveriesAreKilledToo) {
  const ProcessTrials trials = standard("interleaved-streaming");
  std::uint64_t killed = 0;
  for (const char* second : {"kill.pwrite64.1", "kill.fsync.1", "kill.rename.1"}) {
    const std::vector<Blow> blows{parsed("kill.fdatasync.4"), parsed(second), parsed(second)};
    killed += expect_sound(trials, blows).killed;
  }
  EXPECT_EQ(killed, 9U) << "the workload, and two recoveries each time";
}

TEST_F(TracedProcesses, AnInvariantBrokenBetweenTwoStepsIsFound) {
  Workload workload = body([](Trial& trial) -> Status {
    SELVEDGE_TRY(create(trial, 1));
    return create(trial, 2);
  });
  workload.invariant = [](const Reader& view) -> std::optional<std::string> {
    return view.node_count() == 1 ? std::optional<std::string>("one alone") : std::nullopt;
  };
  const ProcessTrials trials = trials_of(std::move(workload));
  std::size_t found = 0;
  for (const Blow& blow : plan_of(trials, Blow::Kind::kill_at_call)) {
    found += violation(trials, {blow}).find("one alone") != std::string::npos ? 1U : 0U;
  }
  EXPECT_GE(found, 2U);
}

TEST_F(Processes, AStateThatNoStepLeavesIsFound) {
  const ProcessTrials trials =
      trials_of(body([](Trial& trial) { return create(trial, in_child(trial) ? 2 : 1); }));
  EXPECT_NE(violation(trials).find("a state that no step leaves"), std::string::npos);
}

TEST_F(Processes, AnAcknowledgedStepThatIsGoneIsFound) {
  const ProcessTrials trials = trials_of(body([](Trial& trial) -> Status {
    SELVEDGE_TRY(create(trial, 1));
    if (in_child(trial)) {  // the log loses all but its header, and the process dies
      const std::string log = trial.path("/store/wal/000001.wal");
      SELVEDGE_TRY(const auto file, trial.files().open(log, OpenMode::read_write));
      SELVEDGE_TRY(file->truncate(128));
      std::raise(SIGKILL);
    }
    return {};
  }));
  EXPECT_EQ(violation(trials, {parsed("after.50000000")}),
            "expected the state after step 1 to 1, found that after step 0");
}

TEST_F(Processes, AProcessThatAbortsIsFound) {
  const ProcessTrials trials = trials_of(body([](Trial& trial) {
    if (in_child(trial)) {
      std::abort();
    }
    return create(trial, 1);
  }));
  EXPECT_NE(violation(trials).find("found signal 6"), std::string::npos);
}

TEST_F(Processes, AnErrorWithoutAFaultIsFound) {
  const ProcessTrials trials = trials_of(body([](Trial& trial) -> Status {
    if (in_child(trial)) {
      return fail(ErrorCode::too_large, "no wish to go on");
    }
    return create(trial, 1);
  }));
  EXPECT_NE(violation(trials).find("no call had failed: no wish"), std::string::npos);
}

/// Finds a program only in the given directory.
class PathOf {
 public:
  explicit PathOf(const std::string& directory) : before_(std::getenv("PATH")) {
    ::setenv("PATH", directory.c_str(), 1);
  }
  ~PathOf() { ::setenv("PATH", before_.c_str(), 1); }
  PathOf(const PathOf&) = delete;
  PathOf& operator=(const PathOf&) = delete;

 private:
  std::string before_;
};

TEST_F(Processes, WithoutStraceAreKilledByTimeAlone) {
  const ProcessTrials trials = standard("updates");
  const PathOf nothing("/nonexistent");
  EXPECT_NE(strace_obstacle().value_or("").find("cannot start strace"), std::string::npos);
  const auto refused = trials.run(parsed("kill.fsync.1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unsupported);
  expect_sound(trials, {parsed("after.500")});
}

TEST_F(Processes, WhatStraceSaysWhenItMayNotAttachIsPassedOn) {
  const std::string place = ::testing::TempDir() + "selvedge_strace_that_refuses";
  std::filesystem::create_directories(place);
  const std::filesystem::path program = place + "/strace";
  std::ofstream(program) << "#!/bin/sh\necho 'strace: Operation not permitted' >&2\nexit 1\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const PathOf only(place);
  EXPECT_NE(strace_obstacle().value_or("").find("Operation not permitted"), std::string::npos);
  std::filesystem::remove_all(place);
}

TEST_F(Processes, BlowsAreWrittenAsTheyAreRead) {
  for (const char* text :
       {"none", "kill.fsync.3", "pwrite64.12.EIO", "close.1+.ENOSPC", "after.77"}) {
    EXPECT_EQ(parsed(text).to_string(), text);
  }
  for (const char* text :
       {"", "kill.fsync.0", "kill.fsync", "fsync.x.EIO", "fsync.1.E-", "after.-1"}) {
    EXPECT_FALSE(Blow::parse(text)) << text;
  }
}

}  // namespace
}  // namespace selvedge::testkit
