// Values and columns of CSV: the types of Neo4j's import tool, and some of our own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <selvedge/error.h>
#include <selvedge/migration.h>
#include <selvedge/value.h>

namespace selvedge::migration {

enum class CsvType : std::uint8_t {
  string,
  integer,   ///< int, long, short, byte
  floating,  ///< float, double
  boolean,
  datetime,   ///< ISO 8601
  timestamp,  ///< microseconds since 1970; ours, like all below
  bytes,      ///< hexadecimal digits
  uuid,
  vector,  ///< float32, between array delimiters
  json,    ///< any value (selvedge/json.h)
};
struct CsvTypeName {
  std::string_view name;
  CsvType type;
};
/// Nothing for a name that is none, or that has no value here (point, duration, ..).
std::optional<CsvType> parse_csv_type(std::string_view name);
/// The name that is written.
std::string_view name_of(CsvType type);

/// What a column says.
struct CsvColumn {
  enum class Role : std::uint8_t { property, id, labels, start, end, type, ignored };
  Role role = Role::property;
  std::string name;
  CsvType type = CsvType::string;
  bool array = false;
  std::string group;  ///< of ids
};
/// `name:type`, `name:type[]`, `:ID(group)`, `name:ID`, `:LABEL`, `:START_ID(group)`, `:END_ID`,
/// `:TYPE`, `:IGNORE`. Errors: what, expected, found.
Result<CsvColumn> parse_csv_column(std::string_view header);

/// Errors: what, expected, found.
Result<Value> parse_csv_value(const CsvColumn& column, std::string_view text,
                              const CsvDialect& dialect);
std::vector<std::string_view> split_csv_array(std::string_view text, char delimiter);

/// The column's type that holds a value exactly; json holds them all.
CsvColumn csv_column_of(const ValueView& value, const CsvDialect& dialect);
std::string csv_value(const CsvColumn& column, const ValueView& value, const CsvDialect& dialect);

/// "2023-11-14T22:13:20.5Z", with an offset, or without (UTC): to the microsecond.
std::optional<Timestamp> parse_datetime(std::string_view text);

}  // namespace selvedge::migration
