// Checksums made right again after a mutation.
#pragma once

#include "fuzz/target.h"

namespace selvedge::fuzz {

/// A frame of a segment with this salt, at the start of `bytes`.
void repair_frame(std::span<std::byte> bytes, std::uint32_t salt);
/// Header and frames; with `chain` also the numbers that must follow from one another.
void repair_segment(std::span<std::byte> file, bool chain);
/// Header, chunks, footer; with `totals` also the footer's counts and digest.
void repair_snapshot(std::span<std::byte> file, bool totals);
void repair_manifest(std::span<std::byte> text);

}  // namespace selvedge::fuzz
