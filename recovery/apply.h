// Applying images by the sequence rule.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/options.h>

#include "graph/change.h"
#include "graph/graph.h"
#include "recovery/past_log.h"
#include "snapshot/snapshot_format.h"
#include "wal/frame.h"

namespace selvedge::recovery {

graph::FrameShape shape_of(const wal::FrameHeader& header);

/// How many images went in, and how many were passed over; and one more than the highest slots
/// named. One per worker: shares no cache line with another's.
struct alignas(128) ApplyCount {
  std::uint64_t entries = 0;
  std::uint64_t applied = 0;
  std::uint64_t skipped = 0;
  std::uint64_t node_end = 0;
  std::uint64_t edge_end = 0;
};

/// Role: puts images into records by the one rule: newer wins; undo needs the exact sequence.
/// Invariants: a record's head is one version stamped with the sequence of the image that it
///   holds, tombstones too, or an inline sequence; its spare bits hold the highest generation that
///   anybody named (rule 13).
/// Threads: several, as long as no two touch the same slot.
/// After failure: `out_of_memory`; the graph is thrown away.
class Applier {
 public:
  explicit Applier(graph::Graph& graph) : graph_(graph) {}

  /// A name as a snapshot or the log has it. `known` names there are at most, this one included:
  /// ids are given in order, so a larger one is damage, and would take memory for all below it.
  Status define(graph::NameKind kind, std::uint32_t id, std::string_view text, std::uint64_t known);
  /// A record of a snapshot's chunk.
  Status load(snapshot::ChunkType type, const snapshot::NodeRecord& node);
  Status load(snapshot::ChunkType type, const snapshot::EdgeRecord& edge);
  Status load(snapshot::ChunkType type, const snapshot::FreeSlot& slot);
  Status load(snapshot::ChunkType type, const snapshot::EmbeddingRecord& embedding);
  /// What was there, whatever is there now.
  Status put_back(const Before& before);
  /// What is newer than a sequence is taken for as old as that: it was the same then.
  void age_to(std::uint64_t sequence);
  Status redo(const graph::Change& change, std::uint64_t sequence, ApplyCount& count);
  Status undo(const graph::Change& change, std::uint64_t sequence, ApplyCount& count);

  /// One more than the highest slot named, by `load`, or by counts given to `raise_ends`.
  [[nodiscard]] std::uint64_t node_end() const { return node_end_.load(); }
  [[nodiscard]] std::uint64_t edge_end() const { return edge_end_.load(); }
  void raise_ends(std::uint64_t nodes, std::uint64_t edges);

  /// Highest generation named for a slot, and forgetting it.
  static std::uint64_t seen_generation(const graph::NodeRecord& record) {
    return record.word.load(std::memory_order_relaxed) >> seen_node_shift & id_bits::generation_max;
  }
  static std::uint64_t seen_generation(const graph::EdgeRecord& record) {
    return record.word.load(std::memory_order_relaxed) >> seen_edge_shift & id_bits::generation_max;
  }
  static std::uint64_t sequence_of(graph::Head head) {
    return head.empty()       ? 0
           : head.is_inline() ? head.sequence()
                              : head.version()->stamp.load(std::memory_order_relaxed) >> 1;
  }

 private:
  static constexpr unsigned seen_node_shift = 21;
  static constexpr unsigned seen_edge_shift = 44;

  struct Target {
    std::uint64_t id = 0;
    bool node = true;
    std::uint64_t source = 0;
    std::uint64_t target = 0;
    std::uint32_t type = 0;
  };
  static Target target_of(const graph::Change& change) {
    return {change.id, change.is_node(), change.source, change.target, change.type};
  }
  Status cover(const Target& target);
  Status cover(const Target& target, ApplyCount& count);
  std::atomic<std::uint64_t>& head_of(const Target& target);
  Status put(const Target& target, std::uint64_t sequence, bool tombstone,
             std::span<const std::byte> image);
  static void raise(std::atomic<std::uint64_t>& end, std::uint64_t value);

  graph::Graph& graph_;
  // Every worker raises them: away from what every worker reads.
  alignas(128) std::atomic<std::uint64_t> node_end_{0};
  std::atomic<std::uint64_t> edge_end_{0};
};

unsigned worker_count(const Options& options);
/// Runs `body(worker)` for 0 <= worker < workers and returns the first error. A thread that cannot
/// be started is no error: its share is done by the caller.
Status in_parallel(unsigned workers, const std::function<Status(unsigned)>& body);

}  // namespace selvedge::recovery
