// Many threads on one log.
#include <atomic>
#include <condition_variable>
#include <thread>

#include "tests/wal/wal_fixture.h"

namespace selvedge::wal {
namespace {

class GroupCommit : public WalTest {
 protected:
  GroupCommit() {
    options.segment_bytes = 256U << 10;
    options.buffer_bytes = 64U << 10;
  }
  /// Each thread writes its entries, "thread:number"; returns the number of refusals.
  int run(int threads, int entries, bool synced) {
    std::atomic<int> failures{0};
    std::vector<std::thread> workers;
    for (int worker = 0; worker < threads; ++worker) {
      workers.emplace_back([&, worker] {
        for (int i = 0; i < entries; ++i) {
          const std::string text = std::to_string(worker) + ":" + std::to_string(i);
          const auto sequence = try_append(parts_of(text));
          if (!sequence || (synced && (!log->sync(*sequence) || log->durable() < *sequence))) {
            ++failures;
            return;
          }
        }
      });
    }
    for (std::thread& worker : workers) {
      worker.join();
    }
    return failures;
  }
  /// Everything is there once, in each thread's order, with sequences 1, 2, 3...
  void expect_all(int threads, int entries) {
    scanned();
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(threads) * static_cast<std::size_t>(entries));
    std::vector<int> next(static_cast<std::size_t>(threads), 0);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(sequences[i], i + 1);
      const std::size_t colon = texts[i].find(':');
      const auto worker = static_cast<std::size_t>(std::stoi(texts[i].substr(0, colon)));
      ASSERT_EQ(std::stoi(texts[i].substr(colon + 1)), next[worker]++);
    }
  }
};

TEST_F(GroupCommit, SequencesRiseByOneWhateverTheNumberOfThreads) {
  for (const int threads : {1, 2, 4, 8, 16}) {
    open();
    EXPECT_EQ(run(threads, 100, true), 0);
    expect_all(threads, 100);
    log.reset();
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    for (const SegmentInfo& info : registry.listed()) {
      registry.drop(info.number);
    }
  }
}

TEST_F(GroupCommit, SixteenThreadsWriteThirtyTwoThousandEntries) {
  options.sync = SyncMode::batch;
  open();
  EXPECT_EQ(run(16, 2000, false), 0);
  ASSERT_TRUE(log->sync_now());
  expect_all(16, 2000);
  EXPECT_GT(log->current_segment().number, 3U) << "it rotated meanwhile";
}

TEST_F(GroupCommit, BackPressureWithATinyBufferLosesNothing) {
  options.buffer_bytes = 256;
  options.segment_bytes = 8192;
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch, SyncMode::none}) {
    options.sync = mode;
    open();
    EXPECT_EQ(run(4, 150, false), 0);
    ASSERT_TRUE(log->close());
    EXPECT_GT(log->stats().waits, 0U);
    expect_all(4, 150);
    log.reset();
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    for (const SegmentInfo& info : registry.listed()) {
      registry.drop(info.number);
    }
  }
}

TEST_F(GroupCommit, CommittersThatArriveDuringAWriteShareTheNext) {
  open();
  write("0:0");
  // The first sync waits until all others have appended.
  constexpr int followers = 8;
  std::mutex mutex;
  std::condition_variable changed;
  int appended = 0;
  bool in_sync = false;
  bool first = true;
  files.set_hook(test::Operation::sync_data, [&](const std::string&) {
    std::unique_lock lock(mutex);
    if (std::exchange(first, false)) {
      in_sync = true;
      changed.notify_all();
      changed.wait(lock, [&] { return appended == followers; });
    }
  });
  const LogStats before = log->stats();
  std::vector<std::thread> workers;
  workers.emplace_back([&] { write("0:1"); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return in_sync; });
  }
  for (int i = 0; i < followers; ++i) {
    workers.emplace_back([&, i] {
      const std::uint64_t sequence = append("0:" + std::to_string(i + 2));
      {
        const std::lock_guard lock(mutex);
        ++appended;
        changed.notify_all();
      }
      EXPECT_TRUE(log->sync(sequence));
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  files.set_hook(test::Operation::count, nullptr);
  EXPECT_EQ(log->stats().syncs - before.syncs, 2U);
  EXPECT_EQ(scanned().next_sequence, 11U);
}

TEST_F(GroupCommit, AtMostOneWriteIsInFlight) {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  open();
  ASSERT_TRUE(log->prepare_next());
  files.set_hook(test::Operation::sync_data, [&](const std::string&) {
    const int now = ++inside;
    most = std::max(most.load(), now);
    std::this_thread::yield();
    --inside;
  });
  EXPECT_EQ(run(8, 100, true), 0);
  files.set_hook(test::Operation::count, nullptr);
  EXPECT_EQ(most, 1);
}

TEST_F(GroupCommit, AFailureReachesEveryWaiter) {
  open();
  write("first");
  files.fail_next({.operation = test::Operation::sync_data, .nth = 20, .sticky = true});
  EXPECT_EQ(run(8, 1000, true), 8);
  EXPECT_TRUE(log->poisoned());
  const std::uint64_t durable = log->durable();
  EXPECT_EQ(scanned().next_sequence >= durable + 1, true);
}

TEST_F(GroupCommit, RotationAndPreparingRunBesideCommits) {
  options.segment_entries_max = 20;
  open();
  std::atomic<bool> stop{false};
  std::thread maintenance([&] {
    while (!stop) {
      EXPECT_TRUE(log->prepare_next());
      EXPECT_TRUE(log->sync_now());
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(run(4, 100, true), 0);
  stop = true;
  maintenance.join();
  expect_all(4, 100);
  EXPECT_GE(log->current_segment().number, 20U);
}

}  // namespace
}  // namespace selvedge::wal
