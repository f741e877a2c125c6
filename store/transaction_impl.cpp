#include "store/transaction_impl.h"

#include <algorithm>
#include <limits>

#include "base/mutants.h"

namespace selvedge::detail {

/// The state belongs to the manager again.
void TransactionImpl::end() {
  state_ = nullptr;
  read_.slot = nullptr;
  read_.self = nullptr;
  read_.reads = nullptr;
  read_.view.self = nullptr;
}

void TransactionImpl::end_expired() {
  number_ = state_->number;
  store_.manager().end_expired(state_);
  end();
  read_.aged = true;
}

void TransactionImpl::limit_age(std::chrono::milliseconds age_max) {
  constexpr std::uint64_t us_per_ms = 1000;
  const auto ms = static_cast<std::uint64_t>(age_max.count());
  txn::Manager::limit_age(*state_, ms <= std::numeric_limits<std::uint64_t>::max() / us_per_ms
                                       ? ms * us_per_ms
                                       : std::numeric_limits<std::uint64_t>::max());
}

Result<std::uint64_t> TransactionImpl::publish() {
  const std::uint64_t view = state_->view.sequence;
  const std::uint64_t streamed = state_->number;
  const std::uint64_t entries = state_->entries;
  auto committed = store_.manager().commit(state_);
  if (!committed) {
    // A conflict found at the end cannot be cured by trying the same commit again.
    if (committed.error().code() == ErrorCode::conflict) {
      abort("conflict");
    }
    return committed;
  }
  // Begin, entries and commit of one frame have consecutive sequences. The state is not ours now.
  number_ = streamed != 0 || *committed == 0 ? streamed : *committed - entries - 1;
  end();
  return *committed == 0 ? view : *committed;
}

Result<Sequence> TransactionImpl::commit() {
  const bool waits = state_->wrote() || !base::mutant(base::Mutant::empty_commit_unwaited);
  SELVEDGE_TRY(const std::uint64_t sequence, publish());
  if (waits) {
    SELVEDGE_TRY(store_.manager().wait_durable(sequence));
  }
  return Sequence{sequence};
}

void TransactionImpl::abort(std::string_view reason) {
  number_ = state_->number;
  store_.manager().abort(state_, reason);
  end();
}

Result<Savepoint> TransactionImpl::savepoint() {
  state_->savepoints.push_back(txn::Manager::mark(*state_));
  state_->savepoints.back().name = ++savepoint_names_;
  return Savepoint{savepoint_names_};
}

Status TransactionImpl::rollback_to(Savepoint savepoint) {
  const auto& all = state_->savepoints;
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const auto& each) { return each.name == savepoint.value; });
  if (savepoint.value == 0 || found == all.end()) {
    return fail(ErrorCode::invalid_argument, "no such savepoint in this transaction");
  }
  Status status =
      store_.manager().rollback_to(*state_, static_cast<std::size_t>(found - all.begin()));
  if (!status) {
    abort("a rollback to a savepoint failed");
  }
  return status;
}

std::optional<Uuid> TransactionImpl::uuid() const {
  const std::uint64_t number = state_ != nullptr ? state_->number : number_;
  return number == 0 ? std::nullopt : std::optional(derive_uuid(store_.uuid(), number));
}

}  // namespace selvedge::detail
