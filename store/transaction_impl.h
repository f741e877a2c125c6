// What stands behind a Transaction.
#pragma once

#include <chrono>
#include <optional>

#include <selvedge/store.h>

#include "graph/image.h"
#include "store/read_state.h"
#include "store/write_ops.h"

namespace selvedge::detail {

/// Role: a transaction state with its reads, writes and end.
/// Invariants: `state_` is null once finished; the read state then has no slot. What uses the state
///   holds an `OwnersTurn`, as maintenance may abort it between two of them.
/// Threads: one.
/// After failure: see Transaction; a failed rollback aborts the transaction.
class TransactionImpl {
 public:
  TransactionImpl(StoreImpl& store, bool transactional, bool serializable = false) : store_(store) {
    state_ = store.manager().begin(transactional, serializable);
    read_ = {};
    read_.graph = &store.graph();
    read_.manager = &store.manager();
    read_.slot = state_->slot;
    read_.view = state_->view;
    read_.self = state_;
    read_.reads = serializable ? &state_->reads : nullptr;
  }
  ~TransactionImpl() {
    if (enter()) {
      abort("dropped without commit");
    }
  }
  TransactionImpl(const TransactionImpl&) = delete;
  TransactionImpl& operator=(const TransactionImpl&) = delete;

  [[nodiscard]] const ReadState& read_state() const { return read_; }
  [[nodiscard]] StoreImpl& store() { return store_; }
  [[nodiscard]] txn::State& state() { return *state_; }
  [[nodiscard]] bool finished() const { return state_ == nullptr || read_.expired(); }
  [[nodiscard]] WriteOps ops() { return {store_, *state_, builder_}; }
  /// From here on maintenance may abort it when it is older.
  void limit_age(std::chrono::milliseconds age_max);

  /// The owner goes to work on the state; false when there is none any more.
  [[nodiscard]] bool enter() {
    if (state_ != nullptr && !state_->slot->gate.enter()) {
      end_expired();
    }
    return state_ != nullptr;
  }
  void leave() {
    if (state_ != nullptr) {
      state_->slot->gate.leave();
    }
  }
  /// Makes the writes visible; returns the commit's sequence, or the view's if nothing was written.
  Result<std::uint64_t> publish();
  /// As publish, and waits as the sync mode demands.
  Result<Sequence> commit();
  void abort(std::string_view reason);
  Result<Savepoint> savepoint();
  Status rollback_to(Savepoint savepoint);
  [[nodiscard]] std::optional<Uuid> uuid() const;

  /// An operation of several entries: an error takes back what the earlier ones did.
  template <class Body>
  auto all_or_nothing(Body body) -> decltype(body()) {
    state_->savepoints.push_back(txn::Manager::mark(*state_));
    const std::size_t mark = state_->savepoints.size() - 1;
    auto result = body();
    if (!result) {
      if (Status undone = store_.manager().rollback_to(*state_, mark); !undone) {
        abort("an operation could not be taken back");
        return tl::unexpected<Error>(std::move(undone).error());
      }
    }
    state_->savepoints.resize(mark);
    return result;
  }

 private:
  friend class OwnersTurn;
  [[nodiscard]] Status check_active() const {
    if (state_ == nullptr) {
      return fail(read_.aged ? transaction_expired() : transaction_ended());
    }
    return store_.writable();
  }
  void end();
  void end_expired();

  StoreImpl& store_;
  txn::State* state_ = nullptr;
  ReadState read_;
  graph::ImageBuilder builder_;
  std::uint64_t number_ = 0;
  std::uint64_t savepoint_names_ = 0;
};

/// The owner is at work on the transaction: until it is out of scope, maintenance waits.
class OwnersTurn {
 public:
  explicit OwnersTurn(TransactionImpl& impl) : impl_(impl) { static_cast<void>(impl_.enter()); }
  ~OwnersTurn() { impl_.leave(); }
  OwnersTurn(const OwnersTurn&) = delete;
  OwnersTurn& operator=(const OwnersTurn&) = delete;
  /// Nothing when there is a transaction to work on, and it may write.
  [[nodiscard]] Status check() const { return impl_.check_active(); }

 private:
  TransactionImpl& impl_;
};

}  // namespace selvedge::detail
