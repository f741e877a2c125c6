#include <selvedge/json.h>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/limits.h"
#include "base/utf8.h"

namespace selvedge {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

template <class Bits>
void put_hex(std::string& to, Bits bits) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (int shift = sizeof(Bits) * 8 - 4; shift >= 0; shift -= 4) {
    to.push_back(digits[static_cast<std::size_t>(bits >> shift & 15)]);
  }
}

template <class Bits>
bool take_hex(std::string_view digits, Bits& bits) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
  return digits.size() == sizeof(Bits) * 2 && error == std::errc() &&
         end == digits.data() + digits.size() && digits[0] != '-';
}

void put_text(Writer& to, std::string_view text) {
  to.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put_special(Writer& to, const char* name, const std::string& text) {
  to.StartObject();
  to.Key(name);
  put_text(to, text);
  to.EndObject();
}

void put(Writer& to, const Value& value);

/// Shortest digits that give the same double, and never those of a whole number.
void put_double(Writer& to, double value) {
  if (!std::isfinite(value)) {
    std::string bits;
    put_hex(bits, std::bit_cast<std::uint64_t>(value));
    put_special(to, "$double", bits);
    return;
  }
  std::array<char, 32> text{};
  char* end = std::to_chars(text.data(), text.data() + text.size() - 2, value).ptr;
  if (std::string_view(text.data(), end).find_first_of(".e") == std::string_view::npos) {
    *end++ = '.';
    *end++ = '0';
  }
  to.RawValue(text.data(), static_cast<std::size_t>(end - text.data()), rapidjson::kNumberType);
}

void put_map(Writer& to, const Map& map) {
  const bool escaped = !map.empty() && map.begin()->first.starts_with('$');
  if (escaped) {
    to.StartObject();
    to.Key("$map");
  }
  to.StartObject();
  for (const auto& [key, value] : map) {
    to.Key(key.data(), static_cast<rapidjson::SizeType>(key.size()));
    put(to, value);
  }
  to.EndObject();
  if (escaped) {
    to.EndObject();
  }
}

void put(Writer& to, const Value& value) {
  std::string text;
  switch (value.type()) {
    case ValueType::null: to.Null(); break;
    case ValueType::boolean: to.Bool(*value.as<bool>()); break;
    case ValueType::int64: to.Int64(*value.as<std::int64_t>()); break;
    case ValueType::float64: put_double(to, *value.as<double>()); break;
    case ValueType::string: put_text(to, *value.as<std::string>()); break;
    case ValueType::bytes:
      for (const std::byte each : *value.as<Bytes>()) {
        put_hex(text, std::to_integer<std::uint8_t>(each));
      }
      put_special(to, "$bytes", text);
      break;
    case ValueType::timestamp:
      to.StartObject();
      to.Key("$timestamp");
      to.Int64(value.as<Timestamp>()->microseconds);
      to.EndObject();
      break;
    case ValueType::uuid: put_special(to, "$uuid", to_string(*value.as<Uuid>())); break;
    case ValueType::list:
      to.StartArray();
      for (const Value& each : *value.as<List>()) {
        put(to, each);
      }
      to.EndArray();
      break;
    case ValueType::map: put_map(to, *value.as<Map>()); break;
    case ValueType::vector:
      for (const float each : *value.as<Vector>()) {
        put_hex(text, std::bit_cast<std::uint32_t>(each));
      }
      put_special(to, "$vector", text);
      break;
  }
}

tl::unexpected<Error> bad(const char* what) {
  return fail(Error(ErrorCode::invalid_argument, "not a value in JSON").mismatch(what, "else"));
}

Status check_depth(std::size_t depth) {
  if (depth < limits::nesting_max) {
    return {};
  }
  return fail(Error(ErrorCode::too_large, "a value is nested too deeply")
                  .mismatch("at most " + std::to_string(limits::nesting_max) + " levels", "more"));
}

Status take(const rapidjson::Value& json, std::size_t depth, Value& into);

std::string_view text_of(const rapidjson::Value& json) {
  return {json.GetString(), json.GetStringLength()};
}

Status take_members(const rapidjson::Value& json, std::size_t depth, Value& into) {
  SELVEDGE_TRY(check_depth(depth));
  Map map;
  for (const auto& member : json.GetObject()) {
    if (!base::valid_utf8(text_of(member.name))) {
      return bad("valid UTF-8 behind escapes");
    }
    const auto [place, fresh] = map.try_emplace(std::string(text_of(member.name)));
    if (!fresh) {
      return bad("each name once");
    }
    SELVEDGE_TRY(take(member.value, depth + 1, place->second));
  }
  into = Value(std::move(map));
  return {};
}

/// Digits of fixed width, each run of them one item.
template <class Bits, class Use>
Status take_digits(std::string_view text, Use use) {
  constexpr std::size_t width = sizeof(Bits) * 2;
  if (text.size() % width != 0) {
    return bad("whole groups of hexadecimal digits");
  }
  for (std::size_t at = 0; at < text.size(); at += width) {
    Bits bits = 0;
    if (!take_hex(text.substr(at, width), bits)) {
      return bad("hexadecimal digits");
    }
    use(bits);
  }
  return {};
}

Status take_special(std::string_view name, const rapidjson::Value& json, std::size_t depth,
                    Value& into) {
  if (name == "$map" && json.IsObject()) {
    return take_members(json, depth, into);
  }
  if (name == "$timestamp" && json.IsInt64()) {
    into = Value(Timestamp{json.GetInt64()});
    return {};
  }
  const std::string_view text = json.IsString() ? text_of(json) : std::string_view("?");
  if (name == "$double" && text.size() == 16) {
    return take_digits<std::uint64_t>(
        text, [&](std::uint64_t bits) { into = Value(std::bit_cast<double>(bits)); });
  }
  if (const auto uuid = parse_uuid(text); name == "$uuid" && uuid) {
    into = Value(*uuid);
    return {};
  }
  if (name == "$bytes") {
    Bytes bytes;
    SELVEDGE_TRY(take_digits<std::uint8_t>(
        text, [&](std::uint8_t each) { bytes.push_back(static_cast<std::byte>(each)); }));
    into = Value(std::move(bytes));
    return {};
  }
  if (name == "$vector") {
    Vector floats;
    SELVEDGE_TRY(take_digits<std::uint32_t>(
        text, [&](std::uint32_t bits) { floats.push_back(std::bit_cast<float>(bits)); }));
    into = Value(std::move(floats));
    return {};
  }
  return bad("a known name that begins with $, and what belongs to it");
}

Status take_object(const rapidjson::Value& json, std::size_t depth, Value& into) {
  if (json.MemberCount() != 0) {
    const std::string_view name = text_of(json.MemberBegin()->name);
    if (name.starts_with('$')) {
      return json.MemberCount() == 1 ? take_special(name, json.MemberBegin()->value, depth, into)
                                     : bad("one member with a name that begins with $");
    }
  }
  return take_members(json, depth, into);
}

Status take_list(const rapidjson::Value& json, std::size_t depth, Value& into) {
  SELVEDGE_TRY(check_depth(depth));
  List list(json.Size());
  for (rapidjson::SizeType i = 0; i < json.Size(); ++i) {
    SELVEDGE_TRY(take(json[i], depth + 1, list[i]));
  }
  into = Value(std::move(list));
  return {};
}

Status take(const rapidjson::Value& json, std::size_t depth, Value& into) {
  if (json.IsObject()) {
    return take_object(json, depth, into);
  }
  if (json.IsArray()) {
    return take_list(json, depth, into);
  }
  if (json.IsBool()) {
    into = Value(json.GetBool());
  } else if (json.IsInt64()) {
    into = Value(json.GetInt64());
  } else if (json.IsDouble()) {
    into = Value(json.GetDouble());
  } else if (json.IsString()) {
    if (!base::valid_utf8(text_of(json))) {  // a lone surrogate that was written as an escape
      return bad("valid UTF-8 behind escapes");
    }
    into = Value(text_of(json));
  } else if (!json.IsNull()) {
    return bad("a whole number within int64");
  }
  return {};
}

/// Fills a document. Numbers come as text: the parser would make a double of a whole one that is
/// too large for 64 bits, and of one that is too small for a double a zero.
class Builder {
 public:
  explicit Builder(rapidjson::Document& to) : to_(to) {}

  [[nodiscard]] const char* fault() const { return fault_; }

  bool Null() { return to_.Null(); }
  bool Bool(bool value) { return to_.Bool(value); }
  bool Int(int value) { return to_.Int(value); }
  bool Uint(unsigned value) { return to_.Uint(value); }
  bool Int64(std::int64_t value) { return to_.Int64(value); }
  bool Uint64(std::uint64_t value) { return to_.Uint64(value); }
  bool Double(double value) { return to_.Double(value); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view digits(text, size);
    if (digits.find_first_of(".eE") == std::string_view::npos) {
      std::int64_t whole = 0;
      return fits(digits, whole, "a whole number within int64") && to_.Int64(whole);
    }
    double fraction = 0;
    return fits(digits, fraction, "a number that a double can hold") && to_.Double(fraction);
  }
  bool String(const char* text, rapidjson::SizeType size, bool copy) {
    return to_.String(text, size, copy);
  }
  bool StartObject() { return to_.StartObject(); }
  bool Key(const char* text, rapidjson::SizeType size, bool copy) {
    return to_.Key(text, size, copy);
  }
  bool EndObject(rapidjson::SizeType count) { return to_.EndObject(count); }
  bool StartArray() { return to_.StartArray(); }
  bool EndArray(rapidjson::SizeType count) { return to_.EndArray(count); }

 private:
  template <class Number>
  bool fits(std::string_view digits, Number& number, const char* expected) {
    const char* const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, number);
    fault_ = error == std::errc() && end == last ? nullptr : expected;
    return fault_ == nullptr;
  }

  rapidjson::Document& to_;
  const char* fault_ = nullptr;
};

}  // namespace

std::string to_json(const Value& value) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  put(writer, value);
  return {buffer.GetString(), buffer.GetSize()};
}

Result<Value> value_from_json(std::string_view text) {
  if (!base::valid_utf8(text)) {
    return bad("valid UTF-8");
  }
  // Iterative: the depth of foreign text must not be the depth of our stack.
  constexpr unsigned flags = rapidjson::kParseNumbersAsStringsFlag |
                             rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  rapidjson::Document document;
  rapidjson::Reader reader;
  const char* fault = nullptr;
  std::size_t end = 0;
  const auto parse = [&](rapidjson::Document& into) {
    Builder builder(into);
    rapidjson::MemoryStream stream(text.data(), text.size());
    const bool parsed = !reader.Parse<flags>(stream, builder).IsError();
    fault = builder.fault();
    end = stream.Tell();
    return parsed;
  };
  document.Populate(parse);
  if (reader.HasParseError()) {
    return fail(Error(ErrorCode::invalid_argument, "not JSON")
                    .mismatch(fault != nullptr ? fault : "JSON",
                              std::string(fault != nullptr ? "another one"
                                                           : rapidjson::GetParseError_En(
                                                                 reader.GetParseErrorCode())) +
                                  " at byte " + std::to_string(reader.GetErrorOffset())));
  }
  if (end != text.size()) {  // the parser takes a zero for the end of the text
    return fail(Error(ErrorCode::invalid_argument, "not JSON")
                    .mismatch("one value", "more at byte " + std::to_string(end)));
  }
  Value value;
  SELVEDGE_TRY(take(document, 0, value));
  return value;
}

}  // namespace selvedge
