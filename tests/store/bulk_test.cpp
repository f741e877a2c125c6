// Operations on many entities: together or not at all, of any size.

#include <numeric>

#include "tests/store/store_fixture.h"
#include "tests/support/seams.h"

namespace selvedge {
namespace {

class Bulk : public StoreTest {
 protected:
  void reopen_with(const std::function<void(Options&)>& change) {
    close();
    change(options);
    open();
  }
  std::vector<EdgeId> hub(NodeId from, NodeId to, std::size_t count) {
    const std::vector<NewEdge> edges(count, NewEdge{from, "E", to, {}});
    auto made = store->create_edges(edges);
    EXPECT_TRUE(made) << made.error().message();
    return made ? *made : std::vector<EdgeId>{};
  }
  /// A detach that meets another writer's change after `met` of the hub's edges.
  void detach_that_fails(std::size_t degree, int met) {
    const NodeId a = node();
    const NodeId b = node();
    const auto edges = hub(a, b, degree);
    test::Seams seams;
    std::string before;
    {
      Transaction tx = begin();
      must(tx.set(b, "v", 7));
      seams.at("txn.delete_edge.marked", met, [&] { must(store->set(edges.back(), "w", 1)); });
      const Status failed = tx.detach_delete_node(a);
      ASSERT_FALSE(failed);
      EXPECT_EQ(failed.error().code(), ErrorCode::conflict) << failed.error().message();
      EXPECT_EQ(tx.edge_count(), degree);
      EXPECT_EQ(tx.node_count("N"), 2U);
      EXPECT_EQ(tx.degree(a, Direction::out), degree);
      must(tx.set(a, "v", 8));  // the transaction goes on
      ASSERT_TRUE(tx.commit());
    }
    EXPECT_TRUE(seams.done());
    EXPECT_EQ(store->read().edge_count(), degree);
    EXPECT_EQ(store->read().degree(b, Direction::in), degree);
    EXPECT_EQ(value(a), 8);
    EXPECT_EQ(value(b), 7);
    expect_sound();
    before = store->digest();
    lose_power();
    EXPECT_EQ(store->digest(), before);
    expect_sound();
    must(store->detach_delete_node(a));
    EXPECT_EQ(store->read().edge_count(), 0U);
    reopen();
    EXPECT_EQ(store->read().edge_count(), 0U);
    EXPECT_EQ(store->read().node_count(), 1U);
    expect_sound();
  }
};

TEST_F(Bulk, ADetachThatFailsAfterSpillsChangesNothing) { detach_that_fails(10'000, 9'000); }

TEST_F(Bulk, ADetachThatFailsBeforeTheFirstSpillChangesNothing) { detach_that_fails(6'000, 200); }

TEST_F(Bulk, ADetachThatFailsInALargeBufferChangesNothing) {
  reopen_with([](Options& each) {
    each.transaction_buffer_bytes = std::uint32_t{1} << 20;
    each.segment_bytes = std::uint64_t{64} << 20;
  });
  detach_that_fails(80'000, 79'000);
}

class BulkSizes : public Bulk, public ::testing::WithParamInterface<std::size_t> {};

/// One frame holds 64 MiB: these need one, just over one, and several.
TEST_P(BulkSizes, CreatesAndDeletesOfManyMegabytes) {
  reopen_with([](Options& each) { each.segment_bytes = std::uint64_t{64} << 20; });
  const std::string text(GetParam(), 'x');
  const std::vector<Property> properties{{"v", text}};
  const std::vector<NewNode> nodes(4096, NewNode{{}, properties});
  const auto made = store->create_nodes(nodes);
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_EQ(made->size(), nodes.size());
  EXPECT_EQ(store->read().node_count(), nodes.size());
  lose_power();
  EXPECT_EQ(store->read().node_count(), nodes.size());
  const auto view = store->read();
  EXPECT_EQ((*view.get(made->back()))["v"].as_string()->size(), text.size());
  must(store->delete_nodes(*made));
  EXPECT_EQ(store->read().node_count(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Sizes, BulkSizes, ::testing::Values(1'000, 16'384, 20'000));

TEST_F(Bulk, DeletesOfTheLargestNodes) {
  reopen_with([](Options& each) { each.segment_bytes = std::uint64_t{64} << 20; });
  const NodeId hub_node = node();
  const std::string text(15'000'000, 'x');
  std::vector<NodeId> ids;
  for (int i = 0; i < 20; ++i) {
    const auto made = store->create_node({}, {{"v", text}});
    ASSERT_TRUE(made) << made.error().message();
    ids.push_back(*made);
    ASSERT_TRUE(store->create_edge(hub_node, "E", *made, {{"v", text}}));
  }
  must(store->detach_delete_node(hub_node));
  EXPECT_EQ(store->read().edge_count(), 0U);
  Transaction tx = begin();
  must(tx.delete_nodes(std::span<const NodeId>(ids).first(5)));
  ASSERT_TRUE(tx.commit());
  must(store->delete_nodes(std::span<const NodeId>(ids).subspan(5)));
  EXPECT_EQ(store->read().node_count(), 0U);
  lose_power();
  EXPECT_EQ(store->read().node_count(), 0U);
  EXPECT_EQ(store->read().edge_count(), 0U);
}

TEST_F(Bulk, ABufferLargerThanAFrameIsNotFilled) {
  reopen_with([](Options& each) {
    each.transaction_buffer_bytes = std::uint32_t{128} << 20;
    each.segment_bytes = std::uint64_t{64} << 20;
  });
  const std::string text(1 << 20, 'x');
  Transaction tx = begin();
  for (int i = 0; i < 80; ++i) {
    ASSERT_TRUE(tx.create_node({}, {{"v", text}}));
  }
  ASSERT_TRUE(tx.commit());
  lose_power();
  EXPECT_EQ(store->read().node_count(), 80U);
}

/// Fresh ids differ in their high bits only: a table whose size is a power of two must not see them
/// as one.
TEST_F(Bulk, FreshIdsSpreadOverSmallTables) {
  constexpr std::size_t buckets = std::size_t{1} << 14;
  std::vector<std::uint32_t> used(buckets);
  std::uint32_t most = 0;
  for (std::uint64_t slot = 0; slot < buckets; ++slot) {
    const std::size_t hash = std::hash<NodeId>{}(NodeId{id_bits::make(slot, 1)});
    EXPECT_EQ(hash, std::hash<EdgeId>{}(EdgeId{id_bits::make(slot, 1)}));
    most = std::max(most, ++used[hash % buckets]);
  }
  EXPECT_LE(most, 16U);
}

TEST_F(Bulk, RollsBackManyLoggedRecords) {
  constexpr int count = 20'000;
  const NodeId kept = node();
  Transaction tx = begin();
  must(tx.set(kept, "v", 1));
  const auto mark = tx.savepoint();
  ASSERT_TRUE(mark);
  for (int i = 0; i < count; ++i) {
    ASSERT_TRUE(tx.create_node({}, {{"v", std::string(10, 'x')}}));
  }
  must(tx.rollback_to(*mark));
  EXPECT_EQ(tx.node_count(), 1U);
  ASSERT_TRUE(tx.commit());
  lose_power();
  EXPECT_EQ(value(kept), 1);
  EXPECT_EQ(store->read().node_count(), 1U);
  expect_sound();
}

TEST_F(Bulk, ManyUpdatesOfOneNodeInOneTransaction) {
  constexpr int count = 100'000;  // stamping them one by one from the head would take minutes
  const NodeId a = node();
  Transaction tx = begin();
  for (int i = 1; i <= count; ++i) {
    must(tx.set(a, "v", i));
  }
  ASSERT_TRUE(tx.commit());
  EXPECT_EQ(value(a), count);
  lose_power();
  EXPECT_EQ(value(a), count);
}

TEST_F(Bulk, ManyUpdatesUnderAnOldView) {
  reopen_with([](Options& each) { each.sync = SyncMode::none; });
  constexpr std::size_t count = 20'000;
  const std::vector<NewNode> nodes(count, NewNode{});
  const auto ids = store->create_nodes(nodes);
  ASSERT_TRUE(ids);
  {
    const auto view = store->read();
    for (std::int64_t round = 1; round <= 2; ++round) {
      for (const NodeId id : *ids) {
        must(store->set(id, "v", round));
      }
      must(store->maintain());
    }
    EXPECT_FALSE((*view.get(ids->front()))["v"].as_int64());
    EXPECT_LT(store->stats().finished_waiting, 1'000U);
  }
  EXPECT_EQ(value(ids->back()), 2);
  expect_sound();
}

}  // namespace
}  // namespace selvedge
