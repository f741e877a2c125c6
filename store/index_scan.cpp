#include "store/index_scan.h"

#include <algorithm>
#include <array>
#include <string>
#include <type_traits>

#include "graph/value_codec.h"
#include "store/write_ops.h"
#include "txn/schema_checks.h"

namespace selvedge {

namespace detail {

using graph::KeyBytes;
using graph::KeyRange;
using graph::SchemaObject;
using graph::SchemaObjectPtr;

namespace {

/// A condition with its key resolved.
struct Asked {
  std::uint32_t key = 0;
  const Match* match = nullptr;
};

bool wants_equality(const Asked& asked) { return asked.match->kind() == Match::Kind::equal; }

/// The conditions in the order of the index's keys; nothing when it cannot answer them.
std::vector<Asked> arrange(const SchemaObject& object, std::span<const Asked> asked) {
  const graph::Definition& definition = object.definition;
  const bool hash = definition.index == IndexKind::hash;
  if (asked.size() > definition.keys.size() || (hash && asked.size() < definition.keys.size())) {
    return {};
  }
  std::vector<Asked> arranged;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto found = std::find_if(asked.begin(), asked.end(), [&](const Asked& each) {
      return each.key == definition.keys[i];
    });
    const bool last = i + 1 == asked.size();
    if (found == asked.end() || (!wants_equality(*found) && (hash || !last))) {
      return {};
    }
    arranged.push_back(*found);
  }
  return arranged;
}

/// Appends a value, or its class only.
Status append(KeyBytes& key, const ValueArg& value, bool class_only = false) {
  ByteWriter payload;
  SELVEDGE_TRY(const graph::Tag tag, graph::put_value(payload, value));
  const ValueView view(static_cast<std::uint8_t>(tag), payload.span());
  KeyBytes whole = key;
  switch (graph::append_value(whole, view)) {
    case graph::Indexable::yes: break;
    case graph::Indexable::absent:
      return fail(ErrorCode::invalid_argument, "null is in no index: it cannot be looked for");
    case graph::Indexable::no:
      return fail(ErrorCode::invalid_argument, "a value of a type that no index can hold");
    case graph::Indexable::too_long:
      return fail(ErrorCode::too_large, "the value is longer than any in an index");
  }
  if (class_only) {
    graph::append_class(key, view);
  } else {
    key = std::move(whole);
  }
  return {};
}

Result<KeyBytes> extended(KeyBytes key, const ValueArg& value, bool class_only = false) {
  SELVEDGE_TRY(append(key, value, class_only));
  return key;
}

Result<KeyRange> between(const KeyBytes& base, const Match& match) {
  KeyRange range;
  SELVEDGE_TRY(range.low, extended(base, match.low()));
  SELVEDGE_TRY(const KeyBytes high, extended(base, match.high()));
  if (range.low[base.size()] != high[base.size()]) {
    return fail(ErrorCode::invalid_argument, "a range between values of different types");
  }
  range.high = graph::end_of_prefix(high);
  return range;
}

/// Keys that begin with `base`, and then match.
Result<KeyRange> range_of(const KeyBytes& base, const Match& match) {
  KeyRange range;
  const auto whole_class = [&](const ValueArg& value) { return extended(base, value, true); };
  switch (match.kind()) {
    case Match::Kind::equal: {
      SELVEDGE_TRY(range.low, extended(base, match.low()));
      range.high = graph::end_of_prefix(range.low);
      return range;
    }
    case Match::Kind::at_least:
    case Match::Kind::above: {
      SELVEDGE_TRY(range.low, extended(base, match.low()));
      if (match.kind() == Match::Kind::above) {
        range.low = graph::end_of_prefix(range.low);
      }
      SELVEDGE_TRY(const KeyBytes all, whole_class(match.low()));
      range.high = graph::end_of_prefix(all);
      return range;
    }
    case Match::Kind::at_most:
    case Match::Kind::below: {
      SELVEDGE_TRY(range.low, whole_class(match.high()));
      SELVEDGE_TRY(range.high, extended(base, match.high()));
      if (match.kind() == Match::Kind::at_most) {
        range.high = graph::end_of_prefix(range.high);
      }
      return range;
    }
    case Match::Kind::between: return between(base, match);
    case Match::Kind::prefix: {
      range.low = base;
      graph::append_prefix(range.low, *std::get_if<std::string_view>(&match.low().data()));
      range.high = graph::end_of_prefix(range.low);
      return range;
    }
    case Match::Kind::any: break;
  }
  range.low = base;
  range.high = graph::end_of_prefix(base);
  return range;
}

Result<IndexQuestion> question(SchemaObjectPtr object, std::span<const Asked> arranged) {
  KeyBytes base;
  for (const Asked& each : arranged.first(arranged.size() - 1)) {
    SELVEDGE_TRY(append(base, each.match->low()));
  }
  SELVEDGE_TRY(KeyRange range, range_of(base, *arranged.back().match));
  const bool exact =
      arranged.size() == object->definition.keys.size() && wants_equality(arranged.back());
  return IndexQuestion{std::move(object), std::move(range), exact};
}

bool better(const SchemaObjectPtr& candidate, const SchemaObjectPtr& best) {
  if (best == nullptr) {
    return true;
  }
  const bool hash = candidate->definition.index == IndexKind::hash;
  if (hash != (best->definition.index == IndexKind::hash)) {
    return hash;
  }
  return candidate->definition.keys.size() < best->definition.keys.size();
}

}  // namespace

Result<IndexQuestion> ask(const ReadState& state, EntityKind entity, std::uint32_t target,
                          std::span<const Condition> conditions) {
  std::vector<Asked> asked;
  for (const Condition& condition : conditions) {
    const auto id = condition.key.interned()
                        ? std::optional(condition.key.id().value)
                        : state.graph->names.of(graph::NameKind::key).find(condition.key.text());
    if (id) {
      asked.push_back({*id, &condition.match});
    }
  }
  const graph::Catalog* catalog = state.graph->schema.catalog();
  SchemaObjectPtr best;
  std::vector<Asked> arranged;
  if (catalog != nullptr && !conditions.empty() && asked.size() == conditions.size()) {
    for (const SchemaObjectPtr& object : catalog->objects) {
      if (object->index == nullptr || !object->online() || object->definition.entity != entity ||
          object->definition.target != target) {
        continue;
      }
      std::vector<Asked> fitting = arrange(*object, asked);
      if (!fitting.empty() && better(object, best)) {
        best = object;
        arranged = std::move(fitting);
      }
    }
  }
  if (best == nullptr) {
    return fail(ErrorCode::not_found, "no index answers these conditions");
  }
  return question(std::move(best), arranged);
}

// --- the scan ----------------------------------------------------------------------------------

IndexScan::IndexScan(const ReadState* state, IndexQuestion question, Order order)
    : state_(state), question_(std::move(question)), order_(order), pin_(state) {
  if (question_.exact && state_->reads != nullptr) {
    state_->reads->note_key(question_.object->id, question_.range.low);
  }
}

bool IndexScan::refill() {
  if (!more_) {
    return false;
  }
  batch_.clear();
  at_ = 0;
  if (started_) {
    pin_.renew();
  }
  question_.object->index->scan(question_.range, started_ ? &position_ : nullptr, order_,
                                batch_max_, batch_);
  more_ = batch_.size() == batch_max_;
  note_batch(!more_);
  if (!batch_.empty()) {
    std::array<std::byte, 16> scratch;
    const auto key = batch_.back().key.view(scratch);
    position_.key.assign(key.begin(), key.end());
    position_.id = batch_.back().id;
  }
  started_ = true;
  batch_max_ = std::min(batch_max_ * 4, batch_entries_max);
  return !batch_.empty();
}

/// Of a range: from where the batch before ended to where this one does.
void IndexScan::note_batch(bool last) {
  if (question_.exact || state_->reads == nullptr) {
    return;
  }
  KeyRange looked = question_.range;
  std::array<std::byte, 16> scratch;
  if (order_ == Order::ascending) {
    if (started_) {
      looked.low = position_.key;
    }
    if (!last) {
      const auto key = batch_.back().key.view(scratch);
      looked.high.assign(key.begin(), key.end());
      looked.high.push_back(std::byte{0});
    }
  } else {
    if (started_) {
      looked.high = position_.key;
      looked.high.push_back(std::byte{0});
    }
    if (!last) {
      const auto key = batch_.back().key.view(scratch);
      looked.low.assign(key.begin(), key.end());
    }
  }
  state_->reads->note_range(question_.object->id, looked.low, looked.high);
}

/// The view sees the entity with the entry's key.
bool IndexScan::matches(const graph::IndexEntry& entry) {
  const SchemaObject& object = *question_.object;
  std::uint32_t type = 0;
  if (object.definition.edges()) {
    seen_ = state_->graph->see_edge(EdgeId{entry.id}, state_->view);
    type = object.definition.target;
  } else {
    seen_ = state_->graph->see_node(NodeId{entry.id}, state_->view);
  }
  if (!seen_.live || seen_.version == nullptr) {
    return false;
  }
  std::array<std::byte, 16> scratch;
  return txn::has_key(object, *seen_.version, type,
                      question_.exact ? question_.range.low : entry.key.view(scratch));
}

bool IndexScan::next() {
  while (pin_.state() != nullptr && !pin_.expired()) {
    if (at_ == batch_.size() && !refill()) {
      break;
    }
    const graph::IndexEntry& entry = batch_[at_++];
    if (matches(entry) && !pin_.expired()) {
      id_ = entry.id;
      return true;
    }
  }
  pin_.drop();
  return false;
}

std::span<const std::byte> IndexScan::image() const {
  return pin_.expired() ? std::span<const std::byte>{} : seen_.image();
}

void IndexScan::note_content() const {
  if (state_->reads != nullptr) {
    state_->reads->note(
        question_.object->definition.edges() ? txn::ReadKind::edge : txn::ReadKind::node, id_);
  }
}

}  // namespace detail

// --- the public side ---------------------------------------------------------------------------

template <class Handle, class Id>
Matches<Handle, Id>::Matches(std::unique_ptr<detail::IndexScan> scan) : scan_(std::move(scan)) {}
template <class Handle, class Id>
Matches<Handle, Id>::Matches(Matches&&) noexcept = default;
template <class Handle, class Id>
Matches<Handle, Id>& Matches<Handle, Id>::operator=(Matches&&) noexcept = default;
template <class Handle, class Id>
Matches<Handle, Id>::~Matches() = default;

template <class Handle, class Id>
bool Matches<Handle, Id>::next() {
  return scan_->next();
}

template <class Handle, class Id>
Id Matches<Handle, Id>::id() const {
  return Id{scan_->id()};
}

template <class Handle, class Id>
Handle Matches<Handle, Id>::get() const {
  scan_->note_content();
  const Properties properties(scan_->state(), scan_->image());
  if constexpr (std::is_same_v<Handle, Node>) {
    return {id(), properties};
  } else {
    const auto& record = scan_->state()->graph->edges.at(id_bits::slot(scan_->id()));
    return {id(), NodeId{record.source.load(std::memory_order_relaxed)},
            NodeId{record.target.load(std::memory_order_relaxed)}, TypeId{record.type()},
            properties};
  }
}

template class Matches<Node, NodeId>;
template class Matches<Edge, EdgeId>;

namespace {

template <class Id>
std::optional<std::uint32_t> id_of(const detail::ReadState* state, graph::NameKind kind,
                                   NameRef<Id> name) {
  if (name.interned()) {
    return name.id().value;
  }
  return state == nullptr ? std::nullopt : state->graph->names.of(kind).find(name.text());
}

}  // namespace

Result<std::unique_ptr<detail::IndexScan>> Reader::scan(EntityKind entity,
                                                        std::optional<std::uint32_t> target,
                                                        std::span<const Condition> conditions,
                                                        Order order) const {
  if (detail::over(state_)) {
    return fail(detail::finished(state_));
  }
  if (!target) {
    return fail(ErrorCode::not_found, "no index answers these conditions");
  }
  const graph::PinGuard pin(state_->epochs(), state_->slot);
  SELVEDGE_TRY(auto question, detail::ask(*state_, entity, *target, conditions));
  return std::make_unique<detail::IndexScan>(state_, std::move(question), order);
}

Result<NodeMatches> Reader::find_nodes(LabelRef label, std::span<const Condition> conditions,
                                       Order order) const& {
  SELVEDGE_TRY(auto found, scan(EntityKind::node, id_of(state_, graph::NameKind::label, label),
                                conditions, order));
  return NodeMatches(std::move(found));
}

Result<EdgeMatches> Reader::find_edges(TypeRef type, std::span<const Condition> conditions,
                                       Order order) const& {
  SELVEDGE_TRY(auto found, scan(EntityKind::edge, id_of(state_, graph::NameKind::type, type),
                                conditions, order));
  return EdgeMatches(std::move(found));
}

Result<std::optional<NodeId>> Reader::find_node(LabelRef label, KeyRef key,
                                                const Match& match) const {
  SELVEDGE_TRY(auto matches, find_nodes(label, key, match));
  const bool any = matches.next();
  if (state_->expired()) {
    return fail(detail::transaction_expired());
  }
  return any ? std::optional(matches.id()) : std::nullopt;
}

Result<std::optional<EdgeId>> Reader::find_edge(TypeRef type, KeyRef key,
                                                const Match& match) const {
  SELVEDGE_TRY(auto matches, find_edges(type, key, match));
  const bool any = matches.next();
  if (state_->expired()) {
    return fail(detail::transaction_expired());
  }
  return any ? std::optional(matches.id()) : std::nullopt;
}

}  // namespace selvedge
