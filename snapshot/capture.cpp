#include "snapshot/capture.h"

#include <algorithm>

#include "base/mutants.h"
#include "base/yield_point.h"

namespace selvedge::snapshot {

namespace {

using graph::Head;
using graph::Version;

constexpr std::uint64_t all_of_them = ~std::uint64_t{0};
constexpr std::uint64_t repin_interval_records = 1024;

/// What is emitted of one record.
struct Emitted {
  bool any = false;
  bool tombstone = false;
  std::uint64_t sequence = 0;
  std::span<const std::byte> image;
};

/// The newest version that is committed at `visible` or logged.
Emitted newest_logged(Head head, std::uint64_t visible) {
  while (!head.empty()) {
    if (head.is_inline()) {
      return {head.sequence() <= visible, false, head.sequence(), {}};
    }
    const Version* version = head.version();
    const std::uint64_t stamp = version->stamp.load(std::memory_order_acquire);
    const std::uint64_t committed = graph::committed_at(stamp);
    if (committed != 0 && committed <= visible) {
      return {!version->has(Version::tombstone), false, committed, version->image()};
    }
    if (graph::is_mark(stamp)) {
      const std::uint32_t distance = base::mutant(base::Mutant::unlogged_taken_for_logged)
                                         ? std::max(1U, graph::logged_distance(*version))
                                         : graph::logged_distance(*version);
      if (distance != 0) {
        if (base::mutant(base::Mutant::uncommitted_delete_left_out) &&
            version->has(Version::tombstone)) {
          return {};
        }
        const std::uint64_t first = graph::status_of(stamp)->first.load(std::memory_order_acquire);
        const std::uint64_t wrong = base::mutant(base::Mutant::label_of_commit_too_high) ? 1 : 0;
        return {true, version->has(Version::tombstone), first + distance + wrong, version->image()};
      }
    }
    base::yield_point("checkpoint.walk");
    head.word = version->prev();
  }
  return {};
}

Emitted seen_in_view(Head head, std::uint64_t view) {
  const graph::Seen seen = graph::see(head, {view, nullptr});
  return {seen.live, false, seen.sequence, seen.image()};
}

/// A head and the generation that it belongs to: a slot may be given out between the two loads.
template <class Record>
Head stable_head(const Record& record, std::uint64_t& generation) {
  for (;;) {
    const std::uint64_t before = record.head.load(std::memory_order_seq_cst);
    generation = record.generation();
    if (record.head.load(std::memory_order_seq_cst) == before) {
      return {before};
    }
  }
}

/// Entries of all kinds, dead ones too: a hint. The block may only be looked at while pinned.
std::uint32_t degree_hint(const std::atomic<std::uint64_t>& list) {
  const std::uint64_t head = list.load(std::memory_order_acquire);
  return head == 0 ? 0 : graph::EntryList::positions(head);
}

FreeSlot free_slot(std::uint64_t slot, std::uint64_t generation) {
  return {slot, static_cast<std::uint32_t>(generation + 1)};
}

/// Objects that were defined at or before `view`. The catalog may change meanwhile: what it then
/// says is in the log behind the snapshot's begin.
Status capture_schema(graph::Graph& graph, std::uint64_t view, SnapshotWriter& writer) {
  const graph::Catalog* catalog = graph.schema.catalog();
  if (catalog == nullptr || base::mutant(base::Mutant::schema_not_saved)) {
    return {};
  }
  for (const graph::SchemaObjectPtr& object : catalog->objects) {
    const std::uint64_t defined = object->defined.load(std::memory_order_acquire);
    if (object->online() && defined <= view) {
      ByteWriter bytes;
      graph::put_definition(bytes, object->definition);
      SELVEDGE_TRY(writer.add_schema({object->id, defined, bytes.span()}));
    }
  }
  return {};
}

template <class Choose>
Status capture(graph::Graph& graph, graph::ReaderSlot* slot, std::uint64_t view,
               SnapshotWriter& writer, Choose choose) {
  const graph::PinGuard pin(graph.epochs, slot);
  const std::uint64_t node_end = graph.node_end();
  for (std::uint64_t i = 0; i < node_end; ++i) {
    if (i % repin_interval_records == 0) {
      graph.epochs.repin(slot);
    }
    base::yield_point("checkpoint.node");
    const graph::NodeRecord& record = graph.nodes.at(i);
    std::uint64_t generation = 0;
    const Emitted out = choose([&] { return stable_head(record, generation); });
    if (out.any) {
      SELVEDGE_TRY(writer.add_node({id_bits::make(i, generation), out.sequence, out.tombstone,
                                    out.image, degree_hint(record.out), degree_hint(record.in)}));
    } else if (!base::mutant(base::Mutant::free_slots_not_saved)) {
      SELVEDGE_TRY(writer.add_free_node(free_slot(i, generation)));
    }
  }
  const std::uint64_t edge_end = graph.edge_end();
  for (std::uint64_t i = 0; i < edge_end; ++i) {
    if (i % repin_interval_records == 0) {
      graph.epochs.repin(slot);
    }
    base::yield_point("checkpoint.edge");
    const graph::EdgeRecord& record = graph.edges.at(i);
    std::uint64_t generation = 0;
    const Emitted out = choose([&] { return stable_head(record, generation); });
    if (out.any) {
      SELVEDGE_TRY(writer.add_edge({id_bits::make(i, generation), out.sequence, out.tombstone,
                                    record.source.load(std::memory_order_relaxed),
                                    record.target.load(std::memory_order_relaxed), record.type(),
                                    out.image}));
    } else {
      SELVEDGE_TRY(writer.add_free_edge(free_slot(i, generation)));
    }
  }
  // Last, so that every name that an emitted image uses is among them.
  for (std::size_t kind = 0; kind < graph::name_kinds; ++kind) {
    const graph::Dictionary& names = graph.names.of(static_cast<graph::NameKind>(kind));
    for (std::uint32_t id = 0; id < names.size(); ++id) {
      if (const std::string_view text = names.text(id);
          !text.empty() && !base::mutant(base::Mutant::names_not_saved)) {
        SELVEDGE_TRY(writer.add_name({static_cast<std::uint8_t>(kind), id, text}));
      }
    }
  }
  Status status;
  const bool all = graph.embeddings.each(view, [&](const graph::Embeddings::Seen& each) {
    if (!base::mutant(base::Mutant::embeddings_not_saved)) {
      status = writer.add_embedding({each.node, each.sequence, each.key, each.floats});
    }
    return status.has_value();
  });
  return all ? capture_schema(graph, view, writer) : std::move(status);
}

}  // namespace

Status capture_checkpoint(graph::Graph& graph, graph::ReaderSlot* slot,
                          const std::function<std::uint64_t()>& visible, SnapshotWriter& writer) {
  return capture(graph, slot, all_of_them, writer, [&](const auto& load_head) {
    if (base::mutant(base::Mutant::visible_read_after_head)) {
      const Head early = load_head();
      base::yield_point("checkpoint.head_read");
      return newest_logged(early, visible());
    }
    const std::uint64_t seen = visible();  // before the head (rule 34)
    base::yield_point("checkpoint.visible_read");
    const Head head = load_head();
    base::yield_point("checkpoint.head_read");
    return newest_logged(head, seen);
  });
}

Status capture_view(graph::Graph& graph, graph::ReaderSlot* slot, std::uint64_t view,
                    SnapshotWriter& writer) {
  return capture(graph, slot, view, writer,
                 [&](const auto& load_head) { return seen_in_view(load_head(), view); });
}

}  // namespace selvedge::snapshot
