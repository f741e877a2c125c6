// What an index finds: kinds of values, ranges, order, views, own writes.

#include <cmath>
#include <limits>

#include "tests/schema/schema_fixture.h"

namespace selvedge {
namespace {

using IndexTest = SchemaTest;

TEST_F(IndexTest, FindsByEquality) {
  for (const IndexKind kind : {IndexKind::hash, IndexKind::ordered}) {
    create(SchemaSpec::node_index("Person", {"name"}, kind));
  }
  const NodeId ada = person({{"name", "Ada"}});
  const NodeId bob = person({{"name", "Bob"}});
  const NodeId other = person({{"name", "Ada"}});
  EXPECT_EQ(found({{"name", "Ada"}}), (Ids{ada, other}));
  EXPECT_EQ(found({{"name", "Bob"}}), Ids{bob});
  EXPECT_TRUE(found({{"name", "Eve"}}).empty());
  ASSERT_TRUE(store->drop_schema("index nodes Person(name) hash"));
  EXPECT_EQ(found({{"name", "Ada"}}), (Ids{ada, other}));
  expect_sound();
}

TEST_F(IndexTest, FindsWhatWasThereBefore) {
  Ids all;
  for (int i = 0; i < 3000; ++i) {
    all.push_back(person({{"n", i % 7}}));
  }
  std::uint64_t reported = 0;
  std::uint64_t total = 0;
  SchemaOptions options;
  options.progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.activity, Activity::create_schema);
    total = progress.total;
    EXPECT_GE(progress.done, reported);
    EXPECT_LE(progress.done, progress.total);
    reported = progress.done;
  };
  ASSERT_TRUE(store->create_schema(SchemaSpec::node_index("Person", {"n"}), options));
  EXPECT_EQ(reported, total);
  EXPECT_GE(total, 3000U);
  EXPECT_EQ(found({{"n", 3}}).size(), 429U);
  EXPECT_EQ(found({{"n", Match::any()}}).size(), 3000U);
  expect_sound();
}

TEST_F(IndexTest, ComparesNumbersByTheirValue) {
  create(SchemaSpec::node_index("Person", {"n"}));
  constexpr std::int64_t large = std::int64_t{1} << 53;
  constexpr auto inf = std::numeric_limits<double>::infinity();
  const NodeId low = person({{"n", -inf}});
  const NodeId min = person({{"n", std::numeric_limits<std::int64_t>::min()}});
  const NodeId half = person({{"n", -0.5}});
  const NodeId zero = person({{"n", -0.0}});
  const NodeId one = person({{"n", 1}});
  const NodeId more = person({{"n", 1.5}});
  const NodeId even = person({{"n", static_cast<double>(large)}});
  const NodeId odd = person({{"n", large + 1}});
  const NodeId next = person({{"n", static_cast<double>(large + 2)}});
  const NodeId max = person({{"n", std::numeric_limits<std::int64_t>::max()}});
  const NodeId beyond = person({{"n", 9223372036854775808.0}});
  const NodeId high = person({{"n", inf}});
  const NodeId nan = person({{"n", std::nan("1")}});
  EXPECT_EQ(found({{"n", Match::any()}}),
            (Ids{low, min, half, zero, one, more, even, odd, next, max, beyond, high, nan}));
  EXPECT_EQ(found({{"n", 0}}), Ids{zero});
  EXPECT_EQ(found({{"n", 1.0}}), Ids{one});
  EXPECT_EQ(found({{"n", large}}), Ids{even});
  EXPECT_EQ(found({{"n", Match::above(large)}}), (Ids{odd, next, max, beyond, high}));
  EXPECT_EQ(found({{"n", Match::at_least(large + 1)}}), (Ids{odd, next, max, beyond, high}));
  EXPECT_EQ(found({{"n", Match::below(0.0)}}), (Ids{low, min, half}));
  EXPECT_EQ(found({{"n", Match::at_most(0)}}), (Ids{low, min, half, zero}));
  EXPECT_EQ(found({{"n", Match::between(1, 2)}}), (Ids{one, more}));
  EXPECT_TRUE(found({{"n", Match::between(2, 1)}}).empty());
  EXPECT_EQ(found({{"n", std::nan("7")}}), Ids{nan});
}

TEST_F(IndexTest, OrdersStringsByTheirBytesAndFindsPrefixes) {
  create(SchemaSpec::node_index("Person", {"name"}));
  const std::string zero("a\0b", 3);
  const std::string longer(300, 'z');
  const NodeId empty = person({{"name", ""}});
  const NodeId a = person({{"name", "a"}});
  const NodeId nul = person({{"name", zero}});
  const NodeId ab = person({{"name", "ab"}});
  const NodeId abc = person({{"name", "abc"}});
  const NodeId b = person({{"name", "b"}});
  const NodeId z = person({{"name", longer + "1"}});
  const NodeId z2 = person({{"name", longer + "2"}});
  const NodeId umlaut = person({{"name", "ä"}});
  EXPECT_EQ(found({{"name", Match::any()}}), (Ids{empty, a, nul, ab, abc, b, z, z2, umlaut}));
  EXPECT_EQ(found({{"name", Match::any()}}, Order::descending),
            (Ids{umlaut, z2, z, b, abc, ab, nul, a, empty}));
  EXPECT_EQ(found({{"name", Match::prefix("a")}}), (Ids{a, nul, ab, abc}));
  EXPECT_EQ(found({{"name", Match::prefix("ab")}}), (Ids{ab, abc}));
  EXPECT_EQ(found({{"name", Match::prefix(longer)}}), (Ids{z, z2}));
  EXPECT_EQ(found({{"name", Match::prefix("")}}).size(), 9U);
  EXPECT_EQ(found({{"name", longer + "2"}}), Ids{z2});
  EXPECT_EQ(found({{"name", Match::between("a", "b")}}), (Ids{a, nul, ab, abc, b}));
}

TEST_F(IndexTest, KeepsKindsOfValuesApart) {
  create(SchemaSpec::node_index("Person", {"v"}));
  const Uuid uuid{{std::byte{1}, std::byte{2}}};
  const NodeId no = person({{"v", false}});
  const NodeId yes = person({{"v", true}});
  const NodeId one = person({{"v", 1}});
  const NodeId text = person({{"v", "1"}});
  const NodeId bytes = person({{"v", Bytes{std::byte{'1'}}}});
  const NodeId then = person({{"v", Timestamp{-5}}});
  const NodeId now = person({{"v", Timestamp{5}}});
  const NodeId id = person({{"v", uuid}});
  person({{"v", nullptr}});
  person({});
  EXPECT_EQ(found({{"v", Match::any()}}), (Ids{no, yes, one, text, bytes, then, now, id}));
  EXPECT_EQ(found({{"v", 1}}), Ids{one});
  EXPECT_EQ(found({{"v", true}}), Ids{yes});
  EXPECT_EQ(found({{"v", "1"}}), Ids{text});
  EXPECT_EQ(found({{"v", uuid}}), Ids{id});
  EXPECT_EQ(found({{"v", Match::at_least(Timestamp{0})}}), Ids{now});
  EXPECT_EQ(found({{"v", Match::at_least(false)}}), (Ids{no, yes}));
  const ReadView view = store->read();
  EXPECT_EQ(code(view.find_nodes("Person", "v", nullptr)), ErrorCode::invalid_argument);
  EXPECT_EQ(code(view.find_nodes("Person", "v", Match::between(1, "2"))),
            ErrorCode::invalid_argument);
}

TEST_F(IndexTest, CompositeIndexesAnswerTheirBeginnings) {
  create(SchemaSpec::node_index("Person", {"city", "born"}));
  const NodeId a = person({{"city", "Rome"}, {"born", 1900}});
  const NodeId b = person({{"city", "Rome"}, {"born", 1950}});
  const NodeId c = person({{"city", "Oslo"}, {"born", 1920}});
  person({{"city", "Oslo"}});
  EXPECT_EQ(found({{"city", "Rome"}}), (Ids{a, b}));
  EXPECT_EQ(found({{"born", Match::above(1910)}, {"city", "Rome"}}), Ids{b});
  EXPECT_EQ(found({{"city", "Oslo"}, {"born", 1920}}), Ids{c});
  EXPECT_EQ(found({{"city", Match::prefix("O")}}), Ids{c});
  EXPECT_EQ(found({{"city", Match::any()}}, Order::descending), (Ids{b, a, c}));
  const ReadView view = store->read();
  EXPECT_EQ(code(view.find_nodes("Person", "born", 1900)), ErrorCode::not_found);
  EXPECT_EQ(code(view.find_nodes("Person", {{"city", Match::above("A")}, {"born", 1900}})),
            ErrorCode::not_found);
  EXPECT_EQ(code(view.find_nodes("City", "city", "Rome")), ErrorCode::not_found);
  create(SchemaSpec::node_index("Person", {"born", "city"}, IndexKind::hash));
  EXPECT_EQ(found({{"city", "Oslo"}, {"born", 1920}}), Ids{c});
}

TEST_F(IndexTest, EdgesHaveIndexesToo) {
  create(SchemaSpec::edge_index("KNOWS", {"since"}));
  const NodeId a = person({});
  const NodeId b = person({});
  const EdgeId old = *store->create_edge(a, "KNOWS", b, {{"since", 1990}});
  const EdgeId young = *store->create_edge(b, "KNOWS", a, {{"since", 2020}});
  ASSERT_TRUE(store->create_edge(a, "LIKES", b, {{"since", 2000}}));
  ASSERT_TRUE(store->create_edge(a, "KNOWS", b));
  {
    const ReadView view = store->read();
    std::vector<EdgeId> all;
    auto matches = view.find_edges("KNOWS", "since", Match::at_least(1900));
    ASSERT_TRUE(matches);
    for (const Edge edge : *matches) {
      all.push_back(edge.id());
      EXPECT_EQ(*edge["since"].as_int64(), edge.id() == old ? 1990 : 2020);
    }
    EXPECT_EQ(all, (std::vector<EdgeId>{old, young}));
    EXPECT_EQ(*view.find_edge("KNOWS", "since", 2020), young);
  }
  ASSERT_TRUE(store->set(old, "since", 2021));
  ASSERT_TRUE(store->delete_edge(young));
  {
    const ReadView view = store->read();
    EXPECT_EQ(*view.find_edge("KNOWS", "since", 2021), old);
    EXPECT_EQ(*view.find_edge("KNOWS", "since", 2020), std::nullopt);
  }
  expect_sound();
}

TEST_F(IndexTest, EachViewSeesItsOwnMoment) {
  create(SchemaSpec::node_index("Person", {"n"}));
  const NodeId a = person({{"n", 1}});
  const NodeId b = person({{"n", 1}});
  {
    const ReadView before = store->read();
    ASSERT_TRUE(store->set(a, "n", 2));
    ASSERT_TRUE(store->delete_node(b));
    const NodeId c = person({{"n", 1}});
    ASSERT_TRUE(store->remove_label(c, "Person"));
    ASSERT_TRUE(store->maintain());
    const ReadView after = store->read();
    EXPECT_EQ(found(before, {{"n", 1}}), (Ids{a, b}));
    EXPECT_TRUE(found(before, {{"n", 2}}).empty());
    EXPECT_TRUE(found(after, {{"n", 1}}).empty());
    EXPECT_EQ(found(after, {{"n", 2}}), Ids{a});
    EXPECT_EQ(found(before, {{"n", Match::any()}}), (Ids{a, b}));
  }
  expect_sound();
  EXPECT_EQ(store->schema().front().entries, 1U);
}

TEST_F(IndexTest, ServesViewsThatAreOlderThanItself) {
  const NodeId a = person({{"n", 1}});
  {
    const ReadView before = store->read();
    ASSERT_TRUE(store->set(a, "n", 2));
    create(SchemaSpec::node_index("Person", {"n"}));
    EXPECT_EQ(found(before, {{"n", 1}}), Ids{a});
    EXPECT_TRUE(found(before, {{"n", 2}}).empty());
  }
  EXPECT_EQ(found({{"n", 2}}), Ids{a});
  expect_sound();
}

TEST_F(IndexTest, ATransactionSeesItsOwnWrites) {
  create(SchemaSpec::node_index("Person", {"n"}));
  const NodeId a = person({{"n", 1}});
  {
    auto tx = *store->begin();
    ASSERT_TRUE(tx.set(a, "n", 2));
    const NodeId b = *tx.create_node({"Person"}, {{"n", 2}});
    EXPECT_TRUE(found(tx, {{"n", 1}}).empty());
    EXPECT_EQ(found(tx, {{"n", 2}}), (Ids{a, b}));
    const Savepoint here = *tx.savepoint();
    ASSERT_TRUE(tx.delete_node(b));
    ASSERT_TRUE(tx.set(a, "n", 3));
    EXPECT_EQ(found(tx, {{"n", Match::any()}}), Ids{a});
    ASSERT_TRUE(tx.rollback_to(here));
    EXPECT_EQ(found(tx, {{"n", 2}}), (Ids{a, b}));
    EXPECT_EQ(found({{"n", Match::any()}}), Ids{a});
    ASSERT_TRUE(tx.abort());
  }
  EXPECT_EQ(found({{"n", 1}}), Ids{a});
  expect_sound();
  EXPECT_EQ(store->schema().front().entries, 1U);
}

TEST_F(IndexTest, LargeIndexesComeInBatchesWithoutGapsOrRepeats) {
  create(SchemaSpec::node_index("Person", {"n"}));
  std::vector<NewNode> nodes;
  const LabelRef label("Person");
  std::vector<Property> values;
  values.reserve(5000);
  for (int i = 0; i < 5000; ++i) {
    values.push_back({"n", i / 3});
  }
  for (const Property& value : values) {
    nodes.push_back({std::span(&label, 1), std::span(&value, 1)});
  }
  ASSERT_TRUE(store->create_nodes(nodes));
  const Ids up = found({{"n", Match::any()}});
  Ids down = found({{"n", Match::any()}}, Order::descending);
  ASSERT_EQ(up.size(), 5000U);
  std::reverse(down.begin(), down.end());
  EXPECT_EQ(up, down);
  EXPECT_EQ(found({{"n", Match::between(100, 199)}}).size(), 300U);
}

TEST_F(IndexTest, RefusesWhatItCannotHold) {
  create(SchemaSpec::node_index("Person", {"v"}));
  const NodeId a = person({{"v", 1}});
  const std::uint64_t entries = store->stats().log_entries;
  EXPECT_EQ(code(store->create_node({"Person"}, {{"v", Value(List{1, 2})}})),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code(store->set(a, "v", Value(Map{{"k", 1}}))), ErrorCode::invalid_argument);
  EXPECT_EQ(code(store->set(a, "v", std::string(9000, 'x'))), ErrorCode::too_large);
  EXPECT_EQ(store->stats().log_entries, entries);
  EXPECT_EQ(found({{"v", Match::any()}}), Ids{a});
  ASSERT_TRUE(store->create_node({"Thing"}, {{"v", Value(List{1, 2})}}));
  ASSERT_TRUE(store->set(a, "v", std::string(8000, 'x')));
  expect_sound();
}

TEST_F(IndexTest, SurvivesReopeningFromLogAndFromACheckpoint) {
  create(SchemaSpec::node_index("Person", {"n"}));
  create(SchemaSpec::node_index("Person", {"name"}, IndexKind::hash));
  const NodeId a = person({{"n", 1}, {"name", "Ada"}});
  const NodeId b = person({{"n", 2}, {"name", "Bob"}});
  const auto before = store->schema();
  for (const bool checkpoint : {false, true, true}) {
    if (checkpoint) {
      ASSERT_TRUE(store->checkpoint());
    }
    reopen();
    ASSERT_EQ(store->schema().size(), 2U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(store->schema()[i].spec, before[i].spec);
      EXPECT_EQ(store->schema()[i].defined, before[i].defined);
    }
    EXPECT_EQ(found({{"n", Match::at_least(1)}}), (Ids{a, b}));
    EXPECT_EQ(found({{"name", "Bob"}}), Ids{b});
    expect_sound();
  }
  ASSERT_TRUE(store->drop_schema(before[0].spec.name));
  for (const bool checkpoint : {false, true}) {
    if (checkpoint) {
      ASSERT_TRUE(store->checkpoint());
    }
    reopen();
    ASSERT_EQ(store->schema().size(), 1U);
    EXPECT_EQ(store->schema()[0].spec, before[1].spec);
  }
  create(SchemaSpec::node_index("Person", {"n"}));
  reopen();
  EXPECT_EQ(found({{"n", 2}}), Ids{b});
}

TEST_F(IndexTest, TravelsWithABackup) {
  create(SchemaSpec::node_unique("Person", {"name"}));
  person({{"name", "Ada"}});
  ASSERT_TRUE(store->backup("/copy"));
  Options options;
  options.file_system = &files_;
  options.background_maintenance = false;
  auto copy = Store::open("/copy", options);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_EQ(copy->schema().size(), 1U);
  EXPECT_EQ(code(copy->create_node({"Person"}, {{"name", "Ada"}})), ErrorCode::constraint_violated);
}

TEST_F(IndexTest, RefusesWhatIsThereAndWhatIsNot) {
  create(SchemaSpec::node_index("Person", {"n"}));
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_index("Person", {"n"}))),
            ErrorCode::already_exists);
  SchemaSpec named = SchemaSpec::node_index("City", {"n"});
  named.name = "index nodes Person(n)";
  EXPECT_EQ(code(store->create_schema(named)), ErrorCode::already_exists);
  EXPECT_EQ(code(store->drop_schema("nothing")), ErrorCode::not_found);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_index("Person", {}))),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_index("Person", {"a", "a"}))),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_index("", {"a"}))),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code(store->create_schema(SchemaSpec::node_type("Person", "a", ValueType::null))),
            ErrorCode::invalid_argument);
  EXPECT_EQ(store->schema().size(), 1U);
  ASSERT_TRUE(store->create_schema(SchemaSpec::node_index("Person", {"n"}, IndexKind::hash)));
}

}  // namespace
}  // namespace selvedge
