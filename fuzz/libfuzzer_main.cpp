// One target under libFuzzer; SELVEDGE_FUZZ_TARGET is its name.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz/target.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

namespace {

const selvedge::fuzz::Target& target() {
  static const selvedge::fuzz::Target* const found =
      selvedge::fuzz::find_target(SELVEDGE_FUZZ_TARGET);
  return *found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    selvedge::fuzz::run_checked(target(), std::as_bytes(std::span(data, size)));
  } catch (const selvedge::fuzz::Violation& violation) {
    std::fprintf(stderr, "violation: %s\n", violation.what());
    std::abort();
  }
  return 0;
}

/// libFuzzer's mutations, and three times of four the checksums behind them.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t size_max, unsigned seed) {
  const std::size_t mutated = LLVMFuzzerMutate(data, size, size_max);
  if (target().repair != nullptr && seed % 4 != 0) {
    target().repair(std::as_writable_bytes(std::span(data, mutated)), seed / 4);
  }
  return mutated;
}
