// Views at sequences of the past, while memory has them.
#include <atomic>
#include <mutex>
#include <thread>

#include "tests/support/seams.h"
#include "tests/time/random_history.h"

namespace selvedge {
namespace {

class ReadAtTest : public RandomHistory {
 protected:
  void keep(std::uint64_t versions, std::chrono::milliseconds age = {}) {
    live_small([&](Options& each) {
      each.versions_kept = versions;
      each.version_age = age;
    });
  }
  ReadView at(std::uint64_t sequence) const {
    auto view = store->read_at({sequence});
    EXPECT_TRUE(view) << view.error().message();
    return *std::move(view);
  }
  std::uint64_t oldest() const { return store->stats().readable_from.value; }
  void settle_all() {
    for (int i = 0; i < 100; ++i) {
      must(store->maintain());
    }
  }
  /// Of everything that can be read; what cannot is refused with the oldest that can.
  std::size_t expect_states() {
    std::size_t seen = 0;
    for (const auto& [sequence, state] : states) {
      auto view = store->read_at({sequence});
      if (sequence < oldest()) {
        EXPECT_FALSE(view) << sequence;
        EXPECT_EQ(view.error().code(), ErrorCode::not_retained);
        EXPECT_EQ(view.error().expected(), "a sequence from " + std::to_string(oldest()) + " on");
        continue;
      }
      EXPECT_TRUE(view) << view.error().message();
      EXPECT_EQ(testkit::state_hash(*view), state) << sequence;
      ++seen;
    }
    return seen;
  }
  std::int64_t value_at(std::uint64_t sequence, NodeId id) const {
    const ReadView view = at(sequence);
    const auto found = view.get(id);
    return found ? (*found)["v"].as_int64().value_or(-1) : -1;
  }
};

TEST_F(ReadAtTest, EveryMomentOfARandomLifeIsThere) {
  keep(1'000'000);
  // What was dropped from the schema since is not in a view of the past.
  random.seed(300);
  remember();
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t what = pick(4);
    what == 0   ? operate(*store)
    : what == 1 ? transaction()
    : what == 2 ? long_transaction()
                : embedding();
    must(i % 10 == 0 ? store->maintain() : Status{});
    must(i % 40 == 0 ? store->checkpoint() : Status{});
    remember();
  }
  end_open();
  settle_all();
  EXPECT_EQ(expect_states(), states.size());
  expect_sound();
}

TEST_F(ReadAtTest, OnlySoManySequencesAreKept) {
  keep(60);
  random.seed(301);
  std::size_t seen = 0;
  for (int i = 0; i < 300; ++i) {
    pick(2) == 0 ? operate(*store) : transaction();
    must(store->maintain());
    remember();
    if (i % 20 == 0) {
      seen += expect_states();
      EXPECT_GE(oldest() + 60, store->stats().durable.value);
    }
  }
  EXPECT_GT(seen, 100U);
  expect_sound();
}

TEST_F(ReadAtTest, VersionsAreKeptForATime) {
  faults->set_wall_clock_us(1'000'000'000);
  keep(0, std::chrono::seconds(100));
  const NodeId id = node(0);
  std::map<int, std::uint64_t> by_second;
  for (int second = 1; second <= 400; ++second) {
    faults->set_wall_clock_us(1'000'000'000 + static_cast<std::uint64_t>(second) * 1'000'000);
    must(store->set(id, "v", second));
    by_second[second] = store->stats().durable.value;
    must(store->maintain());
    const int then = second - 99;
    if (then >= 1) {
      EXPECT_EQ(value_at(by_second[then], id), then);
    }
    if (second > 110) {
      EXPECT_EQ(store->read_at({by_second[second - 105]}).error().code(), ErrorCode::not_retained);
    }
  }
}

TEST_F(ReadAtTest, WithoutTheOptionOnlyThePresentIsThere) {
  const NodeId id = node(1);
  const std::uint64_t before = store->stats().durable.value;
  EXPECT_EQ(value_at(before, id), 1);
  must(store->set(id, "v", 2));
  EXPECT_EQ(store->read_at({before}).error().code(), ErrorCode::not_retained);
  EXPECT_EQ(value_at(before + 1, id), 2);
  EXPECT_EQ(store->read_at({before + 2}).error().code(), ErrorCode::invalid_argument);
}

TEST_F(ReadAtTest, WhatIsNotDurableCannotBeReadYet) {
  keep(1000);
  auto tx = begin();
  ASSERT_TRUE(tx.create_node({"N"}));
  const auto ticket = tx.commit_async();
  ASSERT_TRUE(ticket);
  EXPECT_EQ(store->read_at(ticket->sequence()).error().code(), ErrorCode::invalid_argument);
  must(ticket->wait());
  EXPECT_EQ(at(ticket->sequence().value).node_count(), 1);
}

TEST_F(ReadAtTest, AnOpenedStoreHasNoPastInMemory) {
  keep(1000);
  node(1);
  reopen();
  const std::uint64_t now = store->stats().durable.value;
  EXPECT_EQ(oldest(), now);
  EXPECT_EQ(store->read_at({now - 1}).error().code(), ErrorCode::not_retained);
  EXPECT_EQ(at(now).node_count(), 1);
}

TEST_F(ReadAtTest, MemoryIsBoundedByTheOption) {
  keep(200);
  const NodeId id = node(0);
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      must(store->set(id, "text", std::string(1000, 'x')));
      must(i % 16 == 0 ? store->maintain() : Status{});
    }
    settle_all();
    return store->stats().memory_used_bytes;
  };
  const std::uint64_t before = write(1000);
  EXPECT_LE(write(10'000), before + 100'000);
}

TEST_F(ReadAtTest, AViewOfThePastHoldsItWhileItIsOpen) {
  keep(10);
  const NodeId id = node(0);
  const std::uint64_t then = store->stats().durable.value;
  const ReadView view = at(then);
  for (int i = 1; i < 500; ++i) {
    must(store->set(id, "v", i));
    must(store->maintain());
  }
  EXPECT_GT(oldest(), then);
  EXPECT_EQ((*view.get(id))["v"].as_int64(), 0);
  EXPECT_EQ(store->read_at({then}).error().code(), ErrorCode::not_retained);
}

TEST_F(ReadAtTest, AnOldViewDoesNotLetThePastOfOthersGo) {
  keep(100);
  const NodeId id = node(0);
  const ReadView old = store->read();
  std::map<std::uint64_t, int> values;
  for (int i = 1; i < 1000; ++i) {
    must(store->set(id, "v", i));
    values[store->stats().durable.value] = i;
    must(i % 8 == 0 ? store->maintain() : Status{});
  }
  settle_all();
  std::size_t seen = 0;
  for (auto each = values.lower_bound(oldest()); each != values.end(); ++each, ++seen) {
    EXPECT_EQ(value_at(each->first, id), each->second);
  }
  EXPECT_GE(seen, 90U);
  EXPECT_EQ((*old.get(id))["v"].as_int64(), 0);
}

/// Between the reader's steps everything settles that can.
TEST_F(ReadAtTest, NothingIsPrunedUnderAViewThatIsBeingOpened) {
  for (const char* place : {"txn.read_at.opening", "txn.read_at.chosen"}) {
    keep(20);
    const NodeId id = node(0);
    std::map<std::uint64_t, int> values;
    const auto write = [&](int count) {
      for (int i = 0; i < count; ++i) {
        const int next = static_cast<int>(values.size()) + 1;
        must(store->set(id, "v", next));
        values[store->stats().durable.value] = next;
      }
      settle_all();
    };
    write(100);
    const std::uint64_t wanted = oldest();
    {
      test::Seams seams;
      seams.at(place, 1, [&] { write(100); });
      auto view = store->read_at({wanted});
      if (view) {
        EXPECT_EQ((*view->get(id))["v"].as_int64(), values.at(wanted));
      } else {
        EXPECT_EQ(view.error().code(), ErrorCode::not_retained);
      }
      EXPECT_EQ(static_cast<bool>(view), std::string(place) == "txn.read_at.chosen");
    }
  }
}

TEST_F(ReadAtTest, HoldsBesideWritersAndReclaimers) {
  live_small([](Options& each) {
    each.versions_kept = 300;
    each.sync = SyncMode::none;
    each.background_maintenance = true;
    each.transaction_buffer_bytes = 64 << 10;
  });
  constexpr int accounts = 8;
  std::vector<NodeId> ids;
  for (int i = 0; i < accounts; ++i) {
    ids.push_back(*store->create_node({"Account"}, {{"v", 100}}));
  }
  const NodeId counter = node(0);
  std::mutex known_mutex;
  std::vector<std::pair<std::uint64_t, std::int64_t>> known;  // commit, counter
  std::atomic<bool> stop{false};
  std::thread counting([&] {
    for (std::int64_t i = 1; !stop; ++i) {
      auto tx = begin();
      // One edge comes and one goes with each count: the list of the counter is always one long.
      const auto made = tx.create_edge(counter, "TICK", ids[0]);
      EXPECT_TRUE(made);
      if (!known.empty()) {
        std::vector<EdgeId> gone;
        for (auto edges = tx.out_edges(counter, "TICK"); edges.next();) {
          if (edges.id() != *made) {
            gone.push_back(edges.id());
          }
        }
        for (const EdgeId each : gone) {
          EXPECT_TRUE(tx.delete_edge(each));
        }
      }
      EXPECT_TRUE(tx.set(counter, "v", i));
      const auto commit = tx.commit();
      if (commit) {
        const std::lock_guard lock(known_mutex);
        known.emplace_back(commit->value, i);
      }
    }
  });
  std::thread transfers([&] {
    std::mt19937_64 dice(7);
    while (!stop) {
      static_cast<void>(store
                            ->transact([&](Transaction& tx) -> Status {
                              const NodeId from = ids[dice() % accounts];
                              const NodeId to = ids[dice() % accounts];
                              if (from == to) {
                                return {};
                              }
                              SELVEDGE_TRY(const auto a, tx.get(from));
                              SELVEDGE_TRY(const auto b, tx.get(to));
                              SELVEDGE_TRY(tx.set(from, "v", *a["v"].as_int64() - 1));
                              return tx.set(to, "v", *b["v"].as_int64() + 1);
                            })
                            .has_value());
    }
  });
  std::size_t opened = 0;
  std::size_t refused = 0;
  std::mt19937_64 dice(9);
  while (opened < 3000 || refused < 10) {
    std::pair<std::uint64_t, std::int64_t> wanted;
    {
      const std::lock_guard lock(known_mutex);
      if (known.empty()) {
        continue;
      }
      const std::size_t back = std::min<std::size_t>(known.size(), dice() % 120 + 1);
      wanted = known[known.size() - back];
    }
    auto view = store->read_at({wanted.first});
    if (!view) {
      ASSERT_EQ(view.error().code(), ErrorCode::not_retained);
      ++refused;
      continue;
    }
    ++opened;
    ASSERT_EQ((*view->get(counter))["v"].as_int64(), wanted.second);
    ASSERT_EQ(view->degree(counter, Direction::out, "TICK"), 1U);
    std::int64_t sum = 0;
    for (const NodeId each : ids) {
      sum += (*view->get(each))["v"].as_int64().value_or(0);
    }
    ASSERT_EQ(sum, accounts * 100);
    ASSERT_EQ(view->edge_count(), 1);
  }
  stop = true;
  counting.join();
  transfers.join();
  expect_sound();
}

}  // namespace
}  // namespace selvedge
