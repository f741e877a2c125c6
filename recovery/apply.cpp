#include "recovery/apply.h"

#include <algorithm>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include "base/limits.h"
#include "base/mutants.h"
#include "base/utf8.h"
#include "graph/image.h"

namespace selvedge::recovery {

using graph::EdgeRecord;
using graph::Head;
using graph::NodeRecord;
using graph::Version;

namespace {

tl::unexpected<Error> no_memory() {
  return fail(ErrorCode::out_of_memory, "the memory limit is reached during recovery");
}

}  // namespace

graph::FrameShape shape_of(const wal::FrameHeader& header) {
  return {.begin = (header.flags & wal::frame_flags::begin) != 0,
          .commit = (header.flags & wal::frame_flags::commit) != 0,
          .abort = (header.flags & wal::frame_flags::abort) != 0,
          .first_sequence = header.sequence,
          .count = header.count};
}

unsigned worker_count(const Options& options) {
  if (options.recovery_threads != 0) {
    return options.recovery_threads;
  }
  return std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
}

Status in_parallel(unsigned workers, const std::function<Status(unsigned)>& body) {
  if (workers <= 1) {
    return body(0);
  }
  std::vector<std::optional<Status>> results(workers);
  std::vector<std::thread> threads;
  threads.reserve(workers);
  const auto run = [&](unsigned worker) {
    try {
      results[worker].emplace(body(worker));
    } catch (const std::bad_alloc&) {
      results[worker].emplace(fail(ErrorCode::out_of_memory, "recovery found no memory"));
    }
  };
  unsigned started = 1;
  try {
    for (; started < workers; ++started) {
      threads.emplace_back(run, started);
    }
  } catch (const std::system_error&) {
    // No more threads to be had: the rest is done here.
  }
  run(0);
  for (unsigned worker = started; worker < workers; ++worker) {
    run(worker);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (auto& result : results) {
    SELVEDGE_TRY(std::move(*result));
  }
  return {};
}

void Applier::raise(std::atomic<std::uint64_t>& end, std::uint64_t value) {
  std::uint64_t known = end.load(std::memory_order_relaxed);
  while (known < value && !end.compare_exchange_weak(known, value)) {
  }
}

void Applier::raise_ends(std::uint64_t nodes, std::uint64_t edges) {
  raise(node_end_, nodes);
  raise(edge_end_, edges);
}

/// As `cover`, with the end noted in the worker's own count.
Status Applier::cover(const Target& target, ApplyCount& count) {
  SELVEDGE_TRY(cover(target));
  std::uint64_t& end = target.node ? count.node_end : count.edge_end;
  end = std::max(end, id_bits::slot(target.id) + 1);
  return {};
}

/// Room for the record, and its highest generation.
Status Applier::cover(const Target& target) {
  const std::uint64_t slot = id_bits::slot(target.id);
  const std::uint64_t generation = id_bits::generation(target.id);
  if (!(target.node ? graph_.nodes.ensure(slot) : graph_.edges.ensure(slot))) {
    return no_memory();
  }
  auto& word = target.node ? graph_.nodes.at(slot).word : graph_.edges.at(slot).word;
  const unsigned shift = target.node ? seen_node_shift : seen_edge_shift;
  const std::uint64_t now = word.load(std::memory_order_relaxed);
  const std::uint64_t seen = std::max(now >> shift & id_bits::generation_max, generation);
  word.store((now & ~(id_bits::generation_max << shift)) | seen << shift,
             std::memory_order_relaxed);
  return {};
}

std::atomic<std::uint64_t>& Applier::head_of(const Target& target) {
  const std::uint64_t slot = id_bits::slot(target.id);
  return target.node ? graph_.nodes.at(slot).head : graph_.edges.at(slot).head;
}

Status Applier::put(const Target& target, std::uint64_t sequence, bool tombstone,
                    std::span<const std::byte> image) {
  const std::uint64_t slot = id_bits::slot(target.id);
  std::uint64_t head = Head::of_sequence(sequence).word;
  if (target.node || tombstone || !image.empty()) {
    const Version* version = graph_.new_version(
        graph::stamp_of(sequence), tombstone ? std::uint32_t{Version::tombstone} : 0u, 0, image);
    if (version == nullptr) {
      return no_memory();
    }
    head = Head::of(version).word;
  }
  auto& word = head_of(target);
  graph_.free_chain(word.exchange(head, std::memory_order_relaxed), true);
  if (target.node) {
    auto& bits = graph_.nodes.at(slot).word;
    bits.store((bits.load(std::memory_order_relaxed) & ~id_bits::generation_max) |
                   id_bits::generation(target.id),
               std::memory_order_relaxed);
    return {};
  }
  EdgeRecord& record = graph_.edges.at(slot);
  const std::uint64_t seen = seen_generation(record);
  record.source.store(target.source, std::memory_order_relaxed);
  record.target.store(target.target, std::memory_order_relaxed);
  record.word.store(
      EdgeRecord::make_word(target.type, id_bits::generation(target.id)) | seen << seen_edge_shift,
      std::memory_order_relaxed);
  return {};
}

Status Applier::define(graph::NameKind kind, std::uint32_t id, std::string_view text,
                       std::uint64_t known) {
  if (id >= known) {
    return fail(Error(ErrorCode::corruption, "a name's id is larger than there are names")
                    .mismatch("below " + std::to_string(known), std::to_string(id)));
  }
  if (text.empty() || text.size() > limits::name_bytes_max || !base::valid_utf8(text)) {
    return fail(Error(ErrorCode::corruption, "a name that no store gives")
                    .mismatch("1 to " + std::to_string(limits::name_bytes_max) + " bytes of UTF-8",
                              std::to_string(text.size()) + " bytes"));
  }
  return graph_.names.of(kind).define(id, text)
             ? Status{}
             : fail(Error(ErrorCode::corruption, "two names for one id, or two ids")
                        .mismatch("one", std::string(text)));
}

Status Applier::load(snapshot::ChunkType, const snapshot::EmbeddingRecord& embedding) {
  return graph_.embeddings.restore(embedding.node, embedding.key, embedding.sequence,
                                   embedding.floats)
             ? Status{}
             : no_memory();
}

Status Applier::load(snapshot::ChunkType, const snapshot::NodeRecord& node) {
  const Target target{.id = node.id};
  SELVEDGE_TRY(cover(target));
  raise(node_end_, id_bits::slot(node.id) + 1);
  return put(target, node.sequence, node.tombstone, node.image);
}

Status Applier::load(snapshot::ChunkType, const snapshot::EdgeRecord& edge) {
  const Target target{edge.id, false, edge.source, edge.target, edge.type};
  SELVEDGE_TRY(cover(target));
  raise(edge_end_, id_bits::slot(edge.id) + 1);
  return put(target, edge.sequence, edge.tombstone, edge.image);
}

Status Applier::load(snapshot::ChunkType type, const snapshot::FreeSlot& slot) {
  const bool node = type == snapshot::ChunkType::free_nodes;
  raise(node ? node_end_ : edge_end_, slot.slot + 1);
  if (slot.next_generation <= 1) {
    const bool room = node ? graph_.nodes.ensure(slot.slot) : graph_.edges.ensure(slot.slot);
    return room ? Status{} : no_memory();
  }
  return cover({.id = id_bits::make(slot.slot, slot.next_generation - 1), .node = node});
}

Status Applier::put_back(const Before& before) {
  const Target target{before.id, before.node, before.source, before.target, before.type};
  SELVEDGE_TRY(cover(target));
  const std::uint64_t end = id_bits::slot(before.id) + 1;
  raise(before.node ? node_end_ : edge_end_, end);
  if (before.sequence == 0) {
    // A tombstone is never older than what the slot held before: rebuild drops it.
    return put(target, 1, true, {});
  }
  SELVEDGE_TRY(graph::ImageView::verify(before.image, before.node));
  return put(target, before.sequence, false, before.image);
}

void Applier::age_to(std::uint64_t sequence) {
  const auto age = [&](std::atomic<std::uint64_t>& word) {
    const Head head{word.load(std::memory_order_relaxed)};
    if (sequence_of(head) <= sequence) {
      return;
    }
    if (head.is_inline()) {
      word.store(Head::of_sequence(sequence).word, std::memory_order_relaxed);
    } else {
      head.version()->stamp.store(graph::stamp_of(sequence), std::memory_order_relaxed);
    }
  };
  for (std::uint64_t slot = 0; slot < node_end() && graph_.nodes.covers(slot); ++slot) {
    age(graph_.nodes.at(slot).head);
  }
  for (std::uint64_t slot = 0; slot < edge_end() && graph_.edges.covers(slot); ++slot) {
    age(graph_.edges.at(slot).head);
  }
}

Status Applier::redo(const graph::Change& change, std::uint64_t sequence, ApplyCount& count) {
  ++count.entries;
  const Target target = target_of(change);
  SELVEDGE_TRY(cover(target, count));
  if (sequence <= sequence_of({head_of(target).load(std::memory_order_relaxed)}) &&
      !base::mutant(base::Mutant::redo_unconditional)) {
    ++count.skipped;
    return {};
  }
  ++count.applied;
  if (!change.is_delete()) {
    SELVEDGE_TRY(graph::ImageView::verify(change.after, target.node));
  }
  return put(target, sequence, change.is_delete(),
             change.is_delete() ? std::span<const std::byte>{} : change.after);
}

Status Applier::undo(const graph::Change& change, std::uint64_t sequence, ApplyCount& count) {
  ++count.entries;
  const Target target = target_of(change);
  if (base::mutant(base::Mutant::slots_of_losers_forgotten) && change.is_create() &&
      !graph_.nodes.covers(id_bits::slot(change.id))) {
    return {};
  }
  SELVEDGE_TRY(cover(target, count));
  if (sequence_of({head_of(target).load(std::memory_order_relaxed)}) != sequence &&
      !base::mutant(base::Mutant::undo_unconditional)) {
    ++count.skipped;
    return {};
  }
  ++count.applied;
  const std::uint64_t previous = change.prev.resolve(sequence);
  if (previous >= sequence) {
    return fail(
        Error(ErrorCode::corruption, "a before-image that is newer than its change")
            .mismatch("a sequence below " + std::to_string(sequence), std::to_string(previous))
            .with_entity(change.id));
  }
  if (change.is_create()) {
    // Never 0: a tombstone must not look older than what the slot held before (rule 11).
    const std::uint64_t label = change.restored() ? previous : sequence;
    return put(target, base::mutant(base::Mutant::undo_by_zero) ? 0 : label, true, {});
  }
  std::vector<std::byte> scratch;
  std::span<const std::byte> before;
  if (!change.before(scratch, before)) {
    return fail(Error(ErrorCode::corruption, "a before-image does not fit its after-image")
                    .with_entity(change.id));
  }
  SELVEDGE_TRY(graph::ImageView::verify(before, target.node));
  return put(target, previous, false, before);
}

}  // namespace selvedge::recovery
