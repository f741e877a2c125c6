// Rules 20, 21 and 24: what validation of read sets finds in the engine. The validators here are
// small ones of the tests, behind the hooks that the commit calls.

#include <set>
#include <tuple>

#include "graph/image.h"
#include "tests/rules/rules_fixture.h"
#include "txn/manager.h"
#include "txn/operations.h"

namespace selvedge {
namespace {

using graph::ImageView;

class Bare final : public wal::SegmentRegistry {
 public:
  Status segment_prepared(const wal::SegmentInfo&) override { return {}; }
};

/// A manager of transactions without a store around it.
class Validation : public ::testing::Test {
 protected:
  Validation() {
    EXPECT_TRUE(files_.mkdir("/wal"));
    options_.clock = &files_;
    log_options_.segment_bytes = 1 << 20;
    log = std::make_unique<wal::Log>(files_, "/wal", log_options_, random_uuid(), wal::LogStart{},
                                     registry_);
    manager = std::make_unique<txn::Manager>(graph, *log, options_);
  }
  txn::State* begin(bool transactional = true) { return manager->begin(transactional); }
  txn::Operations ops(txn::State* state) { return {*manager, *state}; }
  std::vector<std::byte> image(const std::vector<std::uint32_t>& labels, std::uint32_t key,
                               std::int64_t value) {
    graph::ImageBuilder builder;
    for (const std::uint32_t label : labels) {
      builder.add_label(label);
    }
    EXPECT_TRUE(builder.set(key, value));
    const auto bytes = builder.finish();
    EXPECT_TRUE(bytes);
    return {bytes->begin(), bytes->end()};
  }
  std::uint64_t committed_node(const std::vector<std::byte>& bytes) {
    txn::State* const state = begin();
    const auto made = ops(state).create_node(bytes);
    EXPECT_TRUE(made);
    EXPECT_TRUE(manager->commit(state));
    return made ? *made : 0;
  }
  void update(txn::State* state, std::uint64_t id, const std::vector<std::byte>& bytes) {
    const auto base = ops(state).writable_node(id);
    ASSERT_TRUE(base) << base.error().message();
    ASSERT_TRUE(ops(state).update_node(id, *base, bytes));
  }

 private:
  MemoryFileSystem files_;
  Bare registry_;
  wal::LogOptions log_options_;
  txn::ManagerOptions options_;

 public:
  graph::Graph graph{0};
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<txn::Manager> manager;
};

/// Nodes that a transaction has read, confirmed against what is committed now.
class ReadSet final : public txn::Validator {
 public:
  explicit ReadSet(Validation& test) : test_(test) {}
  Status validate(txn::State& state) override {
    const std::uint64_t now = test_.log->appended();
    for (const auto& [reader, id] : reads) {
      // Beneath what is uncommitted: another writer on top must hide no commit, and is none itself.
      const graph::Seen seen = test_.graph.see_node(NodeId{id}, {now, nullptr});
      if (reader == &state && seen.sequence > state.view.sequence) {
        return fail(ErrorCode::conflict, "what was read has changed");
      }
    }
    return {};
  }
  bool recheck(txn::State&) override { return true; }
  void published(txn::State&, std::uint64_t) override {}
  std::set<std::pair<txn::State*, std::uint64_t>> reads;

 private:
  Validation& test_;
};

TEST_F(Validation, Rule20_TheNewestCommitBeneathAnUncommittedVersionCounts) {
  for (const bool changed : {true, false}) {
    const auto first = image({}, 0, 1);
    const std::uint64_t a = committed_node(first);
    const std::uint64_t b = committed_node(first);
    ReadSet validator(*this);
    manager->set_validator(&validator);
    txn::State* const reader = begin();  // T1 reads a
    validator.reads = {{reader, a}};
    if (changed) {  // T0 writes a, commits
      txn::State* const writer = begin();
      update(writer, a, image({}, 0, 2));
      ASSERT_TRUE(manager->commit(writer));
    }
    txn::State* const pending = begin();  // T2 writes a, uncommitted
    update(pending, a, image({}, 0, 3));
    update(reader, b, image({}, 0, 4));
    const auto committed = manager->commit(reader);  // T1 commits
    if (changed) {
      ASSERT_FALSE(committed) << "a cycle";
      EXPECT_EQ(committed.error().code(), ErrorCode::conflict);
      manager->abort(reader, "conflict");
    } else {
      EXPECT_TRUE(committed) << "an uncommitted version is no change";
    }
    manager->abort(pending, "the end");
    manager->set_validator(nullptr);
  }
}

/// What the clocks of a validator are raised for, read off the write set while it is published.
class Clocks final : public txn::Validator {
 public:
  explicit Clocks(graph::Graph& graph) : graph_(graph) {}
  Status validate(txn::State&) override { return {}; }
  bool recheck(txn::State&) override { return true; }
  void published(txn::State& state, std::uint64_t) override {
    for (const txn::WriteItem& item : state.writes) {
      const std::uint64_t slot = id_bits::slot(item.id());
      switch (item.kind()) {
        case txn::WriteKind::add_label:
        case txn::WriteKind::remove_label: labels.insert(item.a); break;
        case txn::WriteKind::create_edge:
        case txn::WriteKind::delete_edge:
          endpoints.insert(graph_.edges.at(slot).source.load());
          endpoints.insert(graph_.edges.at(slot).target.load());
          break;
        default: break;
      }
      if (item.has_version() && item.is_node()) {
        const graph::Version* const after =
            graph::Head{graph_.nodes.at(slot).head.load()}.version();
        note(after->image());
        if (after->prev() != 0) {
          note(graph::Head{after->prev()}.version()->image());
        }
      }
    }
  }
  void note(std::span<const std::byte> bytes) {
    const ImageView view(bytes);
    for (std::size_t i = 0; i < view.property_count(); ++i) {
      values.insert({view.key(i), *view.value(i).as_int64()});
    }
  }
  void clear() {
    labels.clear();
    endpoints.clear();
    values.clear();
  }
  std::set<std::uint32_t> labels;
  std::set<std::uint64_t> endpoints;
  std::set<std::pair<std::uint32_t, std::int64_t>> values;

 private:
  graph::Graph& graph_;
};

TEST_F(Validation, Rule24_APublishedWriteSetNamesOldAndNewValues) {
  using Values = std::set<std::pair<std::uint32_t, std::int64_t>>;
  for (const bool transactional : {true, false}) {
    Clocks clocks(graph);
    manager->set_validator(&clocks);
    const auto run = [&](auto body) {
      clocks.clear();
      txn::State* const state = begin(transactional);
      body(state);
      ASSERT_TRUE(manager->commit(state));
    };
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::uint64_t edge = 0;
    run([&](txn::State* state) {
      const auto bytes = image({1, 2}, 7, 10);
      const std::vector<std::span<const std::byte>> images(2, bytes);
      std::vector<std::uint64_t> ids;
      ASSERT_TRUE(ops(state).create_nodes(images, ids));
      a = ids[0];
      b = ids[1];
    });
    EXPECT_EQ(clocks.labels, (std::set<std::uint32_t>{1, 2}));
    EXPECT_EQ(clocks.values, (Values{{7, 10}}));

    run([&](txn::State* state) { update(state, a, image({2, 3}, 7, 11)); });
    EXPECT_EQ(clocks.labels, (std::set<std::uint32_t>{1, 3})) << "old and new";
    EXPECT_EQ(clocks.values, (Values{{7, 10}, {7, 11}})) << "old and new";

    run([&](txn::State* state) {
      const auto made = ops(state).create_edge({a, b, 5, {}});
      ASSERT_TRUE(made);
      edge = *made;
    });
    EXPECT_EQ(clocks.endpoints, (std::set<std::uint64_t>{a, b}));

    run([&](txn::State* state) { ASSERT_TRUE(ops(state).delete_edge(edge)); });
    EXPECT_EQ(clocks.endpoints, (std::set<std::uint64_t>{a, b})) << "a delete raises them too";

    run([&](txn::State* state) { ASSERT_TRUE(ops(state).delete_node(a, false)); });
    EXPECT_EQ(clocks.labels, (std::set<std::uint32_t>{2, 3})) << "a delete raises them too";
    EXPECT_EQ(clocks.values, (Values{{7, 11}}));
    manager->set_validator(nullptr);
  }
}

/// Notes in which order the hooks of a commit come, and what could be seen from each.
class Recorder final : public txn::Validator {
 public:
  explicit Recorder(wal::Log& log) : log_(log) {}
  Status validate(txn::State&) override {
    calls.emplace_back("validate");
    return verdict ? Status{} : fail(ErrorCode::conflict, "somebody was faster");
  }
  bool recheck(txn::State& state) override {
    calls.emplace_back("recheck");
    EXPECT_EQ(state.commit.load(), 0U) << "the status word is stored after the re-check";
    return second_verdict;
  }
  void published(txn::State& state, std::uint64_t commit) override {
    calls.emplace_back("published");
    EXPECT_EQ(state.commit.load(), commit) << "clocks are raised after the status word";
    EXPECT_LT(log_.appended(), commit) << "and before others may open a view there";
  }
  std::vector<std::string> calls;
  bool verdict = true;
  bool second_verdict = true;

 private:
  wal::Log& log_;
};

TEST_F(Validation, Rule21_ValidationIsRecheckedInsideTheLockAndPublishedBeforeTheView) {
  Recorder recorder(*log);
  manager->set_validator(&recorder);
  const auto create = [&] {
    txn::State* const state = begin();
    EXPECT_TRUE(ops(state).create_node({}));
    return state;
  };
  ASSERT_TRUE(manager->commit(create()));
  EXPECT_EQ(recorder.calls, (std::vector<std::string>{"validate", "recheck", "published"}));
  for (const bool outside : {true, false}) {
    recorder.verdict = !outside;
    recorder.second_verdict = outside;
    const std::uint64_t before = log->appended();
    txn::State* const state = create();
    const auto refused = manager->commit(state);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::conflict);
    EXPECT_EQ(log->appended(), before) << "a refused commit is not in the log";
    manager->abort(state, "refused");
  }
}

}  // namespace
}  // namespace selvedge
