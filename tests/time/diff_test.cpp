// What is different between two moments.
#include "tests/time/random_history.h"

namespace selvedge {
namespace {

class DiffTest : public RandomHistory {
 protected:
  /// Names all that is in one and not the same in the other.
  static std::size_t differences(const Content& from, const Content& to) {
    std::size_t count = 0;
    const auto count_in = [&](const auto& a, const auto& b) {
      for (const auto& [id, content] : a) {
        const auto other = b.find(id);
        count += other == b.end() || !(other->second == content) ? 1U : 0U;
      }
      for (const auto& [id, content] : b) {
        count += a.contains(id) ? 0U : 1U;
      }
    };
    count_in(from.nodes, to.nodes);
    count_in(from.edges, to.edges);
    return count;
  }
  /// Applied to the first, the difference gives the second, each entity is named once, and what it
  /// was before is right.
  void expect_diff(std::uint64_t from, std::uint64_t to, const DiffOptions& limits = {}) {
    Content state = contents.at(from);
    std::set<std::uint64_t> named;
    auto diff = log().diff(Sequence{from}, Sequence{to}, limits);
    ASSERT_TRUE(diff) << diff.error().message();
    while (diff->next()) {
      apply(diff->change(), state, named);
    }
    ASSERT_TRUE(diff->status()) << diff->status().error().message();
    EXPECT_EQ(named.size(), differences(contents.at(from), contents.at(to)))
        << from << " to " << to;
    EXPECT_TRUE(state == contents.at(to)) << from << " to " << to;
  }
  static void apply(const LoggedChange& change, Content& state, std::set<std::uint64_t>& named) {
    const bool edge = change.is_edge();
    const std::uint64_t id = edge ? change.edge.value : change.node.value;
    EXPECT_TRUE(named.insert(id | (edge ? 1 : 0)).second) << "named twice: " << id;
    if (edge) {
      const auto found = state.edges.find(id);
      ASSERT_EQ(found != state.edges.end(), static_cast<bool>(change.before));
      EXPECT_TRUE(!change.before || found->second.image == bytes_of(change.before));
      if (change.after) {
        EXPECT_TRUE(state.nodes.contains(change.source.value));
        EXPECT_TRUE(state.nodes.contains(change.target.value));
        state.edges[id] = {change.source.value, change.target.value, bytes_of(change.after)};
      } else {
        state.edges.erase(id);
      }
      return;
    }
    const auto found = state.nodes.find(id);
    ASSERT_EQ(found != state.nodes.end(), static_cast<bool>(change.before));
    EXPECT_TRUE(!change.before || found->second == bytes_of(change.before));
    if (change.after) {
      state.nodes[id] = bytes_of(change.after);
    } else {
      state.nodes.erase(id);
    }
  }
  void live_remembering(std::uint64_t seed, int rounds) {
    keep_content = true;
    live(seed, rounds);
  }
  std::uint64_t moment(std::size_t index) const {
    return std::next(contents.begin(), static_cast<std::ptrdiff_t>(index))->first;
  }
};

TEST_F(DiffTest, LeadsFromAnyMomentToAnyLaterOne) {
  live_small();
  live_remembering(100, 300);
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t a = moment(pick(contents.size()));
    const std::uint64_t b = moment(pick(contents.size()));
    expect_diff(std::min(a, b), std::max(a, b));
  }
  expect_diff(moment(0), last_view);
}

TEST_F(DiffTest, LeadsFromEachMomentToTheNext) {
  live_small();
  live_remembering(101, 200);
  for (std::size_t i = 1; i < contents.size(); ++i) {
    expect_diff(moment(i - 1), moment(i));
  }
}

TEST_F(DiffTest, MoreThanMemoryIsReadInParts) {
  live_small();
  keep_content = true;
  remember();
  std::vector<NodeId> nodes;
  for (int i = 0; i < 1500; ++i) {
    nodes.push_back(node(i));
  }
  remember();
  for (int i = 0; i < 1500; ++i) {
    must(store->set(nodes[static_cast<std::size_t>(i)], "text", std::string(200, 'x')));
    if (i % 3 == 0) {
      must(store->delete_node(nodes[static_cast<std::size_t>(i)]));
    }
  }
  for (int i = 1; i < 1500; i += 3) {
    ASSERT_TRUE(store->create_edge(nodes[static_cast<std::size_t>(i)], "E",
                                   nodes[static_cast<std::size_t>(i + 1)], {{"i", i}}));
  }
  remember();
  const DiffOptions small{.memory_bytes = 64 << 10};
  for (std::size_t a = 0; a < contents.size(); ++a) {
    for (std::size_t b = a; b < contents.size(); ++b) {
      expect_diff(moment(a), moment(b), small);
      expect_diff(moment(a), moment(b));
    }
  }
}

TEST_F(DiffTest, WhatCameAndWentDoesNotCome) {
  live_small();
  const NodeId stays = node(1);
  const Sequence before = store->stats().durable;
  must(store->delete_node(node(2)));
  must(store->set(stays, "v", 5));
  must(store->set(stays, "v", 1));
  auto diff = log().diff(before, store->stats().durable);
  ASSERT_TRUE(diff);
  EXPECT_FALSE(diff->next());
  EXPECT_TRUE(diff->status());
}

TEST_F(DiffTest, ATransactionCountsFromItsCommit) {
  live_small();
  auto tx = begin();
  const NodeId made = *tx.create_node({"T"}, {{"text", std::string(1000, 'x')}});
  ASSERT_TRUE(tx.create_node({"T"}));
  node(1);
  const Sequence before = store->stats().durable;
  const Sequence commit = *tx.commit();
  auto diff = log().diff(before, commit);
  ASSERT_TRUE(diff);
  ASSERT_TRUE(diff->next());
  EXPECT_EQ(diff->change().node, made);
  EXPECT_TRUE(diff->change().after.has_label("T"));
  ASSERT_TRUE(diff->next());
  EXPECT_FALSE(diff->next());
  auto earlier = log().diff({0}, before);
  ASSERT_TRUE(earlier);
  ASSERT_TRUE(earlier->next());
  EXPECT_NE(earlier->change().node, made);
  EXPECT_FALSE(earlier->next());
}

TEST_F(DiffTest, MomentsThatAreNotThereAreRefused) {
  live_small([](Options& each) { each.log_retention.everything = false; });
  for (int i = 0; i < 5; ++i) {
    for (int each = 0; each < 40; ++each) {
      ASSERT_TRUE(store->create_node({}, {{"text", std::string(1000, 'x')}}));
    }
    must(store->checkpoint());
  }
  const Txlog txlog = log();
  EXPECT_EQ(txlog.diff({1}, txlog.last()).error().code(), ErrorCode::not_retained);
  EXPECT_EQ(txlog.diff(txlog.last(), txlog.first()).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(txlog.diff(txlog.first(), {txlog.last().value + 1}).error().code(),
            ErrorCode::invalid_argument);
  EXPECT_TRUE(txlog.diff(txlog.first(), txlog.last()));
}

}  // namespace
}  // namespace selvedge
