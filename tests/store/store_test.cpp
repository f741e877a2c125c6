#include <gtest/gtest.h>

#include <selvedge/store.h>

#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

using test::TempDirectory;

template <class T>
std::string message(const Result<T>& result) {
  return result ? std::string("no error") : result.error().message();
}

std::optional<std::int64_t> number(const Store& store, NodeId id, const char* key) {
  const ReadView view = store.read();
  const auto node = view.get(id);
  return node ? (*node)[key].as_int64() : std::nullopt;
}

#define ASSERT_OK(expression) \
  do { \
    const auto& checked_result = (expression); \
    ASSERT_TRUE(checked_result) << message(checked_result); \
  } while (false)

TEST(Store, KeepsWhatWasCommittedAcrossReopen) {
  TempDirectory directory;
  NodeId ada;
  NodeId charles;
  {
    auto store = Store::open(directory.path("s"));
    ASSERT_OK(store);
    auto made = store->transact([&](Transaction& tx) -> Result<EdgeId> {
      SELVEDGE_TRY(ada, tx.create_node({"Person"}, {{"name", "Ada"}, {"born", 1815}}));
      SELVEDGE_TRY(charles, tx.create_node({"Person"}, {{"name", "Charles"}}));
      return tx.create_edge(ada, "KNOWS", charles, {{"since", 1833}});
    });
    ASSERT_OK(made);
    EXPECT_TRUE(store->check().faults.empty());
    ASSERT_OK(store->close());
  }
  auto store = Store::open(directory.path("s"));
  ASSERT_OK(store);
  EXPECT_TRUE(store->recovery_report().clean_close);
  const auto view = store->read();
  ASSERT_TRUE(view.exists(ada));
  EXPECT_EQ(view.get(ada)->operator[]("name").as_string(), "Ada");
  EXPECT_EQ(view.get(ada)->operator[]("born").as_int64(), 1815);
  int edges = 0;
  for (const auto& edge : view.out_edges(ada, "KNOWS")) {
    EXPECT_EQ(edge.target(), charles);
    EXPECT_EQ(edge["since"].as_int64(), 1833);
    ++edges;
  }
  EXPECT_EQ(edges, 1);
  EXPECT_EQ(view.node_count("Person"), 2U);
  EXPECT_TRUE(store->check().faults.empty());
}

TEST(Store, SecondOpenIsLocked) {
  TempDirectory directory;
  auto first = Store::open(directory.path("s"));
  ASSERT_OK(first);
  auto second = Store::open(directory.path("s"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::locked);
}

TEST(Store, AbortLeavesNothing) {
  TempDirectory directory;
  auto store = Store::open(directory.path("s"));
  ASSERT_OK(store);
  auto tx = store->begin();
  ASSERT_OK(tx);
  auto node = tx->create_node({"A"}, {});
  ASSERT_OK(node);
  EXPECT_TRUE(tx->exists(*node));
  EXPECT_FALSE(store->read().exists(*node));
  ASSERT_OK(tx->abort());
  EXPECT_FALSE(store->read().exists(*node));
  EXPECT_EQ(tx->commit().error().code(), ErrorCode::finished);
  EXPECT_TRUE(store->check().faults.empty());
}

TEST(Store, FirstUpdaterWins) {
  TempDirectory directory;
  auto store = Store::open(directory.path("s"));
  ASSERT_OK(store);
  auto node = store->create_node({"A"}, {{"n", 0}});
  ASSERT_OK(node);
  auto one = store->begin();
  auto two = store->begin();
  ASSERT_OK(one->set(*node, "n", 1));
  auto lost = two->set(*node, "n", 2);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), ErrorCode::conflict);
  ASSERT_OK(one->commit());
  EXPECT_EQ(two->set(*node, "n", 2).error().code(), ErrorCode::conflict);
  EXPECT_EQ(number(*store, *node, "n"), 1);
}

TEST(Store, CheckpointThenReopenUsesTheSnapshot) {
  TempDirectory directory;
  std::string digest;
  {
    auto store = Store::open(directory.path("s"));
    ASSERT_OK(store);
    std::vector<NodeId> nodes;
    for (int i = 0; i < 100; ++i) {
      auto node = store->create_node({"N"}, {{"i", i}});
      ASSERT_OK(node);
      nodes.push_back(*node);
    }
    for (int i = 0; i < 300; ++i) {
      ASSERT_OK(store->create_edge(nodes[static_cast<std::size_t>(i % 100)], "E",
                                   nodes[static_cast<std::size_t>(i * 7 % 100)]));
    }
    for (int round = 0; round < 3; ++round) {
      ASSERT_OK(store->checkpoint());
      ASSERT_OK(store->set(nodes[5], "round", round));
    }
    digest = store->digest();
  }
  auto store = Store::open(directory.path("s"));
  ASSERT_OK(store);
  EXPECT_FALSE(store->recovery_report().snapshot.empty());
  EXPECT_EQ(store->digest(), digest);
  const auto report = store->check();
  EXPECT_TRUE(report.faults.empty()) << report.faults.front();
}

TEST(Store, SavepointRollsBackLoggedAndUnloggedWork) {
  for (const std::uint32_t buffer : {0U, 64U, 65536U}) {
    TempDirectory directory;
    Options options;
    options.transaction_buffer_bytes = buffer;
    std::string digest;
    NodeId kept;
    {
      auto store = Store::open(directory.path("s"), options);
      ASSERT_OK(store);
      auto base = store->create_node({"Base"}, {{"v", 1}});
      ASSERT_OK(base);
      auto tx = store->begin();
      ASSERT_OK(tx);
      kept = *tx->create_node({"Kept"}, {});
      ASSERT_OK(tx->set(*base, "v", 2));
      auto savepoint = tx->savepoint();
      ASSERT_OK(savepoint);
      auto dropped = tx->create_node({"Dropped"}, {});
      ASSERT_OK(dropped);
      ASSERT_OK(tx->create_edge(*base, "E", *dropped));
      ASSERT_OK(tx->set(*base, "v", 3));
      ASSERT_OK(tx->add_label(*base, "Extra"));
      ASSERT_OK(tx->rollback_to(*savepoint));
      EXPECT_FALSE(tx->exists(*dropped));
      EXPECT_EQ(tx->get(*base)->operator[]("v").as_int64(), 2);
      ASSERT_OK(tx->commit());
      EXPECT_EQ(number(*store, *base, "v"), 2);
      EXPECT_EQ(store->read().node_count(), 2U);
      const auto report = store->check();
      EXPECT_TRUE(report.faults.empty()) << report.faults.front();
      digest = store->digest();
    }
    auto store = Store::open(directory.path("s"), options);
    ASSERT_OK(store);
    EXPECT_EQ(store->digest(), digest) << "buffer " << buffer;
    const auto report = store->check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  }
}

}  // namespace
}  // namespace selvedge
