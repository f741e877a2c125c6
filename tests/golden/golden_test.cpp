// Stores written by earlier versions open, for ever.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <algorithm>
#include <filesystem>

#include "tests/golden/golden_values.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

class Golden : public ::testing::TestWithParam<const char*> {
 protected:
  /// Opens a copy: what was written is never changed.
  Store open() {
    std::filesystem::copy(std::string(SELVEDGE_TEST_DATA "/golden/") + GetParam(),
                          directory_.path("s"), std::filesystem::copy_options::recursive);
    for (const char* const each : {"s/wal", "s/snapshots"}) {  // git keeps no empty directories
      std::filesystem::create_directories(directory_.path(each));
    }
    auto store = Store::open(directory_.path("s"));
    EXPECT_TRUE(store) << store.error().message();
    return *std::move(store);
  }
  test::TempDirectory directory_;
};

NodeId by_name(const ReadView& view, std::string_view name) {
  for (auto cursor = view.nodes("Person"); cursor.next();) {
    if (cursor.node()["name"].as_string() == name) {
      return cursor.id();
    }
  }
  return {};
}

void expect_state(const Store& store) {
  const auto view = store.read();
  EXPECT_EQ(view.node_count(), 21U);
  EXPECT_EQ(view.edge_count(), 19U);
  EXPECT_EQ(view.node_count("Person"), 2U);
  EXPECT_EQ(view.edge_count("KNOWS"), 2U);
  EXPECT_EQ(view.edge_count("NEXT"), 17U);
  for (const char* const label : {"Gone", "Undone", "Aborted", "Lost", "Pioneer"}) {
    EXPECT_EQ(view.node_count(label), 0U) << label;
  }
  const NodeId ada = by_name(view, "Ada");
  const NodeId charles = by_name(view, "Charles");
  ASSERT_TRUE(view.exists(ada) && view.exists(charles));
  EXPECT_EQ((*view.get(ada))["born"].as_int64(), 1815);
  EXPECT_EQ((*view.get(charles))["born"].as_int64(), 1791);
  EXPECT_EQ((*view.get(charles))["note"].as_string(), std::string(3000, 'n'));
  EXPECT_EQ(view.labels(ada).size(), 1U);
  EXPECT_EQ(view.labels(charles).size(), 2U);
  const auto knows = view.edge_between(ada, charles, *view.find_type("KNOWS"));
  ASSERT_TRUE(knows);
  EXPECT_EQ((*view.get(*knows))["since"].as_int64(), 1833);
  EXPECT_TRUE(view.edge_between(charles, ada));
  EXPECT_EQ(view.embedding(ada, "vector"), (std::vector<float>{0.5F, -1.0F}));
  const auto holder = view.first("Values");
  ASSERT_TRUE(holder);
  const auto node = view.get(*holder);
  const auto values = test::golden_values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ((*node)["p" + std::to_string(i)].to_value(), values[i]) << "value " << i;
  }
  EXPECT_EQ(node->properties().size(), values.size());
}

TEST_P(Golden, OpensWithTheStateThatWasWrittenAndGoesOn) {
  std::string digest;
  {
    Store store = open();
    expect_state(store);
    const CheckReport report = store.check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
    const bool backup = std::string_view(GetParam()).ends_with("backup");
    EXPECT_EQ(store.recovery_report().transactions_incomplete, backup ? 0U : 1U);
    EXPECT_EQ(store.recovery_report().snapshot.empty(), std::string_view(GetParam()) == "v1/log");
    const auto fresh = store.create_node({"Fresh"});
    ASSERT_TRUE(fresh);
    ASSERT_TRUE(store.delete_node(*fresh));
    digest = store.digest();
    ASSERT_TRUE(store.close());
  }
  auto again = Store::open(directory_.path("s"));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->digest(), digest);
  expect_state(*again);
}

INSTANTIATE_TEST_SUITE_P(V1, Golden,
                         ::testing::Values("v1/log", "v1/checkpoint", "v1/zstd", "v1/backup"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

}  // namespace
}  // namespace selvedge
