// The LDBC ACID test suite (Waudby and others, TPCTC 2020), with real clients and made strict:
// barriers force the interleavings that the original hopes for, and every list and count must be
// complete. At both levels of isolation; write skew tells them apart.

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/isolation/ldbc_fixture.h"

namespace selvedge {
namespace {

using namespace test;

// --- atomicity ---------------------------------------------------------------------------------

TEST_P(LdbcAcid, Atomicity_ACommitIsThereAsAWhole) {
  const NodeId hub = person({{"emails", Value(List{})}});
  std::atomic<int> made{0};
  clients(4, [&](int client) {
    for (int i = 0; i < 200; ++i) {
      made += transact([&](Transaction& tx) -> Status {
        SELVEDGE_TRY(const NodeId other, tx.create_node({"Person"}, {{"name", "new"}}));
        SELVEDGE_TRY(tx.create_edge(hub, "KNOWS", other, {{"since", 2020}}));
        return append_to(tx, hub, "emails", client * 1000 + i);
      });
    }
  });
  const auto view = store->read();
  EXPECT_EQ(made.load(), 800);
  EXPECT_EQ(view.node_count("Person"), 801U);
  EXPECT_EQ(view.degree(hub, Direction::out, "KNOWS"), 800U);
  EXPECT_EQ(list_of(view, hub, "emails").size(), 800U);
}

TEST_P(LdbcAcid, Atomicity_OfARollbackNothingIsThere) {
  const NodeId hub = person({{"emails", Value(List{})}});
  std::atomic<std::uint64_t> kept{0};
  clients(4, [&](int client) {
    for (int i = 0; i < 200; ++i) {
      const bool keep = (client + i) % 2 == 0;
      const auto done = store->transact(
          [&](Transaction& tx) -> Result<bool> {
            SELVEDGE_TRY(append_to(tx, hub, "emails", client * 1000 + i));
            SELVEDGE_TRY(const NodeId other, tx.create_node({"Person"}, {}));
            SELVEDGE_TRY(tx.create_edge(hub, "KNOWS", other));
            if (!keep) {
              return fail(ErrorCode::already_exists, "the second person is there already");
            }
            return true;
          },
          {.attempts_max = 10'000});
      EXPECT_EQ(done.has_value(), keep);
      kept += done ? 1 : 0;
    }
  });
  const auto view = store->read();
  EXPECT_EQ(kept.load(), 400U);
  EXPECT_EQ(view.node_count("Person"), 1 + kept);
  EXPECT_EQ(view.degree(hub, Direction::out), kept.load());
  EXPECT_EQ(list_of(view, hub, "emails").size(), kept.load());
}

/// What a random transaction has done, as a count of its traces.
struct Traces {
  std::uint64_t nodes = 0, edges = 0, marks = 0;
  bool operator==(const Traces&) const = default;
};

TEST_P(LdbcAcid, Atomicity_OfRandomTransactionsThereIsAllOrNothing) {
  std::vector<NodeId> hubs;
  for (int i = 0; i < 3; ++i) {
    hubs.push_back(person({{"marks", Value(List{})}}));
  }
  std::map<std::int64_t, Traces> expected;
  std::mutex expected_mutex;
  clients(4, [&](int client) {
    std::mt19937 random(static_cast<unsigned>(client) + 7);
    for (int i = 0; i < 200; ++i) {
      const std::int64_t name = client * 1000 + i;
      Traces traces;
      auto tx = store->begin();
      EXPECT_TRUE(tx);
      bool going = true;
      std::vector<NodeId> ends = hubs;
      for (auto step = 1 + random() % 12; going && step > 0; --step) {
        const NodeId one = ends[random() % ends.size()];
        const NodeId other = ends[random() % ends.size()];
        if (random() % 3 == 0) {
          const auto node = tx->create_node({"Trace"}, {{"by", name}});
          EXPECT_TRUE(node);
          ends.push_back(node.value_or(NodeId{}));
          ++traces.nodes;
        } else if (random() % 4 != 0) {
          EXPECT_TRUE(tx->create_edge(one, "TRACE", other, {{"by", name}}));
          ++traces.edges;
        } else {
          going = append_to(*tx, hubs[random() % hubs.size()], "marks", name).has_value();
          ++traces.marks;
        }
      }
      if (going && random() % 3 != 0 && tx->commit()) {
        const std::lock_guard lock(expected_mutex);
        expected[name] = traces;
      }
    }
  });
  std::map<std::int64_t, Traces> found;
  const auto view = store->read();
  for (auto cursor = view.nodes("Trace"); cursor.next();) {
    ++found[cursor.node()["by"].as_int64().value()].nodes;
  }
  for (auto scan = view.edges("TRACE"); scan.next();) {
    ++found[scan.edge()["by"].as_int64().value()].edges;
  }
  for (const NodeId hub : hubs) {
    for (const std::int64_t by : list_of(view, hub, "marks")) {
      ++found[by].marks;
    }
  }
  EXPECT_GT(expected.size(), 50U);
  EXPECT_EQ(found, expected);
}

// --- dirty writes and reads --------------------------------------------------------------------

TEST_P(LdbcAcid, G0_WritesOfTwoTransactionsNeverMix) {
  const NodeId one = person({{"history", Value(List{})}});
  const NodeId two = person({{"history", Value(List{})}});
  const auto edge = store->create_edge(one, "KNOWS", two, {{"history", Value(List{})}});
  ASSERT_TRUE(edge);
  clients(8, [&](int client) {
    for (int i = 0; i < 60; ++i) {
      const std::int64_t name = client * 100 + i;
      transact([&](Transaction& tx) -> Status {
        SELVEDGE_TRY(append_to(tx, client % 2 == 0 ? one : two, "history", name));
        std::this_thread::yield();
        SELVEDGE_TRY(append_to(tx, *edge, "history", name));
        return append_to(tx, client % 2 == 0 ? two : one, "history", name);
      });
    }
  });
  const auto view = store->read();
  Numbers all = list_of(view, one, "history");
  EXPECT_EQ(list_of(view, two, "history"), all);
  EXPECT_EQ(list_of(view, *edge, "history"), all);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
  EXPECT_EQ(all.size(), 480U) << "each of the committed ones, once";
}

TEST_P(LdbcAcid, G1a_NobodySeesWhatWasRolledBack) {
  DirtyReads game({person({{"version", 1}}), person({{"version", 1}})});
  clients(DirtyReads::clients, [&](int client) {
    for (int round = 0; round < DirtyReads::rounds; ++round) {
      if (DirtyReads::writes(client)) {
        {
          auto tx = store->begin();
          EXPECT_TRUE(tx && tx->set(game.own(client), "version", 2));
          game.meet();
          game.meet();
          if (round % 2 == 0) {
            EXPECT_TRUE(tx->abort("as planned"));
          }
        }
        game.meet();
      } else {
        game.meet();
        look(round, [&](const Reader& reader) {
          game.expect_odd(reader);
          game.meet();
          game.expect_odd(reader);  // it is being rolled back
          game.meet();
          game.expect_odd(reader);
        });
        look(round + 1, [&](const Reader& reader) { game.expect_odd(reader); });
      }
    }
  });
}

TEST_P(LdbcAcid, G1b_NobodySeesWhatWasOverwrittenBeforeItsCommit) {
  DirtyReads game({person({{"version", 1}}), person({{"version", 1}})});
  clients(DirtyReads::clients, [&](int client) {
    for (int round = 0; round < DirtyReads::rounds; ++round) {
      if (DirtyReads::writes(client)) {
        auto tx = store->begin();
        EXPECT_TRUE(tx && tx->set(game.own(client), "version", 2 * round + 2));
        game.meet();
        game.meet();
        EXPECT_TRUE(tx->set(game.own(client), "version", 2 * round + 3));
        EXPECT_TRUE(tx->commit());
        game.meet();
      } else {
        game.meet();
        look(round, [&](const Reader& reader) { game.expect_odd(reader); });
        game.meet();
        look(round, [&](const Reader& reader) { game.expect_odd(reader); });
        game.meet();
        look(round, [&](const Reader& reader) { game.expect_odd(reader); });
      }
    }
  });
}

TEST_P(LdbcAcid, G1c_InformationNeverFlowsInACircle) {
  const std::array<NodeId, 2> persons{person({{"version", 0}}), person({{"version", 0}})};
  constexpr int rounds = 200;
  Meeting meeting(2);
  std::array<std::array<std::int64_t, rounds>, 2> read{};
  clients(2, [&](int client) {
    const auto self = static_cast<std::size_t>(client);
    for (int round = 0; round < rounds; ++round) {
      const std::int64_t name = 1 + 2 * round + client;
      bool met = false;
      transact([&](Transaction& tx) -> Status {
        SELVEDGE_TRY(tx.set(persons[self], "version", name));
        if (!met) {
          met = true;
          meeting.arrive_and_wait();  // both have written, neither has read
        }
        read[self][static_cast<std::size_t>(round)] = number_of(tx, persons[1 - self], "version");
        return {};
      });
    }
  });
  // Who reads what another wrote comes after it: no way leads back.
  std::map<std::int64_t, std::int64_t> from;
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t client = 0; client < 2; ++client) {
      from[1 + 2 * round + static_cast<int>(client)] =
          read[client][static_cast<std::size_t>(round)];
    }
  }
  for (const auto& [name, first] : from) {
    std::int64_t at = first;
    for (std::size_t steps = 0; at != 0; at = from.at(at)) {
      ASSERT_NE(at, name) << "it read, in the end, from itself";
      ASSERT_LE(++steps, from.size());
    }
  }
}

// --- reads that change -------------------------------------------------------------------------

TEST_P(LdbcAcid, IMP_AnItemReadTwiceIsTheSame) {
  const NodeId item = person({{"version", 1}});
  TwoLooks game(2, 3);
  clients(5, [&](int client) {
    if (!game.reads(client)) {
      game.write([&] {
        transact([&](Transaction& tx) {
          return tx.set(item, "version", number_of(tx, item, "version") + 1);
        });
      });
      return;
    }
    for (int round = 0; round < TwoLooks::rounds; ++round) {
      look(round, [&](const Reader& reader) {
        game.read(reader, [&](const Reader& r) { return number_of(r, item, "version"); });
      });
    }
  });
  EXPECT_EQ(number_of(store->read(), item, "version"), 1 + 3 * TwoLooks::rounds);
}

TEST_P(LdbcAcid, PMP_APredicateReadTwiceHasTheSameAnswer) {
  const auto post = store->create_node({"Post"});
  ASSERT_TRUE(post);
  TwoLooks game(2, 3);
  clients(5, [&](int client) {
    if (!game.reads(client)) {
      game.write([&] {
        transact([&](Transaction& tx) -> Status {
          SELVEDGE_TRY(const NodeId fan, tx.create_node({"Person"}));
          SELVEDGE_TRY(tx.create_edge(fan, "LIKES", *post));
          return {};
        });
      });
      return;
    }
    for (int round = 0; round < TwoLooks::rounds; ++round) {
      look(round, [&](const Reader& reader) {
        game.read(reader, [&](const Reader& r) {
          Numbers answers;
          answers.push_back(static_cast<std::int64_t>(r.degree(*post, Direction::in, "LIKES")));
          answers.push_back(static_cast<std::int64_t>(r.node_count("Person")));
          answers.push_back(static_cast<std::int64_t>(r.edge_count("LIKES")));
          std::int64_t scanned = 0;
          for (auto cursor = r.nodes("Person"); cursor.next();) {
            ++scanned;
          }
          answers.push_back(scanned);
          EXPECT_TRUE(std::equal(answers.begin() + 1, answers.end(), answers.begin()));
          return answers;
        });
      });
    }
  });
  EXPECT_EQ(store->read().degree(*post, Direction::in), 3U * TwoLooks::rounds);
}

TEST_P(LdbcAcid, OTV_AnObservedTransactionDoesNotVanish) {
  const auto ring = ring_of_four();
  constexpr int rounds = 100;
  Meeting meeting(3);
  clients(3, [&](int client) {
    for (int round = 0; round < rounds; ++round) {
      if (client == 0) {
        auto tx = store->begin();
        EXPECT_TRUE(tx);
        for (std::size_t i = 0; i < ring.size(); ++i) {
          EXPECT_TRUE(tx->set(ring[i], "version", round + 1));
          meeting.arrive_and_wait();
          meeting.arrive_and_wait();
        }
        EXPECT_TRUE(tx->commit());
        meeting.arrive_and_wait();
      } else {
        look(round + client, [&](const Reader& reader) {
          for (std::size_t i = 0; i < ring.size(); ++i) {
            meeting.arrive_and_wait();
            EXPECT_EQ(versions_around(reader, ring[i]), Numbers(5, round));
            meeting.arrive_and_wait();
          }
          meeting.arrive_and_wait();
          EXPECT_EQ(versions_around(reader, ring[0]), Numbers(5, round));
        });
        look(round, [&](const Reader& reader) {
          // The writer may be a round ahead by now; what it commits, it commits as a whole.
          const Numbers seen = versions_around(reader, ring[1]);
          EXPECT_EQ(seen, Numbers(5, seen[0]));
          EXPECT_GT(seen[0], round);
        });
      }
    }
  });
}

TEST_P(LdbcAcid, FR_AReadOfARingIsNeverFractured) {
  const auto ring = ring_of_four();
  constexpr int writes_each = 250;
  std::atomic<int> writing{2};
  clients(5, [&](int client) {
    if (client < 2) {
      for (int i = 0; i < writes_each; ++i) {
        transact([&](Transaction& tx) -> Status {
          for (std::size_t at = 0; at < ring.size(); ++at) {
            const NodeId each = ring[(at + static_cast<std::size_t>(client) * 2) % ring.size()];
            SELVEDGE_TRY(tx.set(each, "version", number_of(tx, each, "version") + 1));
          }
          return {};
        });
      }
      --writing;
      return;
    }
    std::int64_t newest = 0;
    for (int round = 0; round < 20 || writing > 0; ++round) {
      look(round, [&](const Reader& reader) {
        const std::int64_t version = number_of(reader, ring[0], "version");
        for (const NodeId start : ring) {
          EXPECT_EQ(versions_around(reader, start), Numbers(5, version));
        }
        EXPECT_GE(version, newest) << "and time does not go back";
        newest = version;
      });
    }
  });
  EXPECT_EQ(versions_around(store->read(), ring[0]), Numbers(5, 2 * writes_each));
}

// --- lost updates and write skew ---------------------------------------------------------------

TEST_P(LdbcAcid, LU_NoUpdateIsLost) {
  const NodeId one = person({{"friends", 0}});
  constexpr int each = 100;
  constexpr int count = 6;
  clients(count, [&](int) {
    for (int i = 0; i < each; ++i) {
      transact([&](Transaction& tx) -> Status {
        const std::int64_t friends = number_of(tx, one, "friends");
        SELVEDGE_TRY(const NodeId other, tx.create_node({"Person"}));
        SELVEDGE_TRY(tx.create_edge(one, "KNOWS", other));
        return tx.set(one, "friends", friends + 1);
      });
    }
  });
  const auto view = store->read();
  EXPECT_EQ(number_of(view, one, "friends"), count * each);
  EXPECT_EQ(view.degree(one, Direction::out, "KNOWS"), std::uint64_t{count} * each);
}

TEST_P(LdbcAcid, WS_TwoWhoReadBothAndWriteOneEach) {
  constexpr int rounds = 40;
  std::vector<std::array<NodeId, 2>> pairs;
  for (int i = 0; i < rounds; ++i) {
    pairs.push_back({person({{"value", 70}}), person({{"value", 80}})});
  }
  Meeting meeting(2);
  clients(2, [&](int client) {
    for (const auto& pair : pairs) {
      bool met = false;
      transact([&](Transaction& tx) -> Status {
        const std::int64_t sum = number_of(tx, pair[0], "value") + number_of(tx, pair[1], "value");
        if (!met) {
          met = true;
          meeting.arrive_and_wait();
        }
        const NodeId own = pair[static_cast<unsigned>(client)];
        return sum < 100 ? Status{} : tx.set(own, "value", number_of(tx, own, "value") - 100);
      });
    }
  });
  int skewed = 0;
  const auto view = store->read();
  for (const auto& pair : pairs) {
    skewed += number_of(view, pair[0], "value") + number_of(view, pair[1], "value") <= 0 ? 1 : 0;
  }
  EXPECT_EQ(skewed, strict() ? 0 : rounds) << "snapshot isolation lets each of them through";
}

TEST_P(LdbcAcid, WS_ManyOnFewPairs) {
  std::vector<std::array<NodeId, 2>> pairs;
  for (int i = 0; i < 3; ++i) {
    pairs.push_back({person({{"value", 500}}), person({{"value", 500}})});
  }
  clients(4, [&](int client) {
    std::mt19937 random(static_cast<unsigned>(client) + 1);
    for (int i = 0; i < 100; ++i) {
      const auto& pair = pairs[random() % pairs.size()];
      const std::size_t own = random() % 2;
      const bool back = random() % 2 == 0;
      transact([&](Transaction& tx) -> Status {
        const std::int64_t mine = number_of(tx, pair[own], "value");
        const std::int64_t sum = mine + number_of(tx, pair[1 - own], "value");
        std::this_thread::yield();
        if (back) {
          return sum > 900 ? Status{} : tx.set(pair[own], "value", mine + 100);
        }
        return sum < 100 ? Status{} : tx.set(pair[own], "value", mine - 100);
      });
    }
  });
  const auto view = store->read();
  for (const auto& pair : pairs) {
    const std::int64_t sum = number_of(view, pair[0], "value") + number_of(view, pair[1], "value");
    if (strict()) {
      EXPECT_GE(sum, 0);
      EXPECT_LE(sum, 1000);
    }
    EXPECT_EQ(sum % 100, 0);
  }
}

/// Both ask, both find nothing, both write what answers the question.
struct Question {
  const char* name;
  std::function<std::uint64_t(const Reader&, NodeId, int)> ask;
  std::function<Status(Transaction&, NodeId, int)> answer;
};

std::vector<Question> questions() {
  const auto label = [](int round) { return "Leader" + std::to_string(round); };
  return {
      {"a label's count",
       [=](const Reader& r, NodeId, int round) { return r.node_count(label(round)); },
       [=](Transaction& tx, NodeId, int round) -> Status {
         const std::string name = label(round);
         SELVEDGE_TRY(tx.create_node({LabelRef(name)}));
         return {};
       }},
      {"a property among all of a label",
       [](const Reader& r, NodeId, int round) {
         std::uint64_t found = 0;
         for (auto cursor = r.nodes("Person"); cursor.next();) {
           found += cursor.node()["leads"].as_int64() == round ? 1U : 0U;
         }
         return found;
       },
       [](Transaction& tx, NodeId, int round) -> Status {
         SELVEDGE_TRY(tx.create_node({"Person"}, {{"leads", round}}));
         return {};
       }},
      {"a node's edges",
       [](const Reader& r, NodeId hub, int) { return r.degree(hub, Direction::out, "LEADS"); },
       [](Transaction& tx, NodeId hub, int) -> Status {
         SELVEDGE_TRY(const NodeId other, tx.create_node({}));
         SELVEDGE_TRY(tx.create_edge(hub, "LEADS", other));
         return {};
       }},
      {"the edges between two",
       [](const Reader& r, NodeId hub, int) -> std::uint64_t {
         return r.edges_between(hub, hub, "SELF").size();
       },
       [](Transaction& tx, NodeId hub, int) -> Status {
         SELVEDGE_TRY(tx.create_edge(hub, "SELF", hub));
         return {};
       }},
  };
}

TEST_P(LdbcAcid, WS_OfPredicates) {
  constexpr int rounds = 20;
  for (const Question& question : questions()) {
    std::vector<NodeId> hubs;
    for (int i = 0; i < rounds; ++i) {
      hubs.push_back(person({}));
    }
    Meeting meeting(2);
    clients(2, [&](int) {
      for (int round = 0; round < rounds; ++round) {
        const NodeId hub = hubs[static_cast<std::size_t>(round)];
        bool met = false;
        transact([&](Transaction& tx) -> Status {
          const std::uint64_t found = question.ask(tx, hub, round);
          if (!met) {
            met = true;
            meeting.arrive_and_wait();
          }
          return found == 0 ? question.answer(tx, hub, round) : Status{};
        });
      }
    });
    const auto view = store->read();
    for (int round = 0; round < rounds; ++round) {
      EXPECT_EQ(question.ask(view, hubs[static_cast<std::size_t>(round)], round),
                strict() ? 1U : 2U)
          << question.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, LdbcAcid, both_levels, level_name);

}  // namespace
}  // namespace selvedge
