#include "history/feed.h"

#include <algorithm>

namespace selvedge {

namespace history {

namespace {

using wal::FrameHeader;

bool has(const FrameHeader& header, std::uint8_t flag) { return (header.flags & flag) != 0; }

}  // namespace

FeedImpl::FeedImpl(const Lease& lease, std::uint64_t from, const FeedOptions& options)
    : lease_(lease.catalog(), lease.keep()),
      pin_(lease.catalog(), from),
      frames_(lease.catalog(), from),
      memory_bytes_(options.memory_bytes),
      from_(from),
      borrowed_(lease.catalog().names(), false),
      copied_(lease.catalog().names(), true) {}

void FeedImpl::open_commit(std::uint64_t sequence) {
  const FrameHeader& header = frames_.frame().header;
  commit_ = FeedCommit{};
  commit_.sequence = {sequence};
  commit_.number = {header.transaction};
  if (header.transaction != 0) {
    commit_.transaction = derive_uuid(catalog().store(), header.transaction);
  }
  commit_.db = catalog().store();
  commit_.timestamp = {static_cast<std::int64_t>(header.wall_us)};
  commit_.metadata = metadata_;
  change_ = nullptr;
}

/// The next operation of a frame without a transaction. A name is no change.
Result<bool> FeedImpl::take_plain() {
  graph::EntryView entry;
  for (;;) {
    SELVEDGE_TRY(const bool more, plain_->next(entry));
    if (!more) {
      plain_.reset();
      return false;
    }
    if (entry.kind == graph::ChangeKind::define_name || entry.sequence < from_) {
      continue;
    }
    borrowed_.clear();
    metadata_.clear();
    SELVEDGE_TRY(
        graph::decode_entry(entry, [&](const graph::Change& change, std::uint64_t sequence) {
          if (about_entity(change) || about_schema(change)) {
            return borrowed_.add(change, sequence);
          }
          borrowed_.add_other(static_cast<std::uint8_t>(entry.kind));
          return Status{};
        }));
    borrowed_.finish();
    net_ = &borrowed_;
    open_commit(entry.sequence);
    return true;
  }
}

/// All of the transaction is in this frame.
Status FeedImpl::take_transaction() {
  borrowed_.clear();
  SELVEDGE_TRY(auto notes,
               graph::decode_frame(shape_of(frames_.frame().header), frames_.frame().payload,
                                   [&](const graph::Change& change, std::uint64_t sequence) {
                                     if (about_entity(change) || about_schema(change)) {
                                       return borrowed_.add(change, sequence);
                                     }
                                     borrowed_.add_other(static_cast<std::uint8_t>(change.kind));
                                     return Status{};
                                   }));
  metadata_ = std::move(notes.metadata);
  borrowed_.finish();
  net_ = &borrowed_;
  return {};
}

/// Its frames are read again: into memory if they fit.
Status FeedImpl::take_streamed() {
  const std::uint64_t number = frames_.frame().header.transaction;
  streaming_.insert(number);  // it may have begun before this feed did
  hold_back();
  copied_.clear();
  metadata_.clear();
  FramesOf frames(catalog(), number);
  bool fits = true;
  while (fits) {
    auto more = frames.next();
    if (!more) {
      return fail(std::move(more).error());
    }
    if (!*more) {
      break;
    }
    SELVEDGE_TRY(
        auto notes,
        graph::decode_frame(shape_of(frames.frame().header), frames.frame().payload,
                            [&](const graph::Change& change, std::uint64_t sequence) -> Status {
                              fits = fits && copied_.held_bytes() <= memory_bytes_;
                              if (!fits) {
                                return {};
                              }
                              if (about_entity(change) || about_schema(change)) {
                                return copied_.add(change, sequence);
                              }
                              copied_.add_other(static_cast<std::uint8_t>(change.kind));
                              return {};
                            }));
    if (!notes.metadata.empty()) {
      metadata_ = std::move(notes.metadata);
    }
  }
  if (fits) {
    copied_.finish();
    net_ = &copied_;
    return {};
  }
  copied_.clear();
  large_ = std::make_unique<LargeCommit>(
      catalog().names(), [this, number] { return std::make_unique<FramesOf>(catalog(), number); },
      memory_bytes_);
  return large_->prepare();
}

void FeedImpl::hold_back() {
  const std::uint64_t here = frames_.frame().header.sequence;
  pin_.move(streaming_.empty() ? here : std::min(here, *streaming_.begin()));
}

/// True if the frame is, or begins with, a commit.
Result<bool> FeedImpl::take_frame() {
  const wal::FrameView& frame = frames_.frame();
  const FrameHeader& header = frame.header;
  if (frames_.damaged() || header.kind != wal::FrameKind::operations) {
    return false;
  }
  if (header.transaction == 0) {
    plain_.emplace(shape_of(header), frame.payload);
    return take_plain();
  }
  const bool begins = has(header, wal::frame_flags::begin);
  const bool ends = has(header, wal::frame_flags::commit) || has(header, wal::frame_flags::abort);
  if (begins && !ends) {
    streaming_.insert(header.transaction);
  }
  if (!has(header, wal::frame_flags::commit)) {
    if (ends) {
      streaming_.erase(header.transaction);
    }
    return false;
  }
  if (begins) {
    SELVEDGE_TRY(take_transaction());
  } else {
    SELVEDGE_TRY(take_streamed());
    streaming_.erase(header.transaction);
  }
  open_commit(header.last_sequence());
  return true;
}

Result<bool> FeedImpl::advance() {
  large_.reset();
  net_ = nullptr;
  change_ = nullptr;
  if (plain_) {
    SELVEDGE_TRY(const bool got, take_plain());
    if (got) {
      return true;
    }
  }
  for (;;) {
    SELVEDGE_TRY(const bool more, frames_.next());
    if (!more) {
      return false;
    }
    hold_back();
    SELVEDGE_TRY(const bool got, take_frame());
    if (got) {
      return true;
    }
  }
}

bool FeedImpl::next() { return status_ && keep_going(advance(), status_); }

Result<const LoggedChange*> FeedImpl::pull() {
  if (large_) {
    return large_->next();
  }
  return net_ == nullptr ? nullptr : net_->next();
}

bool FeedImpl::next_change() {
  change_ = nullptr;
  if (!status_) {
    return false;
  }
  auto pulled = pull();
  if (!pulled) {
    status_ = fail(std::move(pulled).error());
    return false;
  }
  change_ = *pulled;
  return change_ != nullptr;
}

bool FeedImpl::wait(std::chrono::microseconds timeout, const std::atomic<bool>* stop) {
  return status_ && catalog().wait_beyond(frames_.position() - 1, timeout, stop);
}

// --- the callback's form -----------------------------------------------------------------------

SubscriptionImpl::SubscriptionImpl(Feed feed, std::uint64_t from, FeedCallback callback)
    : feed_(std::move(feed)), callback_(std::move(callback)), at_(from - 1) {
  thread_ = std::thread([this] { run(); });
}

SubscriptionImpl::~SubscriptionImpl() { stop(); }

void SubscriptionImpl::stop() {
  stop_.store(true, std::memory_order_seq_cst);
  feed_.impl_->catalog().advanced();
  const MutexLock alone(stop_mutex_);
  if (thread_.joinable()) {
    thread_.join();
  }
}

Status SubscriptionImpl::status() const {
  const MutexLock lock(mutex_);
  return status_ ? Status{} : fail(status_.error().clone());
}

void SubscriptionImpl::finish(Status status) {
  const MutexLock lock(mutex_);
  status_ = std::move(status);
}

void SubscriptionImpl::run() {
  constexpr std::chrono::seconds look_again(10);
  while (!stop_.load(std::memory_order_acquire)) {
    if (feed_.next()) {
      Status done = callback_(feed_);
      if (done && !feed_.status()) {
        done = fail(feed_.status().error().clone());
      }
      if (!done) {
        finish(std::move(done));
        break;
      }
      at_.store(feed_.commit().sequence.value, std::memory_order_release);
    } else if (!feed_.status()) {
      finish(fail(feed_.status().error().clone()));
      break;
    } else {
      feed_.impl_->wait(look_again, &stop_);
    }
  }
  running_.store(false, std::memory_order_release);
}

}  // namespace history

// --- public ------------------------------------------------------------------------------------

Feed::Feed(std::unique_ptr<history::FeedImpl> impl) : impl_(std::move(impl)) {}
Feed::Feed(Feed&&) noexcept = default;
Feed& Feed::operator=(Feed&&) noexcept = default;
Feed::~Feed() = default;
bool Feed::next() { return impl_->next(); }
const FeedCommit& Feed::commit() const { return impl_->commit(); }
bool Feed::next_change() { return impl_->next_change(); }
const LoggedChange& Feed::change() const { return impl_->change(); }
const Status& Feed::status() const { return impl_->status(); }
bool Feed::wait(std::chrono::microseconds timeout) { return impl_->wait(timeout); }

Subscription::Subscription(std::unique_ptr<history::SubscriptionImpl> impl)
    : impl_(std::move(impl)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&&) noexcept = default;
Subscription::~Subscription() = default;
void Subscription::stop() { impl_->stop(); }
bool Subscription::running() const { return impl_->running(); }
Sequence Subscription::position() const { return {impl_->position()}; }
Status Subscription::status() const { return impl_->status(); }

Result<Feed> Txlog::feed(Sequence from) const { return feed(from, {}); }

Result<Feed> Txlog::feed(Sequence from, const FeedOptions& options) const {
  const std::uint64_t start = std::max<std::uint64_t>(from.value, 1);
  // The pin first: from then on nothing is let go of.
  auto impl = std::make_unique<history::FeedImpl>(*lease_, start, options);
  SELVEDGE_TRY(lease_->catalog().locate(start));
  return Feed(std::move(impl));
}

}  // namespace selvedge
