// Property values: owned, borrowed for input, and seen in an image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <selvedge/uuid.h>

namespace selvedge {

enum class ValueType : std::uint8_t {
  null,
  boolean,
  int64,
  float64,  ///< bit-exact: NaN payloads and -0.0 stay what they are
  string,   ///< valid UTF-8
  bytes,
  timestamp,
  uuid,
  list,
  map,
  vector,  ///< of float32
};
std::string_view to_string(ValueType type);

/// Microseconds since 1970-01-01T00:00:00 UTC.
struct Timestamp {
  std::int64_t microseconds = 0;
  auto operator<=>(const Timestamp&) const = default;
};

class Value;
using Bytes = std::vector<std::byte>;
using List = std::vector<Value>;
/// Ordered by the bytes of the key.
using Map = std::map<std::string, Value, std::less<>>;
using Vector = std::vector<float>;

namespace detail {
template <class T>
concept Integer = std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>;
/// Fits into int64 whatever its value.
template <class T>
concept SafeInteger = Integer<T> &&(std::is_signed_v<T> || sizeof(T) < 8);
template <class T>
concept WideUnsigned = Integer<T> && !SafeInteger<T>;
}  // namespace detail

/// An owned value. Equality is bit-exact: NaN equals the same NaN, -0.0 differs from 0.0.
class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  template <detail::SafeInteger T>
  Value(T value) : data_(static_cast<std::int64_t>(value)) {}
  template <detail::WideUnsigned T>
  Value(T) = delete;  // does it fit? the caller must say: static_cast<std::int64_t>
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(Bytes value) : data_(std::move(value)) {}
  Value(Timestamp value) : data_(value) {}
  Value(Uuid value) : data_(value) {}
  Value(List value) : data_(std::move(value)) {}
  Value(Map value) : data_(std::move(value)) {}
  Value(Vector value) : data_(std::move(value)) {}

  [[nodiscard]] ValueType type() const { return static_cast<ValueType>(data_.index()); }
  /// Null when the value is of another type.
  template <class T>
  [[nodiscard]] const T* as() const {
    return std::get_if<T>(&data_);
  }
  bool operator==(const Value& other) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Bytes, Timestamp, Uuid,
               List, Map, Vector>
      data_;
};

/// A value as a parameter: borrowed, never allocates.
class ValueArg {
 public:
  ValueArg(std::nullptr_t) {}
  ValueArg(bool value) : data_(value) {}
  template <detail::SafeInteger T>
  ValueArg(T value) : data_(static_cast<std::int64_t>(value)) {}
  template <detail::WideUnsigned T>
  ValueArg(T) = delete;
  ValueArg(double value) : data_(value) {}
  ValueArg(const char* value) : data_(std::string_view(value)) {}
  ValueArg(std::string_view value) : data_(value) {}
  ValueArg(const std::string& value) : data_(std::string_view(value)) {}
  ValueArg(std::span<const std::byte> value) : data_(value) {}
  ValueArg(const Bytes& value) : data_(std::span<const std::byte>(value)) {}
  ValueArg(Timestamp value) : data_(value) {}
  ValueArg(Uuid value) : data_(value) {}
  ValueArg(std::span<const float> value) : data_(value) {}
  ValueArg(const Vector& value) : data_(std::span<const float>(value)) {}
  ValueArg(const Value& value) : data_(&value) {}

  using Data = std::variant<std::monostate, bool, std::int64_t, double, std::string_view,
                            std::span<const std::byte>, Timestamp, Uuid, std::span<const float>,
                            const Value*>;
  [[nodiscard]] const Data& data() const { return data_; }

 private:
  Data data_;
};

/// A value inside an image or a list: borrowed, 16 bytes. May be absent.
class ValueView {
 public:
  ValueView() = default;
  /// `tag` as the image's directory has it (docs/format.md).
  ValueView(std::uint8_t tag, std::span<const std::byte> payload)
      : data_(payload.data()), size_(static_cast<std::uint32_t>(payload.size())), tag_(tag) {}

  /// True when there is a value (null is one).
  explicit operator bool() const { return tag_ != 0; }
  [[nodiscard]] bool present() const { return tag_ != 0; }
  /// Of a present value.
  [[nodiscard]] ValueType type() const;
  /// Nothing when the value is absent or of another type.
  [[nodiscard]] std::optional<bool> as_bool() const;
  [[nodiscard]] std::optional<std::int64_t> as_int64() const;
  [[nodiscard]] std::optional<double> as_float64() const;
  [[nodiscard]] std::optional<std::string_view> as_string() const;
  [[nodiscard]] std::optional<std::span<const std::byte>> as_bytes() const;
  [[nodiscard]] std::optional<Timestamp> as_timestamp() const;
  [[nodiscard]] std::optional<Uuid> as_uuid() const;
  [[nodiscard]] std::optional<std::vector<float>> as_vector() const;
  /// Number of floats in a vector, elements in a list or map, bytes in a string; else 0.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] float float_at(std::size_t index) const;
  /// Calls `use(ValueView)` for each element of a list.
  template <class Use>
  void for_each(Use use) const;
  /// Calls `use(std::string_view key, ValueView)` for each member of a map, keys rising.
  template <class Use>
  void for_each_member(Use use) const;
  /// An owned copy; null for an absent value.
  [[nodiscard]] Value to_value() const;

  [[nodiscard]] std::uint8_t tag() const { return tag_; }
  [[nodiscard]] std::span<const std::byte> payload() const { return {data_, size_}; }

 private:
  struct Item {
    std::string_view key;
    const std::byte* data;
    std::uint32_t size;
    std::uint8_t tag;
  };
  bool next_item(std::size_t& at, bool keyed, Item& item) const;

  const std::byte* data_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint8_t tag_ = 0;
};
static_assert(sizeof(ValueView) == 16);

template <class Use>
void ValueView::for_each(Use use) const {
  std::size_t at = 0;
  for (Item item{}; next_item(at, false, item);) {
    use(ValueView(item.tag, {item.data, item.size}));
  }
}

template <class Use>
void ValueView::for_each_member(Use use) const {
  std::size_t at = 0;
  for (Item item{}; next_item(at, true, item);) {
    use(item.key, ValueView(item.tag, {item.data, item.size}));
  }
}

}  // namespace selvedge
