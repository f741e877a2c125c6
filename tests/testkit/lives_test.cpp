// Several lives in one run: processes that die, power that fails, and what the ledger makes of it.

#include <gtest/gtest.h>
#include <selvedge/testkit/explorer.h>

#include <optional>
#include <utility>
#include <vector>

namespace selvedge::testkit {
namespace {

class Lives : public ::testing::Test {
 protected:
  static Status add(Trial& trial) {
    return trial.alone([](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"N"}, {{"v", std::string(500, 'x')}}));
      return {};
    });
  }
  /// Five steps that nobody synced; most of them are written already.
  static Status five(Trial& trial) {
    for (int i = 0; i < 5; ++i) {
      SELVEDGE_TRY(add(trial));
    }
    return {};
  }
  static std::uint64_t count(Trial& trial) { return trial.store().read().node_count(); }
  static bool nothing(std::size_t, std::size_t) { return false; }

  Status run(std::function<Status(Trial&)> body, SyncMode mode = SyncMode::none) {
    workload_.name = "lives";
    workload_.body = std::move(body);
    workload_.configure = [mode](Options& options) {
      options.sync = mode;
      options.log_buffer_bytes = 1 << 10;
    };
    trial_.emplace(workload_, files_);
    return trial_->execute();
  }
  /// Nodes that are there after five steps and the death of the process.
  std::uint64_t left_by_death() {
    std::uint64_t left = 0;
    const Status done = run([&](Trial& trial) -> Status {
      SELVEDGE_TRY(five(trial));
      SELVEDGE_TRY(trial.die());
      left = count(trial);
      return {};
    });
    EXPECT_TRUE(done) << done.error().message();
    return left;
  }
  void expect_sound() {
    const Exploration found = Explorer({}).explore(workload_);
    for (const Violation& each : found.violations) {
      ADD_FAILURE() << each.what << "\n" << each.token << "\n" << each.trace;
    }
  }
  /// What a crash now would leave if nothing more were written.
  Image synced() {
    Disk disk{Image{}};
    for (const Event& event : files_.trace()) {
      disk.apply(event);
    }
    return disk.crash({std::vector<bool>(disk.pending().size(), false), {}, Strategy::drop_all});
  }

  SimFileSystem files_;
  Workload workload_;
  std::optional<Trial> trial_;
};

TEST_F(Lives, WhatWasWrittenAndNotSyncedOutlivesTheProcess) {
  const std::uint64_t left = left_by_death();
  EXPECT_GT(left, 0U);
  EXPECT_LT(left, 5U) << "what was in the process is gone";
}

TEST_F(Lives, WhatWasNotSyncedGoesWithThePower) {
  std::uint64_t left = 5;
  std::size_t pending = 0;
  ASSERT_TRUE(run([&](Trial& trial) -> Status {
    SELVEDGE_TRY(five(trial));
    SELVEDGE_TRY(trial.lose_power({}, [&](std::size_t, std::size_t operations) {
      pending = operations;
      return false;
    }));
    left = count(trial);
    return {};
  }));
  EXPECT_EQ(left, 0U);
  EXPECT_GE(pending, 3U);
}

TEST_F(Lives, WhatThePowerLeftIsChosenByTheTest) {
  for (std::size_t kept = 0; kept <= 4; ++kept) {
    SimFileSystem files;
    std::uint64_t left = 0;
    workload_.body = [&](Trial& trial) -> Status {
      SELVEDGE_TRY(five(trial));
      SELVEDGE_TRY(trial.lose_power({}, [&](std::size_t i, std::size_t) { return i < kept; }));
      left = count(trial);
      return {};
    };
    workload_.configure = [](Options& options) {
      options.sync = SyncMode::none;
      options.log_buffer_bytes = 1 << 10;
    };
    Trial trial(workload_, files);
    const Status done = trial.execute();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(left, kept < 4 ? kept : left);
    EXPECT_GE(left, std::min<std::size_t>(kept, 3));
  }
}

TEST_F(Lives, WhatRecoveryReturnedIsDurable) {
  const std::uint64_t left = left_by_death();
  const Ledger& ledger = trial_->ledger();
  ASSERT_EQ(ledger.steps.size(), 6U) << "the life itself is a step";
  ASSERT_TRUE(ledger.steps.back().acknowledged);
  EXPECT_EQ(ledger.bounds(*ledger.steps.back().acknowledged).lower, 6U);
  EXPECT_FALSE(ledger.steps[4].acknowledged) << "the steps before it are not";
  SimFileSystem next(synced());
  const auto store = Store::open(store_path, Trial::options_of(workload_, next));
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ(store->read().node_count(), left);
  EXPECT_EQ(state_hash(store->read()), ledger.steps.back().state);
  next.power_off();
  expect_sound();
}

TEST_F(Lives, TransactionsDieWithTheProcess) {
  ASSERT_TRUE(run(
      [&](Trial& trial) -> Status {
        SELVEDGE_TRY(add(trial));
        std::vector<Transaction> open;
        SELVEDGE_TRY(auto transaction, trial.begin());
        SELVEDGE_TRY(transaction.create_node({"Lost"}, {{"v", std::string(3'000, 'y')}}));
        open.push_back(std::move(transaction));
        SELVEDGE_TRY(trial.die(std::move(open)));
        EXPECT_EQ(count(trial), 1U);
        return add(trial);
      },
      SyncMode::immediate));
  EXPECT_EQ(trial_->ledger().steps.size(), 3U);
  expect_sound();
}

TEST_F(Lives, AStateThatMustNotBeIsReported) {
  for (const bool power : {false, true}) {
    SimFileSystem files;
    workload_.body = [&](Trial& trial) -> Status {
      SELVEDGE_TRY(add(trial));
      SELVEDGE_TRY(trial.store().create_node({"Behind the ledger's back"}));
      return power ? trial.lose_power({}, nothing) : trial.die();
    };
    Trial trial(workload_, files);
    const Status done = trial.execute();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), ErrorCode::corruption);
    ASSERT_TRUE(trial.violation());
    EXPECT_EQ(*trial.violation(), "after the process died: expected the state after step 1 to 1");
  }
}

TEST_F(Lives, AnIdThatComesBackIsReported) {
  const Status done = run(
      [&](Trial& trial) -> Status {
        NodeId a;
        SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
          SELVEDGE_TRY(a, store.create_node({"N"}));
          return {};
        }));
        SELVEDGE_TRY(trial.store().backup("/copy"));
        SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_node(a); }));
        SELVEDGE_TRY(auto older, Store::open("/copy", Trial::options_of({}, trial.files())));
        trial.store() = std::move(older);
        return add(trial);
      },
      SyncMode::immediate);
  ASSERT_TRUE(done) << done.error().message();
  ASSERT_TRUE(trial_->violation());
  EXPECT_NE(trial_->violation()->find("an id is given out again: "), std::string::npos);
}

TEST_F(Lives, IdsOfStepsThatALifeLostMayComeBack) {
  ASSERT_TRUE(run([&](Trial& trial) -> Status {
    SELVEDGE_TRY(five(trial));
    SELVEDGE_TRY(trial.lose_power({}, nothing));
    return five(trial);
  }));
  EXPECT_FALSE(trial_->violation());
}

/// A node made and deleted, unsynced, then the power fails: the state is the same whether that
/// happened or not, so the id may come back.
TEST_F(Lives, StepsThatLeadBackToTheSameStateMayNotHaveHappened) {
  ASSERT_TRUE(run([&](Trial& trial) -> Status {
    NodeId made;
    SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
      SELVEDGE_TRY(made, store.create_node({"N"}));
      return {};
    }));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return store.delete_node(made); }));
    SELVEDGE_TRY(trial.lose_power({}, nothing));
    return add(trial);
  }));
  EXPECT_FALSE(trial_->violation()) << *trial_->violation();
  expect_sound();
}

}  // namespace
}  // namespace selvedge::testkit
