// Histories made by hand, and what the checker must say of them.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/testkit/history.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace selvedge::testkit {

using Op = HistoryOperation;
using Operations = std::vector<Op>;

struct Tx {
  Operations operations;
  Outcome outcome = Outcome::ok;
};

/// All at the same time.
inline History concurrent(const std::vector<Tx>& transactions) {
  History history;
  std::uint64_t process = 0;
  for (const Tx& each : transactions) {
    const std::uint64_t now = ++process;
    history.transactions.push_back({now, now, 1000 + now, each.outcome, each.operations});
  }
  return history;
}

/// One after the other.
inline History serial(const std::vector<Tx>& transactions) {
  History history;
  std::uint64_t now = 0;
  for (const Tx& each : transactions) {
    history.transactions.push_back({0, now + 1, now + 2, each.outcome, each.operations});
    now += 2;
  }
  return history;
}

inline std::vector<Anomaly> anomalies(const History& history,
                                      Isolation isolation = Isolation::serializable,
                                      bool real_time = true) {
  auto found = find_anomalies(history, isolation, real_time);
  EXPECT_TRUE(found) << found.error().message();
  return found ? *std::move(found) : std::vector<Anomaly>{};
}

/// It writes something twice.
inline void expect_refused(const History& history) {
  const auto found = find_anomalies(history, Isolation::snapshot);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::invalid_argument);
}

inline void expect_good(const History& history, Isolation isolation = Isolation::serializable) {
  for (const Anomaly& each : anomalies(history, isolation)) {
    ADD_FAILURE() << each.text;
  }
}

/// It is found, under both levels, and its text names it and who took part.
inline void expect_found(AnomalyKind kind, const History& history, Isolation isolation) {
  const auto found = anomalies(history, isolation);
  const auto match = std::find_if(found.begin(), found.end(),
                                  [&](const Anomaly& each) { return each.kind == kind; });
  ASSERT_NE(match, found.end()) << name_of(kind) << " is not found"
                                << (found.empty() ? "" : ", but " + found.front().text);
  EXPECT_EQ(match->text.find(name_of(kind)), 0U) << match->text;
  for (const std::size_t place : match->transactions) {
    EXPECT_NE(match->text.find("T" + std::to_string(place) + " (process"), std::string::npos)
        << match->text;
  }
}
inline void expect_found(AnomalyKind kind, const History& history) {
  expect_found(kind, history, Isolation::serializable);
  expect_found(kind, history, Isolation::snapshot);
}

}  // namespace selvedge::testkit
