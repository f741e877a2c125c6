// Owners against maintenance that ends their transactions for their age. Run under the sanitizers.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "base/yield_point.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/memory_file_system.h"

namespace selvedge {
namespace {

using std::chrono::milliseconds;
using test::FaultyFileSystem;
using test::MemoryFileSystem;

constexpr int accounts = 16;
constexpr std::int64_t balance = 100;
constexpr int rounds = 200;

class AgeRaces : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  void SetUp() override {
    options_.file_system = &files_;
    options_.background_maintenance = false;
    options_.sync = SyncMode::none;
    options_.transaction_age_max = milliseconds(10);
    options_.transaction_buffer_bytes = GetParam();
    options_.segment_bytes = std::uint64_t{256} << 10;
    auto opened = Store::open("/db", options_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_.emplace(std::move(*opened));
    for (int i = 0; i < accounts; ++i) {
      const auto made = store_->create_node({"Account"}, {{"n", balance}});
      ASSERT_TRUE(made);
      nodes_.push_back(*made);
    }
    base::yield_hook.store(&hook_);
  }
  void TearDown() override {
    base::yield_hook.store(nullptr);
    store_.reset();
  }

  /// Runs the owners, each in a thread, while time passes at every look of maintenance; and
  /// `beside` over and over until they are done.
  void maintain_beside(const std::vector<std::function<void()>>& owners,
                       const std::function<void()>& beside = {}) {
    std::atomic<std::size_t> working{owners.size()};
    std::vector<std::thread> threads;
    for (const auto& owner : owners) {
      threads.emplace_back([&] {
        owner();
        --working;
      });
    }
    threads.emplace_back([&] {
      while (beside && working.load() != 0) {
        beside();
        std::this_thread::yield();
      }
    });
    std::uint64_t now_us = 1'800'000'000'000'000;
    while (working.load() != 0) {
      files_.set_wall_clock_us(now_us += 5'000);
      EXPECT_TRUE(store_->maintain());
      ++looks_;
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  /// The owner thinks about it while maintenance looks, now and then for too long.
  void think(std::mt19937& random) {
    const std::uint64_t until = looks_.load() + (random() % 4 == 0 ? random() % 3 : 0);
    while (looks_.load() < until) {
      std::this_thread::yield();
    }
  }
  /// What an owner may be told: that somebody was first, or that it was too slow.
  static void expect_harmless(const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::finished || error.code() == ErrorCode::conflict ||
                error.code() == ErrorCode::not_found)
        << error.message();
  }
  /// Moves one unit, and hangs an edge on it. True when it was committed.
  bool move(std::mt19937& random) {
    auto tx = store_->begin();
    if (!tx) {
      ADD_FAILURE() << tx.error().message();
      return false;
    }
    const NodeId from = nodes_[random() % accounts];
    const NodeId to = nodes_[random() % accounts];
    const Result<Sequence> done = [&]() -> Result<Sequence> {
      auto cursor = tx->out_edges(from);
      cursor.next();
      for (const auto& [id, amount] : {std::pair(from, -1), std::pair(to, 1)}) {
        SELVEDGE_TRY(const Node node, tx->get(id));
        const std::int64_t before = *node["n"].as_int64();
        think(random);
        SELVEDGE_TRY(tx->set(id, "n", before + amount));
      }
      SELVEDGE_TRY(const EdgeId edge, tx->create_edge(from, "PAID", to));
      SELVEDGE_TRY(const Savepoint mark, tx->savepoint());
      think(random);
      SELVEDGE_TRY(tx->delete_edge(edge));
      SELVEDGE_TRY(tx->rollback_to(mark));
      while (cursor.next()) {
        static_cast<void>(cursor.edge());
      }
      return tx->commit();
    }();
    if (!done) {
      expect_harmless(done.error());
    }
    return done.has_value();
  }
  /// Counts and lists of one transaction agree as long as it has not ended.
  void read_all(std::mt19937& random) {
    auto tx = store_->begin();
    if (!tx) {
      ADD_FAILURE() << tx.error().message();
      return;
    }
    std::int64_t sum = 0;
    int seen = 0;
    for (auto cursor = tx->nodes("Account"); cursor.next();) {
      sum += *cursor.node()["n"].as_int64();
      ++seen;
      think(random);
    }
    const bool all = !tx->finished();
    const std::uint64_t edges = tx->edge_count();
    std::uint64_t walked = 0;
    for (const NodeId id : nodes_) {
      walked += tx->degree(id, Direction::out);
    }
    if (all) {
      EXPECT_EQ(seen, accounts);
      EXPECT_EQ(sum, accounts * balance);
    }
    if (!tx->finished()) {
      EXPECT_EQ(walked, edges);
    }
  }
  /// Aborts in one way or another, with a cursor open or not.
  void write_and_let_go(std::mt19937& random) {
    auto tx = store_->begin();
    if (!tx) {
      ADD_FAILURE() << tx.error().message();
      return;
    }
    for (unsigned k = random() % 4; k > 0; --k) {
      static_cast<void>(tx->create_node({"Lost"}));
      think(random);
    }
    std::optional<NodeCursor> cursor;
    if (random() % 2 == 0) {
      cursor.emplace(tx->nodes());
      cursor->next();
    }
    if (random() % 2 == 0) {
      static_cast<void>(tx->abort("changed my mind"));
    }
    const Transaction gone = std::move(*tx);
  }
  void expect_books_agree(std::uint64_t committed) {
    const auto view = store_->read();
    std::int64_t sum = 0;
    for (const NodeId id : nodes_) {
      sum += *(*view.get(id))["n"].as_int64();
    }
    EXPECT_EQ(sum, accounts * balance);
    EXPECT_EQ(view.edge_count("PAID"), committed) << "whole transactions, or nothing of them";
  }

  MemoryFileSystem memory_;
  FaultyFileSystem files_{memory_};
  Options options_;
  std::optional<Store> store_;
  std::vector<NodeId> nodes_;
  std::atomic<std::uint64_t> looks_{0};

 private:
  /// Gives the processor away at one place in three.
  static void yield_sometimes(const char*, void*) {
    thread_local std::minstd_rand random{std::random_device{}()};
    if (random() % 3 == 0) {
      std::this_thread::yield();
    }
  }
  const base::YieldHook hook_{&yield_sometimes, nullptr};
};

INSTANTIATE_TEST_SUITE_P(Buffers, AgeRaces, ::testing::Values(0U, 64U << 10));

TEST_P(AgeRaces, ATransactionIsCommittedOrExpiredAsAWhole) {
  std::atomic<std::uint64_t> committed{0};
  const auto mover = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < rounds; ++i) {
      committed += move(random) ? 1 : 0;
    }
  };
  maintain_beside({[&] { mover(0); }, [&] { mover(1); }},
                  [&] { EXPECT_TRUE(store_->checkpoint()); });
  EXPECT_GT(store_->stats().transactions_expired, 0U);
  EXPECT_GT(committed.load(), 0U);
  expect_books_agree(committed);
  const CheckReport report = store_->check();
  EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  const std::string digest = store_->digest();
  ASSERT_TRUE(store_->close());
  store_.reset();
  auto again = Store::open("/db", options_);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->digest(), digest);
}

/// A read that returned anything returned what the view shows.
TEST_P(AgeRaces, NoReadShowsAHalfOfAView) {
  const auto mover = [&] {
    std::mt19937 random(1);
    for (int i = 0; i < rounds; ++i) {
      static_cast<void>(move(random));
    }
  };
  const auto reader = [&] {
    std::mt19937 random(2);
    for (int i = 0; i < rounds; ++i) {
      read_all(random);
    }
  };
  maintain_beside({mover, reader});
}

/// Owners that let go while maintenance is at it.
TEST_P(AgeRaces, OwnersLetGoAtAnyMoment) {
  const auto owner = [&](unsigned seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < rounds; ++i) {
      write_and_let_go(random);
    }
  };
  maintain_beside({[&] { owner(0); }, [&] { owner(1); }, [&] { owner(2); }});
  EXPECT_EQ(store_->read().node_count("Lost"), 0U);
  EXPECT_EQ(store_->stats().transactions_active, 0U);
  EXPECT_EQ(store_->stats().views_open, 0U);
  EXPECT_TRUE(store_->close());
}

}  // namespace
}  // namespace selvedge
