// Files that are imported, of every format, without a store.
//
// Input: u8 (low 6 bits: what it is; 64: skip what is bad; 128: ignore unknown names) | file.

#include <selvedge/migration.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/golden.h"
#include "fuzz/memory_files.h"
#include "migration/record.h"
#include "tests/golden/golden_values.h"

namespace selvedge::fuzz {

namespace {

using migration::Record;
using migration::Source;

enum class What : std::uint8_t {
  jsonl,
  csv_nodes,
  csv_edges,
  graphml,
  nornic_log,
  nornic_snapshot
};

Result<std::unique_ptr<Source>> open(What what, const migration::SourceContext& context) {
  switch (what) {
    case What::csv_nodes: return migration::open_csv(context, {"/in"}, {});
    case What::csv_edges: return migration::open_csv(context, {"/none"}, {"/in"});
    case What::graphml: return migration::open_graphml(context, "/in");
    case What::nornic_log:
    case What::nornic_snapshot: return migration::open_nornicdb(context, "/n");
    default: return migration::open_jsonl(context, "/in");
  }
}

/// Records until the end; nothing when the input is refused.
std::optional<std::uint64_t> read_all(Source& source) {
  Record record;
  for (std::uint64_t count = 0;; ++count) {
    const auto more = source.next(record);
    if (!more) {
      require_answer(more.error(),
                     {ErrorCode::invalid_argument, ErrorCode::corruption, ErrorCode::too_large,
                      ErrorCode::unsupported, ErrorCode::newer_format});
      require(!more.error().path().empty(), "an error of the input names the place");
      return std::nullopt;
    }
    if (!*more) {
      return count;
    }
  }
}

void run(Input input) {
  if (input.empty()) {
    return;
  }
  const auto head = std::to_integer<unsigned>(input[0]);
  const auto what = static_cast<What>((head & 63) % 6);
  const Input file = input.subspan(1);
  const auto files = memory_files({{what == What::nornic_log        ? "/n/wal/wal.log"
                                    : what == What::nornic_snapshot ? "/n/snapshots/snapshot-1.json"
                                                                    : "/in",
                                    file},
                                   {"/none", as_bytes(":ID\n")}});
  for (const char* const directory : {"/n", "/n/wal", "/n/snapshots"}) {
    must(files->mkdir(directory), "a directory");
  }
  ImportOptions options;
  options.skip_bad = (head & 64) != 0;
  options.ignore_unknown = (head & 128) != 0;
  options.bad_listed_max = 10;
  ImportReport report;
  migration::BadRecords bad(options, report);
  auto source = open(what, {*files, options, bad, report});
  if (!source) {
    require_answer(source.error(), {ErrorCode::invalid_argument, ErrorCode::corruption});
    return;
  }
  const auto first = read_all(**source);
  if (!first) {
    return;
  }
  require(options.skip_bad || report.bad_count == 0, "what is bad is refused");
  const std::string fingerprint = (*source)->fingerprint();
  bad.count(false);
  must((*source)->rewind(), "the input can be read again");
  require(read_all(**source) == first, "the second reading is as the first");
  require((*source)->fingerprint() == fingerprint, "the same bytes have one fingerprint");
}

/// Checksums of records of NornicDB.
void repair(std::span<std::byte> input, std::uint64_t) {
  for (std::size_t at = 1; at + 13 <= input.size();) {
    if (as_text(input.subspan(at, 4)) != "WALE") {
      ++at;
      continue;
    }
    const std::size_t length = load_le<std::uint32_t>(input.data() + at + 5);
    if (length > input.size() || at + 13 + length > input.size()) {
      break;
    }
    store_le(input.data() + at + 9 + length, base::crc32c(input.subspan(at + 9, length)));
    at += 13 + length;
  }
}

Buffer seed(What what, const std::string& text) {
  Buffer bytes = buffer_of(text);
  bytes.insert(bytes.begin(), static_cast<std::byte>(what));
  return bytes;
}

/// What is exported from a small store, and files as others write them.
std::vector<Buffer> seeds() {
  test::MemoryFileSystem files;
  Options options;
  options.file_system = &files;
  options.background_maintenance = false;
  Store store = must(Store::open("/store", options), "a store opens");
  const auto values = test::golden_values();
  NodeId last;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const NodeId node =
        must(store.create_node({"N", "M"}, {{"v", values[i]}, {"i", static_cast<std::int64_t>(i)}}),
             "a node");
    if (last) {
      must(store.create_edge(last, "T", node, {{"w", 1.5}}), "an edge");
    }
    last = node;
  }
  must(store.set_embedding(last, "e", std::vector<float>{1.5F}), "an embedding");
  must(store.create_schema(SchemaSpec::node_unique("N", {"i"})), "a constraint");
  ExportOptions to;
  to.file_system = &files;
  {
    const ReadView view = store.read();
    must(export_jsonl(view, "/a", to), "an export");
    must(export_csv(view, "/b", "/c", to), "an export");
    must(export_graphml(view, "/d", to), "an export");
  }
  must(store.close(), "a close");
  const auto text = [&](const char* path) {
    const Buffer bytes = get_file(files, path);
    return std::string(as_text(bytes));
  };
  const std::string entry =
      R"({"seq":1,"ts":"2023-11-14T22:13:20Z","op":"tx_begin","data":"eyJ0eF9pZCI6InQxIn0=",)"
      R"("checksum":3055554410})";
  std::string record = "WALE\x01" + std::string(4, '\0') + entry + std::string(4, '\0');
  store_le(reinterpret_cast<std::byte*>(record.data()) + 5,
           static_cast<std::uint32_t>(entry.size()));
  store_le(reinterpret_cast<std::byte*>(record.data()) + 9 + entry.size(),
           base::crc32c(as_bytes(entry)));
  return {seed(What::jsonl, text("/a")),
          seed(What::csv_nodes, text("/b")),
          seed(What::csv_edges, text("/c")),
          seed(What::graphml, text("/d")),
          seed(What::csv_nodes,
               "id:ID(P),a:long[],b:datetime,:LABEL\n1,1;2,2020-01-01T00:00:00Z,A;B\n"),
          seed(What::nornic_log, entry + "\n"),
          seed(What::nornic_log, record),
          seed(What::nornic_snapshot,
               R"({"sequence":1,"timestamp":"t","nodes":[{"id":"a","labels":["L"],"properties":)"
               R"({"v":[1,{"a":2.5}]}}],"edges":[{"id":"e","startNode":"a","endNode":"a",)"
               R"("type":"R","properties":{}}],"version":"1.0"})")};
}

}  // namespace

// Members, fields and values of a few bytes each become strings and values of ours.
const Target import_target{"import", run, repair, seeds, std::size_t{8} << 20, 2048};

}  // namespace selvedge::fuzz
