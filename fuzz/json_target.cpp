// Values from foreign JSON.

#include <selvedge/json.h>

#include <cctype>

#include "base/bytes.h"
#include "base/limits.h"
#include "fuzz/golden.h"
#include "graph/value_codec.h"
#include "tests/golden/golden_values.h"

namespace selvedge::fuzz {

namespace {

/// Whether the text has a whole number of so many digits that no int64 can hold it.
bool has_huge_integer(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && std::isdigit(static_cast<unsigned char>(text[i])) != 0) {
      const std::size_t end = std::min(text.find_first_not_of("0123456789.eE+-", i), text.size());
      const std::string_view number = text.substr(i, end - i);
      if (number.size() > 19 && number.find_first_of(".eE") == std::string_view::npos) {
        return true;
      }
      i = end - 1;
    }
  }
  return false;
}

void run(Input input) {
  const std::string_view text = as_text(input);
  const auto value = value_from_json(text);
  if (!value) {
    require_answer(value.error(), {ErrorCode::invalid_argument, ErrorCode::too_large});
    return;
  }
  require(text.find('\0') == std::string_view::npos, "a zero does not end the text");
  require(!has_huge_integer(text), "a whole number beyond int64 is refused");
  const std::string again = to_json(*value);
  const Value second = must(value_from_json(again), "what was written can be read");
  require(second == *value, "a value is the same after JSON");
  require(to_json(second) == again, "the same value gives the same text");
  ByteWriter bytes;
  const auto tag = graph::put_value(bytes, *value);
  if (!tag) {
    require_answer(tag.error(), {ErrorCode::too_large});
    require(text.size() > limits::image_bytes_max, "what JSON accepts can be stored");
    return;
  }
  require(graph::valid_value(*tag, bytes.span()), "what is stored is valid");
  require(ValueView(static_cast<std::uint8_t>(*tag), bytes.span()).to_value() == *value,
          "a value is the same after it was stored");
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  for (const Value& value : test::golden_values()) {
    result.push_back(buffer_of(to_json(value)));
  }
  for (const char* const text :
       {R"({"$map":{"$a":[1,2.5,-3e10]},"b":null})", R"({"$map":{"$a":1}})", "[[[[[[]]]]]]",
        R"("\u00e9\ud83d\ude00\n")", "-9223372036854775808", "9223372036854775808", "1e-310",
        R"({"$timestamp":-1})", " [ true , false ] "}) {
    result.push_back(buffer_of(text));
  }
  return result;
}

}  // namespace

// RapidJSON's tree and stack, an owned value, and both of them once more: 16 and 40 bytes for an
// element of two bytes.
const Target json_target{"json", run, nullptr, seeds, std::size_t{1} << 20, 1024};

}  // namespace selvedge::fuzz
