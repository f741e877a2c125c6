// Regenerable values: entries of no transaction, outside the images.

#include "base/assert.h"
#include "base/limits.h"
#include "graph/change.h"
#include "txn/manager.h"

namespace selvedge::txn {

Result<std::uint64_t> Manager::set_embedding(std::uint64_t node, std::uint32_t key,
                                             std::span<const float> values) {
  if (values.size() > limits::embedding_floats_max) {
    return fail(Error(ErrorCode::too_large, "an embedding has too many dimensions")
                    .mismatch("at most " + std::to_string(limits::embedding_floats_max),
                              std::to_string(values.size())));
  }
  // The view keeps the node's slot, and with it the chain of its embeddings, until the end.
  State* const state = begin(false);
  auto sequence = log_embedding(*state, node, key, values);
  const auto closed = commit(state);  // it wrote nothing of its own
  SELVEDGE_ASSERT(closed.has_value());
  return sequence;
}

Result<std::uint64_t> Manager::log_embedding(State& state, std::uint64_t node, std::uint32_t key,
                                             std::span<const float> values) {
  {
    const graph::PinGuard pin(graph_.epochs, state.slot);
    if (!graph_.see_node(NodeId{node}, state.view).live) {
      return fail(Error(ErrorCode::not_found, "no such node").with_entity(node));
    }
  }
  const auto floats = std::as_bytes(values);
  ByteWriter payload;
  graph::ChangeWriter(payload).update_embedding(node, key, floats);
  wal::FrameParts parts;
  parts.flags = wal::frame_flags::regenerable;
  parts.entity = node;
  parts.wall_us = options_.clock->wall_clock_us();
  parts.payload = {payload.span(), {}, {}};
  parts.payload_crc = wal::payload_crc(parts.payload[0]);
  graph::EmbeddingVersion* const version = graph_.embeddings.prepare(node, key, floats, horizon());
  if (version == nullptr) {
    return fail(ErrorCode::out_of_memory, "the memory limit is reached");
  }
  auto section = log_.enter(wal::frame_bytes(payload.size(), parts.flags));
  if (!section) {
    graph_.embeddings.drop(node, version);
    return fail(std::move(section).error());
  }
  const wal::Appended appended = section->append(parts);
  // Before the section publishes: a view that may see the entry sees the value.
  version->sequence.store(appended.last, std::memory_order_release);
  return appended.last;
}

}  // namespace selvedge::txn
