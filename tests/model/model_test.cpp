// Random operations against a simple reference model, with several open transactions, aborts,
// savepoints, checkpoints, clean closes and power failures.
//
// SELVEDGE_MODEL_SEED=n runs one seed; SELVEDGE_MODEL_SEEDS=n that many from 1.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/support/memory_file_system.h"

namespace selvedge {
namespace {

using test::Keep;
using test::MemoryFileSystem;

struct ModelNode {
  std::set<std::string> labels;
  std::map<std::string, std::int64_t> properties;
  bool operator==(const ModelNode&) const = default;
};
struct ModelEdge {
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::string type;
  std::map<std::string, std::int64_t> properties;
  bool operator==(const ModelEdge&) const = default;
};
struct Model {
  std::map<std::uint64_t, ModelNode> nodes;
  std::map<std::uint64_t, ModelEdge> edges;
  bool operator==(const Model&) const = default;
};

/// What a transaction changed: entities that are absent here but in the map are deleted.
struct Changes {
  std::map<std::uint64_t, std::optional<ModelNode>> nodes;
  std::map<std::uint64_t, std::optional<ModelEdge>> edges;

  void apply(Model& model) const {
    for (const auto& [id, node] : nodes) {
      if (node) {
        model.nodes[id] = *node;
      } else {
        model.nodes.erase(id);
      }
    }
    for (const auto& [id, edge] : edges) {
      if (edge) {
        model.edges[id] = *edge;
      } else {
        model.edges.erase(id);
      }
    }
  }
};

struct OpenTransaction {
  Transaction tx;
  Model seen;  ///< the view, with own writes
  Changes changes;
  std::vector<std::pair<Savepoint, std::pair<Model, Changes>>> savepoints;
  std::uint64_t began = 0;  ///< commits of the model when it began
};

template <class Read>
Model state_of(const Read& view) {
  Model model;
  for (auto cursor = view.nodes(); cursor.next();) {
    ModelNode node;
    for (std::size_t i = 0; i < cursor.node().label_count(); ++i) {
      node.labels.insert(std::string(view.name(cursor.node().label(i))));
    }
    const Properties& properties = cursor.node().properties();
    for (std::size_t i = 0; i < properties.size(); ++i) {
      const PropertyView property = properties.at(i);
      node.properties[std::string(view.name(property.key))] = *property.value.as_int64();
    }
    model.nodes[cursor.id().value] = node;
  }
  for (auto scan = view.edges(); scan.next();) {
    const Edge& edge = scan.edge();
    ModelEdge copy{
        edge.source().value, edge.target().value, std::string(view.name(edge.type())), {}};
    for (std::size_t i = 0; i < edge.properties().size(); ++i) {
      const PropertyView property = edge.properties().at(i);
      copy.properties[std::string(view.name(property.key))] = *property.value.as_int64();
    }
    model.edges[edge.id().value] = copy;
  }
  return model;
}

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {
    options_.background_maintenance = false;
    options_.isolation = Isolation::snapshot;  // what is read here is everything, at any time
    options_.segment_bytes = std::uint64_t{16} << 10 << pick(3);
    options_.log_buffer_bytes = 8192U << pick(4);
    const std::uint32_t buffers[] = {0, 100, 1000, 65536};
    options_.transaction_buffer_bytes = buffers[pick(4)];
    options_.recovery_threads = 1 + static_cast<unsigned>(pick(3));
    options_.snapshot_compression = pick(2) == 0 ? Compression::none : Compression::zstd;
    files_ = std::make_unique<MemoryFileSystem>();
  }

  void go(int steps) {
    reopen();
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      this->step();
    }
    crash(Keep::random);
  }

 private:
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }

  void reopen() {
    options_.file_system = files_.get();
    auto opened = Store::open("/db", options_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_.emplace(std::move(*opened));
    verify();
  }

  /// The whole state, read back, is the model.
  void verify() {
    const Model found = state_of(store_->read());
    ASSERT_EQ(found.nodes.size(), model_.nodes.size());
    ASSERT_TRUE(found.nodes == model_.nodes);
    ASSERT_EQ(found.edges.size(), model_.edges.size());
    ASSERT_TRUE(found.edges == model_.edges);
    const CheckReport report = store_->check();
    ASSERT_TRUE(report.faults.empty()) << report.faults.front();
  }

  void crash(Keep keep) {
    for (auto& open : open_) {
      if (pick(2) == 0) {
        ASSERT_TRUE(open->tx.abort("test"));
      }
    }
    auto after = files_->crash(keep, random_());
    open_.clear();
    store_.reset();
    files_ = std::move(after);
    reopen();
    const std::string digest = store_->digest();
    // A second crash right after recovery changes nothing.
    after = files_->crash(Keep::nothing, random_());
    store_.reset();
    files_ = std::move(after);
    reopen();
    ASSERT_EQ(store_->digest(), digest);
  }

  void step() {
    const std::uint64_t what = pick(100);
    if (what < 12 && open_.size() < 4) {
      begin();
    } else if (what < 75 && !open_.empty()) {
      operate(*open_[pick(open_.size())]);
    } else if (what < 84) {
      alone();
    } else if (what < 92 && !open_.empty()) {
      end(pick(open_.size()));
    } else if (what < 94) {
      const Status status = store_->checkpoint();
      ASSERT_TRUE(status) << status.error().message();
    } else if (what < 95) {
      ASSERT_TRUE(store_->maintain());
    } else if (what < 96) {
      open_.clear();
      const Status closed = store_->close();
      ASSERT_TRUE(closed) << closed.error().message();
      store_.reset();
      reopen();
    } else if (what < 98) {
      const Keep keeps[] = {Keep::nothing, Keep::everything, Keep::random};
      crash(keeps[pick(3)]);
    } else if (!open_.empty()) {
      const auto& open = *open_[pick(open_.size())];
      ASSERT_TRUE(state_of(open.tx) == open.seen);
    }
  }

  void begin() {
    auto tx = store_->begin({{{"seed", "1"}}});
    ASSERT_TRUE(tx);
    open_.push_back(std::make_unique<OpenTransaction>(
        OpenTransaction{std::move(*tx), model_, {}, {}, commits_}));
  }

  template <class Map>
  std::optional<std::uint64_t> any(const Map& map) {
    if (map.empty()) {
      return std::nullopt;
    }
    return std::next(map.begin(), static_cast<std::ptrdiff_t>(pick(map.size())))->first;
  }

  /// First updater wins: a success on an entity that somebody else has changed is a lost update.
  void must_be_free(const OpenTransaction* self, std::uint64_t id, bool node) {
    for (const auto& other : open_) {
      if (other.get() != self) {
        ASSERT_FALSE(node ? other->changes.nodes.count(id) : other->changes.edges.count(id));
      }
    }
    if (self != nullptr) {
      const auto& changed = node ? node_changed_ : edge_changed_;
      const auto found = changed.find(id);
      ASSERT_TRUE(found == changed.end() || found->second <= self->began);
    }
  }

  /// One random operation through `writer`, mirrored in `seen` and `changes`.
  void operation(Writer& writer, Model& seen, Changes& changes, const OpenTransaction* self) {
    const auto node = any(seen.nodes);
    const auto other = any(seen.nodes);
    const auto edge = any(seen.edges);
    const std::string label = "L" + std::to_string(pick(4));
    const std::string key = "k" + std::to_string(pick(5));
    const std::string type = "T" + std::to_string(pick(3));
    const auto value = static_cast<std::int64_t>(random_() >> pick(64));
    switch (pick(11)) {
      case 0:
      case 1: {
        auto made = writer.create_node({LabelRef(label)}, {{key, value}});
        ASSERT_TRUE(made) << made.error().message();
        seen.nodes[made->value] = ModelNode{{label}, {{key, value}}};
        changes.nodes[made->value] = seen.nodes[made->value];
        break;
      }
      case 2:
      case 3:
      case 4: {
        if (!node || !other) {
          return;
        }
        const bool bare = pick(2) == 0;
        auto made = bare ? writer.create_edge({*node}, type, {*other})
                         : writer.create_edge({*node}, type, {*other}, {{key, value}});
        if (!allowed(made)) {
          return;
        }
        ModelEdge copy{*node, *other, type, {}};
        if (!bare) {
          copy.properties[key] = value;
        }
        seen.edges[made->value] = copy;
        changes.edges[made->value] = copy;
        break;
      }
      case 5: {
        if (!node || !allowed(writer.set(NodeId{*node}, key, value))) {
          return;
        }
        must_be_free(self, *node, true);
        seen.nodes[*node].properties[key] = value;
        changes.nodes[*node] = seen.nodes[*node];
        break;
      }
      case 6: {
        if (!edge || !allowed(writer.set(EdgeId{*edge}, key, value))) {
          return;
        }
        must_be_free(self, *edge, false);
        seen.edges[*edge].properties[key] = value;
        changes.edges[*edge] = seen.edges[*edge];
        break;
      }
      case 7: {
        if (!node) {
          return;
        }
        const bool add = seen.nodes[*node].labels.count(label) == 0;
        if (!allowed(add ? writer.add_label({*node}, label)
                         : writer.remove_label({*node}, label))) {
          return;
        }
        must_be_free(self, *node, true);
        if (add) {
          seen.nodes[*node].labels.insert(label);
        } else {
          seen.nodes[*node].labels.erase(label);
        }
        changes.nodes[*node] = seen.nodes[*node];
        break;
      }
      case 8: {
        if (!edge || !allowed(writer.delete_edge({*edge}))) {
          return;
        }
        must_be_free(self, *edge, false);
        seen.edges.erase(*edge);
        changes.edges[*edge] = std::nullopt;
        break;
      }
      case 9: {
        if (!node) {
          return;
        }
        delete_node(writer, *node, seen, changes, self);
        break;
      }
      default: bulk(writer, seen, changes); break;
    }
  }

  void delete_node(Writer& writer, std::uint64_t node, Model& seen, Changes& changes,
                   const OpenTransaction* self) {
    std::vector<std::uint64_t> edges;
    for (const auto& [id, edge] : seen.edges) {
      if (edge.source == node || edge.target == node) {
        edges.push_back(id);
      }
    }
    const bool detach = pick(2) == 0;
    const Status status = detach ? writer.detach_delete_node({node}) : writer.delete_node({node});
    if (!status && status.error().code() == ErrorCode::has_edges) {
      ASSERT_FALSE(detach);
      ASSERT_FALSE(edges.empty());
      return;
    }
    if (!allowed(status)) {
      return;
    }
    ASSERT_TRUE(detach || edges.empty());
    must_be_free(self, node, true);
    for (const std::uint64_t id : edges) {
      must_be_free(self, id, false);
      seen.edges.erase(id);
      changes.edges[id] = std::nullopt;
    }
    seen.nodes.erase(node);
    changes.nodes[node] = std::nullopt;
  }

  void bulk(Writer& writer, Model& seen, Changes& changes) {
    const LabelRef labels[] = {LabelRef("Bulk")};
    const std::vector<NewNode> nodes(1 + pick(5), NewNode{labels, {}});
    const auto made = writer.create_nodes(nodes);
    ASSERT_TRUE(made) << made.error().message();
    for (const NodeId id : *made) {
      seen.nodes[id.value] = ModelNode{{"Bulk"}, {}};
      changes.nodes[id.value] = seen.nodes[id.value];
    }
  }

  template <class T>
  bool allowed(const Result<T>& result) {
    if (!result) {
      EXPECT_EQ(result.error().code(), ErrorCode::conflict) << result.error().message();
      // One open transaction and nothing committed since it began: nobody to conflict with.
      return false;
    }
    return true;
  }

  void operate(OpenTransaction& open) {
    const std::uint64_t what = pick(12);
    if (what == 0) {
      auto savepoint = open.tx.savepoint();
      ASSERT_TRUE(savepoint);
      open.savepoints.push_back({*savepoint, {open.seen, open.changes}});
    } else if (what == 1 && !open.savepoints.empty()) {
      const std::size_t index = pick(open.savepoints.size());
      const Status status = open.tx.rollback_to(open.savepoints[index].first);
      ASSERT_TRUE(status) << status.error().message();
      // What was touched stays ours until the end: compensation keeps the claim.
      open.seen = open.savepoints[index].second.first;
      open.changes = open.savepoints[index].second.second;
      open.savepoints.resize(index + 1);
      ASSERT_TRUE(state_of(open.tx) == open.seen);
    } else {
      operation(open.tx, open.seen, open.changes, &open);
    }
  }

  void note_commit(const Changes& changes) {
    ++commits_;
    changes.apply(model_);
    for (const auto& [id, node] : changes.nodes) {
      node_changed_[id] = commits_;
    }
    for (const auto& [id, edge] : changes.edges) {
      edge_changed_[id] = commits_;
    }
  }

  void alone() {
    Model seen = model_;
    Changes changes;
    operation(*store_, seen, changes, nullptr);
    note_commit(changes);
  }

  void end(std::size_t index) {
    OpenTransaction& open = *open_[index];
    if (pick(3) != 0) {
      auto committed = open.tx.commit();
      ASSERT_TRUE(committed) << committed.error().message();
      note_commit(open.changes);
    } else if (pick(2) == 0) {
      ASSERT_TRUE(open.tx.abort("by the test"));
    }
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
    if (pick(8) == 0) {
      verify();
    }
  }

  std::mt19937_64 random_;
  Options options_;
  std::unique_ptr<MemoryFileSystem> files_;
  std::optional<Store> store_;
  std::vector<std::unique_ptr<OpenTransaction>> open_;
  Model model_;
  std::uint64_t commits_ = 0;
  std::map<std::uint64_t, std::uint64_t> node_changed_;
  std::map<std::uint64_t, std::uint64_t> edge_changed_;
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(Model, RandomHistoriesMatchTheReference) {
  const std::uint64_t one = from_environment("SELVEDGE_MODEL_SEED", 0);
  const std::uint64_t first = one != 0 ? one : 1;
  const std::uint64_t last = one != 0 ? one : from_environment("SELVEDGE_MODEL_SEEDS", 2000);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("replay with SELVEDGE_MODEL_SEED=" + std::to_string(seed));
    History(seed).go(150);
    if (HasFatalFailure() || HasNonfatalFailure()) {
      FAIL() << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace selvedge
