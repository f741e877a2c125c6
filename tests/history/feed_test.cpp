// The change feed: each commit once, in order, with what it changed in the end.
#include <algorithm>
#include <map>
#include <random>
#include <thread>
#include <utility>

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

using Image = std::vector<std::byte>;

Image bytes_of(const LoggedImage& image) { return {image.bytes().begin(), image.bytes().end()}; }

/// A copy that is kept by applying changes as they come; refuses what does not fit.
struct Replica {
  std::map<std::uint64_t, Image> nodes;
  struct Edge {
    std::uint64_t source = 0;
    std::uint64_t target = 0;
    Image image;
    bool operator==(const Edge&) const = default;
  };
  std::map<std::uint64_t, Edge> edges;
  bool operator==(const Replica&) const = default;

  void apply(const LoggedChange& change) {
    if (change.is_node()) {
      const auto found = nodes.find(change.node.value);
      expect_before(found == nodes.end() ? nullptr : &found->second, change);
      if (change.after) {
        nodes[change.node.value] = bytes_of(change.after);
        return;
      }
      for (const auto& [id, edge] : edges) {
        EXPECT_TRUE(edge.source != change.node.value && edge.target != change.node.value);
      }
      nodes.erase(change.node.value);
    } else if (change.is_edge()) {
      const auto found = edges.find(change.edge.value);
      expect_before(found == edges.end() ? nullptr : &found->second.image, change);
      if (!change.after) {
        edges.erase(change.edge.value);
        return;
      }
      EXPECT_TRUE(nodes.contains(change.source.value) && nodes.contains(change.target.value));
      edges[change.edge.value] = {change.source.value, change.target.value, bytes_of(change.after)};
    }
  }
  static void expect_before(const Image* image, const LoggedChange& change) {
    ASSERT_EQ(image != nullptr, static_cast<bool>(change.before));
    if (image != nullptr) {
      EXPECT_EQ(*image, bytes_of(change.before));
    }
  }
};

class FeedTest : public StoreTest {
 protected:
  Feed feed(std::uint64_t from = 1, FeedOptions feed_options = {}) const {
    auto opened = store->feed({from}, feed_options);
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  void stream_everything() {
    close();
    options.transaction_buffer_bytes = 0;
    options.segment_bytes = 128 << 10;
    options.log_buffer_bytes = 16 << 10;
    open();
  }
  static std::string line(const LoggedChange& change) {
    const std::uint64_t id = change.is_edge() ? change.edge.value : change.node.value;
    return std::string(to_string(change.kind)) + " " + std::to_string(id_bits::slot(id));
  }
  /// One text for each commit: its changes.
  static std::vector<std::string> commits(Feed& feed) {
    std::vector<std::string> found;
    while (feed.next()) {
      std::string text;
      while (feed.next_change()) {
        text += (text.empty() ? "" : ", ") + line(feed.change());
      }
      found.push_back(text);
    }
    EXPECT_TRUE(feed.status()) << feed.status().error().message();
    return found;
  }
  static std::vector<std::uint64_t> sequences(Feed& feed) {
    std::vector<std::uint64_t> found;
    while (feed.next()) {
      found.push_back(feed.commit().sequence.value);
    }
    EXPECT_TRUE(feed.status()) << feed.status().error().message();
    return found;
  }
  static void follow(Feed& feed, Replica& replica) {
    while (feed.next()) {
      while (feed.next_change()) {
        replica.apply(feed.change());
      }
    }
    ASSERT_TRUE(feed.status()) << feed.status().error().message();
  }
  Replica original() const {
    Replica copy;
    const ReadView view = store->read();
    for (auto cursor = view.nodes(); cursor.next();) {
      const auto image = cursor.node().properties().image();
      copy.nodes[cursor.id().value] = {image.begin(), image.end()};
    }
    for (auto scan = view.edges(); scan.next();) {
      const auto image = scan.edge().properties().image();
      copy.edges[scan.edge().id().value] = {
          scan.edge().source().value, scan.edge().target().value, {image.begin(), image.end()}};
    }
    return copy;
  }
  /// A transaction of random operations, some of them taken back.
  void random_transaction(std::mt19937& random, int operations);
  std::vector<NodeId> known_nodes;
  std::vector<EdgeId> known_edges;
};

TEST_F(FeedTest, GivesEachCommitOnceInOrder) {
  const NodeId a = node(1);
  auto tx = begin();
  EXPECT_TRUE(tx.create_node({"B"}));
  EXPECT_TRUE(tx.create_edge(a, "E", a));
  const Sequence committed = *tx.commit();
  must(store->set(a, "v", 2));
  Feed all = feed();
  EXPECT_EQ(commits(all), (std::vector<std::string>{"create_node 0", "create_node 1, create_edge 0",
                                                    "update_node 0"}));
  Feed behind = feed(committed.value + 1);
  EXPECT_EQ(commits(behind), std::vector<std::string>{"update_node 0"});
}

TEST_F(FeedTest, ACommitSaysWhoAndWhen) {
  auto tx = *store->begin({.metadata = {{"user", "ada"}}});
  EXPECT_TRUE(tx.create_node({}));
  const Sequence committed = *tx.commit();
  Feed all = feed();
  ASSERT_TRUE(all.next());
  EXPECT_EQ(all.commit().sequence, committed);
  EXPECT_EQ(all.commit().transaction, tx.uuid());
  EXPECT_EQ(all.commit().metadata[0].second, "ada");
  EXPECT_GT(all.commit().timestamp.microseconds, 0);
}

TEST_F(FeedTest, AnEntityComesOnceWithTheStateBeforeAndAfter) {
  const NodeId a = node(1);
  auto tx = begin();
  must(tx.set(a, "v", 2));
  must(tx.set(a, "v", 3));
  const NodeId b = *tx.create_node({"B"});
  must(tx.set(b, "v", 4));
  const NodeId gone = *tx.create_node({"Gone"});
  must(tx.delete_node(gone));
  ASSERT_TRUE(tx.commit());
  Feed all = feed();
  ASSERT_TRUE(all.next());
  ASSERT_TRUE(all.next());
  ASSERT_TRUE(all.next_change());
  EXPECT_EQ(all.change().before["v"].as_int64(), 1);
  EXPECT_EQ(all.change().after["v"].as_int64(), 3);
  ASSERT_TRUE(all.next_change());
  EXPECT_EQ(all.change().kind, EntryKind::create_node);
  EXPECT_EQ(all.change().after["v"].as_int64(), 4);
  EXPECT_FALSE(all.next_change());
}

TEST_F(FeedTest, WhatASavepointTookBackDoesNotCome) {
  stream_everything();
  const NodeId a = node(1);
  auto tx = begin();
  must(tx.set(a, "w", 1));
  const Savepoint mark = *tx.savepoint();
  must(tx.set(a, "v", 9));
  const NodeId undone = *tx.create_node({"Undone"});
  EXPECT_TRUE(tx.create_edge(a, "E", undone));
  must(tx.rollback_to(mark));
  ASSERT_TRUE(tx.commit());
  Feed all = feed();
  EXPECT_EQ(commits(all), (std::vector<std::string>{"create_node 0", "update_node 0"}));
}

TEST_F(FeedTest, AStreamedTransactionComesAtItsCommitAndAnAbortedOneNever) {
  stream_everything();
  auto one = begin();
  auto two = begin();
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(one.create_node({"One"}));
    EXPECT_TRUE(two.create_node({"Two"}));
  }
  const NodeId between = node(1);
  Feed all = feed();
  EXPECT_EQ(commits(all), std::vector<std::string>{"create_node " +
                                                   std::to_string(id_bits::slot(between.value))});
  must(two.abort("no"));
  const Sequence committed = *one.commit();
  ASSERT_TRUE(all.next());
  EXPECT_EQ(all.commit().sequence, committed);
  int changes = 0;
  while (all.next_change()) {
    EXPECT_TRUE(all.change().after.has_label("One"));
    ++changes;
  }
  EXPECT_EQ(changes, 50);
  EXPECT_FALSE(all.next());
  Feed from_commit = feed(committed.value);
  ASSERT_TRUE(from_commit.next());
  EXPECT_EQ(from_commit.commit().sequence, committed);
}

TEST_F(FeedTest, BulkAndDetachComeEntityByEntityInAnOrderThatCanBeApplied) {
  const NodeId a = node(1);
  const NodeId b = node(2);
  EXPECT_TRUE(store->create_edge(a, "E", b));
  EXPECT_TRUE(store->create_edge(b, "E", a));
  must(store->detach_delete_node(a));
  Feed all = feed();
  const auto found = commits(all);
  EXPECT_EQ(found.back(), "delete_edge 0, delete_edge 1, delete_node 0");
}

TEST_F(FeedTest, NothingComesBeforeItIsDurable) {
  close();
  options.sync = SyncMode::none;
  open();
  Feed all = feed();
  node(1);
  EXPECT_FALSE(all.next());
  EXPECT_FALSE(all.wait(std::chrono::microseconds(1)));
  must(store->sync());
  EXPECT_TRUE(all.wait(std::chrono::microseconds(1)));
  EXPECT_TRUE(all.next());
}

TEST_F(FeedTest, GoesOnAfterACrashBehindWhatWasProcessed) {
  std::vector<std::uint64_t> expected;
  std::vector<std::uint64_t> processed;
  std::uint64_t last = 0;
  for (int life = 0; life < 5; ++life) {
    for (int i = 0; i < 6; ++i) {
      node(i);
      auto tx = begin();
      EXPECT_TRUE(tx.create_node({"T"}));
      EXPECT_TRUE(tx.commit());
    }
    {
      Feed part = feed(last + 1);
      for (int i = 0; i < 7 && part.next(); ++i) {
        last = part.commit().sequence.value;
        processed.push_back(last);
      }
    }
    lose_power(Keep::nothing);
  }
  {
    Feed rest = feed(last + 1);
    for (const std::uint64_t each : sequences(rest)) {
      processed.push_back(each);
    }
    Feed all = feed();
    expected = sequences(all);
  }
  EXPECT_EQ(processed, expected);
  EXPECT_EQ(processed.size(), 60U);
}

TEST_F(FeedTest, AnEmbeddingIsACommitOfItsOwn) {
  const NodeId a = node(1);
  const std::vector<float> vector{1.0F, 2.0F};
  must(store->set_embedding(a, "e", vector));
  Feed all = feed();
  ASSERT_TRUE(all.next());
  ASSERT_TRUE(all.next());
  ASSERT_TRUE(all.next_change());
  EXPECT_EQ(all.change().kind, EntryKind::update_embedding);
  EXPECT_EQ(all.change().key, "e");
  EXPECT_EQ(all.change().vector.size(), 8U);
}

void FeedTest::random_transaction(std::mt19937& random, int operations) {
  auto tx = begin();
  std::vector<NodeId> nodes = known_nodes;
  std::vector<EdgeId> edges = known_edges;
  std::optional<Savepoint> mark;
  auto marked = std::make_pair(nodes, edges);
  for (int i = 0; i < operations; ++i) {
    const auto pick = random() % 12;
    if (pick < 4 || nodes.empty()) {
      nodes.push_back(*tx.create_node({"R"}, {{"v", i}}));
      continue;
    }
    const NodeId a = nodes[random() % nodes.size()];
    const NodeId b = nodes[random() % nodes.size()];
    if (pick < 6) {
      must(tx.set(a, "v", static_cast<std::int64_t>(random() % 5)));
    } else if (pick < 8) {
      edges.push_back(*tx.create_edge(a, "E", b, {{"w", i}}));
    } else if (pick == 8 && !edges.empty()) {
      const std::size_t at = random() % edges.size();
      must(tx.delete_edge(edges[at]));
      edges.erase(edges.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (pick == 9) {
      must(tx.detach_delete_node(a));
      std::erase(nodes, a);
      std::erase_if(edges, [&](EdgeId edge) { return !tx.exists(edge); });
    } else if (pick == 10) {
      mark = *tx.savepoint();
      marked = {nodes, edges};
    } else if (mark) {
      must(tx.rollback_to(*mark));
      std::tie(nodes, edges) = marked;
    }
  }
  ASSERT_TRUE(tx.commit());
  known_nodes = nodes;
  known_edges = edges;
}

TEST_F(FeedTest, AReplicaThatAppliesTheFeedIsTheSame) {
  for (const std::uint32_t buffer : {0U, 300U, 64U << 10}) {
    SCOPED_TRACE(buffer);
    close();
    options.transaction_buffer_bytes = buffer;
    open();
    std::mt19937 random(7 + buffer);
    Replica replica;
    {
      Feed before = feed();
      follow(before, replica);
      EXPECT_EQ(replica, original());
      for (int round = 0; round < 40; ++round) {
        random_transaction(random, 30);
        follow(before, replica);
        ASSERT_EQ(replica, original()) << "round " << round;
      }
    }
  }
}

TEST_F(FeedTest, ATransactionLargerThanMemoryComesWholeInBoundedMemory) {
  stream_everything();
  for (int i = 0; i < 30; ++i) {
    node(i);
  }
  std::mt19937 random(3);
  random_transaction(random, 6000);
  Replica small;
  Replica large;
  {
    Feed in_memory = feed();
    follow(in_memory, small);
    Feed in_parts = feed(1, {.memory_bytes = 0});
    follow(in_parts, large);
  }
  EXPECT_EQ(small, original());
  EXPECT_EQ(large, original());
}

TEST_F(FeedTest, WaitEndsWhenSomethingIsCommitted) {
  Feed all = feed();
  std::thread writer([&] { node(1); });
  EXPECT_TRUE(all.wait(std::chrono::seconds(60)));
  while (!all.next()) {
    EXPECT_TRUE(all.wait(std::chrono::seconds(60)));  // it was the definition of a name
  }
  writer.join();
  EXPECT_EQ(all.commit().number.value, 0U);
}

// --- calls -------------------------------------------------------------------------------------

TEST_F(FeedTest, ASubscriptionCallsWithEachCommit) {
  std::atomic<int> seen{0};
  node(1);
  auto subscription = store->subscribe({1}, [&](Feed& at) -> Status {
    seen += at.next_change() ? 1 : 0;
    seen.notify_all();
    return {};
  });
  ASSERT_TRUE(subscription) << subscription.error().message();
  node(2);
  node(3);
  for (int now = seen; now < 3; now = seen) {
    seen.wait(now);
  }
  subscription->stop();
  EXPECT_FALSE(subscription->running());
  EXPECT_TRUE(subscription->status());
  EXPECT_EQ(subscription->position(), store->stats().durable);
}

TEST_F(FeedTest, ACallbackThatFailsEndsItsSubscriptionBeforeThatCommit) {
  node(1);
  const Sequence first = store->stats().durable;
  node(2);
  std::atomic<bool> over{false};
  int calls = 0;
  auto subscription = store->subscribe({1}, [&](Feed&) -> Status {
    if (++calls == 1) {
      return {};
    }
    over = true;
    over.notify_all();
    return fail(ErrorCode::io, "the consumer's disk is full");
  });
  ASSERT_TRUE(subscription);
  over.wait(false);
  subscription->stop();
  EXPECT_EQ(subscription->position(), first);
  EXPECT_EQ(subscription->status().error().code(), ErrorCode::io);
}

TEST_F(FeedTest, TheStoreStaysOpenWhileAFeedIsAlive) {
  {
    const Feed alive = feed();
    EXPECT_EQ(store->close().error().code(), ErrorCode::invalid_argument);
  }
  must(store->close());
  EXPECT_EQ(store->feed({1}).error().code(), ErrorCode::closed);
}

TEST_F(FeedTest, IndexesAndConstraintsAreCommitsOfTheirOwn) {
  must(store->create_schema(SchemaSpec::node_index("Person", {"name"})));
  must(store->drop_schema(store->schema()[0].spec.name));
  Feed changes = feed();
  ASSERT_TRUE(changes.next());
  ASSERT_TRUE(changes.next_change());
  EXPECT_EQ(changes.change().kind, EntryKind::define_schema);
  EXPECT_EQ(changes.change().schema->target, "Person");
  EXPECT_FALSE(changes.next_change());
  ASSERT_TRUE(changes.next());
  ASSERT_TRUE(changes.next_change());
  EXPECT_EQ(changes.change().kind, EntryKind::drop_schema);
  EXPECT_EQ(changes.change().schema_id, 1U);
  EXPECT_FALSE(changes.next());
}

}  // namespace
}  // namespace selvedge
