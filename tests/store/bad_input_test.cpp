// Each bad input gives a clear error and changes nothing, neither in memory nor in the log.

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

/// Runs every case on the store and inside a transaction.
class BadInput : public StoreTest {
 protected:
  void expect_refused(ErrorCode code, const std::function<Status(Writer&)>& operation,
                      std::string_view says = {}) {
    const std::string digest = store->digest();
    const auto entries = store->stats().log_entries;
    for (const bool inside : {false, true}) {
      std::optional<Transaction> tx;
      if (inside) {
        tx.emplace(begin());
      }
      const Status refused = operation(inside ? static_cast<Writer&>(*tx) : *store);
      ASSERT_FALSE(refused) << (inside ? "inside" : "outside") << " a transaction";
      EXPECT_EQ(refused.error().code(), code) << refused.error().message();
      EXPECT_NE(refused.error().message().find(says), std::string::npos)
          << refused.error().message();
      if (inside) {
        ASSERT_TRUE(tx->commit());
      }
    }
    EXPECT_EQ(store->digest(), digest);
    EXPECT_EQ(store->stats().log_entries, entries) << "something was logged";
    expect_sound();
  }
  template <class T>
  static Status status_of(const Result<T>& result) {
    return result ? Status{} : fail(result.error().clone());
  }
};

TEST_F(BadInput, UnknownIds) {
  node();
  const NodeId never{id_bits::make(77, 1)};
  const EdgeId no_edge{id_bits::make(77, 1)};
  for (const NodeId id : {never, NodeId{}, NodeId{~std::uint64_t{0}}, NodeId{1}}) {
    expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.set(id, "v", 1); });
    expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.remove(id, "v"); });
    expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.add_label(id, "N"); });
    expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.remove_label(id, "N"); });
    expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.delete_node(id); });
    expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.detach_delete_node(id); });
    const auto view = store->read();
    EXPECT_FALSE(view.exists(id));
    const auto got = view.get(id);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), ErrorCode::not_found);
    EXPECT_EQ(view.degree(id, Direction::both), 0U);
    EXPECT_FALSE(view.out_edges(id).next());
    EXPECT_TRUE(view.neighbours(id, Direction::both).empty());
    EXPECT_TRUE(view.labels(id).empty());
    EXPECT_EQ(view.edge_between(id, id), std::nullopt);
  }
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.set(no_edge, "v", 1); });
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.delete_edge(no_edge); });
}

TEST_F(BadInput, IdsOfAnotherGeneration) {
  const NodeId old = node();
  const NodeId other = node();
  const EdgeId old_edge = *store->create_edge(old, "E", other);
  must(store->delete_edge(old_edge));
  must(store->delete_node(old));
  must(store->maintain());
  must(store->maintain());
  NodeId reused = node();
  for (int i = 0; i < 4 && id_bits::slot(reused.value) != id_bits::slot(old.value); ++i) {
    reused = node();
  }
  ASSERT_EQ(id_bits::slot(reused.value), id_bits::slot(old.value));
  const auto made = store->create_edge(reused, "E", other);
  ASSERT_TRUE(made) << made.error().message();
  const EdgeId reused_edge = *made;
  ASSERT_EQ(id_bits::slot(reused_edge.value), id_bits::slot(old_edge.value));
  ASSERT_NE(reused_edge, old_edge);
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.set(old, "v", 1); });
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.detach_delete_node(old); });
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.delete_edge(old_edge); });
  EXPECT_FALSE(store->read().exists(old));
  EXPECT_FALSE(store->read().exists(old_edge));
}

TEST_F(BadInput, EdgesToMissingNodes) {
  const NodeId here = node();
  const NodeId gone = node();
  must(store->delete_node(gone));
  ASSERT_TRUE(store->type_id("E"));
  for (const NodeId missing : {gone, NodeId{}, NodeId{id_bits::make(99, 3)}}) {
    for (const bool source : {true, false}) {
      expect_refused(ErrorCode::not_found, [&](Writer& to) {
        return status_of(to.create_edge(source ? missing : here, "E", source ? here : missing));
      });
    }
  }
  expect_refused(ErrorCode::not_found, [&](Writer& to) {
    const std::vector<NewEdge> batch = {{here, "E", here, {}}, {here, "E", gone, {}}};
    return status_of(to.create_edges(batch));
  });
}

TEST_F(BadInput, Names) {
  const NodeId id = node();
  const std::string limit(64 << 10, 'n');
  const std::string more = limit + "n";
  const std::string broken = "a\xc3(";
  for (const std::string& name : {std::string(), more, broken}) {
    const ErrorCode code = name == more ? ErrorCode::too_large : ErrorCode::invalid_argument;
    expect_refused(
        code, [&](Writer& to) { return to.set(id, name, 1); }, "name");
    expect_refused(
        code, [&](Writer& to) { return to.add_label(id, name); }, "name");
    expect_refused(
        code, [&](Writer& to) { return status_of(to.create_edge(id, name, id)); }, "name");
    expect_refused(
        code, [&](Writer& to) { return status_of(to.create_node({LabelRef(name)})); }, "name");
  }
  must(store->set(id, limit, 1));
  must(store->add_label(id, limit));
  ASSERT_TRUE(store->create_edge(id, limit, id));
  lose_power();
  EXPECT_EQ((*store->read().find_key(limit)).value, 1U);
  EXPECT_EQ(store->read().node_count(limit), 1U);
  EXPECT_EQ(store->read().edge_count(limit), 1U);
}

TEST_F(BadInput, NameIdsThatWereNeverGiven) {
  const NodeId id = node();
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.set(id, KeyId{4711}, 1); });
  expect_refused(ErrorCode::not_found, [&](Writer& to) { return to.add_label(id, LabelId{4711}); });
  expect_refused(ErrorCode::not_found,
                 [&](Writer& to) { return status_of(to.create_edge(id, TypeId{4711}, id)); });
  EXPECT_EQ(store->read().name(KeyId{4711}), "");
}

/// Case 18 of recovery: the largest value comes back, one byte more is refused at once.
TEST_F(BadInput, TheLargestValueAndOneByteMore) {
  const NodeId id = node();
  std::size_t size = std::size_t{1} << 24;
  std::string text(size, 't');
  Status stored = store->set(id, "v", text);
  while (!stored) {
    ASSERT_EQ(stored.error().code(), ErrorCode::too_large) << stored.error().message();
    ASSERT_GT(size, (std::size_t{1} << 24) - 64) << "the limit is far below what it should be";
    text.resize(--size);
    stored = store->set(id, "v", text);
  }
  lose_power();
  {
    const auto view = store->read();
    EXPECT_EQ((*view.get(id))["v"].as_string(), text);
  }
  expect_refused(
      ErrorCode::too_large, [&](Writer& to) { return to.set(id, "v", text + "t"); }, "at most");
  must(store->checkpoint());
  must(store->checkpoint());
  lose_power();
  const auto view = store->read();
  EXPECT_EQ((*view.get(id))["v"].as_string(), text);
}

TEST_F(BadInput, InvalidUtf8) {
  const NodeId id = node();
  for (const std::string_view text :
       {"\xff", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\x80"}) {
    expect_refused(ErrorCode::invalid_argument, [&](Writer& to) { return to.set(id, "v", text); });
    const Value nested = List{Value(Map{{"k", Value(text)}})};
    expect_refused(ErrorCode::invalid_argument,
                   [&](Writer& to) { return to.set(id, "v", nested); });
    const Value key = Map{{std::string(text), Value(1)}};
    expect_refused(ErrorCode::invalid_argument, [&](Writer& to) { return to.set(id, "v", key); });
  }
  must(store->set(id, "v", "\xf0\x9f\xa7\xb5"));  // a spool of thread
}

TEST_F(BadInput, TooDeepNesting) {
  const NodeId id = node();
  Value value = 1;
  for (int i = 0; i < 40; ++i) {
    value = List{std::move(value)};
  }
  expect_refused(ErrorCode::too_large, [&](Writer& to) { return to.set(id, "v", value); });
}

TEST_F(BadInput, DeleteOfANodeWithEdges) {
  const NodeId a = node();
  const NodeId b = node();
  const EdgeId edge = *store->create_edge(a, "E", b);
  const NodeId alone = node();
  const EdgeId loop = *store->create_edge(alone, "E", alone);
  for (const NodeId id : {a, b, alone}) {
    expect_refused(ErrorCode::has_edges, [&](Writer& to) { return to.delete_node(id); });
    const std::vector<NodeId> ids = {id};
    expect_refused(ErrorCode::has_edges, [&](Writer& to) { return to.delete_nodes(ids); });
  }
  must(store->delete_edge(edge));
  must(store->delete_node(a));
  must(store->delete_edge(loop));
  must(store->delete_node(alone));
  expect_sound();
}

TEST_F(BadInput, OperationsOnAFinishedTransaction) {
  const NodeId id = node();
  const EdgeId edge = *store->create_edge(id, "E", id);
  const auto finished = [&](Transaction& tx) {
    const std::vector<NodeId> ids = {id};
    const std::vector<EdgeId> edges = {edge};
    const std::vector<Status> all = [&] {
      std::vector<Status> each;
      each.push_back(status_of(tx.create_node({"N"})));
      each.push_back(status_of(tx.create_edge(id, "E", id)));
      each.push_back(tx.set(id, "v", 1));
      each.push_back(tx.set(edge, "v", 1));
      each.push_back(tx.remove(id, "v"));
      each.push_back(tx.remove(edge, "v"));
      each.push_back(tx.add_label(id, "M"));
      each.push_back(tx.remove_label(id, "N"));
      each.push_back(tx.delete_node(id));
      each.push_back(tx.detach_delete_node(id));
      each.push_back(tx.delete_edge(edge));
      each.push_back(status_of(tx.create_nodes(std::vector<NewNode>(2))));
      each.push_back(status_of(tx.create_edges(std::vector<NewEdge>{{id, "E", id, {}}})));
      each.push_back(tx.delete_nodes(ids));
      each.push_back(tx.delete_edges(edges));
      each.push_back(status_of(tx.savepoint()));
      each.push_back(tx.rollback_to(Savepoint{1}));
      each.push_back(status_of(tx.commit()));
      each.push_back(status_of(tx.commit_async()));
      each.push_back(tx.abort());
      return each;
    }();
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_FALSE(all[i]) << "operation " << i;
      EXPECT_EQ(all[i].error().code(), ErrorCode::finished) << "operation " << i;
    }
    EXPECT_TRUE(tx.finished());
  };
  const std::string digest = store->digest();
  Transaction committed = begin();
  ASSERT_TRUE(committed.commit());
  finished(committed);
  Transaction aborted = begin();
  must(aborted.abort());
  finished(aborted);
  EXPECT_EQ(store->digest(), digest);
}

TEST_F(BadInput, SavepointsOfNobody) {
  Transaction tx = begin();
  const auto one = tx.savepoint();
  const auto two = tx.savepoint();
  ASSERT_TRUE(one && two);
  must(tx.rollback_to(*one));
  for (const Savepoint wrong : {*two, Savepoint{0}, Savepoint{99}}) {
    const Status refused = tx.rollback_to(wrong);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
  }
  must(tx.rollback_to(*one));
}

}  // namespace
}  // namespace selvedge
