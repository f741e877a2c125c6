// Real threads on one store. Run under ThreadSanitizer and AddressSanitizer too.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/memory_file_system.h"

namespace selvedge {
namespace {

using test::Keep;
using test::MemoryFileSystem;

class Concurrency : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.file_system = &files_;
    options_.segment_bytes = std::uint64_t{256} << 10;
    options_.log_buffer_bytes = 64U << 10;
    open();
  }
  void open() {
    auto opened = Store::open("/db", options_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_.emplace(std::move(*opened));
  }
  void run(std::vector<std::function<void()>> bodies) {
    std::vector<std::thread> threads;
    threads.reserve(bodies.size());
    for (auto& body : bodies) {
      threads.emplace_back(std::move(body));
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  /// Sound now, and the same after a clean reopen.
  void expect_sound() {
    const CheckReport report = store_->check();
    ASSERT_TRUE(report.faults.empty()) << report.faults.front();
    const std::string digest = store_->digest();
    const Status closed = store_->close();
    ASSERT_TRUE(closed) << closed.error().message();
    store_.reset();
    open();
    EXPECT_EQ(store_->digest(), digest);
  }

  MemoryFileSystem files_;
  Options options_;
  std::optional<Store> store_;
};

constexpr int rounds = 1000;

TEST_F(Concurrency, WritersOfDisjointNodesNeverConflict) {
  std::atomic<int> conflicts{0};
  std::vector<std::function<void()>> bodies;
  for (int t = 0; t < 4; ++t) {
    bodies.emplace_back([&] {
      const auto mine = store_->create_node({"Own"}, {{"n", 0}});
      ASSERT_TRUE(mine);
      for (int i = 1; i <= rounds; ++i) {
        auto tx = store_->begin();
        ASSERT_TRUE(tx);
        if (!tx->set(*mine, "n", i) || !tx->create_edge(*mine, "SELF", *mine) || !tx->commit()) {
          ++conflicts;
        }
      }
    });
  }
  run(std::move(bodies));
  EXPECT_EQ(conflicts, 0);
  EXPECT_EQ(store_->read().edge_count("SELF"), 4U * rounds);
  expect_sound();
}

TEST_F(Concurrency, WritersOnOneHubNeverConflict) {
  const auto hub = store_->create_node({"Hub"});
  ASSERT_TRUE(hub);
  std::atomic<int> failures{0};
  std::vector<std::function<void()>> bodies;
  for (int t = 0; t < 4; ++t) {
    bodies.emplace_back([&] {
      for (int i = 0; i < rounds * 2; ++i) {
        auto tx = store_->begin();
        ASSERT_TRUE(tx);
        const auto leaf = tx->create_node({"Leaf"});
        if (!leaf || !tx->create_edge(*hub, "TO", *leaf) || !tx->create_edge(*leaf, "BACK", *hub) ||
            !tx->commit()) {
          ++failures;
        }
      }
    });
  }
  run(std::move(bodies));
  EXPECT_EQ(failures, 0);
  const auto view = store_->read();
  EXPECT_EQ(view.degree(*hub, Direction::out), 8U * rounds);
  EXPECT_EQ(view.degree(*hub, Direction::in), 8U * rounds);
}

TEST_F(Concurrency, LostUpdatesDoNotHappen) {
  const auto counter = store_->create_node({"Counter"}, {{"n", 0}});
  ASSERT_TRUE(counter);
  std::vector<std::function<void()>> bodies;
  for (int t = 0; t < 4; ++t) {
    bodies.emplace_back([&] {
      for (int i = 0; i < rounds / 2; ++i) {
        const Status done = store_->transact(
            [&](Transaction& tx) -> Status {
              SELVEDGE_TRY(const Node node, tx.get(*counter));
              return tx.set(*counter, "n", *node["n"].as_int64() + 1);
            },
            {.attempts_max = 100000});
        ASSERT_TRUE(done) << done.error().message();
      }
    });
  }
  run(std::move(bodies));
  const auto view = store_->read();
  EXPECT_EQ((*view.get(*counter))["n"].as_int64(), 2 * rounds);
}

/// Moves one unit between two nodes; every view must see the same sum.
TEST_F(Concurrency, ReadersSeeWholeTransactionsDuringWritesAndCheckpoints) {
  std::vector<NodeId> nodes;
  for (int i = 0; i < 8; ++i) {
    auto node = store_->create_node({"Account"}, {{"n", 100}});
    ASSERT_TRUE(node);
    nodes.push_back(*node);
  }
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::function<void()>> bodies;
  for (unsigned t = 0; t < 2; ++t) {
    bodies.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < rounds; ++i) {
        const NodeId from = nodes[random() % nodes.size()];
        const NodeId to = nodes[random() % nodes.size()];
        if (from == to) {
          continue;
        }
        const Status done = store_->transact(
            [&](Transaction& tx) -> Status {
              SELVEDGE_TRY(const Node a, tx.get(from));
              SELVEDGE_TRY(const Node b, tx.get(to));
              SELVEDGE_TRY(tx.set(from, "n", *a["n"].as_int64() - 1));
              SELVEDGE_TRY(tx.set(to, "n", *b["n"].as_int64() + 1));
              SELVEDGE_TRY(tx.create_edge(from, "PAID", to));
              return {};
            },
            {.attempts_max = 100000});
        ASSERT_TRUE(done) << done.error().message();
      }
      stop = true;
    });
  }
  bodies.emplace_back([&] {
    while (!stop) {
      const auto view = store_->read();
      std::int64_t sum = 0;
      std::uint64_t out = 0;
      std::uint64_t in = 0;
      for (auto cursor = view.nodes("Account"); cursor.next();) {
        sum += *cursor.node()["n"].as_int64();
        out += view.degree(cursor.id(), Direction::out);
        in += view.degree(cursor.id(), Direction::in);
      }
      if (sum != 800 || out != in || out != view.edge_count("PAID")) {
        ++wrong;
      }
    }
  });
  bodies.emplace_back([&] {
    while (!stop) {
      const Status done = store_->checkpoint();
      ASSERT_TRUE(done) << done.error().message();
    }
  });
  run(std::move(bodies));
  EXPECT_EQ(wrong, 0);
  expect_sound();
}

TEST_F(Concurrency, CreatingAndDeletingAroundOneHubLeavesNoDanglingEdge) {
  const auto hub = store_->create_node({"Hub"});
  ASSERT_TRUE(hub);
  std::vector<NodeId> shared;
  for (int i = 0; i < 4; ++i) {
    shared.push_back(*store_->create_node({"Shared"}));
  }
  std::mutex mutex;
  std::vector<std::function<void()>> bodies;
  for (unsigned t = 0; t < 4; ++t) {
    bodies.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < rounds; ++i) {
        const std::size_t index = random() % shared.size();
        NodeId node;
        {
          const std::lock_guard lock(mutex);
          node = shared[index];
        }
        auto tx = store_->begin();
        ASSERT_TRUE(tx);
        if (random() % 4 == 0) {
          const auto fresh = tx->create_node({"Shared"});
          ASSERT_TRUE(fresh);
          if (tx->detach_delete_node(node) && tx->commit()) {
            const std::lock_guard lock(mutex);
            shared[index] = *fresh;
          }
        } else if (tx->create_edge(*hub, "TO", node) && tx->create_edge(node, "NEXT", node)) {
          ASSERT_TRUE(tx->commit());
        }
      }
    });
  }
  run(std::move(bodies));
  expect_sound();
}

TEST_F(Concurrency, AcknowledgedCommitsSurvivePowerLossUnderLoad) {
  std::atomic<bool> stop{false};
  std::vector<std::vector<NodeId>> acknowledged(4);
  std::vector<std::size_t> counts(4);
  std::mutex mutex;
  std::unique_ptr<MemoryFileSystem> after;
  std::vector<std::function<void()>> bodies;
  for (std::size_t t = 0; t < 4; ++t) {
    bodies.emplace_back([&, t] {
      while (!stop) {
        auto tx = store_->begin();
        ASSERT_TRUE(tx);
        const auto node = tx->create_node({"N"}, {{"writer", static_cast<std::int64_t>(t)}});
        ASSERT_TRUE(node);
        ASSERT_TRUE(tx->commit());
        const std::lock_guard lock(mutex);
        acknowledged[t].push_back(*node);
      }
    });
  }
  bodies.emplace_back([&] {
    for (;;) {
      const std::lock_guard lock(mutex);
      if (acknowledged[0].size() + acknowledged[1].size() > 2000) {
        // Nothing is acknowledged between the count and the power failure.
        for (std::size_t t = 0; t < 4; ++t) {
          counts[t] = acknowledged[t].size();
        }
        after = files_.crash(Keep::random, 1);
        stop = true;
        return;
      }
    }
  });
  run(std::move(bodies));
  store_.reset();
  options_.file_system = after.get();
  open();
  {
    const auto view = store_->read();
    for (std::size_t t = 0; t < 4; ++t) {
      for (std::size_t i = 0; i < counts[t]; ++i) {
        ASSERT_TRUE(view.exists(acknowledged[t][i]));
      }
    }
  }
  const CheckReport report = store_->check();
  EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  store_.reset();
}

// --- homes ---------------------------------------------------------------------------------------

class Homes : public Concurrency {
 protected:
  void SetUp() override {
    options_.background_maintenance = false;
    Concurrency::SetUp();
  }
  /// In a thread of its own, so in another home; what it leaves waits there.
  void elsewhere(std::function<void()> body) { run({std::move(body)}); }
  NodeId node() {
    const auto made = store_->create_node({"N"}, {{"v", 0}});
    EXPECT_TRUE(made);
    return made.value_or(NodeId{});
  }
  /// Enough ends for this thread to settle its own.
  void commit_much(int commits = 256) {
    for (int i = 0; i < commits; ++i) {
      ASSERT_TRUE(store_->create_node({"Other"}));
    }
  }
};

TEST_F(Homes, ADeleteIsSettledBeforeTheCreationAndTheUpdatesThatItFollows) {
  std::vector<NodeId> nodes;
  std::vector<EdgeId> edges;
  elsewhere([&] {
    for (int i = 0; i < 12; ++i) {  // fewer ends than make it settle them
      nodes.push_back(node());
      const auto edge = store_->create_edge(nodes.front(), "E", nodes.back(), {{"w", i}});
      ASSERT_TRUE(edge);
      edges.push_back(*edge);
      ASSERT_TRUE(store_->set(*edge, "w", i + 1));
      ASSERT_TRUE(store_->set(nodes.back(), "v", i));
      ASSERT_TRUE(store_->add_label(nodes.back(), "L"));
    }
  });
  for (std::size_t i = 0; i < edges.size(); i += 2) {
    ASSERT_TRUE(store_->delete_edge(edges[i]));
  }
  ASSERT_TRUE(store_->detach_delete_node(nodes[1]));
  ASSERT_TRUE(store_->remove_label(nodes[2], "L"));
  commit_much();  // settles the deletes, and gives their slots out again
  const std::uint64_t waiting = store_->stats().finished_waiting;
  EXPECT_GE(waiting, 60U) << "what the other thread left is still there";
  std::vector<EdgeId> again;
  for (int i = 0; i < 20; ++i) {
    const auto edge = store_->create_edge(nodes[0], "E", nodes[5], {{"w", -i}});
    ASSERT_TRUE(edge);
    again.push_back(*edge);
    ASSERT_TRUE(store_->set(*edge, "w", i));
  }
  ASSERT_TRUE(store_->maintain());
  ASSERT_TRUE(store_->maintain());
  EXPECT_LT(store_->stats().finished_waiting, waiting);
  const auto view = store_->read();
  for (std::size_t i = 0; i < again.size(); ++i) {
    EXPECT_EQ((*view.get(again[i]))["w"].as_int64(), static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(view.edge_count("E"), 12U - 6U - 1U + 20U);
  EXPECT_EQ(view.node_count("L"), 10U);
}

TEST_F(Homes, WhatAThreadLeavesIsSettledByOthersWhenItIsFarBehind) {
  elsewhere([&] { commit_much(50); });
  EXPECT_EQ(store_->stats().finished_waiting, 50U);
  commit_much(8192);
  EXPECT_LT(store_->stats().finished_waiting, 2 * 64U);
  expect_sound();
}

TEST_F(Homes, ThreadsUndoEachOthersWorkAndAllOfItSettles) {
  std::vector<NodeId> hubs{node(), node()};
  std::mutex mutex;
  std::vector<EdgeId> left;
  const auto make = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < rounds; ++i) {
      const auto edge = store_->create_edge(hubs[random() % 2], "E", hubs[random() % 2]);
      ASSERT_TRUE(edge);
      const std::lock_guard guard(mutex);
      left.push_back(*edge);
    }
  };
  const auto take = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < rounds; ++i) {
      std::optional<EdgeId> edge;
      {
        const std::lock_guard guard(mutex);
        if (!left.empty()) {
          std::swap(left[random() % left.size()], left.back());
          edge = left.back();
          left.pop_back();
        }
      }
      if (edge) {
        ASSERT_TRUE(random() % 2 == 0 ? store_->delete_edge(*edge)
                                      : store_->set(*edge, "w", static_cast<std::int64_t>(i)));
      }
    }
  };
  run({[&] { make(1); }, [&] { take(2); }, [&] { make(3); }, [&] { take(4); }});
  ASSERT_TRUE(store_->maintain());
  expect_sound();
}

}  // namespace
}  // namespace selvedge
