// What a long operation tells its caller.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/progress_meter.h"

namespace selvedge {
namespace {

using base::ProgressMeter;

class ProgressTest : public ::testing::Test {
 protected:
  ProgressCallback listen() {
    return [this](const Progress& progress) { told_.push_back(progress); };
  }
  std::vector<Progress> told_;
};

TEST_F(ProgressTest, TellsTheBeginningAndTheEndOfEachStep) {
  const ProgressCallback callback = listen();
  ProgressMeter meter(callback, Activity::backup);
  meter.step("snapshot", ProgressUnit::records, 10);
  meter.step("log", ProgressUnit::bytes);
  meter.finish();
  ASSERT_EQ(told_.size(), 4U);
  EXPECT_EQ(told_[0].activity, Activity::backup);
  EXPECT_EQ(told_[0].step, "snapshot");
  EXPECT_EQ(told_[0].done, 0U);
  EXPECT_EQ(told_[1].done, 10U);
  EXPECT_EQ(told_[1].fraction(), 1.0);
  EXPECT_EQ(told_[2].step, "log");
  EXPECT_EQ(told_[2].unit, ProgressUnit::bytes);
}

TEST_F(ProgressTest, AnOperationThatFailsDoesNotClaimItsEnd) {
  const ProgressCallback callback = listen();
  {
    ProgressMeter meter(callback, Activity::check);
    meter.step("nodes", ProgressUnit::records, 10);
  }
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told_[0].done, 0U);
}

TEST_F(ProgressTest, ATotalThatIsNotKnownIsKnownAtTheEnd) {
  const ProgressCallback callback = listen();
  ProgressMeter meter(callback, Activity::import_data);
  meter.step("lines", ProgressUnit::lines);
  meter.add(7);
  meter.add(5);
  meter.finish();
  EXPECT_EQ(told_.back().done, 12U);
  EXPECT_EQ(told_.back().total, 12U);
}

TEST_F(ProgressTest, MoreThanExpectedIsNotMoreThanAll) {
  const ProgressCallback callback = listen();
  ProgressMeter meter(callback, Activity::open);
  meter.step("log", ProgressUnit::bytes, 3);
  meter.add(100);
  meter.finish();
  for (const Progress& each : told_) {
    EXPECT_LE(each.done, each.total);
  }
  EXPECT_EQ(told_.back().done, 3U);
}

TEST_F(ProgressTest, NeverGoesBackWhateverThreadTells) {
  const ProgressCallback callback = listen();
  ProgressMeter meter(callback, Activity::open);
  meter.step("log", ProgressUnit::entries, 40000);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10000; ++i) {
        meter.add(1);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  meter.finish();
  for (std::size_t i = 1; i < told_.size(); ++i) {
    EXPECT_LE(told_[i - 1].done, told_[i].done);
  }
  EXPECT_EQ(told_.back().done, 40000U);
}

TEST_F(ProgressTest, ACallbackThatThrowsIsNotCalledAgain) {
  int calls = 0;
  const ProgressCallback callback = [&](const Progress&) {
    ++calls;
    throw std::runtime_error("not listening");
  };
  ProgressMeter meter(callback, Activity::restore);
  meter.step("one", ProgressUnit::files, 1);
  meter.step("two", ProgressUnit::files, 1);
  meter.finish();
  EXPECT_EQ(calls, 1);
}

TEST_F(ProgressTest, NobodyNeedsToListen) {
  const ProgressCallback nobody;
  ProgressMeter meter(nobody, Activity::checkpoint);
  meter.step("records", ProgressUnit::records, 1);
  meter.add(1);
  meter.finish();
  EXPECT_TRUE(told_.empty());
}

TEST_F(ProgressTest, EverythingHasAName) {
  for (int i = 0; i <= static_cast<int>(Activity::export_data); ++i) {
    EXPECT_NE(to_string(static_cast<Activity>(i)), "unknown") << i;
  }
  for (int i = 0; i <= static_cast<int>(ProgressUnit::files); ++i) {
    EXPECT_NE(to_string(static_cast<ProgressUnit>(i)), "unknown") << i;
  }
}

}  // namespace
}  // namespace selvedge
