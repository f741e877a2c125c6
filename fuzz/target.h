// What is fuzzed: one target for each decoder of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>

namespace selvedge::fuzz {

using Input = std::span<const std::byte>;
using Buffer = std::vector<std::byte>;

/// A decoder broke its promise.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool holds, std::string_view claim) {
  if (!holds) {
    throw Violation(std::string(claim));
  }
}
/// The value, where an error would be a violation.
template <class T>
T must(Result<T> result, std::string_view claim) {
  if (!result) {
    throw Violation(std::string(claim) + ": " + result.error().message());
  }
  if constexpr (!std::is_void_v<T>) {
    return *std::move(result);
  }
}
/// An error is an answer if its code is one that bytes can cause, and it says something.
void require_answer(const Error& error, std::initializer_list<ErrorCode> codes);

/// Role: one decoder under test.
/// Invariants: `run` throws `Violation` when the decoder's answer is neither a right result nor a
///   typed error; its outcome depends on the input alone. `repair` keeps the size.
/// Threads: one input at a time.
struct Target {
  std::string_view name;
  void (*run)(Input input);
  /// Makes checksums, and what `choice` selects of the numbers beside them, right again, so that a
  /// mutation gets behind them. Null: the format has none.
  void (*repair)(std::span<std::byte> input, std::uint64_t choice);
  std::vector<Buffer> (*seeds)();
  /// What `run` may have allocated at one moment: so much, and so much for each byte of input.
  std::size_t memory_base;
  std::size_t memory_per_byte;
};

extern const Target frame_target;
extern const Target scanner_target;
extern const Target change_target;
extern const Target snapshot_target;
extern const Target manifest_target;
extern const Target image_target;
extern const Target value_target;
extern const Target json_target;
extern const Target history_target;
extern const Target import_target;
extern const Target store_target;

std::span<const Target* const> all_targets();
/// Null when there is none of that name.
const Target* find_target(std::string_view name);

/// `run`, and the check of what it allocated.
void run_checked(const Target& target, Input input);

}  // namespace selvedge::fuzz
