// Reading: handles, cursors and everything that a view or a transaction can be asked.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/schema.h>
#include <selvedge/types.h>
#include <selvedge/value.h>

namespace selvedge {

namespace detail {
class IndexScan;
class ReadState;

/// Makes a cursor a range: an input iterator over what its accessor `Get` returns after each
/// `next`.
template <class Cursor, auto Get>
class CursorIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using reference = std::invoke_result_t<decltype(Get), const Cursor&>;
  using value_type = std::remove_cvref_t<reference>;
  using difference_type = std::ptrdiff_t;
  using pointer = std::conditional_t<std::is_reference_v<reference>, const value_type*, void>;

  CursorIterator() = default;
  explicit CursorIterator(Cursor* cursor) : cursor_(cursor->next() ? cursor : nullptr) {}
  reference operator*() const { return (cursor_->*Get)(); }
  pointer operator->() const requires std::is_reference_v<reference> { return &**this; }
  CursorIterator& operator++() {
    if (!cursor_->next()) {
      cursor_ = nullptr;
    }
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(const CursorIterator&) const = default;

 private:
  Cursor* cursor_ = nullptr;
};

}  // namespace detail
namespace graph {
struct ReaderSlot;
}

class Reader;

/// A property of an image: key and value, borrowed.
struct PropertyView {
  KeyId key;
  ValueView value;
};

/// The properties of an entity in one view. Borrowed from the view; cheap to copy.
class Properties {
 public:
  Properties() = default;
  Properties(const detail::ReadState* state, std::span<const std::byte> image)
      : state_(state), data_(image.data()), size_(static_cast<std::uint32_t>(image.size())) {}
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] PropertyView at(std::size_t index) const;
  /// Absent when the entity has no such property.
  [[nodiscard]] ValueView operator[](KeyRef key) const;
  [[nodiscard]] std::span<const std::byte> image() const { return {data_, size_}; }
  [[nodiscard]] const detail::ReadState* state() const { return state_; }

 private:
  const detail::ReadState* state_ = nullptr;
  const std::byte* data_ = nullptr;
  std::uint32_t size_ = 0;
};

/// A node as a view sees it. Valid as long as the view; of a transaction, until its next write,
/// rollback or end. Where a transaction may be ended for its age
/// (`Options::transaction_age_max`), handles and what they lent stay readable for as long again
/// after that, or until the owner ends it, whichever comes first.
class Node {
 public:
  Node(NodeId id, Properties properties) : id_(id), properties_(properties) {}
  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] const Properties& properties() const { return properties_; }
  [[nodiscard]] ValueView operator[](KeyRef key) const { return properties_[key]; }
  [[nodiscard]] std::size_t label_count() const;
  [[nodiscard]] LabelId label(std::size_t index) const;
  [[nodiscard]] bool has_label(LabelRef label) const;

 private:
  friend class Reader;
  NodeId id_;
  Properties properties_;
};

/// An edge as a view sees it. Valid as a node is.
class Edge {
 public:
  Edge(EdgeId id, NodeId source, NodeId target, TypeId type, Properties properties)
      : id_(id), source_(source), target_(target), type_(type), properties_(properties) {}
  [[nodiscard]] EdgeId id() const { return id_; }
  [[nodiscard]] NodeId source() const { return source_; }
  [[nodiscard]] NodeId target() const { return target_; }
  [[nodiscard]] TypeId type() const { return type_; }
  [[nodiscard]] const Properties& properties() const { return properties_; }
  [[nodiscard]] ValueView operator[](KeyRef key) const { return properties_[key]; }

 private:
  EdgeId id_;
  NodeId source_;
  NodeId target_;
  TypeId type_;
  Properties properties_;
};

/// Keeps what a cursor reads from being freed. Move-only; one thread.
class Pin {
 public:
  Pin() = default;
  explicit Pin(const detail::ReadState* state);
  Pin(Pin&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), slot_(std::exchange(other.slot_, nullptr)) {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(state_, other.state_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~Pin() {
    if (slot_ != nullptr) {
      drop();
    }
  }
  [[nodiscard]] const detail::ReadState* state() const { return state_; }
  /// Lets memory go between two records of a long iteration.
  void renew();
  void drop();
  /// The transaction was ended for its age: what is read from now on may be anything.
  [[nodiscard]] bool expired() const;
  /// It may be, at any time.
  [[nodiscard]] bool may_expire() const;

 private:
  const detail::ReadState* state_ = nullptr;
  graph::ReaderSlot* slot_ = nullptr;  ///< of its own: the pin may outlive the view
};

/// The edges of one node, in no particular order. Settled runs are scanned without a look at
/// anything else. Holds memory back until it is used up or dropped. As all cursors, it can be used
/// as long as its view or transaction goes on, and be destroyed as long as the store is there; when
/// the transaction is ended for its age, it is at its end (`Transaction::finished` tells).
///
///   for (auto cursor = view.edges(node, Direction::out); cursor.next();) use(cursor.neighbour());
class EdgeCursor {
 public:
  EdgeCursor() = default;

  /// Goes to the next edge; false at the end.
  bool next() {
    while (at_ != end_) {
      const std::uint64_t entity = at_[0].load(std::memory_order_relaxed);
      const std::uint64_t neighbour = at_[1].load(std::memory_order_relaxed);
      if (!regular_) {
        if (next_checked()) {
          return true;
        }
        break;
      }
      at_ += 2;
      if (((entity & entity_mask_) ^ entity_bits_) != 0 ||
          ((neighbour & neighbour_mask_) ^ neighbour_bits_) != 0) {
        continue;
      }
      entity_ = entity;
      neighbour_ = neighbour;
      if (!confirm_ || confirm_type()) {
        return true;
      }
    }
    return next_run();
  }

  [[nodiscard]] EdgeId id() const { return {entity_ & id_mask}; }
  /// The node at the other end.
  [[nodiscard]] NodeId neighbour() const { return {neighbour_ & id_mask}; }
  /// True when the edge starts at the node asked about.
  [[nodiscard]] bool outgoing() const { return outgoing_; }
  /// The whole edge: costs a look at its record.
  [[nodiscard]] Edge edge() const;

  using Iterator = detail::CursorIterator<EdgeCursor, &EdgeCursor::edge>;
  Iterator begin() { return Iterator(this); }
  Iterator end() { return {}; }

 private:
  friend class Reader;
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::uint64_t id_mask = ~std::uint64_t{0xff};

  EdgeCursor(Pin pin, NodeId node, Direction direction, std::optional<TypeId> type);
  bool next_run();
  bool next_checked();
  [[nodiscard]] bool confirm_type() const;
  bool open(bool outgoing);

  const Word* at_ = nullptr;
  const Word* end_ = nullptr;
  bool regular_ = true;
  bool confirm_ = false;  ///< the type shares its bits with others
  bool outgoing_ = true;
  bool more_ = false;  ///< the other direction is still to come
  bool skip_loops_ = false;
  std::uint64_t entity_mask_ = 0;
  std::uint64_t entity_bits_ = 0;
  std::uint64_t neighbour_mask_ = 0;
  std::uint64_t neighbour_bits_ = 0;
  std::uint64_t entity_ = 0;
  std::uint64_t neighbour_ = 0;
  std::uint64_t head_ = 0;
  std::uint32_t run_ = 0;
  std::uint32_t runs_ = 0;
  TypeId type_;
  NodeId node_;
  Pin pin_;
};

/// Nodes, all or those of a label, in no particular order.
class NodeCursor {
 public:
  NodeCursor() = default;
  bool next();
  [[nodiscard]] NodeId id() const { return node_->id(); }
  [[nodiscard]] const Node& node() const {
    if (!noted_) {
      note_content();
    }
    return *node_;
  }

  using Iterator = detail::CursorIterator<NodeCursor, &NodeCursor::node>;
  Iterator begin() { return Iterator(this); }
  Iterator end() { return {}; }

 private:
  friend class Reader;
  NodeCursor(Pin pin, std::optional<LabelId> label);
  bool next_of_all();
  void note_content() const;
  bool next_of_label();

  std::optional<Node> node_;
  std::optional<LabelId> label_;
  std::uint64_t slot_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t head_ = 0;
  mutable bool noted_ = false;
  Pin pin_;
};

/// Edges, all or those of a type, in no particular order. Costs a pass over all edge records.
class EdgeScan {
 public:
  EdgeScan() = default;
  bool next();
  [[nodiscard]] const Edge& edge() const { return *edge_; }

  using Iterator = detail::CursorIterator<EdgeScan, &EdgeScan::edge>;
  Iterator begin() { return Iterator(this); }
  Iterator end() { return {}; }

 private:
  friend class Reader;
  EdgeScan(Pin pin, std::optional<TypeId> type);
  std::optional<Edge> edge_;
  std::optional<TypeId> type_;
  std::uint64_t slot_ = 0;
  std::uint64_t end_ = 0;
  Pin pin_;
};

/// What an index found, in its order. Each entity is looked at as the view sees it. Holds memory
/// back until it is used up or dropped.
template <class Handle, class Id>
class Matches {
 public:
  Matches(Matches&&) noexcept;
  Matches& operator=(Matches&&) noexcept;
  ~Matches();

  /// Goes to the next match; false at the end.
  bool next();
  [[nodiscard]] Id id() const;
  /// The node or edge. In a serializable transaction this is a read of it.
  [[nodiscard]] Handle get() const;

  using Iterator = detail::CursorIterator<Matches, &Matches::get>;
  Iterator begin() { return Iterator(this); }
  Iterator end() { return {}; }

 private:
  friend class Reader;
  explicit Matches(std::unique_ptr<detail::IndexScan> scan);
  std::unique_ptr<detail::IndexScan> scan_;
};
using NodeMatches = Matches<Node, NodeId>;
using EdgeMatches = Matches<Edge, EdgeId>;

/// Role: every read, at one moment: a `ReadView`'s sequence, or a transaction's view plus its own
///   writes. Unknown names are no error in reads: nothing carries them.
///   In a transaction that has ended there is nothing: `get` returns `finished`.
/// Threads: one at a time; open a view per thread.
/// Cost: constant unless it says otherwise; no locks, no waiting.
class Reader {
 public:
  /// The view's sequence.
  [[nodiscard]] Sequence sequence() const;

  /// `not_found` when the id names nothing in this view (never did, not yet, or no more).
  [[nodiscard]] Result<Node> get(NodeId id) const&;
  [[nodiscard]] Result<Edge> get(EdgeId id) const&;
  /// Nothing in the place of ids that name nothing.
  [[nodiscard]] std::vector<std::optional<Node>> get(std::span<const NodeId> ids) const&;
  [[nodiscard]] std::vector<std::optional<Edge>> get(std::span<const EdgeId> ids) const&;
  [[nodiscard]] bool exists(NodeId id) const;
  [[nodiscard]] bool exists(EdgeId id) const;
  [[nodiscard]] std::vector<LabelId> labels(NodeId id) const;
  /// The embedding of a node under a key (`Store::set_embedding`); absent when there is none. The
  /// view of a transaction sees those set before it began. Cost: a lock, a hash, a copy.
  [[nodiscard]] std::optional<std::vector<float>> embedding(NodeId id, KeyRef key) const;

  /// Calls `use` for each embedding of this view, in no order, until it returns false; the floats
  /// are borrowed for the call. Those of a node come apart. Cost: a pass over all embeddings.
  void each_embedding(const std::function<bool(NodeId, KeyId, std::span<const float>)>& use) const;

  [[nodiscard]] EdgeCursor edges(NodeId node, Direction direction) const&;
  [[nodiscard]] EdgeCursor edges(NodeId node, Direction direction, TypeRef type) const&;
  [[nodiscard]] EdgeCursor out_edges(NodeId node) const& { return edges(node, Direction::out); }
  [[nodiscard]] EdgeCursor out_edges(NodeId node, TypeRef type) const& {
    return edges(node, Direction::out, type);
  }
  [[nodiscard]] EdgeCursor in_edges(NodeId node) const& { return edges(node, Direction::in); }
  [[nodiscard]] EdgeCursor in_edges(NodeId node, TypeRef type) const& {
    return edges(node, Direction::in, type);
  }
  /// A self-loop comes once.
  [[nodiscard]] EdgeCursor both_edges(NodeId node) const& { return edges(node, Direction::both); }
  [[nodiscard]] EdgeCursor both_edges(NodeId node, TypeRef type) const& {
    return edges(node, Direction::both, type);
  }
  /// Each neighbour once, sorted by id. Cost: the degree, times its logarithm.
  [[nodiscard]] std::vector<NodeId> neighbours(NodeId node, Direction direction) const;
  [[nodiscard]] std::vector<NodeId> neighbours(NodeId node, Direction direction,
                                               TypeRef type) const;
  /// All edges from `source` to `target`. Cost: the smaller of the two degrees; between two hubs
  /// constant, by an index built at first need.
  [[nodiscard]] std::vector<EdgeId> edges_between(NodeId source, NodeId target) const;
  [[nodiscard]] std::vector<EdgeId> edges_between(NodeId source, NodeId target, TypeRef type) const;
  /// One of them.
  [[nodiscard]] std::optional<EdgeId> edge_between(NodeId source, NodeId target) const;
  [[nodiscard]] std::optional<EdgeId> edge_between(NodeId source, NodeId target,
                                                   TypeRef type) const;
  /// Number of edges; a self-loop counts once in `both`. Cost: the degree.
  [[nodiscard]] std::uint64_t degree(NodeId node, Direction direction) const;
  [[nodiscard]] std::uint64_t degree(NodeId node, Direction direction, TypeRef type) const;

  [[nodiscard]] NodeCursor nodes() const&;
  [[nodiscard]] NodeCursor nodes(LabelRef label) const&;
  [[nodiscard]] std::optional<NodeId> first(LabelRef label) const;
  [[nodiscard]] EdgeScan edges() const&;
  [[nodiscard]] EdgeScan edges(TypeRef type) const&;

  /// Nodes of a label by indexed properties: equal values for the first keys of an index, then
  /// anything about one more; a hash index wants equality for all its keys. An ordered index gives
  /// them in its order. A transaction sees its own writes. Errors: `not_found` when no online index
  /// or unique constraint answers the question; `invalid_argument` for a value that cannot be
  /// indexed (null, a list) or a range between different types; `too_large`; `finished`.
  /// Cost: the logarithm of the index; then constant for each, and a short shared lock for each
  /// 256.
  [[nodiscard]] Result<NodeMatches> find_nodes(LabelRef label,
                                               std::span<const Condition> conditions,
                                               Order order = Order::ascending) const&;
  [[nodiscard]] Result<NodeMatches> find_nodes(LabelRef label,
                                               std::initializer_list<Condition> conditions,
                                               Order order = Order::ascending) const& {
    return find_nodes(label, std::span(conditions.begin(), conditions.size()), order);
  }
  [[nodiscard]] Result<NodeMatches> find_nodes(LabelRef label, KeyRef key, const Match& match,
                                               Order order = Order::ascending) const& {
    return find_nodes(label, {{key, match}}, order);
  }
  /// One of the nodes that match, if there are any.
  [[nodiscard]] Result<std::optional<NodeId>> find_node(LabelRef label, KeyRef key,
                                                        const Match& match) const;
  /// Edges of a type; as for nodes.
  [[nodiscard]] Result<EdgeMatches> find_edges(TypeRef type, std::span<const Condition> conditions,
                                               Order order = Order::ascending) const&;
  [[nodiscard]] Result<EdgeMatches> find_edges(TypeRef type,
                                               std::initializer_list<Condition> conditions,
                                               Order order = Order::ascending) const& {
    return find_edges(type, std::span(conditions.begin(), conditions.size()), order);
  }
  [[nodiscard]] Result<EdgeMatches> find_edges(TypeRef type, KeyRef key, const Match& match,
                                               Order order = Order::ascending) const& {
    return find_edges(type, {{key, match}}, order);
  }
  [[nodiscard]] Result<std::optional<EdgeId>> find_edge(TypeRef type, KeyRef key,
                                                        const Match& match) const;

  /// Indexes and constraints that were online at this moment and are still, in the order of their
  /// making.
  [[nodiscard]] std::vector<SchemaInfo> schema() const;

  /// Exact in this view. Cost: the transactions that finished lately (usually none).
  [[nodiscard]] std::uint64_t node_count() const;
  [[nodiscard]] std::uint64_t node_count(LabelRef label) const;
  [[nodiscard]] std::uint64_t edge_count() const;
  [[nodiscard]] std::uint64_t edge_count(TypeRef type) const;

  /// Interned ids of names that are defined; nothing otherwise.
  [[nodiscard]] std::optional<LabelId> find_label(std::string_view name) const;
  [[nodiscard]] std::optional<TypeId> find_type(std::string_view name) const;
  [[nodiscard]] std::optional<KeyId> find_key(std::string_view name) const;
  /// Texts live as long as the store. Empty for ids that were never given.
  [[nodiscard]] std::string_view name(LabelId id) const;
  [[nodiscard]] std::string_view name(TypeId id) const;
  [[nodiscard]] std::string_view name(KeyId id) const;

  // What these return is borrowed from the view: not from one that dies at the end of the line.
  Result<Node> get(NodeId id) const&& = delete;
  Result<Edge> get(EdgeId id) const&& = delete;
  std::vector<std::optional<Node>> get(std::span<const NodeId> ids) const&& = delete;
  std::vector<std::optional<Edge>> get(std::span<const EdgeId> ids) const&& = delete;
  EdgeCursor edges(NodeId node, Direction direction) const&& = delete;
  EdgeCursor edges(NodeId node, Direction direction, TypeRef type) const&& = delete;
  EdgeCursor out_edges(NodeId node) const&& = delete;
  EdgeCursor out_edges(NodeId node, TypeRef type) const&& = delete;
  EdgeCursor in_edges(NodeId node) const&& = delete;
  EdgeCursor in_edges(NodeId node, TypeRef type) const&& = delete;
  EdgeCursor both_edges(NodeId node) const&& = delete;
  EdgeCursor both_edges(NodeId node, TypeRef type) const&& = delete;
  NodeCursor nodes() const&& = delete;
  NodeCursor nodes(LabelRef label) const&& = delete;
  EdgeScan edges() const&& = delete;
  EdgeScan edges(TypeRef type) const&& = delete;
  Result<NodeMatches> find_nodes(LabelRef label, std::span<const Condition> conditions,
                                 Order order = Order::ascending) const&& = delete;
  Result<NodeMatches> find_nodes(LabelRef label, std::initializer_list<Condition> conditions,
                                 Order order = Order::ascending) const&& = delete;
  Result<NodeMatches> find_nodes(LabelRef label, KeyRef key, const Match& match,
                                 Order order = Order::ascending) const&& = delete;
  Result<EdgeMatches> find_edges(TypeRef type, std::span<const Condition> conditions,
                                 Order order = Order::ascending) const&& = delete;
  Result<EdgeMatches> find_edges(TypeRef type, std::initializer_list<Condition> conditions,
                                 Order order = Order::ascending) const&& = delete;
  Result<EdgeMatches> find_edges(TypeRef type, KeyRef key, const Match& match,
                                 Order order = Order::ascending) const&& = delete;

 protected:
  Reader() = default;
  explicit Reader(const detail::ReadState* state) : state_(state) {}
  const detail::ReadState* state_ = nullptr;

 private:
  [[nodiscard]] std::vector<EdgeId> between(NodeId source, NodeId target,
                                            std::optional<TypeId> type, bool one) const;
  [[nodiscard]] Result<std::unique_ptr<detail::IndexScan>> scan(
      EntityKind entity, std::optional<std::uint32_t> target, std::span<const Condition> conditions,
      Order order) const;
};

}  // namespace selvedge
