// What an import does to a store: all of it, once, or nothing.

#include <selvedge/progress.h>

#include <algorithm>
#include <thread>

#include "tests/migration/migration_fixture.h"

namespace selvedge {
namespace {

using test::Keep;
using test::MemoryFileSystem;
using test::MigrationTest;

constexpr const char* header = "{\"selvedge\":\"graph\",\"version\":1}\n";
constexpr const char* end = "{\"end\":{}}\n";

class ImportTest : public MigrationTest {
 protected:
  static ImportSource source() { return ImportSource::jsonl("/in"); }
  void put_lines(const std::string& lines) { put("/in", header + lines + end); }
  ImportOptions in_batches_of(std::uint32_t records) {
    ImportOptions options = import_options();
    options.batch_records = records;
    return options;
  }
  /// The store after a power failure.
  Store after_crash(Keep keep = Keep::nothing) {
    crashed_.push_back(
        (crashed_.empty() ? disk : *crashed_.back()).crash(keep, crashed_.size() + 1));
    return must(Store::open("/db", small(*crashed_.back())));
  }
  /// So many steps of a new import; false when that was all of them.
  bool steps(Store& store, int count, const ImportOptions& options) {
    Import import(store, source(), options);
    for (int i = 0; i < count; ++i) {
      if (!must(import.step())) {
        return false;
      }
    }
    return true;
  }
  /// Nodes, edges, embeddings, schema: something of everything.
  void put_everything() {
    Store store = open("/everything");
    fill(store, 5, 12);
    must(store.create_schema(SchemaSpec::node_unique("Node", {"number"})));
    must(store.create_schema(SchemaSpec::node_exists("Node", {"number"})));
    for (const float value : {1.0F, 2.0F, 3.0F}) {
      must(store.set_embedding(*store.read().first("Node"), "e" + std::to_string(value),
                               std::vector<float>{value}));
    }
    expected_ = digest(store);
    const ReadView view = store.read();
    must(export_jsonl(view, "/in", export_options()));
  }

  std::string expected_;
  std::vector<std::unique_ptr<MemoryFileSystem>> crashed_;
};

// --- going on ------------------------------------------------------------------------------------

TEST_F(ImportTest, GoesOnAfterACrashAtEachStep) {
  put_everything();
  const ImportOptions options = in_batches_of(5);
  bool more = true;
  for (int count = 0; more; ++count) {
    SCOPED_TRACE(count);
    crashed_.clear();
    MemoryFileSystem fresh;
    {
      Store store = must(Store::open("/db", small(fresh)));
      more = steps(store, count, options);
      crashed_.push_back(fresh.crash(Keep::nothing, 1));
    }
    Store store = must(Store::open("/db", small(*crashed_.back())));
    const ImportReport report = import(store, source(), options);
    EXPECT_EQ(digest(store), expected_);
    EXPECT_EQ(report.nodes, 12U);
    EXPECT_EQ(report.edges, 24U);
    EXPECT_EQ(report.embeddings, 3U);
    EXPECT_EQ(report.schema, 2U);
    EXPECT_EQ(report.done_before, !more);
  }
}

TEST_F(ImportTest, GoesOnAfterACrashInEachLife) {
  put_everything();
  const ImportOptions options = in_batches_of(3);
  open();
  for (int life = 0; life < 40; ++life) {
    Store store = after_crash(life % 2 == 0 ? Keep::nothing : Keep::everything);
    if (!steps(store, 5 + life % 3, options)) {
      EXPECT_EQ(digest(store), expected_);
      EXPECT_GT(life, 3);
      expect_clean(store);
      return;
    }
  }
  FAIL() << "it never came to its end";
}

TEST_F(ImportTest, TellsWhatIsUnfinished) {
  put_lines("{\"node\":1}\n{\"node\":2}\n{\"node\":3}\n");
  Store store = open();
  EXPECT_FALSE(must(unfinished_import(store.read())));
  steps(store, 4, in_batches_of(1));
  const auto found = must(unfinished_import(store.read()));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->format, GraphFormat::jsonl);
  EXPECT_EQ(found->paths, std::vector<std::string>{"/in"});
  EXPECT_EQ(found->nodes, 2U);
  const ImportReport report = import(store, source());
  EXPECT_TRUE(report.resumed);
  EXPECT_EQ(report.nodes, 3U);
}

TEST_F(ImportTest, ComesOnceAlsoWhenItIsAskedForTwice) {
  put_lines("{\"node\":1}\n");
  Store store = open();
  import(store, source());
  const ImportReport second = import(store, source());
  EXPECT_TRUE(second.done_before);
  EXPECT_EQ(second.nodes, 1U);
  EXPECT_EQ(store.read().node_count(), 1U);
  ImportOptions again = import_options();
  again.again = true;
  EXPECT_FALSE(import(store, source(), again).done_before);
  EXPECT_EQ(store.read().node_count(), 2U);
}

TEST_F(ImportTest, CanBeTakenOutAtEachStep) {
  put_everything();
  const ImportOptions options = in_batches_of(4);
  for (int count = 1; count < 200; ++count) {
    SCOPED_TRACE(count);
    Store store = open("/discard" + std::to_string(count));
    must(store.create_node({"Mine"}));
    const std::string before = digest(store);
    steps(store, count, options);
    const auto found = must(unfinished_import(store.read()));
    if (!found || found->complete) {
      break;
    }
    must(discard_import(store));
    expect_clean(store);
    EXPECT_EQ(digest(store), before);
  }
}

TEST_F(ImportTest, CompletesInsteadOfTakingOutWhatIsComplete) {
  put_lines("{\"node\":1}\n{\"node\":2}\n");
  Store store = open();
  const ImportOptions options = in_batches_of(1);
  Import import(store, source(), options);
  do {
    ASSERT_TRUE(must(import.step()));
  } while (!must(unfinished_import(store.read()))->complete);
  ASSERT_TRUE(must(import.step()));  // one node without its mark
  const Status status = discard_import(store);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::finished);
  EXPECT_EQ(store.read().node_count(), 2U);
  expect_clean(store);
}

TEST_F(ImportTest, AnotherOneWaitsUntilItIsFinished) {
  put_lines("{\"node\":1}\n{\"node\":2}\n");
  Store store = open();
  steps(store, 3, in_batches_of(1));
  put("/other", std::string(header) + "{\"node\":7}\n" + end);
  const auto refused = import_graph(store, ImportSource::jsonl("/other"), import_options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::already_exists);
  const ReadView view = store.read();
  const auto exported = export_jsonl(view, "/out", export_options());
  ASSERT_FALSE(exported);
  EXPECT_EQ(exported.error().code(), ErrorCode::invalid_argument);
}

TEST_F(ImportTest, TwoOfTheSameAtOnceAreNoticed) {
  put_lines("{\"node\":1}\n{\"node\":2}\n{\"node\":3}\n");
  Store store = open();
  const ImportOptions options = in_batches_of(1);
  Import one(store, source(), options);
  must(one.step());
  must(one.step());
  Import two(store, source(), options);
  must(two.step());
  must(one.step());
  const auto beaten = two.step();
  ASSERT_FALSE(beaten);
  EXPECT_EQ(beaten.error().code(), ErrorCode::locked);
  must(one.run());
  EXPECT_EQ(store.read().node_count(), 3U);
}

TEST_F(ImportTest, OthersMayWriteMeanwhile) {
  std::string lines;
  for (int i = 0; i < 400; ++i) {
    lines += "{\"node\":" + std::to_string(i) + ",\"labels\":[\"N\"]}\n";
  }
  put_lines(lines);
  Store store = open();
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      must(store.create_node({"Mine"}));
    }
  });
  const auto report = import_graph(store, source(), in_batches_of(10));
  writer.join();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(store.read().node_count("N"), 400U);
  EXPECT_EQ(store.read().node_count("Mine"), 200U);
  expect_clean(store);
}

// --- what is bad ---------------------------------------------------------------------------------

TEST_F(ImportTest, BadLinesAreNamedByTheirPlace) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{\"node\":1", "/in:2:10: not an object in JSON"},
      {"[1]", "/in:2:1: not an object in JSON"},
      {"{}", "/in:2: an empty object"},
      {"{\"nodes\":1}", "/in:2: a record of an unknown kind"},
      {"{\"node\":1.5}", "/in:2:9: node: expected a text or a whole number"},
      {"{\"node\":1,\"color\":2}", "/in:2:19: an unknown member"},
      {"{\"node\":1,\"node\":2}", "/in:2:18: not an object in JSON: expected each name once"},
      {"{\"node\":1,\"labels\":\"A\"}", "/in:2:20: labels: expected a list"},
      {"{\"node\":1,\"labels\":[1]}", "/in:2:20: labels: expected texts"},
      {"{\"node\":1,\"properties\":{\"a\":01}}", "/in:2:29: property \"a\""},
      {"{\"node\":1,\"properties\":{\"a\":9223372036854775808}}", "/in:2:29: property \"a\""},
      {"{\"edge\":1,\"type\":\"T\",\"source\":1}", "/in:2: the record is not complete"},
      {"{\"embedding\":1,\"key\":\"k\",\"vector\":[1]}", "/in:2:35: vector"},
      {"{\"schema\":{\"kind\":\"index\"}}", "/in:2:11: schema: not complete"},
      {"{\"node\":1,\"labels\":[\"\xff\"]}", "/in:2: the line is not valid UTF-8"},
      {"{\"node\":1}\n{\"node\":1}", "/in:3: the id comes twice"},
      {"{\"node\":1}\n{\"edge\":2,\"type\":\"T\",\"source\":1,\"target\":3}",
       "/in:3: no such node"},
      {"{\"embedding\":1,\"key\":\"k\",\"vector\":{\"$vector\":\"\"}}", "/in:2: no such node"},
      {"{\"node\":1,\"labels\":[\"selvedge:import\"]}", "/in:2: a label that imports need"},
      {"{\"node\":1,\"labels\":[\"" + std::string(70'000, 'x') + "\"]}", "/in:2: "},
      {"{\"end\":{}}", "/in:3: a line behind the end"},
      {"{\"node\":1}\n{\"end\":{\"nodes\":2}}", "/in:3:8: lines are missing"},
  };
  for (const auto& [lines, message] : cases) {
    put_lines(lines + "\n");
    const std::string found = refusal(source());
    EXPECT_TRUE(found.starts_with(message)) << lines.substr(0, 80) << "\n" << found;
  }
}

TEST_F(ImportTest, OtherFilesAreRefusedWithWhatTheyAre) {
  put("/in", "");
  EXPECT_NE(refusal(source()).find("an empty file"), std::string::npos);
  put("/in", "id,name\n1,Ada\n");
  EXPECT_NE(refusal(source()).find("not a graph in JSON lines"), std::string::npos);
  put("/in", "{\"selvedge\":\"graph\",\"version\":2}\n");
  EXPECT_NE(refusal(source()).find("another version: expected 1, found 2"), std::string::npos);
  must(files.mkdir("/folder"));
  EXPECT_NE(refusal(ImportSource::jsonl("/folder")).find("found a directory"), std::string::npos);
  EXPECT_NE(refusal(ImportSource::jsonl("/nowhere")).find("no such file"), std::string::npos);
  EXPECT_NE(refusal({GraphFormat::dot, {"/in"}}).find("DOT"), std::string::npos);
}

TEST_F(ImportTest, AFileThatIsCutOffAnywhereLeavesNothing) {
  put_everything();
  const std::string whole = get("/in");
  for (std::size_t size = 0; size + 1 < whole.size(); size += 97) {
    put("/in", whole.substr(0, size));
    EXPECT_FALSE(refusal(source()).empty());
  }
}

TEST_F(ImportTest, HugeLinesAreRefusedWithoutBeingHeld) {
  put_lines("{\"node\":\"" + std::string(200'000, 'x') + "\"}\n{\"node\":2}\n");
  ImportOptions options = import_options();
  options.record_bytes_max = 1000;
  EXPECT_NE(refusal(source(), options).find("/in:2: the line is too long"), std::string::npos);
  options.skip_bad = true;
  Store store = open();
  const ImportReport report = import(store, source(), options);
  EXPECT_EQ(report.nodes, 1U);
  ASSERT_EQ(report.bad.size(), 1U);
  EXPECT_EQ(report.bad[0].line, 2U);
}

TEST_F(ImportTest, BadLinesCanBeCollected) {
  put_lines(
      "{\"node\":1}\nnonsense\n{\"node\":2}\n{\"node\":1}\n"
      "{\"edge\":1,\"type\":\"T\",\"source\":1,\"target\":2}\n"
      "{\"edge\":1,\"type\":\"T\",\"source\":1,\"target\":9}\n"
      "{\"embedding\":9,\"key\":\"k\",\"vector\":{\"$vector\":\"00000000\"}}\n"
      "{\"embedding\":1,\"key\":\"k\",\"vector\":{\"$vector\":\"00000000\"}}\n");
  Store store = open();
  ImportOptions options = in_batches_of(2);
  options.skip_bad = true;
  options.bad_listed_max = 3;
  const ImportReport report = import(store, source(), options);
  EXPECT_EQ(report.nodes, 2U);
  EXPECT_EQ(report.edges, 1U);
  EXPECT_EQ(report.embeddings, 1U);
  EXPECT_EQ(report.bad_count, 4U);
  ASSERT_EQ(report.bad.size(), 3U);
  EXPECT_EQ(report.bad[0].line, 3U);
  EXPECT_EQ(report.bad[1].line, 5U);
  EXPECT_EQ(report.bad[2].line, 7U);
  EXPECT_EQ(report.bad[2].path, "/in");
}

TEST_F(ImportTest, AConstraintOfTheStoreTakesEverythingOutAgain) {
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    lines += "{\"node\":" + std::to_string(i) +
             ",\"labels\":[\"N\"],\"properties\":{\"v\":" + std::to_string(i) + "}}\n";
  }
  put_lines(lines);
  Store store = open();
  must(store.create_schema(SchemaSpec::node_unique("N", {"v"})));
  must(store.create_node({"N"}, {{"v", 40}}));
  const std::string before = digest(store);
  const auto refused = import_graph(store, source(), in_batches_of(7));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::constraint_violated);
  EXPECT_TRUE(refused.error().message().starts_with("/in:42: ")) << refused.error().message();
  EXPECT_EQ(digest(store), before);
  expect_clean(store);
}

TEST_F(ImportTest, ASchemaThatTheDataBreakTakesEverythingOutAgain) {
  put_lines(
      "{\"schema\":{\"kind\":\"index\",\"entity\":\"node\",\"target\":\"N\",\"keys\":[\"v\"]}}\n"
      "{\"schema\":{\"kind\":\"unique\",\"entity\":\"node\",\"target\":\"N\",\"keys\":[\"v\"]}}\n"
      "{\"node\":1,\"labels\":[\"N\"],\"properties\":{\"v\":1}}\n"
      "{\"node\":2,\"labels\":[\"N\"],\"properties\":{\"v\":1}}\n");
  Store store = open();
  const auto refused = import_graph(store, source(), import_options());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::constraint_violated);
  EXPECT_EQ(store.read().node_count(), 0U);
  EXPECT_TRUE(store.schema().empty());
  expect_clean(store);
}

// --- ids, options, progress ----------------------------------------------------------------------

TEST_F(ImportTest, IdsCanBeKeptAndBecomeUnique) {
  put_lines("{\"node\":\"a\"}\n{\"node\":7}\n");
  Store store = open();
  ImportOptions options = import_options();
  options.id_key = "id";
  options.id_label = "Imported";
  import(store, source(), options);
  const ReadView view = store.read();
  EXPECT_TRUE(must(view.find_node("Imported", "id", "a")));
  EXPECT_TRUE(must(view.find_node("Imported", "id", "7")));
}

TEST_F(ImportTest, UnknownMembersCanBePassedOver) {
  put_lines("{\"node\":1,\"color\":{\"a\":[1]},\"properties\":{\"v\":1}}\n");
  Store store = open();
  ImportOptions options = import_options();
  options.ignore_unknown = true;
  EXPECT_EQ(import(store, source(), options).nodes, 1U);
}

TEST_F(ImportTest, TellsHowFarItIs) {
  std::string lines;
  for (int i = 0; i < 3000; ++i) {
    lines += "{\"node\":" + std::to_string(i) + "}\n";
  }
  put_lines(lines);
  std::vector<std::string> steps;
  std::uint64_t last = 0;
  ImportOptions options = import_options();
  options.progress = [&](const Progress& progress) {
    EXPECT_EQ(progress.activity, Activity::import_data);
    if (steps.empty() || steps.back() != progress.step) {
      steps.emplace_back(progress.step);
      last = 0;
    }
    EXPECT_GE(progress.done, last);
    last = progress.done;
  };
  Store store = open();
  import(store, source(), options);
  EXPECT_EQ(steps, (std::vector<std::string>{"check", "load", "finish"}));
  EXPECT_EQ(last, 3000U);
}

TEST_F(ImportTest, AnExportAppearsWholeOrNotAtAll) {
  Store store = open();
  must(store.create_node({"N"}));
  const ReadView view = store.read();
  ExportOptions options = export_options();
  options.replace = false;
  must(export_jsonl(view, "/out", options));
  EXPECT_FALSE(export_jsonl(view, "/out", options));
  EXPECT_EQ(must(files.kind("/out.tmp")), FileKind::none);
  options.replace = true;
  must(export_jsonl(view, "/out", options));
}

}  // namespace
}  // namespace selvedge
