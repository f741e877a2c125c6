#include <selvedge/read.h>

#include <algorithm>
#include <cstring>

#include "graph/image.h"
#include "store/read_state.h"

namespace selvedge {

using detail::finished;
using detail::over;
using detail::ReadState;
using graph::ImageView;
using graph::NameKind;
using graph::PinGuard;
using graph::Seen;
using txn::ReadKind;

namespace {

template <class Id>
std::optional<Id> lookup(const ReadState& state, NameKind kind, NameRef<Id> name) {
  if (name.interned()) {
    return name.id();
  }
  const auto id = state.graph->names.of(kind).find(name.text());
  return id ? std::optional<Id>(Id{*id}) : std::nullopt;
}

std::string_view text_of(const ReadState& state, NameKind kind, std::uint32_t id) {
  const graph::Dictionary& names = state.graph->names.of(kind);
  return id < names.size() ? names.text(id) : std::string_view{};
}

template <class Id>
std::optional<Id> find(const ReadState* state, NameKind kind, NameRef<Id> name) {
  return over(state) ? std::nullopt : lookup(*state, kind, name);
}

// What a serializable transaction reads is noted; everybody else has nowhere to note it.

void note(const ReadState* state, ReadKind kind, std::uint64_t id, std::uint64_t other = 0,
          std::optional<TypeId> type = std::nullopt) {
  if (state->reads != nullptr) {
    state->reads->note(kind, id, other, type ? type->value : txn::ReadItem::any_type);
  }
}

void note_unknown(const ReadState* state, ReadKind kind, std::string_view text) {
  if (!over(state) && state->reads != nullptr) {
    state->reads->note_unknown(kind, text);
  }
}

Edge make_edge(const ReadState* state, EdgeId id, const graph::EdgeRecord& record,
               const Seen& seen) {
  return {id, NodeId{record.source.load(std::memory_order_relaxed)},
          NodeId{record.target.load(std::memory_order_relaxed)}, TypeId{record.type()},
          Properties(state, seen.image())};
}

}  // namespace

// --- handles -----------------------------------------------------------------------------------

std::size_t Properties::size() const { return ImageView(image()).property_count(); }

PropertyView Properties::at(std::size_t index) const {
  const ImageView view(image());
  return {KeyId{view.key(index)}, view.value(index)};
}

ValueView Properties::operator[](KeyRef key) const {
  if (state_ == nullptr) {
    return {};
  }
  const auto id = lookup(*state_, NameKind::key, key);
  return id ? ImageView(image()).find(id->value) : ValueView{};
}

std::size_t Node::label_count() const { return ImageView(properties_.image()).label_count(); }

LabelId Node::label(std::size_t index) const {
  return {ImageView(properties_.image()).label(index)};
}

// --- views -------------------------------------------------------------------------------------

Pin::Pin(const ReadState* state) : state_(state), slot_(state->slot) { slot_->owner.pin(slot_); }

void Pin::renew() { slot_->owner.repin(slot_); }

bool Pin::expired() const { return slot_ != nullptr && slot_->gate.expired(); }

bool Pin::may_expire() const { return slot_ != nullptr && slot_->gate.armed(); }

void Pin::drop() {
  if (slot_ != nullptr) {
    slot_->owner.unpin(slot_);
    state_ = nullptr;
    slot_ = nullptr;
  }
}

Sequence Reader::sequence() const { return {state_->view.sequence}; }

Result<Node> Reader::get(NodeId id) const& {
  if (over(state_)) {
    return fail(finished(state_));
  }
  note(state_, ReadKind::node, id.value);
  const PinGuard pin(state_->epochs(), state_->slot);
  const Seen seen = state_->graph->see_node(id, state_->view);
  if (state_->expired()) {
    return fail(finished(state_));
  }
  if (!seen.live) {
    return fail(Error(ErrorCode::not_found, "no such node in this view").with_entity(id.value));
  }
  return Node(id, Properties(state_, seen.image()));
}

Result<Edge> Reader::get(EdgeId id) const& {
  if (over(state_)) {
    return fail(finished(state_));
  }
  note(state_, ReadKind::edge, id.value);
  const PinGuard pin(state_->epochs(), state_->slot);
  const Seen seen = state_->graph->see_edge(id, state_->view);
  if (state_->expired()) {
    return fail(finished(state_));
  }
  if (!seen.live) {
    return fail(Error(ErrorCode::not_found, "no such edge in this view").with_entity(id.value));
  }
  return make_edge(state_, id, *state_->graph->find(id), seen);
}

std::vector<std::optional<Node>> Reader::get(std::span<const NodeId> ids) const& {
  std::vector<std::optional<Node>> nodes;
  if (over(state_)) {
    nodes.resize(ids.size());
    return nodes;
  }
  nodes.reserve(ids.size());
  const PinGuard pin(state_->epochs(), state_->slot);
  for (const NodeId id : ids) {
    note(state_, ReadKind::node, id.value);
    const Seen seen = state_->graph->see_node(id, state_->view);
    auto& node = nodes.emplace_back();
    if (seen.live) {
      node.emplace(id, Properties(state_, seen.image()));
    }
  }
  if (state_->expired()) {
    nodes.assign(ids.size(), std::nullopt);
  }
  return nodes;
}

std::vector<std::optional<Edge>> Reader::get(std::span<const EdgeId> ids) const& {
  std::vector<std::optional<Edge>> edges;
  if (over(state_)) {
    edges.resize(ids.size());
    return edges;
  }
  edges.reserve(ids.size());
  const PinGuard pin(state_->epochs(), state_->slot);
  for (const EdgeId id : ids) {
    note(state_, ReadKind::edge, id.value);
    const Seen seen = state_->graph->see_edge(id, state_->view);
    auto& edge = edges.emplace_back();
    if (seen.live) {
      edge.emplace(make_edge(state_, id, *state_->graph->find(id), seen));
    }
  }
  if (state_->expired()) {
    edges.assign(ids.size(), std::nullopt);
  }
  return edges;
}

bool Reader::exists(NodeId id) const {
  if (over(state_)) {
    return false;
  }
  note(state_, ReadKind::node, id.value);
  const PinGuard pin(state_->epochs(), state_->slot);
  return state_->graph->see_node(id, state_->view).live && !state_->expired();
}

bool Reader::exists(EdgeId id) const {
  if (over(state_)) {
    return false;
  }
  note(state_, ReadKind::edge, id.value);
  const PinGuard pin(state_->epochs(), state_->slot);
  return state_->graph->see_edge(id, state_->view).live && !state_->expired();
}

std::optional<std::vector<float>> Reader::embedding(NodeId id, KeyRef key) const {
  std::vector<float> values;
  const auto known = find(state_, NameKind::key, key);
  if (!known || !exists(id) ||
      !state_->graph->embeddings.read(id.value, known->value, state_->view.sequence, values) ||
      state_->expired()) {
    return std::nullopt;
  }
  return values;
}

void Reader::each_embedding(
    const std::function<bool(NodeId, KeyId, std::span<const float>)>& use) const {
  if (over(state_)) {
    return;
  }
  std::vector<float> values;
  static_cast<void>(state_->graph->embeddings.each(  // false: `use` has seen enough
      state_->view.sequence, [&](const graph::Embeddings::Seen& seen) {
        if (!exists(NodeId{seen.node})) {
          return !over(state_);
        }
        values.resize(seen.floats.size() / sizeof(float));
        std::memcpy(values.data(), seen.floats.data(), seen.floats.size());
        return use(NodeId{seen.node}, KeyId{seen.key}, values);
      }));
}

std::vector<LabelId> Reader::labels(NodeId id) const {
  std::vector<LabelId> labels;
  if (const auto node = get(id)) {
    for (std::size_t i = 0; i < node->label_count(); ++i) {
      labels.push_back(node->label(i));
    }
  }
  return labels;
}

bool Node::has_label(LabelRef label) const {
  const ImageView view(properties_.image());
  if (label.interned()) {
    return view.has_label(label.id().value);
  }
  const auto* state = properties_.state();
  const auto id = state == nullptr ? std::nullopt : lookup(*state, NameKind::label, label);
  return id && view.has_label(id->value);
}

// --- edges of a node ---------------------------------------------------------------------------

namespace {

void note_lists(const ReadState* state, NodeId node, Direction direction,
                std::optional<TypeId> type) {
  if (direction != Direction::in) {
    note(state, ReadKind::out_list, node.value, 0, type);
  }
  if (direction != Direction::out) {
    note(state, ReadKind::in_list, node.value, 0, type);
  }
}

}  // namespace

EdgeCursor Reader::edges(NodeId node, Direction direction) const& {
  if (over(state_)) {
    return {};
  }
  note_lists(state_, node, direction, std::nullopt);
  return {Pin(state_), node, direction, std::nullopt};
}

EdgeCursor Reader::edges(NodeId node, Direction direction, TypeRef type) const& {
  if (over(state_)) {
    return {};
  }
  // Of a type that has no id yet: any new edge of the node may bring it.
  const auto id = find(state_, NameKind::type, type);
  note_lists(state_, node, direction, id);
  return id ? EdgeCursor(Pin(state_), node, direction, *id) : EdgeCursor();
}

namespace {

std::vector<NodeId> neighbours_of(const ReadState* state, EdgeCursor cursor) {
  std::vector<NodeId> result;
  while (cursor.next()) {
    result.push_back(cursor.neighbour());
  }
  if (over(state)) {
    return {};  // it ended in the middle
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

std::uint64_t count_of(const ReadState* state, EdgeCursor cursor) {
  std::uint64_t count = 0;
  while (cursor.next()) {
    ++count;
  }
  return over(state) ? 0 : count;
}

}  // namespace

std::vector<NodeId> Reader::neighbours(NodeId node, Direction direction) const {
  return neighbours_of(state_, edges(node, direction));
}

std::vector<NodeId> Reader::neighbours(NodeId node, Direction direction, TypeRef type) const {
  return neighbours_of(state_, edges(node, direction, type));
}

std::uint64_t Reader::degree(NodeId node, Direction direction) const {
  return count_of(state_, edges(node, direction));
}

std::uint64_t Reader::degree(NodeId node, Direction direction, TypeRef type) const {
  return count_of(state_, edges(node, direction, type));
}

std::vector<EdgeId> Reader::between(NodeId source, NodeId target, std::optional<TypeId> type,
                                    bool one) const {
  std::vector<EdgeId> result;
  if (over(state_)) {
    return result;
  }
  note(state_, ReadKind::pair, source.value, target.value, type);
  const Pin pin(state_);
  state_->graph->each_between(source, target, [&](EdgeId id, bool settled) {
    const auto* record = state_->graph->find(id);
    if (record != nullptr && (!type || record->type() == type->value) &&
        (settled || state_->graph->see_edge(id, state_->view).live)) {
      result.push_back(id);
    }
    return !one || result.empty();
  });
  if (state_->expired()) {
    return {};
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

std::vector<EdgeId> Reader::edges_between(NodeId source, NodeId target) const {
  return between(source, target, std::nullopt, false);
}

std::vector<EdgeId> Reader::edges_between(NodeId source, NodeId target, TypeRef type) const {
  const auto id = find(state_, NameKind::type, type);
  if (!id && !over(state_)) {
    note(state_, ReadKind::pair, source.value, target.value);
  }
  return id ? between(source, target, *id, false) : std::vector<EdgeId>{};
}

std::optional<EdgeId> Reader::edge_between(NodeId source, NodeId target) const {
  const auto found = between(source, target, std::nullopt, true);
  return found.empty() ? std::nullopt : std::optional(found.front());
}

std::optional<EdgeId> Reader::edge_between(NodeId source, NodeId target, TypeRef type) const {
  const auto id = find(state_, NameKind::type, type);
  if (!id) {
    if (!over(state_)) {
      note(state_, ReadKind::pair, source.value, target.value);
    }
    return std::nullopt;
  }
  const auto found = between(source, target, *id, true);
  return found.empty() ? std::nullopt : std::optional(found.front());
}

// --- everything --------------------------------------------------------------------------------

NodeCursor Reader::nodes() const& {
  if (over(state_)) {
    return {};
  }
  note(state_, ReadKind::all_nodes, 0);
  return {Pin(state_), std::nullopt};
}

NodeCursor Reader::nodes(LabelRef label) const& {
  const auto id = find(state_, NameKind::label, label);
  if (!id) {
    note_unknown(state_, ReadKind::unknown_label, label.text());
    return {};
  }
  note(state_, ReadKind::label_members, id->value);
  return {Pin(state_), *id};
}

std::optional<NodeId> Reader::first(LabelRef label) const {
  auto cursor = nodes(label);
  return cursor.next() ? std::optional(cursor.id()) : std::nullopt;
}

EdgeScan Reader::edges() const& {
  if (over(state_)) {
    return {};
  }
  note(state_, ReadKind::all_edges_content, 0);
  return {Pin(state_), std::nullopt};
}

EdgeScan Reader::edges(TypeRef type) const& {
  const auto id = find(state_, NameKind::type, type);
  if (!id) {
    note_unknown(state_, ReadKind::unknown_type, type.text());
    return {};
  }
  note(state_, ReadKind::type_content, id->value);
  return {Pin(state_), *id};
}

namespace {

std::uint64_t counted(const ReadState* state, graph::CounterKind kind, std::uint32_t id,
                      ReadKind read) {
  if (over(state)) {
    return 0;
  }
  note(state, read, id);
  const std::int64_t count = state->manager->count(kind, id, state->self, state->view.sequence);
  return state->expired() ? 0 : static_cast<std::uint64_t>(count);
}

}  // namespace

std::uint64_t Reader::node_count() const {
  return counted(state_, graph::CounterKind::nodes, 0, ReadKind::all_nodes);
}

std::uint64_t Reader::node_count(LabelRef label) const {
  const auto id = find(state_, NameKind::label, label);
  if (!id) {
    note_unknown(state_, ReadKind::unknown_label, label.text());
    return 0;
  }
  return counted(state_, graph::CounterKind::label, id->value, ReadKind::label_members);
}

std::uint64_t Reader::edge_count() const {
  return counted(state_, graph::CounterKind::edges, 0, ReadKind::all_edges);
}

std::uint64_t Reader::edge_count(TypeRef type) const {
  const auto id = find(state_, NameKind::type, type);
  if (!id) {
    note_unknown(state_, ReadKind::unknown_type, type.text());
    return 0;
  }
  return counted(state_, graph::CounterKind::type, id->value, ReadKind::type_members);
}

std::optional<LabelId> Reader::find_label(std::string_view name) const {
  return lookup(*state_, NameKind::label, LabelRef(name));
}
std::optional<TypeId> Reader::find_type(std::string_view name) const {
  return lookup(*state_, NameKind::type, TypeRef(name));
}
std::optional<KeyId> Reader::find_key(std::string_view name) const {
  return lookup(*state_, NameKind::key, KeyRef(name));
}
std::string_view Reader::name(LabelId id) const {
  return text_of(*state_, NameKind::label, id.value);
}
std::string_view Reader::name(TypeId id) const {
  return text_of(*state_, NameKind::type, id.value);
}
std::string_view Reader::name(KeyId id) const { return text_of(*state_, NameKind::key, id.value); }

}  // namespace selvedge
