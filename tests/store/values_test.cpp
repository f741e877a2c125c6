// Case 26 of recovery: values come back bit by bit, from the log, from a snapshot, from JSON.

#include <selvedge/json.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

std::vector<Value> all_values() {
  Bytes every;
  for (int i = 0; i < 256; ++i) {
    every.push_back(static_cast<std::byte>(i));
  }
  Vector floats(1536);
  for (std::size_t i = 0; i < floats.size(); ++i) {
    floats[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i * 2'796'203 + 1));
  }
  const double nan_payload = std::bit_cast<double>(0x7ff8'0000'dead'beefULL);
  const double signalling = std::bit_cast<double>(0xfff0'0000'0000'0001ULL);
  Map nested;
  nested[""] = Value("an empty key");
  nested["$odd"] = Value(1);
  nested["list"] = Value(List{Value(1), Value(), Value(List{}), Value(Map{}), Value(every)});
  nested["deep"] =
      Value(Map{{"a", Value(Map{{"b", Value(List{Value(-0.0), Value(nan_payload)})}})}});
  Map plain = nested;
  plain.erase("$odd");
  return {Value(),
          Value(true),
          Value(false),
          Value(std::int64_t{9007199254740993}),
          Value(std::numeric_limits<std::int64_t>::min()),
          Value(std::numeric_limits<std::int64_t>::max()),
          Value(0),
          Value(0.0),
          Value(-0.0),
          Value(1.0),
          Value(1e-310),
          Value(5e-324),
          Value(0.1),
          Value(1e300),
          Value(9007199254740993.0),
          Value(std::numeric_limits<double>::max()),
          Value(std::numeric_limits<double>::infinity()),
          Value(-std::numeric_limits<double>::infinity()),
          Value(nan_payload),
          Value(signalling),
          Value(""),
          Value(std::string("zero\0inside", 11)),
          Value("\xf0\x9f\xa7\xb5 \"quoted\" \\ \n \x01"),
          Value(std::string(100'000, 's')),
          Value(Bytes{}),
          Value(every),
          Value(Timestamp{-1}),
          Value(Timestamp{std::numeric_limits<std::int64_t>::max()}),
          Value(random_uuid()),
          Value(List{}),
          Value(Map{}),
          Value(nested),
          Value(plain),
          Value(Vector{}),
          Value(floats)};
}

class Values : public StoreTest {
 protected:
  void expect_all(NodeId id, EdgeId edge) const {
    const auto view = store->read();
    const auto node = view.get(id);
    const auto link = view.get(edge);
    ASSERT_TRUE(node && link);
    const auto values = all_values_;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::string key = "p" + std::to_string(i);
      EXPECT_EQ((*node)[key].to_value(), values[i]) << "value " << i;
      EXPECT_EQ((*link)[key].to_value(), values[i]) << "value " << i;
    }
    EXPECT_EQ((*node)[long_key_].as_int64(), 1);
  }
  const std::vector<Value> all_values_ = all_values();
  const std::string long_key_ = std::string(64 << 10, 'k');
};

TEST_F(Values, Case26_ComeBackFromTheLogAndFromASnapshot) {
  const NodeId id = node();
  const EdgeId edge = *store->create_edge(id, "E", id);
  for (std::size_t i = 0; i < all_values_.size(); ++i) {
    const std::string key = "p" + std::to_string(i);
    must(store->set(id, key, all_values_[i]));
    must(store->set(edge, key, all_values_[i]));
  }
  must(store->set(id, long_key_, 1));
  expect_all(id, edge);
  lose_power();
  expect_all(id, edge);
  for (const Compression how : {Compression::none, Compression::zstd}) {
    close();
    options.snapshot_compression = how;
    open();
    must(store->checkpoint());
    must(store->checkpoint());
    lose_power();
    EXPECT_FALSE(store->recovery_report().snapshot.empty());
    expect_all(id, edge);
  }
}

TEST_F(Values, Case26_ComeBackFromJson) {
  for (const Value& value : all_values_) {
    const std::string text = to_json(value);
    const auto again = value_from_json(text);
    ASSERT_TRUE(again) << again.error().message() << "\n" << text.substr(0, 200);
    EXPECT_EQ(*again, value) << text.substr(0, 200);
    EXPECT_EQ(to_json(*again), text);
  }
}

TEST(Json, FormIsPinned) {
  EXPECT_EQ(to_json(Value(1)), "1");
  EXPECT_EQ(to_json(Value(1.0)), "1.0");
  EXPECT_EQ(to_json(Value(-0.0)), "-0.0");
  EXPECT_EQ(to_json(Value(std::int64_t{9007199254740993})), "9007199254740993");
  EXPECT_EQ(to_json(Value(Bytes{std::byte{0}, std::byte{255}})), R"({"$bytes":"00ff"})");
  EXPECT_EQ(to_json(Value(Timestamp{-1})), R"({"$timestamp":-1})");
  EXPECT_EQ(to_json(Value(Vector{1.0F})), R"({"$vector":"3f800000"})");
  EXPECT_EQ(to_json(Value(Map{{"$a", Value(1)}})), R"({"$map":{"$a":1}})");
  EXPECT_EQ(to_json(Value(std::numeric_limits<double>::infinity())),
            R"({"$double":"7ff0000000000000"})");
}

TEST(Json, RefusesWhatIsNoValue) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += '[';
  }
  const std::vector<std::string> texts = {"",
                                          "{",
                                          "nul",
                                          "[1,]",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "[-123456789012345678901234567890]",
                                          R"("\udc00")",
                                          R"({"\udfff":1})",
                                          std::string("1\0", 2),
                                          std::string("{}\0 more", 8),
                                          "1e999",
                                          "1e-999",
                                          "-2e-324",
                                          "{\"$x\":1}",
                                          "\"\xff\"",
                                          "1 2",
                                          R"({"$bytes":"0"})",
                                          R"({"$bytes":"zz"})",
                                          R"({"$uuid":"no"})",
                                          R"({"$vector":"00"})",
                                          R"({"$double":"1"})",
                                          R"({"$double":"-ff000000000000"})",
                                          R"({"$map":1})",
                                          R"({"a":1,"a":2})",
                                          R"({"$timestamp":1.5})",
                                          R"({"$map":{},"b":1})",
                                          deep};
  for (const std::string& text : texts) {
    const auto refused = value_from_json(text);
    EXPECT_FALSE(refused) << text.substr(0, 60);
  }
}

TEST(Json, TakesEveryFormOfANumber) {
  for (const char* const zero : {"0.0", "0e5", "0E-39"}) {
    EXPECT_EQ(value_from_json(zero), Value(0.0)) << zero;
  }
  EXPECT_EQ(value_from_json("-0e-39"), Value(-0.0));
  EXPECT_EQ(value_from_json("-0"), Value(0));
  EXPECT_EQ(value_from_json("5e-324"), Value(5e-324));
  EXPECT_EQ(value_from_json("1.7976931348623157E+308"), Value(1.7976931348623157e308));
}

TEST(Json, TakesAsManyLevelsAsAStoreDoes) {
  const auto lists = [](std::size_t levels) {
    return value_from_json(std::string(levels, '[') + std::string(levels, ']'));
  };
  EXPECT_TRUE(lists(32));
  for (const std::size_t levels : {33U, 40U}) {
    const auto deeper = lists(levels);
    ASSERT_FALSE(deeper) << levels;
    EXPECT_EQ(deeper.error().code(), ErrorCode::too_large);
  }
}

TEST(Json, NamesTheByteOfANumberThatIsTooLarge) {
  const auto refused = value_from_json("[1,18446744073709551616]");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("a whole number within int64"), std::string::npos)
      << refused.error().message();
  EXPECT_NE(refused.error().message().find("at byte 3"), std::string::npos)
      << refused.error().message();
}

}  // namespace
}  // namespace selvedge
