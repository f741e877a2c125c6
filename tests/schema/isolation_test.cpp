// Serializable reads of indexes: what must abort, and what must not.

#include "tests/schema/schema_fixture.h"

namespace selvedge {
namespace {

class IndexIsolation : public SchemaTest {
 protected:
  IndexIsolation() {
    create(SchemaSpec::node_index("Person", {"n"}));
    create(SchemaSpec::node_index("Person", {"name"}, IndexKind::hash));
  }
  Transaction begin(Isolation isolation = Isolation::serializable) {
    return *store->begin({.isolation = isolation});
  }
  /// The transaction writes something of its own, so that its commit is judged.
  void mark(Transaction& tx) { ASSERT_TRUE(tx.create_node({"Mark"})); }
  void expect_conflict(Transaction& tx) {
    const auto committed = tx.commit();
    ASSERT_FALSE(committed);
    EXPECT_EQ(committed.error().code(), ErrorCode::conflict);
  }
  static std::size_t count(const Reader& reader, const Match& match) {
    return found(reader, {{"n", match}}).size();
  }
};

TEST_F(IndexIsolation, APhantomByEqualityAborts) {
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(count(tx, 5), 0U);
  person({{"n", 5}});
  expect_conflict(tx);
}

TEST_F(IndexIsolation, AnotherKeyDoesNotMatter) {
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(count(tx, 5), 0U);
  EXPECT_TRUE(found(tx, {{"name", "Ada"}}).empty());
  for (int i = 6; i < 200; ++i) {
    person({{"n", i}, {"name", std::to_string(i)}});
  }
  ASSERT_TRUE(tx.commit());
}

TEST_F(IndexIsolation, APhantomInARangeAborts) {
  person({{"n", 10}});
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(count(tx, Match::between(5, 15)), 1U);
  person({{"n", 15}});
  expect_conflict(tx);
}

TEST_F(IndexIsolation, OutsideOfTheRangeNothingMatters) {
  person({{"n", 10}});
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(count(tx, Match::between(5, 15)), 1U);
  person({{"n", 16}});
  person({{"n", 4}});
  ASSERT_TRUE(tx.commit());
}

TEST_F(IndexIsolation, AScanThatStoppedEarlyCountsAsFarAsItWent) {
  for (int i = 0; i < 1000; ++i) {
    person({{"n", i}});
  }
  for (const bool behind : {true, false}) {
    auto tx = begin();
    mark(tx);
    {
      auto matches = tx.find_nodes("Person", "n", Match::any());
      ASSERT_TRUE(matches && matches->next());
    }
    person({{"n", behind ? 900.5 : 0.5}});
    if (behind) {
      ASSERT_TRUE(tx.commit());
    } else {
      expect_conflict(tx);
    }
  }
}

TEST_F(IndexIsolation, WhoLeavesOrEntersByAnUpdateCounts) {
  const NodeId a = person({{"n", 1}, {"name", "Ada"}});
  for (const bool leaves : {true, false}) {
    auto tx = begin();
    mark(tx);
    found(tx, {{"name", "Ada"}});
    ASSERT_TRUE(store->set(a, "name", leaves ? "Eve" : "Ada"));
    expect_conflict(tx);
  }
  for (const bool leaves : {true, false}) {
    auto tx = begin();
    mark(tx);
    found(tx, {{"n", 1}});
    ASSERT_TRUE(leaves ? store->remove_label(a, "Person") : store->add_label(a, "Person"));
    expect_conflict(tx);
  }
  auto tx = begin();
  mark(tx);
  found(tx, {{"n", 1}});
  ASSERT_TRUE(store->set(a, "other", 1));
  ASSERT_TRUE(tx.commit());
}

TEST_F(IndexIsolation, ContentCountsOnlyWhenItIsLookedAt) {
  const NodeId a = person({{"n", 1}, {"age", 1}});
  auto tx = begin();
  mark(tx);
  {
    auto matches = tx.find_nodes("Person", "n", 1);
    ASSERT_TRUE(matches && matches->next());
    EXPECT_EQ(*matches->get()["age"].as_int64(), 1);
  }
  ASSERT_TRUE(store->set(a, "age", 2));
  expect_conflict(tx);
}

TEST_F(IndexIsolation, BulkChangesAreSeen) {
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(count(tx, 5), 0U);
  std::vector<NewNode> nodes(5000);
  const LabelRef label("Person");
  const Property value{"n", 5};
  nodes[77] = {std::span(&label, 1), std::span(&value, 1)};
  ASSERT_TRUE(store->transact([&](Transaction& bulk) { return bulk.create_nodes(nodes); }));
  expect_conflict(tx);
}

TEST_F(IndexIsolation, WriteSkewOverAPredicate) {
  for (const Isolation isolation : {Isolation::serializable, Isolation::snapshot}) {
    auto one = begin(isolation);
    auto two = begin(isolation);
    EXPECT_EQ(count(one, Match::at_least(100)), 0U);
    EXPECT_EQ(count(two, Match::at_least(100)), 0U);
    ASSERT_TRUE(one.create_node({"Person"}, {{"n", 100}}));
    ASSERT_TRUE(two.create_node({"Person"}, {{"n", 101}}));
    ASSERT_TRUE(one.commit());
    if (isolation == Isolation::serializable) {
      expect_conflict(two);
      const ReadView view = store->read();
      ASSERT_TRUE(store->delete_node(found(view, {{"n", 100}}).front()));
    } else {
      ASSERT_TRUE(two.commit());
    }
  }
}

TEST_F(IndexIsolation, AnIndexMadeMeanwhileHidesNothing) {
  auto tx = begin();
  mark(tx);
  const NodeId early = *store->create_node({"City"}, {{"n", 5}});
  create(SchemaSpec::node_index("City", {"n"}));
  EXPECT_EQ(*tx.find_node("City", "n", 5), std::nullopt);
  EXPECT_TRUE(store->read().exists(early));
  expect_conflict(tx);
}

TEST_F(IndexIsolation, AnIndexDroppedMeanwhileCannotBeConfirmed) {
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(count(tx, 5), 0U);
  ASSERT_TRUE(store->drop_schema("index nodes Person(n)"));
  expect_conflict(tx);
}

TEST_F(IndexIsolation, AViolationThatWasReportedIsARead) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  const NodeId a = person({{"email", "x"}});
  auto tx = begin();
  mark(tx);
  EXPECT_EQ(code(tx.create_node({"Person"}, {{"email", "x"}})), ErrorCode::constraint_violated);
  ASSERT_TRUE(store->set(a, "email", "y"));
  expect_conflict(tx);
}

}  // namespace
}  // namespace selvedge
