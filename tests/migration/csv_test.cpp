// CSV and GraphML as others write them, and what is wrong with them; DOT.

#include "migration/csv_values.h"
#include "tests/migration/migration_fixture.h"

namespace selvedge {
namespace {

using test::MigrationTest;

class CsvTest : public MigrationTest {
 protected:
  static ImportSource source() { return ImportSource::csv({"/nodes.csv"}, {"/edges.csv"}); }
  void put_pair(const std::string& nodes, const std::string& edges = ":START_ID,:END_ID,:TYPE\n") {
    put("/nodes.csv", nodes);
    put("/edges.csv", edges);
  }
  static Node first(const ReadView& view, std::string_view label) {
    return must(view.get(*view.first(label)));
  }
};

TEST_F(CsvTest, TakesWhatTheBulkToolsOfOthersTake) {
  put("/people.csv",
      "\xef\xbb\xbfpersonId:ID(Person),name,born:int,scores:double[],tags:string[],:LABEL,x:"
      "IGNORE\r\n"
      "1,\"Ada \"\"the\nfirst\"\" Byron\",1815,1.5;2;-Infinity,a;b,Person;Author,what\r\n"
      "2,Charles,,,,Person,\r\n");
  put("/places.csv",
      "id:ID(Place),since:datetime,old:boolean,:LABEL\n1,1840-01-01T12:00:00+01:00,TRUE,Place\n");
  put("/edges.csv",
      ":START_ID(Person),:END_ID(Place),:TYPE,w:float\n1,1,LIVES_IN,0.5\n2,1,LIVES_IN,\n");
  Store store = open();
  const ImportReport report =
      import(store, ImportSource::csv({"/people.csv", "/places.csv"}, {"/edges.csv"}));
  EXPECT_EQ(report.nodes, 3U);
  EXPECT_EQ(report.edges, 2U);
  const ReadView view = store.read();
  const Node ada = first(view, "Author");
  EXPECT_EQ(ada["name"].as_string(), "Ada \"the\nfirst\" Byron");
  EXPECT_EQ(ada["born"].as_int64(), 1815);
  EXPECT_EQ(ada["personId"].as_string(), "1");
  EXPECT_EQ(ada["scores"].to_value(),
            Value(List{Value(1.5), Value(2.0), Value(-std::numeric_limits<double>::infinity())}));
  EXPECT_EQ(ada["tags"].to_value(), Value(List{Value("a"), Value("b")}));
  EXPECT_FALSE(ada["x"].present());
  const Node place = first(view, "Place");
  EXPECT_EQ(place["old"].as_bool(), true);
  EXPECT_EQ(place["since"].as_timestamp()->microseconds, -4102405200000000);
  EXPECT_EQ(view.degree(place.id(), Direction::in), 2U);
}

TEST_F(CsvTest, NothingIsNoPropertyAndQuotesAreAnEmptyText) {
  put_pair(":ID,a,b,:LABEL\n1,,\"\",N\n");
  Store store = open();
  import(store, source());
  const ReadView view = store.read();
  EXPECT_FALSE(first(view, "N")["a"].present());
  EXPECT_EQ(first(view, "N")["b"].as_string(), "");
}

TEST_F(CsvTest, FilesWithoutTypesAreGivenAHeader) {
  put_pair("iata,lat\nABE,40.5\n", "from,to\nABE,ABE\n");
  ImportOptions options = import_options();
  options.csv_nodes_header = "iata:ID,lat:double";
  options.csv_edges_header = ":START_ID,:END_ID";
  options.default_label = "Airport";
  options.default_type = "ROUTE";
  Store store = open();
  import(store, source(), options);
  const ReadView view = store.read();
  EXPECT_EQ(first(view, "Airport")["lat"].as_float64(), 40.5);
  EXPECT_EQ(view.edge_count("ROUTE"), 1U);
}

TEST_F(CsvTest, OtherDelimitersAreTaken) {
  put_pair("x:ID|l:string[]|:LABEL\n'1|1'|a+b|N\n", ":START_ID|:END_ID|:TYPE\n'1|1'|'1|1'|T\n");
  ImportOptions options = import_options();
  options.csv = {'|', '+', '\''};
  Store store = open();
  EXPECT_EQ(import(store, source(), options).edges, 1U);
  EXPECT_EQ(first(store.read(), "N")["x"].as_string(), "1|1");
}

TEST_F(CsvTest, BadRowsAreNamedByTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "/nodes.csv:1: not a table"},
      {"name\nAda\n", "/nodes.csv:1: these are not the columns of nodes"},
      {":ID,:START_ID\n", "/nodes.csv:1: these are not the columns of nodes"},
      {":ID,:KIND\n", "/nodes.csv:1:5: the column's kind is unknown"},
      {":ID,a:point\n", "/nodes.csv:1:5: the column's type is unknown"},
      {":ID,a,a:long\n", "/nodes.csv:1:7: a column comes twice"},
      {":ID,a\n1\n",
       "/nodes.csv:2: the number of fields is not that of the columns: expected 2, found 1"},
      {":ID,a\n1,2,3\n", "/nodes.csv:2: the number of fields"},
      {":ID,a:long\n1,2\n2,x\n", "/nodes.csv:3:3: column \"a\": not a whole number"},
      {":ID,a:long\n1,9223372036854775808\n", "/nodes.csv:2:3: column \"a\""},
      {":ID,a:double\n1,1e999\n", "/nodes.csv:2:3: column \"a\""},
      {":ID,a:boolean\n1,yes\n", "/nodes.csv:2:3: column \"a\": not a boolean"},
      {":ID,a:datetime\n1,2023-02-30T00:00:00\n", "/nodes.csv:2:3: column \"a\": not a time"},
      {":ID,a:bytes\n1,0\n", "/nodes.csv:2:3: column \"a\": not bytes"},
      {":ID,a:json\n1,{\n", "/nodes.csv:2:3: column \"a\": not JSON"},
      {":ID,a:long[]\n1,1;;2\n", "/nodes.csv:2:3: column \"a\": not a whole number"},
      {":ID,a\n,2\n", "/nodes.csv:2:1: an id or type is missing"},
      {":ID,a\n1,a\"b\n", "/nodes.csv:2:4: a quote inside of a field without quotes"},
      {":ID,a\n1,\"a\"b\n", "/nodes.csv:2:6: text behind a closing quote"},
      {":ID,a\n1,\"a\n\nb", "/nodes.csv:2:3: the file ends inside of quotes"},
      {":ID,a\n1,\xff\n", "/nodes.csv:2:3: the field is not valid UTF-8"},
      {":ID\n1\n1\n", "/nodes.csv:3: the id comes twice"},
  };
  for (const auto& [nodes, message] : cases) {
    put_pair(nodes);
    const std::string found = refusal(source());
    EXPECT_TRUE(found.starts_with(message)) << nodes << "\n" << found;
  }
  put_pair(":ID\n1\n", ":START_ID,:END_ID,:TYPE\n1,2,T\n");
  EXPECT_TRUE(refusal(source()).starts_with("/edges.csv:2: no such node"));
  put_pair(":ID\n1\n", ":START_ID,:TYPE\n1,T\n");
  EXPECT_TRUE(refusal(source()).starts_with("/edges.csv:1: these are not the columns of edges"));
}

TEST_F(CsvTest, BadRowsCanBeCollectedAndTheNextOneIsRead) {
  put_pair(":ID,a:long\n1,x\n2,\"3\"4\n3,5\n" + std::string(3000, 'x') + "\n4,6\n",
           ":START_ID,:END_ID,:TYPE\n3,4,T\n1,4,T\n");
  ImportOptions options = import_options();
  options.skip_bad = true;
  options.record_bytes_max = 100;
  Store store = open();
  const ImportReport report = import(store, source(), options);
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 1U);
  EXPECT_EQ(report.bad_count, 4U);
}

TEST_F(CsvTest, TimesAreReadToTheMicrosecond) {
  const std::vector<std::pair<std::string, std::optional<std::int64_t>>> cases{
      {"1970-01-01T00:00:00Z", 0},
      {"1970-01-01T00:00:00", 0},
      {"1969-12-31T23:59:59.999999Z", -1},
      {"2000-02-29T00:00:00.5+00:30", 951780600500000},
      {"2001-02-29T00:00:00Z", std::nullopt},
      {"1970-01-01T24:00:00Z", std::nullopt},
      {"1970-01-01", std::nullopt},
      {"1970-01-01T00:00:00.Z", std::nullopt},
      {"1970-01-01T00:00:00+1:00", std::nullopt},
  };
  for (const auto& [text, micros] : cases) {
    const auto found = migration::parse_datetime(text);
    EXPECT_EQ(found ? std::optional(found->microseconds) : std::nullopt, micros) << text;
  }
}

// --- GraphML -------------------------------------------------------------------------------------

class GraphmlTest : public MigrationTest {
 protected:
  static ImportSource source() { return ImportSource::graphml("/g"); }
  void put_graph(const std::string& inside, const std::string& keys = {}) {
    put("/g", "<?xml version=\"1.0\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">" +
                  keys + "<graph id=\"G\" edgedefault=\"directed\">\n" + inside +
                  "</graph></graphml>");
  }
};

TEST_F(GraphmlTest, TakesWhatOthersWrite) {
  put_graph(
      "<desc>with <b>something</b> in it</desc><edge source='a' target='b'><data "
      "key='w'>2.5</data></edge>"
      "<node id='a' labels=':Person:Author'><data key='c'>red</data></node><node id='b'/>"
      "<edge source='b' target='a' label='KNOWS'/>",
      "<key id='c' for='node' attr.name='color' attr.type='string'><default>yellow</default></key>"
      "<key id='w' for='edge' attr.name='weight' attr.type='double'/>");
  Store store = open();
  const ImportReport report = import(store, source());
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 2U);
  const ReadView view = store.read();
  const Node author = must(view.get(*view.first("Author")));
  EXPECT_EQ(author["color"].as_string(), "red");
  const NodeId other = view.neighbours(author.id(), Direction::out).at(0);
  EXPECT_EQ(must(view.get(other))["color"].as_string(), "yellow");
  EXPECT_EQ(must(view.get(*view.edge_between(author.id(), other, "EDGE")))["weight"].as_float64(),
            2.5);
}

TEST_F(GraphmlTest, BadDocumentsAreNamedByTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"<node/>", "/g:3:1: an attribute is missing: expected id"},
      {"<edge source='a'/>", "/g:3:1: an attribute is missing: expected target"},
      {"<node id='a'><data key='k'>1</data></node>", "data of an unknown key"},
      {"<node id='a'>\n<port name='x'/></node>", "/g:4:1: an element that is not taken here"},
      {"<hyperedge/>", "/g:3:1: an element that is not taken here"},
      {"<node id='a'></edge>", "not XML"},
      {"<node id='a' id='b'/>", "not XML"},
      {"<node id='a'/><node id='a'/>", "/g:3:15: the id comes twice"},
      {"<node id='a'/><edge source='a' target='b'/>", "/g:3:15: no such node"},
      {"<node id='\xff'/>", "not XML"},
      {"<node id='a' labels='[1]'/>", "/g:3:1: labels"},
  };
  for (const auto& [inside, message] : cases) {
    put_graph(inside);
    const std::string found = refusal(source());
    EXPECT_NE(found.find(message), std::string::npos) << inside << "\n" << found;
  }
  put_graph("<node id='a'><data key='k'>x</data></node>",
            "<key id='k' for='node' attr.name='n' attr.type='int'/>");
  EXPECT_NE(refusal(source()).find("property \"n\": not a whole number"), std::string::npos);
  put_graph("", "<key id='k' for='node' attr.name='n' attr.type='colour'/>");
  EXPECT_NE(refusal(source()).find("its type is unknown"), std::string::npos);
}

TEST_F(GraphmlTest, OtherThingsAreRefused) {
  for (const char* const text : {"", "text", "<html/>", "<graphml/>", "<graphml><graph>",
                                 "<!DOCTYPE g [<!ENTITY e \"x\">]><graphml><graph/></graphml>"}) {
    put("/g", text);
    EXPECT_FALSE(refusal(source()).empty()) << text;
  }
}

TEST_F(GraphmlTest, HugeElementsAreRefused) {
  ImportOptions options = import_options();
  options.record_bytes_max = 100'000;
  put_graph("<node id='a'><data key='k'>" + std::string(300'000, 'x') + "</data></node>",
            "<key id='k' for='node' attr.name='n'/>");
  EXPECT_NE(refusal(source(), options).find("too long"), std::string::npos);
  put_graph("<node id='" + std::string(1'000'000, 'x') + "'/>");
  EXPECT_NE(refusal(source(), options).find("too long"), std::string::npos);
}

TEST_F(GraphmlTest, BadElementsCanBeCollected) {
  put_graph("<node id='a'/><node/><node id='b'/><edge source='a' target='b'/><edge/>");
  ImportOptions options = import_options();
  options.skip_bad = true;
  Store store = open();
  const ImportReport report = import(store, source(), options);
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 1U);
  EXPECT_EQ(report.bad_count, 2U);
  EXPECT_EQ(report.bad.size(), 2U);
}

TEST_F(MigrationTest, DotShowsNodesAndEdges) {
  Store store = open();
  const NodeId a = must(store.create_node({"N", "M"}, {{"name", "a \"quoted\" \\ name"}}));
  const NodeId b = must(store.create_node(Labels{}));
  must(store.create_edge(a, "KNOWS", b));
  ExportOptions options = export_options();
  options.dot_label = "name";
  const ReadView view = store.read();
  must(export_dot(view, "/out.dot", options));
  const std::string one = std::to_string(a.value);
  const std::string two = std::to_string(b.value);
  EXPECT_EQ(get("/out.dot"),
            "digraph graph_ {\n  " + one + " [label=\"a \\\"quoted\\\" \\\\ name\"];\n  " + two +
                " [label=\"" + two + "\"];\n  " + one + " -> " + two + " [label=\"KNOWS\"];\n}\n");
}

}  // namespace
}  // namespace selvedge
