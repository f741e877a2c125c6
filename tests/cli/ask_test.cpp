// get, neighbors, txlog, feed.
#include "tests/cli/cli_fixture.h"

namespace selvedge {
namespace {

class CliAsk : public CliTest {
 protected:
  void SetUp() override { make_people(); }
};

TEST_F(CliAsk, GetShowsOneNodeWithAllThatItHas) {
  const std::string out = good({"get", "people", "node", text(ada)});
  EXPECT_TRUE(has(out, "node " + text(ada) + " :Person")) << out;
  EXPECT_TRUE(has(out, "name   \"Ada\"")) << out;
  EXPECT_TRUE(has(out, "1 in, 1 out")) << out;
  const auto nodes = json_lines({"get", "people", "node", text(ada), text(byron)});
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes[0]["properties"]["born"].GetInt64(), 1816);
  EXPECT_EQ(nodes[1]["labels"].Size(), 2U);
}

TEST_F(CliAsk, GetFindsNodesByLabelAndProperties) {
  EXPECT_EQ(json_lines({"get", "people", "node", "--label", "Person"}).size(), 3U);
  EXPECT_EQ(json_lines({"get", "people", "node", "--label", "Poet"}).size(), 1U);
  EXPECT_EQ(json_lines({"get", "people", "node", "--where", "name=Ada"}).size(), 1U);
  EXPECT_EQ(json_lines({"get", "people", "node", "--where", "born=1816.0"}).size(), 1U);
  const Ran none = run({"get", "people", "node", "--where", "born=\"1816\""});
  EXPECT_EQ(none.exit_code, 3);
  EXPECT_EQ(none.out, "");
  EXPECT_TRUE(has(none.err, "no node matches")) << none.err;
}

TEST_F(CliAsk, GetUsesAnIndexWhereThereIsOne) {
  {
    auto store = Store::open(path("people"), quiet_options());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->create_schema(SchemaSpec::node_index("Person", {"name"})));
    ASSERT_TRUE(store->close());
  }
  const auto found =
      json_lines({"get", "people", "node", "--label", "Person", "--where", "name=Byron"});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0]["id"].GetUint64(), byron.value);
  EXPECT_TRUE(has(good({"stats", "people"}), "index")) << "stats shows the schema";
}

TEST_F(CliAsk, GetShowsTheStoreAsItWas) {
  const auto entries = json_lines({"txlog", "people", "--transaction", to_string(transaction)});
  const std::string before = std::to_string(entries[0]["seq"].GetUint64() - 1);
  const auto then = json_lines({"get", "people", "node", text(ada), "--as-of", before});
  EXPECT_EQ(then[0]["properties"]["born"].GetInt64(), 1815);
  EXPECT_EQ(json_lines({"neighbors", "people", text(ada), "--as-of", before}).size(), 2U);
  EXPECT_EQ(run({"get", "people", "node", text(ada), "--as-of", "999999"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "node", text(ada), "--as-of", "yesterday"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "node", text(ada), "--as-of", "2026-13-01"}).exit_code, 2);
  // Before its first commit the store was empty.
  EXPECT_EQ(run({"get", "people", "node", text(ada), "--as-of", "1999-12-31T23:59"}).exit_code, 3);
  const auto now = json_lines({"get", "people", "node", text(ada), "--as-of", "2999-01-01"});
  EXPECT_EQ(now[0]["properties"]["born"].GetInt64(), 1816);
}

TEST_F(CliAsk, GetSaysThatThereIsMore) {
  const Ran ran = run({"get", "people", "node", "--label", "Person", "--limit", "2"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_TRUE(has(ran.err, "the first 2; there may be more")) << ran.err;
}

TEST_F(CliAsk, GetShowsEdges) {
  const auto edges = json_lines({"get", "people", "edge", text(knows)});
  ASSERT_EQ(edges.size(), 1U);
  EXPECT_EQ(edges[0]["source"].GetUint64(), ada.value);
  EXPECT_EQ(edges[0]["properties"]["since"].GetInt64(), 1833);
  EXPECT_TRUE(has(good({"get", "people", "edge", "--type", "KNOWS"}), "since"));
  EXPECT_EQ(json_lines({"get", "people", "edge", "--where", "since=1833"}).size(), 1U);
}

TEST_F(CliAsk, GetRefusesWhatCannotBeMeant) {
  EXPECT_EQ(run({"get", "people", "node", "12"}).exit_code, 3);
  EXPECT_EQ(run({"get", "people", "node", "twelve"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "node", "99999999999999999999"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "node", "-5"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "thing"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "node", text(ada), "--label", "Person"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "edge", "--label", "Person"}).exit_code, 2);
  EXPECT_EQ(run({"get", "people", "node", "--where", "name"}).exit_code, 2);
}

TEST_F(CliAsk, NeighborsShowsEdgesOfANode) {
  const std::string out = good({"neighbors", "people", text(charles)});
  EXPECT_TRUE(has(out, "-KNOWS->")) << out;
  EXPECT_TRUE(has(out, "<-KNOWS-")) << out;
  EXPECT_EQ(json_lines({"neighbors", "people", text(charles), "--direction", "out"}).size(), 2U);
  EXPECT_EQ(json_lines({"neighbors", "people", text(charles), "--direction", "in"}).size(), 1U);
  EXPECT_EQ(json_lines({"neighbors", "people", text(charles), "--type", "HATES"}).size(), 0U);
}

TEST_F(CliAsk, NeighborsGoesFurther) {
  const auto found = json_lines({"neighbors", "people", "--label", "Person", "--where", "name=Ada",
                                 "--depth", "2", "--direction", "out"});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1]["hops"].GetUint64(), 2U);
  EXPECT_EQ(found[1]["node"]["id"].GetUint64(), byron.value);
}

TEST_F(CliAsk, NeighborsWantsOneNode) {
  EXPECT_EQ(run({"neighbors", "people"}).exit_code, 2);
  const Ran several = run({"neighbors", "people", "--label", "Person"});
  EXPECT_EQ(several.exit_code, 2);
  EXPECT_TRUE(has(several.err, "several nodes match")) << several.err;
  EXPECT_EQ(run({"neighbors", "people", "--label", "Robot"}).exit_code, 3);
  EXPECT_EQ(run({"neighbors", "people", "12"}).exit_code, 3);
}

TEST_F(CliAsk, TxlogShowsEntriesInOrder) {
  const auto entries = json_lines({"txlog", "people"});
  ASSERT_GT(entries.size(), 10U);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(entries[i]["seq"].GetUint64(), i + 1);
  }
  const std::string out = good({"txlog", "people", "--kind", "update_node"});
  EXPECT_TRUE(has(out, "born: 1815 -> 1816, title: \"Countess\" added")) << out;
}

TEST_F(CliAsk, TxlogIsFiltered) {
  const std::uint64_t all = json_lines({"txlog", "people"}).size();
  EXPECT_EQ(json_lines({"txlog", "people", "--from", "3", "--to", "5"}).size(), 3U);
  EXPECT_EQ(json_lines({"txlog", "people", "--limit", "2"}).size(), 2U);
  const auto tail = json_lines({"txlog", "people", "--tail", "2"});
  ASSERT_EQ(tail.size(), 2U);
  EXPECT_EQ(tail[1]["seq"].GetUint64(), all);
  EXPECT_EQ(json_lines({"txlog", "people", "--node", text(ada)}).size(), 2U);
  EXPECT_EQ(json_lines({"txlog", "people", "--edge", text(knows)}).size(), 1U);
  EXPECT_EQ(
      json_lines({"txlog", "people", "--kind", "create_node", "--kind", "create_edge"}).size(), 6U);
}

TEST_F(CliAsk, TxlogShowsOneTransactionByUuidAndByNumber) {
  const auto by_uuid = json_lines({"txlog", "people", "--transaction", to_string(transaction)});
  ASSERT_EQ(by_uuid.size(), 3U);
  EXPECT_EQ(by_uuid[0]["payload"]["metadata"][0][1], "tester");
  const std::string number = std::to_string(by_uuid[0]["txNumber"].GetUint64());
  EXPECT_EQ(json_lines({"txlog", "people", "--transaction", number}).size(), 3U);
  EXPECT_EQ(run({"txlog", "people", "--transaction", "999999"}).exit_code, 3);
  EXPECT_EQ(run({"txlog", "people", "--transaction", to_string(random_uuid())}).exit_code, 3);
  EXPECT_EQ(run({"txlog", "people", "--transaction", "last"}).exit_code, 2);
  EXPECT_EQ(run({"txlog", "people", "--transaction", number, "--from", "1"}).exit_code, 2);
}

TEST_F(CliAsk, FeedShowsCommits) {
  const auto commits = json_lines({"feed", "people"});
  const auto& last = commits.back();
  EXPECT_EQ(last["txId"], to_string(transaction).c_str());
  ASSERT_EQ(last["changes"].Size(), 1U);
  EXPECT_EQ(last["changes"][0]["kind"], "update_node");
  EXPECT_EQ(last["changes"][0]["before"]["properties"]["born"].GetInt64(), 1815);
  const std::string from = std::to_string(last["seq"].GetUint64());
  EXPECT_EQ(json_lines({"feed", "people", "--from", from}).size(), 1U);
  EXPECT_EQ(json_lines({"feed", "people", "--limit", "1"}).size(), 1U);
  EXPECT_TRUE(has(good({"feed", "people"}), "who = tester"));
}

TEST_F(CliAsk, FeedFollowsALiveStore) {
  auto store = Store::open(path("people"), quiet_options());
  ASSERT_TRUE(store);
  const auto next = std::to_string(store->stats().durable.value + 1);
  Process feed(command({"feed", "people", "--from", next, "--follow", "--interval", "5", "--json"}),
               directory.root(), variables);
  // Each commit vouches for the one before.
  ASSERT_TRUE(store->set(ada, "born", 1820));
  ASSERT_TRUE(store->set(ada, "born", 1821));
  EXPECT_TRUE(has(feed.line(), "\"born\":1820"));
  ASSERT_TRUE(store->set(ada, "born", 1822));
  EXPECT_TRUE(has(feed.line(), "\"born\":1821"));
  feed.interrupt();
  EXPECT_EQ(feed.finish().exit_code, 128 + SIGINT);
  EXPECT_TRUE(store->close());
}

TEST_F(CliAsk, HistoryShowsTheVersionsOfAnEntity) {
  const auto versions = json_lines({"history", "people", "node", text(ada)});
  ASSERT_EQ(versions.size(), 2U);
  EXPECT_STREQ(versions[0]["change"]["kind"].GetString(), "create_node");
  EXPECT_EQ(versions[1]["change"]["after"]["properties"]["born"].GetInt64(), 1816);
  EXPECT_STREQ(versions[1]["metadata"][0][1].GetString(), "tester");
  const std::string out = good({"history", "people", "node", text(ada)});
  EXPECT_TRUE(has(out, "who=tester")) << out;
  EXPECT_TRUE(has(out, "born: 1815 -> 1816")) << out;
  EXPECT_EQ(json_lines({"history", "people", "edge", text(knows)}).size(), 1U);
  EXPECT_EQ(run({"history", "people", "node", "12"}).exit_code, 3);
  EXPECT_EQ(run({"history", "people", "node", "ada"}).exit_code, 2);
}

TEST_F(CliAsk, DiffShowsWhatIsDifferentBetweenTwoMoments) {
  const auto entries = json_lines({"txlog", "people", "--transaction", to_string(transaction)});
  const std::string before = std::to_string(entries[0]["seq"].GetUint64() - 1);
  const auto changes = json_lines({"diff", "people", before});
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0]["before"]["properties"]["born"].GetInt64(), 1815);
  EXPECT_EQ(json_lines({"diff", "people", "0", before}).size(), 6U);
  EXPECT_EQ(json_lines({"diff", "people", "1999-12-31", "2999-12-31T00:00:00Z"}).size(), 6U);
  EXPECT_EQ(json({"diff", "people", "0", "--summary"})["create_edge"].GetUint64(), 3U);
  EXPECT_TRUE(has(good({"diff", "people", "0", "--summary"}), "create_node      3"));
  const Ran same = run({"diff", "people", before, before});
  EXPECT_EQ(same.exit_code, 0);
  EXPECT_EQ(same.err, "nothing is different\n");
  EXPECT_EQ(run({"diff", "people", "5", "2"}).exit_code, 2);
  EXPECT_EQ(run({"diff", "people", "0", "999999"}).exit_code, 2);
}

TEST_F(CliAsk, WhatIsNotRetainedIsSaid) {
  {
    Options options = quiet_options();
    options.segment_bytes = 4096;
    auto store = Store::open(path("people"), options);
    ASSERT_TRUE(store);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(store->set(ada, "note", std::string(100, 'x') + std::to_string(i)));
    }
    ASSERT_TRUE(store->close());
  }
  good({"compact", "people", "--set", "segment_bytes=4KiB"});
  const std::uint64_t first = json({"info", "people"})["log"]["first"].GetUint64();
  ASSERT_GT(first, 1U);
  const Ran gone = run({"txlog", "people", "--from", "1"});
  EXPECT_EQ(gone.exit_code, 3);
  EXPECT_TRUE(has(gone.err, "hint: selvedge info")) << gone.err;
  EXPECT_EQ(run({"feed", "people", "--from", "1"}).exit_code, 3);
  good({"txlog", "people"});
  good({"feed", "people"});
}

}  // namespace
}  // namespace selvedge
