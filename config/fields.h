// The one table of options: what has no row here cannot be configured from outside a program.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <selvedge/config.h>
#include <selvedge/options.h>

namespace selvedge::config {

/// Role: one option as a number: a boolean's 0 or 1, a choice's place in its list, bytes,
///   microseconds.
/// Invariants: `write` of what `parse` gives is lossless; `format` is read by `parse` again.
struct Field {
  std::string_view key;
  ConfigKind kind = ConfigKind::count;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t step = 1;                     ///< of a duration: the option's own unit
  std::span<const std::string_view> choices;  /// in the order of the enumerators
  std::string_view summary;
  std::uint64_t (*read)(const Options& options) = nullptr;
  void (*write)(Options& options, std::uint64_t value) = nullptr;

  /// Nothing for what has another form, is out of range, or is between two steps.
  [[nodiscard]] std::optional<std::uint64_t> parse(std::string_view text) const;
  [[nodiscard]] std::string format(std::uint64_t value) const;
  /// "a size from 4KiB to 1TiB".
  [[nodiscard]] std::string range() const;
  /// SELVEDGE_LOG_RETENTION_BYTES.
  [[nodiscard]] std::string variable() const;
};

/// In the order of `Options`.
std::span<const Field> fields();

/// The key that somebody who wrote this may have meant.
std::string_view nearest_key(std::string_view key);

}  // namespace selvedge::config
