// Encoded values, and their way through JSON.
//
// Input: u8 tag | payload.

#include <selvedge/json.h>

#include "base/bytes.h"
#include "fuzz/golden.h"
#include "graph/value_codec.h"
#include "tests/golden/golden_values.h"

namespace selvedge::fuzz {

namespace {

using graph::Tag;

/// Every way to look at a value says the same about its type.
void check_view(const ValueView& view) {
  const ValueType type = view.type();
  require(!to_string(type).empty(), "a type has a name");
  require(view.as_bool().has_value() == (type == ValueType::boolean), "a truth value is one");
  require(view.as_int64().has_value() == (type == ValueType::int64), "an integer is one");
  require(view.as_float64().has_value() == (type == ValueType::float64), "a double is one");
  require(view.as_string().has_value() == (type == ValueType::string), "a string is one");
  require(view.as_bytes().has_value() == (type == ValueType::bytes), "bytes are bytes");
  require(view.as_timestamp().has_value() == (type == ValueType::timestamp), "a time is one");
  require(view.as_uuid().has_value() == (type == ValueType::uuid), "a UUID is one");
  const auto floats = view.as_vector();
  require(floats.has_value() == (type == ValueType::vector), "a vector is one");
  require(!floats || floats->size() == view.size(), "a vector has its size");
  std::size_t elements = 0;
  view.for_each([&](ValueView) { ++elements; });
  view.for_each_member([&](std::string_view, ValueView) { ++elements; });
  const bool many = type == ValueType::list || type == ValueType::map;
  require(elements == (many ? view.size() : 0), "a list has as many elements as it says");
}

void run(Input input) {
  if (input.empty()) {
    return;
  }
  const auto tag = static_cast<Tag>(input[0]);
  const Buffer payload(input.begin() + 1, input.end());
  if (!graph::valid_value(tag, payload)) {
    return;
  }
  const ValueView view(static_cast<std::uint8_t>(tag), payload);
  check_view(view);
  const Value value = view.to_value();
  ByteWriter bytes;
  require(must(graph::put_value(bytes, value), "a valid value can be encoded") == tag,
          "a value keeps its tag");
  require(std::equal(payload.begin(), payload.end(), bytes.span().begin(), bytes.span().end()),
          "a value is written as it was read");
  const Value again = must(value_from_json(to_json(value)), "a value comes back from JSON");
  require(again == value, "a value is the same after JSON");
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  auto values = test::golden_values();
  values.emplace_back(
      List{Value(List{Value(List{})}), Value(Map{{"$a", Value(1)}, {"b", Value()}})});
  for (const Value& value : values) {
    ByteWriter bytes;
    Buffer seed = {static_cast<std::byte>(must(graph::put_value(bytes, value), "a golden value"))};
    seed.insert(seed.end(), bytes.span().begin(), bytes.span().end());
    result.push_back(std::move(seed));
  }
  return result;
}

}  // namespace

// Twice as an owned value, and as JSON with its tree in between: names of up to nine bytes and
// brackets for a value of two bytes.
const Target value_target{"value", run, nullptr, seeds, std::size_t{1} << 20, 1024};

}  // namespace selvedge::fuzz
