// Rules 9 to 16 (sequences, numbers, slots) and 25 to 30 (the tail).

#include "tests/rules/rules_fixture.h"

namespace selvedge {
namespace {

class Sequences : public RulesTest {};

TEST_F(Sequences, Rule09_NothingAboveTheDurableWatermarkLeaves) {
  node(1);
  NodeId late;
  seams.at("wal.written", 1, [&] {  // written, not synced
    EXPECT_EQ(store->read().node_count("N"), 1U);
    must(store->backup("/copy"));
  });
  late = node(2);
  EXPECT_EQ(value(late), 2);
  Options copied = options;
  auto copy = Store::open("/copy", copied);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_EQ(copy->read().node_count("N"), 1U);
}

TEST_F(Sequences, Rule10_ATransactionsNumberIsTheSequenceOfItsBegin) {
  log_each_operation();
  const NodeId r = node(0);
  std::optional<Uuid> first;
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 1));
    ASSERT_TRUE(tx.commit());
    first = tx.uuid();
  }
  must(store->checkpoint());
  crash_now();
  open();
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    must(store->checkpoint());
    EXPECT_NE(tx.uuid(), first);
    change_file("/db/snapshots/" + manifest().snapshots.back().file, 100);
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) { EXPECT_EQ(value(each, r), 1); });
}

TEST_F(Sequences, Rule10_ASmallTransactionHasANumberOfItsOwnToo) {
  Transaction one = begin();
  Transaction two = begin();
  ASSERT_TRUE(one.create_node({"N"}));
  ASSERT_TRUE(two.create_node({"N"}));
  EXPECT_EQ(one.uuid(), std::nullopt);
  ASSERT_TRUE(one.commit());
  ASSERT_TRUE(two.commit());
  ASSERT_TRUE(one.uuid() && two.uuid());
  EXPECT_NE(*one.uuid(), *two.uuid());
}

TEST_F(Sequences, Rule11_UndoOfACreateDoesNotReviveWhoHadTheSlot) {
  log_each_operation();
  const NodeId r = node(0);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 1));
    ASSERT_TRUE(tx.commit());
  }
  must(store->delete_node(r));
  settle();
  settle();
  NodeId reused;
  {
    Transaction tx = begin();
    const auto made = tx.create_node({"N"}, {{"v", 2}});
    ASSERT_TRUE(made);
    reused = *made;
    EXPECT_EQ(id_bits::slot(reused.value), id_bits::slot(r.value)) << "the slot was not free";
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), std::nullopt);
    EXPECT_EQ(value(each, reused), std::nullopt);
    EXPECT_EQ(each.read().node_count(), 0U);
  });
}

TEST_F(Sequences, Rule12_ASlotIsFreeOnlyWhenTheDeleteIsCommittedAndEveryViewPassed) {
  const NodeId r = node(0);
  {
    Transaction tx = begin();
    must(tx.delete_node(r));
    const auto inside = tx.create_node({"N"});
    ASSERT_TRUE(inside);
    EXPECT_NE(id_bits::slot(inside->value), id_bits::slot(r.value));
    must(tx.abort());
  }
  {
    const auto view = store->read();
    must(store->delete_node(r));
    settle();
    EXPECT_NE(id_bits::slot(node(1).value), id_bits::slot(r.value));
    EXPECT_TRUE(view.exists(r));
  }
  settle();
  settle();
  std::set<std::uint64_t> slots;
  for (int i = 0; i < 4; ++i) {
    const NodeId fresh = node(i);
    slots.insert(id_bits::slot(fresh.value));
    EXPECT_NE(fresh, r);
  }
  EXPECT_TRUE(slots.contains(id_bits::slot(r.value))) << "the slot never came back";
}

TEST_F(Sequences, Rule13_IdsDoNotRepeatAfterTheLogOfADeleteIsGone) {
  const NodeId r = node(0);
  must(store->delete_node(r));
  for (int i = 0; i < 3; ++i) {
    must(store->checkpoint());
  }
  crash_now();
  std::set<NodeId> seen;
  expect_recovered([&](Store& each) {
    for (int i = 0; i < 4; ++i) {
      const auto made = each.create_node({"N"});
      ASSERT_TRUE(made);
      EXPECT_NE(*made, r);
      EXPECT_TRUE(seen.insert(*made).second);
    }
    for (const NodeId made : seen) {
      static_cast<void>(each.delete_node(made));
    }
  });
}

TEST_F(Sequences, Rule13_IdsOfLosersDoNotRepeat) {
  log_each_operation();
  NodeId lost;
  {
    Transaction tx = begin();
    lost = *tx.create_node({"N"});
    must(store->sync());
    crash_here();
  }
  move_to_left();
  open();
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(node(i), lost);
  }
}

TEST_F(Sequences, Rule14_AnEntryHoldsOneImageOfAnEntity) {
  const NodeId a = node(1);
  const NodeId b = node(2);
  const auto edge = store->create_edge(a, "E", b);
  ASSERT_TRUE(edge);
  const std::vector<EdgeId> twice = {*edge, *edge};
  const std::string digest = store->digest();
  const Status removed = store->delete_edges(twice);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), ErrorCode::not_found) << removed.error().message();
  EXPECT_EQ(store->digest(), digest);
  ASSERT_TRUE(store->create_edge(a, "LOOP", a));
  must(store->detach_delete_node(a));  // the loop stands in both lists, and once in the entry
  crash_now();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(each.read().edge_count(), 0U);
    EXPECT_EQ(each.read().node_count(), 1U);
  });
}

TEST_F(Sequences, Rule15_AnEmbeddingDoesNotBreakTheUndoChain) {
  log_each_operation();
  const NodeId r = node(1);
  {
    Transaction tx = begin();
    must(tx.set(r, "v", 2));
    must(store->set_embedding(r, "e", std::vector<float>{1, 2}));
    must(tx.set(r, "v", 3));
    must(store->checkpoint());
    crash_here();
  }
  move_to_left();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, r), 1);
    EXPECT_EQ(each.read().embedding(r, "e"), (std::vector<float>{1, 2}));
  });
}

TEST_F(Sequences, Rule16_ATransactionWhoseBeginIsBelowTheLogIsJudgedByItsEnd) {
  log_each_operation();
  for (const bool commits : {true, false}) {
    const NodeId r = node(1);
    const NodeId s = node(1);
    {
      Transaction first = begin();
      must(first.set(r, "v", 2));
      Transaction holder = begin();  // the low-water mark stands between first's entries
      must(holder.set(s, "v", 2));
      must(first.set(r, "v", 3));
      if (commits) {
        ASSERT_TRUE(first.commit());
      } else {
        must(first.abort());
      }
      must(store->checkpoint());
      must(store->checkpoint());
      crash_here();
    }
    move_to_left();
    expect_recovered([&](Store& each) {
      EXPECT_EQ(value(each, r), commits ? 3 : 1);
      EXPECT_EQ(value(each, s), 1);
    });
  }
}

TEST_F(Sequences, Rule25_ADroppedTailNeverRisesAgain) {
  reopen_with([](Options& each) { each.sync = SyncMode::none; });
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const NodeId kept = node(static_cast<std::int64_t>(seed));
    must(store->sync());
    for (int i = 0; i < 3; ++i) {
      node(100);
      seams.at("wal.written", 1, [&] {
        if (left == nullptr) {
          left = files->crash(Keep::random, seed);
        }
      });
      must(store->sync());
    }
    move_to_left();
    open();
    ASSERT_TRUE(store.has_value());
    EXPECT_EQ(value(kept), static_cast<std::int64_t>(seed));
    const auto count = store->read().node_count();
    crash_now();  // nothing was written: nothing may come or go
    open();
    EXPECT_EQ(store->read().node_count(), count);
  }
  EXPECT_TRUE(store->check().faults.empty());
}

TEST_F(Sequences, Rule26_ACleanCloseWritesTheWatermark) {
  node(1);
  node(2);
  const Sequence last = store->stats().visible;
  must(store->close());
  store.reset();
  EXPECT_EQ(manifest().watermark, last.value);
  const auto segments = files_in("/db/wal");
  auto file = files->open("/db/wal/" + segments.front(), OpenMode::read_write);
  ASSERT_TRUE(file);
  std::vector<std::byte> bytes(*(*file)->size());
  ASSERT_TRUE((*file)->pread(0, bytes));
  std::size_t written = bytes.size();
  while (written > 0 && bytes[written - 1] == std::byte{0}) {
    --written;
  }
  for (std::size_t i = written - 220; i < written - 60; ++i) {
    bytes[i] = std::byte{0};  // the last entry, not the seal alone
  }
  ASSERT_TRUE((*file)->pwrite(0, bytes));
  must((*file)->sync());
  const auto refused = Store::open("/db", options);
  ASSERT_FALSE(refused) << "after a clean close the last entry is known to be durable";
  EXPECT_EQ(refused.error().code(), ErrorCode::corruption);
}

TEST_F(Sequences, Rule27_ADamagedHeaderOfTheNewestSegmentIsNoTail) {
  node(1);
  node(2);
  crash_here();
  move_to_left();
  for (const std::string& name : files_in("/db/wal")) {
    auto file = files->open("/db/wal/" + name, OpenMode::read);
    ASSERT_TRUE(file);
    std::array<std::byte, 1> first{};
    ASSERT_TRUE((*file)->pread(0, first));
    if (first[0] != std::byte{0}) {
      change_file("/db/wal/" + name, 12);
    }
  }
  const auto refused = Store::open("/db", options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::corruption);
  EXPECT_FALSE(refused.error().path().empty());
}

TEST_F(Sequences, Rule27_AMissingListedSegmentIsCorruption) {
  node(1);
  must(store->close());
  store.reset();
  must(files->unlink("/db/wal/" + files_in("/db/wal").front()));
  const auto refused = Store::open("/db", options);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::corruption);
}

TEST_F(Sequences, Rule28_ASuccessorThatFollowsTheCutIsNoEvidenceOfDamage) {
  reopen_with([](Options& each) { each.sync = SyncMode::none; });
  const NodeId kept = node(1);
  must(store->sync());
  for (int life = 0; life < 4; ++life) {  // each life leaves a cut tail and begins a segment
    node(7);
    seams.at("wal.written", 1, [&] { crash_here(); });
    must(store->sync());
    move_to_left();
    open();
    ASSERT_TRUE(store.has_value());
    node(life);
    must(store->sync());
  }
  crash_now();
  expect_recovered([&](Store& each) {
    EXPECT_EQ(value(each, kept), 1);
    EXPECT_EQ(each.read().node_count("N"), 5U);
  });
}

TEST_F(Sequences, Rule29_SalvageUsesOnlySnapshotsBeforeTheCut) {
  const NodeId r = node(1);
  must(store->checkpoint());
  must(store->set(r, "v", 2));
  const auto damaged = store->stats().log_bytes;
  must(store->set(r, "v", 3));
  must(store->checkpoint());
  must(store->set(r, "v", 4));
  must(store->close());
  store.reset();
  ASSERT_EQ(manifest().snapshots.size(), 2U);
  change_file("/db/wal/" + files_in("/db/wal").front(), 128 + damaged + 20);
  ASSERT_FALSE(Store::open("/db", options));
  options.salvage = true;
  open();
  EXPECT_TRUE(store->recovery_report().salvaged);
  EXPECT_FALSE(store->recovery_report().damage.empty());
  const auto salvaged = value(r);
  EXPECT_TRUE(salvaged == 1 || salvaged == 2) << *salvaged;
  must(store->close());
  store.reset();
  options.salvage = false;
  open();
  EXPECT_EQ(value(r), salvaged);
}

TEST_F(Sequences, Rule30_ACopyIsAnotherStore) {
  node(1);
  must(store->backup("/copy"));
  auto copy = Store::open("/copy", options);
  ASSERT_TRUE(copy);
  EXPECT_NE(copy->uuid(), store->uuid());
  EXPECT_EQ(copy->digest(), store->digest());
}

}  // namespace
}  // namespace selvedge
