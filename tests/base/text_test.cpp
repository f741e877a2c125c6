// UTF-8 and UUIDs: what is accepted and what is refused.
#include <gtest/gtest.h>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <selvedge/uuid.h>

#include "base/utf8.h"

namespace selvedge {
namespace {

using base::valid_utf8;

/// The bytes of `code` in a form of `size` bytes, whether or not that form is allowed.
std::string in_form(std::uint32_t code, int size) {
  if (size == 1) {
    return {static_cast<char>(code)};
  }
  const std::uint32_t mark = 0xf00u >> size & 0xffu;
  std::string text{static_cast<char>(mark | code >> (6 * (size - 1)))};
  for (int i = size - 2; i >= 0; --i) {
    text.push_back(static_cast<char>(0x80u | (code >> (6 * i) & 0x3fu)));
  }
  return text;
}

TEST(Utf8, AcceptsTheFirstAndLastOfEachForm) {
  EXPECT_TRUE(valid_utf8(""));
  for (const std::uint32_t code : {0u, 0x7fu}) {
    EXPECT_TRUE(valid_utf8(in_form(code, 1))) << code;
  }
  for (const std::uint32_t code : {0x80u, 0x7ffu}) {
    EXPECT_TRUE(valid_utf8(in_form(code, 2))) << code;
  }
  for (const std::uint32_t code : {0x800u, 0xd7ffu, 0xe000u, 0xffffu}) {
    EXPECT_TRUE(valid_utf8(in_form(code, 3))) << code;
  }
  for (const std::uint32_t code : {0x10000u, 0xfffffu, 0x10ffffu}) {
    EXPECT_TRUE(valid_utf8(in_form(code, 4))) << code;
  }
}

TEST(Utf8, RefusesOverlongForms) {
  for (const std::uint32_t code : {0u, 0x7fu}) {
    EXPECT_FALSE(valid_utf8(in_form(code, 2))) << code;
  }
  for (const std::uint32_t code : {0u, 0x7ffu}) {
    EXPECT_FALSE(valid_utf8(in_form(code, 3))) << code;
  }
  for (const std::uint32_t code : {0u, 0xffffu}) {
    EXPECT_FALSE(valid_utf8(in_form(code, 4))) << code;
  }
}

TEST(Utf8, RefusesSurrogatesAndWhatLiesAboveUnicode) {
  for (const std::uint32_t code : {0xd800u, 0xdbffu, 0xdc00u, 0xdfffu}) {
    EXPECT_FALSE(valid_utf8(in_form(code, 3))) << code;
  }
  for (const std::uint32_t code : {0x110000u, 0x13ffffu, 0x1fffffu}) {
    EXPECT_FALSE(valid_utf8(in_form(code, 4))) << code;
  }
}

TEST(Utf8, RefusesTruncatedAndStrayBytesWhereverTheyStand) {
  for (std::size_t before = 0; before < 20; ++before) {
    const std::string prefix(before, 'a');
    for (const int size : {2, 3, 4}) {
      const std::string whole = in_form(size == 2 ? 0x80u : size == 3 ? 0x800u : 0x10000u, size);
      for (std::size_t cut = 1; cut < whole.size(); ++cut) {
        EXPECT_FALSE(valid_utf8(prefix + whole.substr(0, cut)));
        EXPECT_FALSE(valid_utf8(prefix + whole.substr(0, cut) + "aaaaaaaaaaaa"));
        EXPECT_FALSE(valid_utf8(prefix + whole.substr(cut)));
      }
      EXPECT_TRUE(valid_utf8(prefix + whole + "aaaaaaaaaaaa"));
    }
    EXPECT_FALSE(valid_utf8(prefix + "\xff"));
  }
}

TEST(Uuids, ComeBackFromText) {
  const std::string text = "01234567-89ab-cdef-0123-456789abcdef";
  const auto uuid = parse_uuid(text);
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid->bytes[0], std::byte{0x01});
  EXPECT_EQ(uuid->bytes[15], std::byte{0xef});
  EXPECT_EQ(to_string(*uuid), text);
  EXPECT_EQ(parse_uuid("01234567-89AB-CDEF-0123-456789ABCDEF"), uuid);
}

TEST(Uuids, MalformedTextIsRefused) {
  for (const std::string_view text :
       {"", "01234567-89ab-cdef-0123-456789abcde", "01234567-89ab-cdef-0123-456789abcdef0",
        "0123456789ab-cdef-0123-456789abcdef--", "{1234567-89ab-cdef-0123-456789abcde}",
        "01234567-89ab-cdef-0123-456789abcdeg", "01234567089ab-cdef-0123-456789abcdef"}) {
    EXPECT_FALSE(parse_uuid(text)) << text;
  }
}

TEST(Uuids, CarryTheirVersionAndVariant) {
  const Uuid random = random_uuid();
  EXPECT_EQ(random.bytes[6] & std::byte{0xf0}, std::byte{0x40});
  EXPECT_EQ(random.bytes[8] & std::byte{0xc0}, std::byte{0x80});
  const Uuid derived = derive_uuid(random, ~std::uint64_t{0});
  EXPECT_EQ(derived.bytes[6] & std::byte{0xf0}, std::byte{0x80});
  EXPECT_EQ(derived.bytes[8] & std::byte{0xc0}, std::byte{0x80});
}

TEST(Uuids, DerivedOnesDependOnTheNumberAlone) {
  const Uuid session = random_uuid();
  std::set<Uuid> seen;
  for (std::uint64_t number = 0; number < 1000; ++number) {
    EXPECT_TRUE(seen.insert(derive_uuid(session, number)).second);
    EXPECT_EQ(derive_uuid(session, number), derive_uuid(session, number));
  }
}

}  // namespace
}  // namespace selvedge
