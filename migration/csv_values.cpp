#include "migration/csv_values.h"

#include <selvedge/json.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>

#include "migration/json_text.h"

namespace selvedge::migration {

namespace {

constexpr std::array<CsvTypeName, 16> type_names{{{"string", CsvType::string},
                                                  {"char", CsvType::string},
                                                  {"long", CsvType::integer},
                                                  {"int", CsvType::integer},
                                                  {"short", CsvType::integer},
                                                  {"byte", CsvType::integer},
                                                  {"double", CsvType::floating},
                                                  {"float", CsvType::floating},
                                                  {"boolean", CsvType::boolean},
                                                  {"datetime", CsvType::datetime},
                                                  {"timestamp", CsvType::timestamp},
                                                  {"bytes", CsvType::bytes},
                                                  {"uuid", CsvType::uuid},
                                                  {"vector", CsvType::vector},
                                                  {"json", CsvType::json},
                                                  {"localdatetime", CsvType::datetime}}};

tl::unexpected<Error> bad(std::string what, std::string expected, std::string_view found) {
  return fail(Error(ErrorCode::invalid_argument, std::move(what))
                  .mismatch(std::move(expected), json_string(found.substr(0, 60))));
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

template <class Number>
std::optional<Number> fraction(std::string_view text) {
  if (text == "NaN") {
    return std::numeric_limits<Number>::quiet_NaN();
  }
  if (text == "Infinity" || text == "-Infinity") {
    const Number infinity = std::numeric_limits<Number>::infinity();
    return text[0] == '-' ? -infinity : infinity;
  }
  const auto value = number<Number>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

template <class Number>
std::string fraction_text(Number value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  std::array<char, 40> text{};
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

/// The one NaN that the text `NaN` stands for, or any other number.
template <class Number, class Bits>
bool plain_number(Number value) {
  return !std::isnan(value) || std::bit_cast<Bits>(value) ==
                                   std::bit_cast<Bits>(std::numeric_limits<Number>::quiet_NaN());
}

std::string hex_text(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte each : bytes) {
    const auto bits = std::to_integer<unsigned>(each);
    text.push_back("0123456789abcdef"[bits >> 4]);
    text.push_back("0123456789abcdef"[bits & 15]);
  }
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return result;
}

Result<Value> parse_bytes(std::string_view text) {
  Bytes bytes;
  for (std::size_t at = 0; at < text.size(); at += 2) {
    std::uint8_t byte = 0;
    const char* const begin = text.data() + at;
    if (at + 2 > text.size() || std::from_chars(begin, begin + 2, byte, 16).ptr != begin + 2 ||
        *begin == '-') {
      return bad("not bytes", "pairs of hexadecimal digits", text);
    }
    bytes.push_back(static_cast<std::byte>(byte));
  }
  return Value(std::move(bytes));
}

Result<Value> parse_vector(std::string_view text, const CsvDialect& dialect) {
  Vector floats;
  for (const std::string_view each : split_csv_array(text, dialect.array_delimiter)) {
    const auto value = fraction<float>(each);
    if (!value) {
      return bad("not a vector", "numbers that a float can hold", each);
    }
    floats.push_back(*value);
  }
  return Value(std::move(floats));
}

Result<Value> parse_one(CsvType type, std::string_view text, const CsvDialect& dialect) {
  switch (type) {
    case CsvType::string: return Value(text);
    case CsvType::integer:
      if (const auto value = number<std::int64_t>(text)) {
        return Value(*value);
      }
      return bad("not a whole number", "one within int64", text);
    case CsvType::floating:
      if (const auto value = fraction<double>(text)) {
        return Value(*value);
      }
      return bad("not a number", "one that a double can hold", text);
    case CsvType::boolean:
      if (const std::string word = lower(text); word == "true" || word == "false") {
        return Value(word == "true");
      }
      return bad("not a boolean", "true or false", text);
    case CsvType::datetime:
      if (const auto value = parse_datetime(text)) {
        return Value(*value);
      }
      return bad("not a time", "2023-11-14T22:13:20.5Z", text);
    case CsvType::timestamp:
      if (const auto value = number<std::int64_t>(text)) {
        return Value(Timestamp{*value});
      }
      return bad("not a timestamp", "microseconds since 1970", text);
    case CsvType::bytes: return parse_bytes(text);
    case CsvType::uuid:
      if (const auto value = parse_uuid(text)) {
        return Value(*value);
      }
      return bad("not a UUID", "8-4-4-4-12 hexadecimal digits", text);
    case CsvType::vector: return parse_vector(text, dialect);
    case CsvType::json: {
      auto value = value_from_json(text);
      return value ? std::move(value)
                   : bad(value.error().what(), value.error().expected(), value.error().found());
    }
  }
  return bad("not a value", "one", text);
}

Result<CsvColumn> parse_special(std::string_view name, std::string_view kind,
                                std::string_view whole) {
  CsvColumn column;
  column.name = name;
  const std::size_t open = kind.find('(');
  if (open != std::string_view::npos && kind.ends_with(')')) {
    column.group = kind.substr(open + 1, kind.size() - open - 2);
    kind = kind.substr(0, open);
  }
  using Role = CsvColumn::Role;
  constexpr std::array<std::pair<std::string_view, Role>, 6> roles{{{"ID", Role::id},
                                                                    {"LABEL", Role::labels},
                                                                    {"START_ID", Role::start},
                                                                    {"END_ID", Role::end},
                                                                    {"TYPE", Role::type},
                                                                    {"IGNORE", Role::ignored}}};
  if (kind == "LABEL[json]") {  // ours: labels that hold the array delimiter
    column.role = Role::labels;
    column.type = CsvType::json;
    return column;
  }
  for (const auto& [word, role] : roles) {
    if (kind == word) {
      column.role = role;
      return column;
    }
  }
  return bad("the column's kind is unknown",
             ":ID, :LABEL, :START_ID, :END_ID, :TYPE, :IGNORE, or name:type", whole);
}

}  // namespace

std::optional<CsvType> parse_csv_type(std::string_view name) {
  for (const CsvTypeName& each : type_names) {
    if (each.name == name) {
      return each.type;
    }
  }
  return std::nullopt;
}

std::string_view name_of(CsvType type) {
  for (const CsvTypeName& each : type_names) {
    if (each.type == type) {
      return each.name == "char" ? "string" : each.name;
    }
  }
  return "?";
}

Result<CsvColumn> parse_csv_column(std::string_view header) {
  const std::size_t colon = header.rfind(':');
  CsvColumn column;
  if (colon == std::string_view::npos) {
    column.name = header;
    return column;
  }
  std::string_view kind = header.substr(colon + 1);
  column.name = header.substr(0, colon);
  if (!kind.empty() && kind[0] >= 'A' && kind[0] <= 'Z') {
    return parse_special(column.name, kind, header);
  }
  if (kind.ends_with("[]")) {
    column.array = true;
    kind.remove_suffix(2);
  }
  const auto type = parse_csv_type(kind);
  if (!type) {
    return bad("the column's type is unknown",
               "string, long, double, boolean, datetime, timestamp, bytes, uuid, vector, json, or "
               "an array like string[]",
               header);
  }
  column.type = *type;
  return column;
}

std::vector<std::string_view> split_csv_array(std::string_view text, char delimiter) {
  std::vector<std::string_view> parts;
  for (std::size_t begin = 0;;) {
    const std::size_t end = text.find(delimiter, begin);
    parts.push_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos) {
      return parts;
    }
    begin = end + 1;
  }
}

Result<Value> parse_csv_value(const CsvColumn& column, std::string_view text,
                              const CsvDialect& dialect) {
  if (!column.array) {
    return parse_one(column.type, text, dialect);
  }
  List list;
  if (!text.empty()) {
    for (const std::string_view each : split_csv_array(text, dialect.array_delimiter)) {
      SELVEDGE_TRY(Value value, parse_one(column.type, each, dialect));
      list.push_back(std::move(value));
    }
  }
  return Value(std::move(list));
}

namespace {

bool vector_is_plain(const ValueView& value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!plain_number<float, std::uint32_t>(value.float_at(i))) {
      return false;
    }
  }
  return value.size() != 0;
}

/// An array of one type whose text can be taken apart again.
std::optional<CsvColumn> array_column(const ValueView& value, const CsvDialect& dialect) {
  std::optional<CsvColumn> common;
  bool plain = true;
  value.for_each([&](const ValueView& each) {
    const CsvColumn column = csv_column_of(each, dialect);
    const auto text = each.as_string();
    plain = plain && !column.array && column.type != CsvType::json &&
            column.type != CsvType::vector && (!common || common->type == column.type) &&
            !(each.type() == ValueType::bytes && each.size() == 0) &&
            (!text ||
             (!text->empty() && text->find(dialect.array_delimiter) == std::string_view::npos));
    common = column;
  });
  if (!plain || !common) {
    return std::nullopt;
  }
  common->array = true;
  return common;
}

}  // namespace

CsvColumn csv_column_of(const ValueView& value, const CsvDialect& dialect) {
  CsvColumn column;
  column.type = CsvType::json;
  switch (value.type()) {
    case ValueType::boolean: column.type = CsvType::boolean; break;
    case ValueType::int64: column.type = CsvType::integer; break;
    case ValueType::float64:
      if (plain_number<double, std::uint64_t>(*value.as_float64())) {
        column.type = CsvType::floating;
      }
      break;
    case ValueType::string: column.type = CsvType::string; break;
    case ValueType::bytes: column.type = CsvType::bytes; break;
    case ValueType::timestamp: column.type = CsvType::timestamp; break;
    case ValueType::uuid: column.type = CsvType::uuid; break;
    case ValueType::list: return array_column(value, dialect).value_or(column);
    case ValueType::vector:
      if (vector_is_plain(value)) {
        column.type = CsvType::vector;
      }
      break;
    case ValueType::null:
    case ValueType::map: break;
  }
  return column;
}

std::string csv_value(const CsvColumn& column, const ValueView& value, const CsvDialect& dialect) {
  if (column.type == CsvType::json) {
    return to_json(value.to_value());
  }
  std::string text;
  if (column.array) {
    CsvColumn element = column;
    element.array = false;
    value.for_each([&](const ValueView& each) {
      text += (text.empty() ? "" : std::string(1, dialect.array_delimiter)) +
              csv_value(element, each, dialect);
    });
    return text;
  }
  switch (value.type()) {
    case ValueType::boolean: return *value.as_bool() ? "true" : "false";
    case ValueType::int64: return std::to_string(*value.as_int64());
    case ValueType::float64: return fraction_text(*value.as_float64());
    case ValueType::string: return std::string(*value.as_string());
    case ValueType::timestamp: return std::to_string(value.as_timestamp()->microseconds);
    case ValueType::uuid: return to_string(*value.as_uuid());
    case ValueType::bytes: return hex_text(value.as_bytes().value_or(std::span<const std::byte>()));
    case ValueType::vector:
      for (std::size_t i = 0; i < value.size(); ++i) {
        text += (i == 0 ? "" : std::string(1, dialect.array_delimiter)) +
                fraction_text(value.float_at(i));
      }
      return text;
    default: return to_json(value.to_value());  // these have a column of type json
  }
}

std::optional<Timestamp> parse_datetime(std::string_view text) {
  int part[6] = {};
  constexpr std::string_view shape = "0000-00-00T00:00:00";
  if (text.size() < shape.size()) {
    return std::nullopt;
  }
  std::size_t index = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == '0') {
      if (text[i] < '0' || text[i] > '9') {
        return std::nullopt;
      }
      part[index] = part[index] * 10 + (text[i] - '0');
    } else if (text[i] != shape[i] && !(shape[i] == 'T' && text[i] == ' ')) {
      return std::nullopt;
    } else {
      ++index;
    }
  }
  const std::chrono::year_month_day day{std::chrono::year{part[0]},
                                        std::chrono::month{static_cast<unsigned>(part[1])},
                                        std::chrono::day{static_cast<unsigned>(part[2])}};
  if (!day.ok() || part[3] > 23 || part[4] > 59 || part[5] > 59) {
    return std::nullopt;
  }
  text.remove_prefix(shape.size());
  std::int64_t micros = 0;
  if (text.starts_with('.')) {
    std::size_t digits = 1;
    for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
      if (digits <= 6) {
        micros = micros * 10 + (text[digits] - '0');
      }
    }
    if (digits == 1) {
      return std::nullopt;
    }
    for (std::size_t i = digits; i <= 6; ++i) {
      micros *= 10;
    }
    text.remove_prefix(digits);
  }
  std::int64_t offset_minutes = 0;
  if (text.size() == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':') {
    const auto hours = number<unsigned>(text.substr(1, 2));
    const auto minutes = number<unsigned>(text.substr(4, 2));
    if (!hours || !minutes || *hours > 18 || *minutes > 59) {
      return std::nullopt;
    }
    offset_minutes = (text[0] == '-' ? -1 : 1) * static_cast<std::int64_t>(*hours * 60 + *minutes);
  } else if (!text.empty() && text != "Z") {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  const std::int64_t seconds =
      days * 86400 + part[3] * 3600 + part[4] * 60 + part[5] - offset_minutes * 60;
  return Timestamp{seconds * 1000000 + micros};
}

}  // namespace selvedge::migration
