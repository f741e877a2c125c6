// Constraints: what they refuse, on filled stores, between transactions, after rollbacks.

#include "tests/schema/schema_fixture.h"

namespace selvedge {
namespace {

class ConstraintTest : public SchemaTest, public ::testing::WithParamInterface<Isolation> {
 protected:
  Transaction begin() { return *store->begin({.isolation = GetParam()}); }
};

INSTANTIATE_TEST_SUITE_P(Both, ConstraintTest,
                         ::testing::Values(Isolation::serializable, Isolation::snapshot),
                         [](const auto& each) {
                           return each.param == Isolation::snapshot ? "snapshot" : "serializable";
                         });

TEST_P(ConstraintTest, UniqueNamesTheOther) {
  for (const IndexKind kind : {IndexKind::hash, IndexKind::ordered}) {
    create(SchemaSpec::node_unique("Person", {"email"}, kind));
    const NodeId first = person({{"email", "a@b"}});
    const auto again = store->create_node({"Person"}, {{"email", "a@b"}});
    ASSERT_EQ(code(again), ErrorCode::constraint_violated);
    EXPECT_EQ(again.error().entity(), first.value);
    ASSERT_TRUE(store->create_node({"Robot"}, {{"email", "a@b"}}));
    person({{"email", nullptr}});
    person({{"email", nullptr}});
    person({});
    const NodeId second = person({{"email", "c@d"}});
    EXPECT_EQ(code(store->set(second, "email", "a@b")), ErrorCode::constraint_violated);
    EXPECT_EQ(*store->read().find_node("Person", "email", "c@d"), second);
    ASSERT_TRUE(store->set(first, "email", "a@b"));
    ASSERT_TRUE(store->delete_node(first));
    ASSERT_TRUE(store->set(second, "email", "a@b"));
    ASSERT_TRUE(store->delete_node(second));
    expect_sound();
    ASSERT_TRUE(store->drop_schema("unique nodes Person(email)"));
  }
}

TEST_P(ConstraintTest, OfTwoAtOnceOneConflicts) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  auto one = begin();
  auto two = begin();
  const auto mine = one.create_node({"Person"}, {{"email", "x"}});
  ASSERT_TRUE(mine);
  const auto theirs = two.create_node({"Person"}, {{"email", "x"}});
  ASSERT_EQ(code(theirs), ErrorCode::conflict);
  EXPECT_EQ(theirs.error().entity(), mine->value);
  ASSERT_TRUE(one.commit());
  // Still newer than the view: the next attempt will see it.
  EXPECT_EQ(code(two.create_node({"Person"}, {{"email", "x"}})), ErrorCode::conflict);
  ASSERT_TRUE(two.abort());
  auto three = begin();
  EXPECT_EQ(code(three.create_node({"Person"}, {{"email", "x"}})), ErrorCode::constraint_violated);
}

TEST_P(ConstraintTest, AnAbortGivesTheValueBack) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  {
    auto one = begin();
    ASSERT_TRUE(one.create_node({"Person"}, {{"email", "x"}}));
    ASSERT_TRUE(one.abort());
  }
  auto two = begin();
  ASSERT_TRUE(two.create_node({"Person"}, {{"email", "x"}}));
  ASSERT_TRUE(two.commit());
  expect_sound();
}

TEST_P(ConstraintTest, AValueThatMayComeBackIsTaken) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  const NodeId holder = person({{"email", "x"}});
  auto mover = begin();
  ASSERT_TRUE(mover.set(holder, "email", "y"));
  auto taker = begin();
  EXPECT_EQ(code(taker.create_node({"Person"}, {{"email", "x"}})), ErrorCode::conflict);
  EXPECT_EQ(code(taker.create_node({"Person"}, {{"email", "y"}})), ErrorCode::conflict);
  // The mover itself may give it on.
  const auto heir = mover.create_node({"Person"}, {{"email", "x"}});
  ASSERT_TRUE(heir) << heir.error().message();
  ASSERT_TRUE(mover.commit());
  ASSERT_TRUE(taker.abort());
  EXPECT_EQ(found({{"email", "x"}}), Ids{*heir});
  EXPECT_EQ(found({{"email", "y"}}), Ids{holder});
  expect_sound();
}

TEST_P(ConstraintTest, ADeletedOnesValueIsFreeOnceTheDeleteHasCommitted) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  const NodeId holder = person({{"email", "x"}});
  auto deleter = begin();
  ASSERT_TRUE(deleter.delete_node(holder));
  EXPECT_EQ(code(begin().create_node({"Person"}, {{"email", "x"}})), ErrorCode::conflict);
  ASSERT_TRUE(deleter.commit());
  person({{"email", "x"}});
  expect_sound();
}

TEST_P(ConstraintTest, RollingBackKeepsItUnique) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  const NodeId a = person({{"email", "a"}});
  auto tx = begin();
  const Savepoint first = *tx.savepoint();
  ASSERT_TRUE(tx.set(a, "email", "b"));
  const Savepoint second = *tx.savepoint();
  ASSERT_TRUE(tx.create_node({"Person"}, {{"email", "a"}}));
  EXPECT_EQ(code(tx.set(a, "email", "a")), ErrorCode::constraint_violated);
  ASSERT_TRUE(tx.rollback_to(second));
  ASSERT_TRUE(tx.set(a, "email", "a"));
  ASSERT_TRUE(tx.set(a, "email", "c"));
  ASSERT_TRUE(tx.rollback_to(first));
  EXPECT_EQ(code(tx.create_node({"Person"}, {{"email", "a"}})), ErrorCode::constraint_violated);
  ASSERT_TRUE(tx.create_node({"Person"}, {{"email", "b"}}));
  ASSERT_TRUE(tx.commit());
  expect_sound();
}

TEST_P(ConstraintTest, AFailedOperationLeavesNothing) {
  create(SchemaSpec::node_unique("Person", {"email"}));
  person({{"email", "x"}});
  auto tx = begin();
  const NodeId mine = *tx.create_node({"Person"}, {{"email", "y"}});
  EXPECT_EQ(code(tx.set(mine, {{"email", "x"}, {"n", 1}})), ErrorCode::constraint_violated);
  EXPECT_FALSE((*tx.get(mine))["n"].present());
  const NewNode good{{}, {}};
  const LabelRef label("Person");
  const Property taken{"email", "x"};
  const std::vector<NewNode> batch = {good, {std::span(&label, 1), std::span(&taken, 1)}};
  EXPECT_EQ(code(tx.create_nodes(batch)), ErrorCode::constraint_violated);
  ASSERT_TRUE(tx.commit());
  EXPECT_EQ(store->read().node_count(), 2U);
  expect_sound();
}

TEST_P(ConstraintTest, CompositeUniqueLooksAtAllValuesTogether) {
  create(SchemaSpec::node_unique("Person", {"first", "last"}));
  person({{"first", "A"}, {"last", "B"}});
  person({{"first", "A"}, {"last", "C"}});
  person({{"first", "AB"}, {"last", ""}});
  person({{"first", "A"}});
  person({{"first", "A"}});
  EXPECT_EQ(code(store->create_node({"Person"}, {{"last", "B"}, {"first", "A"}})),
            ErrorCode::constraint_violated);
}

TEST_P(ConstraintTest, UniqueEdges) {
  create(SchemaSpec::edge_unique("SEAT", {"number"}));
  const NodeId a = person({});
  const EdgeId seat = *store->create_edge(a, "SEAT", a, {{"number", 1}});
  EXPECT_EQ(code(store->create_edge(a, "SEAT", a, {{"number", 1.0}})),
            ErrorCode::constraint_violated);
  ASSERT_TRUE(store->create_edge(a, "ROW", a, {{"number", 1}}));
  const EdgeId other = *store->create_edge(a, "SEAT", a, {{"number", 2}});
  EXPECT_EQ(code(store->set(other, "number", 1)), ErrorCode::constraint_violated);
  ASSERT_TRUE(store->delete_edge(seat));
  ASSERT_TRUE(store->set(other, "number", 1));
  expect_sound();
}

TEST_P(ConstraintTest, ExistsAndType) {
  create(SchemaSpec::node_exists("Person", {"name", "born"}));
  create(SchemaSpec::node_type("Person", "born", ValueType::int64));
  create(SchemaSpec::edge_exists("KNOWS", {"since"}));
  create(SchemaSpec::edge_type("KNOWS", "since", ValueType::timestamp));
  EXPECT_EQ(code(store->create_node({"Person"}, {{"name", "A"}})), ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->create_node({"Person"}, {{"name", "A"}, {"born", nullptr}})),
            ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->create_node({"Person"}, {{"name", "A"}, {"born", "x"}})),
            ErrorCode::constraint_violated);
  const NodeId a = person({{"name", "A"}, {"born", 1}});
  EXPECT_EQ(code(store->remove(a, "name")), ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->set(a, "born", 1.5)), ErrorCode::constraint_violated);
  const NodeId plain = *store->create_node({}, {});
  EXPECT_EQ(code(store->add_label(plain, "Person")), ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->create_edge(a, "KNOWS", a)), ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->create_edge(a, "KNOWS", a, {{"since", 5}})),
            ErrorCode::constraint_violated);
  ASSERT_TRUE(store->create_edge(a, "KNOWS", a, {{"since", Timestamp{5}}}));
  ASSERT_TRUE(store->remove_label(a, "Person"));
  ASSERT_TRUE(store->remove(a, "name"));
  reopen();
  EXPECT_EQ(code(store->create_node({"Person"}, {{"name", "A"}})), ErrorCode::constraint_violated);
  expect_sound();
}

TEST_P(ConstraintTest, IsRefusedWhenTheDataBreaksIt) {
  const NodeId a = person({{"email", "x"}});
  const NodeId b = person({{"email", "x"}, {"n", Value(List{})}});
  const auto unique = store->create_schema(SchemaSpec::node_unique("Person", {"email"}));
  ASSERT_EQ(code(unique), ErrorCode::constraint_violated);
  EXPECT_NE(unique.error().message().find(std::to_string(a.value)), std::string::npos);
  EXPECT_NE(unique.error().message().find(std::to_string(b.value)), std::string::npos);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_exists("Person", {"n"}))),
            ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_type("Person", "n", ValueType::int64))),
            ErrorCode::constraint_violated);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_index("Person", {"n"}))),
            ErrorCode::invalid_argument);
  ASSERT_TRUE(store->create_edge(a, "E", b));
  ASSERT_TRUE(store->maintain());
  EXPECT_EQ(code(store->create_schema(SchemaSpec::edge_exists("E", {"n"}))),
            ErrorCode::constraint_violated);
  EXPECT_TRUE(store->schema().empty());
  person({{"email", "x"}});
  reopen();
  EXPECT_TRUE(store->schema().empty());
}

TEST_P(ConstraintTest, AnUnfinishedTransactionThatDecidesIsNamed) {
  person({{"email", "x"}});
  auto tx = begin();
  const NodeId mine = *tx.create_node({"Person"}, {{"email", "x"}});
  SchemaOptions options;
  options.wait = std::chrono::milliseconds(0);
  const auto refused = store->create_schema(SchemaSpec::node_unique("Person", {"email"}), options);
  ASSERT_EQ(code(refused), ErrorCode::conflict);
  EXPECT_EQ(refused.error().entity(), mine.value);
  ASSERT_TRUE(tx.abort());
  create(SchemaSpec::node_unique("Person", {"email"}));
  expect_sound();
}

TEST_P(ConstraintTest, GetOrCreateFindsOrMakes) {
  EXPECT_EQ(code(store->get_or_create_node("Person", "name", "Ada")), ErrorCode::not_found);
  create(SchemaSpec::node_unique("Person", {"name"}));
  const auto made = store->get_or_create_node("Person", "name", "Ada", {{"born", 1815}});
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->created);
  const auto again = store->get_or_create_node("Person", "name", "Ada", {{"born", 1}});
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->id, made->id);
  {
    const ReadView view = store->read();
    EXPECT_EQ(*(*view.get(made->id))["born"].as_int64(), 1815);
  }
  EXPECT_EQ(code(store->get_or_create_node("Person", "name", nullptr)),
            ErrorCode::invalid_argument);
}

TEST_P(ConstraintTest, GetOrCreateOfOneValueIsOneNode) {
  create(SchemaSpec::node_index("Person", {"name"}));
  auto one = begin();
  auto two = begin();
  auto three = begin();
  const auto made = one.get_or_create_node("Person", "name", "Ada");
  ASSERT_TRUE(made && made->created);
  EXPECT_EQ(one.get_or_create_node("Person", "name", "Ada")->id, made->id);
  EXPECT_EQ(code(two.get_or_create_node("Person", "name", "Ada")), ErrorCode::conflict);
  ASSERT_TRUE(two.get_or_create_node("Person", "name", "Bob"));
  ASSERT_TRUE(one.commit());
  EXPECT_EQ(code(three.get_or_create_node("Person", "name", "Ada")), ErrorCode::conflict);
  ASSERT_TRUE(two.commit());
  ASSERT_TRUE(three.abort());
  auto four = begin();
  auto five = begin();
  EXPECT_EQ(four.get_or_create_node("Person", "name", "Ada")->id, made->id);
  EXPECT_EQ(five.get_or_create_node("Person", "name", "Ada")->id, made->id);
  ASSERT_TRUE(four.commit());
  ASSERT_TRUE(five.commit());
}

}  // namespace
}  // namespace selvedge
