// The log, read: by range, by transaction, filtered, live and closed, and with damaged indexes.
#include <selvedge/json.h>

#include <algorithm>
#include <map>
#include <thread>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

class TxlogTest : public StoreTest {
 protected:
  Txlog log() const {
    auto opened = store->txlog();
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  Txlog closed_log(bool unconfirmed = false) const {
    auto opened = Txlog::open("/db", {.file_system = memory.get(), .unconfirmed = unconfirmed});
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  static std::vector<std::string> words(Result<TxlogCursor> cursor) {
    EXPECT_TRUE(cursor) << cursor.error().message();
    std::vector<std::string> found;
    while (cursor && cursor->next()) {
      found.emplace_back(to_string(cursor->entry().kind));
    }
    EXPECT_TRUE(cursor->status()) << cursor->status().error().message();
    return found;
  }
  static std::vector<std::uint64_t> sequences(Result<TxlogCursor> cursor) {
    EXPECT_TRUE(cursor) << cursor.error().message();
    std::vector<std::uint64_t> found;
    while (cursor && cursor->next()) {
      found.push_back(cursor->entry().sequence.value);
    }
    EXPECT_TRUE(cursor->status()) << cursor->status().error().message();
    return found;
  }
  static std::vector<std::uint64_t> all_from(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t each = first; each <= last; ++each) {
      numbers.push_back(each);
    }
    return numbers;
  }
  /// Small segments, and a writer that goes over several.
  void small_segments() {
    close();
    options.segment_bytes = 64 << 10;
    options.log_buffer_bytes = 8 << 10;
    options.transaction_buffer_bytes = 0;
    open();
  }
  void fill(int nodes) {
    for (int i = 0; i < nodes; ++i) {
      must(store->create_node({"Filler"}, {{"text", std::string(1000, 'f')}}).map([](NodeId) {}));
      if (i % 20 == 0) {
        must(store->maintain());
      }
    }
  }
  /// Two streamed transactions whose frames alternate, and single operations between them.
  std::pair<Uuid, Uuid> interleaved(int rounds) {
    auto one = begin();
    auto two = begin();
    for (int i = 0; i < rounds; ++i) {
      EXPECT_TRUE(one.create_node({"One"}, {{"i", i}}));
      EXPECT_TRUE(two.create_node({"Two"}, {{"i", i}, {"text", std::string(500, 't')}}));
      node(i);
    }
    const std::pair<Uuid, Uuid> ids{*one.uuid(), *two.uuid()};
    EXPECT_TRUE(one.commit());
    must(two.abort("no"));
    must(store->sync());
    return ids;
  }
};

TEST_F(TxlogTest, ShowsEveryEntryOnceInOrder) {
  node(1);
  auto tx = begin();
  const NodeId a = *tx.create_node({"A"});
  EXPECT_TRUE(tx.create_edge(a, "KNOWS", a, {{"since", 1}}));
  ASSERT_TRUE(tx.commit());
  must(store->detach_delete_node(a));
  const Txlog txlog = log();
  EXPECT_EQ(txlog.first(), Sequence{1});
  EXPECT_EQ(sequences(txlog.entries()), all_from(1, txlog.last().value));
  EXPECT_EQ(words(txlog.entries()),
            (std::vector<std::string>{"define_name", "define_name", "create_node", "define_name",
                                      "define_name", "define_name", "tx_begin", "create_node",
                                      "create_edge", "tx_commit", "detach_delete_node"}));
}

TEST_F(TxlogTest, RangeAndLimitHold) {
  for (int i = 0; i < 20; ++i) {
    node(i);
  }
  const Txlog txlog = log();
  EXPECT_EQ(sequences(txlog.entries({5}, {9})), all_from(5, 9));
  EXPECT_EQ(sequences(txlog.entries({5}, {9}, 2)), all_from(5, 6));
  EXPECT_EQ(sequences(txlog.entries(txlog.last())).size(), 1U);
  EXPECT_TRUE(sequences(txlog.entries({txlog.last().value + 1})).empty());
}

TEST_F(TxlogTest, AChangeHasBeforeAndAfterAsProperties) {
  const NodeId id = node(1);
  must(store->set(id, {{"v", 2}, {"text", "x"}}));
  must(store->add_label(id, "M"));
  must(store->delete_node(id));
  auto cursor = log().entries({1}, {}, 0, {.kinds = {}, .node = id});
  ASSERT_TRUE(cursor);
  ASSERT_TRUE(cursor->next());
  EXPECT_FALSE(cursor->entry().changes[0].before);
  const Sequence created = cursor->entry().sequence;
  ASSERT_TRUE(cursor->next());
  const LoggedChange& update = cursor->entry().changes[0];
  EXPECT_EQ(update.kind, EntryKind::update_node);
  EXPECT_EQ(update.before["v"].as_int64(), 1);
  EXPECT_FALSE(update.before["text"]);
  EXPECT_EQ(update.after["v"].as_int64(), 2);
  EXPECT_EQ(update.after["text"].as_string(), "x");
  EXPECT_EQ(update.before_sequence, created);
  ASSERT_TRUE(cursor->next());
  EXPECT_TRUE(cursor->entry().changes[0].after.has_label("M"));
  EXPECT_FALSE(cursor->entry().changes[0].before.has_label("M"));
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(cursor->entry().kind, EntryKind::delete_node);
  EXPECT_EQ(cursor->entry().changes[0].before["text"].as_string(), "x");
  EXPECT_FALSE(cursor->entry().changes[0].after);
  EXPECT_FALSE(cursor->next());
}

TEST_F(TxlogTest, FiltersByKindAndByEdge) {
  const NodeId a = node(1);
  const EdgeId edge = *store->create_edge(a, "E", a, {{"w", 1}});
  must(store->set(edge, "w", 2));
  must(store->set(a, "v", 3));
  const Txlog txlog = log();
  EXPECT_EQ(words(txlog.entries({1}, {}, 0, {.kinds = {EntryKind::update_node}})),
            std::vector<std::string>{"update_node"});
  EXPECT_EQ(words(txlog.entries({1}, {}, 0, {.edge = edge})),
            (std::vector<std::string>{"create_edge", "update_edge"}));
}

TEST_F(TxlogTest, AMemberOfABulkEntryIsFound) {
  const std::vector<NewNode> nodes(10);
  const auto ids = store->create_nodes(nodes);
  ASSERT_TRUE(ids);
  auto cursor = log().entries({1}, {}, 0, {.node = (*ids)[7]});
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(cursor->entry().kind, EntryKind::bulk_create_nodes);
  EXPECT_EQ(cursor->entry().changes.size(), 10U);
  EXPECT_FALSE(cursor->next());
}

TEST_F(TxlogTest, ATransactionIsFoundByUuidAndByNumber) {
  node(1);
  auto options_with = store->begin({.metadata = {{"user", "ada"}}});
  Transaction tx = *std::move(options_with);
  EXPECT_TRUE(tx.create_node({"N"}));
  const Sequence committed = *tx.commit();
  const Uuid uuid = *tx.uuid();
  node(2);
  const Txlog txlog = log();
  auto cursor = txlog.by_transaction(uuid);
  ASSERT_TRUE(cursor) << cursor.error().message();
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(cursor->entry().kind, EntryKind::tx_begin);
  EXPECT_EQ(cursor->entry().metadata[0].second, "ada");
  EXPECT_EQ(cursor->entry().transaction, uuid);
  EXPECT_EQ(cursor->entry().db, store->uuid());
  const TxnNumber number = cursor->entry().number;
  ASSERT_TRUE(cursor->next());
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(cursor->entry().kind, EntryKind::tx_commit);
  EXPECT_EQ(cursor->entry().sequence, committed);
  EXPECT_EQ(cursor->entry().operations, 1U);
  EXPECT_FALSE(cursor->next());
  EXPECT_EQ(words(txlog.by_transaction(number)).size(), 3U);
}

TEST_F(TxlogTest, WhatIsNoTransactionIsNotFound) {
  node(1);
  const Txlog txlog = log();
  EXPECT_EQ(txlog.by_transaction(TxnNumber{1}).error().code(), ErrorCode::not_found);
  EXPECT_EQ(txlog.by_transaction(TxnNumber{0}).error().code(), ErrorCode::not_found);
  EXPECT_EQ(txlog.by_transaction(TxnNumber{1000}).error().code(), ErrorCode::not_found);
  EXPECT_EQ(txlog.by_transaction(random_uuid()).error().code(), ErrorCode::not_found);
}

TEST_F(TxlogTest, StreamedTransactionsAreReadWithoutWhatLiesBetween) {
  small_segments();
  const auto [one, two] = interleaved(200);
  fill(50);
  must(store->maintain());
  const Txlog txlog = log();
  for (const Uuid& id : {one, two}) {
    auto cursor = txlog.by_transaction(id);
    ASSERT_TRUE(cursor) << cursor.error().message();
    std::size_t entries = 0;
    std::uint64_t last = 0;
    while (cursor->next()) {
      EXPECT_EQ(cursor->entry().transaction, id);
      EXPECT_GT(cursor->entry().sequence.value, last);
      last = cursor->entry().sequence.value;
      ++entries;
    }
    EXPECT_TRUE(cursor->status()) << cursor->status().error().message();
    EXPECT_EQ(entries, 202U);
    EXPECT_EQ(cursor->entry().kind, id == one ? EntryKind::tx_commit : EntryKind::tx_abort);
  }
}

TEST_F(TxlogTest, CrossesSegmentsFromAnyPlace) {
  small_segments();
  fill(300);
  const Txlog txlog = log();
  const std::uint64_t last = txlog.last().value;
  EXPECT_EQ(sequences(txlog.entries()), all_from(1, last));
  for (std::uint64_t from = 1; from <= last; from += 7) {
    EXPECT_EQ(sequences(txlog.entries({from}, {}, 3)), all_from(from, std::min(last, from + 2)));
  }
}

TEST_F(TxlogTest, AnOpenCursorGoesOnWhenThereIsMore) {
  small_segments();
  const Txlog txlog = log();
  auto cursor = txlog.entries();
  ASSERT_TRUE(cursor);
  std::uint64_t expected = 0;
  for (int round = 0; round < 200; ++round) {
    must(store->create_node({}, {{"text", std::string(900, 'x')}}).map([](NodeId) {}));
    while (cursor->next()) {
      EXPECT_EQ(cursor->entry().sequence.value, ++expected);
    }
    ASSERT_TRUE(cursor->status()) << cursor->status().error().message();
    EXPECT_EQ(expected, store->stats().durable.value);
  }
}

TEST_F(TxlogTest, NothingIsShownBeforeItIsDurable) {
  close();
  options.sync = SyncMode::none;
  open();
  must(store->sync());
  const std::uint64_t durable = store->stats().durable.value;
  node(1);
  const Txlog txlog = log();
  EXPECT_EQ(txlog.last().value, durable);
  EXPECT_TRUE(sequences(txlog.entries({durable + 1})).empty());
  must(store->sync());
  EXPECT_FALSE(sequences(txlog.entries({durable + 1})).empty());
}

TEST_F(TxlogTest, IsReadByPathWithNamesOfTheSnapshot) {
  const NodeId id = node(1);
  must(store->checkpoint());
  must(store->set(id, "late", "name"));
  const std::vector<std::uint64_t> live = sequences(log().entries());
  close();
  {
    const Txlog txlog = closed_log();
    EXPECT_EQ(sequences(txlog.entries()), live);
    auto cursor = txlog.entries({1}, {}, 0, {.kinds = {EntryKind::update_node}});
    ASSERT_TRUE(cursor->next());
    EXPECT_EQ(cursor->entry().changes[0].after["late"].as_string(), "name");
    EXPECT_EQ(cursor->entry().changes[0].after.label(0), "N");
  }
  open();
}

TEST_F(TxlogTest, ByPathOnlyWhatIsVouchedForIsShown) {
  node(1);
  const std::uint64_t before = store->stats().durable.value;
  node(2);
  const std::uint64_t written = store->stats().durable.value;
  EXPECT_EQ(closed_log().last().value, before);
  EXPECT_EQ(closed_log(true).last().value, written);
}

TEST_F(TxlogTest, AReadOnlyStoreHasALog) {
  node(1);
  close();
  options.read_only = true;
  open();
  EXPECT_EQ(words(log().entries()).size(), 3U);
  close();
  options.read_only = false;
  open();
}

TEST_F(TxlogTest, TheStoreStaysOpenWhileTheLogIsRead) {
  node(1);
  {
    const Txlog txlog = log();
    EXPECT_EQ(store->close().error().code(), ErrorCode::invalid_argument);
  }
  {
    const auto cursor = log().entries();
    EXPECT_EQ(store->close().error().code(), ErrorCode::invalid_argument);
  }
  must(store->close());
  EXPECT_EQ(store->txlog().error().code(), ErrorCode::closed);
}

// --- indexes -----------------------------------------------------------------------------------

TEST_F(TxlogTest, MaintenanceKeepsAnIndexOfEverySealedSegment) {
  small_segments();
  fill(300);
  while (true) {
    const std::size_t before = files_in("/db/history").size();
    must(store->maintain());
    if (files_in("/db/history").size() == before) {
      break;
    }
  }
  EXPECT_EQ(files_in("/db/history").size() + 2, files_in("/db/wal").size());
}

TEST_F(TxlogTest, ADamagedOrMissingIndexChangesNothing) {
  small_segments();
  const Uuid one = interleaved(100).first;
  fill(200);
  for (int i = 0; i < 20; ++i) {
    must(store->maintain());
  }
  const std::vector<std::uint64_t> expected = sequences(log().by_transaction(one));
  const std::vector<std::uint64_t> everything = sequences(log().entries());
  close();
  const std::vector<std::string> indexes = files_in("/db/history");
  ASSERT_GT(indexes.size(), 3U);
  const std::string whole = read_file("/db/history/" + indexes[0]);
  const auto expect_same = [&](const char* what) {
    SCOPED_TRACE(what);
    const Txlog txlog = closed_log();
    EXPECT_EQ(sequences(txlog.by_transaction(one)), expected);
    EXPECT_EQ(sequences(txlog.entries()), everything);
  };
  for (std::size_t at = 0; at < whole.size(); at += 5) {
    write_file("/db/history/" + indexes[0], at, std::string(1, static_cast<char>(whole[at] ^ 4)));
    expect_same("a flipped byte");
    write_file("/db/history/" + indexes[0], at, whole.substr(at, 1));
  }
  write_file("/db/history/" + indexes[1], 0, whole);
  expect_same("another segment's");
  must(memory->unlink("/db/history/" + indexes[0]));
  expect_same("none");
  open();
  must(store->maintain());
  must(store->maintain());
  EXPECT_EQ(sequences(log().by_transaction(one)), expected);
}

TEST_F(TxlogTest, AnIndexWithAWrongPlaceIsNotBelieved) {
  small_segments();
  fill(200);
  for (int i = 0; i < 20; ++i) {
    must(store->maintain());
  }
  const std::vector<std::uint64_t> everything = sequences(log().entries());
  close();
  // A sound CRC over places that are 8 bytes off.
  const std::string path = "/db/history/" + files_in("/db/history")[0];
  std::string index = read_file(path);
  index[73] = static_cast<char>(index[73] + 1);
  const auto covered = as_bytes(index).first(index.size() - 4);
  store_le(reinterpret_cast<std::byte*>(index.data()) + covered.size(), base::crc32c(covered));
  write_file(path, 0, index);
  EXPECT_EQ(sequences(closed_log().entries()), everything);
  for (std::uint64_t from = 1; from < everything.size(); from += 11) {
    EXPECT_EQ(sequences(closed_log().entries({from}, {}, 1)), all_from(from, from));
  }
  open();
}

// --- damage ------------------------------------------------------------------------------------

TEST_F(TxlogTest, DamageInARetainedSegmentIsNamedAndTheRestCanBeRead) {
  small_segments();
  fill(200);
  const auto wal = files_in("/db/wal");
  const std::uint64_t last = store->stats().durable.value;
  const std::string byte = read_file("/db/wal/" + wal[1]).substr(30'000, 1);
  write_file("/db/wal/" + wal[1], 30'000, std::string(1, static_cast<char>(byte[0] ^ 1)));
  const Txlog txlog = log();
  auto cursor = txlog.entries();
  while (cursor->next()) {
  }
  ASSERT_FALSE(cursor->status());
  EXPECT_EQ(cursor->status().error().code(), ErrorCode::corruption);
  EXPECT_EQ(cursor->status().error().path(), "/db/wal/" + wal[1]);
  EXPECT_TRUE(cursor->status().error().offset());
  EXPECT_EQ(sequences(txlog.entries({last - 20})), all_from(last - 20, last));
}

TEST_F(TxlogTest, ADamagedEmbeddingIsShownAsSuch) {
  const NodeId id = node(1);
  const std::vector<float> vector(16, 1.5F);
  must(store->set_embedding(id, "e", vector));
  node(2);
  node(3);
  const std::string segment = read_file("/db/wal/" + files_in("/db/wal")[0]);
  const std::string bytes(reinterpret_cast<const char*>(vector.data()), 64);
  write_file("/db/wal/" + files_in("/db/wal")[0], segment.find(bytes), "?");
  auto cursor = log().entries({1}, {}, 0, {.kinds = {EntryKind::update_embedding}});
  ASSERT_TRUE(cursor->next()) << cursor->status().error().message();
  EXPECT_TRUE(cursor->entry().damaged);
  EXPECT_EQ(cursor->entry().changes[0].node, id);
  EXPECT_FALSE(cursor->next());
  EXPECT_TRUE(cursor->status());
}

// --- JSON --------------------------------------------------------------------------------------

TEST_F(TxlogTest, EveryEntryIsOneLineOfJson) {
  const NodeId id = node(7);
  must(store->set(id, "v", 8));
  auto cursor = log().entries({3});
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(payload_json(cursor->entry()),
            R"({"node":256,"after":{"labels":["N"],"properties":{"v":7}}})");
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(payload_json(cursor->entry()),
            R"({"node":256,"before":{"labels":["N"],"properties":{"v":7}},"beforeSeq":3,)"
            R"("after":{"labels":["N"],"properties":{"v":8}}})");
  EXPECT_TRUE(to_json(cursor->entry())
                  .starts_with(R"({"txId":null,"txNumber":0,"db":")" + to_string(store->uuid()) +
                               R"(","kind":"update_node","seq":4,"timestamp":)"));
}

TEST_F(TxlogTest, IndexesAndConstraintsComeAsTheyWereDefined) {
  must(store->create_schema(SchemaSpec::node_unique("Person", {"name", "born"})));
  must(store->create_schema(SchemaSpec::edge_type("KNOWS", "since", ValueType::int64)));
  const std::vector<SchemaInfo> schema = store->schema();
  must(store->drop_schema(schema[0].spec.name));
  auto cursor =
      log().entries({1}, {}, 0, {.kinds = {EntryKind::define_schema, EntryKind::drop_schema}});
  ASSERT_TRUE(cursor);
  std::uint32_t first_id = 0;
  for (const SchemaInfo& each : schema) {
    ASSERT_TRUE(cursor->next());
    EXPECT_EQ(cursor->entry().kind, EntryKind::define_schema);
    const LoggedChange& change = cursor->entry().changes[0];
    ASSERT_NE(change.schema, nullptr);
    EXPECT_EQ(*change.schema, each.spec);
    EXPECT_EQ(cursor->entry().sequence, each.defined);
    first_id = first_id == 0 ? change.schema_id : first_id;
  }
  ASSERT_TRUE(cursor->next());
  EXPECT_EQ(cursor->entry().kind, EntryKind::drop_schema);
  EXPECT_EQ(cursor->entry().changes[0].schema_id, first_id);
  EXPECT_EQ(cursor->entry().changes[0].schema, nullptr);
  EXPECT_FALSE(cursor->next());
}

TEST_F(TxlogTest, IndexesAndConstraintsAreReadableAsJson) {
  must(store->create_schema(
      {SchemaKind::index, EntityKind::node, "Person", {"name"}, IndexKind::hash, {}, "by_name"}));
  must(store->create_schema({SchemaKind::type,
                             EntityKind::edge,
                             "KNOWS",
                             {"since"},
                             IndexKind::ordered,
                             ValueType::int64,
                             "since_is_int"}));
  must(store->drop_schema("by_name"));
  auto cursor =
      log().entries({1}, {}, 0, {.kinds = {EntryKind::define_schema, EntryKind::drop_schema}});
  ASSERT_TRUE(cursor);
  for (const char* expected :
       {R"({"id":1,"what":"index","name":"by_name","on":"nodes","target":"Person",)"
        R"("keys":["name"],"index":"hash"})",
        R"({"id":2,"what":"type","name":"since_is_int","on":"edges","target":"KNOWS",)"
        R"("keys":["since"],"type":"int64"})",
        R"({"id":1})"}) {
    ASSERT_TRUE(cursor->next());
    EXPECT_EQ(payload_json(cursor->entry()), expected);
  }
}

TEST_F(TxlogTest, KindsHaveWords) {
  for (int i = 0; i <= static_cast<int>(EntryKind::other); ++i) {
    const auto kind = static_cast<EntryKind>(i);
    EXPECT_EQ(parse_entry_kind(to_string(kind)), kind);
  }
  EXPECT_FALSE(parse_entry_kind("nonsense"));
}

// --- beside writers ----------------------------------------------------------------------------

TEST_F(TxlogTest, ReadersBesideWritersSeeEverythingOnce) {
  small_segments();
  constexpr int nodes = 400;
  std::thread writer([&] {
    for (int i = 0; i < nodes; ++i) {
      EXPECT_TRUE(store->create_node({}, {{"text", std::string(300, 'x')}}));
    }
  });
  {
    auto cursor = log().entries();
    std::uint64_t expected = 0;
    for (int seen = 0; seen < nodes;) {
      if (!cursor->next()) {
        ASSERT_TRUE(cursor->status()) << cursor->status().error().message();
        std::this_thread::yield();
        continue;
      }
      EXPECT_EQ(cursor->entry().sequence.value, ++expected);
      seen += cursor->entry().kind == EntryKind::create_node ? 1 : 0;
    }
  }
  writer.join();
}

}  // namespace
}  // namespace selvedge
