#include <algorithm>
#include <array>

#include "fuzz/memory_watch.h"
#include "fuzz/target.h"

namespace selvedge::fuzz {

void require_answer(const Error& error, std::initializer_list<ErrorCode> codes) {
  if (std::find(codes.begin(), codes.end(), error.code()) == codes.end()) {
    throw Violation("an error of a kind that bytes cannot cause: " +
                    std::string(to_string(error.code())) + ": " + error.message());
  }
  require(!error.message().empty(), "an error says what is wrong");
}

std::span<const Target* const> all_targets() {
  static constexpr std::array<const Target*, 11> all = {
      &frame_target,    &scanner_target, &change_target, &snapshot_target,
      &manifest_target, &image_target,   &value_target,  &json_target,
      &history_target,  &import_target,  &store_target};
  return all;
}

const Target* find_target(std::string_view name) {
  const auto all = all_targets();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Target* target) { return target->name == name; });
  return found == all.end() ? nullptr : *found;
}

void run_checked(const Target& target, Input input) {
  const MemoryWatch watch;
  target.run(input);
  const std::size_t allowed = target.memory_base + target.memory_per_byte * input.size();
  if (watch.peak_bytes() > allowed) {
    throw Violation("an input of " + std::to_string(input.size()) + " bytes took " +
                    std::to_string(watch.peak_bytes()) + " bytes of memory, at most " +
                    std::to_string(allowed) + " are justified");
  }
}

}  // namespace selvedge::fuzz
