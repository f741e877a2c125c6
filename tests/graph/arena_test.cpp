#include "graph/arena.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "graph/counters.h"

namespace selvedge::graph {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

struct Piece {
  std::byte* at = nullptr;
  std::size_t bytes = 0;
  unsigned char fill = 0;
};

bool intact(const Piece& piece) {
  for (std::size_t i = 0; i < piece.bytes; ++i) {
    if (piece.at[i] != static_cast<std::byte>(piece.fill)) {
      return false;
    }
  }
  return true;
}

TEST(Arena, ObjectsOfAllSizesNeverOverlap) {
  Arena arena(0);
  std::mt19937 random(7);
  std::vector<Piece> pieces;
  for (int step = 0; step < 60'000; ++step) {
    if (pieces.size() < 2'000 && random() % 5 < 3) {
      const std::size_t shift = random() % 19;
      const std::size_t bytes = 1 + random() % (std::size_t{1} << shift);
      auto* const at = static_cast<std::byte*>(arena.allocate(bytes));
      ASSERT_NE(at, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(at) % 8, 0U);
      pieces.push_back({at, bytes, static_cast<unsigned char>(random())});
      std::memset(at, pieces.back().fill, bytes);
    } else if (!pieces.empty()) {
      const std::size_t i = random() % pieces.size();
      ASSERT_TRUE(intact(pieces[i])) << pieces[i].bytes;
      arena.deallocate(pieces[i].at, pieces[i].bytes);
      pieces[i] = pieces.back();
      pieces.pop_back();
    }
  }
  std::uint64_t held = 0;
  for (const Piece& piece : pieces) {
    ASSERT_TRUE(intact(piece));
    held += piece.bytes;
  }
  EXPECT_GE(arena.used_bytes(), held);
  EXPECT_LE(arena.used_bytes(), held + held / 4 + 8 * pieces.size());
  EXPECT_GE(arena.reserved_bytes(), arena.used_bytes());
  for (const Piece& piece : pieces) {
    arena.deallocate(piece.at, piece.bytes);
  }
  EXPECT_EQ(arena.used_bytes(), 0U);
}

TEST(Arena, WhatOneThreadFreesServesAnother) {
  Arena arena(0);
  std::vector<void*> pieces;
  for (int i = 0; i < 100'000; ++i) {
    pieces.push_back(arena.allocate(40));
  }
  const std::uint64_t before = arena.reserved_bytes();
  std::thread([&] {
    for (void* each : pieces) {
      arena.deallocate(each, 40);
    }
  }).join();
  EXPECT_EQ(arena.used_bytes(), 0U);
  for (int i = 0; i < 99'000; ++i) {
    arena.allocate(40);
  }
  EXPECT_LE(arena.reserved_bytes(), before + 2 * mib);
}

TEST(Arena, TheLimitHoldsAndDeletesHaveMore) {
  Arena arena(16 * mib);
  std::vector<void*> pieces;
  while (void* const piece = arena.allocate(64)) {
    pieces.push_back(piece);
  }
  EXPECT_LE(arena.reserved_bytes(), 15 * mib);
  EXPECT_GE(arena.used_bytes(), 14 * mib);
  EXPECT_EQ(arena.allocate(64), nullptr);
  EXPECT_EQ(arena.allocate(mib), nullptr) << "nor a large one";
  std::size_t more = 0;
  while (arena.allocate(64, Arena::For::deletes) != nullptr) {
    ++more;
  }
  EXPECT_GE(more * 64, mib * 9 / 10);
  EXPECT_LE(arena.reserved_bytes(), 16 * mib);
  arena.deallocate(pieces.back(), 64);
  EXPECT_NE(arena.allocate(64), nullptr) << "what is freed serves again";
}

TEST(Arena, ARefusedRequestIsInNobodysWay) {
  Arena arena(32 * mib);
  for (const std::size_t bytes : {100'000U, 1'000U, 24U}) {
    while (arena.allocate(bytes) != nullptr) {
    }
  }
  std::atomic<bool> stop{false};
  std::thread greedy([&] {
    while (!stop) {
      EXPECT_EQ(arena.allocate(4 * mib), nullptr);
    }
  });
  for (std::uint64_t got = 0; got < mib; got += 1024) {  // half of what is kept
    EXPECT_NE(arena.allocate(1024, Arena::For::deletes), nullptr) << got;
  }
  stop = true;
  greedy.join();
}

TEST(Arena, AnOpenReserveServesEverybody) {
  Arena arena(16 * mib);
  arena.open_reserve(true);
  while (arena.allocate(64) != nullptr) {
  }
  EXPECT_GE(arena.used_bytes(), 15 * mib + mib / 2);
  EXPECT_LE(arena.reserved_bytes(), 16 * mib);
  arena.open_reserve(false);
  EXPECT_FALSE(arena.reserve_outside(1));
}

/// Each thread cuts its objects from memory of its own. At the limit, none of that is wasted.
TEST(Arena, ManyThreadsCostLittleNearTheLimit) {
  Arena arena(8 * mib);
  for (int i = 0; i < 40; ++i) {
    std::thread([&] { EXPECT_NE(arena.allocate(24), nullptr); }).join();
  }
  while (arena.allocate(24) != nullptr) {
  }
  EXPECT_GE(arena.used_bytes(), 8 * mib - mib);
}

TEST(Arena, OutsideMemoryCountsTowardsTheLimit) {
  Arena arena(8 * mib);
  EXPECT_TRUE(arena.reserve_outside(6 * mib));
  EXPECT_FALSE(arena.reserve_outside(2 * mib));
  EXPECT_TRUE(arena.reserve_outside(2 * mib, Arena::For::deletes));
  EXPECT_EQ(arena.allocate(8), nullptr);
  arena.release_outside(8 * mib);
  EXPECT_NE(arena.allocate(8), nullptr);
}

TEST(Counters, DeltasAddUpAndApply) {
  CountDeltas deltas;
  deltas.add(CounterKind::nodes, 0, 2);
  deltas.add(CounterKind::label, 3, 1);
  deltas.add(CounterKind::type, 3, 5);
  deltas.add(CounterKind::label, 3, -4);
  EXPECT_EQ(deltas.all().size(), 3U);
  EXPECT_EQ(deltas.of(CounterKind::label, 3), -3);
  EXPECT_EQ(deltas.of(CounterKind::label, 4), 0);
  BaseCounts base;
  for (const CountDelta& each : deltas.all()) {
    base.apply(each);
  }
  BaseCounts other;
  other.apply({CounterKind::edges, 0, 9});
  other.apply({CounterKind::label, 3, 4});
  other.apply({CounterKind::label, 900, 1});
  base.merge(other);
  EXPECT_EQ(base.of(CounterKind::nodes, 0), 2);
  EXPECT_EQ(base.of(CounterKind::edges, 0), 9);
  EXPECT_EQ(base.of(CounterKind::label, 3), 1);
  EXPECT_EQ(base.of(CounterKind::label, 900), 1);
  EXPECT_EQ(base.of(CounterKind::label, 901), 0);
  EXPECT_EQ(base.of(CounterKind::type, 3), 5);
}

}  // namespace
}  // namespace selvedge::graph
