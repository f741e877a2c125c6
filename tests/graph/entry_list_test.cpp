// Entry lists against a plain list of the same entries, short, long and shrinking.
#include "graph/entry_list.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace selvedge::graph {
namespace {

struct Live {
  std::uint64_t entity = 0;
  std::uint64_t neighbour = 0;
  bool settled = false;
  bool operator==(const Live&) const = default;
  auto operator<=>(const Live&) const = default;
};

class EntryLists : public testing::Test {
 protected:
  ~EntryLists() override { list.destroy(); }

  void append(std::uint64_t neighbour) {
    const std::uint64_t entity = ++last_id << 8;
    ASSERT_NE(list.append(entity, neighbour << 8, TypeBits::of(12345)), EntryList::no_position);
    expected.push_back({entity, neighbour << 8, false});
  }
  void settle(Live& live) {
    list.settle(list.find(live.entity), live.entity);
    live.settled = true;
  }
  void kill(std::size_t index) {
    list.kill(list.find(expected[index].entity), expected[index].entity);
    killed = expected[index].entity;
    expected[index] = expected.back();
    expected.pop_back();
  }
  void settle_all() {
    for (Live& live : expected) {
      settle(live);
    }
  }
  /// What a scan shows, with the promise of regular runs looked at on the way.
  std::vector<Live> scanned() {
    std::vector<Live> found;
    EntryScan scan(head.load());
    for (EntryScan::Run run; scan.next(run);) {
      for (std::uint32_t i = 0; i < run.count; ++i) {
        std::uint64_t entity = 0;
        std::uint64_t neighbour = 0;
        if (!load_entry(run.entries[i], entity, neighbour)) {
          EXPECT_FALSE(run.regular);
          continue;
        }
        const bool settled = (entity & Entry::settled_bit) != 0;
        EXPECT_TRUE(settled || !run.regular);
        EXPECT_TRUE(TypeBits::of(12345).match(entity, neighbour));
        found.push_back({entity & Entry::id_mask, neighbour & Entry::id_mask, settled});
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  void expect_equal() {
    std::vector<Live> sorted = expected;
    std::sort(sorted.begin(), sorted.end());
    ASSERT_EQ(scanned(), sorted);
    for (const Live& live : sorted) {
      ASSERT_NE(list.find(live.entity), EntryList::no_position);
    }
    ASSERT_EQ(list.find((last_id + 1) << 8), EntryList::no_position);
    if (killed != 0) {
      ASSERT_EQ(list.find(killed), EntryList::no_position);
    }
  }

  Arena arena{std::uint64_t{256} << 20};
  EpochManager epochs{arena};
  EntryList::HeadWord head{0};
  EntryList list{arena, epochs, head};
  std::vector<Live> expected;
  std::uint64_t last_id = 0;
  std::uint64_t killed = 0;
};

TEST_F(EntryLists, AnEmptyListHoldsNothing) {
  EXPECT_EQ(EntryList::positions(head.load()), 0u);
  expect_equal();
}

TEST_F(EntryLists, GrowsPastTheFirstChunks) {
  for (std::uint64_t i = 0; i < 9000; ++i) {
    append(i % 17);
    if (i < 20 || (i % 1023 < 2)) {
      expect_equal();
    }
  }
  EXPECT_TRUE(EntryList::is_long(head.load()));
  settle_all();
  expect_equal();
}

TEST_F(EntryLists, ADeadPositionIsGivenOutAgain) {
  for (std::uint64_t i = 0; i < 20; ++i) {
    append(i);
  }
  kill(3);
  append(99);
  EXPECT_EQ(EntryList::positions(head.load()), 20u);
  expect_equal();
}

TEST_F(EntryLists, CompactsWhenHalfIsDeadAndTheRestSettled) {
  for (std::uint64_t i = 0; i < 5000; ++i) {
    append(i);
  }
  settle_all();
  while (expected.size() > 100) {
    kill(expected.size() / 2);
  }
  EXPECT_LT(EntryList::positions(head.load()), 300u);
  expect_equal();
  while (!expected.empty()) {
    kill(0);
  }
  EXPECT_EQ(head.load(), 0u);
}

TEST_F(EntryLists, TheNeighbourIndexFindsEveryEdgeOfAHub) {
  for (std::uint64_t i = 0; i < 3000; ++i) {
    append(i % 100);
  }
  PositionIndex* index = list.neighbour_index();
  ASSERT_NE(index, nullptr);
  append(42);
  kill(42);
  std::vector<std::uint64_t> found;
  EntryList::for_neighbour(head.load(), *list.neighbour_index(), std::uint64_t{42} << 8,
                           [&](std::uint64_t entity) { found.push_back(entity); });
  std::vector<std::uint64_t> wanted;
  for (const Live& live : expected) {
    if (live.neighbour == std::uint64_t{42} << 8) {
      wanted.push_back(live.entity);
    }
  }
  std::sort(wanted.begin(), wanted.end());
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  EXPECT_EQ(found, wanted);
}

TEST_F(EntryLists, RandomOperationsAgreeWithAPlainList) {
  std::mt19937 random(11);
  for (unsigned round = 0; round < 30000; ++round) {
    const bool growing = round / 6000 % 2 == 0;
    const auto choice = random() % 10;
    if (expected.empty() || choice < (growing ? 6u : 2u)) {
      append(random() % 50);
    } else if (choice < 8) {
      settle(expected[random() % expected.size()]);
    } else {
      kill(random() % expected.size());
    }
    if (round % 1500 == 0) {
      expect_equal();
    }
  }
  settle_all();
  expect_equal();
}

TEST_F(EntryLists, RefusedMemoryChangesNothing) {
  Arena tiny(std::uint64_t{1} << 10);
  EpochManager tiny_epochs(tiny);
  EntryList::HeadWord word{0};
  EntryList starved(tiny, tiny_epochs, word);
  EXPECT_EQ(starved.append(256, 512, {}), EntryList::no_position);
  EXPECT_EQ(word.load(), 0u);
}

}  // namespace
}  // namespace selvedge::graph
