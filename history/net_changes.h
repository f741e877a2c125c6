// What a commit changed in the end: one change for each entity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <tsl/robin_map.h>

#include <selvedge/txlog.h>

#include "graph/change.h"
#include "history/entries.h"
#include "history/frames.h"

namespace selvedge::history {

/// In which order the changes of a commit come.
enum class ChangeClass : std::uint8_t {
  nodes_written,
  edges_written,
  edges_deleted,
  nodes_deleted,
  others,
  none,  ///< nothing changed in the end
};
inline constexpr std::uint8_t change_classes = 5;
ChangeClass class_of(const LoggedChange& change);
/// The kind of a node's or edge's change, from what was there before and what is there after.
void settle_kind(LoggedChange& change);

/// Role: takes the changes of a commit in log order, gives one for each entity.
/// Invariants: `before` is the first one's, `after` the last one's. What it gives lives until
///   `clear`; with `copies` it holds all bytes itself, else the frames must live as long.
/// Threads: one. After failure: clear it.
class NetChanges {
 public:
  NetChanges(const graph::Names& names, bool copies) : reader_(names), copies_(copies) {}
  void clear();
  Status add(const graph::Change& change, std::uint64_t sequence);
  void add_other(std::uint8_t code);
  /// Puts them in order; those of one class only, if one is named.
  void finish(std::optional<ChangeClass> only = std::nullopt);
  /// After `finish`.
  const LoggedChange* next();
  [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }

  /// What a change costs here at most.
  static std::uint64_t cost(const graph::Change& change);

 private:
  LoggedImage own(const LoggedImage& image);
  ChangeReader reader_;
  const bool copies_;
  std::vector<LoggedChange> items_;
  tsl::robin_map<std::uint64_t, std::size_t> places_;
  std::deque<std::vector<std::byte>> copied_;
  std::deque<SchemaSpec> specs_;
  std::vector<std::size_t> order_;
  std::size_t at_ = 0;
  std::uint64_t held_bytes_ = 0;
};

/// Role: the net changes of what is larger than memory may be, a transaction or many: read from the
///   log once for each class, and oftener where many entities occur more than once.
/// Invariants: entities that surely occur once (a table of hashes says so) are given as they are
///   read; the others are netted in parts that fit.
/// Threads: one. After failure: throw it away.
class LargeCommit {
 public:
  /// Frames whose changes all count, from the beginning, each time it is asked.
  using Source = std::function<std::unique_ptr<Frames>()>;
  LargeCommit(const graph::Names& names, Source source, std::uint64_t memory_bytes);
  Status prepare();
  /// Null behind the last.
  Result<const LoggedChange*> next();

 private:
  using Use = std::function<Status(const graph::Change&, std::uint64_t)>;
  Status each_change(const Use& use);
  void note(std::uint64_t key);
  [[nodiscard]] bool once(std::uint64_t key) const;
  Result<bool> read_entry();
  Status take(const graph::Change& change, std::uint64_t sequence);
  void restart();

  const Source source_;
  const std::uint64_t memory_bytes_;
  std::vector<std::uint64_t> table_;  ///< two bits for each hash: not seen, once, more often
  unsigned table_shift_ = 0;
  std::uint64_t parts_ = 1;
  std::uint8_t class_ = 0;
  std::uint64_t part_ = 0;
  std::unique_ptr<Frames> frames_;
  std::optional<graph::EntryReader> reader_;
  ChangeReader singles_;
  std::size_t next_single_ = 0;
  NetChanges repeated_;
  bool draining_ = false;
};

}  // namespace selvedge::history
