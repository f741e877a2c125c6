// Stores and files in memory, and graphs with everything in them.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/migration.h>
#include <selvedge/store.h>

#include <bit>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "io/file_util.h"
#include "tests/golden/golden_values.h"
#include "tests/support/memory_file_system.h"

namespace selvedge::test {

/// Role: values of every type, edge cases first, then random ones.
class ValueMaker {
 public:
  explicit ValueMaker(std::uint64_t seed) : random_(seed), corners_(golden_values()) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (Value each : {Value(infinity),
                       Value(-infinity),
                       Value(std::numeric_limits<double>::quiet_NaN()),
                       Value(-std::numeric_limits<double>::quiet_NaN()),
                       Value(5e-324),
                       Value(1.0),
                       Value(1e300),
                       Value(std::numeric_limits<std::int64_t>::min()),
                       Value(std::numeric_limits<std::int64_t>::max()),
                       Value("a;b"),
                       Value("a,b\"c\"\r\nd"),
                       Value(" padded "),
                       Value("[1]"),
                       Value("null"),
                       Value("\t\x01\x1f\x7f"),
                       Value(std::string("zero\0byte", 9)),
                       Value("\xef\xbf\xbe\xef\xbf\xbf"),
                       Value("\xef\xbb\xbf"
                             "bom"),
                       Value("<a b='c'>&amp;]]></a>"),
                       Value("$bytes"),
                       Value(Bytes{}),
                       Value(Vector{}),
                       Value(Vector{1e-40F, 3.4e38F}),
                       Value(Timestamp{std::numeric_limits<std::int64_t>::min()}),
                       Value(List{Value("a"), Value("b")}),
                       Value(List{Value("")}),
                       Value(List{Value("a;b"), Value("c")}),
                       Value(List{Value(1), Value(2)}),
                       Value(List{Value(1), Value(1.5)}),
                       Value(List{Value(true), Value(false)}),
                       Value(List{Value(Bytes{}), Value(Bytes{std::byte{1}})}),
                       Value(List{Value(Timestamp{1}), Value(Timestamp{2})}),
                       Value(Map{{"$bytes", Value("no bytes")}}),
                       deep(32)}) {
      corners_.push_back(std::move(each));
    }
  }
  [[nodiscard]] std::size_t corners() const { return corners_.size(); }
  [[nodiscard]] const Value& corner(std::size_t index) const { return corners_[index]; }

  Value any() { return below(2) == 0 ? corners_[below(corners_.size())] : fresh(3); }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  std::string text() {
    static const std::vector<std::string> pieces{"a",  "B",  " ",  ";",    ",",      "\"",  "\n",
                                                 "\\", "\r", "\t", "\x01", "\u20ac", "<&>", "'"};
    std::string result;
    for (std::uint64_t i = below(6); i > 0; --i) {
      result += pieces[below(pieces.size())];
    }
    return result;
  }

 private:
  static Value deep(int levels) {
    Value value(1);
    for (int i = 0; i < levels; ++i) {
      value = i % 2 == 0 ? Value(List{std::move(value)}) : Value(Map{{"k", std::move(value)}});
    }
    return value;
  }
  Value fresh(unsigned depth) {
    switch (below(depth == 0 ? 8 : 11)) {
      case 0: return Value(below(2) == 0);
      case 1: return Value(static_cast<std::int64_t>(random_()));
      case 2: return Value(std::bit_cast<double>(random_()));
      case 3: return Value(text());
      case 4: {
        Bytes bytes(below(9));
        for (std::byte& each : bytes) {
          each = static_cast<std::byte>(random_());
        }
        return Value(std::move(bytes));
      }
      case 5: return Value(Timestamp{static_cast<std::int64_t>(random_())});
      case 6: {
        Uuid uuid;
        for (std::byte& each : uuid.bytes) {
          each = static_cast<std::byte>(random_());
        }
        return Value(uuid);
      }
      case 7: {
        Vector vector(below(5));
        for (float& each : vector) {
          each = std::bit_cast<float>(static_cast<std::uint32_t>(random_()));
        }
        return Value(std::move(vector));
      }
      case 8: return {};
      case 9: {
        List list(below(4));
        for (Value& each : list) {
          each = fresh(depth - 1);
        }
        return Value(std::move(list));
      }
      default: {
        Map map;
        for (std::uint64_t i = below(4); i > 0; --i) {
          map[(below(4) == 0 ? "$" : "") + text()] = fresh(depth - 1);
        }
        return Value(std::move(map));
      }
    }
  }

  std::mt19937_64 random_;
  std::vector<Value> corners_;
};

class MigrationTest : public ::testing::Test {
 protected:
  static Options small(FileSystem& on) {
    Options options;
    options.file_system = &on;
    options.background_maintenance = false;
    options.segment_bytes = std::uint64_t{256} << 10;
    options.checkpoint_log_bytes = 0;
    return options;
  }
  Store open(const std::string& path = "/db") { return must(Store::open(path, small(disk))); }
  ImportOptions import_options() {
    ImportOptions options;
    options.file_system = &files;
    return options;
  }
  ExportOptions export_options() {
    ExportOptions options;
    options.file_system = &files;
    options.replace = true;
    return options;
  }
  void put(const std::string& path, std::string_view text) {
    const auto file = files.open(path, OpenMode::create);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->truncate(0));
    ASSERT_TRUE(io::write_all(**file, 0, as_bytes(text)));
  }
  std::string get(const std::string& path) {
    const auto bytes = io::read_file(files, path, std::uint64_t{1} << 30);
    EXPECT_TRUE(bytes) << bytes.error().message();
    return bytes ? std::string(as_text(*bytes)) : std::string();
  }
  ImportReport import(Store& store, const ImportSource& source) {
    return import(store, source, import_options());
  }
  ImportReport import(Store& store, const ImportSource& source, const ImportOptions& options) {
    auto report = import_graph(store, source, options);
    EXPECT_TRUE(report) << report.error().message();
    expect_clean(store);
    return report ? *std::move(report) : ImportReport{};
  }
  /// The message of an import that must fail, and must leave nothing.
  std::string refusal(const ImportSource& source) { return refusal(source, import_options()); }
  std::string refusal(const ImportSource& source, const ImportOptions& options) {
    Store store = open("/refused" + std::to_string(refused_++));
    const auto report = import_graph(store, source, options);
    EXPECT_FALSE(report) << "it was taken";
    EXPECT_EQ(store.read().node_count(), 0U) << "something is left";
    expect_clean(store);
    return report ? std::string() : report.error().message();
  }
  /// Nothing of an import is left but what was imported.
  static void expect_clean(const Store& store) {
    const ReadView view = store.read();
    EXPECT_EQ(view.node_count("selvedge:import"), 0U);
    EXPECT_EQ(view.node_count("selvedge:import state"), 0U);
    for (const SchemaInfo& each : view.schema()) {
      EXPECT_NE(each.spec.name, "selvedge:import ids");
    }
    const CheckReport report = store.check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  }
  static std::string digest(const Store& store) {
    const ReadView view = store.read();
    return content_digest(view);
  }
  template <class T>
  static T must(Result<T> result) {
    if (!result) {
      throw std::runtime_error(result.error().message());
    }
    return *std::move(result);
  }
  static void must(const Status& status) { EXPECT_TRUE(status) << status.error().message(); }

  /// Nodes and edges with values of all types, labels and names of all kinds; of the same name
  /// values of one type, or of several.
  static void fill(Store& store, std::uint64_t seed, std::size_t nodes) {
    ValueMaker make(seed);
    std::vector<NodeId> ids;
    must(store.transact([&](Transaction& tx) -> Status {
      for (std::size_t i = 0; i < nodes; ++i) {
        std::vector<std::pair<std::string, Value>> owned{
            {"number", Value(static_cast<std::int64_t>(i))}};
        owned.emplace_back("mixed", i < make.corners() ? make.corner(i) : make.any());
        owned.emplace_back("of type " + std::to_string(i % 11), make.any());
        owned.emplace_back("name:" + make.text(), make.any());
        std::vector<Property> properties;
        for (const auto& [key, value] : owned) {
          properties.push_back({key, value});
        }
        std::vector<std::string> names{"Node"};
        for (std::uint64_t n = make.below(3); n > 0; --n) {
          names.push_back("L" + make.text());
        }
        const std::vector<LabelRef> labels(names.begin() + (i % 5 == 0 ? 1 : 0), names.end());
        SELVEDGE_TRY(const NodeId id, tx.create_node(labels, properties));
        ids.push_back(id);
      }
      for (std::size_t i = 0; i < nodes * 2; ++i) {
        const Value value = make.any();
        const std::vector<Property> properties{{"v", value}, {"i", static_cast<std::int64_t>(i)}};
        SELVEDGE_TRY(tx.create_edge(ids[make.below(nodes)], "T" + make.text(),
                                    ids[make.below(nodes)],
                                    std::span(properties).first(make.below(3))));
      }
      return {};
    }));
  }

  MemoryFileSystem disk;
  MemoryFileSystem files;

 private:
  int refused_ = 0;
};

}  // namespace selvedge::test
