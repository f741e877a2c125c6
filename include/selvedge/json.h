// Values as JSON, without loss.
//
// JSON has no bytes, no timestamps, no NaN, and one kind of number. Plain JSON stands for what it
// can hold; the rest is an object with one member whose name begins with `$`:
//
//   null, true, "text", [..]          as they are
//   int64                             a number without fraction and exponent
//   double, finite                    a number with one of them: 1.0, -0.0, 1e-310
//   double, not finite                {"$double": "7ff8000000000001"}   its 64 bits
//   bytes                             {"$bytes": "00ff"}                two digits each
//   timestamp                         {"$timestamp": -1}                microseconds since 1970 UTC
//   uuid                              {"$uuid": "c0f89e52-f9a4-477a-b5a9-e0f295a13067"}
//   float32 vector                    {"$vector": "3f8000007fc00001"}   8 digits each: its 32 bits
//   map                               an object; if the name of its first member begins with `$`:
//                                     {"$map": {..}}
#pragma once

#include <string>
#include <string_view>

#include <selvedge/error.h>
#include <selvedge/value.h>

namespace selvedge {

/// One line, members in the map's order. Cost: the value's size.
std::string to_json(const Value& value);

/// The value again: `value_from_json(to_json(v)) == v`, bit by bit, for every v. Errors:
/// `invalid_argument` (with the byte) for what is not JSON, not of the form above, a whole number
/// beyond int64, another number that is too large or too small for a double, a name twice in one
/// map, invalid UTF-8; `too_large` beyond 32 levels of nesting.
Result<Value> value_from_json(std::string_view text);

}  // namespace selvedge
