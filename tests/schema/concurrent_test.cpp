// Indexes and constraints with many threads at work. Run under ThreadSanitizer, too.

#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "tests/schema/schema_fixture.h"

namespace selvedge {
namespace {

class ConcurrentSchema : public SchemaTest {
 protected:
  ConcurrentSchema() {
    store.reset();
    Options options;
    options.sync = SyncMode::none;
    options.file_system = &files_;
    auto opened = Store::open("/db", options);
    EXPECT_TRUE(opened);
    store.emplace(*std::move(opened));
  }
  /// Runs `body(thread, random)` in some threads at once.
  template <class Body>
  void in_threads(unsigned count, Body body) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        std::mt19937 random(i + 1);
        body(i, random);
      });
    }
    for (std::thread& each : threads) {
      each.join();
    }
  }
  static bool is_daily(ErrorCode code) {
    return code == ErrorCode::conflict || code == ErrorCode::constraint_violated ||
           code == ErrorCode::not_found;
  }
};

TEST_F(ConcurrentSchema, OneNodeForEachUniqueValue) {
  create(SchemaSpec::node_unique("Person", {"n"}));
  constexpr int values = 200;
  std::atomic<int> made{0};
  in_threads(4, [&](unsigned, std::mt19937& random) {
    for (int i = 0; i < 400; ++i) {
      const int value = static_cast<int>(random() % values);
      const auto result = store->transact([&](Transaction& tx) -> Result<NodeId> {
        return tx.create_node({"Person"}, {{"n", value}});
      });
      if (result) {
        ++made;
      } else {
        ASSERT_TRUE(is_daily(result.error().code())) << result.error().message();
      }
    }
  });
  std::set<std::int64_t> seen;
  const ReadView view = store->read();
  auto matches = view.find_nodes("Person", "n", Match::any());
  EXPECT_EQ(code(matches), ErrorCode::not_found);  // a hash has no order
  for (auto cursor = view.nodes("Person"); cursor.next();) {
    EXPECT_TRUE(seen.insert(*cursor.node()["n"].as_int64()).second);
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(made.load()));
}

TEST_F(ConcurrentSchema, GetOrCreateMakesOne) {
  create(SchemaSpec::node_index("Person", {"n"}));
  std::atomic<int> made{0};
  in_threads(4, [&](unsigned, std::mt19937& random) {
    for (int i = 0; i < 300; ++i) {
      const auto value = static_cast<int>(random() % 100);
      const auto result = store->transact(
          [&](Transaction& tx) { return tx.get_or_create_node("Person", "n", value); });
      ASSERT_TRUE(result) << result.error().message();
      made += result->created ? 1 : 0;
    }
  });
  EXPECT_EQ(store->read().node_count("Person"), static_cast<std::uint64_t>(made.load()));
  EXPECT_LE(made.load(), 100);
  expect_sound();
}

/// Tokens move between values; every view finds each token once, whatever it asks.
TEST_F(ConcurrentSchema, EveryViewFindsEveryTokenOnce) {
  create(SchemaSpec::node_index("Person", {"n"}));
  create(SchemaSpec::node_index("Person", {"n"}, IndexKind::hash));
  constexpr int tokens = 50;
  constexpr int values = 10;
  std::vector<NodeId> all;
  for (int i = 0; i < tokens; ++i) {
    all.push_back(person({{"n", i % values}}));
  }
  std::atomic<int> running{2};
  in_threads(4, [&](unsigned thread, std::mt19937& random) {
    if (thread < 2) {
      for (int i = 0; i < 1500; ++i) {
        const NodeId token = all[random() % all.size()];
        const auto value = static_cast<int>(random() % values);
        const auto moved = store->transact([&](Transaction& tx) -> Result<bool> {
          SELVEDGE_TRY(tx.set(token, "n", value));
          return true;
        });
        ASSERT_TRUE(moved) << moved.error().message();
      }
      --running;
      return;
    }
    while (running != 0) {
      const ReadView view = store->read();
      EXPECT_EQ(found(view, {{"n", Match::any()}}).size(), std::size_t{tokens});
      std::size_t total = 0;
      for (int value = 0; value < values; ++value) {
        total += found(view, {{"n", value}}).size();
      }
      EXPECT_EQ(total, std::size_t{tokens});
      EXPECT_EQ(found(view, {{"n", Match::below(5)}}).size() +
                    found(view, {{"n", Match::at_least(5)}}).size(),
                std::size_t{tokens});
    }
  });
  expect_sound();
}

/// Objects come and go while writers write, roll back and delete.
TEST_F(ConcurrentSchema, IsMadeAndDroppedUnderWriters) {
  std::atomic<bool> stop{false};
  std::atomic<int> online{0};
  in_threads(4, [&](unsigned thread, std::mt19937& random) {
    if (thread == 0) {
      for (int i = 0; i < 40; ++i) {
        const SchemaSpec spec = i % 3 == 0 ? SchemaSpec::node_unique("Person", {"n"})
                                : i % 3 == 1
                                    ? SchemaSpec::node_index("Person", {"n"})
                                    : SchemaSpec::node_index("Person", {"m"}, IndexKind::hash);
        const Status made = store->create_schema(spec);
        if (!made) {
          ASSERT_TRUE(is_daily(made.error().code())) << made.error().message();
          continue;
        }
        ++online;
        ASSERT_TRUE(store->drop_schema(store->schema().front().spec.name));
      }
      create(SchemaSpec::node_index("Person", {"n"}));
      stop = true;
      return;
    }
    std::vector<NodeId> mine;
    while (!stop) {
      const auto value = static_cast<int>(random() % 1000);
      const auto done = store->transact([&](Transaction& tx) -> Result<NodeId> {
        if (mine.size() > 50) {
          SELVEDGE_TRY(tx.delete_node(mine.front()));
          return NodeId{};
        }
        if (!mine.empty() && value % 2 == 0) {
          SELVEDGE_TRY(const Savepoint mark, tx.savepoint());
          const Status changed = tx.set(mine.back(), {{"n", value}, {"m", value / 7}});
          if (changed && value % 3 == 0) {
            SELVEDGE_TRY(tx.rollback_to(mark));
          }
          return changed ? Result<NodeId>(NodeId{}) : fail(changed.error().clone());
        }
        return tx.create_node({"Person"}, {{"n", value}, {"m", value % 5}});
      });
      if (!done) {
        ASSERT_TRUE(is_daily(done.error().code())) << done.error().message();
      } else if (*done) {
        mine.push_back(*done);
      } else if (mine.size() > 50) {
        mine.erase(mine.begin());
      }
    }
  });
  EXPECT_GT(online.load(), 0);
  expect_sound();
}

}  // namespace
}  // namespace selvedge
