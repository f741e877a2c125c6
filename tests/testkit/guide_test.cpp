// The programs of docs/crash-testing.md; tests/docs/check_docs.py holds the page to them.

#include <gtest/gtest.h>
#include <selvedge/testkit/explorer.h>
#include <selvedge/testkit/process.h>

#include <set>
#include <string>

namespace selvedge::testkit {
namespace {

Workload workload_of(std::function<Status(Trial&)> body) {
  Workload workload;
  workload.name = "guide";
  workload.body = std::move(body);
  return workload;
}

void expect_none(const Exploration& found) {
  for (const Violation& each : found.violations) {
    ADD_FAILURE() << each.what << "\n" << each.token << "\n" << each.trace;
  }
  EXPECT_GT(found.counts.distinct_images, 20U);
}

Status add_one(Store& store) {
  SELVEDGE_TRY(store.create_node({"N"}, {{"v", 1}}));
  return {};
}

/// What the ledger of a run without crashes says.
Ledger ledger_of(const Workload& workload) {
  SimFileSystem files;
  Trial trial(workload, files);
  const Status done = trial.execute();
  EXPECT_TRUE(done) << done.error().message();
  return trial.ledger();
}

TEST(Guide, TransactionsThatOverlapAreStepsInTheOrderOfTheirCommits) {
  const Workload workload = workload_of([](Trial& trial) -> Status {
    SELVEDGE_TRY(auto first, trial.begin());
    SELVEDGE_TRY(auto second, trial.begin());
    SELVEDGE_TRY(first.create_node({"A"}));
    SELVEDGE_TRY(second.create_node({"B"}));
    SELVEDGE_TRY(trial.commit(second));  // step 1
    return trial.commit(first);          // step 2
  });
  EXPECT_EQ(ledger_of(workload).steps.size(), 2U);
  expect_none(Explorer({}).explore(workload));
}

TEST(Guide, WithoutImmediateSyncAStepIsDurableWhenSomebodySyncs) {
  Workload workload;
  workload.name = "batch";
  workload.configure = [](Options& options) { options.sync = SyncMode::batch; };
  workload.body = [](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add_one));
    SELVEDGE_TRY(trial.alone(add_one));
    SELVEDGE_TRY(trial.sync());  // until here a crash may take both, or the second
    return trial.alone(add_one);
  };
  const Ledger ledger = ledger_of(workload);
  ASSERT_EQ(ledger.steps.size(), 3U);
  EXPECT_TRUE(ledger.steps[1].acknowledged);
  EXPECT_FALSE(ledger.steps[2].acknowledged);
  expect_none(Explorer({}).explore(workload));
}

TEST(Guide, ACopyIsHeldToItsState) {
  const Workload workload = workload_of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add_one));
    SELVEDGE_TRY(trial.backup("/copy"));
    return trial.alone(add_one);
  });
  const Ledger ledger = ledger_of(workload);
  ASSERT_EQ(ledger.copies.size(), 1U);
  EXPECT_EQ(ledger.copies[0].step, 1U);
  expect_none(Explorer({}).explore(workload));
}

TEST(Guide, CrashesInRecoveriesAreAskedFor) {
  const Workload workload = workload_of([](Trial& trial) { return trial.alone(add_one); });
  ExploreOptions options;
  options.depth = 2;           // also before every event of a recovery
  options.nested_one_in = 16;  // but only of one recovery in 16
  options.faults = false;
  const Exploration found = Explorer(options).explore(workload);
  expect_none(found);
  EXPECT_GT(found.counts.nested, 0U);
  EXPECT_EQ(found.counts.faults, 0U);
}

TEST(Guide, TheSameWorkloadRunsInARealProcess) {
  const auto trials = ProcessTrials::prepare(workload_of([](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add_one));
    return trial.alone(add_one);
  }));
  ASSERT_TRUE(trials) << trials.error().message();
  Blow blow;
  blow.kind = Blow::Kind::kill_after;
  blow.after = std::chrono::microseconds(800);
  const auto run = trials->run(blow);
  ASSERT_TRUE(run) << run.error().message();
  EXPECT_FALSE(run->violation) << *run->violation;
  EXPECT_LE(run->bounds.lower, run->steps);
}

/// A function that should be one step, and commits twice.
Status add_two(Store& store) {
  SELVEDGE_TRY(add_one(store));
  return add_one(store);
}

TEST(Guide, AFunctionThatCommitsTwiceIsNoStep) {
  const auto found =
      Explorer({}).explore(workload_of([](Trial& trial) { return trial.alone(add_two); }));
  ASSERT_EQ(found.violations.size(), 1U);
  EXPECT_NE(found.violations[0].what.find("a state that no step leaves: 1 nodes"),
            std::string::npos)
      << found.violations[0].what;
}

// --- a program's own files ---------------------------------------------------------------------

/// Puts a text in the place of another; with all syncs a crash leaves one or the other.
Status replace(FileSystem& files, const std::string& text, bool careful) {
  SELVEDGE_TRY(auto file, files.open("/settings.tmp", OpenMode::create));
  SELVEDGE_TRY(file->pwrite(0, std::as_bytes(std::span(text))));
  if (careful) {
    SELVEDGE_TRY(file->sync());
  }
  SELVEDGE_TRY(files.rename("/settings.tmp", "/settings"));
  return files.sync_dir("/");
}

/// What is in the file after every crash.
std::set<std::string> texts_after(const Image& start, const SimFileSystem& files) {
  std::set<std::string> texts;
  Disk disk(start);
  for (const Event& event : files.trace()) {
    disk.apply(event);
    enumerate(disk, 1, [&](const Keep& keep) {
      const Content settings = disk.crash(keep).files.at("/settings");
      const Bytes& bytes = settings->bytes;
      texts.emplace(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return true;
    });
  }
  return texts;
}

std::set<std::string> texts_of_replace(bool careful) {
  const std::string old_text = "old";
  const auto bytes = std::as_bytes(std::span(old_text));
  Image start;
  start.files["/settings"] = std::make_shared<Blob>(Bytes(bytes.begin(), bytes.end()));
  SimFileSystem files(start);
  EXPECT_TRUE(replace(files, "new", careful));
  return texts_after(start, files);
}

TEST(Guide, ARenameBeforeTheSyncCanLeaveAnEmptyFile) {
  EXPECT_EQ(texts_of_replace(true), (std::set<std::string>{"old", "new"}));
  EXPECT_EQ(texts_of_replace(false).count(""), 1U);
}

}  // namespace
}  // namespace selvedge::testkit
