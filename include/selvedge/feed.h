// The change feed: what was committed, in order, each commit once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <selvedge/error.h>
#include <selvedge/txlog.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>

namespace selvedge {

namespace history {
class FeedImpl;
class SubscriptionImpl;
}  // namespace history

struct FeedOptions {
  /// What a commit may hold in memory while its changes are netted. A larger one is read from the
  /// log several times instead.
  std::uint64_t memory_bytes = std::uint64_t{32} << 20;
};

/// A commit: of a transaction, or of one operation outside of any. Borrowed: until the next one.
struct FeedCommit {
  Sequence sequence;                ///< its place in the history: store it, to go on behind it
  TxnNumber number;                 ///< 0: an operation outside a transaction
  std::optional<Uuid> transaction;  ///< the same, as other systems know it
  Uuid db;                          ///< the store
  Timestamp timestamp;
  std::span<const std::pair<std::string, std::string>> metadata;
};

/// Role: committed changes, pulled one commit after another.
///
///   while (feed.next()) {
///     while (feed.next_change()) use(feed.change());
///     last = feed.commit().sequence;  // with what was done, in one transaction of the consumer
///   }
///
/// Each entity comes once in a commit, with the state before the transaction and the one after it;
/// what the transaction took back itself does not come. In this order: nodes created or changed,
/// edges created or changed, edges deleted, nodes deleted; so each can be applied when it comes.
/// Embeddings, and what becomes of indexes and constraints, come as commits of their own.
/// Invariants: commits come in commit order, each once, none before it is durable. A feed that is
///   opened behind the last commit that was processed goes on with the next one, also after a
///   crash of either side.
/// Threads: one at a time. It may outlive its `Txlog`, not its store.
/// After failure: `next` is false and `status` says why. `not_retained`: the place was lost,
/// because
///   the log was let go of (`Options::log_retention`, `reader_lag_bytes_max`).
class Feed {
 public:
  Feed(Feed&&) noexcept;
  Feed& operator=(Feed&&) noexcept;
  ~Feed();

  /// Goes to the next commit, over what is left of this one. False when there is none yet, or after
  /// an error.
  bool next();
  [[nodiscard]] const FeedCommit& commit() const;
  /// Goes to the commit's next change. False behind the last, or after an error.
  bool next_change();
  /// Borrowed: until the next step.
  [[nodiscard]] const LoggedChange& change() const;
  [[nodiscard]] const Status& status() const;
  /// Waits until there may be a further commit. False when the time ran out first; at once for a
  /// log that was opened by its path, where nothing is added.
  bool wait(std::chrono::microseconds timeout);

 private:
  friend class Txlog;
  friend class history::SubscriptionImpl;
  explicit Feed(std::unique_ptr<history::FeedImpl> impl);
  std::unique_ptr<history::FeedImpl> impl_;
};

/// Called with each commit, in a thread of the subscription. An error ends the subscription, with
/// this commit not counted as processed. It must not throw.
using FeedCallback = std::function<Status(Feed& at_commit)>;

/// Role: a feed that calls. Destruction stops it and waits for a call under way.
/// Threads: any; `stop` and the destructor not from the callback.
/// After failure: `status` has what the callback returned, or what the feed met.
class Subscription {
 public:
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();
  void stop();
  [[nodiscard]] bool running() const;
  /// The last commit for which the callback returned success; where it began, less one, before.
  [[nodiscard]] Sequence position() const;
  [[nodiscard]] Status status() const;

 private:
  friend class Store;
  explicit Subscription(std::unique_ptr<history::SubscriptionImpl> impl);
  std::unique_ptr<history::SubscriptionImpl> impl_;
};

}  // namespace selvedge
