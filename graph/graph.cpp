#include "graph/graph.h"

#include <bit>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/mutants.h"

namespace selvedge::graph {

Graph::Graph(std::uint64_t memory_limit_bytes) : arena(memory_limit_bytes) {
  epochs.set_sink(this);
}

Graph::~Graph() {
  // Versions, blocks and indexes go with the arena, as a whole.
  for (auto& chunk : labels_) {
    delete[] chunk.load(std::memory_order_relaxed);
  }
}

Version* Graph::new_version(std::uint64_t stamp, std::uint32_t flags, std::uint64_t prev,
                            std::span<const std::byte> image) {
  if (prev != 0) {
    flags |= Version::has_prev;
  }
  const std::size_t header = prev != 0 ? 24 : 16;
  const bool deletes = (flags & Version::tombstone) != 0;
  void* memory =
      arena.allocate(header + image.size(), deletes ? Arena::For::deletes : Arena::For::anything);
  if (memory == nullptr) {
    return nullptr;
  }
  auto* version = static_cast<Version*>(memory);
  version->stamp.store(stamp, std::memory_order_relaxed);
  version->size_and_flags = static_cast<std::uint32_t>(image.size()) | flags << 24;
  version->distance.store(0, std::memory_order_relaxed);
  if (prev != 0) {
    version->prev_word().store(prev, std::memory_order_relaxed);
  }
  if (!image.empty()) {
    std::memcpy(version->image_data(), image.data(), image.size());
  }
  return version;
}

void Graph::free_chain(std::uint64_t head_word, bool now) {
  Head head{head_word};
  while (!head.empty() && !head.is_inline()) {
    Version* version = head.version();
    head.word = version->prev();
    if (now) {
      arena.deallocate(version, version->allocated_bytes());
    } else {
      retire_version(version);
    }
  }
}

std::uint64_t Graph::allocate_node() {
  const std::uint64_t slot = node_slots.allocate();
  if (slot > id_bits::slot_max || !nodes.ensure(slot)) {
    node_slots.free(slot);
    return 0;
  }
  NodeRecord& record = nodes.at(slot);
  // Added, not stored: somebody with an id of the last generation may hold a pending count.
  const std::uint64_t before = record.word.fetch_add(1, std::memory_order_acq_rel);
  return id_bits::make(slot, (before & id_bits::generation_max) + 1);
}

std::uint64_t Graph::allocate_edge() {
  const std::uint64_t slot = edge_slots.allocate();
  if (slot > id_bits::slot_max || !edges.ensure(slot)) {
    edge_slots.free(slot);
    return 0;
  }
  EdgeRecord& record = edges.at(slot);
  const std::uint64_t generation = record.generation() + 1;
  record.word.store(EdgeRecord::make_word(0, generation), std::memory_order_release);
  return id_bits::make(slot, generation);
}

void Graph::reclaim(const Retired& item) {
  // A slot whose generations are spent is not given out again.
  switch (item.kind) {
    case Retired::Kind::node_slot:
      if (embeddings.nodes() != 0) {
        embeddings.erase(id_bits::make(item.address, nodes.at(item.address).generation()));
      }
      if (base::mutant(base::Mutant::generation_kept)) {
        NodeRecord& record = nodes.at(item.address);
        record.word.fetch_sub(1, std::memory_order_acq_rel);
      }
      if (nodes.at(item.address).generation() < id_bits::generation_max) {
        node_slots.free(item.address);
      }
      break;
    case Retired::Kind::edge_slot:
      if (edges.at(item.address).generation() < id_bits::generation_max) {
        edge_slots.free(item.address);
      }
      break;
    case Retired::Kind::status:
      status_sink_(status_context_, reinterpret_cast<TxnStatus*>(item.address));
      break;
    case Retired::Kind::catalog:
      schema.release(reinterpret_cast<const Catalog*>(item.address));
      break;
    case Retired::Kind::memory: SELVEDGE_ASSERT(false); break;
  }
}

LabelList& Graph::label(std::uint32_t id) {
  const std::uint32_t biased = id + (1u << first_label_shift);
  const auto width = static_cast<unsigned>(std::bit_width(biased)) - 1;
  std::atomic<LabelList*>& chunk = labels_[width - first_label_shift];
  LabelList* lists = chunk.load(std::memory_order_acquire);
  if (lists == nullptr) {
    const MutexLock lock(labels_mutex_);
    lists = chunk.load(std::memory_order_relaxed);
    if (lists == nullptr) {
      lists = new LabelList[std::size_t{1} << width];
      chunk.store(lists, std::memory_order_release);
    }
  }
  return lists[biased - (1u << width)];
}

const LabelList* Graph::find_label(std::uint32_t id) const {
  const std::uint32_t biased = id + (1u << first_label_shift);
  const auto width = static_cast<unsigned>(std::bit_width(biased)) - 1;
  if (width - first_label_shift >= labels_.size()) {
    return nullptr;
  }
  const LabelList* lists = labels_[width - first_label_shift].load(std::memory_order_acquire);
  return lists == nullptr ? nullptr : &lists[biased - (1u << width)];
}

}  // namespace selvedge::graph
