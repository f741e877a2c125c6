// Behind `EntityHistory`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include <selvedge/history.h>

#include "history/entity_filter.h"
#include "history/entries.h"
#include "history/frames.h"

namespace selvedge::history {

/// What one transaction has done to the entity so far: two images, however often it changed it.
struct EntityChange {
  LoggedChange change;
  std::vector<std::byte> before;
  std::vector<std::byte> after;
  bool any = false;
  void take(const LoggedChange& read);
};

/// Role: reads the log from its oldest entry on, keeps what transactions under way have done to the
///   entity, and gives it out at their commit. Passes over segments whose filter says that they do
///   not name the entity, while no such transaction is under way; makes the filter of a segment
///   that it reads through.
/// Invariants: the pin holds the log from the begin of the oldest such transaction.
/// Threads: one. After failure: `status` stays.
class EntityHistoryImpl {
 public:
  EntityHistoryImpl(const Lease& lease, std::uint64_t key, std::uint64_t first);
  bool next();
  [[nodiscard]] const EntityVersion& version() const { return current_.version; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  struct Ready {
    EntityVersion version;
    EntityChange content;
    graph::Metadata metadata;
  };
  Result<bool> advance();
  Status enter_segment();
  void keep_filter();
  Status take_frame();
  Status note(const graph::Change& change, std::uint64_t sequence, EntityChange& into);
  void give(EntityChange content, std::uint64_t sequence, graph::Metadata metadata);
  Result<graph::Metadata> metadata_of(std::uint64_t transaction);
  void hold_back();

  Lease lease_;
  Pin pin_;
  const std::uint64_t key_;
  const std::uint64_t first_;
  std::optional<FramesFrom> frames_;
  ChangeReader reader_;
  std::map<std::uint64_t, EntityChange> under_way_;
  std::deque<Ready> ready_;
  Ready current_;
  std::uint64_t look_at_ = 0;          ///< where the next segment begins
  std::optional<Segment> collecting_;  ///< its filter is being made
  std::vector<std::uint64_t> keys_;
  Status status_;
};

}  // namespace selvedge::history
