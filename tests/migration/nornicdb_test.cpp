// Stores of NornicDB: files that its own code has written, and others made from them.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/crc32c.h"
#include "migration/nornic_log.h"
#include "tests/migration/migration_fixture.h"

namespace selvedge {
namespace {

using test::MigrationTest;

std::string base64(std::string_view text) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      result += at + i > text.size() ? '=' : alphabet[bits >> (18 - 6 * i) & 63];
    }
  }
  return result;
}

class NornicDb : public MigrationTest {
 protected:
  static constexpr const char* root = "/nornic";

  /// A store that lies with the tests.
  void copy(const std::string& name) {
    const std::filesystem::path from =
        std::filesystem::path(SELVEDGE_TEST_DATA) / "migration/data/nornicdb" / name;
    make_directory(root);
    for (const auto& each : std::filesystem::recursive_directory_iterator(from)) {
      const std::string to =
          std::string(root) + "/" + std::filesystem::relative(each.path(), from).string();
      if (each.is_directory()) {
        make_directory(to);
      } else {
        std::ifstream in(each.path(), std::ios::binary);
        put(to, std::string{std::istreambuf_iterator<char>(in), {}});
      }
    }
  }
  void make_directory(const std::string& path) {
    const Status made = files.mkdir(path);
    ASSERT_TRUE(made || made.error().code() == ErrorCode::already_exists);
  }
  ImportSource source() const { return ImportSource::nornicdb(root); }
  static std::string payload(std::uint64_t sequence, const std::string& op,
                             const std::string& data) {
    return R"({"seq":)" + std::to_string(sequence) + R"(,"ts":"2023-11-14T22:13:20Z","op":")" + op +
           R"(","data":")" + base64(data) + R"(","checksum":)" +
           std::to_string(base::crc32c(as_bytes(data))) + "}";
  }
  static std::string line(std::uint64_t sequence, const std::string& op, const std::string& data) {
    return payload(sequence, op, data) + "\n";
  }
  static std::string record(std::uint64_t sequence, const std::string& op,
                            const std::string& data) {
    const std::string text = payload(sequence, op, data);
    std::string bytes = "WALE\x02" + number(text.size()) + text +
                        number(base::crc32c(as_bytes(text))) + "\xce\xfa\xed\xfe\xef\xbe\xad\xde";
    bytes.resize((bytes.size() + 7) / 8 * 8);
    return bytes;
  }
  static std::string number(std::uint64_t value) {
    std::string text(4, '\0');
    store_le(reinterpret_cast<std::byte*>(text.data()), static_cast<std::uint32_t>(value));
    return text;
  }
  static std::string node(const std::string& id, int value) {
    return R"({"id":")" + id + R"(","labels":["L"],"properties":{"v":)" + std::to_string(value) +
           "}}";
  }
  static std::string with_node(const std::string& id, int value, const std::string& more = {}) {
    return R"({"node":)" + node(id, value) + more + "}";
  }
  void put_log(const std::string& text) {
    make_directory(root);
    make_directory(std::string(root) + "/wal");
    put(std::string(root) + "/wal/wal.log", text);
  }
  static std::optional<Value> value(const Store& store, const std::string& id) {
    const ReadView view = store.read();
    const auto found = must(view.find_node("NornicNode", "nornic_id", id));
    return found ? std::optional(must(view.get(*found))["v"].to_value()) : std::nullopt;
  }
};

// --- what the other system has written -----------------------------------------------------------

TEST_F(NornicDb, ALegacyLogArrives) {
  copy("legacy");
  Store store = open();
  const ImportReport report = import(store, source());
  EXPECT_EQ(report.nodes, 1U);
  EXPECT_EQ(value(store, "n1"), Value(2));
}

TEST_F(NornicDb, AVersion1StoreArrivesWithItsSnapshot) {
  copy("v1");
  Store store = open();
  const ImportReport report = import(store, source());
  EXPECT_EQ(report.nodes, 1U);
  EXPECT_EQ(report.edges, 1U);
  EXPECT_EQ(value(store, "n1"), Value(2));
  const ReadView view = store.read();
  EXPECT_TRUE(must(view.find_edge("R", "nornic_id", "e0")));
}

TEST_F(NornicDb, AVersion2StoreArrivesWithWhatCommittedAndNothingElse) {
  copy("v2");
  Store store = open();
  const ImportReport report = import(store, source());
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 1U);
  EXPECT_EQ(value(store, "nornic:b1"), Value(2));
  EXPECT_EQ(value(store, "nornic:b2"), Value("a<b>&\u2028\u00e9"));
  EXPECT_FALSE(value(store, "nornic:ghost"));
  EXPECT_FALSE(value(store, "nornic:s1"));
  const ReadView view = store.read();
  const auto edge = must(view.find_edge("KNOWS", "nornic_id", "nornic:e1"));
  ASSERT_TRUE(edge);
  EXPECT_EQ(must(view.get(*edge))["w"].as_float64(), 0.5);
  EXPECT_EQ(report.notes.size(), 1U);  // the transaction without an end
}

TEST_F(NornicDb, IdsAreUniqueFromThenOn) {
  copy("v2");
  Store store = open();
  import(store, source());
  const auto twin = store.create_node({"NornicNode"}, {{"nornic_id", "nornic:b1"}});
  ASSERT_FALSE(twin);
  EXPECT_EQ(twin.error().code(), ErrorCode::constraint_violated);
}

TEST_F(NornicDb, OneDatabaseOfSeveralArrivesWithoutItsName) {
  copy("v2");
  Store store = open();
  ImportOptions options = import_options();
  options.database = "nornic";
  import(store, source(), options);
  EXPECT_EQ(value(store, "b1"), Value(2));
  Store other = open("/other");
  options.database = "another";
  EXPECT_EQ(import(other, source(), options).nodes, 0U);
}

// --- order and transactions ----------------------------------------------------------------------

TEST_F(NornicDb, EntriesCountInTheOrderOfTheirSequences) {
  put_log(line(1, "create_node", with_node("a", 1)) + line(3, "update_node", with_node("a", 3)) +
          line(2, "update_node", with_node("a", 2)) + line(5, "update_node", with_node("a", 5)) +
          line(4, "update_node", with_node("a", 4)));
  Store store = open();
  import(store, source());
  EXPECT_EQ(value(store, "a"), Value(5));
}

TEST_F(NornicDb, ATransactionHappensAtItsCommit) {
  put_log(record(1, "create_node", with_node("a", 1)) + record(2, "tx_begin", R"({"tx_id":"t"})") +
          record(3, "update_node", with_node("a", 3, R"(,"tx_id":"t")")) +
          record(4, "update_node", with_node("a", 4)) +
          record(5, "tx_commit", R"({"tx_id":"t","op_count":1})"));
  Store store = open();
  const ImportReport report = import(store, source());
  EXPECT_EQ(value(store, "a"), Value(3));
  EXPECT_TRUE(report.notes.empty());
}

TEST_F(NornicDb, BulkOperationsAndDeletesArrive) {
  put_log(
      record(1, "bulk_create_nodes",
             R"({"nodes":[)" + node("a", 1) + ",null," + node("b", 2) + "," + node("c", 3) + "]}") +
      record(2, "bulk_create_edges",
             R"({"edges":[{"id":"x","startNode":"a","endNode":"b","type":"T","properties":null},)"
             R"({"id":"y","startNode":"b","endNode":"c","type":"T","properties":{}},)"
             R"({"id":"z","startNode":"c","endNode":"a","type":"U","properties":{}}]})") +
      record(3, "bulk_delete_nodes", R"({"ids":["c","never"]})") +
      record(
          4, "update_edge",
          R"({"edge":{"id":"x","startNode":"b","endNode":"a","type":"U","properties":{"w":1}}})") +
      record(5, "bulk_delete_edges", R"({"ids":["gone"]})"));
  Store store = open();
  const ImportReport report = import(store, source());
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 1U);
  const ReadView view = store.read();
  EXPECT_EQ(view.edge_count(), 1U);
  const Edge edge = must(view.get(*must(view.find_edge("U", "nornic_id", "x"))));
  EXPECT_EQ(must(view.get(edge.source()))["nornic_id"].as_string(), "b");
  EXPECT_EQ(edge["w"].as_int64(), 1);
}

TEST_F(NornicDb, AnUpdateReplacesLabelsAndProperties) {
  put_log(line(1, "create_node",
               R"({"node":{"id":"a","labels":["L","M"],"properties":{"v":1,"w":2}}})") +
          line(2, "update_node", R"({"node":{"id":"a","labels":["N"],"properties":{"w":3}}})"));
  Store store = open();
  import(store, source());
  const ReadView view = store.read();
  const Node node = must(view.get(*view.first("N")));
  EXPECT_FALSE(node.has_label("L"));
  EXPECT_FALSE(node["v"].present());
  EXPECT_EQ(node["w"].as_int64(), 3);
}

TEST_F(NornicDb, NumbersAreWhatTheyWere) {
  put_log(
      line(1, "create_node",
           R"({"node":{"id":"a","labels":null,"properties":{"large":9007199254740993,)"
           R"("double":100000000000000000000,"half":0.5,"map":{"$bytes":"00"},"none":null}}})"));
  Store store = open();
  import(store, source());
  const ReadView view = store.read();
  const Node node = must(view.get(*view.first("NornicNode")));
  EXPECT_EQ(node["large"].to_value(), Value(std::int64_t{9007199254740993}));
  EXPECT_EQ(node["double"].to_value(), Value(1e20));
  EXPECT_EQ(node["map"].to_value(), Value(Map{{"$bytes", Value("00")}}));
  EXPECT_EQ(node["none"].to_value(), Value());
}

// --- damage --------------------------------------------------------------------------------------

TEST_F(NornicDb, ATornTailIsANote) {
  const std::string whole = record(1, "create_node", with_node("a", 1));
  const std::string more = record(2, "create_node", with_node("b", 1));
  for (std::size_t cut = 1; cut < more.size(); cut += 7) {
    put_log(whole + more.substr(0, cut));
    Store store = open("/torn" + std::to_string(cut));
    const ImportReport report = import(store, source());
    EXPECT_EQ(report.nodes, 1U);
    ASSERT_EQ(report.notes.size(), 1U);
    EXPECT_EQ(report.notes[0], "/nornic/wal/wal.log @" + std::to_string(whole.size()) +
                                   ": a torn tail of " + std::to_string(cut) +
                                   " bytes is left out");
  }
}

TEST_F(NornicDb, EachFlippedByteOfARecordIsFoundAtItsPlace) {
  const std::string first = record(1, "create_node", with_node("a", 1));
  const std::string text = first + record(2, "create_node", with_node("b", 2)) +
                           record(3, "create_node", with_node("c", 3));
  for (std::size_t at = 0; at < first.size(); at += 5) {
    std::string damaged = text;
    damaged[first.size() + at] = static_cast<char>(damaged[first.size() + at] ^ 0x11);
    put_log(damaged);
    const std::string message = refusal(source());
    EXPECT_NE(message.find("/nornic/wal/wal.log @" + std::to_string(first.size()) + ":"),
              std::string::npos)
        << at << ": " << message;
  }
}

TEST_F(NornicDb, WhatIsDamagedCanBePassedOver) {
  std::string text = record(1, "create_node", with_node("a", 1));
  const std::size_t second = text.size();
  text += record(2, "create_node", with_node("b", 2)) + record(3, "create_node", with_node("c", 3));
  text[second + 20] = 'X';
  put_log(text);
  Store store = open();
  ImportOptions options = import_options();
  options.skip_bad = true;
  const ImportReport report = import(store, source(), options);
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.bad_count, 2U);  // the record, and that an entry is missing
  ASSERT_EQ(report.bad.size(), 2U);
  EXPECT_EQ(report.bad[0].offset, second);
  EXPECT_EQ(report.bad[0].path, "/nornic/wal/wal.log");
}

TEST_F(NornicDb, MissingEntriesAndSegmentsAreDamage) {
  put_log(line(1, "create_node", with_node("a", 1)) + line(3, "create_node", with_node("b", 1)));
  EXPECT_NE(refusal(source()).find("entries are missing: expected 2, found 3"), std::string::npos);
  copy("v2");
  must(files.unlink(std::string(root) +
                    "/wal/segments/seg-00000000000000000005-00000000000000000008.wal"));
  EXPECT_NE(refusal(source()).find("a segment of the manifest is missing"), std::string::npos);
}

TEST_F(NornicDb, ADamagedSnapshotIsDamageAndAnOlderOneMayDo) {
  copy("v2");
  const std::string folder = std::string(root) + "/snapshots/";
  put(folder + "snapshot-20991231-000000.json", R"({"sequence":9,"nodes":[)");
  EXPECT_NE(refusal(source()).find("snapshot-20991231-000000.json"), std::string::npos);
  Store store = open();
  ImportOptions options = import_options();
  options.skip_bad = true;
  const ImportReport report = import(store, source(), options);
  EXPECT_EQ(report.bad_count, 1U);
  EXPECT_EQ(value(store, "nornic:b1"), Value(2));
}

TEST_F(NornicDb, AnEdgeWithoutItsNodesLeavesNothing) {
  put_log(line(1, "create_node", with_node("a", 1)) +
          line(2, "create_edge",
               R"({"edge":{"id":"x","startNode":"a","endNode":"b","type":"T","properties":{}}})"));
  const std::string message = refusal(source());
  EXPECT_NE(message.find("no such node"), std::string::npos) << message;
  EXPECT_NE(message.find("wal.log @"), std::string::npos) << message;
}

TEST_F(NornicDb, OtherThingsAreRefusedWithWhatTheyAre) {
  EXPECT_NE(refusal(source()).find("expected a directory, found nothing"), std::string::npos);
  make_directory(root);
  put(std::string(root) + "/notes.txt", "something");
  EXPECT_NE(refusal(source()).find("not a store of NornicDB"), std::string::npos);
  put_log("this is text\nand more\n");
  EXPECT_NE(refusal(source()).find("an entry is not JSON"), std::string::npos);
  put_log(line(1, "rename_node", R"({"id":"a"})"));
  EXPECT_NE(refusal(source()).find("an unknown operation"), std::string::npos);
  put_log(line(1, "create_node", R"({"node":{"id":"a","size":3}})"));
  EXPECT_NE(refusal(source()).find("an unknown member: expected one of the format, found size"),
            std::string::npos);
}

TEST_F(NornicDb, Base64IsStrict) {
  std::string text;
  EXPECT_TRUE(migration::decode_base64("QQ==", text));
  EXPECT_EQ(text, "A");
  for (const char* const bad : {"Q", "QQ=", "QR==", "Q===", "QQ=Q", "Q\nQ="}) {
    EXPECT_FALSE(migration::decode_base64(bad, text)) << bad;
  }
}

}  // namespace
}  // namespace selvedge
