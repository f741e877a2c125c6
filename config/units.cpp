#include "config/units.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace selvedge::config {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// The largest last: what is printed takes the last one that divides the number.
constexpr std::array<Unit, 5> binary_units = {{{"", 1},
                                               {"KiB", std::uint64_t{1} << 10},
                                               {"MiB", std::uint64_t{1} << 20},
                                               {"GiB", std::uint64_t{1} << 30},
                                               {"TiB", std::uint64_t{1} << 40}}};
constexpr std::array<Unit, 5> decimal_units = {
    {{"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000}}};
constexpr std::array<Unit, 6> time_units = {{{"us", 1},
                                             {"ms", 1000},
                                             {"s", 1000000},
                                             {"min", 60000000},
                                             {"h", 3600000000},
                                             {"d", 86400000000}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

struct Quantity {
  std::uint64_t number = 0;
  std::string_view unit;
};

/// A number and the word behind it; one space may be between them.
std::optional<Quantity> split(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  const auto digits = static_cast<std::size_t>(end - text.begin());
  const auto number = parse_count(text.substr(0, digits));
  if (!number) {
    return std::nullopt;
  }
  std::string_view unit = text.substr(digits);
  if (unit.size() > 1 && unit.front() == ' ') {
    unit.remove_prefix(1);
  }
  return Quantity{*number, unit};
}

std::optional<std::uint64_t> times(std::uint64_t number, std::uint64_t factor) {
  if (number > std::numeric_limits<std::uint64_t>::max() / factor) {
    return std::nullopt;
  }
  return number * factor;
}

template <std::size_t n>
std::string with_unit(std::uint64_t number, const std::array<Unit, n>& units) {
  const Unit* best = &units.front();
  for (const Unit& unit : units) {
    if (number != 0 && number % unit.factor == 0) {
      best = &unit;
    }
  }
  return std::to_string(number / best->factor) + std::string(best->name);
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) {
    return std::nullopt;
  }
  std::uint64_t number = 0;
  for (const char c : text) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
      return std::nullopt;
    }
    number = number * 10 + digit;
  }
  return number;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto quantity = split(text);
  if (!quantity) {
    return std::nullopt;
  }
  for (const auto& units : {binary_units, decimal_units}) {
    for (const Unit& unit : units) {
      if (same_word(unit.name, quantity->unit)) {
        return times(quantity->number, unit.factor);
      }
    }
  }
  return std::nullopt;
}

std::string format_size(std::uint64_t bytes) { return with_unit(bytes, binary_units); }

std::optional<std::uint64_t> parse_duration(std::string_view text) {
  const auto quantity = split(text);
  if (!quantity) {
    return std::nullopt;
  }
  if (quantity->unit.empty() && quantity->number == 0) {
    return 0;
  }
  for (const Unit& unit : time_units) {
    if (quantity->unit == unit.name) {
      return times(quantity->number, unit.factor);
    }
  }
  return std::nullopt;
}

std::string format_duration(std::uint64_t microseconds) {
  return microseconds == 0 ? "0s" : with_unit(microseconds, time_units);
}

std::optional<bool> parse_boolean(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (same_word(text, yes)) {
      return true;
    }
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (same_word(text, no)) {
      return false;
    }
  }
  return std::nullopt;
}

std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace selvedge::config
