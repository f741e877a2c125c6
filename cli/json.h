// JSON for programs.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace selvedge::cli {

/// Role: one JSON text, member by member. Numbers of ids and sequences are numbers.
/// Threads: one.
class Json {
 public:
  Json() : writer_(buffer_) {}

  Json& begin_object() { return writer_.StartObject(), *this; }
  Json& end_object() { return writer_.EndObject(), *this; }
  Json& begin_array() { return writer_.StartArray(), *this; }
  Json& end_array() { return writer_.EndArray(), *this; }
  Json& key(std::string_view name) {
    writer_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
    return *this;
  }
  Json& value(std::string_view text) {
    writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
    return *this;
  }
  Json& value(const char* text) { return value(std::string_view(text)); }
  Json& value(const std::string& text) { return value(std::string_view(text)); }
  template <class T>
  requires std::same_as<T, bool> Json& value(T truth) { return writer_.Bool(truth), *this; }
  template <class T>
  requires(std::integral<T> && !std::same_as<T, bool>) Json& value(T number) {
    if constexpr (std::is_signed_v<T>) {
      writer_.Int64(number);
    } else {
      writer_.Uint64(number);
    }
    return *this;
  }
  Json& null() { return writer_.Null(), *this; }
  /// A text that is JSON already.
  Json& raw(std::string_view json) {
    writer_.RawValue(json.data(), json.size(), rapidjson::kObjectType);
    return *this;
  }
  template <class T>
  Json& member(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  template <class T>
  Json& member(std::string_view name, const std::optional<T>& content) {
    return content ? member(name, *content) : key(name).null();
  }
  [[nodiscard]] std::string take() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

}  // namespace selvedge::cli
