// What is written can be read: the same graph, bit by bit, for every type of value.

#include <array>
#include <functional>
#include <set>

#include "tests/migration/migration_fixture.h"

namespace selvedge {
namespace {

using test::MigrationTest;
using test::ValueMaker;

class RoundTrip : public MigrationTest {
 protected:
  Result<ExportReport> write(const Store& store) {
    const ReadView view = store.read();
    switch (format_) {
      case GraphFormat::csv: return export_csv(view, "/nodes.csv", "/edges.csv", export_options());
      case GraphFormat::graphml: return export_graphml(view, "/graph", export_options());
      default: return export_jsonl(view, "/graph", export_options());
    }
  }
  [[nodiscard]] ImportSource source() const {
    switch (format_) {
      case GraphFormat::csv: return ImportSource::csv({"/nodes.csv"}, {"/edges.csv"});
      case GraphFormat::graphml: return ImportSource::graphml("/graph");
      default: return ImportSource::jsonl("/graph");
    }
  }
  /// The graph again, in another store.
  void expect_the_same(const Store& from, const std::string& into) {
    must(write(from));
    Store to = open(into);
    ImportOptions options = import_options();
    options.batch_records = 7;
    import(to, source(), options);
    EXPECT_EQ(digest(to), digest(from));
    EXPECT_EQ(to.read().edge_count(), from.read().edge_count());
  }
  GraphFormat format_ = GraphFormat::jsonl;
};

class EveryFormat : public RoundTrip {
 protected:
  static constexpr std::array all{GraphFormat::jsonl, GraphFormat::csv, GraphFormat::graphml};
};

TEST_F(EveryFormat, KeepsEveryValue) {
  const ValueMaker values(1);
  for (const GraphFormat format : all) {
    format_ = format;
    for (std::size_t i = 0; i < values.corners(); ++i) {
      const std::string name = std::string(to_string(format)) + std::to_string(i);
      SCOPED_TRACE(name);
      Store store = open("/from-" + name);
      must(store.create_node({"N"}, {{"v", values.corner(i)}}));
      expect_the_same(store, "/to-" + name);
    }
  }
}

TEST_F(EveryFormat, KeepsRandomGraphs) {
  for (const GraphFormat format : all) {
    format_ = format;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const std::string name = std::string(to_string(format)) + std::to_string(seed);
      SCOPED_TRACE(name);
      Store store = open("/from-" + name);
      fill(store, seed, 60);
      expect_the_same(store, "/to-" + name);
    }
  }
}

TEST_F(EveryFormat, KeepsAnEmptyGraph) {
  for (const GraphFormat format : all) {
    format_ = format;
    const std::string name(to_string(format));
    SCOPED_TRACE(name);
    expect_the_same(open("/from-" + name), "/to-" + name);
  }
}

TEST_F(EveryFormat, WritesTheSameBytesForTheSameGraph) {
  for (const GraphFormat format : all) {
    format_ = format;
    Store store = open("/from-" + std::string(to_string(format)));
    fill(store, 3, 30);
    const std::string path = format == GraphFormat::csv ? "/nodes.csv" : "/graph";
    must(write(store));
    const std::string once = get(path);
    must(write(store));
    EXPECT_EQ(get(path), once);
  }
}

TEST_F(RoundTrip, JsonLinesKeepSchemaAndEmbeddings) {
  Store store = open();
  fill(store, 9, 40);
  must(store.create_schema(SchemaSpec::node_unique("Node", {"number"})));
  must(store.create_schema(SchemaSpec::edge_index("T", {"i"}, IndexKind::hash)));
  must(store.create_schema(SchemaSpec::node_type("Node", "number", ValueType::int64)));
  must(store.create_schema(SchemaSpec::node_exists("Node", {"number"})));
  const NodeId node = *store.read().first("Node");
  must(store.set_embedding(node, "small", std::vector<float>{1.5F, -0.0F}));
  must(store.set_embedding(node, "$large \"one\"", std::vector<float>(1000, 0.25F)));
  expect_the_same(store, "/to");
}

TEST_F(RoundTrip, ExportsSayWhatTheyLeaveOut) {
  Store store = open();
  const NodeId node = must(store.create_node({"N"}, {{"v", 1}}));
  must(store.create_schema(SchemaSpec::node_unique("N", {"v"})));
  must(store.set_embedding(node, "e", std::vector<float>{1.0F}));
  format_ = GraphFormat::csv;
  const ExportReport report = must(write(store));
  EXPECT_EQ(report.embeddings_left_out, 1U);
  EXPECT_EQ(report.schema_left_out, 1U);
  EXPECT_EQ(report.nodes, 1U);
}

// --- the digest ----------------------------------------------------------------------------------

TEST_F(MigrationTest, TheDigestDoesNotSeeIdsOrTheOrderOfNames) {
  Store a = open("/a");
  Store b = open("/b");
  const NodeId one = must(a.create_node({"N"}, {{"v", 1}, {"w", 2}}));
  const NodeId two = must(a.create_node({"M"}));
  must(a.create_edge(one, "E", two));
  must(b.delete_node(must(b.create_node({"X"}, {{"w", 1}}))));
  const NodeId second = must(b.create_node({"M"}));
  const NodeId first = must(b.create_node({"N"}, {{"w", 2}, {"v", 1}}));
  must(b.create_edge(first, "E", second));
  EXPECT_EQ(digest(a), digest(b));
}

TEST_F(MigrationTest, TheDigestSeesEachDifference) {
  const auto digest_of = [&](const std::function<void(Store&, NodeId, NodeId)>& change) {
    static int number = 0;
    Store store = open("/digest" + std::to_string(number++));
    const NodeId a = must(store.create_node({"N"}, {{"v", 1}}));
    const NodeId b = must(store.create_node({"N"}, {{"v", 2}}));
    must(store.create_edge(a, "E", b, {{"w", 1}}));
    change(store, a, b);
    return digest(store);
  };
  const std::string same = digest_of([](Store&, NodeId, NodeId) {});
  std::set<std::string> seen{same};
  const std::vector<std::function<void(Store&, NodeId, NodeId)>> changes{
      [](Store& s, NodeId a, NodeId) { must(s.set(a, "v", 1.0)); },
      [](Store& s, NodeId a, NodeId) { must(s.set(a, "v", "1")); },
      [](Store& s, NodeId a, NodeId) { must(s.set(a, "w", nullptr)); },
      [](Store& s, NodeId a, NodeId) { must(s.add_label(a, "M")); },
      [](Store& s, NodeId a, NodeId b) {
        must(s.create_edge(a, "E", b, {{"w", 1}}));
      },
      [](Store& s, NodeId a, NodeId b) { must(s.create_edge(b, "E", a)); },
      [](Store& s, NodeId a, NodeId b) { must(s.create_edge(a, "F", b)); },
      [](Store& s, NodeId a, NodeId) { must(s.create_edge(a, "E", a)); },
      [](Store& s, NodeId a, NodeId) { must(s.set_embedding(a, "e", std::vector<float>{1.0F})); },
      [](Store& s, NodeId, NodeId b) { must(s.set_embedding(b, "e", std::vector<float>{1.0F})); },
      [](Store& s, NodeId, NodeId) { must(s.create_schema(SchemaSpec::node_index("N", {"v"}))); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_TRUE(seen.insert(digest_of(changes[i])).second) << "change " << i << " is not seen";
  }
}

TEST_F(MigrationTest, TheDigestSeesWhichOfTwoAlikeNodesIsJoined) {
  // A path of four and a star of four: the same nodes, as many edges.
  Store path = open("/path");
  Store star = open("/star");
  std::vector<NodeId> p;
  std::vector<NodeId> s;
  for (int i = 0; i < 4; ++i) {
    p.push_back(must(path.create_node({"N"})));
    s.push_back(must(star.create_node({"N"})));
  }
  for (std::size_t i = 0; i + 1 < 4; ++i) {
    must(path.create_edge(p[i], "E", p[i + 1]));
    must(star.create_edge(s[0], "E", s[i + 1]));
  }
  EXPECT_NE(digest(path), digest(star));
}

}  // namespace
}  // namespace selvedge
