#include <selvedge/config.h>

#include <optional>
#include <set>
#include <span>
#include <utility>

#include "config/fields.h"
#include "config/file.h"

extern char** environ;

namespace selvedge {

using config::Field;

namespace {

constexpr std::string_view variable_prefix = "SELVEDGE_";
constexpr std::string_view file_variable = "SELVEDGE_CONFIG";

/// The place of a key in the table.
std::optional<std::size_t> place_of(std::string_view key) {
  const std::span<const Field> fields = config::fields();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].key == key) {
      return i;
    }
  }
  return std::nullopt;
}

ConfigKey key_of(const Field& field) {
  static const Options standard;
  return {field.key,        field.kind,    field.summary,
          field.variable(), field.range(), field.format(field.read(standard))};
}

std::string quoted(std::string_view text) {
  constexpr std::size_t shown_max = 80;
  return "\"" + std::string(text.substr(0, shown_max)) + (text.size() > shown_max ? "..\"" : "\"");
}

Result<std::string> read_whole(const std::string& path) {
  FileSystem& files = posix_file_system();
  SELVEDGE_TRY(const FileKind kind, files.kind(path));
  if (kind == FileKind::none) {
    return fail(Error(ErrorCode::not_found, "there is no such configuration file").at(path));
  }
  if (kind != FileKind::file) {
    return fail(Error(ErrorCode::invalid_argument, "the configuration is not a file").at(path));
  }
  SELVEDGE_TRY(const auto file, files.open(path, OpenMode::read));
  std::string text(config::file_bytes_max + 1, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    SELVEDGE_TRY(const std::size_t got,
                 file->pread(filled, std::as_writable_bytes(std::span(text)).subspan(filled)));
    if (got == 0) {
      break;
    }
    filled += got;
  }
  text.resize(filled);
  return text;
}

}  // namespace

/// A key with its value, and where it stands.
struct Config::Word {
  std::size_t place = 0;
  std::string value;
  std::string origin;
};

std::string_view to_string(ConfigSource source) {
  switch (source) {
    case ConfigSource::standard: return "default";
    case ConfigSource::file: return "file";
    case ConfigSource::environment: return "environment";
    case ConfigSource::code: break;
  }
  return "code";
}

Config::Config() = default;

/// All of the words or none: they are checked before the first takes effect.
Status Config::apply(std::span<const Word> words, ConfigSource source) {
  std::vector<std::uint64_t> values;
  for (const Word& word : words) {
    const Field& field = config::fields()[word.place];
    const auto value = field.parse(word.value);
    if (!value) {
      return fail(Error(ErrorCode::invalid_argument,
                        "the value of " + std::string(field.key) + " is not possible")
                      .at(word.origin)
                      .mismatch(field.range(), quoted(word.value)));
    }
    values.push_back(*value);
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    Origin& origin = origins_[words[i].place];
    if (source >= origin.source) {
      config::fields()[words[i].place].write(options_, values[i]);
      origin = {source, words[i].origin};
    }
  }
  return {};
}

Status Config::read_file(const std::string& path) {
  SELVEDGE_TRY(const std::string text, read_whole(path));
  return read_text(text, path);
}

Status Config::read_text(std::string_view text, const std::string& name) {
  SELVEDGE_TRY(const auto lines, config::parse_file(text, name));
  std::vector<Word> words;
  std::set<std::size_t> seen;
  for (const config::FileWord& line : lines) {
    std::string origin = name + ":" + std::to_string(line.line);
    const auto place = place_of(line.key);
    if (!place) {
      return fail(Error(ErrorCode::invalid_argument, "unknown option " + quoted(line.key) +
                                                         "; the nearest known one is " +
                                                         std::string(config::nearest_key(line.key)))
                      .at(std::move(origin)));
    }
    if (!seen.insert(*place).second) {
      return fail(Error(ErrorCode::invalid_argument, "the option " + line.key + " comes twice")
                      .at(std::move(origin)));
    }
    words.push_back({*place, line.value, std::move(origin)});
  }
  return apply(words, ConfigSource::file);
}

Status Config::read_environment() {
  std::vector<std::string> variables;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    variables.emplace_back(*each);
  }
  return read_environment(variables);
}

Status Config::read_environment(std::span<const std::string> variables) {
  std::vector<Word> words;
  for (const std::string& variable : variables) {
    const std::size_t equals = variable.find('=');
    const std::string name = variable.substr(0, equals);
    if (!name.starts_with(variable_prefix) || name == file_variable ||
        equals == std::string::npos || equals + 1 == variable.size()) {
      continue;
    }
    std::optional<std::size_t> place;
    std::string lowered;  // for the search of the nearest
    for (const char c : name.substr(variable_prefix.size())) {
      lowered += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    for (std::size_t i = 0; i < config::fields().size() && !place; ++i) {
      if (config::fields()[i].variable() == name) {
        place = i;
      }
    }
    if (!place) {
      const auto nearest = place_of(config::nearest_key(lowered));
      return fail(
          Error(ErrorCode::invalid_argument, "unknown variable; the nearest known one is " +
                                                 config::fields()[nearest.value_or(0)].variable())
              .at(name));
    }
    words.push_back({*place, variable.substr(equals + 1), name});
  }
  return apply(words, ConfigSource::environment);
}

Status Config::set(std::string_view key, std::string_view value, std::string origin) {
  const auto place = place_of(key);
  if (!place) {
    return fail(Error(ErrorCode::invalid_argument, "unknown option " + quoted(key) +
                                                       "; the nearest known one is " +
                                                       std::string(config::nearest_key(key)))
                    .at(std::move(origin)));
  }
  const Word word{*place, std::string(value), std::move(origin)};
  return apply(std::span(&word, 1), ConfigSource::code);
}

std::vector<ConfigEntry> Config::entries() const {
  std::vector<ConfigEntry> all;
  const std::span<const Field> fields = config::fields();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    all.push_back({key_of(fields[i]), fields[i].format(fields[i].read(options_)),
                   origins_[i].source, origins_[i].text});
  }
  return all;
}

std::vector<ConfigKey> Config::keys() {
  std::vector<ConfigKey> all;
  for (const Field& field : config::fields()) {
    all.push_back(key_of(field));
  }
  return all;
}

}  // namespace selvedge
