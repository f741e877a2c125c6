// Options from a file, from environment variables, and from words such as a command line has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/options.h>

namespace selvedge {

/// Where a value in force comes from. A later one in this list overrides an earlier one, in
/// whatever order they were read.
enum class ConfigSource : std::uint8_t {
  standard,     ///< what `Options` has by itself
  file,         ///< YAML or JSON
  environment,  ///< a variable `SELVEDGE_...`
  code,         ///< the program, or its command line
};
std::string_view to_string(ConfigSource source);

enum class ConfigKind : std::uint8_t {
  boolean,   ///< true, false (also yes, no, on, off, 1, 0)
  choice,    ///< one of a few words
  count,     ///< a whole number
  size,      ///< bytes: 4096, 64MiB, 10GB
  duration,  ///< with its unit: 100ms, 5s, 12h
};

/// What can be set. Texts live for ever.
struct ConfigKey {
  std::string_view key;  ///< as in a file: "log_retention.bytes" is `bytes` under `log_retention`
  ConfigKind kind = ConfigKind::count;
  std::string_view summary;
  std::string variable;       ///< SELVEDGE_LOG_RETENTION_BYTES
  std::string range;          ///< what it takes, in words
  std::string default_value;  ///< as in a file
};

/// A value in force.
struct ConfigEntry {
  ConfigKey key;
  std::string value;  ///< as in a file: reading it gives the same option
  ConfigSource source = ConfigSource::standard;
  std::string origin;  ///< "selvedge.yaml:3", "SELVEDGE_SYNC", "--set"; empty: the standard
};

/// Role: gathers options from several places, and remembers where each value is from.
///
///   Config config;
///   SELVEDGE_TRY(config.read_file("selvedge.yaml"));
///   SELVEDGE_TRY(config.read_environment());
///   SELVEDGE_TRY(auto store, Store::open(path, config.options()));
///
/// Precedence: code, environment, file, standard; of the same source the later one. Every option
/// but those that are objects of a program (`Options::file_system`) has a key. A key that is not
/// known is refused with the nearest one that is, and so are a value of another form, one out of
/// its range, and a key that comes twice in a file. docs/configuration.md lists them all.
/// Threads: one at a time.
/// After failure: nothing of that file, environment or word is in force. Errors are
///   `invalid_argument` with file and line, or the variable's name; `not_found` and the system's
///   for the file itself; `too_large` for one beyond 1 MiB.
class Config {
 public:
  Config();

  /// YAML, and so JSON too: a map of keys; groups are maps in it, or written with a dot.
  Status read_file(const std::string& path);
  /// `name` stands for the file in errors and origins.
  Status read_text(std::string_view text, const std::string& name);
  /// All variables `SELVEDGE_...` of the process. An empty one counts as not set; SELVEDGE_CONFIG
  /// names a file to programs, and is passed over.
  Status read_environment();
  /// The same of a list of "NAME=value".
  Status read_environment(std::span<const std::string> variables);
  Status set(std::string_view key, std::string_view value, std::string origin = "code");

  [[nodiscard]] const Options& options() const { return options_; }
  /// Every option, in the order of `Options`.
  [[nodiscard]] std::vector<ConfigEntry> entries() const;
  static std::vector<ConfigKey> keys();

  static constexpr std::size_t keys_max = 64;

 private:
  struct Origin {
    ConfigSource source = ConfigSource::standard;
    std::string text;
  };
  struct Word;
  Status apply(std::span<const Word> words, ConfigSource source);

  Options options_;
  std::array<Origin, keys_max> origins_;  ///< by the key's place in the table
};

}  // namespace selvedge
