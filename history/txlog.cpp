// The public log.
#include <selvedge/txlog.h>

#include <algorithm>
#include <utility>

#include "history/entries.h"
#include "history/path_log.h"
#include "history/times.h"
#include "snapshot/manifest.h"

namespace selvedge {

namespace history {

namespace {

Error unknown_transaction(const Uuid& transaction) {
  return Error(ErrorCode::not_found, "no transaction of this store has this UUID")
      .mismatch("one that the store gave", to_string(transaction));
}

}  // namespace

}  // namespace history

using history::CursorImpl;
using history::Lease;

// --- the cursor --------------------------------------------------------------------------------

TxlogCursor::TxlogCursor(std::unique_ptr<CursorImpl> impl) : impl_(std::move(impl)) {}
TxlogCursor::TxlogCursor(TxlogCursor&&) noexcept = default;
TxlogCursor& TxlogCursor::operator=(TxlogCursor&&) noexcept = default;
TxlogCursor::~TxlogCursor() = default;
bool TxlogCursor::next() { return impl_->next(); }
const LogEntry& TxlogCursor::entry() const { return impl_->entry(); }
const Status& TxlogCursor::status() const { return impl_->status(); }
Sequence TxlogCursor::position() const { return {impl_->position()}; }

// --- the log -----------------------------------------------------------------------------------

Txlog::Txlog(std::unique_ptr<Lease> lease) : lease_(std::move(lease)) {}
Txlog::Txlog(Txlog&&) noexcept = default;
Txlog& Txlog::operator=(Txlog&&) noexcept = default;
Txlog::~Txlog() = default;

Result<Txlog> Txlog::open(const std::string& path, const TxlogOptions& options) {
  FileSystem& files = options.file_system != nullptr ? *options.file_system : posix_file_system();
  // Beside a live store, manifest and files may be of two moments: look again.
  constexpr int attempts = 5;
  for (int attempt = 1;; ++attempt) {
    auto log = std::make_shared<history::PathLog>(files, path);
    const Status status =
        snapshot::Manifest::load(files, path).and_then([&](const snapshot::Manifest& manifest) {
          return log->scan(manifest, options.unconfirmed);
        });
    if (status) {
      return Txlog(std::make_unique<Lease>(log->catalog(), log));
    }
    const ErrorCode code = status.error().code();
    if (attempt == attempts || (code != ErrorCode::corruption && code != ErrorCode::not_found)) {
      return fail(status.error().clone());
    }
  }
}

Sequence Txlog::first() const {
  const auto first = lease_->catalog().first();
  return {first ? *first : lease_->catalog().end() + 1};
}
Sequence Txlog::last() const { return {lease_->catalog().end()}; }
const Uuid& Txlog::db() const { return lease_->catalog().store(); }

Result<Sequence> Txlog::sequence_at(Timestamp time) const {
  const history::Pin pin(lease_->catalog(), first().value);  // what is looked at stays meanwhile
  SELVEDGE_TRY(const history::TimeFound found,
               history::find_time(lease_->catalog(), time.microseconds));
  return Sequence{found.commit};
}

Result<TxlogCursor> Txlog::entries(Sequence from, Sequence to, std::uint64_t limit,
                                   EntryFilter filter) const {
  const std::uint64_t start = std::max<std::uint64_t>(from.value, 1);
  // The pin first: from then on nothing is let go of.
  auto impl = std::make_unique<CursorImpl>(
      *lease_, std::make_unique<history::FramesFrom>(lease_->catalog(), start), std::move(filter),
      start, to.value, limit);
  SELVEDGE_TRY(lease_->catalog().locate(start));
  return TxlogCursor(std::move(impl));
}

Result<TxlogCursor> Txlog::by_transaction(TxnNumber number) const {
  if (number.value == 0) {
    return fail(ErrorCode::not_found, "0 is the number of no transaction");
  }
  auto frames = std::make_unique<history::FramesOf>(lease_->catalog(), number.value);
  SELVEDGE_TRY(frames->probe());
  return TxlogCursor(
      std::make_unique<CursorImpl>(*lease_, std::move(frames), EntryFilter{}, number.value, 0, 0));
}

Result<TxlogCursor> Txlog::by_transaction(const Uuid& transaction) const {
  const std::uint64_t number = derived_number(transaction);
  if (number == 0 || derive_uuid(db(), number) != transaction) {
    return fail(history::unknown_transaction(transaction));
  }
  return by_transaction(TxnNumber{number});
}

}  // namespace selvedge
