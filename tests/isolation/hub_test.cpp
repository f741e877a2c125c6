// One node, many writers: what conflicts on a hub, what does not, and edges that exist once.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "tests/isolation/isolation_fixture.h"

namespace selvedge {
namespace {

class Hub : public test::AtBothLevels {
 protected:
  NodeId hub = node("N");
  NodeId leaf = node("N");
};

INSTANTIATE_TEST_SUITE_P(Levels, Hub, test::both_levels, test::level_name);

TEST_P(Hub, ManyTransactionsAddEdgesAtOnceAndNoneAborts) {
  std::vector<Transaction> open;
  for (int i = 0; i < 50; ++i) {
    open.push_back(begin());
    ASSERT_TRUE(open.back().create_edge(hub, "E", leaf, {{"i", i}}));
    ASSERT_TRUE(open.back().create_edge(leaf, "E", hub));
  }
  for (auto& tx : open) {
    const auto committed = tx.commit();
    ASSERT_TRUE(committed) << committed.error().message();
  }
  EXPECT_EQ(store->read().degree(hub, Direction::both), 100U);
  EXPECT_EQ(store->stats().conflicts, 0U);
}

TEST_P(Hub, ThreadsThatAddEdgesNeverAbort) {
  constexpr int threads = 4;
  constexpr int each = 500;
  std::atomic<int> failures{0};
  clients(threads, [&](int) {
    for (int i = 0; i < each; ++i) {
      auto tx = store->begin();
      const bool done = tx && tx->create_edge(hub, "E", leaf) && tx->commit();
      failures += done ? 0 : 1;
    }
  });
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(store->read().degree(hub, Direction::out), std::uint64_t{threads} * each);
}

TEST_P(Hub, OnlyWhoReadTheListConflictsWithWhoChangesIt) {
  auto reader = begin();
  EXPECT_EQ(reader.degree(hub, Direction::out), 0U);
  ASSERT_TRUE(reader.create_edge(hub, "E", leaf));
  auto writer = begin();
  ASSERT_TRUE(writer.create_edge(hub, "E", leaf));
  ASSERT_TRUE(writer.commit());
  const auto committed = reader.commit();
  EXPECT_EQ(committed.has_value(), !strict());
}

// --- edges that exist once ---------------------------------------------------------------------

TEST_P(Hub, AnAbsentEdgeIsCreatedAndAPresentOneIsFound) {
  const auto made = store->create_edge_if_absent(hub, "E", leaf, {{"w", 1}});
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->created);
  const auto again = store->create_edge_if_absent(hub, "E", leaf, {{"w", 2}});
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->id, made->id);
  const auto view = store->read();
  EXPECT_EQ(view.get(made->id)->properties()["w"].as_int64(), 1) << "what is there stays";
  EXPECT_TRUE(store->create_edge_if_absent(leaf, "E", hub)->created) << "the other direction";
  EXPECT_TRUE(store->create_edge_if_absent(hub, "F", leaf)->created) << "another type";
}

TEST_P(Hub, ATransactionFindsWhatItMadeAndMakesWhatItDeleted) {
  auto tx = begin();
  const auto made = tx.create_edge_if_absent(hub, "E", leaf);
  ASSERT_TRUE(made);
  EXPECT_EQ(tx.create_edge_if_absent(hub, "E", leaf)->id, made->id);
  ASSERT_TRUE(tx.delete_edge(made->id));
  const auto anew = tx.create_edge_if_absent(hub, "E", leaf);
  ASSERT_TRUE(anew);
  EXPECT_TRUE(anew->created);
  EXPECT_NE(anew->id, made->id);
  ASSERT_TRUE(tx.commit());
  EXPECT_EQ(store->read().edges_between(hub, leaf).size(), 1U);
}

TEST_P(Hub, OfTwoThatWantTheSameEdgeTheSecondWaitsItsTurn) {
  auto first = begin();
  auto second = begin();
  ASSERT_TRUE(first.create_edge_if_absent(hub, "E", leaf));
  expect_conflict(second.create_edge_if_absent(hub, "E", leaf).error());
  ASSERT_TRUE(first.commit());
  // Its view is older than the edge: it may neither see it nor make another one.
  expect_conflict(second.create_edge_if_absent(hub, "E", leaf).error());
  ASSERT_TRUE(second.abort());
  EXPECT_FALSE(begin().create_edge_if_absent(hub, "E", leaf)->created);
}

TEST_P(Hub, AClaimEndsWithItsTransaction) {
  auto first = begin();
  ASSERT_TRUE(first.create_edge_if_absent(hub, "E", leaf));
  ASSERT_TRUE(first.abort());
  auto second = begin();
  EXPECT_TRUE(second.create_edge_if_absent(hub, "E", leaf)->created);
  ASSERT_TRUE(second.commit());
  EXPECT_EQ(store->read().edges_between(hub, leaf).size(), 1U);
}

TEST_P(Hub, EdgesOfOtherPairsOnTheSameHubDoNotMatter) {
  std::vector<Transaction> open;
  for (int i = 0; i < 20; ++i) {
    const NodeId other = node("N");
    open.push_back(begin());
    ASSERT_TRUE(open.back().create_edge_if_absent(hub, "E", other)->created);
  }
  for (auto& tx : open) {
    const auto committed = tx.commit();
    ASSERT_TRUE(committed) << committed.error().message();
  }
  EXPECT_EQ(store->read().degree(hub, Direction::out), 20U);
}

TEST_P(Hub, AFoundEdgeThatIsDeletedMeanwhileIsAConflictOfSerializable) {
  const EdgeId edge = store->create_edge_if_absent(hub, "E", leaf)->id;
  auto tx = begin();
  EXPECT_FALSE(tx.create_edge_if_absent(hub, "E", leaf)->created);
  ASSERT_TRUE(store->delete_edge(edge));
  ASSERT_TRUE(tx.set(hub, "counted", 1));
  EXPECT_EQ(tx.commit().has_value(), !strict());
}

TEST_P(Hub, MissingNodesAreAnErrorAndLeaveNoClaim) {
  EXPECT_EQ(store->create_edge_if_absent(hub, "E", NodeId{1 << 20}).error().code(),
            ErrorCode::not_found);
  EXPECT_TRUE(store->create_edge_if_absent(hub, "E", leaf)->created);
}

TEST_P(Hub, ThreadsThatWantTheSameEdgesMakeEachOnce) {
  constexpr int threads = 4;
  constexpr int pairs = 60;
  std::vector<NodeId> leaves;
  for (int i = 0; i < pairs; ++i) {
    leaves.push_back(node("N"));
  }
  std::atomic<int> created{0};
  std::atomic<int> failures{0};
  std::atomic<unsigned> attempts{0};
  clients(threads, [&](int) {
    for (const NodeId each : leaves) {
      RetryReport report;
      const auto made =
          store->transact([&](Transaction& tx) { return tx.create_edge_if_absent(hub, "E", each); },
                          {.attempts_max = 10'000, .report = &report});
      failures += made ? 0 : 1;
      created += made && made->created ? 1 : 0;
      attempts += report.attempts;
    }
  });
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(created, pairs);
  EXPECT_GE(attempts, static_cast<unsigned>(threads * pairs));
  EXPECT_EQ(store->read().degree(hub, Direction::out), std::uint64_t{pairs});
}

TEST_P(Hub, TwoHubsAreAskedByTheirIndex) {
  std::vector<NewNode> fresh(1'200);
  const auto others = *store->create_nodes(fresh);
  std::vector<NewEdge> edges;
  for (const NodeId other : others) {
    edges.push_back({hub, "E", other, {}});
    edges.push_back({other, "E", leaf, {}});
  }
  ASSERT_TRUE(store->create_edges(edges));
  EXPECT_TRUE(store->create_edge_if_absent(hub, "E", leaf)->created);
  EXPECT_FALSE(store->create_edge_if_absent(hub, "E", leaf)->created);
  EXPECT_FALSE(store->create_edge_if_absent(hub, "E", others[700])->created);
}

// --- retries -----------------------------------------------------------------------------------

TEST_P(Hub, TransactTellsHowManyAttemptsItTook) {
  RetryReport report;
  int runs = 0;
  const auto done = store->transact(
      [&](Transaction& tx) -> Status {
        SELVEDGE_TRY(tx.set(leaf, "n", runs));
        if (++runs < 3) {
          return fail(ErrorCode::conflict, "somebody was faster");
        }
        return {};
      },
      {.backoff_first = std::chrono::microseconds{1}, .report = &report});
  ASSERT_TRUE(done);
  EXPECT_EQ(report.attempts, 3U);
  report.waited = std::chrono::hours{1};  // of an earlier use
  ASSERT_TRUE(store->transact([](Transaction&) -> Status { return {}; }, {.report = &report}));
  EXPECT_EQ(report.attempts, 1U);
  EXPECT_EQ(report.waited.count(), 0);
  RetryReport given_up;
  const auto never = store->transact(
      [](Transaction&) -> Status { return fail(ErrorCode::conflict, "always"); },
      {.attempts_max = 4, .backoff_first = std::chrono::microseconds{1}, .report = &given_up});
  ASSERT_FALSE(never);
  expect_conflict(never.error());
  EXPECT_EQ(given_up.attempts, 4U);
}

TEST_P(Hub, TransactPassesItsOptionsToEachAttempt) {
  const auto skewed = store->transact(
      [&](Transaction& tx) -> Status {
        SELVEDGE_TRY(tx.get(leaf));
        SELVEDGE_TRY(store->set(leaf, "n", 1));
        return tx.set(hub, "n", 1);
      },
      {.attempts_max = 1, .transaction = {.isolation = Isolation::snapshot}});
  EXPECT_TRUE(skewed) << "snapshot, whatever the store's default";
}

}  // namespace
}  // namespace selvedge
