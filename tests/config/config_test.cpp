#include <selvedge/config.h>
#include <selvedge/store.h>

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "config/fields.h"
#include "config/units.h"
#include "tests/support/temp_directory.h"

namespace selvedge {
namespace {

/// Initialises a member of any type.
struct Anything {
  template <class T>
  constexpr operator T() const;  // NOT defined: only asked whether it could be
};

/// How many members an aggregate has: how many initialisers it takes.
template <class T, class... Given>
constexpr std::size_t member_count() {
  if constexpr (requires { T{Given{}..., Anything{}}; }) {
    return member_count<T, Given..., Anything>();
  } else {
    return sizeof...(Given);
  }
}

struct Three {
  int one = 1;
  std::chrono::seconds two{2};
  std::vector<int> three = {};
};
static_assert(member_count<Three>() == 3);

std::string message_of(const Status& status) {
  return status ? "accepted" : status.error().message();
}

const ConfigEntry& entry_of(const std::vector<ConfigEntry>& entries, std::string_view key) {
  for (const ConfigEntry& entry : entries) {
    if (entry.key.key == key) {
      return entry;
    }
  }
  throw std::runtime_error("no such key");
}

TEST(Config, HasAKeyForEveryOption) {
  // Not configurable from outside: `file_system`; and `log_retention` is a group.
  const std::size_t groups_and_objects = 2;
  const std::size_t options = member_count<Options>() - groups_and_objects;
  EXPECT_EQ(options + member_count<LogRetention>(), config::fields().size())
      << "an option is missing in the table of config/fields.cpp";
}

TEST(Config, ThePageListsEveryOption) {
  std::ifstream page(SELVEDGE_TEST_DATA "/../docs/configuration.md");
  const std::string text(std::istreambuf_iterator<char>(page), {});
  for (const ConfigKey& key : Config::keys()) {
    const std::string row = "| `" + std::string(key.key) + "` | `" + key.default_value + "` | " +
                            key.range + " | " + std::string(key.summary) + " |\n";
    EXPECT_NE(text.find(row), std::string::npos) << row;
  }
}

TEST(Config, ThePagesExampleIsRead) {
  Config config;
  const Status read = config.read_text(
      "# A store that keeps its history.\n"
      "sync: batch\nbatch_interval: 50ms\ncheckpoint_log_bytes: 64MiB\n"
      "log_retention:\n  age: 30d\n  compression: zstd\n",
      "selvedge.yaml");
  ASSERT_TRUE(read) << message_of(read);
  EXPECT_EQ(config.options().log_retention.age, std::chrono::days(30));
  EXPECT_EQ(message_of(config.read_text("a: 1\n", "selvedge.yaml")).find("selvedge.yaml:1"), 0U);
}

TEST(Config, KeysSetEachTheirOwnOption) {
  for (const config::Field& field : config::fields()) {
    Options options;
    const std::uint64_t before = field.read(options);
    const std::uint64_t other = before == field.min ? field.max : field.min;
    field.write(options, other);
    for (const config::Field& each : config::fields()) {
      EXPECT_EQ(each.read(options), each.key == field.key ? other : each.read(Options{}))
          << field.key << " and " << each.key;
    }
  }
}

TEST(Config, PrintedValuesAreReadAgain) {
  for (const config::Field& field : config::fields()) {
    for (const std::uint64_t value : {field.min, field.max, field.read(Options{})}) {
      EXPECT_EQ(field.parse(field.format(value)), value) << field.key;
    }
  }
}

TEST(Config, ReadsYaml) {
  Config config;
  const Status read = config.read_text(
      "# of a ledger\n"
      "sync: batch\n"
      "batch_interval: 50ms\n"
      "segment_bytes: 8MiB\n"
      "log_retention:\n"
      "  everything: true\n"
      "  compression: zstd\n",
      "ledger.yaml");
  ASSERT_TRUE(read) << message_of(read);
  EXPECT_EQ(config.options().sync, SyncMode::batch);
  EXPECT_EQ(config.options().batch_interval, std::chrono::milliseconds(50));
  EXPECT_EQ(config.options().segment_bytes, 8U << 20);
  EXPECT_TRUE(config.options().log_retention.everything);
  EXPECT_EQ(config.options().log_retention.compression, Compression::zstd);
  EXPECT_EQ(entry_of(config.entries(), "log_retention.compression").origin, "ledger.yaml:7");
}

TEST(Config, ReadsJson) {
  Config config;
  const Status read = config.read_text(
      R"({"isolation": "snapshot", "snapshots_kept": 3, "log_retention": {"bytes": 1048576}})",
      "a.json");
  ASSERT_TRUE(read) << message_of(read);
  EXPECT_EQ(config.options().isolation, Isolation::snapshot);
  EXPECT_EQ(config.options().snapshots_kept, 3U);
  EXPECT_EQ(config.options().log_retention.bytes, 1048576U);
}

TEST(Config, ReadsAFile) {
  const test::TempDirectory directory;
  const std::string path = directory.path("selvedge.yaml");
  std::ofstream(path) << "read_only: yes\n";
  Config config;
  ASSERT_TRUE(config.read_file(path));
  EXPECT_TRUE(config.options().read_only);
  EXPECT_EQ(message_of(config.read_file(path + "x")),
            path + "x: there is no such configuration file");
  EXPECT_EQ(message_of(config.read_file(directory.root())),
            directory.root() + ": the configuration is not a file");
}

Result<std::size_t> count_nodes(const std::string& path) {
  Config config;
  SELVEDGE_TRY(config.read_file("selvedge.yaml"));
  SELVEDGE_TRY(config.read_environment());
  SELVEDGE_TRY(auto store, Store::open(path, config.options()));
  return store.read().node_count();
}

TEST(Config, OpensAStore) {
  const test::TempDirectory directory;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory.root());
  std::ofstream("selvedge.yaml") << "sync: none\n";
  const auto nodes = count_nodes(directory.path("store"));
  std::filesystem::current_path(before);
  ASSERT_TRUE(nodes) << nodes.error().message();
  EXPECT_EQ(*nodes, 0U);
}

TEST(Config, AnEmptyFileSetsNothing) {
  Config config;
  for (const char* text : {"", "\n", "# nothing\n", "---\n", "{}"}) {
    EXPECT_TRUE(config.read_text(text, "empty")) << text;
  }
  for (const ConfigEntry& entry : config.entries()) {
    EXPECT_EQ(entry.source, ConfigSource::standard) << entry.key.key;
  }
}

TEST(Config, CodeComesBeforeEnvironmentBeforeFileWhateverTheOrder) {
  Config config;
  const std::vector<std::string> environment = {"SELVEDGE_SYNC=none", "SELVEDGE_SEGMENT_BYTES=2MB"};
  ASSERT_TRUE(config.set("sync", "immediate", "--set"));
  ASSERT_TRUE(config.read_environment(environment));
  ASSERT_TRUE(config.read_text("{sync: batch, segment_bytes: 1MB, salvage: on}", "f"));
  EXPECT_EQ(config.options().sync, SyncMode::immediate);
  EXPECT_EQ(config.options().segment_bytes, 2000000U);
  EXPECT_TRUE(config.options().salvage);
  const auto entries = config.entries();
  EXPECT_EQ(entry_of(entries, "sync").source, ConfigSource::code);
  EXPECT_EQ(entry_of(entries, "segment_bytes").origin, "SELVEDGE_SEGMENT_BYTES");
  EXPECT_EQ(entry_of(entries, "salvage").source, ConfigSource::file);
  EXPECT_EQ(entry_of(entries, "isolation").source, ConfigSource::standard);
}

TEST(Config, UnknownKeysAreRefusedWithPlaceAndNearest) {
  Config config;
  EXPECT_EQ(message_of(config.read_text("sync: none\nlog_retension:\n  byts: 1\n", "a.yaml")),
            "a.yaml:3: unknown option \"log_retension.byts\"; the nearest known one is "
            "log_retention.bytes");
  EXPECT_EQ(message_of(config.read_text("bytes: 1\n", "a.yaml")),
            "a.yaml:1: unknown option \"bytes\"; the nearest known one is log_retention.bytes");
  EXPECT_EQ(message_of(config.set("syncc", "none", "--set")),
            "--set: unknown option \"syncc\"; the nearest known one is sync");
  const std::vector<std::string> environment = {"HOME=/", "SELVEDGE_SYNK=none"};
  EXPECT_EQ(message_of(config.read_environment(environment)),
            "SELVEDGE_SYNK: unknown variable; the nearest known one is SELVEDGE_SYNC");
}

TEST(Config, ARefusedFileChangesNothing) {
  Config config;
  EXPECT_FALSE(config.read_text("sync: none\nsegment_bytes: much\n", "a.yaml"));
  EXPECT_EQ(config.options().sync, SyncMode::immediate);
}

TEST(Config, ValuesAreHeldToTypeRangeAndUnit) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"sync", "sometimes"},          {"batch_interval", "100"},
      {"batch_interval", "0s"},       {"batch_interval", "1500us"},
      {"batch_interval", "5 weeks"},  {"checkpoint_interval", "500ms"},
      {"segment_bytes", "1KiB"},      {"segment_bytes", "-1"},
      {"segment_bytes", "12 parsec"}, {"log_buffer_bytes", "4GiB"},
      {"snapshots_kept", "1"},        {"snapshots_kept", "2.5"},
      {"snapshots_kept", ""},         {"recovery_threads", "18446744073709551617"},
      {"salvage", "perhaps"},         {"memory_limit_bytes", "18446744073709551615TiB"},
      {"transaction_age_max", "-5s"}, {"transaction_age_max", "200000d"},
  };
  for (const auto& [key, value] : wrong) {
    Config config;
    const Status refused = config.set(key, value);
    ASSERT_FALSE(refused) << key << " took " << value;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(refused.error().message().find("expected"), std::string::npos);
  }
}

TEST(Config, SaysWhatWasExpected) {
  Config config;
  EXPECT_EQ(message_of(config.read_text("\nsegment_bytes: 1KiB\n", "a.yaml")),
            "a.yaml:2: the value of segment_bytes is not possible: expected a size from 4KiB to "
            "1TiB, found \"1KiB\"");
  EXPECT_EQ(message_of(config.set("checkpoint_interval", "500ms", "--set")),
            "--set: the value of checkpoint_interval is not possible: expected a duration from 0s "
            "to 3650d in steps of 1s, found \"500ms\"");
}

TEST(Config, FilesOfAnotherFormAreRefusedWithTheLine) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"sync: none\nsync: batch\n", "a:2: the option sync comes twice"},
      {"log_retention: {bytes: 1}\nlog_retention.bytes: 2\n",
       "a:2: the option log_retention.bytes comes twice"},
      {"- sync\n",
       "a:1: this is no configuration: expected a map of keys and values, found a list"},
      {"sync\n", "a:1: this is no configuration: expected a map of keys and values, found a word"},
      {"sync:\n",
       "a:1: the value of sync has another form: expected a word or number, found nothing"},
      {"sync: [none]\n",
       "a:1: the value of sync has another form: expected a word or number, found a list"},
      {"? [a]\n: b\n", "a:1: a key that is not a word"},
      {"sync: none\n---\nsync: batch\n", "a:3: a second document begins here"},
      {"a: {b: {c: {d: {e: {f: 1}}}}}\n", "a:1: the groups are nested too deeply"},
  };
  for (const auto& [text, message] : wrong) {
    Config config;
    EXPECT_EQ(message_of(config.read_text(text, "a")), message) << text;
  }
}

TEST(Config, BrokenTextIsRefusedWithTheLine) {
  Config config;
  for (const char* text : {"sync: 'none\n", "{\"sync\": \"none\"", "sync: none\n\tx: y\n", "&a [*a",
                           "sync: *nobody\n", "%YAML 9\n"}) {
    const Status refused = config.read_text(text, "a");
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().path().substr(0, 2), "a:") << text;
  }
  EXPECT_FALSE(config.read_text(std::string(100000, '['), "a"));
  EXPECT_FALSE(config.read_text(std::string(100000, '{'), "a"));
  const Status large = config.read_text(std::string((1U << 20) + 1, '#'), "a");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), ErrorCode::too_large);
}

TEST(Config, ReadsTheEnvironmentOfTheProcess) {
  ASSERT_EQ(::setenv("SELVEDGE_SNAPSHOT_AGE", "2h", 1), 0);
  ASSERT_EQ(::setenv("SELVEDGE_CONFIG", "elsewhere.yaml", 1), 0);
  ASSERT_EQ(::setenv("SELVEDGE_SYNC", "", 1), 0);
  Config config;
  const Status read = config.read_environment();
  EXPECT_TRUE(read) << message_of(read);
  EXPECT_EQ(config.options().snapshot_age, std::chrono::hours(2));
  EXPECT_EQ(config.options().sync, SyncMode::immediate);
  ::unsetenv("SELVEDGE_SNAPSHOT_AGE");
  ::unsetenv("SELVEDGE_CONFIG");
  ::unsetenv("SELVEDGE_SYNC");
}

TEST(Units, SizesAndDurationsAreExact) {
  EXPECT_EQ(config::parse_size("64MiB"), 64U << 20);
  EXPECT_EQ(config::parse_size("64 mib"), 64U << 20);
  EXPECT_EQ(config::parse_size("10 kB"), 10000U);
  EXPECT_EQ(config::parse_size("7"), 7U);
  EXPECT_EQ(config::parse_size("7 "), std::nullopt);
  EXPECT_EQ(config::parse_size("1.5MiB"), std::nullopt);
  EXPECT_EQ(config::parse_duration("90min"), 5400000000U);
  EXPECT_EQ(config::parse_duration("5S"), std::nullopt);
  EXPECT_EQ(config::format_size(0), "0");
  EXPECT_EQ(config::format_size(1536), "1536");
  EXPECT_EQ(config::format_size(1U << 30), "1GiB");
  EXPECT_EQ(config::format_duration(90000000), "90s");
  EXPECT_EQ(config::format_duration(3600000000), "1h");
  EXPECT_EQ(config::distance("kitten", "sitting"), 3U);
  EXPECT_EQ(config::distance("", "abc"), 3U);
}

}  // namespace
}  // namespace selvedge
