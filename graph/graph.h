// The versioned property graph in memory: records, versions, lists. No disk, no transactions.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <selvedge/types.h>

#include "base/mutex.h"
#include "graph/arena.h"
#include "graph/counters.h"
#include "graph/embeddings.h"
#include "graph/entry_list.h"
#include "graph/epoch.h"
#include "graph/names.h"
#include "graph/records.h"
#include "graph/schema.h"
#include "graph/version.h"

namespace selvedge::graph {

/// Members of one label. An entry says only that some version of the node may carry the label,
/// unless it is settled.
struct alignas(64) LabelList {
  std::atomic<std::uint64_t> head{0};
  SpinLatch latch;
};

/// Role: owns every structure of the graph and the few operations that keep them together.
/// Invariants: see docs/concurrency.md. A record belongs to the transaction whose mark is in its
///   head version; heads change by compare-and-swap only.
/// Threads: writers hold claims and latches as named; readers are pinned.
class Graph final : private RetiredSink {
 public:
  explicit Graph(std::uint64_t memory_limit_bytes);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Arena arena;
  EpochManager epochs{arena};
  RecordTable<NodeRecord> nodes{arena};
  RecordTable<EdgeRecord> edges{arena};
  SlotAllocator node_slots;
  SlotAllocator edge_slots;
  Names names;
  Embeddings embeddings{arena};
  Schema schema{epochs};

  /// Record of a well-formed id of this generation, or null.
  [[nodiscard]] NodeRecord* find(NodeId id) const {
    const std::uint64_t slot = id_bits::slot(id.value);
    if (!id_bits::well_formed(id.value) || !nodes.covers(slot)) {
      return nullptr;
    }
    NodeRecord& record = nodes.at(slot);
    return record.generation() == id_bits::generation(id.value) ? &record : nullptr;
  }
  [[nodiscard]] EdgeRecord* find(EdgeId id) const {
    const std::uint64_t slot = id_bits::slot(id.value);
    if (!id_bits::well_formed(id.value) || !edges.covers(slot)) {
      return nullptr;
    }
    EdgeRecord& record = edges.at(slot);
    return record.generation() == id_bits::generation(id.value) ? &record : nullptr;
  }
  [[nodiscard]] Seen see_node(NodeId id, Viewpoint view) const {
    const NodeRecord* record = find(id);
    return record == nullptr ? Seen{} : see({record->head.load(std::memory_order_acquire)}, view);
  }
  [[nodiscard]] Seen see_edge(EdgeId id, Viewpoint view) const {
    const EdgeRecord* record = find(id);
    return record == nullptr ? Seen{} : see({record->head.load(std::memory_order_acquire)}, view);
  }

  /// A version with room for `image_bytes`, stamped `stamp`; null when memory is refused.
  Version* new_version(std::uint64_t stamp, std::uint32_t flags, std::uint64_t prev,
                       std::span<const std::byte> image);
  /// Frees a chain at once (no reader) or through the epochs.
  void free_chain(std::uint64_t head_word, bool now);
  void retire_version(Version* version) {
    epochs.retire_memory(version, version->allocated_bytes());
  }

  /// Takes a slot and its next generation; 0 when memory is refused or ids are spent. The record
  /// is blank: its head is 0, so nobody sees it.
  std::uint64_t allocate_node();
  std::uint64_t allocate_edge();
  /// Slots at or above were never in use. One beyond the table was asked for and refused.
  [[nodiscard]] std::uint64_t node_end() const {
    return std::min(node_slots.high_water(), nodes.capacity());
  }
  [[nodiscard]] std::uint64_t edge_end() const {
    return std::min(edge_slots.high_water(), edges.capacity());
  }
  /// Gives a slot back once nobody can be looking at it; its generation stays spent.
  void retire_node_slot(std::uint64_t slot) { epochs.retire({slot, 0, Retired::Kind::node_slot}); }
  void retire_edge_slot(std::uint64_t slot) { epochs.retire({slot, 0, Retired::Kind::edge_slot}); }

  EntryList out_list(NodeRecord& record) { return {arena, epochs, record.out}; }
  EntryList in_list(NodeRecord& record) { return {arena, epochs, record.in}; }
  EntryList label_list(LabelList& list) { return {arena, epochs, list.head}; }
  /// The list of a defined label; created at first use.
  LabelList& label(std::uint32_t id);
  /// Null when the label has no list yet.
  [[nodiscard]] const LabelList* find_label(std::uint32_t id) const;

  /// Calls `use(edge id, settled)` with each entry for edges from `source` to `target`, some of
  /// them perhaps twice, until it returns false. Dead ones are left out, uncommitted ones are not.
  /// The caller is pinned. Cost: the smaller degree; between two hubs constant, by an index.
  template <class Use>
  void each_between(NodeId source, NodeId target, Use use);

  /// Receives a status word that may be used again.
  void set_status_sink(void (*give_back)(void*, TxnStatus*), void* context) {
    status_sink_ = give_back;
    status_context_ = context;
  }

 private:
  void reclaim(const Retired& item) override;

  static constexpr unsigned first_label_shift = 4;
  std::array<std::atomic<LabelList*>, 25 - first_label_shift> labels_{};
  Mutex labels_mutex_;
  void (*status_sink_)(void*, TxnStatus*) = nullptr;
  void* status_context_ = nullptr;
};

template <class Use>
void Graph::each_between(NodeId source, NodeId target, Use use) {
  NodeRecord* from = find(source);
  NodeRecord* to = find(target);
  if (from == nullptr || to == nullptr) {
    return;
  }
  std::uint64_t out = from->out.load(std::memory_order_acquire);
  const std::uint64_t in = to->in.load(std::memory_order_acquire);
  constexpr std::uint32_t hub = EntryBlock::capacity_max;
  if (EntryList::positions(out) > hub && EntryList::positions(in) > hub) {
    PositionIndex* index = nullptr;
    {
      const NodeLatch latch(*from);  // the index belongs to this head
      index = out_list(*from).neighbour_index();
      out = from->out.load(std::memory_order_acquire);
    }
    if (index != nullptr && out != 0 && EntryList::is_long(out)) {
      bool more = true;
      EntryList::for_neighbour(out, *index, target.value, [&](std::uint64_t edge) {
        more = more && use(EdgeId{edge}, false);
      });
      return;
    }
  }
  const bool forward = EntryList::positions(out) <= EntryList::positions(in);
  const std::uint64_t other = forward ? target.value : source.value;
  EntryScan scan(forward ? out : in);
  for (EntryScan::Run run; scan.next(run);) {
    for (std::uint32_t i = 0; i < run.count; ++i) {
      std::uint64_t entity = 0;
      std::uint64_t neighbour = 0;
      if (load_entry(run.entries[i], entity, neighbour) && (neighbour & Entry::id_mask) == other &&
          !use(EdgeId{entity & Entry::id_mask}, (entity & Entry::settled_bit) != 0)) {
        return;
      }
    }
  }
}

}  // namespace selvedge::graph
