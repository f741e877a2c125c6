#include <gtest/gtest.h>
#include <selvedge/testkit/explorer.h>

namespace selvedge::testkit {
namespace {

class Exploring : public ::testing::Test {
 protected:
  static Workload standard(const std::string& name) {
    for (Workload& each : all()) {
      if (each.name == name) {
        return each;
      }
    }
    ADD_FAILURE() << "no workload " << name;
    return {};
  }
  static std::vector<Workload>& all() {
    static std::vector<Workload> workloads = standard_workloads();
    return workloads;
  }
  static void expect_none(const Exploration& found, const std::string& name) {
    for (const Violation& each : found.violations) {
      ADD_FAILURE() << name << ": " << each.what << "\n" << each.token << "\n" << each.trace;
    }
  }
};

TEST_F(Exploring, EveryCrashOfEveryStandardWorkloadRecovers) {
  for (const Workload& workload : all()) {
    ExploreOptions options;
    options.faults = false;
    const Exploration found = Explorer(options).explore(workload);
    expect_none(found, workload.name);
    EXPECT_GT(found.counts.distinct_images, 20U) << workload.name;
    EXPECT_GT(found.counts.crash_states, found.counts.distinct_images) << workload.name;
  }
}

TEST_F(Exploring, EveryFaultOfTheTinyWorkloadsIsSurvived) {
  for (const Workload& workload : all()) {
    if (workload.tiny && (workload.name == "updates" || workload.name == "reopened")) {
      const Exploration found = Explorer({}).explore(workload);
      expect_none(found, workload.name);
      EXPECT_GT(found.counts.faults, 100U);
    }
  }
}

TEST_F(Exploring, EveryCrashInEveryRecoveryRecovers) {
  ExploreOptions options;
  options.depth = 2;
  options.faults = false;
  for (const char* name : {"single-create", "interleaved-streaming"}) {
    const Exploration found = Explorer(options).explore(standard(name));
    expect_none(found, name);
    EXPECT_GT(found.counts.nested, found.counts.crash_states / 2);
  }
}

TEST_F(Exploring, TheSameSeedGoesTheSameWay) {
  ExploreOptions options;
  options.faults = false;
  const Workload workload = random_workload(random_words(7, 40));
  const Counts first = Explorer(options).explore(workload).counts;
  const Counts second = Explorer(options).explore(workload).counts;
  EXPECT_EQ(first.crash_states, second.crash_states);
  EXPECT_EQ(first.distinct_images, second.distinct_images);
}

TEST_F(Exploring, RandomMixesRecover) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    ExploreOptions options;
    options.seed = seed;
    options.faults = false;
    const auto words = random_words(seed, 30);
    expect_none(Explorer(options).explore(random_workload(words)), "seed " + std::to_string(seed));
  }
}

/// Moves money in two steps where one transaction was needed.
Workload careless_transfer() {
  Workload workload;
  workload.name = "careless";
  workload.body = [](Trial& trial) -> Status {
    NodeId a;
    NodeId b;
    SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
      const std::array<Property, 1> money{{{"money", 50}}};
      const std::vector<NewNode> two(2, NewNode{{}, money});
      SELVEDGE_TRY(const auto made, store.create_nodes(two));
      a = made[0];
      b = made[1];
      return {};
    }));
    for (int i = 1; i <= 4; ++i) {
      SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(a, "money", 50 - i); }));
      SELVEDGE_TRY(trial.alone([&](Store& store) { return store.set(b, "money", 50 + i); }));
    }
    return {};
  };
  workload.invariant = [](const Reader& view) -> std::optional<std::string> {
    std::int64_t sum = 0;
    for (auto node = view.nodes(); node.next();) {
      sum += node.node()["money"].as_int64().value_or(0);
    }
    if (sum == 0 || sum == 100) {
      return std::nullopt;
    }
    return "the accounts hold " + std::to_string(sum);
  };
  return workload;
}

TEST_F(Exploring, ABrokenInvariantIsFoundShortenedAndReplayed) {
  const Workload workload = careless_transfer();
  const Exploration found = Explorer({}).explore(workload);
  ASSERT_EQ(found.violations.size(), 1U);
  const Violation& violation = found.violations.front();
  EXPECT_NE(violation.what.find("the accounts hold 99"), std::string::npos) << violation.what;
  EXPECT_EQ(violation.steps, 2U) << "the shortest run that shows it";
  EXPECT_NE(violation.trace.find("-- crash --"), std::string::npos);
  const auto again = Explorer({}).replay(workload, violation.token);
  ASSERT_TRUE(again) << again.error().message();
  ASSERT_TRUE(*again);
  EXPECT_EQ((*again)->what, violation.what);
  EXPECT_FALSE(Explorer({}).replay(workload, "9999:0."));
  EXPECT_FALSE(Explorer({}).replay(workload, "not a token"));
}

/// Makes a copy, and does something to it.
Workload with_copy(std::function<Status(Trial&)> then) {
  Workload workload;
  workload.name = "copy";
  workload.body = [then = std::move(then)](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone([](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"N"}, {{"v", 1}}));
      return {};
    }));
    SELVEDGE_TRY(trial.backup("/copy"));
    return then(trial);
  };
  return workload;
}

TEST_F(Exploring, ACopyThatDoesNotOpenIsFound) {
  const Workload workload =
      with_copy([](Trial& trial) { return trial.files().unlink("/copy/MANIFEST"); });
  const Exploration found = Explorer({}).explore(workload);
  ASSERT_EQ(found.violations.size(), 1U);
  const Violation& violation = found.violations.front();
  EXPECT_NE(violation.what.find("the copy in /copy: refused"), std::string::npos) << violation.what;
  const auto again = Explorer({}).replay(workload, violation.token);
  ASSERT_TRUE(again) << again.error().message();
  ASSERT_TRUE(*again);
  EXPECT_EQ((*again)->what, violation.what);
}

TEST_F(Exploring, ACopyThatHoldsAnotherStateIsFound) {
  const Exploration found = Explorer({}).explore(with_copy([](Trial& trial) -> Status {
    SELVEDGE_TRY(auto copy, Store::open("/copy", Trial::options_of({}, trial.files())));
    SELVEDGE_TRY(copy.create_node({"N"}, {{"v", 2}}));
    return copy.close();
  }));
  ASSERT_EQ(found.violations.size(), 1U);
  EXPECT_NE(
      found.violations.front().what.find("the copy in /copy: expected the state after step 1"),
      std::string::npos)
      << found.violations.front().what;
}

TEST(Ledger, ACopyMakesItsStepsDurable) {
  Ledger ledger;
  ledger.steps = {{2, {}, 0}, {4, {}, 0}, {6, {}, 0}};
  ledger.copies = {{"/copy", 2, 9}};
  EXPECT_EQ(ledger.bounds(8).lower, 0U);
  EXPECT_EQ(ledger.bounds(8).copies, 0U);
  EXPECT_EQ(ledger.bounds(9).lower, 2U);
  EXPECT_EQ(ledger.bounds(9).upper, 3U);
  EXPECT_EQ(ledger.bounds(9).copies, 1U);
}

TEST_F(Exploring, AWorkloadThatFailsByItselfIsReported) {
  Workload workload;
  workload.name = "failing";
  workload.body = [](Trial& trial) {
    return trial.alone([](Store& store) { return store.delete_node(NodeId{1U << 28}); });
  };
  const Exploration found = Explorer({}).explore(workload);
  ASSERT_EQ(found.violations.size(), 1U);
  EXPECT_NE(found.violations.front().what.find("failed without a fault"), std::string::npos);
}

}  // namespace
}  // namespace selvedge::testkit
