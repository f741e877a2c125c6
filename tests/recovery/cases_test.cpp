// A sequence of entries, and the one right state: in every phase order, with one thread and three.

#include "tests/recovery/recovery_fixture.h"

namespace selvedge::recovery {
namespace {

constexpr std::uint64_t n1 = id_of(0);
constexpr std::uint64_t n2 = id_of(1);
constexpr std::uint64_t n3 = id_of(2);
constexpr std::uint64_t e1 = id_of(0);

class RecoveryCases : public RecoveryTest {};

TEST_F(RecoveryCases, DeleteAfterNonTransactionalCreate) {
  const auto made = plain(create(n1, 1));
  const auto t = start();
  stream(t, {remove(n1, made, 1)});
  commit(t);
  expect_state({});
}

TEST_F(RecoveryCases, TransactionAfterNonTransactionalUpdate) {
  const auto made = plain(create(n1, 1));
  const auto updated = plain(update(n1, made, 1, 2));
  small({update(n1, updated, 2, 3)});
  expect_state({{{n1, 3}}, {}});
}

TEST_F(RecoveryCases, EdgeOnNonTransactionalNodes) {
  plain(create(n1, 1));
  plain(create(n2, 2));
  const auto t = start();
  stream(t, {link(e1, n1, n2)});
  commit(t);
  expect_state({{{n1, 1}, {n2, 2}}, {{e1, {n1, n2}}}});
}

TEST_F(RecoveryCases, ManyCommittedWritersOfOneNode) {
  auto before = plain(create(n1, 0));
  for (std::int64_t i = 1; i <= 8; ++i) {
    if (i % 2 == 0) {
      before = small({update(n1, before, i - 1, i)});
    } else {
      const auto t = start();
      const auto entry = stream(t, {update(n1, before, i - 1, i)});
      commit(t);
      before = entry + 1;  // what the next one replaces has the commit's sequence
    }
  }
  expect_state({{{n1, 8}}, {}});
}

TEST_F(RecoveryCases, LoserThatFailedToCreate) {
  const auto made = plain(create(n1, 1));
  take({.nodes = {{n1, made, 1}}});
  const auto t = start();
  stream(t, {create(n2, 1)});
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryCases, LoserThatFailedToCreateIsUndoneInTheSnapshot) {
  const auto made = plain(create(n1, 1));
  const auto t = start();
  const auto entry = stream(t, {create(n2, 5)});
  take({.nodes = {{n1, made, 1}, {n2, entry, 5}}, .low_water = t});
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryCases, LoserDeletedANodeWithEdges) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  const auto linked = plain(link(e1, n1, n2));
  take({.nodes = {{n1, first, 1}, {n2, second, 2}}, .edges = {{e1, linked, n1, n2}}});
  const auto t = start();
  stream(t, {group(graph::GroupKind::detach_delete_node,
                   {unlink(e1, n1, n2, linked), remove(n1, first, 1)})});
  expect_state({{{n1, 1}, {n2, 2}}, {{e1, {n1, n2}}}});
}

TEST_F(RecoveryCases, LoserDeletedANodeWithEdgesBeforeTheScan) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  const auto linked = plain(link(e1, n1, n2));
  const auto t = start();
  const auto entry = stream(t, {group(graph::GroupKind::detach_delete_node,
                                      {unlink(e1, n1, n2, linked), remove(n1, first, 1)})});
  take({.nodes = {{n1, entry, 0, true}, {n2, second, 2}},
        .edges = {{e1, entry, n1, n2, true}},
        .low_water = t});
  expect_state({{{n1, 1}, {n2, 2}}, {{e1, {n1, n2}}}});
}

TEST_F(RecoveryCases, LoserUpdatedAfterTheSnapshot) {
  const auto made = plain(create(n1, 1));
  take({.nodes = {{n1, made, 1}}});
  const auto t = start();
  stream(t, {update(n1, made, 1, 9)});
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryCases, LoserUpdatedBeforeTheSnapshot) {
  const auto made = plain(create(n1, 1));
  const auto t = start();
  const auto entry = stream(t, {update(n1, made, 1, 9)});
  take({.nodes = {{n1, entry, 9}}, .low_water = t});
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryCases, LoserUpdatedTwiceIsUndoneBackwards) {
  const auto made = plain(create(n1, 1));
  const auto t = start({update(n1, made, 1, 8)});
  const auto entry = stream(t, {update(n1, t + 1, 8, 9), update_own(n1, 1, 9, 10)});
  take({.nodes = {{n1, entry + 1, 10}}, .low_water = t});
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryCases, LoserThenWinnerOnTheSameNode) {
  const auto made = plain(create(n1, 0));
  const auto t1 = start();
  const auto lost = stream(t1, {update(n1, made, 0, 1)});
  take({.nodes = {{n1, lost, 1}}, .low_water = t1});
  abort(t1);
  const auto t2 = start();
  stream(t2, {update(n1, made, 0, 2)});
  commit(t2);
  expect_state({{{n1, 2}}, {}});
}

TEST_F(RecoveryCases, LosersThatBeganInTheOtherOrder) {
  const auto made = plain(create(n1, 0));
  const auto early = start();
  const auto late = start();
  stream(late, {update(n1, made, 0, 1)});
  abort(late);
  const auto entry = stream(early, {update(n1, made, 0, 2)});
  take({.nodes = {{n1, entry, 2}}, .low_water = early});
  expect_state({{{n1, 0}}, {}});
}

TEST_F(RecoveryCases, TransactionAcrossTheSnapshotCommitted) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  const auto t = start();
  const auto entry = stream(t, {update(n1, first, 1, 11)});
  take({.nodes = {{n1, entry, 11}, {n2, second, 2}}, .low_water = t});
  stream(t, {update(n2, second, 2, 12)});
  commit(t);
  expect_state({{{n1, 11}, {n2, 12}}, {}});
}

TEST_F(RecoveryCases, TransactionAcrossTheSnapshotNotCommitted) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  const auto t = start();
  const auto entry = stream(t, {update(n1, first, 1, 11)});
  take({.nodes = {{n1, entry, 11}, {n2, second, 2}}, .low_water = t});
  stream(t, {update(n2, second, 2, 12)});
  expect_state({{{n1, 1}, {n2, 2}}, {}});
}

/// Two transactions interleave around the low-water mark: the one whose begin lies below it.
class RecoveryBeginMissing : public RecoveryTest {
 protected:
  RecoveryBeginMissing() {
    made_ = plain(create(n1, 1));
    below_ = start();
    mark_ = start();  // unfinished when the checkpoint begins: the low-water mark
    entry_ = stream(below_, {update(n1, made_, 1, 2)});
  }
  std::uint64_t made_ = 0;
  std::uint64_t below_ = 0;
  std::uint64_t mark_ = 0;
  std::uint64_t entry_ = 0;
};

TEST_F(RecoveryBeginMissing, IsJudgedByItsCommit) {
  commit(below_);
  take({.nodes = {{n1, made_, 1}}, .low_water = mark_});
  expect_state({{{n1, 2}}, {}});
}

TEST_F(RecoveryBeginMissing, IsJudgedByItsAbort) {
  abort(below_);
  take({.nodes = {{n1, entry_, 2}}, .low_water = mark_});
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryBeginMissing, IsCorruptionWithoutEnd) {
  take({.nodes = {{n1, made_, 1}}, .low_water = mark_});
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryBeginMissing, DoesNotHaveItsOperationsCounted) {
  stream(below_, {update(n1, entry_, 2, 3)});
  operations[below_] += 7;  // those that were below the low-water mark
  commit(below_);
  take({.nodes = {{n1, made_, 1}}, .low_water = mark_});
  expect_state({{{n1, 3}}, {}});
}

TEST_F(RecoveryCases, CommitThatCountsOtherOperationsIsCorruption) {
  plain(create(n1, 1));
  const auto t = start({create(n2, 2)});
  operations[t] += 1;
  commit(t);
  expect_refused(ErrorCode::corruption);
}

TEST_F(RecoveryCases, CreateAlreadyInTheSnapshot) {
  const auto both =
      plain(group(graph::GroupKind::bulk_create_nodes, {create(n1, 1), create(n2, 2)}));
  take({.nodes = {{n1, both, 1}}, .low_water = both});  // the scan ran between log and apply
  expect_state({{{n1, 1}, {n2, 2}}, {}});
}

TEST_F(RecoveryCases, SnapshotOlderAndNewerThanTheLogItNeeds) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  const auto later = plain(update(n1, first, 1, 3));
  take({.nodes = {{n1, later, 3}}, .low_water = second});
  plain(remove(n1, later, 3));
  expect_state({{{n2, 2}}, {}});
}

TEST_F(RecoveryCases, TornBatchIsAllOrNothing) {
  plain(create(n3, 3));
  ASSERT_TRUE(log->sync_now());
  const auto t = start({create(n1, 1)});
  stream(t, {group(graph::GroupKind::bulk_create_nodes, {create(n2, 2), create(id_of(5), 5)})});
  commit(t);
  stop();
  const auto from = place(t);
  const auto to = place(last_of(t));
  const std::string file = segment(from.segment);
  const std::string whole = read(file);
  const std::uint64_t end = to.offset + to.header.header_bytes() + to.header.payload_bytes;
  for (std::uint64_t cut = from.offset; cut < end; cut += 3) {
    write(file, whole.substr(0, cut) + std::string(whole.size() - cut, '\0'));
    ASSERT_TRUE(recover_once()) << "cut at " << cut;
    ASSERT_EQ(state(), (State{{{n3, 3}}, {}})) << "cut at " << cut;
  }
  write(file, whole);
  expect_state({{{n1, 1}, {n2, 2}, {n3, 3}, {id_of(5), 5}}, {}});
}

TEST_F(RecoveryCases, TornSmallTransactionIsAllOrNothing) {
  plain(create(n3, 3));
  ASSERT_TRUE(log->sync_now());
  const auto first = small({create(n1, 1), create(n2, 2)});
  stop();
  const auto at = place(first);
  const std::string file = segment(at.segment);
  const std::string whole = read(file);
  for (std::uint64_t cut = at.offset;
       cut < at.offset + at.header.header_bytes() + at.header.payload_bytes; ++cut) {
    write(file, whole.substr(0, cut) + std::string(whole.size() - cut, '\0'));
    ASSERT_TRUE(recover_once()) << "cut at " << cut;
    ASSERT_EQ(state(), (State{{{n3, 3}}, {}})) << "cut at " << cut;
  }
}

TEST_F(RecoveryCases, TornTailReopenAppendReopen) {
  const auto first = plain(create(n1, 1));
  ASSERT_TRUE(log->sync_now());
  const auto torn = plain(create(n2, 2));
  stop();
  const auto at = place(torn);
  const std::string file = segment(at.segment);
  const std::string whole = read(file);
  const snapshot::Manifest before = manifest;
  const std::uint64_t frame_end = at.header.header_bytes() + at.header.payload_bytes;
  for (std::uint64_t keep = 0; keep < frame_end; keep += 5) {
    for (const auto& each : std::filesystem::directory_iterator(path + "/wal")) {
      std::filesystem::remove(each);
    }
    write(file,
          whole.substr(0, at.offset + keep) + std::string(whole.size() - at.offset - keep, '\0'));
    manifest = before;
    const auto recovered = reopen();
    ASSERT_EQ(recovered.next_sequence, torn) << "keep " << keep;
    ASSERT_EQ(recovered.report.dropped.empty(), keep == 0) << "keep " << keep;
    ASSERT_EQ(plain(create(n3, 3)), torn);
    stop();
    const auto again = recover_once();
    ASSERT_TRUE(again) << again.error().message();
    ASSERT_EQ(state(), (State{{{n1, 1}, {n3, 3}}, {}})) << "keep " << keep;
    ASSERT_TRUE(again->report.dropped.empty()) << "the tail was erased";
    ASSERT_EQ(again->next_sequence, torn + 1);
  }
  EXPECT_GT(torn, first);
}

TEST_F(RecoveryCases, NameDefinedForALoser) {
  const auto made = plain(create(n1, 1));
  const auto t = start({create(n2, 2)});
  define(graph::NameKind::key, 1, "fresh");
  stream(t, {create(n3, 3)});
  const auto check = [&] {
    stop();
    for (const PhaseOrder& order : all_orders) {
      ASSERT_TRUE(recover_once(order));
      EXPECT_EQ(graph->names.of(graph::NameKind::key).find("fresh"), 1U);
      EXPECT_EQ(graph->names.of(graph::NameKind::key).text(1), "fresh");
    }
  };
  check();
  expect_state({{{n1, 1}}, {}});
  reopen();
  small({update(n1, made, 1, 2)});
  check();
  expect_state({{{n1, 2}}, {}});
}

TEST_F(RecoveryCases, SavepointRolledBackThenCommit) {
  const auto made = plain(create(n1, 0));
  const auto t = start({update(n1, made, 0, 1)});
  stream(t, {update(n1, t + 1, 1, 2), create(n2, 5)});
  stream(t, {remove(n2, t + 3, 5), update(n1, t + 2, 2, 1)});  // what rollback_to logs
  commit(t);
  expect_state({{{n1, 1}}, {}});
}

TEST_F(RecoveryCases, SavepointRolledBackThenCrash) {
  const auto made = plain(create(n1, 0));
  const auto t = start({update(n1, made, 0, 1)});
  stream(t, {update(n1, t + 1, 1, 2), create(n2, 5)});
  const auto back = stream(t, {remove(n2, t + 3, 5), update(n1, t + 2, 2, 1)});
  take({.nodes = {{n1, back + 1, 1}, {n2, back, 0, true}}, .low_water = t});
  expect_state({{{n1, 0}}, {}});
}

TEST_F(RecoveryCases, SavepointThatBringsADeletedNodeBack) {
  const auto made = plain(create(n1, 4));
  const auto t = start({remove(n1, made, 4)});
  stream(t, {restore(n1, t + 1, 4)});
  commit(t);
  expect_state({{{n1, 4}}, {}});
}

TEST_F(RecoveryCases, LoserThatBroughtADeletedNodeBack) {
  const auto made = plain(create(n1, 4));
  const auto t = start({remove(n1, made, 4)});
  const auto entry = stream(t, {restore(n1, t + 1, 4)});
  take({.nodes = {{n1, entry, 4}}, .low_water = t});
  expect_state({{{n1, 4}}, {}});
}

TEST_F(RecoveryCases, DeleteAndRecreateOnAReusedSlot) {
  const auto first = plain(create(n1, 1));
  const auto second = plain(create(n2, 2));
  const auto linked = plain(link(e1, n1, n2));
  const auto dropped = plain(unlink(e1, n1, n2, linked));
  const auto t = start();
  const auto entry = stream(t, {link(id_of(0, 2), n2, n1)});
  take({.nodes = {{n1, first, 1}, {n2, second, 2}},
        .edges = {{id_of(0, 2), entry, n2, n1}},
        .low_water = dropped});
  expect_state({{{n1, 1}, {n2, 2}}, {}});
  EXPECT_EQ(graph->allocate_edge(), id_of(0, 3)) << "an id that a loser had is not given again";
}

TEST_F(RecoveryCases, DeleteAndRecreateOnAReusedSlotWithoutSnapshot) {
  plain(create(n1, 1));
  plain(create(n2, 2));
  const auto linked = plain(link(e1, n1, n2));
  plain(unlink(e1, n1, n2, linked));
  const auto t = start();
  stream(t, {link(id_of(0, 2), n2, n1)});
  expect_state({{{n1, 1}, {n2, 2}}, {}});
  EXPECT_EQ(graph->allocate_edge(), id_of(0, 3));
}

TEST_F(RecoveryCases, DeletedNodeIsNotRevivedByALosersCreateInItsSlot) {
  const auto made = plain(create(n1, 1));
  const auto t1 = start({update(n1, made, 1, 2)});
  commit(t1);
  const auto gone = plain(remove(n1, t1 + 2, 2));
  const auto t2 = start();
  const auto entry = stream(t2, {create(id_of(0, 2), 7)});
  take({.nodes = {{id_of(0, 2), entry, 7}}, .low_water = t1});
  EXPECT_GT(entry, gone);
  expect_state({});
}

TEST_F(RecoveryCases, CompensationDoesNotOvertakeALaterWriter) {
  const auto made = plain(create(n1, 1));
  const auto t = start({create(n2, 2)});
  stream(t, {remove(n2, t + 1, 2)});
  plain(update(n1, made, 1, 5));
  const auto third = stream(t, {create(n3, 3)});
  commit(t);
  plain(update(n3, third + 1, 3, 6));
  expect_state({{{n1, 5}, {n3, 6}}, {}});
}

}  // namespace
}  // namespace selvedge::recovery
