// The history checker: histories made by hand, good ones and one for each anomaly.

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <utility>

#include "tests/isolation/history_fixture.h"

namespace selvedge::testkit {
namespace {

// --- good ones ---------------------------------------------------------------------------------

TEST(History, OfNothingIsGood) {
  expect_good({});
  expect_good(serial({{{}}, {{Op::read(1, {})}}}));
}

TEST(History, OneAfterTheOtherIsGood) {
  expect_good(serial({{{Op::append(1, 1), Op::append(2, 2)}},
                      {{Op::read(1, {1}), Op::append(1, 3), Op::read(1, {1, 3})}},
                      {{Op::append(1, 4)}, Outcome::fail},
                      {{Op::read(1, {1, 3}), Op::read(2, {2})}},
                      {{Op::insert(1, 10, 2), Op::out(1, {10}), Op::in(2, {10})}},
                      {{Op::in(2, {10}), Op::insert(3, 11, 2), Op::in(2, {11, 10})}},
                      {{Op::out(1, {10}), Op::out(3, {11}), Op::in(2, {10, 11})}}}));
}

TEST(History, EdgesThatTakeThePlaceOfOthersAreGood) {
  expect_good(serial({{{Op::insert(1, 7, 2), Op::insert(1, 8, 3)}},
                      {{Op::out(1, {7, 8}), Op::replace(1, 9, 2, 7), Op::out(1, {9, 8})}},
                      {{Op::out(1, {8, 9}), Op::in(2, {9})}},
                      {{Op::replace(1, 10, 2, 9), Op::replace(1, 11, 2, 10), Op::in(2, {11})}},
                      {{Op::in(2, {11}), Op::out(1, {8, 11})}},
                      {{Op::replace(1, 12, 2, 11)}, Outcome::fail},
                      {{Op::in(2, {11})}}}));
}

TEST(History, EdgesThatGoMustBeGoneForAllOrNone) {
  const Tx first{{Op::insert(1, 7, 2)}};
  const Tx second{{Op::out(1, {7}), Op::replace(1, 8, 2, 7)}};
  expect_found(AnomalyKind::g1b, concurrent({first, second, {{Op::out(1, {7, 8})}}}));
  expect_found(AnomalyKind::one_sided,
               concurrent({first, second, {{Op::out(1, {8}), Op::in(2, {7})}}}));
  expect_found(AnomalyKind::lost_update, concurrent({first, second, {{Op::replace(1, 9, 2, 7)}}}));
  expect_found(AnomalyKind::internal,
               concurrent({first, {{Op::replace(1, 8, 2, 7), Op::out(1, {7, 8})}}}));
  expect_found(AnomalyKind::g_single, serial({first, second, {{Op::out(1, {7})}}}));
  expect_found(AnomalyKind::g_single, serial({first, second, {{Op::out(1, {})}}}));
}

TEST(History, WhatIsConcurrentMayComeInAnyOrder) {
  expect_good(concurrent({{{Op::read(1, {2})}},
                          {{Op::append(1, 2)}},
                          {{Op::read(1, {})}},
                          {{Op::in(4, {}), Op::out(3, {})}},
                          {{Op::insert(3, 9, 4)}},
                          {{Op::in(4, {9}), Op::out(3, {9})}}}));
}

TEST(History, AnUnknownTransactionMayHaveHappenedOrNot) {
  const Tx unknown{{Op::read(1, {}), Op::append(1, 1)}, Outcome::unknown};
  expect_good(serial({unknown, {{Op::read(1, {})}}}));
  expect_good(serial({unknown, {{Op::read(1, {1})}}}));
  expect_good(serial({unknown, {{Op::read(1, {})}}, {{Op::read(1, {1})}}}));
  EXPECT_FALSE(anomalies(serial({unknown, {{Op::read(1, {1})}}, {{Op::read(1, {})}}})).empty());
}

TEST(History, AnUnknownTransactionThatWasSeenCountsWithItsReads) {
  // It did not see 1, which was there; and it is committed, as its 2 was seen.
  const History history = serial({{{Op::append(1, 1)}},
                                  {{Op::read(1, {}), Op::append(2, 2)}, Outcome::unknown},
                                  {{Op::read(2, {2})}}});
  expect_found(AnomalyKind::g_single, history);
}

TEST(History, WriteSkewIsGoodUnderSnapshotOnly) {
  const History lists = concurrent({{{Op::read(1, {}), Op::read(2, {}), Op::append(1, 1)}},
                                    {{Op::read(1, {}), Op::read(2, {}), Op::append(2, 2)}}});
  expect_good(lists, Isolation::snapshot);
  expect_found(AnomalyKind::g2, lists, Isolation::serializable);
  const History edges = concurrent(
      {{{Op::out(1, {}), Op::insert(2, 1, 3)}}, {{Op::out(2, {}), Op::insert(1, 2, 3)}}});
  expect_good(edges, Isolation::snapshot);
  expect_found(AnomalyKind::g2, edges, Isolation::serializable);
}

// --- bad ones, in single reads -----------------------------------------------------------------

TEST(History, Unwritten_SomebodyReadWhatNobodyWrote) {
  expect_found(AnomalyKind::unwritten, serial({{{Op::read(1, {7})}}}));
  expect_found(AnomalyKind::unwritten, serial({{{Op::out(1, {7})}}}));
  // At another node than its own.
  expect_found(AnomalyKind::unwritten, serial({{{Op::insert(1, 7, 2)}}, {{Op::out(2, {7})}}}));
}

TEST(History, Duplicate_AnElementTwice) {
  expect_found(AnomalyKind::duplicate, serial({{{Op::append(1, 7)}}, {{Op::read(1, {7, 7})}}}));
  expect_found(AnomalyKind::duplicate, serial({{{Op::insert(1, 7, 2)}}, {{Op::in(2, {7, 7})}}}));
}

TEST(History, G1a_AReadOfWhatWasRolledBack) {
  expect_found(AnomalyKind::g1a,
               concurrent({{{Op::append(1, 7)}, Outcome::fail}, {{Op::read(1, {7})}}}));
  expect_found(AnomalyKind::g1a,
               concurrent({{{Op::insert(1, 7, 2)}, Outcome::fail}, {{Op::out(1, {7})}}}));
  // Also by somebody who is rolled back himself.
  expect_found(AnomalyKind::g1a, concurrent({{{Op::append(1, 7)}, Outcome::fail},
                                             {{Op::read(1, {7})}, Outcome::fail}}));
}

TEST(History, G1b_AReadOfAPart) {
  expect_found(AnomalyKind::g1b,
               concurrent({{{Op::append(1, 7), Op::append(1, 8)}}, {{Op::read(1, {7})}}}));
  expect_found(AnomalyKind::g1b,
               concurrent({{{Op::insert(1, 7, 2), Op::insert(1, 8, 3)}}, {{Op::out(1, {8})}}}));
}

TEST(History, Internal_ATransactionDoesNotSeeItself) {
  expect_found(AnomalyKind::internal, serial({{{Op::append(1, 7), Op::read(1, {})}}}));
  expect_found(AnomalyKind::internal, serial({{{Op::insert(1, 7, 2), Op::in(2, {})}}}));
  expect_found(AnomalyKind::internal, serial({{{Op::read(1, {7}), Op::append(1, 7)}}}));
}

TEST(History, Internal_AReadThatChanges) {
  expect_found(AnomalyKind::internal,
               concurrent({{{Op::append(1, 7)}}, {{Op::read(1, {}), Op::read(1, {7})}}}));
  expect_found(AnomalyKind::internal,
               concurrent({{{Op::insert(1, 7, 2)}}, {{Op::out(1, {7}), Op::out(1, {})}}}));
}

TEST(History, OneSided_AnEdgeThatLeavesAndDoesNotArrive) {
  expect_found(AnomalyKind::one_sided,
               concurrent({{{Op::insert(1, 7, 2)}}, {{Op::out(1, {7}), Op::in(2, {})}}}));
  expect_found(AnomalyKind::one_sided,
               concurrent({{{Op::insert(1, 7, 2)}}, {{Op::out(1, {}), Op::in(2, {7})}}}));
}

TEST(History, IncompatibleOrder_TwoReadsOfWhichNeitherContinuesTheOther) {
  expect_found(AnomalyKind::incompatible_order, concurrent({{{Op::append(1, 7)}},
                                                            {{Op::append(1, 8)}},
                                                            {{Op::read(1, {7})}},
                                                            {{Op::read(1, {8, 7})}}}));
}

TEST(History, LostUpdate_TwoWhoCountedOnTheSame) {
  expect_found(AnomalyKind::lost_update, concurrent({{{Op::read(1, {}), Op::append(1, 7)}},
                                                     {{Op::read(1, {}), Op::append(1, 8)}},
                                                     {{Op::read(1, {8})}}}));
}

// --- bad ones, in circles ----------------------------------------------------------------------

TEST(History, G0_WritesInACircle) {
  const History history = concurrent({{{Op::append(1, 1), Op::append(2, 1)}},
                                      {{Op::append(1, 2), Op::append(2, 2)}},
                                      {{Op::read(1, {1, 2}), Op::read(2, {2, 1})}}});
  expect_found(AnomalyKind::g0, history);
}

TEST(History, G1c_WritesAndReadsInACircle) {
  expect_found(AnomalyKind::g1c, concurrent({{{Op::append(1, 1), Op::read(2, {2})}},
                                             {{Op::append(2, 2), Op::read(1, {1})}}}));
  expect_found(AnomalyKind::g1c, concurrent({{{Op::insert(1, 1, 9), Op::out(2, {2})}},
                                             {{Op::insert(2, 2, 9), Op::out(1, {1})}}}));
}

TEST(History, GSingle_AReadOfTwoTimes) {
  expect_found(AnomalyKind::g_single, concurrent({{{Op::append(1, 1), Op::append(2, 2)}},
                                                  {{Op::read(1, {1}), Op::read(2, {})}},
                                                  {{Op::read(2, {2})}}}));
  expect_found(AnomalyKind::g_single, concurrent({{{Op::insert(1, 1, 9), Op::insert(2, 2, 9)}},
                                                  {{Op::out(1, {1}), Op::out(2, {})}}}));
}

/// Two readers who see two independent writers in different orders.
TEST(History, GNonadjacent_TwoReadersWhoDisagree) {
  const History history = concurrent({{{Op::append(1, 1)}},
                                      {{Op::append(2, 2)}},
                                      {{Op::read(1, {1}), Op::read(2, {})}},
                                      {{Op::read(1, {}), Op::read(2, {2})}}});
  expect_found(AnomalyKind::g_nonadjacent, history);
  const auto found = anomalies(history);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].transactions.size(), 4U);
}

/// Fekete's: who only reads makes it visible.
TEST(History, G2_WithAReader) {
  const History history = concurrent({{{Op::read(1, {}), Op::read(2, {}), Op::append(1, 1)}},
                                      {{Op::read(2, {}), Op::append(2, 2)}},
                                      {{Op::read(1, {}), Op::read(2, {2})}}});
  expect_good(history, Isolation::snapshot);
  expect_found(AnomalyKind::g2, history, Isolation::serializable);
}

TEST(History, ACommittedElementThatIsNeverSeenAgainIsMissed) {
  const History history = serial({{{Op::append(1, 1)}}, {{Op::read(1, {})}}});
  expect_found(AnomalyKind::g_single, history);
  EXPECT_TRUE(anomalies(history)[0].real_time);
  EXPECT_TRUE(anomalies(history, Isolation::serializable, false).empty());
}

TEST(History, InRealTimeAReadMustNotBeStale) {
  for (const Isolation isolation : {Isolation::snapshot, Isolation::serializable}) {
    const History lists = serial({{{Op::append(1, 1)}}, {{Op::read(1, {})}}, {{Op::read(1, {1})}}});
    ASSERT_EQ(anomalies(lists, isolation).size(), 1U);
    EXPECT_TRUE(anomalies(lists, isolation)[0].real_time);
    EXPECT_TRUE(anomalies(lists, isolation, false).empty()) << "it might have been later";
    const History edges = serial({{{Op::insert(1, 1, 2)}}, {{}}, {{Op::in(2, {})}}});
    ASSERT_EQ(anomalies(edges, isolation).size(), 1U);
    EXPECT_NE(anomalies(edges, isolation)[0].text.find("real time"), std::string::npos);
  }
}

TEST(History, TheCircleIsToldStepByStep) {
  const auto found = anomalies(concurrent({{{Op::append(1, 5), Op::append(2, 6)}},
                                           {{Op::read(1, {5}), Op::read(2, {})}},
                                           {{Op::read(2, {6})}}}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].text,
            "G-single: 2 transactions come before one another\n"
            "  T0 (process 1, ok): append 5 to list 1, append 6 to list 2\n"
            "  T1 (process 2, ok): read list 1 = [5], read list 2 = []\n"
            "  T0 before T1 (wr): T1 found 5 in list 1\n"
            "  T1 before T0 (rw): T1 did not find 6 in list 2, which is by T0");
}

TEST(History, ThatWritesSomethingTwiceCannotBeChecked) {
  for (const History& history : {serial({{{Op::append(1, 1)}}, {{Op::append(1, 1)}}}),
                                 serial({{{Op::insert(1, 1, 2), Op::insert(3, 1, 4)}}})}) {
    expect_refused(history);
  }
}

// --- many --------------------------------------------------------------------------------------

/// Role: real lists and sets, changed by one after the other.
class World {
 public:
  explicit World(unsigned seed) : random_(seed) {}

  Op next() {
    const std::uint64_t key = roll(3);
    const std::uint64_t other = roll(3);
    switch (roll(12)) {
      case 0: lists_[key].push_back(++fresh_); return Op::append(key, fresh_);
      case 1: insert(key, other); return Op::insert(key, fresh_, other);
      case 2: return Op::read(key, lists_[key]);
      case 3: return Op::out(key, outs_[key]);
      case 4: return Op::in(key, ins_[key]);
      case 5: labels_[key].push_back(++fresh_); return Op::join(key, fresh_);
      case 6: return Op::members(key, labels_[key]);
      case 7: return make_or_remake(key, other);
      case 8: return Op::pair(key, other, pairs_[{key, other}]);
      case 9: return leave(key);
      default: return replace_or_remove(key);
    }
  }
  std::uint64_t roll(std::uint64_t sides) { return random_() % sides; }

 private:
  using Elements = std::vector<std::uint64_t>;
  void insert(std::uint64_t source, std::uint64_t target) {
    outs_[source].push_back(++fresh_);
    ins_[target].push_back(fresh_);
  }
  Op make_or_remake(std::uint64_t source, std::uint64_t target) {
    Elements& edge = pairs_[{source, target}];
    const Elements before = std::exchange(edge, {++fresh_});
    return before.empty() ? Op::make(source, fresh_, target)
                          : Op::remake(source, fresh_, target, before[0]);
  }
  Op leave(std::uint64_t label) {
    if (labels_[label].empty()) {
      return Op::members(label, {});
    }
    const std::uint64_t gone = labels_[label][roll(labels_[label].size())];
    std::erase(labels_[label], gone);
    return Op::leave(label, gone);
  }
  Op replace_or_remove(std::uint64_t source) {
    if (outs_[source].empty()) {
      return Op::out(source, {});
    }
    const std::uint64_t gone = outs_[source][roll(outs_[source].size())];
    std::erase(outs_[source], gone);
    std::uint64_t target = 0;
    while (std::erase(ins_[target], gone) == 0) {
      ++target;
    }
    if (roll(2) == 0) {
      return Op::remove(source, gone, target);
    }
    insert(source, target);
    return Op::replace(source, fresh_, target, gone);
  }

  std::mt19937 random_;
  std::uint64_t fresh_ = 0;
  std::array<Elements, 3> lists_, outs_, ins_, labels_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Elements> pairs_;
};

/// A serial execution, with the moments spread so that many overlap.
History random_serial(unsigned seed, std::size_t count) {
  World world(seed);
  History history;
  for (std::size_t i = 0; i < count; ++i) {
    HistoryTransaction tx{i,
                          i * 10 - std::min<std::size_t>(i * 10, world.roll(60)),
                          i * 10 + 1 + world.roll(60),
                          Outcome::ok,
                          {}};
    for (auto left = 1 + world.roll(4); left > 0; --left) {
      tx.operations.push_back(world.next());
    }
    history.transactions.push_back(std::move(tx));
  }
  return history;
}

TEST(History, OfARandomSerialExecutionIsGood) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    expect_good(random_serial(seed, 100));
    expect_good(random_serial(seed, 100), Isolation::snapshot);
  }
  expect_good(random_serial(99, 2'000));
}

TEST(History, IsTheSameAfterBeingWrittenAndRead) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    History history = random_serial(seed, 50);
    for (std::size_t i = 0; i < history.transactions.size(); ++i) {
      history.transactions[i].outcome = static_cast<Outcome>(i % 3);
    }
    std::stable_sort(history.transactions.begin(), history.transactions.end(),
                     [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
    const auto again = history_from_json_lines(to_json_lines(history));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(*again, history);
  }
}

TEST(History, HasTheFormThatOtherCheckersRead) {
  const History history = serial({{{Op::append(3, 1), Op::read(3, {1}), Op::insert(1, 7, 2)}},
                                  {{Op::out(1, {7})}, Outcome::unknown}});
  EXPECT_EQ(to_json_lines(history),
            R"({"type":"invoke","process":0,"time":1,"f":"txn",)"
            R"("value":[["append",3,1],["r",3,null],["insert",1,7,2]]})"
            "\n"
            R"({"type":"ok","process":0,"time":2,"f":"txn",)"
            R"("value":[["append",3,1],["r",3,[1]],["insert",1,7,2]]})"
            "\n"
            R"({"type":"invoke","process":0,"time":3,"f":"txn","value":[["out",1,null]]})"
            "\n"
            R"({"type":"info","process":0,"time":4,"f":"txn","value":[["out",1,[7]]]})"
            "\n");
}

TEST(History, WithoutAnEndIsUnknownAndItsReadsAreNone) {
  const auto history = history_from_json_lines(
      R"({"type":"invoke","process":4,"time":1,"f":"txn","value":[["append",3,1],["r",3,null]]})");
  ASSERT_TRUE(history);
  ASSERT_EQ(history->transactions.size(), 1U);
  EXPECT_EQ(history->transactions[0].outcome, Outcome::unknown);
  EXPECT_EQ(history->transactions[0].operations, Operations{Op::append(3, 1)});
}

TEST(History, ThatIsNoneIsRefusedWithItsLine) {
  const std::string good = R"({"type":"invoke","process":0,"time":1,"value":[]})";
  for (const char* bad :
       {"{", "7", R"({"type":"ok"})", R"({"type":"ok","process":9,"time":2,"value":[]})",
        R"({"type":"maybe","process":0,"time":2,"value":[]})",
        R"({"type":"invoke","process":0,"time":2,"value":[]})",
        R"({"type":"ok","process":0,"time":-2,"value":[]})",
        R"({"type":"ok","process":0,"time":2,"value":[["append",1]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["append",1,2,3]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["jump",1,2]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["remove",1,2]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["pair",1,[2]]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["remake",1,2,3,null]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["r",1,[true]]]})",
        R"({"type":"ok","process":0,"time":2,"value":[["r",1,2]]})"}) {
    const auto history = history_from_json_lines(good + "\n\n" + bad + "\n");
    ASSERT_FALSE(history) << bad;
    EXPECT_EQ(history.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(history.error().message().find("line 3"), std::string::npos)
        << history.error().message();
  }
}

}  // namespace
}  // namespace selvedge::testkit
