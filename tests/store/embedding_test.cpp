// Vectors beside the nodes' images.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include "tests/support/memory_file_system.h"

namespace selvedge {
namespace {

using test::Keep;
using test::MemoryFileSystem;
using Vector = std::vector<float>;

class Embeddings : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.file_system = files_.get();
    open();
    node_ = *store_->create_node({"Page"}, {{"title", "a"}});
  }
  void open() {
    auto opened = Store::open("/db", options_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_.emplace(std::move(*opened));
  }
  void reopen() {
    ASSERT_TRUE(store_->close());
    store_.reset();
    open();
  }
  void lose_power(Keep keep) {
    auto after = files_->crash(keep, 1);
    store_.reset();
    files_ = std::move(after);
    options_.file_system = files_.get();
    open();
  }
  std::optional<Vector> value() const { return store_->read().embedding(node_, "e"); }

  std::unique_ptr<MemoryFileSystem> files_ = std::make_unique<MemoryFileSystem>();
  Options options_;
  std::optional<Store> store_;
  NodeId node_;
};

TEST_F(Embeddings, ComeBackAfterPowerLossCheckpointAndReopen) {
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{1, 2, 3}));
  lose_power(Keep::nothing);
  EXPECT_EQ(value(), (Vector{1, 2, 3}));
  ASSERT_TRUE(store_->checkpoint());
  ASSERT_TRUE(store_->checkpoint());
  reopen();
  EXPECT_EQ(value(), (Vector{1, 2, 3}));
  EXPECT_TRUE(store_->check().faults.empty());
}

TEST_F(Embeddings, AViewKeepsTheValueThatItOpenedAt) {
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{1}));
  const auto view = store_->read();
  for (float i = 2; i < 50; ++i) {
    ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{i}));
  }
  EXPECT_EQ(view.embedding(node_, "e"), Vector{1});
  EXPECT_EQ(value(), Vector{49});
}

TEST_F(Embeddings, AnEmptyOneRemoves) {
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{1}));
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{}));
  EXPECT_EQ(value(), std::nullopt);
  lose_power(Keep::nothing);
  EXPECT_EQ(value(), std::nullopt);
}

TEST_F(Embeddings, TouchNeitherImageNorDigestAndNeverConflict) {
  const std::string digest = store_->digest();
  auto tx = store_->begin();
  ASSERT_TRUE(tx);
  ASSERT_TRUE(tx->set(node_, "title", "b"));
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{1}));
  EXPECT_EQ(store_->digest(), digest);
  ASSERT_TRUE(tx->commit());
  EXPECT_EQ(value(), Vector{1});
  const auto view = store_->read();
  EXPECT_EQ((*view.get(node_))["title"].as_string(), "b");
}

TEST_F(Embeddings, GoWithTheirNode) {
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{1}));
  ASSERT_TRUE(store_->delete_node(node_));
  EXPECT_EQ(value(), std::nullopt);
  const Status late = store_->set_embedding(node_, "e", Vector{1});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::not_found);
  reopen();
  EXPECT_EQ(value(), std::nullopt);
}

TEST_F(Embeddings, TooLargeOnesAreRefused) {
  const Vector limit(256 * 1024, 0.5F);
  ASSERT_TRUE(store_->set_embedding(node_, "e", limit));
  const Vector more(limit.size() + 1);
  const Status refused = store_->set_embedding(node_, "e", more);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::too_large);
  lose_power(Keep::nothing);
  EXPECT_EQ(value(), limit);
}

TEST_F(Embeddings, ABackupHasThem) {
  ASSERT_TRUE(store_->set_embedding(node_, "e", Vector{1, 2}));
  ASSERT_TRUE(store_->backup("/copy"));
  auto copy = Store::open("/copy", options_);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_EQ(copy->read().embedding(node_, "e"), (Vector{1, 2}));
}

TEST_F(Embeddings, WhatAKilledProcessLeftInTheCacheIsDurableOnceItWasRead) {
  ASSERT_TRUE(store_->close());
  store_.reset();
  options_.sync = SyncMode::none;
  options_.log_buffer_bytes = 64U << 10;
  open();
  for (int i = 0; i < 3000; ++i) {  // more than the log's buffer
    ASSERT_TRUE(store_->create_node({"Page"}));
  }
  lose_power(Keep::cached);  // the process died, the system did not
  const std::uint64_t found = store_->read().node_count();
  ASSERT_GT(found, 1U);
  lose_power(Keep::nothing);  // now the system does
  EXPECT_EQ(store_->read().node_count(), found);
}

}  // namespace
}  // namespace selvedge
