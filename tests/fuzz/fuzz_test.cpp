// Every decoder takes any bytes: the fuzz targets, with their seeds and seeded mutations of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "base/bytes.h"
#include "fuzz/golden.h"
#include "fuzz/repair.h"
#include "fuzz/target.h"
#include "snapshot/manifest.h"
#include "tests/support/sanitizers.h"
#include "wal/frame.h"

namespace selvedge::fuzz {
namespace {

/// Role: changes bytes in a few places, as its seed says.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  void mutate(Buffer& bytes) {
    for (std::uint64_t i = below(4); i < 4; ++i) {
      mutate_once(bytes);
    }
  }
  std::uint64_t choice() { return random_(); }

 private:
  std::size_t below(std::size_t end) { return end == 0 ? 0 : random_() % end; }

  void mutate_once(Buffer& bytes) {
    const std::size_t at = below(bytes.size());
    const std::size_t count = std::min(below(16) + 1, bytes.size() - at);
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0: bytes.insert(place, below(16) + 1, std::byte(below(256))); break;
      case 1: bytes.erase(place, place + static_cast<std::ptrdiff_t>(count)); break;
      case 2: bytes.resize(at); break;
      case 3: put_number(bytes, at); break;
      case 4: copy_piece(bytes, at, count); break;
      default:
        if (!bytes.empty()) {
          bytes[at] = below(2) == 0 ? std::byte(below(256)) : bytes[at] ^ std::byte(1 << below(8));
        }
    }
  }
  void put_number(Buffer& bytes, std::size_t at) {
    constexpr std::array<std::uint64_t, 10> numbers = {0,
                                                       1,
                                                       0x7f,
                                                       0x80,
                                                       0xffff,
                                                       0x7fffffff,
                                                       0xffffffff,
                                                       0xffffff00,
                                                       std::uint64_t{1} << 63,
                                                       ~std::uint64_t{0}};
    std::array<std::byte, 8> number{};
    store_le(number.data(), numbers[below(numbers.size())] + below(3));
    const std::size_t width = std::min(std::size_t{1} << below(4), bytes.size() - at);
    std::copy_n(number.begin(), width, bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void copy_piece(Buffer& bytes, std::size_t at, std::size_t count) {
    const std::size_t to = below(bytes.size() - count + 1);
    const Buffer piece(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                       bytes.begin() + static_cast<std::ptrdiff_t>(at + count));
    std::copy(piece.begin(), piece.end(), bytes.begin() + static_cast<std::ptrdiff_t>(to));
  }

  std::mt19937_64 random_;
};

class Decoder : public ::testing::TestWithParam<const Target*> {
 protected:
  static const Target& target() { return *GetParam(); }
  /// What a failure is called, so that it can be had again.
  static void run(Input input, const std::string& what) {
    try {
      run_checked(target(), input);
    } catch (const Violation& violation) {
      ADD_FAILURE() << target().name << ", " << what << ": " << violation.what();
    }
  }
  static Buffer read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.is_open()) << path;
    return buffer_of(std::string{std::istreambuf_iterator<char>(in), {}});
  }
  static void run_mutation(const std::vector<Buffer>& seeds, std::uint64_t seed) {
    Mutator mutator(seed);
    Buffer input = seeds[mutator.choice() % seeds.size()];
    mutator.mutate(input);
    const std::uint64_t choice = mutator.choice();
    if (target().repair != nullptr && choice % 4 != 0) {
      target().repair(input, choice / 4);
    }
    run(input, "SELVEDGE_FUZZ_SEED=" + std::to_string(seed));
  }
};

TEST_P(Decoder, TakesItsSeeds) {
  const auto seeds = target().seeds();
  ASSERT_FALSE(seeds.empty());
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    run(seeds[i], "seed " + std::to_string(i));
  }
}

TEST_P(Decoder, TakesInputsThatBrokeItOnce) {
  const std::filesystem::path folder =
      std::filesystem::path(SELVEDGE_TEST_DATA) / "fuzz" / "found" / target().name;
  if (!std::filesystem::exists(folder)) {
    return;
  }
  for (const auto& each : std::filesystem::directory_iterator(folder)) {
    run(read_file(each.path()), each.path().filename().string());
  }
}

TEST_P(Decoder, TakesAnyBytes) {
  const auto seeds = target().seeds();
  if (const char* const one = std::getenv("SELVEDGE_FUZZ_SEED")) {
    run_mutation(seeds, std::strtoull(one, nullptr, 10));
    return;
  }
  const std::uint64_t whole = target().name == "store" ? 300 : 2000;
  const std::uint64_t count = test::sanitized ? whole / 4 : whole;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    run_mutation(seeds, seed);
  }
}

TEST(Repair, MakesChecksumsRightAgain) {
  for (const Target* target : {&snapshot_target, &manifest_target}) {
    Buffer seed = target->seeds().front();
    const Buffer whole = seed;
    target->repair(seed, 1);
    EXPECT_EQ(seed, whole) << target->name;
  }
}

TEST(Repair, GetsBehindTheChecksumOfAManifest) {
  std::string text(as_text(manifest_target.seeds().back()));
  const std::size_t at = text.find("\"watermark\": 0");
  ASSERT_NE(at, std::string::npos);
  text[at + 13] = '7';
  Buffer changed = buffer_of(text);
  EXPECT_FALSE(snapshot::Manifest::parse(as_text(changed), ""));
  manifest_target.repair(changed, 0);
  const auto parsed = snapshot::Manifest::parse(as_text(changed), "");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->watermark, 7U);
}

TEST(Repair, GetsBehindTheChecksumsOfALog) {
  Buffer segment = golden_files("wal/").front();
  repair_segment(segment, true);
  EXPECT_EQ(segment, golden_files("wal/").front());
  const auto salt = load_le<std::uint32_t>(&segment[12]);
  const auto first = wal::decode_frame_header(Input(segment).subspan(128), salt);
  ASSERT_EQ(first.fault, wal::FrameFault::none);
  segment[128 + 40] ^= std::byte{1};
  repair_segment(segment, true);
  const auto changed = wal::decode_frame_header(Input(segment).subspan(128), salt);
  EXPECT_EQ(changed.fault, wal::FrameFault::none);
  EXPECT_NE(changed.header.wall_us, first.header.wall_us);
}

TEST(Targets, WhatTakesTooMuchMemoryIsSeen) {
  const auto take_a_megabyte = [](Input) { ::operator delete(::operator new(1 << 20)); };
  const Target greedy{"greedy", take_a_megabyte, nullptr, nullptr, 1024, 1};
  EXPECT_THROW(run_checked(greedy, {}), Violation);
}

INSTANTIATE_TEST_SUITE_P(All, Decoder,
                         ::testing::ValuesIn(all_targets().begin(), all_targets().end()),
                         [](const auto& each) { return std::string(each.param->name); });

}  // namespace
}  // namespace selvedge::fuzz
