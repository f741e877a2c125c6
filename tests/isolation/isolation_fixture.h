// A store in memory at a level of isolation, and clients for it.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <barrier>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/memory_file_system.h"

namespace selvedge::test {

/// What a fixture is made of, whether it has a parameter or not.
class IsolatedStore {
 protected:
  explicit IsolatedStore(Isolation isolation, bool background_maintenance = false) {
    Options options;
    options.isolation = isolation;
    options.background_maintenance = background_maintenance;
    options.segment_bytes = 1 << 20;
    options.file_system = &files_;
    auto opened = Store::open("/db", options);
    EXPECT_TRUE(opened);
    store.emplace(*std::move(opened));
  }
  Transaction begin() {
    auto tx = store->begin();
    EXPECT_TRUE(tx);
    return *std::move(tx);
  }
  NodeId node(LabelRef label, PropertyList properties = {}) {
    const auto made = store->create_node({label}, properties);
    EXPECT_TRUE(made);
    return made.value_or(NodeId{});
  }
  static void expect_conflict(const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::conflict) << error.message();
  }
  /// One thread for each client; they start together. Inside: no early return, others may wait.
  static void clients(int count, const std::function<void(int)>& body) {
    std::barrier start(count);
    std::vector<std::thread> threads;
    threads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        body(i);
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  MemoryFileSystem files_;
  std::optional<Store> store;
};

/// At both levels of isolation.
class AtBothLevels : public ::testing::TestWithParam<Isolation>, protected IsolatedStore {
 protected:
  explicit AtBothLevels(bool background_maintenance = false)
      : IsolatedStore(GetParam(), background_maintenance) {}
  static bool strict() { return GetParam() == Isolation::serializable; }
};

inline const auto both_levels = ::testing::Values(Isolation::serializable, Isolation::snapshot);

inline std::string level_name(const ::testing::TestParamInfo<Isolation>& each) {
  return each.param == Isolation::snapshot ? "Snapshot" : "Serializable";
}

}  // namespace selvedge::test
