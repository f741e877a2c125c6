// The history checker on what comes and goes: edges that are removed, members of labels, edges that
// exist once.

#include "tests/isolation/history_fixture.h"

namespace selvedge::testkit {
namespace {

const Tx comes{{Op::insert(1, 7, 2), Op::append(1, 1)}};
const Tx goes{{Op::remove(1, 7, 2), Op::append(2, 2)}};

TEST(HistorySets, WhatComesAndGoesInTurnIsGood) {
  for (const Isolation isolation : {Isolation::snapshot, Isolation::serializable}) {
    expect_good(serial({{{Op::insert(1, 7, 2), Op::insert(1, 8, 2)}},
                        {{Op::out(1, {8, 7}), Op::remove(1, 7, 2), Op::out(1, {8})}},
                        {{Op::out(1, {8}), Op::in(2, {8})}},
                        {{Op::replace(1, 9, 2, 8)}},
                        {{Op::remove(1, 9, 2), Op::insert(1, 10, 3), Op::remove(1, 10, 3)}},
                        {{Op::out(1, {}), Op::in(2, {}), Op::in(3, {})}}}),
                isolation);
    expect_good(serial({{{Op::join(1, 7), Op::join(2, 8)}},
                        {{Op::members(1, {7}), Op::leave(1, 7), Op::members(1, {})}},
                        {{Op::members(1, {}), Op::members(2, {8})}}}),
                isolation);
    expect_good(serial({{{Op::pair(1, 2, {}), Op::make(1, 7, 2), Op::pair(1, 2, {7})}},
                        {{Op::pair(1, 2, {7}), Op::remake(1, 8, 2, 7), Op::pair(1, 2, {8})}},
                        {{Op::make(2, 9, 1)}, Outcome::fail},
                        {{Op::pair(1, 2, {8}), Op::pair(2, 1, {})}}}),
                isolation);
  }
}

TEST(HistorySets, WhoDoesNotFindItMayHaveComeTooEarlyOrTooLate) {
  for (const Isolation isolation : {Isolation::snapshot, Isolation::serializable}) {
    expect_good(concurrent({comes, goes, {{Op::out(1, {}), Op::in(2, {})}}}), isolation);
    expect_good(concurrent({comes, goes, {{Op::out(1, {}), Op::read(1, {})}}}), isolation);
    expect_good(concurrent({comes, goes, {{Op::out(1, {}), Op::read(2, {2})}}}), isolation);
    expect_good(concurrent({comes, goes, {{Op::out(1, {7}), Op::read(2, {})}}}), isolation);
  }
}

TEST(HistorySets, WhoCameAfterItAndDoesNotFindItCameAfterItHadGone) {
  // 1 came with the edge, 2 when it had gone: who sees the one and not the other finds the edge.
  const History history =
      concurrent({comes, goes, {{Op::read(1, {1}), Op::out(1, {}), Op::read(2, {})}}});
  expect_found(AnomalyKind::g_single, history);
  EXPECT_NE(anomalies(history).back().text.find("did not find"), std::string::npos);
}

TEST(HistorySets, WhoFindsItHasNotSeenWhoTookItAway) {
  expect_found(AnomalyKind::g_single,
               concurrent({comes, goes, {{Op::out(1, {7}), Op::read(2, {2})}}}));
  expect_found(AnomalyKind::g_single, serial({comes, goes, {{Op::out(1, {7})}}}));
}

TEST(HistorySets, InRealTimeItIsThereBetweenItsComingAndItsGoing) {
  const History early = serial({comes, {{Op::in(2, {})}}, goes});
  expect_found(AnomalyKind::g1c, early);
  EXPECT_TRUE(anomalies(early).back().real_time);
  EXPECT_TRUE(anomalies(early, Isolation::serializable, false).empty());
  expect_good(serial({{{Op::in(2, {})}}, comes, goes}));
  expect_good(serial({comes, goes, {{Op::in(2, {})}}}));
}

TEST(HistorySets, WhatFollowsFromOneAbsenceTellsOfTheNext) {
  // The reader has seen 1, so it came after 7 had gone, and with it after 8 had come; 8 was taken
  // by somebody whose 4 it has not seen.
  const History history =
      concurrent({comes,
                  {{Op::insert(5, 8, 6)}},
                  {{Op::in(6, {8}), Op::remove(1, 7, 2)}},
                  {{Op::remove(5, 8, 6), Op::append(4, 4)}},
                  {{Op::read(1, {1}), Op::out(1, {}), Op::out(5, {}), Op::read(4, {})}}});
  expect_found(AnomalyKind::g_single, history);
}

TEST(HistorySets, AnUnknownRemovalMayHaveHappenedOrNot) {
  const Tx unknown{{Op::remove(1, 7, 2)}, Outcome::unknown};
  expect_good(serial({comes, unknown, {{Op::out(1, {})}}}));
  expect_good(serial({comes, unknown, {{Op::out(1, {7})}}}));
  const Tx rolled_back{{Op::remove(1, 7, 2)}, Outcome::fail};
  expect_good(serial({comes, rolled_back, {{Op::out(1, {7})}}}));
  expect_found(AnomalyKind::g_single, serial({comes, rolled_back, {{Op::out(1, {})}}}));
}

TEST(HistorySets, PhantomsOfLabelsAreGoodUnderSnapshotOnly) {
  const History came =
      concurrent({{{Op::members(1, {}), Op::join(2, 8)}}, {{Op::members(2, {}), Op::join(1, 7)}}});
  const History went = concurrent({{{Op::join(1, 7), Op::join(2, 8)}},
                                   {{Op::members(1, {7}), Op::leave(2, 8)}},
                                   {{Op::members(2, {8}), Op::leave(1, 7)}}});
  for (const History& history : {came, went}) {
    expect_good(history, Isolation::snapshot);
    expect_found(AnomalyKind::g2, history, Isolation::serializable);
  }
}

TEST(HistorySets, OneElementIsTakenAwayOnce) {
  expect_found(AnomalyKind::lost_update, concurrent({comes, goes, {{Op::remove(1, 7, 2)}}}));
  expect_found(AnomalyKind::lost_update, concurrent({comes, goes, {{Op::replace(1, 8, 2, 7)}}}));
  expect_found(AnomalyKind::lost_update,
               concurrent({{{Op::join(1, 7)}}, {{Op::leave(1, 7)}}, {{Op::leave(1, 7)}}}));
}

TEST(HistorySets, TheOnlyEdgeOfAPairIsMadeOnce) {
  expect_found(AnomalyKind::lost_update, concurrent({{{Op::pair(1, 2, {}), Op::make(1, 7, 2)}},
                                                     {{Op::pair(1, 2, {}), Op::make(1, 8, 2)}}}));
  expect_found(
      AnomalyKind::lost_update,
      concurrent({{{Op::make(1, 7, 2)}}, {{Op::remake(1, 8, 2, 7)}}, {{Op::remake(1, 9, 2, 7)}}}));
  expect_found(
      AnomalyKind::g1b,
      concurrent({{{Op::make(1, 7, 2)}}, {{Op::remake(1, 8, 2, 7)}}, {{Op::pair(1, 2, {7, 8})}}}));
  expect_good(concurrent({{{Op::make(1, 7, 2)}}, {{Op::make(2, 8, 1)}}, {{Op::make(1, 9, 1)}}}));
}

TEST(HistorySets, SingleReadsShowWhatIsWrong) {
  expect_found(AnomalyKind::unwritten, serial({{{Op::members(1, {7})}}}));
  expect_found(AnomalyKind::unwritten, serial({{{Op::join(2, 7)}}, {{Op::members(1, {7})}}}));
  expect_found(AnomalyKind::unwritten, serial({{{Op::make(1, 7, 2)}}, {{Op::pair(2, 1, {7})}}}));
  expect_found(AnomalyKind::g1a,
               concurrent({{{Op::join(1, 7)}, Outcome::fail}, {{Op::members(1, {7})}}}));
  expect_found(AnomalyKind::g1b,
               concurrent({{{Op::join(1, 7), Op::leave(1, 7)}}, {{Op::members(1, {7})}}}));
  expect_found(AnomalyKind::g1b,
               concurrent({{{Op::join(1, 7), Op::join(1, 8)}}, {{Op::members(1, {8})}}}));
  expect_found(AnomalyKind::internal, serial({comes, {{Op::remove(1, 7, 2), Op::out(1, {7})}}}));
  expect_found(AnomalyKind::internal, serial({comes, {{Op::remove(1, 7, 2), Op::in(2, {7})}}}));
  expect_found(AnomalyKind::internal,
               serial({{{Op::join(1, 7), Op::leave(1, 7), Op::members(1, {7})}}}));
  expect_found(AnomalyKind::one_sided,
               concurrent({comes, goes, {{Op::out(1, {7}), Op::in(2, {})}}}));
}

TEST(HistorySets, ANumberIsGivenOnce) {
  for (const History& history : {serial({{{Op::insert(1, 1, 2)}}, {{Op::join(1, 1)}}}),
                                 serial({{{Op::join(1, 1)}}, {{Op::join(2, 1)}}}),
                                 serial({{{Op::make(1, 1, 2)}}, {{Op::remake(1, 1, 2, 1)}}})}) {
    expect_refused(history);
  }
}

TEST(HistorySets, TheCircleTellsWhatHadGone) {
  const auto found =
      anomalies(serial({{{Op::join(1, 7)}}, {{Op::leave(1, 7)}}, {{Op::members(1, {7})}}}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].text,
            "G-single, in real time: 2 transactions come before one another\n"
            "  T1 (process 0, ok): take 7 from label 1\n"
            "  T2 (process 0, ok): read label 1 = [7]\n"
            "  T1 before T2 (real time): T1 had returned when T2 began\n"
            "  T2 before T1 (rw): T2 found 7 in label 1, which T1 took away");
}

TEST(HistorySets, TheirFormIsThatOfTheOthers) {
  const History history =
      serial({{{Op::remove(1, 7, 2), Op::make(1, 8, 2), Op::remake(1, 9, 2, 8), Op::pair(1, 2, {9}),
                Op::join(3, 4), Op::leave(3, 4), Op::members(3, {})}}});
  const std::string text = to_json_lines(history);
  EXPECT_NE(text.find(R"("value":[["remove",1,7,2],["make",1,8,2],["remake",1,9,2,8],)"
                      R"(["pair",1,[9],2],["join",3,4],["leave",3,4],["members",3,[]]])"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(["pair",1,null,2])"), std::string::npos) << text;
  const auto again = history_from_json_lines(text);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, history);
}

}  // namespace
}  // namespace selvedge::testkit
