// Claims on what does not exist yet: an edge between two nodes, a node with a key.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <tsl/robin_map.h>

#include "base/spin.h"
#include "graph/names.h"

namespace selvedge::txn {

struct State;

/// Role: says which transaction may look for a thing and make it when it is missing. The look is at
///   the newest state, so that of two that hold the claim one after another the second finds what
///   the first has made, whatever their isolation.
/// Invariants: held from the look until the end of the transaction: commit published, or rolled
///   back. Keys are hashes: two things of one hash share a claim, which costs a conflict.
/// Threads: any.
class Claims {
 public:
  /// False when another transaction holds it.
  bool take(std::uint64_t key, const State* holder) {
    Shard& shard = shard_of(key);
    const LatchGuard guard(shard.latch);
    return shard.holders.try_emplace(key, holder).first->second == holder;
  }
  /// Who took it twice may release it twice: what another holder has by then stays.
  void release(std::uint64_t key, const State* holder) {
    Shard& shard = shard_of(key);
    const LatchGuard guard(shard.latch);
    if (const auto found = shard.holders.find(key);
        found != shard.holders.end() && found->second == holder) {
      shard.holders.erase(found);
    }
  }

 private:
  struct alignas(64) Shard {
    SpinLatch latch;
    tsl::robin_map<std::uint64_t, const State*> holders;
  };
  Shard& shard_of(std::uint64_t key) { return shards_[key >> 58]; }
  std::array<Shard, 64> shards_;
};

}  // namespace selvedge::txn
