// A random life of a store that remembers what it was like at every moment.
#pragma once

#include <selvedge/testkit/workload.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/store/store_fixture.h"

namespace selvedge {

class RandomHistory : public StoreTest {
 protected:
  using Image = std::vector<std::byte>;
  struct Edge {
    std::uint64_t source = 0;
    std::uint64_t target = 0;
    Image image;
    bool operator==(const Edge&) const = default;
  };
  /// All there is, by id: for those who say what changed.
  struct Content {
    std::map<std::uint64_t, Image> nodes;
    std::map<std::uint64_t, Edge> edges;
    bool operator==(const Content&) const = default;
  };

  static Content content_of(const Reader& view) {
    Content all;
    for (auto cursor = view.nodes(); cursor.next();) {
      const auto image = cursor.node().properties().image();
      all.nodes[cursor.id().value] = {image.begin(), image.end()};
    }
    for (auto scan = view.edges(); scan.next();) {
      const auto image = scan.edge().properties().image();
      all.edges[scan.edge().id().value] = {
          scan.edge().source().value, scan.edge().target().value, {image.begin(), image.end()}};
    }
    return all;
  }

  /// Transactions stream early, segments are small, and nothing of the log is let go of.
  void live_small(const std::function<void(Options&)>& change = {}) {
    close();
    options.segment_bytes = 16 << 10;
    options.log_buffer_bytes = 4 << 10;
    options.transaction_buffer_bytes = 300;
    options.log_retention.everything = true;
    if (change) {
      change(options);
    }
    open();
  }

  Txlog log() const {
    auto opened = store->txlog();
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  static Image bytes_of(const LoggedImage& image) {
    return {image.bytes().begin(), image.bytes().end()};
  }

  void live(std::uint64_t seed, int rounds, bool with_checkpoints = true) {
    random.seed(seed);
    RecordProperty("seed", std::to_string(seed));
    remember();
    for (int i = 0; i < rounds; ++i) {
      one_step(with_checkpoints);
      remember();
    }
    end_open();
    remember();
  }

  void remember() {
    const ReadView view = store->read();
    const std::uint64_t now = store->stats().durable.value;
    states[now] = testkit::state_hash(view);
    if (keep_content) {
      contents[now] = content_of(view);
    }
    last_view = now;
  }
  /// What the store was like at a sequence: at the newest moment before it that was looked at.
  std::uint64_t state_at(std::uint64_t sequence) const {
    return std::prev(states.upper_bound(sequence))->second;
  }

  std::uint64_t pick(std::uint64_t below) { return random() % below; }
  std::optional<NodeId> any_node() {
    std::vector<NodeId> all;
    const ReadView view = store->read();
    for (auto cursor = view.nodes(); cursor.next();) {
      all.push_back(cursor.id());
    }
    return all.empty() ? std::nullopt : std::optional(all[pick(all.size())]);
  }
  std::optional<EdgeId> any_edge() {
    std::vector<EdgeId> all;
    const ReadView view = store->read();
    for (auto scan = view.edges(); scan.next();) {
      all.push_back(scan.edge().id());
    }
    return all.empty() ? std::nullopt : std::optional(all[pick(all.size())]);
  }
  std::string text() { return std::string(pick(120), static_cast<char>('a' + pick(26))); }

  /// One operation; what cannot be done (a conflict, an edge in the way) is not done.
  void operate(Writer& to) {
    const auto number = static_cast<std::int64_t>(pick(1000));
    const auto a = any_node();
    const auto b = any_node();
    const auto edge = any_edge();
    switch (pick(12)) {
      case 0:
      case 1:
        static_cast<void>(to.create_node({"A"}, {{"v", number}, {"text", text()}}).has_value());
        break;
      case 2: static_cast<void>(to.create_node({"A", "B"}).has_value()); break;
      case 3:
      case 4:
        if (a && b) {
          static_cast<void>(to.create_edge(*a, "E", *b, {{"w", number}}).has_value());
        }
        break;
      case 5:
        if (a && b) {
          static_cast<void>(to.create_edge(*a, "F", *b).has_value());
        }
        break;
      case 6:
        if (a) {
          static_cast<void>(to.set(*a, {{"v", number}, {"text", text()}}).has_value());
        }
        break;
      case 7:
        if (edge) {
          static_cast<void>(to.set(*edge, "w", number).has_value());
        }
        break;
      case 8:
        if (a) {
          static_cast<void>(to.add_label(*a, pick(2) == 0 ? "B" : "C").has_value());
        }
        break;
      case 9:
        if (edge) {
          static_cast<void>(to.delete_edge(*edge).has_value());
        }
        break;
      case 10:
        if (a && pick(3) == 0) {
          static_cast<void>(to.detach_delete_node(*a).has_value());
        }
        break;
      default: bulk(to); break;
    }
  }
  void bulk(Writer& to) {
    if (pick(2) == 0) {
      const LabelRef label("Bulk");
      const std::vector<NewNode> nodes(1 + pick(8), NewNode{std::span(&label, 1), {}});
      const auto made = to.create_nodes(nodes);
      if (&to == &*store) {
        remember();
      }
      if (made && made->size() > 1) {
        std::vector<NewEdge> edges;
        for (std::size_t i = 1; i < made->size(); ++i) {
          edges.push_back({(*made)[0], "BULK", (*made)[i], {}});
        }
        static_cast<void>(to.create_edges(edges).has_value());
      }
      return;
    }
    std::vector<NodeId> loose;
    const ReadView view = store->read();
    for (auto cursor = view.nodes("Bulk"); cursor.next() && loose.size() < 3;) {
      loose.push_back(cursor.id());
    }
    static_cast<void>(to.delete_nodes(loose).has_value());
  }

  void transaction() {
    Transaction tx = begin();
    operations(tx, 1 + static_cast<int>(pick(10)));
    end(tx);
  }
  void operations(Transaction& tx, int count) {
    std::optional<Savepoint> savepoint;
    for (int i = 0; i < count && !tx.finished(); ++i) {
      operate(tx);
      if (pick(5) == 0) {
        const auto set = tx.savepoint();
        savepoint = set ? std::optional(*set) : savepoint;
      }
      if (savepoint && pick(5) == 0) {
        static_cast<void>(tx.rollback_to(*savepoint).has_value());
      }
    }
  }
  void end(Transaction& tx) {
    if (tx.finished()) {
      return;
    }
    if (pick(4) == 0) {
      must(tx.abort("random"));
    } else if (!tx.commit() && !tx.finished()) {
      must(tx.abort("a conflict"));
    }
  }
  /// Transactions that stay open while others come and go.
  void long_transaction() {
    if (open_ones.size() < 3) {
      open_ones.push_back(std::make_unique<Transaction>(begin()));
    }
    Transaction& tx = *open_ones[pick(open_ones.size())];
    operations(tx, 3);
    if (pick(6) == 0) {
      end_open();
    }
  }
  void end_open() {
    for (auto& each : open_ones) {
      end(*each);
      remember();
    }
    open_ones.clear();
  }
  void schema() {
    const std::vector<SchemaInfo> all = store->schema();
    if (!all.empty() && pick(2) == 0) {
      must(store->drop_schema(all[pick(all.size())].spec.name));
      return;
    }
    const SchemaSpec spec = pick(2) == 0 ? SchemaSpec::node_index("A", {"v"})
                                         : SchemaSpec::edge_index("E", {"w"}, IndexKind::hash);
    static_cast<void>(store->create_schema(spec, {.wait = {}}).has_value());
  }
  void embedding() {
    if (const auto node = any_node()) {
      const std::vector<float> values(pick(3), static_cast<float>(pick(100)));
      must(store->set_embedding(*node, "embedding", values));
    }
  }
  void one_step(bool with_checkpoints) {
    const std::uint64_t what = pick(20);
    if (what < 8) {
      operate(*store);
    } else if (what < 13) {
      transaction();
    } else if (what < 16) {
      long_transaction();
    } else if (what == 16 && with_embeddings) {
      embedding();
    } else if (what == 17 && pick(3) == 0) {
      schema();
    } else if (what == 18 && with_checkpoints && pick(2) == 0) {
      must(store->checkpoint());
    } else {
      must(store->maintain());
    }
  }

  void TearDown() override { open_ones.clear(); }

  std::mt19937_64 random{1};
  std::map<std::uint64_t, std::uint64_t> states;
  std::map<std::uint64_t, Content> contents;
  bool keep_content = false;
  bool with_embeddings = true;
  std::uint64_t last_view = 0;
  std::vector<std::unique_ptr<Transaction>> open_ones;
};

}  // namespace selvedge
