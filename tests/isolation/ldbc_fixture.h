// A store with real clients, for the LDBC ACID suite.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <array>
#include <barrier>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "tests/isolation/isolation_fixture.h"

namespace selvedge::test {

using Numbers = std::vector<std::int64_t>;
using Meeting = std::barrier<>;

inline std::int64_t number_of(const Reader& reader, NodeId id, KeyRef key) {
  const auto node = reader.get(id);
  return node ? (*node)[key].as_int64().value_or(-1) : -1;
}

template <class Id>
Numbers list_of(const Reader& reader, Id id, KeyRef key) {
  Numbers numbers;
  if (const auto entity = reader.get(id)) {
    (*entity)[key].for_each([&](ValueView each) { numbers.push_back(each.as_int64().value()); });
  }
  return numbers;
}

template <class Id>
Status append_to(Transaction& tx, Id id, KeyRef key, std::int64_t number) {
  List values;
  for (const std::int64_t each : list_of(tx, id, key)) {
    values.emplace_back(each);
  }
  values.emplace_back(number);
  return tx.set(id, key, Value(std::move(values)));
}

class LdbcAcid : public AtBothLevels {
 protected:
  LdbcAcid() : AtBothLevels(true) {}

  NodeId person(PropertyList properties) { return node("Person", properties); }
  std::array<NodeId, 4> ring_of_four() {
    std::array<NodeId, 4> ring{};
    for (NodeId& each : ring) {
      each = person({{"version", 0}});
    }
    for (std::size_t i = 0; i < ring.size(); ++i) {
      EXPECT_TRUE(store->create_edge(ring[i], "KNOWS", ring[(i + 1) % ring.size()]));
    }
    return ring;
  }
  /// The versions around the ring, by way of its edges, and the first one once more.
  static Numbers versions_around(const Reader& reader, NodeId start) {
    Numbers versions{number_of(reader, start, "version")};
    NodeId at = start;
    do {
      at = reader.neighbours(at, Direction::out, "KNOWS").at(0);
      versions.push_back(number_of(reader, at, "version"));
    } while (at != start);
    return versions;
  }

  /// A client's transaction, tried again after each conflict.
  template <class Body>
  bool transact(const Body& body) {
    const auto done = store->transact(
        [&](Transaction& tx) -> Result<bool> {
          SELVEDGE_TRY(body(tx));
          return true;
        },
        {.attempts_max = 10'000});
    EXPECT_TRUE(done) << done.error().message();
    return done.has_value();
  }
  /// Looks with a transaction in even rounds, with a read view in odd ones.
  void look(int round, const std::function<void(const Reader&)>& use) {
    if (round % 2 == 1) {
      const ReadView view = store->read();
      use(view);
      return;
    }
    Transaction tx = begin();
    use(tx);
    EXPECT_TRUE(tx.commit());
  }
};

/// Two writers that each own a person, two readers who look at all moments.
class DirtyReads {
 public:
  explicit DirtyReads(std::array<NodeId, 2> persons) : persons_(persons) {}
  static constexpr int clients = 4;
  static constexpr int rounds = 150;

  [[nodiscard]] static bool writes(int client) { return client < 2; }
  [[nodiscard]] NodeId own(int client) const { return persons_[static_cast<unsigned>(client)]; }
  void meet() { meeting_.arrive_and_wait(); }
  void expect_odd(const Reader& reader) const {
    for (const NodeId each : persons_) {
      EXPECT_EQ(number_of(reader, each, "version") % 2, 1);
    }
  }

 private:
  std::array<NodeId, 2> persons_;
  Meeting meeting_{clients};
};

/// Each reader looks, then every writer commits, then each reader looks again.
class TwoLooks {
 public:
  TwoLooks(int readers, int writers) : readers_(readers), meeting_(readers + writers) {}
  static constexpr int rounds = 150;

  void write(const std::function<void()>& commit) {
    for (int round = 0; round < rounds; ++round) {
      meeting_.arrive_and_wait();
      commit();
      meeting_.arrive_and_wait();
    }
  }
  template <class Look>
  void read(const Reader& reader, const Look& look) {
    const auto first = look(reader);
    meeting_.arrive_and_wait();
    const auto during = look(reader);
    meeting_.arrive_and_wait();
    EXPECT_EQ(during, first);
    EXPECT_EQ(look(reader), first);
  }
  [[nodiscard]] bool reads(int client) const { return client < readers_; }

 private:
  const int readers_;
  Meeting meeting_;
};

}  // namespace selvedge::test
