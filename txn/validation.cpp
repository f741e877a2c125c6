#include "txn/validation.h"

#include <algorithm>
#include <bit>
#include <string>

#include "base/mutants.h"
#include "graph/entry_list.h"
#include "graph/image.h"

namespace selvedge::txn {

using graph::EdgeRecord;
using graph::Head;
using graph::NameKind;
using graph::NodeRecord;
using graph::see;
using graph::Seen;
using graph::Version;

namespace {

/// Larger write sets raise one clock for all stripes, and meet every read set.
constexpr std::size_t items_measured_max = 4096;

/// The newest committed state, beneath whatever is uncommitted.
Seen newest_committed(std::uint64_t head_word) {
  for (Head head{head_word}; !head.empty(); head.word = head.version()->prev()) {
    if (head.is_inline()) {
      return {nullptr, head.sequence(), true};
    }
    const Version* version = head.version();
    const std::uint64_t commit =
        graph::committed_at(version->stamp.load(std::memory_order_acquire));
    if (commit != 0) {
      return {version, commit, !version->has(Version::tombstone)};
    }
    if (base::mutant(base::Mutant::uncommitted_head_trusted)) {
      break;
    }
  }
  return {};
}

/// A change, if the commit is newer than the view.
std::optional<ReadChange> newer(ReadKind kind, std::uint64_t entity, std::uint64_t commit,
                                std::uint64_t view) {
  return commit > view ? std::optional(ReadChange{kind, entity, commit}) : std::nullopt;
}

template <class Value>
void add_once(std::vector<Value>& all, Value value) {
  if (std::find(all.rbegin(), all.rend(), value) == all.rend()) {
    all.push_back(value);
  }
}

const char* name_of(ReadKind kind) {
  switch (kind) {
    case ReadKind::node: return "a node";
    case ReadKind::edge: return "an edge";
    case ReadKind::out_list: return "the outgoing edges of a node";
    case ReadKind::in_list: return "the incoming edges of a node";
    case ReadKind::pair: return "the edges between two nodes";
    case ReadKind::label_members: return "the nodes with a label";
    case ReadKind::label_content: return "a node with a label";
    case ReadKind::type_members: return "the edges of a type";
    case ReadKind::type_content: return "an edge of a type";
    case ReadKind::all_nodes: return "the set of nodes";
    case ReadKind::all_nodes_content: return "the nodes";
    case ReadKind::all_edges: return "the set of edges";
    case ReadKind::all_edges_content: return "the edges";
    case ReadKind::unknown_label: return "that nobody has a label";
    case ReadKind::unknown_type: return "that there is no edge of a type";
  }
  return "something";
}

}  // namespace

// --- clocks ------------------------------------------------------------------------------------

NamedClocks::~NamedClocks() {
  for (auto& chunk : chunks_) {
    delete[] chunk.load(std::memory_order_relaxed);
  }
}

namespace {

struct Place {
  unsigned chunk = 0;
  std::uint64_t index = 0;
};

/// Chunks of 64, 64, 128, 256 ... clocks.
Place place_of(std::uint32_t id, unsigned first_shift) {
  const std::uint64_t biased = std::uint64_t{id} + (std::uint64_t{1} << first_shift);
  const auto width = static_cast<unsigned>(std::bit_width(biased)) - 1;
  return {width - first_shift, biased - (std::uint64_t{1} << width)};
}

}  // namespace

void NamedClocks::ensure(std::uint32_t id) {
  auto& chunk = chunks_.at(place_of(id, first_shift).chunk);
  if (chunk.load(std::memory_order_acquire) == nullptr) {
    const LatchGuard guard(latch_);
    if (chunk.load(std::memory_order_relaxed) == nullptr) {
      const unsigned shift = first_shift + place_of(id, first_shift).chunk;
      chunk.store(new Pair[std::size_t{1} << shift], std::memory_order_release);
    }
  }
}

NamedClocks::Pair* NamedClocks::find(std::uint32_t id) const {
  const Place place = place_of(id, first_shift);
  if (place.chunk >= chunks_.size()) {
    return nullptr;
  }
  Pair* chunk = chunks_.at(place.chunk).load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk + place.index;
}

Validation::Validation(graph::Graph& graph) : graph_(graph) {}

std::uint64_t Validation::stripe(ReadKind kind, std::uint64_t id, std::uint64_t other) const {
  const auto& clock = clocks_[read_hash(kind, id, other) >> 48];
  return std::max(clock.load(std::memory_order_acquire), bulk_.load(std::memory_order_acquire));
}

// --- what a commit changes ---------------------------------------------------------------------

void Validation::measure(State& state) {
  Footprint& footprint = state.footprint;
  footprint.clear();
  for (const graph::CountDelta& delta : state.counts.all()) {
    switch (delta.kind) {
      case graph::CounterKind::nodes: footprint.node_members = true; break;
      case graph::CounterKind::edges: footprint.edge_members = true; break;
      case graph::CounterKind::label: add_once(footprint.labels, delta.id); break;
      case graph::CounterKind::type: add_once(footprint.types, delta.id); break;
    }
  }
  footprint.label_members = footprint.labels.size();
  footprint.type_members = footprint.types.size();
  footprint.bulk = state.writes.size() > items_measured_max;
  for (const WriteItem& item : state.writes) {
    measure_item(footprint, item);
  }
  for (const std::uint32_t label : footprint.labels) {
    labels_.ensure(label);
    footprint.bloom.add(read_hash(ReadKind::label_content, label));
    footprint.bloom.add(read_hash(ReadKind::label_members, label));
  }
  for (const std::uint32_t type : footprint.types) {
    types_.ensure(type);
    footprint.bloom.add(read_hash(ReadKind::type_content, type));
    footprint.bloom.add(read_hash(ReadKind::type_members, type));
  }
  for (const ReadKind kind : {ReadKind::all_nodes, ReadKind::all_nodes_content, ReadKind::all_edges,
                              ReadKind::all_edges_content}) {
    footprint.bloom.add(read_hash(kind, 0));
  }
  if (footprint.bulk) {
    footprint.bloom.fill();
  }
}

void Validation::measure_item(Footprint& footprint, const WriteItem& item) const {
  if (!item.has_version()) {
    return;  // a label entry: its node's own item, and the counts, say the same
  }
  if (!item.is_node()) {
    measure_edge(footprint, item);
    return;
  }
  footprint.node_content = true;
  if (!footprint.bulk) {
    footprint.bloom.add(read_hash(ReadKind::node, item.id()));
  }
  if (item.kind() == WriteKind::update_node) {
    // The head is ours, by the claim. Labels that came or went are in the counts.
    const NodeRecord& record = graph_.nodes.at(id_bits::slot(item.id()));
    const Head head{record.head.load(std::memory_order_acquire)};
    const graph::ImageView view(head.version()->image());
    for (std::size_t i = 0; i < view.label_count(); ++i) {
      add_once(footprint.labels, view.label(i));
    }
  }
}

void Validation::measure_edge(Footprint& footprint, const WriteItem& item) const {
  const EdgeRecord& record = graph_.edges.at(id_bits::slot(item.id()));
  footprint.edge_content = true;
  if (item.kind() == WriteKind::update_edge) {
    add_once(footprint.types, record.type());
  }
  if (footprint.bulk) {
    return;
  }
  footprint.bloom.add(read_hash(ReadKind::edge, item.id()));
  if (item.kind() == WriteKind::update_edge) {
    return;
  }
  const std::uint64_t source = record.source.load(std::memory_order_relaxed);
  const std::uint64_t target = record.target.load(std::memory_order_relaxed);
  for (const std::uint64_t hash :
       {read_hash(ReadKind::out_list, source), read_hash(ReadKind::in_list, target),
        read_hash(ReadKind::pair, source, target)}) {
    footprint.bloom.add(hash);
    footprint.stripes.push_back(static_cast<std::uint32_t>(hash >> 48));
  }
}

void Validation::publish(const State& state, std::uint64_t commit) {
  const Footprint& footprint = state.footprint;
  const auto raise = [commit](std::atomic<std::uint64_t>& clock) {
    clock.store(commit, std::memory_order_release);
  };
  const auto raise_pair = [&](NamedClocks::Pair& pair, bool members) {
    raise(pair.content);
    if (members) {
      raise(pair.members);
    }
  };
  for (const std::uint32_t each : footprint.stripes) {
    if (!base::mutant(base::Mutant::list_clocks_not_raised)) {
      raise(clocks_[each]);
    }
  }
  if (footprint.bulk) {
    raise(bulk_);
  }
  for (std::size_t i = 0; i < footprint.labels.size(); ++i) {
    if (base::mutant(base::Mutant::label_clocks_not_raised)) {
      break;
    }
    raise_pair(*labels_.find(footprint.labels[i]), i < footprint.label_members);
  }
  for (std::size_t i = 0; i < footprint.types.size(); ++i) {
    raise_pair(*types_.find(footprint.types[i]), i < footprint.type_members);
  }
  if (footprint.node_members || footprint.node_content) {
    raise_pair(nodes_, footprint.node_members);
  }
  if (footprint.edge_members || footprint.edge_content) {
    raise_pair(edges_, footprint.edge_members);
  }
  const std::uint64_t number = commits_.load(std::memory_order_relaxed);
  ring_[number % ring_commits] = footprint.bloom;
  commits_.store(number + 1, std::memory_order_release);
}

// --- the check ---------------------------------------------------------------------------------

std::optional<ReadChange> Validation::find_change(State& state) {
  if (base::mutant(base::Mutant::validation_left_out)) {
    return std::nullopt;
  }
  // Sampled before the look: what comes later is found by `moved`.
  state.validated_commits = commits_.load(std::memory_order_acquire);
  const graph::PinGuard pin(graph_.epochs, state.slot);
  for (const ReadItem& item : state.reads.items()) {
    if (const auto change = check(item, state)) {
      return change;
    }
  }
  return std::nullopt;
}

Error Validation::conflict(const ReadChange& change) {
  return Error(ErrorCode::conflict,
               std::string("what the transaction read has changed: ") + name_of(change.kind))
      .with_entity(change.entity)
      .with_other(change.commit);
}

bool Validation::moved(const State& state) const {
  if (base::mutant(base::Mutant::validation_left_out) ||
      base::mutant(base::Mutant::recheck_left_out)) {
    return false;
  }
  const std::uint64_t now = commits_.load(std::memory_order_relaxed);
  if (now - state.validated_commits > ring_commits) {
    return true;
  }
  for (std::uint64_t number = state.validated_commits; number < now; ++number) {
    // A name that was unknown has no key of its own: any commit may have brought it.
    if (!state.reads.texts().empty() ||
        state.reads.bloom().intersects(ring_[number % ring_commits])) {
      return true;
    }
  }
  return false;
}

std::optional<ReadChange> Validation::check(const ReadItem& item, const State& state) const {
  const std::uint64_t view = state.view.sequence;
  const auto named = [&](const NamedClocks& clocks, bool members) -> std::uint64_t {
    const auto* pair = clocks.find(static_cast<std::uint32_t>(item.id));
    return pair == nullptr
               ? 0
               : (members ? pair->members : pair->content).load(std::memory_order_acquire);
  };
  std::uint64_t clock = 0;
  switch (item.kind) {
    case ReadKind::node:
    case ReadKind::edge: return check_entity(item, view);
    case ReadKind::out_list:
    case ReadKind::in_list: return check_list(item, view);
    case ReadKind::pair: return check_pair(item, view);
    case ReadKind::unknown_label:
    case ReadKind::unknown_type: return check_unknown(item, state);
    case ReadKind::label_members: clock = named(labels_, true); break;
    case ReadKind::label_content: clock = named(labels_, false); break;
    case ReadKind::type_members: clock = named(types_, true); break;
    case ReadKind::type_content: clock = named(types_, false); break;
    case ReadKind::all_nodes: clock = nodes_.members.load(std::memory_order_acquire); break;
    case ReadKind::all_nodes_content: clock = nodes_.content.load(std::memory_order_acquire); break;
    case ReadKind::all_edges: clock = edges_.members.load(std::memory_order_acquire); break;
    case ReadKind::all_edges_content: clock = edges_.content.load(std::memory_order_acquire); break;
  }
  return newer(item.kind, 0, clock, view);
}

std::optional<ReadChange> Validation::check_entity(const ReadItem& item, std::uint64_t view) const {
  std::uint64_t head = 0;
  if (item.kind == ReadKind::node) {
    const NodeRecord* record = graph_.find(NodeId{item.id});
    head = record == nullptr ? 0 : record->head.load(std::memory_order_acquire);
  } else {
    const EdgeRecord* record = graph_.find(EdgeId{item.id});
    head = record == nullptr ? 0 : record->head.load(std::memory_order_acquire);
  }
  const Seen newest = newest_committed(head);
  return newer(item.kind, item.id, newest.sequence, view);
}

/// Edges of a list that are there now and were not in the view, or the other way round.
std::optional<ReadChange> Validation::scan(std::uint64_t head, const ReadItem& item,
                                           std::uint64_t neighbour, std::uint64_t view) const {
  graph::EntryScan entries(head);
  for (graph::EntryScan::Run run; entries.next(run);) {
    for (std::uint32_t i = 0; i < run.count; ++i) {
      std::uint64_t entity = 0;
      std::uint64_t other = 0;
      if (!load_entry(run.entries[i], entity, other) || (entity & graph::Entry::settled_bit) != 0 ||
          (neighbour != 0 && (other & graph::Entry::id_mask) != neighbour)) {
        continue;  // settled: there in every view, and until now
      }
      const EdgeRecord* record = graph_.find(EdgeId{entity & graph::Entry::id_mask});
      if (record == nullptr || (item.type != ReadItem::any_type && record->type() != item.type)) {
        continue;
      }
      const std::uint64_t word = record->head.load(std::memory_order_acquire);
      const Seen newest = newest_committed(word);
      if (newest.sequence > view && newest.live != see({word}, {view, nullptr}).live) {
        return ReadChange{item.kind, item.id, newest.sequence};
      }
    }
  }
  return std::nullopt;
}

std::optional<ReadChange> Validation::check_list(const ReadItem& item, std::uint64_t view) const {
  if (stripe(item.kind, item.id) <= view) {
    return std::nullopt;
  }
  const NodeRecord* record = graph_.find(NodeId{item.id});
  if (record == nullptr) {
    return std::nullopt;  // an id of an earlier generation names nothing for ever
  }
  const auto& list = item.kind == ReadKind::out_list ? record->out : record->in;
  return scan(list.load(std::memory_order_acquire), item, 0, view);
}

std::optional<ReadChange> Validation::check_pair(const ReadItem& item, std::uint64_t view) const {
  if (stripe(item.kind, item.id, item.other) <= view) {
    return std::nullopt;
  }
  const NodeRecord* source = graph_.find(NodeId{item.id});
  const NodeRecord* target = graph_.find(NodeId{item.other});
  if (source == nullptr || target == nullptr) {
    return std::nullopt;
  }
  const std::uint64_t out = source->out.load(std::memory_order_acquire);
  const std::uint64_t in = target->in.load(std::memory_order_acquire);
  const bool forward = graph::EntryList::positions(out) <= graph::EntryList::positions(in);
  return scan(forward ? out : in, item, forward ? item.other : item.id, view);
}

std::optional<ReadChange> Validation::check_unknown(const ReadItem& item,
                                                    const State& state) const {
  const bool label = item.kind == ReadKind::unknown_label;
  const auto& names = graph_.names.of(label ? NameKind::label : NameKind::type);
  const auto id = names.find(state.reads.texts()[item.other]);
  const auto* pair = id ? (label ? labels_ : types_).find(*id) : nullptr;
  const std::uint64_t clock = pair == nullptr ? 0 : pair->members.load(std::memory_order_acquire);
  return newer(item.kind, 0, clock, state.view.sequence);
}

}  // namespace selvedge::txn
