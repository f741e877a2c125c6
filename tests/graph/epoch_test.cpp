// Epochs and views: what is retired stays whole while somebody may hold it, and no longer.
#include "graph/epoch.h"

#include <gtest/gtest.h>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace selvedge::graph {
namespace {

class Epochs : public testing::Test, protected RetiredSink {
 protected:
  void SetUp() override { epochs.set_sink(this); }
  void reclaim(const Retired& item) override {
    given_back.push_back(item.address);
    if (retire_on_reclaim != 0) {
      epochs.retire({retire_on_reclaim, 0, Retired::Kind::node_slot});
      retire_on_reclaim = 0;
    }
  }
  void retire(std::uint64_t number) { epochs.retire({number, 0, Retired::Kind::node_slot}); }
  /// What has been given back by now, after a collection.
  std::vector<std::uint64_t> collected() {
    epochs.collect();
    return given_back;
  }
  ReaderSlot* open_view(std::uint64_t sequence) {
    ReaderSlot* slot = epochs.acquire();
    slot->view.store(sequence);
    return slot;
  }

  using Numbers = std::vector<std::uint64_t>;
  Arena arena{0};
  EpochManager epochs{arena};
  std::vector<std::uint64_t> given_back;
  std::uint64_t retire_on_reclaim = 0;
};

TEST_F(Epochs, WhatNobodyHoldsIsGivenBackAtOnce) {
  retire(7);
  EXPECT_EQ(epochs.retired_count(), 1u);
  EXPECT_TRUE(given_back.empty());
  EXPECT_EQ(collected(), Numbers{7});
  EXPECT_EQ(epochs.retired_count(), 0u);
}

TEST_F(Epochs, EverythingIsGivenBackOnceInTheOrderOfRetiring) {
  Numbers expected;
  ReaderSlot* reader = epochs.acquire();
  epochs.pin(reader);
  for (std::uint64_t number = 1; number <= 100; ++number) {
    retire(number);
    expected.push_back(number);
    if (number % 7 == 0) {
      EXPECT_TRUE(collected().empty());  // each collection opens an epoch
    }
  }
  epochs.unpin(reader);
  EXPECT_EQ(collected(), expected);
  EXPECT_EQ(collected(), expected);
  epochs.release(reader);
}

TEST_F(Epochs, APinnedReaderHoldsWhatWasRetiredSince) {
  ReaderSlot* reader = epochs.acquire();
  epochs.pin(reader);
  retire(7);
  EXPECT_TRUE(collected().empty());
  EXPECT_TRUE(collected().empty());
  EXPECT_EQ(epochs.retired_count(), 1u);
  epochs.unpin(reader);
  EXPECT_EQ(collected(), Numbers{7});
  epochs.release(reader);
}

TEST_F(Epochs, AReaderPinnedLaterDoesNotHoldWhatWasRetiredBefore) {
  ReaderSlot* early = epochs.acquire();
  ReaderSlot* late = epochs.acquire();
  epochs.pin(early);
  retire(7);
  EXPECT_TRUE(collected().empty());
  epochs.pin(late);
  retire(8);
  EXPECT_TRUE(collected().empty());
  epochs.unpin(early);
  EXPECT_EQ(collected(), Numbers{7});
  epochs.unpin(late);
  EXPECT_EQ(collected(), (Numbers{7, 8}));
  epochs.release(early);
  epochs.release(late);
}

TEST_F(Epochs, NestedPinsHoldUntilTheOutermostLetsGo) {
  ReaderSlot* reader = epochs.acquire();
  {
    const PinGuard outer(epochs, reader);
    retire(7);
    {
      const PinGuard inner(epochs, reader);
      EXPECT_TRUE(collected().empty());
      epochs.repin(reader);  // does nothing: the outer pin still stands
    }
    EXPECT_TRUE(collected().empty());
  }
  EXPECT_EQ(collected(), Numbers{7});
  epochs.release(reader);
}

TEST_F(Epochs, PinningAnewLetsGoOfWhatWasHeld) {
  ReaderSlot* reader = epochs.acquire();
  epochs.pin(reader);
  retire(7);
  EXPECT_TRUE(collected().empty());
  epochs.repin(reader);
  EXPECT_EQ(collected(), Numbers{7});
  retire(8);
  EXPECT_EQ(collected(), Numbers{7});
  epochs.unpin(reader);
  epochs.release(reader);
}

TEST_F(Epochs, WhatIsGivenBackMayRetireMore) {
  retire_on_reclaim = 8;
  retire(7);
  EXPECT_EQ(collected(), Numbers{7});
  EXPECT_EQ(epochs.retired_count(), 1u);
  EXPECT_EQ(collected(), (Numbers{7, 8}));
}

TEST_F(Epochs, RetiredMemoryGoesBackToTheArena) {
  ReaderSlot* reader = epochs.acquire();
  epochs.pin(reader);
  const std::uint64_t before = arena.used_bytes();
  void* memory = arena.allocate(100);
  ASSERT_NE(memory, nullptr);
  epochs.retire_memory(memory, 100);
  epochs.collect();
  EXPECT_GT(arena.used_bytes(), before);
  epochs.unpin(reader);
  epochs.collect();
  EXPECT_EQ(arena.used_bytes(), before);
  epochs.release(reader);
}

TEST_F(Epochs, AReleasedSlotIsUsedAgainAndHoldsNothing) {
  ReaderSlot* first = open_view(5);
  epochs.release(first);
  EXPECT_EQ(epochs.horizon(10), 10u);
  ReaderSlot* second = epochs.acquire();
  EXPECT_EQ(second, first);
  EXPECT_EQ(second->view.load(), ReaderSlot::no_view);
  EXPECT_EQ(second->epoch.load(), 0u);
  ReaderSlot* third = epochs.acquire();
  EXPECT_NE(third, second);
  epochs.release(third);
  epochs.release(second);
}

// --- views -------------------------------------------------------------------------------------

TEST_F(Epochs, TheHorizonIsTheLowestOfFloorAndViews) {
  EXPECT_EQ(epochs.horizon(3), 3u);
  ReaderSlot* high = open_view(20);
  ReaderSlot* low = open_view(5);
  EXPECT_EQ(epochs.horizon(4), 4u);
  EXPECT_EQ(epochs.horizon(30), 5u);
  epochs.release(low);
  EXPECT_EQ(epochs.horizon(30), 20u);
  epochs.release(high);
  EXPECT_EQ(epochs.horizon(30), 30u);
}

TEST_F(Epochs, TheHorizonNeverMovesBack) {
  EXPECT_EQ(epochs.horizon(10), 10u);
  EXPECT_EQ(epochs.horizon(7), 10u);
  ReaderSlot* reader = open_view(8);
  EXPECT_EQ(epochs.horizon(12), 10u);
  epochs.release(reader);
  EXPECT_EQ(epochs.horizon(12), 12u);
}

TEST_F(Epochs, AViewBeingOpenedHoldsTheHorizonWhereItIs) {
  EXPECT_EQ(epochs.horizon(10), 10u);
  ReaderSlot* reader = open_view(ReaderSlot::opening);
  EXPECT_EQ(epochs.horizon(20), 10u);
  reader->view.store(15);
  EXPECT_EQ(epochs.horizon(20), 15u);
  epochs.release(reader);
}

TEST_F(Epochs, APinWithoutAViewDoesNotHoldTheHorizon) {
  ReaderSlot* reader = epochs.acquire();
  const PinGuard pin(epochs, reader);
  EXPECT_EQ(epochs.horizon(10), 10u);
}

TEST_F(Epochs, OpenViewsAreListedInRisingOrder) {
  std::vector<std::uint64_t> views{99};
  EXPECT_TRUE(epochs.views(views));
  EXPECT_TRUE(views.empty());
  const std::array slots{open_view(20), open_view(5), open_view(20), epochs.acquire()};
  EXPECT_TRUE(epochs.views(views));
  EXPECT_EQ(views, (Numbers{5, 20, 20}));
  slots[3]->view.store(ReaderSlot::opening);
  EXPECT_FALSE(epochs.views(views));
  for (ReaderSlot* slot : slots) {
    epochs.release(slot);
  }
}

TEST_F(Epochs, TheOldestViewIsNamedWithItsSite) {
  EXPECT_EQ(epochs.oldest_view().sequence, ReaderSlot::no_view);
  EXPECT_EQ(epochs.oldest_view().open, 0u);
  ReaderSlot* newer = open_view(20);
  ReaderSlot* older = open_view(5);
  older->site.store("somewhere");
  const EpochManager::OldestView oldest = epochs.oldest_view();
  EXPECT_EQ(oldest.sequence, 5u);
  EXPECT_STREQ(oldest.site, "somewhere");
  EXPECT_EQ(oldest.open, 2u);
  epochs.release(older);
  epochs.release(newer);
}

// --- threads -----------------------------------------------------------------------------------

// The arena writes its free list into what it gets back, so a block given back too early shows.
TEST_F(Epochs, PinnedReadersNeverSeeMemoryThatWasGivenBack) {
  constexpr std::size_t bytes = 64;
  constexpr int rounds = 20000;
  std::atomic<std::byte*> shared{nullptr};
  const auto fresh = [&](int round) {
    auto* block = static_cast<std::byte*>(arena.allocate(bytes));
    std::memset(block, round & 0xff, bytes);
    return block;
  };
  shared.store(fresh(0));
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::atomic<std::uint64_t> reads{0};
  const auto read = [&] {
    ReaderSlot* slot = epochs.acquire();
    do {
      const PinGuard pin(epochs, slot);
      const std::byte* block = shared.load(std::memory_order_seq_cst);
      for (std::size_t i = 1; i < bytes; ++i) {
        torn += block[i] != block[0];
      }
      ++reads;
    } while (!done.load());
    epochs.release(slot);
  };
  std::thread one(read);
  std::thread two(read);
  for (int round = 1; round <= rounds; ++round) {
    epochs.retire_memory(shared.exchange(fresh(round), std::memory_order_seq_cst), bytes);
    if (round % 16 == 0) {
      epochs.collect();
    }
  }
  done.store(true);
  one.join();
  two.join();
  EXPECT_EQ(torn.load(), 0);
  EXPECT_GE(reads.load(), 2u);
  epochs.collect();
  EXPECT_EQ(epochs.retired_count(), 0u);
  EXPECT_EQ(arena.used_bytes(), bytes);
}

TEST_F(Epochs, ThreadsThatRetireAndCollectLoseNothing) {
  constexpr int each = 5000;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      ReaderSlot* slot = epochs.acquire();
      for (int i = 0; i < each; ++i) {
        const PinGuard pin(epochs, slot);
        epochs.retire_memory(arena.allocate(48), 48);
        if (i % 50 == 0) {
          epochs.collect();
        }
      }
      epochs.release(slot);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  epochs.collect();
  EXPECT_EQ(epochs.retired_count(), 0u);
  EXPECT_EQ(arena.used_bytes(), 0u);
}

}  // namespace
}  // namespace selvedge::graph
