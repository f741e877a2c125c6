// Stores that are opened as they were.
#include <thread>

#include "tests/time/random_history.h"

namespace selvedge {
namespace {

using std::chrono::seconds;

class AsOfTest : public RandomHistory {
 protected:
  template <class Point>
  Result<Store> try_as_of(Point point) {
    return Store::open_as_of("/db", point, options);
  }
  template <class Point>
  Store as_of(Point point) {
    auto opened = try_as_of(point);
    EXPECT_TRUE(opened) << opened.error().message();
    return *std::move(opened);
  }
  void expect_then(std::uint64_t sequence) {
    const Store past = as_of(Sequence{sequence});
    EXPECT_EQ(testkit::state_hash(past.read()), state_at(sequence)) << sequence;
    EXPECT_EQ(past.stats().durable, Sequence{sequence});
    const CheckReport report = past.check();
    EXPECT_TRUE(report.faults.empty()) << sequence << ": " << report.faults.front();
  }
  /// At every moment that is remembered, and just before the next.
  void expect_all(std::uint64_t from = 0) {
    for (auto each = states.lower_bound(from); each != states.end(); ++each) {
      expect_then(each->first);
      if (const auto next = std::next(each); next != states.end()) {
        expect_then(next->first - 1);
      }
    }
  }
  ErrorCode refusal(std::uint64_t sequence, std::string* message = nullptr) {
    const auto opened = try_as_of(Sequence{sequence});
    EXPECT_FALSE(opened);
    if (message != nullptr && !opened) {
      *message = opened.error().message();
    }
    return opened ? ErrorCode::io : opened.error().code();
  }
  std::map<std::string, std::string> all_files() const {
    std::map<std::string, std::string> found;
    for (const char* directory : {"/db", "/db/wal", "/db/snapshots", "/db/history"}) {
      if (*memory->kind(directory) == FileKind::directory) {
        for (const std::string& name : files_in(directory)) {
          const std::string path = std::string(directory) + "/" + name;
          if (*memory->kind(path) == FileKind::file) {
            found[path] = read_file(path);
          }
        }
      }
    }
    return found;
  }
  /// Log of about so many segments, with what it was like now and then.
  void write_segments(int count) {
    const std::uint64_t wanted =
        store->stats().log_bytes + static_cast<std::uint64_t>(count) * options.segment_bytes;
    const NodeId steady = node();
    remember();
    while (store->stats().log_bytes < wanted) {
      must(store->set(steady, "text", std::string(900, static_cast<char>('a' + pick(26)))));
      remember();
      must(store->maintain());
    }
  }
};

TEST_F(AsOfTest, EveryMomentOfARandomLifeIsThere) {
  live_small();
  live(1, 300);
  expect_all();
}

TEST_F(AsOfTest, EveryMomentIsThereWithoutACheckpoint) {
  live_small();
  live(2, 150, false);
  expect_all();
}

TEST_F(AsOfTest, EveryMomentIsReachedFromTheSnapshotBeforeIt) {
  live_small([](Options& each) { each.snapshots_kept = 1000; });
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    live(seed, 150);
  }
  expect_all();
  EXPECT_FALSE(as_of(Sequence{last_view}).recovery_report().snapshot.empty());
}

TEST_F(AsOfTest, CompressedLogIsReadToo) {
  live_small([](Options& each) { each.log_retention.compression = Compression::zstd; });
  live(20, 500);
  close();
  open();
  const auto history = files_in("/db/history");
  ASSERT_TRUE(std::any_of(history.begin(), history.end(),
                          [](const auto& name) { return name.ends_with(".wal.zst"); }));
  expect_all();
}

TEST_F(AsOfTest, MomentsBeforeACrashAreThereAfterIt) {
  live_small([](Options& each) { each.snapshots_kept = 5; });
  live(30, 120);
  open_ones.push_back(std::make_unique<Transaction>(begin()));
  operations(*open_ones[0], 8);
  open_ones.clear();
  lose_power();
  live(31, 120);
  expect_all();
}

TEST_F(AsOfTest, BeginsWithAnEmptyStore) {
  live_small();
  node(1);
  const Store past = as_of(Sequence{0});
  EXPECT_EQ(past.read().node_count(), 0);
}

TEST_F(AsOfTest, ATransactionIsThereOnlyFromItsCommitOn) {
  live_small();
  auto tx = begin();
  const NodeId inside = *tx.create_node({"Inside"}, {{"text", std::string(1000, 'x')}});
  ASSERT_TRUE(tx.create_node({"Inside"}));
  const NodeId outside = node(7);
  const std::uint64_t before = store->stats().durable.value;
  const Sequence commit = *tx.commit();
  EXPECT_GT(before, 0U);
  for (std::uint64_t at = before; at < commit.value; ++at) {
    const Store past = as_of(Sequence{at});
    EXPECT_FALSE(past.read().exists(inside)) << at;
    EXPECT_TRUE(past.read().exists(outside));
  }
  EXPECT_TRUE(as_of(commit).read().exists(inside));
}

TEST_F(AsOfTest, IndexesAndConstraintsAreThoseOfThen) {
  live_small();
  const NodeId ada = *store->create_node({"Person"}, {{"name", "Ada"}});
  const Sequence without = store->stats().durable;
  must(store->create_schema(SchemaSpec::node_unique("Person", {"name"})));
  const Sequence with = store->stats().durable;
  must(store->set(ada, "name", "Lovelace"));
  must(store->drop_schema(store->schema()[0].spec.name));
  EXPECT_TRUE(as_of(without).schema().empty());
  EXPECT_TRUE(as_of(store->stats().durable).schema().empty());
  const Store past = as_of(with);
  ASSERT_EQ(past.schema().size(), 1U);
  const ReadView view = past.read();
  auto found = view.find_nodes("Person", "name", "Ada");
  ASSERT_TRUE(found);
  ASSERT_TRUE(found->next());
  EXPECT_EQ(found->id(), ada);
}

TEST_F(AsOfTest, WritesAreRefusedAndNothingOnDiskChanges) {
  live_small();
  live(40, 80);
  const auto before = all_files();
  {
    Store past = as_of(Sequence{last_view / 2});
    EXPECT_EQ(past.create_node({"N"}).error().code(), ErrorCode::read_only);
    EXPECT_EQ(past.begin().error().code(), ErrorCode::read_only);
    EXPECT_EQ(past.checkpoint().error().code(), ErrorCode::read_only);
    EXPECT_EQ(past.create_schema(SchemaSpec::node_index("N", {"v"})).error().code(),
              ErrorCode::read_only);
    EXPECT_EQ(past.set_embedding(NodeId{256}, "e", {}).error().code(), ErrorCode::read_only);
    must(past.close());
  }
  EXPECT_EQ(all_files(), before);
}

TEST_F(AsOfTest, WorksBesideAWriter) {
  live_small([](Options& each) { each.snapshots_kept = 50; });
  live(50, 60);
  const std::map<std::uint64_t, std::uint64_t> known = states;
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      EXPECT_TRUE(store->create_node({"W"}, {{"text", std::string(200, 'w')}}));
      if (i % 50 == 0) {
        EXPECT_TRUE(store->checkpoint());
      }
      EXPECT_TRUE(store->maintain());
    }
  });
  for (auto each = known.begin(); each != known.end(); ++each) {
    expect_then(each->first);
  }
  writer.join();
}

TEST_F(AsOfTest, BehindTheEndIsRefused) {
  live_small();
  node(1);
  std::string message;
  EXPECT_EQ(refusal(store->stats().durable.value + 1, &message), ErrorCode::invalid_argument);
  EXPECT_NE(message.find("at most sequence 3"), std::string::npos) << message;
}

TEST_F(AsOfTest, WhatIsNotRetainedIsRefusedWithTheOldestThatIs) {
  live_small([](Options& each) { each.log_retention.everything = false; });
  for (int i = 0; i < 5; ++i) {
    write_segments(3);
    must(store->checkpoint());
    remember();
  }
  std::string message;
  ASSERT_EQ(refusal(1, &message), ErrorCode::not_retained);
  const std::size_t place = message.find("a sequence from ");
  ASSERT_NE(place, std::string::npos) << message;
  const std::uint64_t oldest = std::stoull(message.substr(place + 16));
  EXPECT_GT(oldest, 1U);
  EXPECT_LT(oldest, last_view);
  EXPECT_EQ(refusal(oldest - 1), ErrorCode::not_retained);
  expect_all(oldest);
}

/// The end of the snapshot that a store was loaded from, which its file's name begins with.
std::uint64_t snapshot_end(const Store& store) {
  const std::string& file = store.recovery_report().snapshot;
  return file.empty() ? 0 : std::stoull(file.substr(0, 20));
}

TEST_F(AsOfTest, BehindTheOldestSnapshotTheStateIsTakenBack) {
  with_embeddings = false;
  live_small([](Options& each) {
    each.log_retention.everything = false;
    each.log_retention.segments = 6;
  });
  std::size_t there = 0;
  std::size_t back = 0;
  for (std::uint64_t seed = 70; seed < 74; ++seed) {
    live(seed, 200);
    const std::uint64_t oldest = log().first().value;
    for (auto each = states.lower_bound(oldest - 1); each != states.end(); ++each) {
      const auto past = try_as_of(Sequence{each->first});
      if (!past) {
        // A transaction that was under way has its begin in log that is gone.
        ASSERT_EQ(past.error().code(), ErrorCode::not_retained) << past.error().message();
        continue;
      }
      ++there;
      back += snapshot_end(*past) > each->first ? 1U : 0U;
      EXPECT_EQ(testkit::state_hash(past->read()), each->second) << each->first;
      const CheckReport report = past->check();
      EXPECT_TRUE(report.faults.empty()) << each->first << ": " << report.faults.front();
    }
  }
  EXPECT_GT(log().first(), Sequence{1});
  EXPECT_GT(there, 100U);
  EXPECT_GT(back, 50U);
}

TEST_F(AsOfTest, TakenBackTheSchemaIsThatOfThen) {
  live_small([](Options& each) { each.log_retention.everything = false; });
  for (int i = 0; i < 4; ++i) {
    write_segments(3);
    must(store->checkpoint());
  }
  close();
  options.log_retention.segments = 1000;
  open();
  must(store->create_schema({SchemaKind::index, EntityKind::node, "N", {"v"}, {}, {}, "goes"}));
  const NodeId kept = node(77);
  const NodeId gone = node(78);
  const Sequence then = store->stats().durable;
  must(store->drop_schema("goes"));
  must(store->create_schema({SchemaKind::index, EntityKind::node, "N", {"text"}, {}, {}, "comes"}));
  must(store->delete_node(gone));
  const NodeId reused = node(79);
  for (int i = 0; i < 5; ++i) {
    write_segments(3);
    must(store->checkpoint());
  }
  ASSERT_GT(log().first(), Sequence{1});
  ASSERT_LT(log().first(), then);
  const Store past = as_of(then);
  EXPECT_GT(snapshot_end(past), then.value);
  ASSERT_EQ(past.schema().size(), 1U);
  EXPECT_EQ(past.schema()[0].spec.name, "goes");
  const ReadView view = past.read();
  EXPECT_FALSE(view.exists(reused));
  for (const auto& [id, value] : {std::pair{kept, 77}, std::pair{gone, 78}}) {
    auto found = view.find_nodes("N", "v", value);
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_TRUE(found->next());
    EXPECT_EQ(found->id(), id);
    EXPECT_FALSE(found->next());
  }
}

TEST_F(AsOfTest, ADamagedSnapshotIsPassedOverForTheOneBefore) {
  live_small([](Options& each) { each.snapshots_kept = 5; });
  for (int i = 0; i < 3; ++i) {
    write_segments(2);
    must(store->checkpoint());
  }
  write_segments(1);
  const std::string chosen = as_of(Sequence{last_view}).recovery_report().snapshot;
  write_file("/db/snapshots/" + chosen, 200, "damage");
  const Store past = as_of(Sequence{last_view});
  EXPECT_EQ(past.recovery_report().rejected_snapshots.size(), 1U);
  EXPECT_NE(past.recovery_report().snapshot, chosen);
  expect_then(last_view);
}

TEST_F(AsOfTest, DamagedLogIsNamed) {
  live_small();
  write_segments(3);
  const std::string first = "/db/wal/" + files_in("/db/wal").front();
  write_file(first, 5000, "damage");
  const auto opened = try_as_of(Sequence{last_view});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::corruption);
  EXPECT_EQ(opened.error().path(), first);
}

TEST_F(AsOfTest, ReadsASnapshotAndTheLogBehindItOnly) {
  live_small([](Options& each) { each.snapshots_kept = 100; });
  for (int i = 0; i < 10; ++i) {
    write_segments(10);
    must(store->checkpoint());
  }
  const std::uint64_t middle =
      std::next(states.begin(), static_cast<long>(states.size() / 2))->first;
  faults->forget_reads();
  const Store past = as_of(Sequence{middle});
  std::uint64_t log_bytes = 0;
  std::size_t segments = 0;
  for (const auto& [path, bytes] : faults->bytes_read()) {
    const bool log = path.starts_with("/db/wal/");
    log_bytes += log ? bytes : 0;
    segments += log && bytes > 4096 ? 1U : 0U;
  }
  // Half of the ten segments between two snapshots, a part more at either end; each read once for
  // each of three phases, and once for its index.
  EXPECT_LE(segments, 12U);
  EXPECT_LE(log_bytes, 12 * 4 * options.segment_bytes + 110 * 4096);
  EXPECT_GE(store->stats().log_bytes, 100 * options.segment_bytes);
  EXPECT_EQ(testkit::state_hash(past.read()), state_at(middle));
}

// --- times -------------------------------------------------------------------------------------

class TimeTest : public AsOfTest {
 protected:
  void at(std::int64_t second) {
    faults->set_wall_clock_us(static_cast<std::uint64_t>(second) * 1'000'000);
  }
  static Timestamp time(std::int64_t second, std::int64_t more = 0) {
    return {second * 1'000'000 + more};
  }
  std::uint64_t sequence_at(Timestamp wanted) const {
    const auto log = store->txlog();
    EXPECT_TRUE(log);
    const auto found = log->sequence_at(wanted);
    EXPECT_TRUE(found) << found.error().message();
    return found ? found->value : ~std::uint64_t{0};
  }
  /// What a scan of the whole log finds.
  std::uint64_t scanned_at(Timestamp wanted) const {
    std::uint64_t last = 0;
    auto cursor = store->txlog()->entries();
    while (cursor && cursor->next()) {
      const LogEntry& entry = cursor->entry();
      const bool commits = entry.kind == EntryKind::tx_commit ||
                           (entry.number.value == 0 && entry.kind != EntryKind::define_name);
      if (commits && entry.timestamp.microseconds <= wanted.microseconds) {
        last = entry.sequence.value;
      }
    }
    return last;
  }
};

TEST_F(TimeTest, FindsTheLastCommitByATime) {
  at(1000);
  live_small();
  random.seed(60);
  for (std::int64_t second = 1001; second < 1150; ++second) {
    at(second);
    one_step(true);
    must(store->maintain());
  }
  end_open();
  for (std::int64_t second = 999; second < 1151; ++second) {
    EXPECT_EQ(sequence_at(time(second)), scanned_at(time(second))) << second;
    EXPECT_EQ(sequence_at(time(second, -1)), scanned_at(time(second, -1))) << second;
  }
}

TEST_F(TimeTest, OpensAsOfATime) {
  at(1000);
  live_small();
  const NodeId id = node(1);
  at(1010);
  must(store->set(id, "v", 2));
  at(1020);
  must(store->checkpoint());
  must(store->set(id, "v", 3));
  const auto value_at = [&](Timestamp wanted) {
    const Store past = as_of(wanted);
    const ReadView view = past.read();
    const auto found = view.get(id);
    return found ? (*found)["v"].as_int64() : std::nullopt;
  };
  EXPECT_EQ(value_at(time(999)), std::nullopt);
  EXPECT_EQ(value_at(time(1000)), 1);
  EXPECT_EQ(value_at(time(1009)), 1);
  EXPECT_EQ(value_at(time(1010)), 2);
  EXPECT_EQ(value_at(time(1019)), 2);
  EXPECT_EQ(value_at(time(1020)), 3);
  EXPECT_EQ(value_at(time(99999)), 3);
}

TEST_F(TimeTest, ATimeBeforeTheRetainedLogIsRefused) {
  at(1000);
  live_small([](Options& each) { each.log_retention.everything = false; });
  for (int i = 0; i < 5; ++i) {
    at(1001 + i);
    write_segments(3);
    must(store->checkpoint());
  }
  EXPECT_EQ(store->txlog()->sequence_at(time(1000)).error().code(), ErrorCode::not_retained);
  EXPECT_EQ(try_as_of(time(1000)).error().code(), ErrorCode::not_retained);
}

TEST_F(TimeTest, ARestoredStoreBeginsWithItsBackup) {
  at(1000);
  live_small();
  const NodeId id = node(1);
  at(1010);
  must(store->backup("/copy"));
  at(1020);
  for (const bool written : {false, true}) {
    if (written) {
      auto copy = Store::open("/copy", options);
      ASSERT_TRUE(copy) << copy.error().message();
      must(copy->set(id, "v", 2));
      must(copy->close());
    }
    const auto past = Store::open_as_of("/copy", time(1015), options);
    ASSERT_TRUE(past) << past.error().message();
    const ReadView view = past->read();
    EXPECT_EQ((*view.get(id))["v"].as_int64(), 1);
  }
  EXPECT_EQ(Store::open_as_of("/copy", time(1005), options).error().code(),
            ErrorCode::not_retained);
}

TEST_F(TimeTest, FindsATimeInALargeLogByFewLooks) {
  at(1000);
  live_small();
  for (int i = 0; i < 60; ++i) {
    at(1001 + i);
    write_segments(1);
  }
  for (int i = 0; i < 70; ++i) {
    must(store->maintain());
  }
  const Txlog log = *store->txlog();
  faults->forget_reads();
  ASSERT_TRUE(log.sequence_at(time(1030)));
  std::size_t segments = 0;
  for (const auto& [path, bytes] : faults->bytes_read()) {
    segments += path.starts_with("/db/wal/") && bytes > 4096 ? 1U : 0U;
  }
  EXPECT_LE(segments, 16U);
}

}  // namespace
}  // namespace selvedge
