#include <selvedge/read.h>

#include "graph/image.h"
#include "store/read_state.h"

namespace selvedge {

using graph::Entry;
using graph::EntryBlock;
using graph::EntryList;
using graph::Seen;

static_assert(sizeof(Entry) == 2 * sizeof(std::atomic<std::uint64_t>));

namespace {

constexpr std::uint64_t renew_interval_records = 1024;

}  // namespace

// --- EdgeCursor --------------------------------------------------------------------------------

EdgeCursor::EdgeCursor(Pin pin, NodeId node, Direction direction, std::optional<TypeId> type)
    : node_(node), pin_(std::move(pin)) {
  if (type) {
    type_ = *type;
    const auto bits = graph::TypeBits::of(type->value);
    entity_mask_ = graph::TypeBits::entity_mask;
    entity_bits_ = bits.entity_bits;
    neighbour_mask_ = graph::TypeBits::neighbour_mask;
    neighbour_bits_ = bits.neighbour_bits;
    // As soon as any two types can share their bits, every match must be confirmed.
    confirm_ =
        pin_.state()->graph->names.of(graph::NameKind::type).size() > graph::TypeBits::exact_types;
  }
  more_ = direction == Direction::both;
  open(direction != Direction::in);
}

bool EdgeCursor::open(bool outgoing) {
  const detail::ReadState& state = *pin_.state();
  outgoing_ = outgoing;
  run_ = runs_ = 0;
  head_ = 0;
  const auto* record = state.graph->find(node_);
  if (record == nullptr || !state.graph->see_node(node_, state.view).live) {
    return false;
  }
  head_ = (outgoing ? record->out : record->in).load(std::memory_order_acquire);
  if (head_ == 0) {
    return false;
  }
  runs_ = EntryList::is_long(head_)
              ? EntryList::directory_of(head_)->chunk_count.load(std::memory_order_acquire)
              : 1;
  return true;
}

bool EdgeCursor::next_run() {
  for (;;) {
    while (run_ < runs_ && !pin_.expired()) {
      const EntryBlock* block =
          EntryList::is_long(head_)
              ? EntryList::directory_of(head_)->chunks()[run_].load(std::memory_order_acquire)
              : EntryList::block_of(head_);
      ++run_;
      const std::uint32_t count = block->count.load(std::memory_order_acquire);
      // A self-loop stands in both lists: the second time it is left out.
      // Where the view may be let go at any time, each entry is checked.
      regular_ = block->irregular.load(std::memory_order_acquire) == 0 && !skip_loops_ &&
                 !pin_.may_expire();
      at_ = reinterpret_cast<const Word*>(block->entries());
      end_ = at_ + std::size_t{2} * count;
      if (count != 0) {
        return next();
      }
    }
    if (!more_ || pin_.expired()) {
      more_ = false;
      run_ = runs_ = 0;
      at_ = end_ = nullptr;
      pin_.drop();
      return false;
    }
    more_ = false;
    skip_loops_ = true;
    open(false);
  }
}

bool EdgeCursor::next_checked() {
  const detail::ReadState& state = *pin_.state();
  while (at_ != end_) {
    const auto& entry = *reinterpret_cast<const Entry*>(at_);
    at_ += 2;
    if (!load_entry(entry, entity_, neighbour_)) {
      continue;
    }
    if (((entity_ & entity_mask_) ^ entity_bits_) != 0 ||
        ((neighbour_ & neighbour_mask_) ^ neighbour_bits_) != 0) {
      continue;
    }
    if (skip_loops_ && neighbour() == node_) {
      continue;
    }
    if ((entity_ & Entry::settled_bit) == 0 && !state.graph->see_edge(id(), state.view).live) {
      continue;
    }
    if (!confirm_ || confirm_type()) {
      return !pin_.expired();
    }
  }
  return false;
}

bool EdgeCursor::confirm_type() const {
  const auto* record = pin_.state()->graph->find(id());
  return record != nullptr && record->type() == type_.value;
}

Edge EdgeCursor::edge() const {
  const detail::ReadState* state = pin_.state();
  if (state->reads != nullptr) {
    state->reads->note(txn::ReadKind::edge, id().value);
  }
  const auto* record = state->graph->find(id());
  const Seen seen = state->graph->see_edge(id(), state->view);
  const auto image = pin_.expired() ? std::span<const std::byte>{} : seen.image();
  return {id(), outgoing_ ? node_ : neighbour(), outgoing_ ? neighbour() : node_,
          TypeId{record == nullptr ? 0 : record->type()}, Properties(state, image)};
}

// --- NodeCursor --------------------------------------------------------------------------------

NodeCursor::NodeCursor(Pin pin, std::optional<LabelId> label)
    : label_(label), pin_(std::move(pin)) {
  graph::Graph& graph = *pin_.state()->graph;
  if (label_) {
    const graph::LabelList* list = graph.find_label(label_->value);
    head_ = list == nullptr ? 0 : list->head.load(std::memory_order_acquire);
    end_ = EntryList::positions(head_);
  } else {
    end_ = graph.node_end();
  }
}

/// The scan reads what the nodes hold, too.
void NodeCursor::note_content() const {
  if (const detail::ReadState* state = pin_.state(); state != nullptr && state->reads != nullptr) {
    state->reads->note(label_ ? txn::ReadKind::label_content : txn::ReadKind::all_nodes_content,
                       label_ ? label_->value : 0);
  }
  noted_ = true;
}

bool NodeCursor::next() {
  if (pin_.state() != nullptr && (label_ ? next_of_label() : next_of_all()) && !pin_.expired()) {
    return true;
  }
  pin_.drop();
  return false;
}

bool NodeCursor::next_of_all() {
  const detail::ReadState* state = pin_.state();
  while (slot_ < end_) {
    if (slot_ % renew_interval_records == renew_interval_records - 1) {
      pin_.renew();
    }
    const auto& record = state->graph->nodes.at(slot_);
    const NodeId id{id_bits::make(slot_, record.generation())};
    ++slot_;
    const Seen seen = state->graph->see_node(id, state->view);
    if (seen.live) {
      node_.emplace(id, Properties(state, seen.image()));
      return true;
    }
  }
  return false;
}

bool NodeCursor::next_of_label() {
  const detail::ReadState* state = pin_.state();
  while (slot_ < end_) {
    std::uint64_t entity = 0;
    std::uint64_t unused = 0;
    const auto position = static_cast<std::uint32_t>(slot_++);
    if (!load_entry(EntryList::at(head_, position), entity, unused)) {
      continue;
    }
    const NodeId id{entity & Entry::id_mask};
    const Seen seen = state->graph->see_node(id, state->view);
    if (seen.live && ((entity & Entry::settled_bit) != 0 ||
                      graph::ImageView(seen.image()).has_label(label_->value))) {
      node_.emplace(id, Properties(state, seen.image()));
      return true;
    }
  }
  return false;
}

// --- EdgeScan ----------------------------------------------------------------------------------

EdgeScan::EdgeScan(Pin pin, std::optional<TypeId> type) : type_(type), pin_(std::move(pin)) {
  end_ = pin_.state()->graph->edge_end();
}

bool EdgeScan::next() {
  const detail::ReadState* state = pin_.state();
  while (state != nullptr && slot_ < end_ && !pin_.expired()) {
    if (slot_ % renew_interval_records == renew_interval_records - 1) {
      pin_.renew();
    }
    const auto& record = state->graph->edges.at(slot_);
    const EdgeId id{id_bits::make(slot_, record.generation())};
    ++slot_;
    if (type_ && record.type() != type_->value) {
      continue;
    }
    const Seen seen = state->graph->see_edge(id, state->view);
    if (seen.live && !pin_.expired()) {
      edge_.emplace(id, NodeId{record.source.load(std::memory_order_relaxed)},
                    NodeId{record.target.load(std::memory_order_relaxed)}, TypeId{record.type()},
                    Properties(state, seen.image()));
      return true;
    }
  }
  pin_.drop();
  return false;
}

}  // namespace selvedge
