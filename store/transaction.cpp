#include <selvedge/store.h>

#include "store/store_impl.h"
#include "store/transaction_impl.h"

namespace selvedge {

using detail::OwnersTurn;
using detail::TransactionImpl;

Transaction::Transaction(std::unique_ptr<TransactionImpl> impl)
    : Reader(&impl->read_state()), impl_(std::move(impl)) {}

Transaction::Transaction(Transaction&& other) noexcept
    : Reader(std::exchange(other.state_, nullptr)), impl_(std::move(other.impl_)) {}

Transaction& Transaction::operator=(Transaction&& other) noexcept {
  if (this != &other) {
    impl_ = std::move(other.impl_);
    state_ = std::exchange(other.state_, nullptr);
  }
  return *this;
}

Transaction::~Transaction() = default;

// Each operation: still active, store writable, then the same code as outside a transaction.
#define SELVEDGE_TURN_() \
  const OwnersTurn turn(*impl_); \
  SELVEDGE_TRY(turn.check())
#define SELVEDGE_FORWARD_(call) \
  SELVEDGE_TURN_(); \
  return impl_->ops().call

Result<NodeId> Transaction::create_node(std::span<const LabelRef> labels,
                                        std::span<const Property> properties) {
  SELVEDGE_FORWARD_(create_node(labels, properties));
}
Result<EdgeId> Transaction::create_edge(NodeId source, TypeRef type, NodeId target,
                                        std::span<const Property> properties) {
  SELVEDGE_FORWARD_(create_edge(source, type, target, properties));
}
Result<EdgeMade> Transaction::create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                                    std::span<const Property> properties) {
  SELVEDGE_FORWARD_(create_edge_if_absent(source, type, target, properties));
}
Status Transaction::set(NodeId id, std::span<const Property> properties) {
  SELVEDGE_FORWARD_(set(id, properties));
}
Status Transaction::set(EdgeId id, std::span<const Property> properties) {
  SELVEDGE_FORWARD_(set(id, properties));
}
Status Transaction::remove(NodeId id, KeyRef key) { SELVEDGE_FORWARD_(remove(id, key)); }
Status Transaction::remove(EdgeId id, KeyRef key) { SELVEDGE_FORWARD_(remove(id, key)); }
Status Transaction::add_label(NodeId id, LabelRef label) {
  SELVEDGE_FORWARD_(add_label(id, label));
}
Status Transaction::remove_label(NodeId id, LabelRef label) {
  SELVEDGE_FORWARD_(remove_label(id, label));
}
Status Transaction::delete_node(NodeId id) { SELVEDGE_FORWARD_(delete_node(id, false)); }
Status Transaction::detach_delete_node(NodeId id) {
  SELVEDGE_TURN_();
  return impl_->all_or_nothing([&] { return impl_->ops().delete_node(id, true); });
}
Status Transaction::delete_edge(EdgeId id) { SELVEDGE_FORWARD_(delete_edge(id)); }
Result<std::vector<NodeId>> Transaction::create_nodes(std::span<const NewNode> nodes) {
  SELVEDGE_TURN_();
  return impl_->all_or_nothing([&] { return impl_->ops().create_nodes(nodes); });
}
Result<std::vector<EdgeId>> Transaction::create_edges(std::span<const NewEdge> edges) {
  SELVEDGE_TURN_();
  return impl_->all_or_nothing([&] { return impl_->ops().create_edges(edges); });
}
Status Transaction::delete_nodes(std::span<const NodeId> ids) {
  SELVEDGE_TURN_();
  return impl_->all_or_nothing([&] { return impl_->ops().delete_nodes(ids); });
}
Status Transaction::delete_edges(std::span<const EdgeId> ids) {
  SELVEDGE_TURN_();
  return impl_->all_or_nothing([&] { return impl_->ops().delete_edges(ids); });
}

#undef SELVEDGE_FORWARD_

Result<Savepoint> Transaction::savepoint() {
  SELVEDGE_TURN_();
  return impl_->savepoint();
}

Status Transaction::rollback_to(Savepoint savepoint) {
  SELVEDGE_TURN_();
  return impl_->rollback_to(savepoint);
}

Result<Sequence> Transaction::commit() {
  SELVEDGE_TURN_();
  return impl_->commit();
}

Result<CommitTicket> Transaction::commit_async() {
  SELVEDGE_TURN_();
  SELVEDGE_TRY(const std::uint64_t sequence, impl_->publish());
  return CommitTicket(&impl_->store(), Sequence{sequence});
}

Status Transaction::abort(std::string_view reason) {
  if (impl_ == nullptr) {
    return fail(detail::transaction_ended());
  }
  const OwnersTurn turn(*impl_);
  if (impl_->finished()) {
    return turn.check();
  }
  impl_->abort(reason);
  return {};
}

bool Transaction::finished() const { return impl_ == nullptr || impl_->finished(); }

#undef SELVEDGE_TURN_

std::optional<Uuid> Transaction::uuid() const {
  return impl_ == nullptr ? std::nullopt : impl_->uuid();
}

Status CommitTicket::wait() const {
  if (sequence_.value == 0) {
    return {};
  }
  return store_->log().sync(sequence_.value);
}

}  // namespace selvedge
