// Serializable: each kind of read, against every change that touches it and against those that do
// not. One transaction reads, another party changes something and commits, then the first one
// writes somewhere else and commits.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/isolation/isolation_fixture.h"
#include "tests/support/seams.h"

namespace selvedge {
namespace {

class SerializableTest : public ::testing::Test, protected test::IsolatedStore {
 protected:
  using Read = std::function<void(const Reader&)>;
  using Change = std::function<void(Writer&)>;

  using IsolatedStore::expect_conflict;

  SerializableTest() : IsolatedStore(Isolation::serializable) {
    ab = edge(a, "E", b);
    settle();
  }
  NodeId node(const char* label) { return IsolatedStore::node(label, {{"v", 1}}); }
  EdgeId edge(NodeId from, const char* type, NodeId to) {
    const auto made = store->create_edge(from, type, to, {{"w", 1}});
    EXPECT_TRUE(made);
    return made.value_or(EdgeId{});
  }
  void settle() {
    for (int i = 0; i < 4; ++i) {
      EXPECT_TRUE(store->maintain());
    }
  }
  /// Commits in a transaction of its own, and outside of any.
  std::vector<std::function<void(const Change&)>> parties() {
    return {[this](const Change& change) { change(*store); },
            [this](const Change& change) {
              auto tx = store->begin({.isolation = Isolation::snapshot});
              ASSERT_TRUE(tx);
              change(*tx);
              ASSERT_TRUE(tx->commit());
            }};
  }
  Result<Sequence> outcome(const Read& read, const Change& change,
                           const std::function<void(const Change&)>& party,
                           Isolation isolation = Isolation::serializable) {
    auto tx = store->begin({.isolation = isolation});
    EXPECT_TRUE(tx);
    read(*tx);
    party(change);
    EXPECT_TRUE(tx->set(elsewhere, "seen", 1));
    return tx->commit();
  }
  void expect_conflict(const Read& read, const Change& change) {
    for (const auto& party : parties()) {
      const auto committed = outcome(read, change, party);
      ASSERT_FALSE(committed) << "it read what changed";
      expect_conflict(committed.error());
      EXPECT_NE(committed.error().other_transaction(), 0U) << committed.error().message();
    }
    EXPECT_TRUE(outcome(read, change, parties()[0], Isolation::snapshot)) << "skew is allowed";
  }
  void expect_success(const Read& read, const Change& change) {
    for (const auto& party : parties()) {
      const auto committed = outcome(read, change, party);
      EXPECT_TRUE(committed) << committed.error().message();
    }
  }

  NodeId a = node("A");
  NodeId b = node("B");
  NodeId c = node("C");
  NodeId elsewhere = node("Elsewhere");
  EdgeId ab;
};

using test::Seams;

// --- entities ----------------------------------------------------------------------------------

TEST_F(SerializableTest, ANodeThatWasReadMustNotChange) {
  const Change set = [&](Writer& w) { ASSERT_TRUE(w.set(a, "v", 2)); };
  expect_conflict([&](const Reader& r) { ASSERT_TRUE(r.get(a)); }, set);
  expect_conflict([&](const Reader& r) { ASSERT_TRUE(r.exists(a)); }, set);
  expect_conflict([&](const Reader& r) { ASSERT_FALSE(r.labels(a).empty()); }, set);
  expect_conflict([&](const Reader& r) { ASSERT_TRUE(r.get(std::vector<NodeId>{a})[0]); }, set);
  expect_success([&](const Reader& r) { ASSERT_TRUE(r.get(b)); }, set);
}

TEST_F(SerializableTest, AnEdgeThatWasReadMustNotChange) {
  const Change set = [&](Writer& w) { ASSERT_TRUE(w.set(ab, "w", 2)); };
  expect_conflict([&](const Reader& r) { ASSERT_TRUE(r.get(ab)); }, set);
  expect_conflict([&](const Reader& r) { ASSERT_TRUE(r.exists(ab)); }, set);
  expect_conflict([&](const Reader& r) { ASSERT_TRUE(r.get(std::vector<EdgeId>{ab})[0]); }, set);
  expect_conflict(
      [&](const Reader& r) {
        for (auto cursor = r.out_edges(a); cursor.next();) {
          ASSERT_TRUE(cursor.edge()["w"].as_int64());
        }
      },
      set);
  expect_success([&](const Reader& r) { ASSERT_TRUE(r.get(a)); }, set);
}

TEST_F(SerializableTest, WhatWasReadMustNotBeDeleted) {
  const auto tx = [&](const Read& read, const Change& change) {
    const auto committed = outcome(read, change, parties()[0]);
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code(), ErrorCode::conflict);
  };
  tx([&](const Reader& r) { ASSERT_TRUE(r.get(ab)); },
     [&](Writer& w) { ASSERT_TRUE(w.delete_edge(ab)); });
  tx([&](const Reader& r) { ASSERT_TRUE(r.get(c)); },
     [&](Writer& w) { ASSERT_TRUE(w.delete_node(c)); });
}

TEST_F(SerializableTest, AFailedWriteTellsSomethingTooAndMustStayTrue) {
  // Who hears "has edges" decides on it.
  auto tx = *store->begin();
  EXPECT_EQ(tx.delete_node(a).error().code(), ErrorCode::has_edges);
  ASSERT_TRUE(store->delete_edge(ab));
  ASSERT_TRUE(tx.set(elsewhere, "seen", 1));
  const auto committed = tx.commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code(), ErrorCode::conflict);
}

// --- predicates --------------------------------------------------------------------------------

TEST_F(SerializableTest, AListThatWasReadMustNotGrow) {
  const Change add = [&](Writer& w) { ASSERT_TRUE(w.create_edge(a, "E", c)); };
  expect_conflict([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out)); }, add);
  expect_conflict([&](const Reader& r) { static_cast<void>(r.neighbours(a, Direction::both)); },
                  add);
  expect_conflict([&](const Reader& r) { static_cast<void>(r.degree(c, Direction::in)); }, add);
  expect_conflict([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out, "E")); },
                  add);
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::in)); }, add);
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(c, Direction::out)); }, add);
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(b, Direction::both)); }, add);
  ASSERT_TRUE(store->type_id("F"));
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out, "F")); },
                 add);
}

TEST_F(SerializableTest, AListThatWasReadMustNotShrink) {
  const auto remove = [&](const Read& read) {
    const EdgeId each = edge(a, "E", c);
    settle();
    return outcome(
        read, [&](Writer& w) { ASSERT_TRUE(w.delete_edge(each)); }, parties()[0]);
  };
  EXPECT_FALSE(remove([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out)); }));
  EXPECT_FALSE(remove([&](const Reader& r) { static_cast<void>(r.degree(c, Direction::in)); }));
  EXPECT_FALSE(remove([&](const Reader& r) { static_cast<void>(r.edges_between(a, c)); }));
  EXPECT_TRUE(remove([&](const Reader& r) { static_cast<void>(r.degree(b, Direction::both)); }));
}

TEST_F(SerializableTest, EdgesThatCameAndWentMeanwhileAreNoChange) {
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out)); },
                 [&](Writer& w) {
                   const auto made = w.create_edge(a, "E", c);
                   ASSERT_TRUE(made);
                   ASSERT_TRUE(w.delete_edge(*made));
                 });
}

TEST_F(SerializableTest, AnUpdateOfAnEdgeIsNoChangeOfTheList) {
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out)); },
                 [&](Writer& w) { ASSERT_TRUE(w.set(ab, "w", 7)); });
}

TEST_F(SerializableTest, ThePairThatWasAskedAboutCountsAndNotTheWholeHub) {
  const Change far = [&](Writer& w) { ASSERT_TRUE(w.create_edge(a, "E", elsewhere)); };
  const Change near = [&](Writer& w) { ASSERT_TRUE(w.create_edge(a, "E", c)); };
  const Read asked = [&](const Reader& r) { static_cast<void>(r.edges_between(a, c)); };
  expect_success(asked, far);
  expect_conflict(asked, near);
  expect_conflict([&](const Reader& r) { static_cast<void>(r.edge_between(a, c, "E")); }, near);
  ASSERT_TRUE(store->type_id("F"));
  expect_success([&](const Reader& r) { static_cast<void>(r.edge_between(a, c, "F")); }, near);
}

TEST_F(SerializableTest, ALabelThatWasScannedMustKeepItsMembers) {
  const Change join = [&](Writer& w) { ASSERT_TRUE(w.create_node({"A"}, {})); };
  const Change other = [&](Writer& w) { ASSERT_TRUE(w.create_node({"B"}, {})); };
  const Change leave = [&](Writer& w) {
    ASSERT_TRUE(w.add_label(b, "A"));
    ASSERT_TRUE(w.remove_label(b, "A"));
  };
  const Read count = [&](const Reader& r) { static_cast<void>(r.node_count("A")); };
  const Read scan = [&](const Reader& r) {
    for (auto cursor = r.nodes("A"); cursor.next();) {
      static_cast<void>(cursor.id());
    }
  };
  for (const Read& read : {count, scan}) {
    expect_conflict(read, join);
    expect_success(read, other);
    expect_success(read, [&](Writer& w) { ASSERT_TRUE(w.set(a, "v", 3)); });
  }
  expect_conflict(scan, leave);
}

TEST_F(SerializableTest, AScanThatLooksAtItsNodesReadsWhatTheyHold) {
  const Change set = [&](Writer& w) { ASSERT_TRUE(w.set(a, "v", 3)); };
  const auto sum = [](NodeCursor cursor) {
    std::int64_t total = 0;
    while (cursor.next()) {
      total += cursor.node()["v"].as_int64().value_or(0);
    }
    return total;
  };
  expect_conflict([&](const Reader& r) { static_cast<void>(sum(r.nodes("A"))); }, set);
  expect_success([&](const Reader& r) { static_cast<void>(sum(r.nodes("B"))); }, set);
  expect_conflict([&](const Reader& r) { static_cast<void>(sum(r.nodes())); }, set);
}

TEST_F(SerializableTest, ScansAndCountsOfEverythingSeeEveryNewcomer) {
  const Change add_node = [&](Writer& w) { ASSERT_TRUE(w.create_node({}, {})); };
  const Change add_edge = [&](Writer& w) { ASSERT_TRUE(w.create_edge(b, "E", c)); };
  expect_conflict([](const Reader& r) { static_cast<void>(r.node_count()); }, add_node);
  expect_success([](const Reader& r) { static_cast<void>(r.node_count()); }, add_edge);
  expect_conflict([](const Reader& r) { static_cast<void>(r.edge_count()); }, add_edge);
  expect_conflict([](const Reader& r) { static_cast<void>(r.edge_count("E")); }, add_edge);
  expect_success([](const Reader& r) { static_cast<void>(r.edge_count()); }, add_node);
  expect_conflict(
      [](const Reader& r) {
        for (auto scan = r.edges("E"); scan.next();) {
        }
      },
      add_edge);
  expect_conflict(
      [](const Reader& r) {
        for (auto scan = r.edges(); scan.next();) {
        }
      },
      [&](Writer& w) { ASSERT_TRUE(w.set(ab, "w", 9)); });
}

TEST_F(SerializableTest, ANameThatNobodyKnewIsAPredicateToo) {
  int next = 0;
  const auto label = [&] { return "L" + std::to_string(next); };
  for (const auto& party : parties()) {
    ++next;
    const auto committed = outcome([&](const Reader& r) { EXPECT_EQ(r.node_count(label()), 0U); },
                                   [&](Writer& w) {
                                     const std::string name = label();
                                     ASSERT_TRUE(w.create_node({LabelRef(name)}, {}));
                                   },
                                   party);
    EXPECT_FALSE(committed);
    ++next;
    EXPECT_TRUE(outcome([&](const Reader& r) { EXPECT_EQ(r.node_count(label()), 0U); },
                        [&](Writer& w) { ASSERT_TRUE(w.set(a, "v", 1)); }, party));
    EXPECT_FALSE(outcome([&](const Reader& r) { EXPECT_EQ(r.edge_count(label()), 0U); },
                         [&](Writer& w) {
                           const std::string name = label();
                           ASSERT_TRUE(w.create_edge(a, TypeRef(name), b));
                         },
                         party));
    ++next;
    EXPECT_FALSE(
        outcome([&](const Reader& r) { EXPECT_EQ(r.degree(a, Direction::out, label()), 0U); },
                [&](Writer& w) {
                  const std::string name = label();
                  ASSERT_TRUE(w.create_edge(a, TypeRef(name), b));
                },
                party));
  }
}

TEST_F(SerializableTest, TheRolledBackAndTheUncommittedAreNoChange) {
  auto tx = *store->begin();
  ASSERT_TRUE(tx.get(a));
  static_cast<void>(tx.degree(a, Direction::out));
  static_cast<void>(tx.node_count("A"));
  auto other = *store->begin();
  ASSERT_TRUE(other.set(a, "v", 5));
  ASSERT_TRUE(other.create_edge(a, "E", c));
  ASSERT_TRUE(other.create_node({"A"}, {}));
  auto dropped = *store->begin();
  ASSERT_TRUE(dropped.set(c, "v", 5));
  ASSERT_TRUE(dropped.abort());
  ASSERT_TRUE(tx.set(elsewhere, "seen", 1));
  const auto committed = tx.commit();
  EXPECT_TRUE(committed);
  ASSERT_TRUE(other.abort());
}

// --- sizes -------------------------------------------------------------------------------------

TEST_F(SerializableTest, ABulkCommitMeetsEveryList) {
  const auto bulk = [&](NodeId from, NodeId to) {
    return [from, to](Writer& w) {
      const std::vector<NewEdge> many(5'000, NewEdge{from, "E", to, {}});
      ASSERT_TRUE(w.create_edges(many));
    };
  };
  expect_conflict([&](const Reader& r) { static_cast<void>(r.degree(a, Direction::out)); },
                  bulk(a, c));
  expect_success([&](const Reader& r) { static_cast<void>(r.degree(b, Direction::out)); },
                 bulk(a, c));
}

TEST_F(SerializableTest, AReadSetThatGrowsTooLargeCoversEverything) {
  std::vector<NodeId> many;
  for (int i = 0; i < 20; ++i) {
    const std::vector<NewNode> fresh(4'000);
    const auto made = *store->create_nodes(fresh);
    many.insert(many.end(), made.begin(), made.end());
  }
  const Read all = [&](const Reader& r) {
    for (const NodeId id : many) {
      ASSERT_TRUE(r.exists(id));
    }
  };
  expect_conflict(all, [&](Writer& w) { ASSERT_TRUE(w.set(many.front(), "v", 2)); });
  expect_conflict(all, [&](Writer& w) { ASSERT_TRUE(w.set(many.back(), "v", 2)); });
  expect_success(all, [&](Writer& w) { ASSERT_TRUE(w.set(ab, "w", 2)); });
}

// --- moments -----------------------------------------------------------------------------------

TEST_F(SerializableTest, WhoWroteNothingNeverConflicts) {
  auto tx = *store->begin();
  ASSERT_TRUE(tx.get(a));
  static_cast<void>(tx.node_count());
  ASSERT_TRUE(store->set(a, "v", 2));
  ASSERT_TRUE(store->create_node({"A"}, {}));
  EXPECT_TRUE(tx.commit());
}

TEST_F(SerializableTest, Rule20_TheNewestCommitBeneathAnUncommittedVersionCounts) {
  for (const bool changed : {true, false}) {
    auto reader = *store->begin();
    ASSERT_TRUE(reader.get(a));
    if (changed) {
      ASSERT_TRUE(store->set(a, "v", 2));
    }
    auto pending = *store->begin();
    ASSERT_TRUE(pending.set(a, "v", 3));
    ASSERT_TRUE(reader.set(b, "v", 4));
    const auto committed = reader.commit();
    if (changed) {
      ASSERT_FALSE(committed) << "a cycle";
      EXPECT_EQ(committed.error().code(), ErrorCode::conflict);
      EXPECT_EQ(committed.error().entity(), a.value);
    } else {
      EXPECT_TRUE(committed) << "an uncommitted version is no change";
    }
  }
}

TEST_F(SerializableTest, IdsThatWereNeverGivenOutAreReadLikeNamesThatNobodyHas) {
  for (const std::uint32_t id : {4711U, (1U << 24) - 1, 1U << 25, ~0U}) {
    const Change add = [&](Writer& w) { ASSERT_TRUE(w.create_node({"A"})); };
    expect_success([&](const Reader& r) { EXPECT_FALSE(r.nodes(LabelId{id}).next()); }, add);
    expect_success([&](const Reader& r) { EXPECT_FALSE(r.edges(TypeId{id}).next()); }, add);
    expect_success([&](const Reader& r) { EXPECT_EQ(r.node_count(LabelId{id}), 0U); }, add);
    expect_success([&](const Reader& r) { EXPECT_EQ(r.edge_count(TypeId{id}), 0U); }, add);
  }
}

/// What is committed between the check and the log lock is found under the lock.
TEST_F(SerializableTest, Rule21_WhatMovesAfterTheCheckIsFoundInsideTheLock) {
  const std::vector<Change> changes{
      [&](Writer& w) { ASSERT_TRUE(w.set(a, "v", 2)); },
      [&](Writer& w) { ASSERT_TRUE(w.create_edge(a, "E", c)); },
      [&](Writer& w) { ASSERT_TRUE(w.create_node({"A"}, {})); },
      [&](Writer& w) { ASSERT_TRUE(w.set(c, "v", 2)); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    auto tx = *store->begin();
    ASSERT_TRUE(tx.get(a));
    static_cast<void>(tx.degree(a, Direction::out));
    static_cast<void>(tx.node_count("A"));
    ASSERT_TRUE(tx.set(elsewhere, "seen", 1));
    Seams seams;
    seams.at("txn.commit.validated", 1, [&] { changes[i](*store); });
    const auto committed = tx.commit();
    EXPECT_TRUE(seams.done());
    EXPECT_EQ(committed.has_value(), i + 1 == changes.size()) << i;
  }
}

/// Overtaken at every look by commits that might matter and do not: it gets through.
TEST_F(SerializableTest, WhoIsOvertakenTimeAfterTimeStillCommits) {
  auto tx = *store->begin();
  static_cast<void>(tx.node_count("A"));
  EXPECT_EQ(tx.node_count("never known"), 0U);  // any commit may have brought it
  ASSERT_TRUE(tx.set(elsewhere, "seen", 1));
  Seams seams;
  for (int i = 1; i <= 10; ++i) {
    seams.at("txn.commit.moved", i, [&] { ASSERT_TRUE(store->set(b, "v", 2)); });
  }
  seams.at("txn.commit.validated", 1, [&] { ASSERT_TRUE(store->set(b, "v", 2)); });
  EXPECT_TRUE(tx.commit());
}

TEST_F(SerializableTest, Rule24_ADeleteRaisesTheClocksOfWhatItTakesAway) {
  const auto gone = [&](const Read& read) {
    const NodeId each = node("A");
    const EdgeId tie = edge(each, "E", c);
    settle();
    return outcome(
        read,
        [&](Writer& w) {
          ASSERT_TRUE(w.delete_edge(tie));
          ASSERT_TRUE(w.delete_node(each));
        },
        parties()[1]);
  };
  EXPECT_FALSE(gone([](const Reader& r) { static_cast<void>(r.node_count("A")); }));
  EXPECT_FALSE(gone([](const Reader& r) { static_cast<void>(r.node_count()); }));
  EXPECT_FALSE(gone([](const Reader& r) { static_cast<void>(r.edge_count("E")); }));
  EXPECT_FALSE(gone([&](const Reader& r) { static_cast<void>(r.degree(c, Direction::in)); }));
  EXPECT_TRUE(gone([](const Reader& r) { static_cast<void>(r.node_count("B")); }));
}

}  // namespace
}  // namespace selvedge
