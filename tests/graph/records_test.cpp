// Records and slots: addresses that stay, slots first-in first-out, words that share no bits.
#include "graph/records.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace selvedge::graph {
namespace {

// --- slots -------------------------------------------------------------------------------------

TEST(SlotAllocator, NewSlotsRiseFromZero) {
  SlotAllocator slots;
  EXPECT_EQ(slots.high_water(), 0u);
  for (std::uint64_t slot = 0; slot < 10; ++slot) {
    EXPECT_EQ(slots.allocate(), slot);
    EXPECT_GT(slots.high_water(), slot);
  }
}

TEST(SlotAllocator, ThreadsTakeNewSlotsInRuns) {
  SlotAllocator slots;
  EXPECT_EQ(slots.allocate(), 0u);
  std::thread([&] { EXPECT_EQ(slots.allocate(), 64u); }).join();
  for (std::uint64_t slot = 1; slot < 64; ++slot) {
    EXPECT_EQ(slots.allocate(), slot);
  }
  EXPECT_EQ(slots.allocate(), 128u);
  EXPECT_EQ(slots.high_water(), 192u);
}

TEST(SlotAllocator, FreeSlotsComeBackInTheOrderOfFreeing) {
  SlotAllocator slots;
  for (int i = 0; i < 5; ++i) {
    slots.allocate();
  }
  for (const std::uint64_t slot : {3u, 0u, 4u}) {
    slots.free(slot);
  }
  EXPECT_EQ(slots.free_count(), 3u);
  EXPECT_EQ(slots.allocate(), 3u);
  slots.free(1);
  EXPECT_EQ(slots.allocate(), 0u);
  EXPECT_EQ(slots.allocate(), 4u);
  EXPECT_EQ(slots.allocate(), 1u);
  EXPECT_EQ(slots.free_count(), 0u);
  EXPECT_EQ(slots.allocate(), 5u);
}

TEST(SlotAllocator, FreeingNeverLowersTheHighWaterMark) {
  SlotAllocator slots;
  for (int i = 0; i < 3; ++i) {
    slots.allocate();
  }
  const std::uint64_t before = slots.high_water();
  slots.free(2);
  EXPECT_EQ(slots.high_water(), before);
  EXPECT_EQ(slots.allocate(), 2u);
  EXPECT_EQ(slots.high_water(), before);
}

TEST(SlotAllocator, GoesOnAboveARecoveredHighWaterMark) {
  SlotAllocator slots;
  slots.free(17);
  slots.set_high_water(1000);
  EXPECT_EQ(slots.allocate(), 17u);
  EXPECT_EQ(slots.allocate(), 1000u);
  EXPECT_GT(slots.high_water(), 1000u);
}

TEST(SlotAllocator, TheOrderHoldsOverManyRounds) {
  SlotAllocator slots;
  constexpr std::uint64_t count = 10000;
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    slots.free(slot);
  }
  for (std::uint64_t i = 0; i < 5 * count; ++i) {  // the queue is compacted on the way
    const std::uint64_t slot = slots.allocate();
    ASSERT_EQ(slot, i % count);
    slots.free(slot);
    ASSERT_EQ(slots.free_count(), count);
  }
  EXPECT_EQ(slots.high_water(), 0u);
}

TEST(SlotAllocator, ThreadsNeverHoldTheSameSlot) {
  SlotAllocator slots;
  std::vector<std::vector<std::uint64_t>> held(3);
  std::vector<std::thread> threads;
  for (auto& mine : held) {
    threads.emplace_back([&slots, &mine] {
      for (int i = 0; i < 20000; ++i) {
        mine.push_back(slots.allocate());
        if (i % 3 != 0) {
          slots.free(mine.back());
          mine.pop_back();
        }
      }
    });
  }
  std::vector<std::uint64_t> all;
  for (std::size_t i = 0; i < held.size(); ++i) {
    threads[i].join();
    all.insert(all.end(), held[i].begin(), held[i].end());
  }
  const std::uint64_t free = slots.free_count();
  for (std::uint64_t i = 0; i < free; ++i) {
    all.push_back(slots.allocate());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
  EXPECT_LT(all.back(), slots.high_water());
  EXPECT_GT(all.size() + held.size() * 64, slots.high_water()) << "only the ends of runs are left";
}

// --- tables ------------------------------------------------------------------------------------

TEST(RecordTable, RecordsAreBlankAndKeepTheirAddresses) {
  Arena arena(0);
  RecordTable<NodeRecord> table(arena);
  EXPECT_FALSE(table.covers(0));
  const std::vector<std::uint64_t> slots{0, 1, 1023, 1024, 3071, 3072, 7167, 7168, 100000};
  std::vector<NodeRecord*> addresses;
  for (const std::uint64_t slot : slots) {
    ASSERT_TRUE(table.ensure(slot));
    ASSERT_TRUE(table.covers(slot));
    NodeRecord& record = table.at(slot);
    EXPECT_EQ(record.head.load() | record.word.load() | record.out.load() | record.in.load(), 0u);
    record.head.store(slot + 1);
    addresses.push_back(&record);
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    EXPECT_EQ(&table.at(slots[i]), addresses[i]);
    EXPECT_EQ(table.at(slots[i]).head.load(), slots[i] + 1);
  }
}

TEST(RecordTable, EverySlotHasItsOwnRecord) {
  Arena arena(0);
  RecordTable<EdgeRecord> table(arena);
  constexpr std::uint64_t count = 20000;
  ASSERT_TRUE(table.ensure(count - 1));
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    table.at(slot).source.store(slot);
  }
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    ASSERT_EQ(table.at(slot).source.load(), slot);
  }
}

TEST(RecordTable, RefusedMemoryChangesNothing) {
  Arena arena(std::uint64_t{100} << 10);
  RecordTable<NodeRecord> table(arena);
  ASSERT_TRUE(table.ensure(0));  // 32 KiB
  const std::uint64_t reserved = arena.reserved_bytes();
  EXPECT_FALSE(table.ensure(1024));  // 64 KiB more: above what is kept for deletes
  EXPECT_TRUE(table.covers(1023));
  EXPECT_FALSE(table.covers(1024));
  EXPECT_EQ(arena.reserved_bytes(), reserved);
}

TEST(RecordTable, GivesItsMemoryBackWhenItDies) {
  Arena arena(0);
  {
    RecordTable<NodeRecord> table(arena);
    ASSERT_TRUE(table.ensure(5000));
    EXPECT_GT(arena.reserved_bytes(), 0u);
  }
  EXPECT_EQ(arena.reserved_bytes(), 0u);
}

TEST(RecordTable, ThreadsMayGrowItTogether) {
  Arena arena(0);
  RecordTable<NodeRecord> table(arena);
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&table, thread] {
      for (std::uint64_t slot = thread; slot < 50000; slot += 3) {
        if (table.ensure(slot)) {
          table.at(slot).head.fetch_add(slot + 1);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::uint64_t slot = 0; slot < 50000; ++slot) {
    ASSERT_EQ(table.at(slot).head.load(), slot + 1);
  }
}

// --- words -------------------------------------------------------------------------------------

TEST(NodeRecord, GenerationLatchAndPendingCountShareNoBits) {
  NodeRecord record{};
  record.word.store(id_bits::generation_max);
  record.word.fetch_add(3 * NodeRecord::pending_one);
  {
    const NodeLatch latch(record);
    EXPECT_NE(record.word.load() & NodeRecord::latch_bit, 0u);
    EXPECT_EQ(record.generation(), id_bits::generation_max);
    EXPECT_EQ(record.pending(), 3u);
    record.word.fetch_sub(2 * NodeRecord::pending_one);
  }
  EXPECT_EQ(record.word.load() & NodeRecord::latch_bit, 0u);
  EXPECT_EQ(record.generation(), id_bits::generation_max);
  EXPECT_EQ(record.pending(), 1u);
}

TEST(NodeRecord, TheLatchLetsOneThreadIn) {
  NodeRecord record{};
  std::uint64_t count = 0;  // guarded by the latch alone
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 3; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        record.word.fetch_add(NodeRecord::pending_one);
        const NodeLatch latch(record);
        ++count;
        record.word.fetch_sub(NodeRecord::pending_one);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(count, 60000u);
  EXPECT_EQ(record.word.load(), 0u);
}

TEST(EdgeRecord, TypeAndGenerationShareNoBits) {
  EdgeRecord record{};
  record.word.store(EdgeRecord::make_word(0xffffff, 1));
  EXPECT_EQ(record.type(), 0xffffffu);
  EXPECT_EQ(record.generation(), 1u);
  record.word.store(EdgeRecord::make_word(0, id_bits::generation_max));
  EXPECT_EQ(record.type(), 0u);
  EXPECT_EQ(record.generation(), id_bits::generation_max);
}

}  // namespace
}  // namespace selvedge::graph
