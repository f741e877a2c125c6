// CSV as text: records and fields (RFC 4180).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/migration.h>

#include "migration/input_file.h"
#include "migration/record.h"

namespace selvedge::migration {

struct CsvField {
  std::string text;
  bool quoted = false;       ///< "" is an empty text, nothing at all is no value
  std::uint64_t line = 0;    ///< where it begins
  std::uint64_t column = 0;  ///< in bytes, from 1
};

/// Role: records of a file. A field in quotes may hold delimiters, quotes (doubled) and line ends.
/// Threads: one.
/// After failure: of a record, it goes on behind the end of its line.
class CsvReader {
 public:
  CsvReader(InputFile file, const CsvDialect& dialect, std::size_t record_bytes_max)
      : file_(std::move(file)), dialect_(dialect), bytes_max_(record_bytes_max) {}

  /// False at the end. Empty lines are passed over.
  Result<bool> next(std::vector<CsvField>& into);
  void rewind();
  [[nodiscard]] const InputFile& file() const { return file_; }
  /// Of the record that `next` read last.
  [[nodiscard]] Place place() const { return {file_.path(), record_line_, 0, record_offset_}; }
  [[nodiscard]] std::uint64_t record_bytes() const { return file_.offset() - record_offset_; }

 private:
  enum class State : std::uint8_t { field_begin, plain, quoted, quote_in_quoted };
  Result<bool> peek(char& into);
  void take(char c);
  Result<bool> record(std::vector<CsvField>& into);
  Status in_field(char c, std::vector<CsvField>& into, State& state);
  Status refuse(std::string what, std::string expected, std::string found, ErrorCode code);
  Status pass_over_line();
  void begin_field(std::vector<CsvField>& into) const;

  InputFile file_;
  CsvDialect dialect_;
  std::size_t bytes_max_;
  std::uint64_t line_ = 1;
  std::uint64_t column_ = 1;
  std::uint64_t record_line_ = 0;
  std::uint64_t record_offset_ = 0;
  bool bom_passed_ = false;
};

/// A field as it is written; in quotes if it has to be.
std::string csv_field(std::string_view text, const CsvDialect& dialect);

}  // namespace selvedge::migration
