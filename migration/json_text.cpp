#include "migration/json_text.h"

#include <selvedge/json.h>
#include <selvedge/value.h>

#include <algorithm>
#include <unordered_set>

namespace selvedge::migration {

namespace {

/// Role: walks over the text of one object or array.
class Splitter {
 public:
  Splitter(std::string_view text, JsonFault& fault) : text_(text), fault_(fault) {}

  bool object(std::vector<JsonMember>& into) {
    if (!expect('{') || (skip_space(), peek() == '}')) {
      return closing('}');
    }
    do {
      skip_space();
      JsonMember member;
      if (!name(member.name) || !expect(':') || (skip_space(), false)) {
        return false;
      }
      if (!names_.insert(member.name).second) {
        return fail_here("each name once");
      }
      member.at = at_;
      if (!value(member.text)) {
        return false;
      }
      into.push_back(std::move(member));
    } while (comma());
    return closing('}');
  }

  bool array(std::vector<std::string_view>& into) {
    if (!expect('[') || (skip_space(), peek() == ']')) {
      return closing(']');
    }
    do {
      skip_space();
      std::string_view text;
      if (!value(text)) {
        return false;
      }
      into.push_back(text);
    } while (comma());
    return closing(']');
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) {
      ++at_;
    }
  }
  bool fail_here(std::string expected) {
    if (fault_.expected.empty()) {
      fault_ = {at_, std::move(expected)};
    }
    return false;
  }
  bool expect(char wanted) {
    skip_space();
    if (peek() != wanted) {
      return fail_here(std::string("`") + wanted + "`");
    }
    ++at_;
    return true;
  }
  bool comma() {
    skip_space();
    if (peek() != ',') {
      return false;
    }
    ++at_;
    return true;
  }
  bool closing(char wanted) {
    if (!expect(wanted)) {
      return false;
    }
    skip_space();
    return at_ == text_.size() || fail_here("nothing more");
  }

  bool string(std::string_view& raw) {
    const std::size_t begin = at_;
    if (peek() != '"') {
      return fail_here("a name in quotes");
    }
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        raw = text_.substr(begin, ++at_ - begin);
        return true;
      }
    }
    at_ = begin;
    return fail_here("the quote at the end of a text");
  }
  bool name(std::string& into) {
    const std::size_t begin = at_;
    std::string_view raw;
    if (!string(raw)) {
      return false;
    }
    const auto decoded = value_from_json(raw);
    if (!decoded) {
      at_ = begin;
      return fail_here("a name");
    }
    into = *decoded->as<std::string>();
    return true;
  }
  /// To the end of a value: what is inside is somebody else's.
  bool value(std::string_view& raw) {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      const char c = peek();
      if (c == '"') {
        std::string_view ignored;
        if (!string(ignored)) {
          return false;
        }
        continue;
      }
      if (at_ >= text_.size()) {
        return fail_here(depth == 0 ? "a value" : "the end of a list or object");
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
        return fail_here("a value");
      }
      depth += c == '{' || c == '[' ? 1 : 0;
      depth -= c == '}' || c == ']' ? 1 : 0;
      ++at_;
      if (depth == 0 && c != '}' && c != ']') {  // a number or a word
        at_ = std::min(text_.find_first_of(",}] \t\r\n", at_), text_.size());
      }
    } while (depth != 0);
    raw = text_.substr(begin, at_ - begin);
    return true;
  }

  std::string_view text_;
  JsonFault& fault_;
  std::size_t at_ = 0;
  std::unordered_set<std::string> names_;
};

}  // namespace

bool split_object(std::string_view text, std::vector<JsonMember>& into, JsonFault& fault) {
  into.clear();
  fault = {};
  return Splitter(text, fault).object(into) && fault.expected.empty();
}

bool split_array(std::string_view text, std::vector<std::string_view>& into, JsonFault& fault) {
  into.clear();
  fault = {};
  return Splitter(text, fault).array(into) && fault.expected.empty();
}

std::string json_string(std::string_view text) { return to_json(Value(text)); }

}  // namespace selvedge::migration
