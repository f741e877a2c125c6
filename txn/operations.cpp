#include "txn/operations.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mutants.h"
#include "base/yield_point.h"
#include "graph/image.h"

namespace selvedge::txn {

using graph::EdgeRecord;
using graph::EntryList;
using graph::Head;
using graph::ImageView;
using graph::NodeLatch;
using graph::NodeRecord;
using graph::PrevSequence;
using graph::Seen;
using graph::Version;

namespace {

graph::EdgeIdentity identity_of(std::uint64_t id, const EdgeRecord& record) {
  return {id, record.source.load(std::memory_order_relaxed),
          record.target.load(std::memory_order_relaxed), record.type()};
}

constexpr const char* no_such_node = "no such node";
constexpr const char* no_such_edge = "no such edge";

}  // namespace

/// What an operation tells of the graph when it fails is read, too.
void Operations::note_read(ReadKind kind, std::uint64_t id) {
  if (state_.serializable) {
    state_.reads.note(kind, id);
  }
}

// --- shared steps ------------------------------------------------------------------------------

Error Operations::memory_refused() const {
  return {ErrorCode::out_of_memory, "the memory limit is reached"};
}

/// Names the entity and the transaction in the way, if it is still known.
Error Operations::conflict_on(std::uint64_t id, std::uint64_t head_word) const {
  std::uint64_t other = 0;
  const Head head{head_word};
  if (!head.empty() && !head.is_inline()) {
    const std::uint64_t stamp = head.version()->stamp.load(std::memory_order_acquire);
    other = graph::is_mark(stamp) ? graph::status_of(stamp)->ticket.load(std::memory_order_relaxed)
                                  : stamp >> 1;
  }
  manager_.note_conflict();
  return Error(ErrorCode::conflict, "another transaction changed the entity first")
      .with_entity(id)
      .with_other(other);
}

Result<Writable> Operations::writable(std::uint64_t head_word, std::uint64_t id, const char* what) {
  const Seen seen = see({head_word}, state_.view);
  if (!seen.live) {
    note_read(what == no_such_edge ? ReadKind::edge : ReadKind::node, id);
    return fail(Error(ErrorCode::not_found, what).with_entity(id));
  }
  const Head head{head_word};
  const bool newest = head.is_inline() || seen.version == head.version();
  const bool ignored =
      selvedge::base::mutant(selvedge::base::Mutant::first_updater_ignored) && !newest &&
      graph::committed_at(head.version()->stamp.load(std::memory_order_acquire)) != 0;
  if (!newest && !ignored) {
    return fail(conflict_on(id, head_word));
  }
  return Writable{head_word, seen};
}

Result<Writable> Operations::writable_node(std::uint64_t id) {
  const NodeRecord* record = graph_.find(NodeId{id});
  return writable(record == nullptr ? 0 : record->head.load(std::memory_order_seq_cst), id,
                  no_such_node);
}

Result<Writable> Operations::writable_edge(std::uint64_t id) {
  const EdgeRecord* record = graph_.find(EdgeId{id});
  return writable(record == nullptr ? 0 : record->head.load(std::memory_order_seq_cst), id,
                  no_such_edge);
}

/// The sequence of the before-image: committed beneath C; own: its entry's (rule 37).
PrevSequence Operations::prev_of(const Writable& base) const {
  if (selvedge::base::mutant(selvedge::base::Mutant::wrong_previous_sequence)) {
    return PrevSequence::absolute(1);
  }
  if (base.seen.sequence != 0) {
    return PrevSequence::absolute(base.seen.sequence);
  }
  const std::uint32_t distance = base.seen.version->distance.load(std::memory_order_relaxed);
  if ((distance & unlogged_flag) != 0) {
    return PrevSequence::own(state_.buffered_entries - (distance & ~unlogged_flag));
  }
  return PrevSequence::absolute(state_.number + distance);
}

Result<Version*> Operations::new_version(std::uint32_t flags, std::uint64_t prev,
                                         std::span<const std::byte> image) {
  Version* version = graph_.new_version(graph::mark_of(&state_), flags, prev, image);
  if (version == nullptr) {
    return fail(memory_refused());
  }
  version->distance.store(unlogged_flag | state_.buffered_entries, std::memory_order_relaxed);
  return version;
}

Status Operations::claim(std::atomic<std::uint64_t>& head, const Writable& base, Version* version,
                         std::uint64_t id) {
  std::uint64_t expected = base.head_word;
  if (head.compare_exchange_strong(expected, reinterpret_cast<std::uint64_t>(version),
                                   std::memory_order_seq_cst)) {
    return {};
  }
  // The same state in another form: an edge's only version was folded into the head.
  if (Head{expected}.is_inline() && base.seen.sequence == Head{expected}.sequence()) {
    version->prev_word().store(expected, std::memory_order_relaxed);
    if (head.compare_exchange_strong(expected, reinterpret_cast<std::uint64_t>(version),
                                     std::memory_order_seq_cst)) {
      return {};
    }
  }
  const Error error = conflict_on(id, expected);
  graph_.arena.deallocate(version, version->allocated_bytes());
  return fail(error.clone());
}

void Operations::written(Version* version, const WriteItem& item) {
  state_.unlogged.push_back(version);
  state_.writes.push_back(item);
}

void Operations::count_node(std::span<const std::byte> image, std::int64_t amount) {
  state_.counts.add(graph::CounterKind::nodes, 0, amount);
  const ImageView view(image);
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    state_.counts.add(graph::CounterKind::label, view.label(i), amount);
  }
}

void Operations::count_edge(std::uint32_t type, std::int64_t amount) {
  state_.counts.add(graph::CounterKind::edges, 0, amount);
  state_.counts.add(graph::CounterKind::type, type, amount);
}

// --- labels ------------------------------------------------------------------------------------

/// The label's list names the node, by an entry of old or a new one.
Status Operations::ensure_label(std::uint64_t id, std::uint32_t label) {
  graph::LabelList& list = graph_.label(label);
  const LatchGuard guard(list.latch);
  EntryList entries = graph_.label_list(list);
  // Only a node with history can have an entry already.
  const bool fresh =
      !Head{graph_.nodes.at(id_bits::slot(id)).head.load(std::memory_order_relaxed)}.version()->has(
          Version::has_prev);
  std::uint32_t position = fresh ? EntryList::no_position : entries.find(id);
  if (position == EntryList::no_position) {
    position = entries.append(id, 0, {});
    if (position == EntryList::no_position) {
      return fail(memory_refused());
    }
  }
  state_.writes.push_back(WriteItem::make(WriteKind::add_label, id, label, position));
  return {};
}

void Operations::leave_label(std::uint64_t id, std::uint32_t label) {
  graph::LabelList& list = graph_.label(label);
  const LatchGuard guard(list.latch);
  EntryList entries = graph_.label_list(list);
  const std::uint32_t position = entries.find(id);
  SELVEDGE_ASSERT(position != EntryList::no_position);
  entries.unsettle(position, id);
  state_.writes.push_back(WriteItem::make(WriteKind::remove_label, id, label, position));
}

Status Operations::change_labels(std::uint64_t id, std::span<const std::byte> before,
                                 std::span<const std::byte> after) {
  const ImageView old_view(before);
  const ImageView new_view(after);
  for (std::size_t i = 0; i < old_view.label_count(); ++i) {
    const std::uint32_t label = old_view.label(i);
    if (!new_view.has_label(label)) {
      leave_label(id, label);
      state_.counts.add(graph::CounterKind::label, label, -1);
    }
  }
  for (std::size_t i = 0; i < new_view.label_count(); ++i) {
    const std::uint32_t label = new_view.label(i);
    if (!old_view.has_label(label)) {
      SELVEDGE_TRY(ensure_label(id, label));
      state_.counts.add(graph::CounterKind::label, label, 1);
    }
  }
  return {};
}

// --- nodes -------------------------------------------------------------------------------------

Status Operations::put_node(std::span<const std::byte> image, std::uint64_t& id) {
  id = graph_.allocate_node();
  if (id == 0) {
    return fail(memory_refused());
  }
  auto version = new_version(0, 0, image);
  if (!version) {
    graph_.retire_node_slot(id_bits::slot(id));
    return fail(std::move(version).error());
  }
  written(*version, WriteItem::make(WriteKind::create_node, id));
  graph_.nodes.at(id_bits::slot(id))
      .head.store(reinterpret_cast<std::uint64_t>(*version), std::memory_order_seq_cst);
  const ImageView view(image);
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    SELVEDGE_TRY(ensure_label(id, view.label(i)));
  }
  count_node(image, 1);
  log_.create_node(id, image);
  return enter_schema({EntityKind::node, id, 0, nullptr, &image});
}

Result<std::uint64_t> Operations::create_node(std::span<const std::byte> image) {
  std::uint64_t id = 0;
  SELVEDGE_TRY(as_entry([&] { return put_node(image, id); }));
  return id;
}

Status Operations::update_node(std::uint64_t id, const Writable& base,
                               std::span<const std::byte> image) {
  return as_entry([&]() -> Status {
    SELVEDGE_TRY(Version* const version, new_version(0, base.head_word, image));
    NodeRecord& record = graph_.nodes.at(id_bits::slot(id));
    SELVEDGE_TRY(claim(record.head, base, version, id));
    written(version, WriteItem::make(WriteKind::update_node, id));
    const auto before = base.seen.image();
    log_.update_node(id, prev_of(base), image, before);
    SELVEDGE_TRY(change_labels(id, before, image));
    return enter_schema({EntityKind::node, id, 0, &before, &image});
  });
}

/// Tombstone first, then no creation may be pending, then no edge may stand (rule 18).
Status Operations::put_delete_node(std::uint64_t id) {
  SELVEDGE_TRY(const Writable base, writable_node(id));
  NodeRecord& record = graph_.nodes.at(id_bits::slot(id));
  SELVEDGE_TRY(Version* const version, new_version(Version::tombstone, base.head_word, {}));
  SELVEDGE_TRY(claim(record.head, base, version, id));
  written(version, WriteItem::make(WriteKind::delete_node, id));
  base::yield_point("txn.delete_node.marked");
  if (record.pending() != 0) {
    manager_.note_conflict();
    return fail(Error(ErrorCode::conflict, "another transaction is adding an edge to the node")
                    .with_entity(id));
  }
  SELVEDGE_TRY(has_edge_of_ours(record, id));
  const auto before = base.seen.image();
  log_.delete_node(id, prev_of(base), before);
  count_node(before, -1);
  const ImageView view(before);
  for (std::size_t i = 0; i < view.label_count(); ++i) {
    leave_label(id, view.label(i));
  }
  return {};
}

/// Nothing when no edge stands; `has_edges` for a visible one, `conflict` for one that is
/// uncommitted by another or newer than the view.
Status Operations::has_edge_of_ours(NodeRecord& record, std::uint64_t node) {
  std::vector<std::uint64_t> edges;
  SELVEDGE_TRY(collect_edges(record.out.load(std::memory_order_acquire), false, node, edges));
  SELVEDGE_TRY(collect_edges(record.in.load(std::memory_order_acquire), true, node, edges));
  if (!edges.empty()) {
    note_read(ReadKind::out_list, node);
    note_read(ReadKind::in_list, node);
    return fail(Error(ErrorCode::has_edges, "the node has edges: detach, or delete them first")
                    .mismatch("no edges", std::to_string(edges.size()) + " edges")
                    .with_entity(node));
  }
  return {};
}

/// The list's edges that the view sees; `conflict` for one that it cannot know about.
Status Operations::collect_edges(std::uint64_t head, bool skip_loops, std::uint64_t node,
                                 std::vector<std::uint64_t>& out) {
  graph::EntryScan scan(head);
  for (graph::EntryScan::Run run; scan.next(run);) {
    for (std::uint32_t i = 0; i < run.count; ++i) {
      std::uint64_t entity = 0;
      std::uint64_t neighbour = 0;
      if (!load_entry(run.entries[i], entity, neighbour)) {
        continue;
      }
      const std::uint64_t edge = entity & graph::Entry::id_mask;
      if (skip_loops && (neighbour & graph::Entry::id_mask) == node) {
        continue;
      }
      const EdgeRecord* record = graph_.find(EdgeId{edge});
      const std::uint64_t word =
          record == nullptr ? 0 : record->head.load(std::memory_order_acquire);
      if (word == 0) {
        continue;  // rolled back meanwhile
      }
      const Seen seen = see({word}, state_.view);
      const bool newest = Head{word}.is_inline() ? seen.live : seen.version == Head{word}.version();
      if (!newest) {
        return fail(conflict_on(edge, word));
      }
      if (seen.live) {
        out.push_back(edge);
      }
    }
  }
  return {};
}

Result<std::vector<std::uint64_t>> Operations::edges_of(std::uint64_t id) {
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  SELVEDGE_TRY(writable_node(id));
  const NodeRecord& record = graph_.nodes.at(id_bits::slot(id));
  std::vector<std::uint64_t> edges;
  SELVEDGE_TRY(collect_edges(record.out.load(std::memory_order_acquire), false, id, edges));
  SELVEDGE_TRY(collect_edges(record.in.load(std::memory_order_acquire), true, id, edges));
  return edges;
}

// --- edges -------------------------------------------------------------------------------------

/// The endpoint is live in the view and nobody is deleting it.
Status Operations::check_endpoint(std::uint64_t id, const NodeRecord& record) {
  const std::uint64_t word = record.head.load(std::memory_order_seq_cst);
  const Seen seen = see({word}, state_.view);
  if (!seen.live) {
    note_read(ReadKind::node, id);
    return fail(Error(ErrorCode::not_found, no_such_node).with_entity(id));
  }
  for (Head head{word}; head.version() != seen.version; head.word = head.version()->prev()) {
    if (head.version()->has(Version::tombstone)) {
      return fail(conflict_on(id, head.word));
    }
  }
  return {};
}

Status Operations::link(std::uint64_t id, const EdgeSpec& spec, Version* version) {
  EdgeRecord& record = graph_.edges.at(id_bits::slot(id));
  record.source.store(spec.source, std::memory_order_relaxed);
  record.target.store(spec.target, std::memory_order_relaxed);
  record.word.store(EdgeRecord::make_word(spec.type, id_bits::generation(id)),
                    std::memory_order_release);
  const auto bits = graph::TypeBits::of(spec.type);
  NodeRecord& source = graph_.nodes.at(id_bits::slot(spec.source));
  NodeRecord& target = graph_.nodes.at(id_bits::slot(spec.target));
  std::uint32_t out = 0;
  std::uint32_t in = 0;
  {
    const NodeLatch latch(source);
    out = graph_.out_list(source).append(id, spec.target, bits);
  }
  if (out != EntryList::no_position) {
    const NodeLatch latch(target);
    in = graph_.in_list(target).append(id, spec.source, bits);
    if (in != EntryList::no_position) {
      written(version, WriteItem::make(WriteKind::create_edge, id, out, in));
      record.head.store(reinterpret_cast<std::uint64_t>(version), std::memory_order_seq_cst);
      return {};
    }
  }
  if (out != EntryList::no_position) {
    const NodeLatch latch(source);
    graph_.out_list(source).kill(out, id);
  }
  graph_.arena.deallocate(version, version->allocated_bytes());
  graph_.retire_edge_slot(id_bits::slot(id));
  return fail(memory_refused());
}

Status Operations::put_edge(const EdgeSpec& spec, std::uint64_t& id) {
  NodeRecord* source = graph_.find(NodeId{spec.source});
  NodeRecord* target = graph_.find(NodeId{spec.target});
  if (source == nullptr || target == nullptr) {
    const std::uint64_t missing = source == nullptr ? spec.source : spec.target;
    note_read(ReadKind::node, missing);
    return fail(Error(ErrorCode::not_found, no_such_node).with_entity(missing));
  }
  // Pending first, then the heads; held until the entries are in (rule 18).
  source->word.fetch_add(NodeRecord::pending_one, std::memory_order_seq_cst);
  target->word.fetch_add(NodeRecord::pending_one, std::memory_order_seq_cst);
  base::yield_point("txn.create_edge.pending");
  const auto body = [&]() -> Status {
    SELVEDGE_TRY(check_endpoint(spec.source, *source));
    SELVEDGE_TRY(check_endpoint(spec.target, *target));
    base::yield_point("txn.create_edge.checked");
    id = graph_.allocate_edge();
    if (id == 0) {
      return fail(memory_refused());
    }
    auto version = new_version(0, 0, spec.image);
    if (!version) {
      graph_.retire_edge_slot(id_bits::slot(id));
      return fail(std::move(version).error());
    }
    return link(id, spec, *version);
  };
  Status status = body();
  source->word.fetch_sub(NodeRecord::pending_one, std::memory_order_seq_cst);
  target->word.fetch_sub(NodeRecord::pending_one, std::memory_order_seq_cst);
  if (status) {
    count_edge(spec.type, 1);
    log_.create_edge({id, spec.source, spec.target, spec.type}, spec.image);
    status = enter_schema({EntityKind::edge, id, spec.type, nullptr, &spec.image});
  }
  return status;
}

Result<std::uint64_t> Operations::create_edge(const EdgeSpec& edge) {
  std::uint64_t id = 0;
  SELVEDGE_TRY(as_entry([&] { return put_edge(edge, id); }));
  return id;
}

/// The edge in the newest state: what the view sees of it, or else one that is newer than the view.
std::optional<std::uint64_t> Operations::newest_edge(const EdgeSpec& edge, bool& newer) {
  const graph::Viewpoint newest{~std::uint64_t{0}, &state_};
  std::optional<std::uint64_t> visible;
  std::optional<std::uint64_t> unseen;
  graph_.each_between(NodeId{edge.source}, NodeId{edge.target}, [&](EdgeId id, bool) {
    const EdgeRecord* record = graph_.find(id);
    if (record != nullptr && record->type() == edge.type && graph_.see_edge(id, newest).live) {
      (graph_.see_edge(id, state_.view).live ? visible : unseen) = id.value;
    }
    return !visible;
  });
  newer = !visible && unseen;
  return visible ? visible : unseen;
}

/// Written down first: what is taken will be released. Releasing what is another's does nothing.
bool Operations::take_claim(std::uint64_t key) {
  state_.claims.push_back(key);
  if (!manager_.claims_.take(key, &state_) && !base::mutant(base::Mutant::claim_ignored)) {
    manager_.note_conflict();
    return false;
  }
  base::yield_point("txn.claimed");
  return true;
}

/// Who finds the edge needs no claim; who does not looks again once he has it.
Result<std::optional<std::uint64_t>> Operations::find_or_claim(const EdgeSpec& edge) {
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  // A conflict tells nothing of the graph; the answer does.
  const auto answer = [&](std::optional<std::uint64_t> found) {
    if (state_.serializable) {
      state_.reads.note(ReadKind::pair, edge.source, edge.target, edge.type);
    }
    return found;
  };
  bool newer = false;
  if (const auto found = newest_edge(edge, newer); found && !newer) {
    return answer(found);
  }
  const std::uint64_t key =
      read_hash(ReadKind::pair, edge.source, edge.target) ^ (edge.type * 0x9e3779b97f4a7c15U);
  if (!take_claim(key)) {
    return fail(Error(ErrorCode::conflict, "another transaction may be creating the edge")
                    .with_entity(edge.source));
  }
  const auto found = newest_edge(edge, newer);
  if (found && newer) {
    return fail(conflict_on(*found, graph_.edges.at(id_bits::slot(*found)).head.load()));
  }
  return answer(found);
}

Status Operations::update_edge(std::uint64_t id, const Writable& base,
                               std::span<const std::byte> image) {
  return as_entry([&]() -> Status {
    SELVEDGE_TRY(Version* const version, new_version(0, base.head_word, image));
    EdgeRecord& record = graph_.edges.at(id_bits::slot(id));
    SELVEDGE_TRY(claim(record.head, base, version, id));
    written(version, WriteItem::make(WriteKind::update_edge, id));
    const auto before = base.seen.image();
    log_.update_edge(identity_of(id, record), prev_of(base), image, before);
    return enter_schema({EntityKind::edge, id, record.type(), &before, &image});
  });
}

/// A deleted edge's entries are visible no longer to all: they must be asked about again before
/// the delete can commit.
WriteItem Operations::unsettle_edge(std::uint64_t id, WriteKind kind) {
  const EdgeRecord& record = graph_.edges.at(id_bits::slot(id));
  NodeRecord& source =
      graph_.nodes.at(id_bits::slot(record.source.load(std::memory_order_relaxed)));
  NodeRecord& target =
      graph_.nodes.at(id_bits::slot(record.target.load(std::memory_order_relaxed)));
  WriteItem item = WriteItem::make(kind, id);
  {
    const NodeLatch latch(source);
    EntryList list = graph_.out_list(source);
    item.a = list.find(id);
    SELVEDGE_ASSERT(item.a != EntryList::no_position);
    if (!base::mutant(base::Mutant::edge_stays_settled)) {
      list.unsettle(item.a, id);
    }
  }
  const NodeLatch latch(target);
  EntryList list = graph_.in_list(target);
  item.b = list.find(id);
  SELVEDGE_ASSERT(item.b != EntryList::no_position);
  list.unsettle(item.b, id);
  return item;
}

Status Operations::put_delete_edge(std::uint64_t id) {
  SELVEDGE_TRY(const Writable base, writable_edge(id));
  EdgeRecord& record = graph_.edges.at(id_bits::slot(id));
  SELVEDGE_TRY(Version* const version, new_version(Version::tombstone, base.head_word, {}));
  SELVEDGE_TRY(claim(record.head, base, version, id));
  base::yield_point("txn.delete_edge.marked");
  written(version, unsettle_edge(id, WriteKind::delete_edge));
  log_.delete_edge(identity_of(id, record), prev_of(base), base.seen.image());
  count_edge(record.type(), -1);
  return {};
}

Status Operations::delete_edge(std::uint64_t id) {
  return as_entry([&] { return put_delete_edge(id); });
}

}  // namespace selvedge::txn
