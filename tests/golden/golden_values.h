// The values in the golden stores. Only add at the end, with a new format version.
#pragma once

#include <selvedge/value.h>

#include <bit>
#include <vector>

namespace selvedge::test {

inline std::vector<Value> golden_values() {
  Bytes every;
  for (int i = 0; i < 256; ++i) {
    every.push_back(static_cast<std::byte>(i));
  }
  Map nested;
  nested[""] = Value("empty key");
  nested["list"] = Value(List{Value(1), Value(), Value("two"), Value(Map{{"k", Value(-0.0)}})});
  return {Value(),
          Value(true),
          Value(false),
          Value(std::int64_t{9007199254740993}),
          Value(std::int64_t{-1}),
          Value(1e-310),
          Value(-0.0),
          Value(std::bit_cast<double>(std::uint64_t{0x7ff800000000beef})),
          Value("Gr\xc3\xbc\xc3\x9f"),
          Value(""),
          Value(every),
          Value(Timestamp{1'700'000'000'000'000}),
          Value(*parse_uuid("c0f89e52-f9a4-477a-b5a9-e0f295a13067")),
          Value(List{}),
          Value(Map{}),
          Value(nested),
          Value(Vector{1.5F, -0.0F, std::bit_cast<float>(0x7fc00001U)}),
          Value(std::string(300, 's'))};
}

}  // namespace selvedge::test
