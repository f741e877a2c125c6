#include "migration/csv_text.h"

#include "base/utf8.h"

namespace selvedge::migration {

Result<bool> CsvReader::peek(char& into) {
  if (file_.rest().empty()) {
    SELVEDGE_TRY(const bool more, file_.more());
    if (!more) {
      return false;
    }
  }
  into = file_.rest().front();
  return true;
}

void CsvReader::take(char c) {
  file_.take(1);
  ++column_;
  if (c == '\n') {
    ++line_;
    column_ = 1;
  }
}

void CsvReader::rewind() {
  file_.rewind();
  line_ = 1;
  column_ = 1;
  bom_passed_ = false;
}

Status CsvReader::refuse(std::string what, std::string expected, std::string found,
                         ErrorCode code) {
  Error error = bad_input({file_.path(), line_, column_, file_.offset()}, std::move(what),
                          std::move(expected), std::move(found), code);
  SELVEDGE_TRY(pass_over_line());
  return fail(std::move(error));
}

Status CsvReader::pass_over_line() {
  for (char c = 0;;) {
    SELVEDGE_TRY(const bool more, peek(c));
    if (!more) {
      return {};
    }
    take(c);
    if (c == '\n') {
      return {};
    }
  }
}

void CsvReader::begin_field(std::vector<CsvField>& into) const {
  CsvField& field = into.emplace_back();
  field.line = line_;
  field.column = column_;
}

Result<bool> CsvReader::next(std::vector<CsvField>& into) {
  if (!bom_passed_) {
    bom_passed_ = true;
    SELVEDGE_TRY(file_.more());
    if (file_.rest().starts_with("\xef\xbb\xbf")) {
      file_.take(3);
    }
  }
  for (;;) {
    into.clear();
    record_line_ = line_;
    record_offset_ = file_.offset();
    SELVEDGE_TRY(const bool more, record(into));
    if (!more) {
      return false;
    }
    if (into.size() > 1 || into[0].quoted || !into[0].text.empty()) {
      break;
    }
  }
  for (const CsvField& field : into) {
    if (!base::valid_utf8(field.text)) {
      return fail(bad_input({file_.path(), field.line, field.column, record_offset_},
                            "the field is not valid UTF-8"));
    }
  }
  return true;
}

Result<bool> CsvReader::record(std::vector<CsvField>& into) {
  State state = State::field_begin;
  begin_field(into);
  for (char c = 0;;) {
    SELVEDGE_TRY(const bool more, peek(c));
    if (!more) {
      if (state == State::quoted) {
        return fail(bad_input({file_.path(), into.back().line, into.back().column, record_offset_},
                              "the file ends inside of quotes", "a closing quote",
                              "the end of the file"));
      }
      return file_.offset() != record_offset_;
    }
    if (file_.offset() - record_offset_ >= bytes_max_) {
      SELVEDGE_TRY(refuse("the record is too long",
                          "at most " + std::to_string(bytes_max_) + " bytes", "more",
                          ErrorCode::too_large));
    }
    if (c == '\n' && state != State::quoted) {
      take(c);
      if (state != State::quote_in_quoted && into.back().text.ends_with('\r')) {
        into.back().text.pop_back();
      }
      return true;
    }
    SELVEDGE_TRY(in_field(c, into, state));
  }
}

Status CsvReader::in_field(char c, std::vector<CsvField>& into, State& state) {
  CsvField& field = into.back();
  if (state == State::quoted) {
    take(c);
    if (c == dialect_.quote) {
      state = State::quote_in_quoted;
    } else {
      field.text.push_back(c);
    }
    return {};
  }
  if (c == dialect_.delimiter) {
    take(c);
    begin_field(into);
    state = State::field_begin;
    return {};
  }
  if (c == dialect_.quote) {
    if (state == State::plain) {
      return refuse("a quote inside of a field without quotes", "the field in quotes",
                    std::string(1, c), ErrorCode::invalid_argument);
    }
    take(c);
    if (state == State::quote_in_quoted) {  // two of them are one
      field.text.push_back(c);
    }
    field.quoted = true;
    state = State::quoted;
    return {};
  }
  if (state == State::quote_in_quoted) {
    if (c != '\r') {
      return refuse("text behind a closing quote", "a delimiter or the end of the line",
                    std::string(1, c), ErrorCode::invalid_argument);
    }
    take(c);
    return {};
  }
  take(c);
  field.text.push_back(c);
  state = State::plain;
  return {};
}

std::string csv_field(std::string_view text, const CsvDialect& dialect) {
  const std::string_view special("\r\n");
  const bool plain = !text.empty() && text.find(dialect.delimiter) == std::string_view::npos &&
                     text.find(dialect.quote) == std::string_view::npos &&
                     text.find_first_of(special) == std::string_view::npos && text.front() != ' ' &&
                     text.back() != ' ' && text.front() != '\xef';
  if (plain) {
    return std::string(text);
  }
  std::string quoted(1, dialect.quote);
  for (const char c : text) {
    quoted.append(c == dialect.quote ? 2 : 1, c);
  }
  quoted.push_back(dialect.quote);
  return quoted;
}

}  // namespace selvedge::migration
