#include <selvedge/store.h>

#include <algorithm>
#include <random>
#include <thread>

#include "history/entries.h"
#include "history/feed.h"
#include "snapshot/snapshot_format.h"
#include "store/check.h"
#include "store/store_impl.h"
#include "store/transaction_impl.h"

namespace selvedge {

using detail::StoreImpl;
using detail::TransactionImpl;

namespace detail {

/// A view's slot and read state.
class ViewImpl {
 public:
  explicit ViewImpl(StoreImpl& store) : manager_(store.manager()) {
    read_.graph = &store.graph();
    read_.manager = &manager_;
    std::uint64_t sequence = 0;
    read_.slot = manager_.open_view(sequence);
    read_.view = {sequence, nullptr};
  }
  /// Of a view that is open.
  ViewImpl(StoreImpl& store, graph::ReaderSlot* slot, std::uint64_t sequence)
      : manager_(store.manager()) {
    read_.graph = &store.graph();
    read_.manager = &manager_;
    read_.slot = slot;
    read_.view = {sequence, nullptr};
  }
  ~ViewImpl() { manager_.close_view(read_.slot); }
  ViewImpl(const ViewImpl&) = delete;
  ViewImpl& operator=(const ViewImpl&) = delete;
  [[nodiscard]] const ReadState& read_state() const { return read_; }

 private:
  txn::Manager& manager_;
  ReadState read_;
};

}  // namespace detail

ReadView::ReadView(std::unique_ptr<detail::ViewImpl> impl)
    : Reader(&impl->read_state()), impl_(std::move(impl)) {}
ReadView::ReadView(ReadView&& other) noexcept
    : Reader(std::exchange(other.state_, nullptr)), impl_(std::move(other.impl_)) {}
ReadView& ReadView::operator=(ReadView&& other) noexcept {
  if (this != &other) {
    impl_ = std::move(other.impl_);
    state_ = std::exchange(other.state_, nullptr);
  }
  return *this;
}
ReadView::~ReadView() = default;

Store::Store(std::unique_ptr<StoreImpl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::string& path, const Options& options) {
  SELVEDGE_TRY(auto impl, StoreImpl::open(path, options));
  return Store(std::move(impl));
}

Result<Store> Store::open_as_of(const std::string& path, Sequence at, const Options& options) {
  SELVEDGE_TRY(auto impl, StoreImpl::open_as_of(path, {at, std::nullopt}, options));
  return Store(std::move(impl));
}

Result<Store> Store::open_as_of(const std::string& path, Timestamp at, const Options& options) {
  SELVEDGE_TRY(auto impl, StoreImpl::open_as_of(path, {{}, at}, options));
  return Store(std::move(impl));
}

Status Store::close() { return impl_->close(); }

ReadView Store::read() const { return ReadView(std::make_unique<detail::ViewImpl>(*impl_)); }

Result<ReadView> Store::read_at(Sequence sequence) const {
  SELVEDGE_TRY(graph::ReaderSlot * slot, impl_->manager().open_view_at(sequence.value));
  return ReadView(std::make_unique<detail::ViewImpl>(*impl_, slot, sequence.value));
}

Result<Transaction> Store::begin(TransactionOptions options) {
  std::size_t bytes = 0;
  for (const auto& [key, value] : options.metadata) {
    bytes += key.size() + value.size();
  }
  if (bytes > limits::metadata_bytes_max) {
    return fail(ErrorCode::too_large, "the transaction's metadata is too large");
  }
  const auto age_max = options.age_max.value_or(impl_->options().transaction_age_max);
  if (age_max.count() < 0) {
    return fail(ErrorCode::invalid_argument, "a transaction's greatest age is negative");
  }
  const Isolation isolation = options.isolation.value_or(impl_->options().isolation);
  auto impl = std::make_unique<TransactionImpl>(*impl_, true, isolation == Isolation::serializable);
  SELVEDGE_TRY(impl_->writable());  // in this order: see StoreImpl::close
  impl->state().metadata = std::move(options.metadata);
  if (age_max.count() != 0) {
    impl->limit_age(age_max);
  }
  return Transaction(std::move(impl));
}

void Store::back_off(unsigned attempt, const RetryOptions& retry) {
  thread_local std::minstd_rand random(std::random_device{}());
  const auto limit =
      std::min(retry.backoff_max, retry.backoff_first * (1 << std::min(attempt, 16u)));
  std::uniform_int_distribution<std::int64_t> jitter(0, std::max<std::int64_t>(limit.count(), 1));
  const std::chrono::microseconds wait(jitter(random));
  if (retry.report != nullptr) {
    retry.report->waited += wait;
  }
  std::this_thread::sleep_for(wait);
}

namespace {

/// One operation outside a transaction: begin, do, publish, wait.
template <class Body>
auto alone(StoreImpl& store, Body body) -> decltype(body(std::declval<detail::WriteOps&>())) {
  TransactionImpl operation(store, false);
  SELVEDGE_TRY(store.writable());  // in this order: see StoreImpl::close
  auto ops = operation.ops();
  auto result = body(ops);
  if (!result) {
    operation.abort("the operation failed");
    return result;
  }
  SELVEDGE_TRY(operation.commit());
  return result;
}

constexpr std::size_t batch_items_max = 4096;

/// Items in batches that are atomic each.
template <class Item, class Body>
Status in_batches(std::span<const Item> items, Body body) {
  while (!items.empty()) {
    const auto part = items.first(std::min(items.size(), batch_items_max));
    items = items.subspan(part.size());
    SELVEDGE_TRY(body(part));
  }
  return {};
}

}  // namespace

Result<NodeId> Store::create_node(std::span<const LabelRef> labels,
                                  std::span<const Property> properties) {
  return alone(*impl_, [&](auto& ops) { return ops.create_node(labels, properties); });
}
Result<EdgeId> Store::create_edge(NodeId source, TypeRef type, NodeId target,
                                  std::span<const Property> properties) {
  return alone(*impl_,
               [&](auto& ops) { return ops.create_edge(source, type, target, properties); });
}
Result<EdgeMade> Store::create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                              std::span<const Property> properties) {
  return alone(*impl_, [&](auto& ops) {
    return ops.create_edge_if_absent(source, type, target, properties);
  });
}
Result<NodeMade> Store::get_or_create_node(LabelRef label, KeyRef key, ValueArg value,
                                           std::span<const Property> properties) {
  return alone(*impl_,
               [&](auto& ops) { return ops.get_or_create_node(label, key, value, properties); });
}
Status Store::set(NodeId id, std::span<const Property> properties) {
  return alone(*impl_, [&](auto& ops) { return ops.set(id, properties); });
}
Status Store::set(EdgeId id, std::span<const Property> properties) {
  return alone(*impl_, [&](auto& ops) { return ops.set(id, properties); });
}
Status Store::remove(NodeId id, KeyRef key) {
  return alone(*impl_, [&](auto& ops) { return ops.remove(id, key); });
}
Status Store::remove(EdgeId id, KeyRef key) {
  return alone(*impl_, [&](auto& ops) { return ops.remove(id, key); });
}
Status Store::add_label(NodeId id, LabelRef label) {
  return alone(*impl_, [&](auto& ops) { return ops.add_label(id, label); });
}
Status Store::remove_label(NodeId id, LabelRef label) {
  return alone(*impl_, [&](auto& ops) { return ops.remove_label(id, label); });
}
Status Store::set_embedding(NodeId id, KeyRef key, std::span<const float> values) {
  return impl_->while_open([&]() -> Status {
    SELVEDGE_TRY(const std::uint32_t key_id,
                 detail::WriteOps::resolve(*impl_, graph::NameKind::key, key));
    SELVEDGE_TRY(const std::uint64_t sequence,
                 impl_->manager().set_embedding(id.value, key_id, values));
    return impl_->manager().wait_durable(sequence);
  });
}
Status Store::delete_node(NodeId id) {
  return alone(*impl_, [&](auto& ops) { return ops.delete_node(id, false); });
}
Status Store::detach_delete_node(NodeId id) {
  return alone(*impl_, [&](auto& ops) { return ops.delete_node(id, true); });
}
Status Store::delete_edge(EdgeId id) {
  return alone(*impl_, [&](auto& ops) { return ops.delete_edge(id); });
}

Result<std::vector<NodeId>> Store::create_nodes(std::span<const NewNode> nodes) {
  std::vector<NodeId> ids;
  SELVEDGE_TRY(in_batches(nodes, [&](std::span<const NewNode> part) -> Status {
    SELVEDGE_TRY(const auto some, alone(*impl_, [&](auto& ops) { return ops.create_nodes(part); }));
    ids.insert(ids.end(), some.begin(), some.end());
    return {};
  }));
  return ids;
}
Result<std::vector<EdgeId>> Store::create_edges(std::span<const NewEdge> edges) {
  std::vector<EdgeId> ids;
  SELVEDGE_TRY(in_batches(edges, [&](std::span<const NewEdge> part) -> Status {
    SELVEDGE_TRY(const auto some, alone(*impl_, [&](auto& ops) { return ops.create_edges(part); }));
    ids.insert(ids.end(), some.begin(), some.end());
    return {};
  }));
  return ids;
}
Status Store::delete_nodes(std::span<const NodeId> ids) {
  return in_batches(ids, [&](std::span<const NodeId> part) {
    return alone(*impl_, [&](auto& ops) { return ops.delete_nodes(part); });
  });
}
Status Store::delete_edges(std::span<const EdgeId> ids) {
  return in_batches(ids, [&](std::span<const EdgeId> part) {
    return alone(*impl_, [&](auto& ops) { return ops.delete_edges(part); });
  });
}

Result<LabelId> Store::label_id(std::string_view name) {
  SELVEDGE_TRY(const std::uint32_t id, impl_->while_open([&] {
    return impl_->manager().intern(graph::NameKind::label, name);
  }));
  return LabelId{id};
}
Result<TypeId> Store::type_id(std::string_view name) {
  SELVEDGE_TRY(const std::uint32_t id, impl_->while_open([&] {
    return impl_->manager().intern(graph::NameKind::type, name);
  }));
  return TypeId{id};
}
Result<KeyId> Store::key_id(std::string_view name) {
  SELVEDGE_TRY(const std::uint32_t id, impl_->while_open([&] {
    return impl_->manager().intern(graph::NameKind::key, name);
  }));
  return KeyId{id};
}

Result<Txlog> Store::txlog() const {
  if (impl_->options().read_only) {
    return Txlog::open(impl_->path(), {.file_system = &impl_->files()});
  }
  auto lease = std::make_unique<history::Lease>(impl_->catalog(), nullptr);
  if (impl_->closed()) {  // in this order: see StoreImpl::close
    return fail(Error(ErrorCode::closed, "the store is closed").at(impl_->path()));
  }
  SELVEDGE_TRY(impl_->catalog().catch_up());
  return Txlog(std::move(lease));
}

Result<Feed> Store::feed(Sequence from, const FeedOptions& options) const {
  SELVEDGE_TRY(const Txlog log, txlog());
  return log.feed(from, options);
}

Result<Subscription> Store::subscribe(Sequence from, FeedCallback callback,
                                      const FeedOptions& options) const {
  SELVEDGE_TRY(Feed feed, this->feed(from, options));
  return Subscription(std::make_unique<history::SubscriptionImpl>(
      std::move(feed), std::max<std::uint64_t>(from.value, 1), std::move(callback)));
}

Status Store::checkpoint() { return impl_->checkpoint(); }
Status Store::backup(const std::string& directory) { return impl_->backup(directory); }
Status Store::sync() { return impl_->sync(); }
Status Store::maintain() { return impl_->maintain(); }
const RecoveryReport& Store::recovery_report() const { return impl_->report(); }
StoreStats Store::stats() const { return impl_->stats(); }
const Uuid& Store::uuid() const { return impl_->uuid(); }
CheckReport Store::check() const { return detail::check(*impl_, read()); }

std::string Store::digest() const {
  const ReadView view = read();
  snapshot::StateDigest digest;
  for (auto cursor = view.nodes(); cursor.next();) {
    digest.add_node(cursor.id().value, cursor.node().properties().image());
  }
  for (auto scan = view.edges(); scan.next();) {
    const Edge& edge = scan.edge();
    digest.add_edge(edge.id().value, edge.source().value, edge.target().value, edge.type().value,
                    edge.properties().image());
  }
  return digest.to_string();
}

}  // namespace selvedge
