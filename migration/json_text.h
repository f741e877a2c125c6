// JSON text, taken apart one level at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>

namespace selvedge::migration {

/// A member of an object: its name, and its value as it is written.
struct JsonMember {
  std::string name;
  std::string_view text;
  std::size_t at = 0;  ///< of the value, in the object's text
};

/// What is wrong, and at which byte.
struct JsonFault {
  std::size_t at = 0;
  std::string expected;
};

/// Takes an object apart; its values are not looked into but for their ends. `invalid_argument`
/// with `fault` filled. Names come once each.
bool split_object(std::string_view text, std::vector<JsonMember>& into, JsonFault& fault);
/// The elements of an array.
bool split_array(std::string_view text, std::vector<std::string_view>& into, JsonFault& fault);

/// The text between quotes, as JSON has it.
std::string json_string(std::string_view text);

}  // namespace selvedge::migration
