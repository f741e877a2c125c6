#include "migration/json_stream.h"

#include <selvedge/json.h>

namespace selvedge::migration {

namespace {

/// The end of the file stands for itself: no text has it outside of strings.
constexpr char nothing = '\0';

}  // namespace

Error JsonStream::wrong(std::string expected, std::string found) const {
  return Error(Error(ErrorCode::corruption, "not JSON of the form that is expected")
                   .at(file_.path(), file_.offset())
                   .mismatch(std::move(expected), std::move(found)));
}

/// The next character that is no blank, without taking it.
Result<char> JsonStream::peek() {
  for (;;) {
    const std::string_view rest = file_.rest();
    const std::size_t blank = rest.find_first_not_of(" \t\r\n");
    if (blank != std::string_view::npos) {
      file_.take(blank);
      return file_.rest().front();
    }
    file_.take(rest.size());
    SELVEDGE_TRY(const bool more, file_.more());
    if (!more) {
      return nothing;
    }
  }
}

Status JsonStream::expect(char wanted) {
  SELVEDGE_TRY(const char found, peek());
  if (found != wanted) {
    return fail(wrong(std::string("`") + wanted + "`",
                      found == nothing ? "the end of the file" : std::string(1, found)));
  }
  file_.take(1);
  return {};
}

/// From a quote to the next one, with both.
Status JsonStream::string(std::string& text) {
  bool escaped = false;
  for (bool first = true;;) {
    if (file_.rest().empty()) {
      SELVEDGE_TRY(const bool more, file_.more());
      if (!more) {
        return fail(wrong("a closing quote", "the end of the file"));
      }
    }
    const char c = file_.rest().front();
    file_.take(1);
    text.push_back(c);
    if (c == '"' && !escaped && !first) {
      return {};
    }
    escaped = c == '\\' && !escaped;
    first = false;
    if (text.size() > bytes_max_) {
      return fail(wrong("at most " + std::to_string(bytes_max_) + " bytes", "more"));
    }
  }
}

Status JsonStream::value(std::string& text) {
  text.clear();
  std::size_t depth = 0;
  SELVEDGE_TRY(peek());
  at_ = file_.offset();
  do {
    const std::uint64_t before = file_.offset();
    SELVEDGE_TRY(const char c, peek());
    if (!text.empty() && file_.offset() != before) {
      text.push_back(' ');  // two words stay two
    }
    if (c == nothing) {
      return fail(wrong("a value", "the end of the file"));
    }
    if (c == '"') {
      SELVEDGE_TRY(string(text));
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']' || c == ':')) {
      return fail(wrong("a value", std::string(1, c)));
    }
    if (c == '{' || c == '[' || c == '}' || c == ']' || c == ',' || c == ':') {
      depth += c == '{' || c == '[' ? 1 : 0;
      depth -= c == '}' || c == ']' ? 1 : 0;
      text.push_back(c);
      file_.take(1);
    } else {  // a number or a word: to its end
      for (;;) {
        if (file_.rest().empty()) {
          SELVEDGE_TRY(const bool more, file_.more());
          if (!more) {
            break;
          }
        }
        const char each = file_.rest().front();
        if (std::string_view(" \t\r\n,:{}[]\"").find(each) != std::string_view::npos) {
          break;
        }
        text.push_back(each);
        file_.take(1);
        if (text.size() > bytes_max_) {
          break;
        }
      }
    }
    if (text.size() > bytes_max_) {
      return fail(wrong("at most " + std::to_string(bytes_max_) + " bytes", "more"));
    }
  } while (depth != 0);
  return {};
}

Result<bool> JsonStream::next_member(bool first, std::string& name) {
  SELVEDGE_TRY(const char found, peek());
  if (found == '}') {
    file_.take(1);
    return false;
  }
  if (!first) {
    SELVEDGE_TRY(expect(','));
  }
  std::string text;
  SELVEDGE_TRY(value(text));
  const auto decoded = value_from_json(text);
  if (!decoded || decoded->as<std::string>() == nullptr) {
    return fail(wrong("a name", text.substr(0, 40)));
  }
  name = *decoded->as<std::string>();
  SELVEDGE_TRY(expect(':'));
  return true;
}

Result<bool> JsonStream::begin_array() {
  SELVEDGE_TRY(const char found, peek());
  if (found == '[') {
    file_.take(1);
    return true;
  }
  return false;
}

Result<bool> JsonStream::next_element(bool first, std::string& text) {
  SELVEDGE_TRY(const char found, peek());
  if (found == ']') {
    file_.take(1);
    return false;
  }
  if (!first) {
    SELVEDGE_TRY(expect(','));
  }
  SELVEDGE_TRY(value(text));
  return true;
}

Status JsonStream::end() {
  SELVEDGE_TRY(const char found, peek());
  return found == nothing ? Status{} : fail(wrong("the end of the file", std::string(1, found)));
}

}  // namespace selvedge::migration
