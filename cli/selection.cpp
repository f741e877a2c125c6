#include "cli/selection.h"

#include <algorithm>

#include <selvedge/json.h>

namespace selvedge::cli {

namespace {

/// Of an int64 or a double; int64 beyond 2^53 is compared as what it is.
bool equal_numbers(const ValueView& found, const Value& wanted) {
  const auto whole = found.as_int64();
  const auto broken = found.as_float64();
  if (const auto* number = wanted.as<std::int64_t>()) {
    return broken && *broken == static_cast<double>(*number) &&
           static_cast<std::int64_t>(*broken) == *number;
  }
  if (const auto* number = wanted.as<double>()) {
    return (whole && static_cast<double>(*whole) == *number) || (broken && *broken == *number);
  }
  return false;
}

}  // namespace

Result<std::vector<Wanted>> parse_wanted(const std::vector<std::string>& words) {
  std::vector<Wanted> wanted;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return fail(Error(ErrorCode::invalid_argument, "a condition has a key and a value")
                      .at("--where")
                      .mismatch("KEY=VALUE", word));
    }
    const std::string text = word.substr(equals + 1);
    auto value = value_from_json(text);
    wanted.push_back({word.substr(0, equals), value ? *std::move(value) : Value(text)});
  }
  return wanted;
}

bool Selection::matches(const Properties& properties) const {
  return std::all_of(wanted_.begin(), wanted_.end(), [&](const Wanted& each) {
    const ValueView found = properties[KeyRef(each.key)];
    return found.present() && (found.to_value() == each.value || equal_numbers(found, each.value));
  });
}

std::vector<Condition> Selection::conditions() const {
  std::vector<Condition> all;
  for (const Wanted& each : wanted_) {
    all.push_back({each.key, Match(each.value)});
  }
  return all;
}

Status Selection::nodes(const Reader& reader, const std::function<bool(const Node&)>& use) const {
  if (name_ && !wanted_.empty()) {
    if (auto found = reader.find_nodes(*name_, conditions())) {
      while (found->next()) {
        if (!use(found->get())) {
          break;
        }
      }
      return {};
    }
    // No index answers the question: then everything is looked at.
  }
  for (auto cursor = name_ ? reader.nodes(*name_) : reader.nodes(); cursor.next();) {
    if (matches(cursor.node().properties()) && !use(cursor.node())) {
      break;
    }
  }
  return {};
}

Status Selection::edges(const Reader& reader, const std::function<bool(const Edge&)>& use) const {
  if (name_ && !wanted_.empty()) {
    if (auto found = reader.find_edges(*name_, conditions())) {
      while (found->next()) {
        if (!use(found->get())) {
          break;
        }
      }
      return {};
    }
  }
  for (auto scan = name_ ? reader.edges(*name_) : reader.edges(); scan.next();) {
    if (matches(scan.edge().properties()) && !use(scan.edge())) {
      break;
    }
  }
  return {};
}

}  // namespace selvedge::cli
