// Which nodes or edges are meant: by id, or by label or type and properties.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <selvedge/read.h>

#include "cli/command.h"

namespace selvedge::cli {

/// `KEY=VALUE` of the command line; the value is JSON if it can be read so, else text.
struct Wanted {
  std::string key;
  Value value;
};
Result<std::vector<Wanted>> parse_wanted(const std::vector<std::string>& words);

/// Role: nodes or edges that have certain properties. Numbers are equal by their value.
/// Threads: one.
class Selection {
 public:
  /// `name`: a label or type; none: all of them.
  Selection(const std::optional<std::string>& name, std::vector<Wanted> wanted)
      : name_(name), wanted_(std::move(wanted)) {}

  /// Calls for each until it returns false. An index is used where one answers.
  Status nodes(const Reader& reader, const std::function<bool(const Node&)>& use) const;
  Status edges(const Reader& reader, const std::function<bool(const Edge&)>& use) const;

 private:
  [[nodiscard]] bool matches(const Properties& properties) const;
  [[nodiscard]] std::vector<Condition> conditions() const;
  const std::optional<std::string>& name_;
  std::vector<Wanted> wanted_;
};

}  // namespace selvedge::cli
