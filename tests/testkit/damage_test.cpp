// Damage at rest: what is found, and that it would be found.

#include <gtest/gtest.h>
#include <selvedge/testkit/explorer.h>

#include <algorithm>

namespace selvedge::testkit {
namespace {

class Damaging : public ::testing::Test {
 protected:
  static Status add(Store& store) {
    SELVEDGE_TRY(store.create_node({"N"}, {{"v", 1}}));
    return {};
  }
  /// Two nodes, in files that are small enough for every bit of them.
  static Workload two_nodes(bool checkpoint) {
    Workload workload;
    workload.name = "two nodes";
    workload.configure = [](Options& options) { options.segment_bytes = 512; };
    workload.body = [checkpoint](Trial& trial) -> Status {
      SELVEDGE_TRY(trial.alone(add));
      if (checkpoint) {
        SELVEDGE_TRY(trial.store().checkpoint());
      }
      return trial.alone(add);
    };
    return workload;
  }
  static void expect_right_or_refused(const DamageCounts& counts, std::uint64_t cases_min) {
    for (const Violation& each : counts.violations) {
      ADD_FAILURE() << each.token << ": " << each.what;
    }
    EXPECT_GT(counts.cases, cases_min);
    EXPECT_EQ(counts.cases, counts.right_state + counts.refused);
    EXPECT_GT(counts.right_state, 0U);
    EXPECT_GT(counts.refused, 0U);
    EXPECT_GT(counts.salvaged, 0U);
    EXPECT_LE(counts.salvaged, counts.refused);
  }
  static bool all_say(const DamageCounts& counts, const std::string& what) {
    return std::all_of(counts.violations.begin(), counts.violations.end(),
                       [&](const auto& each) { return each.what.find(what) != std::string::npos; });
  }
};

TEST_F(Damaging, EveryBitOfASmallStoreIsRightOrRefused) {
  Workload one_node = two_nodes(false);
  one_node.body = [](Trial& trial) { return trial.alone(add); };
  expect_right_or_refused(damage_at_rest(one_node, 1), 10'000);
}

TEST_F(Damaging, ASmallStoreWithASnapshotIsRightOrRefused) {
  expect_right_or_refused(damage_at_rest(two_nodes(true), 11), 1'000);
}

TEST_F(Damaging, SampledBitsOfTheStandardWorkloadsAreRightOrRefused) {
  for (const Workload& workload : standard_workloads()) {
    const DamageCounts counts = damage_at_rest(workload, 4'001);
    for (const Violation& each : counts.violations) {
      ADD_FAILURE() << workload.name << ", " << each.token << ": " << each.what;
    }
    EXPECT_EQ(counts.cases, counts.right_state + counts.refused) << workload.name;
    EXPECT_GT(counts.refused, 0U) << workload.name;
  }
}

/// Damage to the last group of a log that was not closed leaves the state before it, which is
/// legal. Who calls that state broken hears of it, and of nothing else.
TEST_F(Damaging, AnOlderStateIsLookedAtToo) {
  Workload workload = two_nodes(false);
  workload.invariant = [](const Reader& view) -> std::optional<std::string> {
    return view.node_count() == 1 ? std::optional<std::string>("only one") : std::nullopt;
  };
  const DamageCounts counts = damage_at_rest(workload, 7);
  EXPECT_GT(counts.violations.size(), 10U);
  EXPECT_TRUE(all_say(counts, "only one"));
  for (const Violation& each : counts.violations) {
    EXPECT_EQ(each.strategy, "damage at rest");
    EXPECT_NE(each.token.find("/store/"), std::string::npos) << each.token;
  }
}

TEST_F(Damaging, AStateThatTheLedgerDoesNotKnowIsReportedWhereverItOpens) {
  Workload workload = two_nodes(false);
  workload.body = [](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone(add));
    return add(trial.store());  // behind the ledger's back
  };
  const DamageCounts counts = damage_at_rest(workload, 101);
  EXPECT_GT(counts.violations.size(), 10U);
  EXPECT_TRUE(all_say(counts, "a state that no step leaves"));
}

TEST_F(Damaging, AWorkloadThatFailsIsReported) {
  Workload workload = two_nodes(false);
  workload.body = [](Trial&) { return fail(ErrorCode::conflict, "never mind"); };
  const DamageCounts counts = damage_at_rest(workload, 1);
  ASSERT_EQ(counts.violations.size(), 1U);
  EXPECT_EQ(counts.cases, 0U);
}

}  // namespace
}  // namespace selvedge::testkit
