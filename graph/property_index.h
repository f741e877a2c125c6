// An index: which entities have, or had lately, which values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <absl/container/btree_set.h>
#include <selvedge/schema.h>
#include <tsl/robin_map.h>

#include "base/mutex.h"
#include "graph/arena.h"
#include "graph/epoch.h"
#include "graph/index_key.h"

namespace selvedge::graph {

/// A key in an index. Up to 16 bytes lie in it, longer ones in memory of the arena that is freed
/// through the epochs. `prefix` are the first 8 bytes as a number, so most comparisons are one.
struct StoredKey {
  std::uint64_t prefix = 0;
  std::uint64_t rest = 0;  ///< the next 8 bytes, or where the whole key is
  std::uint32_t bytes = 0;

  static constexpr std::uint32_t inline_bytes_max = 16;
  static std::uint64_t prefix_of(std::span<const std::byte> key);
  /// The key; `scratch` has room for 16 bytes.
  [[nodiscard]] std::span<const std::byte> view(std::span<std::byte, 16> scratch) const;
  [[nodiscard]] int compare(std::span<const std::byte> key, std::uint64_t key_prefix) const;
};

/// One entry as a reader gets it. The key may be looked at while the reader is pinned.
struct IndexEntry {
  StoredKey key;
  std::uint64_t id = 0;
};

/// Where a scan goes on: behind this entry.
struct IndexPosition {
  KeyBytes key;
  std::uint64_t id = 0;
};

/// Role: entries (key, id) of one index. An entry says only that some version of the entity has the
///   key; who reads it looks at the version that he sees. txn/ keeps it so (docs/schema.md).
/// Invariants: no entry twice. Of a hash index keys are kept as hashes: two of one hash are one.
/// Threads: `find`, `scan`, `size` from any thread. `add`, `drop` and `each` under the lock that
///   `lock_of` names for the key, so that a caller can look and act as one.
/// After failure: `add` returns false at the memory limit; nothing changes.
class PropertyIndex {
 public:
  PropertyIndex(IndexKind kind, Arena& arena, EpochManager& epochs);
  ~PropertyIndex();
  PropertyIndex(const PropertyIndex&) = delete;
  PropertyIndex& operator=(const PropertyIndex&) = delete;

  [[nodiscard]] IndexKind kind() const { return kind_; }
  [[nodiscard]] SharedMutex& lock_of(std::span<const std::byte> key) const {
    return shard_of(key).mutex;
  }
  bool add(std::span<const std::byte> key, std::uint64_t id) SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;
  void drop(std::span<const std::byte> key, std::uint64_t id) SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;
  /// Calls `use(id)` for the entries of a key until it returns false.
  void each(std::span<const std::byte> key,
            const std::function<bool(std::uint64_t)>& use) const SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;
  /// What tells two keys apart here: themselves, or their hashes.
  [[nodiscard]] bool same(std::span<const std::byte> a, std::span<const std::byte> b) const;

  /// Up to `max` entries of a range behind a position (null: from its beginning), in order.
  /// Of a hash index: of the one key `range.low`, by id. The caller is pinned.
  void scan(const KeyRange& range, const IndexPosition* after, Order order, std::size_t max,
            std::vector<IndexEntry>& out) const;

  [[nodiscard]] std::uint64_t size() const;

 private:
  struct Probe {
    std::span<const std::byte> key;
    std::uint64_t prefix;
    std::uint64_t id;
  };
  struct Less {
    using is_transparent = void;
    bool operator()(const IndexEntry& a, const IndexEntry& b) const;
    bool operator()(const IndexEntry& a, const Probe& b) const;
    bool operator()(const Probe& a, const IndexEntry& b) const;
  };
  using Tree = absl::btree_set<IndexEntry, Less>;
  using Ids = absl::btree_set<std::uint64_t>;
  /// The entities of one hash: one, or several.
  struct Posting {
    std::uint64_t one = 0;
    std::unique_ptr<Ids> many;
  };
  struct Shard {
    mutable SharedMutex mutex;
    Tree tree;
    tsl::robin_map<std::uint64_t, Posting> postings;
    std::uint64_t entries = 0;
    std::uint64_t accounted_bytes = 0;
  };
  static constexpr std::size_t shards_of_hash = 16;

  [[nodiscard]] Shard& shard_of(std::span<const std::byte> key) const;
  [[nodiscard]] bool account(Shard& shard) const;
  void unaccount(Shard& shard) const;
  bool add_ordered(Shard& shard, std::span<const std::byte> key, std::uint64_t id);
  bool add_hashed(Shard& shard, std::span<const std::byte> key, std::uint64_t id);
  bool drop_ordered(Shard& shard, std::span<const std::byte> key, std::uint64_t id);
  bool drop_hashed(Shard& shard, std::span<const std::byte> key, std::uint64_t id);
  void scan_ordered(const Shard& shard, const KeyRange& range, const IndexPosition* after,
                    Order order, std::size_t max, std::vector<IndexEntry>& out) const;
  void scan_hashed(const Shard& shard, std::span<const std::byte> key, const IndexPosition* after,
                   Order order, std::size_t max, std::vector<IndexEntry>& out) const;

  const IndexKind kind_;
  Arena& arena_;
  EpochManager& epochs_;
  std::unique_ptr<std::array<Shard, shards_of_hash>> hashed_;
  std::unique_ptr<Shard> ordered_;
};

}  // namespace selvedge::graph
