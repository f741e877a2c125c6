// A configuration file as a list of words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>

namespace selvedge::config {

struct FileWord {
  std::string key;  ///< with dots
  std::string value;
  std::size_t line = 0;
};

inline constexpr std::size_t file_bytes_max = std::size_t{1} << 20;

/// YAML 1.2, of which JSON is a part. `invalid_argument` with `name:line` for what is neither, a
/// list, a key without a value, more than one document.
Result<std::vector<FileWord>> parse_file(std::string_view text, const std::string& name);

}  // namespace selvedge::config
