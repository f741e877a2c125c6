// Words for numbers: sizes, durations, counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace selvedge::config {

/// Digits only; nothing for anything else, and for what does not fit.
std::optional<std::uint64_t> parse_count(std::string_view text);

/// Bytes: a count, or one with KiB, MiB, GiB, TiB (1024) or kB, MB, GB, TB (1000), whatever their
/// case.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// With the largest binary unit that divides it: "64MiB".
std::string format_size(std::uint64_t bytes);

/// Microseconds: a count with us, ms, s, min, h or d; a 0 needs none.
std::optional<std::uint64_t> parse_duration(std::string_view text);
/// With the largest unit that divides it: "5s".
std::string format_duration(std::uint64_t microseconds);

std::optional<bool> parse_boolean(std::string_view text);

/// Changes of one character that lead from one word to the other.
std::size_t distance(std::string_view from, std::string_view to);

}  // namespace selvedge::config
