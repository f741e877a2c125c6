#include "graph/value_codec.h"

#include <bit>
#include <limits>

#include "base/limits.h"
#include "base/utf8.h"

namespace selvedge {

using graph::Tag;

std::string_view to_string(ValueType type) {
  switch (type) {
    case ValueType::null: return "null";
    case ValueType::boolean: return "boolean";
    case ValueType::int64: return "int64";
    case ValueType::float64: return "float64";
    case ValueType::string: return "string";
    case ValueType::bytes: return "bytes";
    case ValueType::timestamp: return "timestamp";
    case ValueType::uuid: return "uuid";
    case ValueType::list: return "list";
    case ValueType::map: return "map";
    case ValueType::vector: return "vector";
  }
  return "unknown";
}

bool Value::operator==(const Value& other) const {
  if (data_.index() != other.data_.index()) {
    return false;
  }
  if (const double* value = as<double>()) {
    return std::bit_cast<std::uint64_t>(*value) ==
           std::bit_cast<std::uint64_t>(*other.as<double>());
  }
  if (const Vector* floats = as<Vector>()) {
    const Vector& others = *other.as<Vector>();
    if (floats->size() != others.size()) {
      return false;
    }
    for (std::size_t i = 0; i < floats->size(); ++i) {
      if (std::bit_cast<std::uint32_t>((*floats)[i]) != std::bit_cast<std::uint32_t>(others[i])) {
        return false;
      }
    }
    return true;
  }
  return data_ == other.data_;
}

// --- views -------------------------------------------------------------------------------------

ValueType ValueView::type() const {
  switch (static_cast<Tag>(tag_)) {
    case Tag::absent:
    case Tag::null: return ValueType::null;
    case Tag::no:
    case Tag::yes: return ValueType::boolean;
    case Tag::int8:
    case Tag::int16:
    case Tag::int32:
    case Tag::int64: return ValueType::int64;
    case Tag::float64: return ValueType::float64;
    case Tag::string: return ValueType::string;
    case Tag::bytes: return ValueType::bytes;
    case Tag::timestamp: return ValueType::timestamp;
    case Tag::uuid: return ValueType::uuid;
    case Tag::list: return ValueType::list;
    case Tag::map: return ValueType::map;
    case Tag::vector: return ValueType::vector;
  }
  return ValueType::null;
}

std::optional<bool> ValueView::as_bool() const {
  const auto tag = static_cast<Tag>(tag_);
  if (tag != Tag::yes && tag != Tag::no) {
    return std::nullopt;
  }
  return tag == Tag::yes;
}

std::optional<std::int64_t> ValueView::as_int64() const {
  switch (static_cast<Tag>(tag_)) {
    case Tag::int8: return load_le<std::int8_t>(data_);
    case Tag::int16: return load_le<std::int16_t>(data_);
    case Tag::int32: return load_le<std::int32_t>(data_);
    case Tag::int64: return load_le<std::int64_t>(data_);
    default: return std::nullopt;
  }
}

std::optional<double> ValueView::as_float64() const {
  if (static_cast<Tag>(tag_) != Tag::float64) {
    return std::nullopt;
  }
  return load_le<double>(data_);
}

std::optional<std::string_view> ValueView::as_string() const {
  if (static_cast<Tag>(tag_) != Tag::string) {
    return std::nullopt;
  }
  return as_text(payload());
}

std::optional<std::span<const std::byte>> ValueView::as_bytes() const {
  if (static_cast<Tag>(tag_) != Tag::bytes) {
    return std::nullopt;
  }
  return payload();
}

std::optional<Timestamp> ValueView::as_timestamp() const {
  if (static_cast<Tag>(tag_) != Tag::timestamp) {
    return std::nullopt;
  }
  return Timestamp{load_le<std::int64_t>(data_)};
}

std::optional<Uuid> ValueView::as_uuid() const {
  if (static_cast<Tag>(tag_) != Tag::uuid) {
    return std::nullopt;
  }
  return load_le<Uuid>(data_);
}

std::optional<std::vector<float>> ValueView::as_vector() const {
  if (static_cast<Tag>(tag_) != Tag::vector) {
    return std::nullopt;
  }
  std::vector<float> floats(size_ / sizeof(float));
  if (!floats.empty()) {
    std::memcpy(floats.data(), data_, size_);
  }
  return floats;
}

std::size_t ValueView::size() const {
  switch (static_cast<Tag>(tag_)) {
    case Tag::string:
    case Tag::bytes: return size_;
    case Tag::vector: return size_ / sizeof(float);
    case Tag::list:
    case Tag::map: return static_cast<std::size_t>(ByteReader(payload()).take_varint());
    default: return 0;
  }
}

float ValueView::float_at(std::size_t index) const {
  return load_le<float>(data_ + index * sizeof(float));
}

bool ValueView::next_item(std::size_t& at, bool keyed, Item& item) const {
  if (static_cast<Tag>(tag_) != (keyed ? Tag::map : Tag::list)) {
    return false;
  }
  ByteReader reader(payload());
  if (at == 0) {
    reader.take_varint();
  } else {
    reader.take_bytes(at);
  }
  if (reader.remaining() == 0) {
    return false;
  }
  if (keyed) {
    item.key = reader.take_text();
  }
  item.tag = reader.take<std::uint8_t>();
  const auto bytes = reader.take_bytes(reader.take_varint());
  item.data = bytes.data();
  item.size = static_cast<std::uint32_t>(bytes.size());
  at = reader.position();
  return reader.ok();
}

Value ValueView::to_value() const {
  switch (type()) {
    case ValueType::null: return {};
    case ValueType::boolean: return *as_bool();
    case ValueType::int64: return *as_int64();
    case ValueType::float64: return *as_float64();
    case ValueType::string: return *as_string();
    case ValueType::bytes: return Bytes(data_, data_ + size_);
    case ValueType::timestamp: return *as_timestamp();
    case ValueType::uuid: return *as_uuid();
    case ValueType::vector: return *as_vector();
    case ValueType::list: {
      List list;
      for_each([&](ValueView element) { list.push_back(element.to_value()); });
      return list;
    }
    case ValueType::map: {
      Map map;
      for_each_member([&](std::string_view key, ValueView member) {
        map.emplace(std::string(key), member.to_value());
      });
      return map;
    }
  }
  return {};
}

// --- encoding ----------------------------------------------------------------------------------

namespace graph {

namespace {

tl::unexpected<Error> too_large(const char* what) { return fail(ErrorCode::too_large, what); }

Tag put_int(ByteWriter& to, std::int64_t value) {
  if (value == static_cast<std::int8_t>(value)) {
    to.put(static_cast<std::int8_t>(value));
    return Tag::int8;
  }
  if (value == static_cast<std::int16_t>(value)) {
    to.put(static_cast<std::int16_t>(value));
    return Tag::int16;
  }
  if (value == static_cast<std::int32_t>(value)) {
    to.put(static_cast<std::int32_t>(value));
    return Tag::int32;
  }
  to.put(value);
  return Tag::int64;
}

Result<Tag> put_string(ByteWriter& to, std::string_view text) {
  if (text.size() > limits::image_bytes_max) {
    return too_large("a string is too long");
  }
  if (!base::valid_utf8(text)) {
    return fail(ErrorCode::invalid_argument, "a string is not valid UTF-8");
  }
  to.put_bytes(as_bytes(text));
  return Tag::string;
}

Result<Tag> put_span(ByteWriter& to, std::span<const std::byte> bytes, Tag tag) {
  if (bytes.size() > limits::image_bytes_max) {
    return too_large("a value is too large");
  }
  to.put_bytes(bytes);
  return tag;
}

Result<Tag> put_owned(ByteWriter& to, const Value& value, unsigned depth);

Status put_element(ByteWriter& to, const Value& value, unsigned depth) {
  ByteWriter payload;
  SELVEDGE_TRY(const Tag tag, put_owned(payload, value, depth));
  to.put(tag);
  to.put_varint(payload.size());
  to.put_bytes(payload.span());
  if (to.size() > limits::image_bytes_max) {
    return too_large("a list or map is too large");
  }
  return {};
}

Result<Tag> put_owned(ByteWriter& to, const Value& value, unsigned depth) {
  if (const List* list = value.as<List>()) {
    if (depth >= limits::nesting_max) {
      return too_large("lists and maps are nested too deeply");
    }
    to.put_varint(list->size());
    for (const Value& element : *list) {
      SELVEDGE_TRY(put_element(to, element, depth + 1));
    }
    return Tag::list;
  }
  if (const Map* map = value.as<Map>()) {
    if (depth >= limits::nesting_max) {
      return too_large("lists and maps are nested too deeply");
    }
    to.put_varint(map->size());
    for (const auto& [key, member] : *map) {
      if (!base::valid_utf8(key)) {
        return fail(ErrorCode::invalid_argument, "a map's key is not valid UTF-8");
      }
      to.put_text(key);
      SELVEDGE_TRY(put_element(to, member, depth + 1));
    }
    return Tag::map;
  }
  switch (value.type()) {
    case ValueType::null: return Tag::null;
    case ValueType::boolean: return *value.as<bool>() ? Tag::yes : Tag::no;
    case ValueType::int64: return put_int(to, *value.as<std::int64_t>());
    case ValueType::float64: to.put(*value.as<double>()); return Tag::float64;
    case ValueType::string: return put_string(to, *value.as<std::string>());
    case ValueType::bytes: return put_span(to, *value.as<Bytes>(), Tag::bytes);
    case ValueType::timestamp: to.put(value.as<Timestamp>()->microseconds); return Tag::timestamp;
    case ValueType::uuid: to.put_bytes(value.as<Uuid>()->bytes); return Tag::uuid;
    default: break;
  }
  const Vector& floats = *value.as<Vector>();
  return put_span(to, std::as_bytes(std::span(floats)), Tag::vector);
}

}  // namespace

Result<Tag> put_value(ByteWriter& to, const ValueArg& value) {
  const ValueArg::Data& data = value.data();
  if (const auto* number = std::get_if<std::int64_t>(&data)) {
    return put_int(to, *number);
  }
  if (const auto* text = std::get_if<std::string_view>(&data)) {
    return put_string(to, *text);
  }
  if (const auto* number = std::get_if<double>(&data)) {
    to.put(*number);
    return Tag::float64;
  }
  if (const auto* truth = std::get_if<bool>(&data)) {
    return *truth ? Tag::yes : Tag::no;
  }
  if (const auto* bytes = std::get_if<std::span<const std::byte>>(&data)) {
    return put_span(to, *bytes, Tag::bytes);
  }
  if (const auto* time = std::get_if<Timestamp>(&data)) {
    to.put(time->microseconds);
    return Tag::timestamp;
  }
  if (const auto* uuid = std::get_if<Uuid>(&data)) {
    to.put_bytes(uuid->bytes);
    return Tag::uuid;
  }
  if (const auto* floats = std::get_if<std::span<const float>>(&data)) {
    return put_span(to, std::as_bytes(*floats), Tag::vector);
  }
  if (const auto* owned = std::get_if<const Value*>(&data)) {
    return put_owned(to, **owned, 0);
  }
  return Tag::null;
}

namespace {

bool valid_items(std::span<const std::byte> payload, bool keyed, unsigned depth) {
  ByteReader reader(payload);
  const std::uint64_t count = reader.take_varint();
  std::string_view last;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    if (keyed) {
      const std::string_view key = reader.take_text();
      if (!base::valid_utf8(key) || (i != 0 && key <= last)) {
        return false;
      }
      last = key;
    }
    const Tag tag = reader.take<Tag>();
    const auto bytes = reader.take_bytes(reader.take_varint());
    if (!reader.ok() || !valid_value(tag, bytes, depth + 1)) {
      return false;
    }
  }
  return reader.at_end();
}

}  // namespace

bool valid_value(Tag tag, std::span<const std::byte> payload, unsigned depth) {
  const auto smallest = [&](std::int64_t value, std::int64_t low, std::int64_t high) {
    return value < low || value > high;  // would not have fitted into the next smaller form
  };
  switch (tag) {
    case Tag::null:
    case Tag::no:
    case Tag::yes: return payload.empty();
    case Tag::int8: return payload.size() == 1;
    case Tag::int16:
      return payload.size() == 2 && smallest(load_le<std::int16_t>(payload.data()), -128, 127);
    case Tag::int32:
      return payload.size() == 4 && smallest(load_le<std::int32_t>(payload.data()), -32768, 32767);
    case Tag::int64:
      return payload.size() == 8 && smallest(load_le<std::int64_t>(payload.data()),
                                             std::numeric_limits<std::int32_t>::min(),
                                             std::numeric_limits<std::int32_t>::max());
    case Tag::float64:
    case Tag::timestamp: return payload.size() == 8;
    case Tag::string: return base::valid_utf8(as_text(payload));
    case Tag::bytes: return true;
    case Tag::uuid: return payload.size() == 16;
    case Tag::vector: return payload.size() % sizeof(float) == 0;
    case Tag::list: return depth < limits::nesting_max && valid_items(payload, false, depth);
    case Tag::map: return depth < limits::nesting_max && valid_items(payload, true, depth);
    case Tag::absent: break;
  }
  return false;
}

}  // namespace graph

}  // namespace selvedge
