// Serializable: nothing that a transaction read has changed when it commits.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include <selvedge/error.h>

#include "base/spin.h"
#include "graph/graph.h"
#include "graph/zeroed_array.h"
#include "txn/read_set.h"
#include "txn/state.h"

namespace selvedge::txn {

/// Commit clocks of labels or types: the newest commit that changed the members, and the newest
/// that changed what they hold.
class NamedClocks {
 public:
  struct Pair {
    std::atomic<std::uint64_t> members{0};
    std::atomic<std::uint64_t> content{0};
  };
  NamedClocks() = default;
  ~NamedClocks();
  NamedClocks(const NamedClocks&) = delete;
  NamedClocks& operator=(const NamedClocks&) = delete;

  /// May throw std::bad_alloc; not under the log lock.
  void ensure(std::uint32_t id);
  /// Null: nothing of that name was ever committed in this life of the store. Any id will do, also
  /// one that was never given out.
  [[nodiscard]] Pair* find(std::uint32_t id) const;

 private:
  static constexpr unsigned first_shift = 6;
  std::array<std::atomic<Pair*>, 25 - first_shift> chunks_{};
  SpinLatch latch_;
};

/// What a transaction read and somebody has changed since.
struct ReadChange {
  ReadKind kind = ReadKind::node;
  std::uint64_t entity = 0;  ///< 0: none in particular
  std::uint64_t commit = 0;
};

/// Role: the clocks that commits raise, and the check of read sets against them.
///
/// A transaction is valid when everything that it read is still so at its commit: then the order of
/// the commits is a serial order (backward validation, Kung and Robinson 1981). Entities are looked
/// at themselves: the newest committed version must not be newer than the view (rule 20). For a
/// predicate a clock says when it may have changed last; lists and pairs share clocks by hash, so
/// a clock that has moved is confirmed on the versions themselves, which the own view holds back
/// from reclamation. What moved between the check and the log lock is found in a ring of Bloom
/// filters, one for each commit.
///
/// Invariants: every commit, of every isolation level and outside of transactions, raises its
///   clocks (of old and new values, rule 24) and enters the ring in the section of the log lock in
///   which it appends, after its status word is stored (rule 21).
/// Threads: `measure`, `find_change` from any thread; `moved`, `publish` under the log lock.
class Validation {
 public:
  explicit Validation(graph::Graph& graph);

  /// What the commit of a write set will raise. Outside the lock.
  void measure(State& state);
  /// Something that was read and is not so any more. Outside the lock, or inside: it does not
  /// allocate.
  std::optional<ReadChange> find_change(State& state);
  static Error conflict(const ReadChange& change);
  /// Something that was read may have changed since `find_change`.
  [[nodiscard]] bool moved(const State& state) const;
  void publish(const State& state, std::uint64_t commit);

 private:
  static constexpr std::size_t stripes = std::size_t{1} << 16;
  static constexpr std::size_t ring_commits = 4096;

  void measure_item(Footprint& footprint, const WriteItem& item) const;
  void measure_edge(Footprint& footprint, const WriteItem& item) const;
  std::optional<ReadChange> check(const ReadItem& item, const State& state) const;
  std::optional<ReadChange> check_entity(const ReadItem& item, std::uint64_t view) const;
  std::optional<ReadChange> check_list(const ReadItem& item, std::uint64_t view) const;
  std::optional<ReadChange> check_pair(const ReadItem& item, std::uint64_t view) const;
  std::optional<ReadChange> check_unknown(const ReadItem& item, const State& state) const;
  std::optional<ReadChange> scan(std::uint64_t head, const ReadItem& item, std::uint64_t neighbour,
                                 std::uint64_t view) const;
  [[nodiscard]] std::uint64_t stripe(ReadKind kind, std::uint64_t id,
                                     std::uint64_t other = 0) const;

  graph::Graph& graph_;
  graph::ZeroedArray<std::atomic<std::uint64_t>> clocks_{stripes};
  std::atomic<std::uint64_t> bulk_{0};  ///< stands for all of `clocks_`
  NamedClocks labels_;
  NamedClocks types_;
  NamedClocks::Pair nodes_;
  NamedClocks::Pair edges_;
  graph::ZeroedArray<Bloom> ring_{ring_commits};  // under the log lock
  alignas(128) std::atomic<std::uint64_t> commits_{0};
};

}  // namespace selvedge::txn
