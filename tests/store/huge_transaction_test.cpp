// A transaction far larger than any buffer: committed, aborted, and cut off by the end of the
// process.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "tests/support/sanitizers.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

using test::TempDirectory;

using test::sanitized;

constexpr std::size_t edges_total = sanitized ? 200'000 : 5'000'000;
constexpr std::size_t nodes_total = 1000;

class HugeTransaction : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.sync = SyncMode::none;
    options_.checkpoint_log_bytes = 0;
    auto store = opened();
    std::vector<NewNode> nodes(nodes_total);
    auto made = store.create_nodes(nodes);
    ASSERT_TRUE(made) << made.error().message();
    nodes_ = *std::move(made);
    digest_ = store.digest();
    ASSERT_TRUE(store.close());
  }
  Store opened() {
    auto store = Store::open(directory_.path("s"), options_);
    EXPECT_TRUE(store) << store.error().message();
    return *std::move(store);
  }
  /// Creates edges, most in bulk, some one by one.
  void fill(Transaction& tx) const {
    std::vector<NewEdge> batch;
    const Property weight{"weight", 7};
    for (std::size_t i = 0; i < edges_total; ++i) {
      const NodeId source = nodes_[i % nodes_total];
      const NodeId target = nodes_[i * 7919 % nodes_total];
      if (i % 1000 == 0) {
        ASSERT_TRUE(tx.create_edge(source, "TO", target, {{"weight", 7}}));
        continue;
      }
      batch.push_back({source, "TO", target, std::span(&weight, 1)});
      if (batch.size() == 5000) {
        ASSERT_TRUE(tx.create_edges(batch));
        batch.clear();
      }
    }
    ASSERT_TRUE(tx.create_edges(batch));
  }
  void expect_unchanged(Store& store) {
    EXPECT_EQ(store.read().edge_count(), 0U);
    EXPECT_EQ(store.digest(), digest_);
    const CheckReport report = store.check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  }
  /// Runs `body` in another process, and kills it when it returns.
  template <class Body>
  static void in_killed_process(Body body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      body();
      ::kill(::getpid(), ::testing::Test::HasFailure() ? SIGABRT : SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ASSERT_EQ(WTERMSIG(status), SIGKILL);
  }

  TempDirectory directory_;
  Options options_;
  std::vector<NodeId> nodes_;
  std::string digest_;
};

TEST_F(HugeTransaction, CommitsAndComesBack) {
  std::string digest;
  {
    Store store = opened();
    auto tx = store.begin();
    ASSERT_TRUE(tx);
    fill(*tx);
    ASSERT_TRUE(tx->commit());
    EXPECT_EQ(store.read().edge_count("TO"), edges_total);
    digest = store.digest();
    ASSERT_TRUE(store.close());
  }
  Store store = opened();
  EXPECT_EQ(store.read().edge_count("TO"), edges_total);
  EXPECT_EQ(store.digest(), digest);
  EXPECT_EQ(store.recovery_report().transactions_committed, 1U);
  const CheckReport report = store.check();
  EXPECT_TRUE(report.faults.empty()) << report.faults.front();
}

TEST_F(HugeTransaction, AbortsAndLeavesNothing) {
  {
    Store store = opened();
    auto tx = store.begin();
    ASSERT_TRUE(tx);
    fill(*tx);
    ASSERT_TRUE(tx->abort("changed my mind"));
    expect_unchanged(store);
    ASSERT_TRUE(store.close());
  }
  Store store = opened();
  EXPECT_EQ(store.recovery_report().transactions_aborted, 1U);
  expect_unchanged(store);
}

TEST_F(HugeTransaction, IsUndoneAfterItsProcessDied) {
  in_killed_process([&] {
    Store store = opened();
    auto tx = store.begin();
    ASSERT_TRUE(tx);
    fill(*tx);
    ASSERT_TRUE(store.sync());
    ::kill(::getpid(), SIGKILL);
  });
  Store store = opened();
  const RecoveryReport& report = store.recovery_report();
  EXPECT_EQ(report.transactions_incomplete, 1U);
  ASSERT_EQ(report.rolled_back.size(), 1U);
  EXPECT_GE(report.rolled_back[0].entries, edges_total / 5000);
  EXPECT_GT(report.log_bytes, edges_total * 30);
  expect_unchanged(store);
}

TEST_F(HugeTransaction, RecoveryDoesNotHoldTheLogInMemory) {
  if (sanitized) {
    return;  // their own memory would be measured
  }
  constexpr int rounds = 40;
  std::uint64_t log_bytes = 0;
  {
    Store store = opened();
    for (int round = 0; round < rounds; ++round) {  // every record again and again
      auto tx = store.begin();
      ASSERT_TRUE(tx);
      for (const NodeId node : nodes_) {
        ASSERT_TRUE(tx->set(node, "text", std::string(10'000, 'x')));
      }
      ASSERT_TRUE(tx->commit());
    }
    ASSERT_TRUE(store.close());
  }
  in_killed_process([&] {
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    Store store = opened();
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    log_bytes = store.recovery_report().log_bytes;
    ASSERT_GT(log_bytes, std::uint64_t{rounds} * 10'000'000);
    const auto grown = static_cast<std::uint64_t>(after.ru_maxrss - before.ru_maxrss) * 1024;
    EXPECT_LT(grown, log_bytes / 4) << "of " << log_bytes << " bytes of log";
    ::kill(::getpid(), SIGKILL);
  });
}

}  // namespace
}  // namespace selvedge
