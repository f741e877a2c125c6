// The scripts of the Hermitage project (Kleppmann, 2014), adapted: two or three sessions, step by
// step in one thread, and exactly what each of them sees and is told, at both levels of isolation.
// Where Hermitage's second writer waits, here it gets `conflict` at once.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "tests/isolation/isolation_fixture.h"

namespace selvedge {
namespace {

using Numbers = std::vector<std::int64_t>;

class Hermitage : public test::AtBothLevels {
 protected:
  Hermitage() {
    one = row(*store, 10);
    two = row(*store, 20);
    t1.emplace(begin());
    t2.emplace(begin());
  }

  /// insert into test (value) values (...)
  static NodeId row(Writer& writer, std::int64_t value) {
    const auto made = writer.create_node({"Test"}, {{"value", value}});
    EXPECT_TRUE(made);
    return made.value_or(NodeId{});
  }
  /// select value from test where id = ...
  static std::int64_t value(const Reader& reader, NodeId id) {
    const auto node = reader.get(id);
    return node ? (*node)["value"].as_int64().value_or(-1) : -1;
  }
  /// select value from test where ...
  static Numbers where(const Reader& reader, const std::function<bool(std::int64_t)>& matches) {
    Numbers found;
    for (auto cursor = reader.nodes("Test"); cursor.next();) {
      const std::int64_t each = cursor.node()["value"].as_int64().value_or(-1);
      if (matches(each)) {
        found.push_back(each);
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  static Numbers all(const Reader& reader) {
    return where(reader, [](std::int64_t) { return true; });
  }
  static Numbers divisible(const Reader& reader, std::int64_t by) {
    return where(reader, [by](std::int64_t each) { return each % by == 0; });
  }
  /// update test set value = ... where id = ...
  static void set(Writer& writer, NodeId id, std::int64_t value) {
    const Status done = writer.set(id, "value", value);
    EXPECT_TRUE(done) << done.error().message();
  }
  static void conflicts(const Status& status) {
    ASSERT_FALSE(status) << "somebody else was first";
    expect_conflict(status.error());
  }
  static void commits(Transaction& tx) {
    const auto done = tx.commit();
    EXPECT_TRUE(done) << done.error().message();
  }
  static void commit_conflicts(Transaction& tx) {
    const auto done = tx.commit();
    ASSERT_FALSE(done) << "it read what has changed";
    expect_conflict(done.error());
    EXPECT_TRUE(tx.finished());
  }
  /// The anomaly that snapshot isolation allows and serializable does not.
  static void commits_as_snapshot_only(Transaction& tx) {
    strict() ? commit_conflicts(tx) : commits(tx);
  }
  static void aborts(Transaction& tx) { EXPECT_TRUE(tx.abort()); }

  NodeId one, two;
  std::optional<Transaction> t1, t2;
};

// --- dirty writes and reads --------------------------------------------------------------------

TEST_P(Hermitage, G0_WriteCycles) {
  set(*t1, one, 11);
  conflicts(t2->set(one, "value", 12));
  set(*t1, two, 21);
  commits(*t1);
  EXPECT_EQ(all(store->read()), (Numbers{11, 21}));
  conflicts(t2->set(two, "value", 22));
  aborts(*t2);
  EXPECT_EQ(all(store->read()), (Numbers{11, 21}));
}

TEST_P(Hermitage, G0_WriteCycles_TheSecondOneTakesTheOtherRowFirst) {
  set(*t1, one, 11);
  set(*t2, two, 22);
  conflicts(t2->set(one, "value", 12));
  conflicts(t1->set(two, "value", 21));
  commits(*t1);
  commits(*t2);  // each wrote a row of its own, and read nothing of the other's
  EXPECT_EQ(all(store->read()), (Numbers{11, 22}));
}

TEST_P(Hermitage, G1a_AbortedReads) {
  set(*t1, one, 101);
  EXPECT_EQ(all(*t2), (Numbers{10, 20}));
  EXPECT_EQ(all(store->read()), (Numbers{10, 20}));
  aborts(*t1);
  EXPECT_EQ(all(*t2), (Numbers{10, 20}));
  set(*t2, two, 21);
  commits(*t2);  // what was rolled back is no change
  EXPECT_EQ(all(store->read()), (Numbers{10, 21}));
}

TEST_P(Hermitage, G1b_IntermediateReads) {
  set(*t1, one, 101);
  EXPECT_EQ(all(*t2), (Numbers{10, 20}));
  set(*t1, one, 11);
  commits(*t1);
  EXPECT_EQ(all(*t2), (Numbers{10, 20})) << "its view is that of its begin";
  EXPECT_EQ(all(store->read()), (Numbers{11, 20}));
  commits(*t2);  // it wrote nothing
}

TEST_P(Hermitage, G1c_CircularInformationFlow) {
  set(*t1, one, 11);
  set(*t2, two, 22);
  EXPECT_EQ(value(*t1, two), 20);
  EXPECT_EQ(value(*t2, one), 10);
  commits(*t1);
  commits_as_snapshot_only(*t2);  // neither saw the other: write skew
  EXPECT_EQ(all(store->read()), (strict() ? Numbers{11, 20} : Numbers{11, 22}));
}

TEST_P(Hermitage, OTV_ObservedTransactionVanishes) {
  set(*t1, one, 11);
  set(*t1, two, 19);
  conflicts(t2->set(one, "value", 12));
  aborts(*t2);
  auto t3 = *store->begin();  // before T1's commit
  commits(*t1);
  auto again = *store->begin();
  auto t4 = *store->begin();
  set(again, one, 12);
  EXPECT_EQ(all(t4), (Numbers{11, 19}));
  set(again, two, 18);
  EXPECT_EQ(value(t4, two), 19);
  commits(again);
  EXPECT_EQ(value(t4, two), 19);
  EXPECT_EQ(value(t4, one), 11);
  EXPECT_EQ(all(t3), (Numbers{10, 20}));
  commits(t3);
  commits(t4);
  EXPECT_EQ(all(store->read()), (Numbers{12, 18}));
}

// --- predicates --------------------------------------------------------------------------------

TEST_P(Hermitage, PMP_PredicateManyPreceders) {
  EXPECT_EQ(where(*t1, [](std::int64_t each) { return each == 30; }), Numbers{});
  row(*t2, 30);
  commits(*t2);
  EXPECT_EQ(divisible(*t1, 3), Numbers{});
  commits(*t1);
  EXPECT_EQ(divisible(store->read(), 3), Numbers{30});
}

TEST_P(Hermitage, PMP_PredicateManyPreceders_WithAWriteBehindIt) {
  EXPECT_EQ(where(*t1, [](std::int64_t each) { return each == 30; }), Numbers{});
  row(*t2, 30);
  commits(*t2);
  set(*t1, one, 11);
  commits_as_snapshot_only(*t1);
  EXPECT_EQ(value(store->read(), one), strict() ? 10 : 11);
}

/// T1: update test set value = value + 10; T2: delete from test where value = 20.
TEST_P(Hermitage, PMP_ForWritePredicates) {
  set(*t1, one, value(*t1, one) + 10);
  set(*t1, two, value(*t1, two) + 10);
  EXPECT_EQ(value(*t2, two), 20);
  conflicts(t2->delete_node(two));
  commits(*t1);
  EXPECT_EQ(value(*t2, two), 20);
  conflicts(t2->delete_node(two));  // of another time than what would be deleted
  aborts(*t2);
  auto again = *store->begin();
  EXPECT_EQ(value(again, one), 20);
  EXPECT_TRUE(again.delete_node(one));
  commits(again);
  EXPECT_EQ(all(store->read()), Numbers{30});
}

// --- lost updates ------------------------------------------------------------------------------

TEST_P(Hermitage, P4_LostUpdate) {
  EXPECT_EQ(value(*t1, one), 10);
  EXPECT_EQ(value(*t2, one), 10);
  set(*t1, one, 11);
  conflicts(t2->set(one, "value", 11));
  commits(*t1);
  conflicts(t2->set(one, "value", 11));
  aborts(*t2);
  EXPECT_EQ(value(store->read(), one), 11);
}

TEST_P(Hermitage, P4_LostUpdate_TheFirstOneIsThroughAlready) {
  EXPECT_EQ(value(*t1, one), 10);
  EXPECT_EQ(value(*t2, one), 10);
  set(*t1, one, 11);
  commits(*t1);
  conflicts(t2->set(one, "value", 12));
  aborts(*t2);
  EXPECT_EQ(value(store->read(), one), 11);
}

TEST_P(Hermitage, P4_LostUpdate_TheFirstOneGivesUp) {
  EXPECT_EQ(value(*t1, one), 10);
  EXPECT_EQ(value(*t2, one), 10);
  set(*t1, one, 11);
  conflicts(t2->set(one, "value", 12));
  aborts(*t1);
  set(*t2, one, 12);  // nobody is in the way now
  commits(*t2);
  EXPECT_EQ(value(store->read(), one), 12);
}

// --- read skew ---------------------------------------------------------------------------------

TEST_P(Hermitage, GSingle_ReadSkew) {
  EXPECT_EQ(value(*t1, one), 10);
  EXPECT_EQ(all(*t2), (Numbers{10, 20}));
  set(*t2, one, 12);
  set(*t2, two, 18);
  commits(*t2);
  EXPECT_EQ(value(*t1, two), 20);
  commits(*t1);
}

TEST_P(Hermitage, GSingle_ReadSkew_OfAPredicate) {
  EXPECT_EQ(divisible(*t1, 5), (Numbers{10, 20}));
  EXPECT_EQ(value(*t2, one), 10);
  set(*t2, one, 12);
  commits(*t2);
  EXPECT_EQ(divisible(*t1, 3), Numbers{});
  commits(*t1);
}

/// T1: select where id = 1; ... delete from test where value = 20.
TEST_P(Hermitage, GSingle_ReadSkew_OfAWritePredicate) {
  EXPECT_EQ(value(*t1, one), 10);
  EXPECT_EQ(all(*t2), (Numbers{10, 20}));
  set(*t2, one, 12);
  set(*t2, two, 18);
  commits(*t2);
  EXPECT_EQ(value(*t1, two), 20);
  conflicts(t1->delete_node(two));
  aborts(*t1);
  EXPECT_EQ(all(store->read()), (Numbers{12, 18}));
}

TEST_P(Hermitage, GSingle_ReadSkew_WithWritesInBetween) {
  EXPECT_EQ(value(*t1, one), 10);
  EXPECT_EQ(all(*t2), (Numbers{10, 20}));
  set(*t2, one, 12);
  EXPECT_TRUE(t1->delete_node(two));
  conflicts(t2->set(two, "value", 18));
  aborts(*t1);
  set(*t2, two, 18);
  commits(*t2);
  EXPECT_EQ(all(store->read()), (Numbers{12, 18}));
}

TEST_P(Hermitage, GSingle_ReadSkew_WithAWriteElsewhere) {
  EXPECT_EQ(value(*t1, one), 10);
  const NodeId three = row(*t1, 30);
  set(*t2, one, 12);
  set(*t2, two, 18);
  commits(*t2);
  EXPECT_EQ(value(*t1, two), 20);
  EXPECT_EQ(value(*t1, three), 30);
  commits_as_snapshot_only(*t1);  // before T2 by what it read, after it by its commit
  EXPECT_EQ(all(store->read()), (strict() ? Numbers{12, 18} : Numbers{12, 18, 30}));
}

// --- anti-dependency cycles --------------------------------------------------------------------

TEST_P(Hermitage, G2Item_WriteSkew) {
  EXPECT_EQ(value(*t1, one) + value(*t1, two), 30);
  EXPECT_EQ(value(*t2, one) + value(*t2, two), 30);
  set(*t1, one, 11);
  set(*t2, two, 21);
  commits(*t1);
  commits_as_snapshot_only(*t2);
  EXPECT_EQ(all(store->read()), (strict() ? Numbers{11, 20} : Numbers{11, 21}));
}

TEST_P(Hermitage, G2Item_WriteSkew_IsNoneIfTheFirstOneGivesUp) {
  EXPECT_EQ(value(*t1, one) + value(*t1, two), 30);
  EXPECT_EQ(value(*t2, one) + value(*t2, two), 30);
  set(*t1, one, 11);
  set(*t2, two, 21);
  aborts(*t1);
  commits(*t2);
  EXPECT_EQ(all(store->read()), (Numbers{10, 21}));
}

TEST_P(Hermitage, G2_AntiDependencyCycles) {
  EXPECT_EQ(divisible(*t1, 3), Numbers{});
  EXPECT_EQ(divisible(*t2, 3), Numbers{});
  row(*t1, 30);
  row(*t2, 42);
  commits(*t1);
  commits_as_snapshot_only(*t2);
  EXPECT_EQ(divisible(store->read(), 3), (strict() ? Numbers{30} : Numbers{30, 42}));
}

TEST_P(Hermitage, G2_AntiDependencyCycles_OfEdges) {
  const auto edges = [&](const Reader& reader) { return reader.degree(one, Direction::out, "E"); };
  EXPECT_EQ(edges(*t1), 0U);
  EXPECT_EQ(edges(*t2), 0U);
  EXPECT_TRUE(t1->create_edge(one, "E", two));
  EXPECT_TRUE(t2->create_edge(one, "E", two));  // both may, at the same hub
  EXPECT_EQ(edges(*t2), 1U);
  commits(*t1);
  EXPECT_EQ(edges(*t2), 1U);
  commits_as_snapshot_only(*t2);
  EXPECT_EQ(edges(store->read()), strict() ? 1U : 2U);
}

TEST_P(Hermitage, G2_AntiDependencyCycles_OfAnEdgeAndANode) {
  EXPECT_EQ(t1->degree(one, Direction::out), 0U);
  EXPECT_EQ(value(*t2, two), 20);
  set(*t1, two, 21);
  EXPECT_TRUE(t2->create_edge(one, "E", two));
  commits(*t1);
  commits_as_snapshot_only(*t2);
  EXPECT_EQ(store->read().degree(one, Direction::out), strict() ? 0U : 1U);
}

/// Fekete, O'Neil and O'Neil (2004): a transaction that only reads makes the anomaly visible.
TEST_P(Hermitage, G2_WithTwoAntiDependencies) {
  EXPECT_EQ(all(*t1), (Numbers{10, 20}));
  set(*t2, two, value(*t2, two) + 5);
  commits(*t2);
  auto t3 = *store->begin();
  EXPECT_EQ(all(t3), (Numbers{10, 25}));
  commits(t3);
  set(*t1, one, 0);
  commits_as_snapshot_only(*t1);  // T3 saw T2 and not T1, T1 did not see T2
  EXPECT_EQ(all(store->read()), (strict() ? Numbers{10, 25} : Numbers{0, 25}));
}

/// As before, seen by a read view, with the writers' commits in the other order.
TEST_P(Hermitage, G2_WithTwoAntiDependencies_InTheOrderOfTheCommits) {
  EXPECT_EQ(all(*t1), (Numbers{10, 20}));
  set(*t1, one, 0);
  EXPECT_EQ(value(*t2, two), 20);
  set(*t2, two, 25);
  commits(*t1);
  EXPECT_EQ(all(store->read()), (Numbers{0, 20}));
  commits(*t2);  // it read nothing that T1 wrote: after it, in the order of the commits
  EXPECT_EQ(all(store->read()), (Numbers{0, 25}));
}

INSTANTIATE_TEST_SUITE_P(Levels, Hermitage, test::both_levels, test::level_name);

}  // namespace
}  // namespace selvedge
