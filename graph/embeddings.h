// Regenerable vectors beside the images of nodes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <selvedge/types.h>
#include <tsl/robin_map.h>

#include "base/mutex.h"
#include "graph/arena.h"

namespace selvedge::graph {

/// One value of one embedding; its floats follow it in memory.
struct EmbeddingVersion {
  std::atomic<std::uint64_t> sequence{0};  ///< 0: not logged yet, nobody sees it
  EmbeddingVersion* next = nullptr;
  std::uint32_t key = 0;
  std::uint32_t count = 0;  ///< floats; 0 = removed

  [[nodiscard]] std::size_t allocated_bytes() const {
    return sizeof(EmbeddingVersion) + std::size_t{count} * sizeof(float);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(this + 1), std::size_t{count} * sizeof(float)};
  }
};

/// Role: embeddings by node id and key, each with the versions that open views may still ask for.
///   They are no part of an image: an update never conflicts, takes part in no transaction, and a
///   damaged log entry of one costs that value only.
/// Invariants: a version's sequence is set once, while the log lock is held, after its entry was
///   appended. The order in a chain says nothing; the greatest sequence wins.
/// Threads: any. A shard's lock is held while a chain is walked or changed; it is a leaf lock.
class Embeddings {
 public:
  explicit Embeddings(Arena& arena) : arena_(arena) {}

  /// Links a version that nobody sees yet, and lets go of those that no view at or after `horizon`
  /// needs. Null when memory is refused. Give its sequence to it, or call `drop`.
  EmbeddingVersion* prepare(std::uint64_t node, std::uint32_t key,
                            std::span<const std::byte> floats, std::uint64_t horizon);
  void drop(std::uint64_t node, EmbeddingVersion* version);

  /// The value in a view. False: none. Cost: a lock, a hash and a copy.
  bool read(std::uint64_t node, std::uint32_t key, std::uint64_t view,
            std::vector<float>& out) const;

  struct Seen {
    std::uint64_t node = 0;
    std::uint64_t sequence = 0;
    std::uint32_t key = 0;
    std::vector<std::byte> floats;
  };
  /// The newest logged value of each that has a sequence <= `view`. No lock is held during `use`;
  /// what is set meanwhile may or may not be among them. Memory: the keys of one shard.
  [[nodiscard]] bool each(std::uint64_t view, const std::function<bool(const Seen&)>& use) const;

  /// Recovery: the newest wins. False when memory is refused.
  bool restore(std::uint64_t node, std::uint32_t key, std::uint64_t sequence,
               std::span<const std::byte> floats);
  /// Recovery: drops what `keep(node)` does not want, and the removed ones.
  void retain(const std::function<bool(std::uint64_t)>& keep);
  void erase(std::uint64_t node);
  /// Nodes that have any.
  [[nodiscard]] std::uint64_t nodes() const { return nodes_.load(std::memory_order_relaxed); }

 private:
  struct alignas(64) Shard {
    mutable Mutex mutex;
    tsl::robin_map<std::uint64_t, EmbeddingVersion*, detail::IdHash> chains
        SELVEDGE_GUARDED_BY(mutex);
  };
  static constexpr std::size_t shard_count = 64;
  Shard& shard(std::uint64_t node) const { return shards_[detail::IdHash{}(node) >> 58]; }
  EmbeddingVersion* make(std::uint32_t key, std::span<const std::byte> floats);
  void free(EmbeddingVersion* version) { arena_.deallocate(version, version->allocated_bytes()); }
  EmbeddingVersion* prune(EmbeddingVersion* chain, std::uint32_t key, std::uint64_t horizon);
  static const EmbeddingVersion* newest(const EmbeddingVersion* chain, std::uint32_t key,
                                        std::uint64_t view);

  Arena& arena_;
  std::atomic<std::uint64_t> nodes_{0};
  mutable std::array<Shard, shard_count> shards_;
};

}  // namespace selvedge::graph
