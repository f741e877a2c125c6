// The versions of one node or edge, from the log.
#include <set>

#include "tests/time/random_history.h"

namespace selvedge {
namespace {

class EntityHistoryTest : public RandomHistory {
 protected:
  struct Version {
    std::uint64_t sequence = 0;
    std::optional<Image> before;
    std::optional<Image> after;
    bool operator==(const Version&) const = default;
  };
  static std::optional<Image> image_of(const LoggedImage& image) {
    return image ? std::optional(bytes_of(image)) : std::nullopt;
  }
  template <class Id>
  std::vector<Version> versions(Id id) const {
    auto past = log().history(id);
    EXPECT_TRUE(past) << past.error().message();
    std::vector<Version> found;
    while (past->next()) {
      const EntityVersion& each = past->version();
      found.push_back(
          {each.sequence.value, image_of(each.change.before), image_of(each.change.after)});
    }
    EXPECT_TRUE(past->status()) << past->status().error().message();
    return found;
  }
  /// The same out of the feed, which nets every commit as a whole.
  template <class Id>
  std::vector<Version> from_feed(Id id) const {
    auto feed = log().feed({1});
    EXPECT_TRUE(feed);
    std::vector<Version> found;
    while (feed->next()) {
      while (feed->next_change()) {
        const LoggedChange& change = feed->change();
        const bool same = std::is_same_v<Id, EdgeId>
                              ? change.is_edge() && change.edge.value == id.value
                              : change.is_node() && change.node.value == id.value;
        if (same) {
          found.push_back(
              {feed->commit().sequence.value, image_of(change.before), image_of(change.after)});
        }
      }
    }
    return found;
  }
  /// Everything that ever was.
  std::pair<std::set<std::uint64_t>, std::set<std::uint64_t>> all_ids() const {
    std::set<std::uint64_t> nodes;
    std::set<std::uint64_t> edges;
    for (const auto& [sequence, content] : contents) {
      for (const auto& [id, image] : content.nodes) {
        nodes.insert(id);
      }
      for (const auto& [id, edge] : content.edges) {
        edges.insert(id);
      }
    }
    return {nodes, edges};
  }
  std::vector<std::string> filters() const {
    std::vector<std::string> names = files_in("/db/history");
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".flt"); });
    return names;
  }
  std::size_t segments_read() {
    std::size_t count = 0;
    for (const auto& [path, bytes] : faults->bytes_read()) {
      count += path.starts_with("/db/wal/") && bytes > 4096 ? 1U : 0U;
    }
    faults->forget_reads();
    return count;
  }
  NodeId scattered_versions(int rounds) {
    const NodeId wanted = node(0);
    for (int i = 1; i <= rounds; ++i) {
      for (int each = 0; each < 60; ++each) {
        EXPECT_TRUE(store->create_node({}, {{"text", std::string(900, 'f')}}));
      }
      must(store->set(wanted, "v", i));
    }
    return wanted;
  }
};

TEST_F(EntityHistoryTest, HasEveryVersionOfEverything) {
  live_small();
  keep_content = true;
  live(200, 250);
  const auto [nodes, edges] = all_ids();
  ASSERT_GT(nodes.size(), 20U);
  ASSERT_GT(edges.size(), 20U);
  for (int round = 0; round < 2; ++round) {  // the second time with filters
    for (const std::uint64_t id : nodes) {
      EXPECT_EQ(versions(NodeId{id}), from_feed(NodeId{id})) << id;
    }
    for (const std::uint64_t id : edges) {
      EXPECT_EQ(versions(EdgeId{id}), from_feed(EdgeId{id})) << id;
    }
  }
  EXPECT_FALSE(filters().empty());
}

TEST_F(EntityHistoryTest, SaysWhoAndWhen) {
  faults->set_wall_clock_us(5'000'000);
  live_small();
  const NodeId id = node(1);
  auto tx = store->begin({.metadata = {{"user", "ada"}}});
  ASSERT_TRUE(tx);
  must(tx->set(id, "v", 2));
  ASSERT_TRUE(tx->create_node({}, {{"text", std::string(2000, 'x')}}));  // it is streamed
  must(tx->set(id, "v", 3));
  faults->set_wall_clock_us(6'000'000);
  const Sequence commit = *tx->commit();
  auto past = log().history(id);
  ASSERT_TRUE(past);
  ASSERT_TRUE(past->next());
  EXPECT_EQ(past->version().number.value, 0U);
  EXPECT_FALSE(past->version().transaction);
  EXPECT_EQ(past->version().timestamp.microseconds, 5'000'000);
  EXPECT_EQ(past->version().change.kind, EntryKind::create_node);
  ASSERT_TRUE(past->next());
  const EntityVersion& version = past->version();
  EXPECT_EQ(version.sequence, commit);
  EXPECT_EQ(version.transaction, tx->uuid());
  EXPECT_EQ(version.timestamp.microseconds, 6'000'000);
  ASSERT_EQ(version.metadata.size(), 1U);
  EXPECT_EQ(version.metadata[0].second, "ada");
  EXPECT_EQ(version.change.before["v"].as_int64(), 1);
  EXPECT_EQ(version.change.after["v"].as_int64(), 3);
  EXPECT_FALSE(past->next());
  must(store->delete_node(id));
  ASSERT_TRUE(past->next());  // it goes on
  EXPECT_EQ(past->version().change.kind, EntryKind::delete_node);
}

TEST_F(EntityHistoryTest, WhatDidNotCommitDoesNotCome) {
  live_small();
  const NodeId id = node(1);
  auto undone = begin();
  must(undone.set(id, {{"v", 2}, {"text", std::string(2000, 'x')}}));
  ASSERT_TRUE(undone.create_node({}, {}));
  must(undone.abort());
  auto back = begin();
  const Savepoint savepoint = *back.savepoint();
  must(back.set(id, "v", 3));
  must(back.rollback_to(savepoint));
  ASSERT_TRUE(back.create_node({}, {}));
  ASSERT_TRUE(back.commit());
  auto open = begin();
  must(open.set(id, {{"v", 4}, {"text", std::string(2000, 'x')}}));
  ASSERT_TRUE(open.create_node({}, {}));
  must(store->sync());
  EXPECT_EQ(versions(id).size(), 1U);
  must(open.abort());
}

TEST_F(EntityHistoryTest, FiltersPassOverSegmentsThatDoNotNameTheEntity) {
  live_small();
  const NodeId wanted = node(1);
  for (int i = 0; i < 1500; ++i) {
    ASSERT_TRUE(store->create_node({}, {{"text", std::string(900, 'f')}}));
    must(i % 10 == 0 ? store->maintain() : Status{});
  }
  must(store->set(wanted, "v", 2));
  faults->forget_reads();
  EXPECT_EQ(versions(wanted).size(), 2U);
  EXPECT_GE(segments_read(), 90U);
  EXPECT_GE(filters().size(), 80U);
  EXPECT_EQ(versions(wanted).size(), 2U);
  EXPECT_LE(segments_read(), 8U);
}

TEST_F(EntityHistoryTest, ADamagedFilterIsNotBelieved) {
  live_small();
  const NodeId wanted = scattered_versions(20);
  const auto expected = versions(wanted);
  EXPECT_EQ(expected.size(), 21U);
  ASSERT_GE(filters().size(), 10U);
  for (const std::string& name : filters()) {
    const std::string path = "/db/history/" + name;
    write_file(path, 70, std::string(16, '\0'));
  }
  EXPECT_EQ(versions(wanted), expected);
  // Another segment's filter.
  write_file("/db/history/" + filters()[0], 0, read_file("/db/history/" + filters()[1]));
  EXPECT_EQ(versions(wanted), expected);
}

TEST_F(EntityHistoryTest, FiltersGoWithTheirSegments) {
  live_small([](Options& each) { each.log_retention.everything = false; });
  const NodeId wanted = scattered_versions(10);
  EXPECT_EQ(versions(wanted).size(), 11U);
  const auto before = filters();
  ASSERT_FALSE(before.empty());
  for (int i = 0; i < 3; ++i) {
    scattered_versions(3);
    must(store->checkpoint());
  }
  for (const std::string& name : filters()) {
    EXPECT_FALSE(std::count(before.begin(), before.end(), name) != 0) << name;
  }
  EXPECT_LT(versions(wanted).size(), 11U);
  reopen();
  write_file("/db/history/000001.flt", 0, "left over");
  reopen();
  const auto left = filters();
  EXPECT_EQ(std::count(left.begin(), left.end(), "000001.flt"), 0);
}

TEST_F(EntityHistoryTest, IsReadFromAClosedStoreToo) {
  live_small();
  const NodeId wanted = scattered_versions(5);
  const auto expected = versions(wanted);
  close();
  auto closed = Txlog::open("/db", {.file_system = faults.get()});
  ASSERT_TRUE(closed);
  auto past = closed->history(wanted);
  ASSERT_TRUE(past);
  std::size_t count = 0;
  while (past->next()) {
    EXPECT_EQ(past->version().sequence.value, expected.at(count++).sequence);
  }
  EXPECT_EQ(count, expected.size());
}

}  // namespace
}  // namespace selvedge
