// What is created and deleted for ever must not grow the store.

#include <gtest/gtest.h>
#include <malloc.h>
#include <selvedge/store.h>

#include "tests/support/sanitizers.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

using test::TempDirectory;

constexpr int cycles = test::sanitized ? 20'000 : 200'000;

class Churn : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.sync = SyncMode::none;
    auto opened = Store::open(directory_.path("s"), options_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_.emplace(std::move(*opened));
  }
  /// Runs `cycle` often, and expects the memory of the second half to be that of the first.
  void expect_stable(int count, const std::function<void(int)>& cycle) {
    std::uint64_t graph_bytes = 0;
    std::uint64_t heap_bytes = 0;
    for (int i = 0; i < count; ++i) {
      cycle(i);
      if (::testing::Test::HasFatalFailure()) {
        return;
      }
      if (i == count / 2) {
        graph_bytes = store_->stats().memory_reserved_bytes;
        heap_bytes = ::mallinfo2().uordblks;
      }
    }
    EXPECT_LE(store_->stats().memory_reserved_bytes, graph_bytes + (std::uint64_t{4} << 20));
    EXPECT_LE(::mallinfo2().uordblks, heap_bytes + (std::uint64_t{4} << 20));
    const CheckReport report = store_->check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  }

  TempDirectory directory_;
  Options options_;
  std::optional<Store> store_;
};

TEST_F(Churn, AMillionCreateAndDeleteCyclesDoNotGrowTheStore) {
  const auto hub = store_->create_node({"Hub"});
  ASSERT_TRUE(hub);
  expect_stable(test::sanitized ? 50'000 : 1'000'000, [&](int i) {
    auto tx = store_->begin();
    ASSERT_TRUE(tx);
    const auto node = tx->create_node({"Leaf"}, {{"n", i}, {"text", "some bytes of text"}});
    ASSERT_TRUE(node);
    ASSERT_TRUE(tx->create_edge(*hub, "TO", *node, {{"n", i}}));
    ASSERT_TRUE(tx->commit());
    auto remover = store_->begin();
    ASSERT_TRUE(remover);
    ASSERT_TRUE(remover->detach_delete_node(*node));
    ASSERT_TRUE(remover->commit());
  });
  EXPECT_EQ(store_->read().node_count(), 1U);
}

TEST_F(Churn, UpdatesOfOneNodeDoNotGrowTheStore) {
  const auto node = store_->create_node({"Counter"}, {{"n", 0}});
  ASSERT_TRUE(node);
  expect_stable(cycles, [&](int i) { ASSERT_TRUE(store_->set(*node, "n", i)); });
}

TEST_F(Churn, AbortedTransactionsDoNotGrowTheStore) {
  const auto node = store_->create_node({"Hub"}, {{"n", 0}});
  ASSERT_TRUE(node);
  expect_stable(cycles, [&](int i) {
    auto tx = store_->begin();
    ASSERT_TRUE(tx);
    ASSERT_TRUE(tx->set(*node, "n", i));
    const auto leaf = tx->create_node({"Leaf"});
    ASSERT_TRUE(leaf);
    ASSERT_TRUE(tx->create_edge(*node, "TO", *leaf));
    ASSERT_TRUE(tx->abort("not wanted"));
  });
}

TEST_F(Churn, AnOldViewHoldsWhatItSeesAndNoMore) {
  const auto node = store_->create_node({"Counter"}, {{"n", -1}});
  ASSERT_TRUE(node);
  {
    const auto view = store_->read();
    expect_stable(cycles, [&](int i) { ASSERT_TRUE(store_->set(*node, "n", i)); });
    EXPECT_EQ((*view.get(*node))["n"].as_int64(), -1);
  }
}

TEST_F(Churn, WhatIsCreatedAndDeletedBehindAnOldViewIsGivenBack) {
  const auto hub = store_->create_node({"Hub"});
  const auto old = store_->create_node({"Leaf"}, {{"n", -1}});
  ASSERT_TRUE(hub && old);
  ASSERT_TRUE(store_->create_edge(*hub, "TO", *old));
  const auto view = store_->read();
  expect_stable(cycles, [&](int i) {
    auto tx = store_->begin();
    ASSERT_TRUE(tx);
    const auto node = tx->create_node({"Leaf"}, {{"n", i}});
    ASSERT_TRUE(node);
    ASSERT_TRUE(tx->create_edge(*hub, "TO", *node, {{"n", i}}));
    ASSERT_TRUE(tx->create_edge(*node, "BACK", *hub));
    ASSERT_TRUE(tx->commit());
    ASSERT_TRUE(store_->detach_delete_node(*node));
    if (i == 100) {
      ASSERT_TRUE(store_->detach_delete_node(*old));
    }
  });
  EXPECT_EQ(view.node_count("Leaf"), 1U);
  EXPECT_EQ(view.degree(*hub, Direction::out), 1U);
  EXPECT_TRUE(view.exists(*old));
  EXPECT_EQ((*view.get(*old))["n"].as_int64(), -1);
  const auto now = store_->read();
  EXPECT_EQ(now.node_count("Leaf"), 0U);
  EXPECT_EQ(now.degree(*hub, Direction::out), 0U);
  EXPECT_FALSE(now.exists(*old));
}

}  // namespace
}  // namespace selvedge
