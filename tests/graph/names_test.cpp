// Dictionaries: an id names one text for ever.
#include "graph/names.h"

#include <gtest/gtest.h>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace selvedge::graph {
namespace {

TEST(Dictionary, WhatIsDefinedIsFoundBothWays) {
  Dictionary names;
  EXPECT_EQ(names.size(), 0u);
  EXPECT_FALSE(names.find("Person"));
  EXPECT_TRUE(names.define(0, "Person"));
  EXPECT_TRUE(names.define(1, "Place"));
  EXPECT_EQ(names.find("Person"), 0u);
  EXPECT_EQ(names.find("Place"), 1u);
  EXPECT_EQ(names.text(0), "Person");
  EXPECT_EQ(names.text(1), "Place");
  EXPECT_EQ(names.size(), 2u);
}

TEST(Dictionary, TextsDifferByEveryByte) {
  Dictionary names;
  EXPECT_TRUE(names.define(0, "a"));
  EXPECT_TRUE(names.define(1, "A"));
  EXPECT_TRUE(names.define(2, std::string_view("a\0", 2)));
  EXPECT_EQ(names.find("a"), 0u);
  EXPECT_EQ(names.find("A"), 1u);
  EXPECT_EQ(names.find(std::string_view("a\0", 2)), 2u);
  EXPECT_EQ(names.text(2).size(), 2u);
}

TEST(Dictionary, TheSameDefinitionTwiceIsOne) {
  Dictionary names;
  EXPECT_TRUE(names.define(0, "Person"));
  EXPECT_TRUE(names.define(0, "Person"));
  EXPECT_EQ(names.size(), 1u);
}

TEST(Dictionary, AContradictionIsRefusedAndChangesNothing) {
  Dictionary names;
  EXPECT_TRUE(names.define(0, "Person"));
  EXPECT_FALSE(names.define(1, "Person"));
  EXPECT_FALSE(names.define(0, "Place"));
  EXPECT_EQ(names.size(), 1u);
  EXPECT_EQ(names.text(0), "Person");
  EXPECT_FALSE(names.find("Place"));
}

TEST(Dictionary, IdsMayComeInAnyOrder) {
  Dictionary names;
  EXPECT_TRUE(names.define(5, "five"));
  EXPECT_EQ(names.size(), 6u);
  EXPECT_EQ(names.text(3), "");
  EXPECT_TRUE(names.define(3, "three"));
  EXPECT_EQ(names.size(), 6u);
  EXPECT_EQ(names.text(3), "three");
  EXPECT_EQ(names.find("five"), 5u);
}

TEST(Dictionary, TheHighestIdHasRoom) {
  Dictionary names;
  EXPECT_TRUE(names.define(name_id_max, "last"));
  EXPECT_EQ(names.size(), name_id_max + 1);
  EXPECT_EQ(names.text(name_id_max), "last");
}

TEST(Dictionary, TextsNeverMove) {
  Dictionary names;
  std::vector<std::string_view> texts;
  for (std::uint32_t id = 0; id < 5000; ++id) {
    ASSERT_TRUE(names.define(id, std::to_string(id)));
    texts.push_back(names.text(id));
  }
  for (std::uint32_t id = 0; id < 5000; ++id) {
    ASSERT_EQ(names.text(id).data(), texts[id].data());
    ASSERT_EQ(names.text(id), std::to_string(id));
    ASSERT_EQ(names.find(std::to_string(id)), id);
  }
}

TEST(Dictionary, ReadersSeeWholeNamesWhileOthersDefine) {
  Dictionary names;
  constexpr std::uint32_t count = 3000;
  std::atomic<int> wrong{0};
  std::atomic<bool> done{false};
  std::thread reader([&] {
    bool last = false;
    do {
      last = done.load();
      const std::uint32_t seen = names.size();
      for (std::uint32_t id = seen < 20 ? 0 : seen - 20; id < seen; ++id) {
        const std::string expected = std::to_string(id);
        wrong += names.text(id) != expected;
        wrong += names.find(expected) != id;
      }
    } while (!last);
  });
  for (std::uint32_t id = 0; id < count; ++id) {
    EXPECT_TRUE(names.define(id, std::to_string(id)));
  }
  done.store(true);
  reader.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(names.size(), count);
}

TEST(Names, TheThreeDictionariesAreApart) {
  Names names;
  EXPECT_TRUE(names.of(NameKind::label).define(0, "x"));
  EXPECT_TRUE(names.of(NameKind::key).define(7, "x"));
  EXPECT_EQ(names.of(NameKind::label).find("x"), 0u);
  EXPECT_FALSE(names.of(NameKind::type).find("x"));
  EXPECT_EQ(names.of(NameKind::key).find("x"), 7u);
}

}  // namespace
}  // namespace selvedge::graph
