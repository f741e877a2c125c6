// What became of one entity, and what changed between two moments.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <selvedge/error.h>
#include <selvedge/txlog.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>
#include <selvedge/value.h>

namespace selvedge {

namespace history {
class DiffImpl;
class EntityHistoryImpl;
}  // namespace history

/// What one commit made of an entity. Borrowed: until the next step.
struct EntityVersion {
  Sequence sequence;                ///< of the commit: from there on the entity was like this
  TxnNumber number;                 ///< 0: an operation outside a transaction
  std::optional<Uuid> transaction;  ///< the same, as other systems know it
  Timestamp timestamp;
  std::span<const std::pair<std::string, std::string>> metadata;
  /// Before the commit and after it; its kind is what the commit did in the end.
  LoggedChange change;
};

/// Role: the versions of one node or edge, the oldest first: one for each commit that changed it.
///
///   for (auto past = *log.history(ada); past.next();) use(past.version());
///
/// Invariants: what did not commit does not come, nor what a transaction took back itself. A
///   version is there as long as all of its transaction is retained.
/// Memory: one frame of the log, and two images for each streamed transaction that is under way at
///   that point of the log and has changed the entity.
/// Threads: one at a time. It may outlive its `Txlog`, not its store.
/// After failure: `next` is false and `status` says why, as with `TxlogCursor`.
class EntityHistory {
 public:
  EntityHistory(EntityHistory&&) noexcept;
  EntityHistory& operator=(EntityHistory&&) noexcept;
  ~EntityHistory();

  /// Goes to the next version. False at the end of what is durable (ask again later), or after an
  /// error. Cost: reads the log on, but for segments that are known not to name the entity.
  bool next();
  [[nodiscard]] const EntityVersion& version() const;
  [[nodiscard]] const Status& status() const;

 private:
  friend class Txlog;
  explicit EntityHistory(std::unique_ptr<history::EntityHistoryImpl> impl);
  std::unique_ptr<history::EntityHistoryImpl> impl_;
};

struct DiffOptions {
  /// What may be held in memory. If there are more changes, the log between is read several times
  /// instead.
  std::uint64_t memory_bytes = std::uint64_t{32} << 20;
};

/// Role: what is different between two moments: each node and edge at most once, with what it was
///   at the first and what it is at the second. What came and went between does not come, nor what
///   is the same again. In the order of a feed's commit (selvedge/feed.h): changes can be applied
///   as they come. Embeddings and the schema are not in it.
/// Memory: `DiffOptions::memory_bytes`, and 8 bytes for each streamed transaction that committed
///   between.
/// Threads: one at a time. It may outlive its `Txlog`, not its store.
/// After failure: `next` is false and `status` says why, as with `TxlogCursor`.
class Diff {
 public:
  Diff(Diff&&) noexcept;
  Diff& operator=(Diff&&) noexcept;
  ~Diff();

  bool next();
  /// Borrowed: until the next step.
  [[nodiscard]] const LoggedChange& change() const;
  [[nodiscard]] const Status& status() const;

 private:
  friend class Txlog;
  explicit Diff(std::unique_ptr<history::DiffImpl> impl);
  std::unique_ptr<history::DiffImpl> impl_;
};

}  // namespace selvedge
