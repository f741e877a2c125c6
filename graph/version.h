// Versions, stamps and heads: who sees what.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/mutants.h"

namespace selvedge::graph {

/// The word through which a transaction of any size becomes visible with one store. Marks in
/// version stamps point here. Reused only after every stamp is written and an epoch has passed.
struct alignas(64) TxnStatus {
  std::atomic<std::uint64_t> commit{0};  ///< commit sequence; 0 while active or rolled back
  std::atomic<std::uint64_t> first{0};   ///< sequence of tx_begin once streamed (rule 36); else 0
  std::atomic<std::uint64_t> ticket{0};  ///< process-wide number for conflict messages
};

/// A version of one entity. Immutable but for its stamp (mark -> commit sequence), its logged word
/// (rule 35) and its `prev` (cut when no view needs it).
///
///   0  u64 stamp        commit sequence << 1, or address of a TxnStatus | 1
///   8  u32 size | flags image bytes (24 bits), flags (8 bits)
///  12  u32 distance     sequence of its log entry minus TxnStatus::first; 0 = not logged alone
///  16  u64 prev         only with flag has_prev: a Head
///  ..  image
struct Version {
  enum Flag : std::uint32_t { tombstone = 1, has_prev = 2 };

  std::atomic<std::uint64_t> stamp;
  std::uint32_t size_and_flags;
  std::atomic<std::uint32_t> distance;

  [[nodiscard]] std::uint32_t image_bytes() const { return size_and_flags & 0xffffffu; }
  [[nodiscard]] bool has(Flag flag) const { return (size_and_flags >> 24 & flag) != 0; }
  [[nodiscard]] std::size_t header_bytes() const { return has(has_prev) ? 24 : 16; }
  [[nodiscard]] std::size_t allocated_bytes() const { return header_bytes() + image_bytes(); }
  [[nodiscard]] std::byte* image_data() {
    return reinterpret_cast<std::byte*>(this) + header_bytes();
  }
  [[nodiscard]] std::span<const std::byte> image() const {
    return {reinterpret_cast<const std::byte*>(this) + header_bytes(), image_bytes()};
  }
  [[nodiscard]] std::atomic<std::uint64_t>& prev_word() {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(reinterpret_cast<std::byte*>(this) + 16);
  }
  [[nodiscard]] std::uint64_t prev() const {
    return has(has_prev) ? const_cast<Version*>(this)->prev_word().load(std::memory_order_acquire)
                         : 0;
  }
};
static_assert(sizeof(Version) == 16);

/// What a record's head or a version's `prev` holds: nothing, a Version, or, for an edge with no
/// properties and no history, the commit sequence itself.
struct Head {
  std::uint64_t word = 0;

  static constexpr std::uint64_t inline_bit = 1;

  static Head of(const Version* version) { return {reinterpret_cast<std::uint64_t>(version)}; }
  static Head of_sequence(std::uint64_t sequence) { return {sequence << 3 | inline_bit}; }
  [[nodiscard]] bool empty() const { return word == 0; }
  [[nodiscard]] bool is_inline() const { return (word & inline_bit) != 0; }
  [[nodiscard]] std::uint64_t sequence() const { return word >> 3; }
  [[nodiscard]] Version* version() const { return reinterpret_cast<Version*>(word); }
  bool operator==(const Head&) const = default;
};

inline std::uint64_t stamp_of(std::uint64_t sequence) { return sequence << 1; }
inline std::uint64_t mark_of(const TxnStatus* status) {
  return reinterpret_cast<std::uint64_t>(status) | 1;
}
inline bool is_mark(std::uint64_t stamp) { return (stamp & 1) != 0; }
inline const TxnStatus* status_of(std::uint64_t mark) {
  return reinterpret_cast<const TxnStatus*>(mark & ~std::uint64_t{1});
}

/// Commit sequence of a stamp, 0 when its transaction has not committed. The caller is pinned.
inline std::uint64_t committed_at(std::uint64_t stamp) {
  return is_mark(stamp) ? status_of(stamp)->commit.load(std::memory_order_acquire) : stamp >> 1;
}

/// A point of view: everything committed at or before `sequence`, and the own writes.
struct Viewpoint {
  std::uint64_t sequence = 0;
  const TxnStatus* self = nullptr;
};

/// The state of an entity that a viewpoint sees.
struct Seen {
  const Version* version = nullptr;  ///< null for an inline head
  std::uint64_t sequence = 0;        ///< commit sequence; 0 for an own, uncommitted version
  bool live = false;                 ///< exists and is not deleted
  [[nodiscard]] std::span<const std::byte> image() const {
    return version != nullptr ? version->image() : std::span<const std::byte>{};
  }
};

/// Walks from `head` to the version that `view` sees. Never waits, helps or writes.
inline Seen see(Head head, Viewpoint view) {
  if (base::mutant(base::Mutant::latest_read)) {
    view.sequence = ~std::uint64_t{0};
  }
  while (!head.empty()) {
    if (head.is_inline()) {
      const bool live = head.sequence() <= view.sequence;
      return {nullptr, live ? head.sequence() : 0, live};
    }
    const Version* version = head.version();
    const std::uint64_t stamp = version->stamp.load(std::memory_order_acquire);
    if (is_mark(stamp)) {
      const TxnStatus* status = status_of(stamp);
      if (status == view.self) {
        return {version, 0, !version->has(Version::tombstone)};
      }
      const std::uint64_t commit = status->commit.load(std::memory_order_acquire);
      if (commit != 0 && commit <= view.sequence) {
        return {version, commit, !version->has(Version::tombstone)};
      }
    } else if (stamp >> 1 <= view.sequence) {
      return {version, stamp >> 1, !version->has(Version::tombstone)};
    }
    head.word = version->prev();
  }
  return {};
}

/// `Version::distance` of an own version whose entry is still in the buffer: its ordinal there,
/// flagged. Only the owner reads it as such; for everybody else it means "not logged" (rule 35).
inline constexpr std::uint32_t unlogged_flag = 0x80000000u;

/// Distance of a logged, uncommitted version; 0 when it is not logged.
inline std::uint32_t logged_distance(const Version& version) {
  const std::uint32_t distance = version.distance.load(std::memory_order_acquire);
  return (distance & unlogged_flag) != 0 ? 0 : distance;
}

}  // namespace selvedge::graph
