// A large object in JSON, read piece by piece.
#pragma once

#include <string>
#include <string_view>

#include "migration/input_file.h"
#include "migration/record.h"

namespace selvedge::migration {

/// Role: walks over a file that is one object. Values come as text, one at a time.
/// Threads: one.
/// After failure: of the form, nothing more can be read.
class JsonStream {
 public:
  JsonStream(InputFile file, std::size_t value_bytes_max)
      : file_(std::move(file)), bytes_max_(value_bytes_max) {}

  void rewind() { file_.rewind(); }
  [[nodiscard]] const InputFile& file() const { return file_; }
  [[nodiscard]] Place place() const { return {file_.path(), 0, 0, at_}; }

  /// `{`
  Status begin_object() { return expect('{'); }
  /// The name of the next member, or false behind the last. `first`: no comma before it.
  Result<bool> next_member(bool first, std::string& name);
  /// `[`, or false for anything else, which is still to be read.
  Result<bool> begin_array();
  /// The next element, or false behind the last.
  Result<bool> next_element(bool first, std::string& text);
  Status value(std::string& text);
  /// Nothing more but blanks.
  Status end();

 private:
  Result<char> peek();
  Status expect(char wanted);
  Status string(std::string& text);
  Error wrong(std::string expected, std::string found) const;

  InputFile file_;
  std::size_t bytes_max_;
  std::uint64_t at_ = 0;
};

}  // namespace selvedge::migration
