// Behind the change feed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <selvedge/feed.h>

#include "base/mutex.h"
#include "history/entries.h"
#include "history/net_changes.h"

namespace selvedge::history {

/// Role: walks the log once, stops at each commit, and nets its changes: those of a transaction in
///   one frame from that frame, those of a streamed one by reading its frames again.
/// Invariants: the pin holds what this feed still needs: where it stands, and the begin of every
///   streamed transaction that it has seen begin and not end.
/// Threads: one. After failure: `status` stays.
class FeedImpl {
 public:
  FeedImpl(const Lease& lease, std::uint64_t from, const FeedOptions& options);
  bool next();
  bool next_change();
  [[nodiscard]] const FeedCommit& commit() const { return commit_; }
  [[nodiscard]] const LoggedChange& change() const { return *change_; }
  [[nodiscard]] const Status& status() const { return status_; }
  bool wait(std::chrono::microseconds timeout, const std::atomic<bool>* stop = nullptr);
  [[nodiscard]] Catalog& catalog() const { return lease_.catalog(); }

 private:
  Result<bool> advance();
  Result<bool> take_frame();
  Result<bool> take_plain();
  Status take_transaction();
  Status take_streamed();
  void open_commit(std::uint64_t sequence);
  Result<const LoggedChange*> pull();
  void hold_back();

  Lease lease_;
  Pin pin_;
  FramesFrom frames_;
  const std::uint64_t memory_bytes_;
  std::uint64_t from_;
  std::optional<graph::EntryReader> plain_;  ///< a frame of operations outside transactions
  std::set<std::uint64_t> streaming_;        ///< begun and not ended, by number
  FeedCommit commit_;
  graph::Metadata metadata_;
  NetChanges borrowed_;
  NetChanges copied_;
  std::unique_ptr<LargeCommit> large_;
  NetChanges* net_ = nullptr;
  const LoggedChange* change_ = nullptr;
  Status status_;
};

/// Role: a thread that pulls a feed and calls.
class SubscriptionImpl {
 public:
  SubscriptionImpl(Feed feed, std::uint64_t from, FeedCallback callback);
  ~SubscriptionImpl();
  void stop();
  [[nodiscard]] bool running() const { return running_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t position() const { return at_.load(std::memory_order_acquire); }
  [[nodiscard]] Status status() const;

 private:
  void run();
  void finish(Status status);
  Feed feed_;
  const FeedCallback callback_;
  std::atomic<std::uint64_t> at_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> running_{true};
  Mutex stop_mutex_;
  mutable Mutex mutex_;
  Status status_ SELVEDGE_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace selvedge::history
