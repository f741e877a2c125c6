#include "config/file.h"

#include <exception>

#include <yaml-cpp/yaml.h>

namespace selvedge::config {

namespace {

std::size_t line_of(const YAML::Mark& mark) {
  return mark.line < 0 ? 1 : static_cast<std::size_t>(mark.line) + 1;
}

Error at_line(const std::string& name, std::size_t line, std::string what) {
  return Error(ErrorCode::invalid_argument, std::move(what)).at(name + ":" + std::to_string(line));
}

/// Role: walks the maps of a document.
/// Threads: one. After failure: what was gathered is thrown away.
class Walker {
 public:
  explicit Walker(const std::string& name) : name_(name) {}

  Status walk(const YAML::Node& map, const std::string& prefix, unsigned depth) {
    if (depth > depth_max) {
      return fail(at_line(name_, line_of(map.Mark()), "the groups are nested too deeply"));
    }
    for (const auto& member : map) {
      const std::size_t line = line_of(member.first.Mark());
      if (!member.first.IsScalar()) {
        return fail(at_line(name_, line, "a key that is not a word"));
      }
      const std::string key = prefix + member.first.Scalar();
      const YAML::Node& value = member.second;
      if (value.IsMap()) {
        SELVEDGE_TRY(walk(value, key + ".", depth + 1));
      } else if (value.IsScalar()) {
        words_.push_back({key, value.Scalar(), line});
      } else {
        return fail(at_line(name_, line, "the value of " + key + " has another form")
                        .mismatch("a word or number", value.IsNull() ? "nothing" : "a list"));
      }
    }
    return {};
  }
  std::vector<FileWord> take() { return std::move(words_); }

 private:
  static constexpr unsigned depth_max = 4;
  const std::string& name_;
  std::vector<FileWord> words_;
};

}  // namespace

Result<std::vector<FileWord>> parse_file(std::string_view text, const std::string& name) {
  if (text.size() > file_bytes_max) {
    return fail(Error(ErrorCode::too_large, "this is too large for a configuration")
                    .at(name)
                    .mismatch("at most " + std::to_string(file_bytes_max) + " bytes",
                              std::to_string(text.size())));
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) {
      return fail(at_line(name, line_of(documents[1].Mark()), "a second document begins here"));
    }
    if (documents.empty() || documents[0].IsNull()) {
      return std::vector<FileWord>();
    }
    if (!documents[0].IsMap()) {
      return fail(
          at_line(name, line_of(documents[0].Mark()), "this is no configuration")
              .mismatch("a map of keys and values", documents[0].IsScalar() ? "a word" : "a list"));
    }
    Walker walker(name);
    SELVEDGE_TRY(walker.walk(documents[0], "", 0));
    return walker.take();
  } catch (const YAML::Exception& fault) {
    return fail(at_line(name, line_of(fault.mark), "this is neither YAML nor JSON: " + fault.msg));
  }
}

}  // namespace selvedge::config
