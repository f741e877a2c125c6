// Reading an index in a view.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <selvedge/read.h>

#include "graph/schema.h"
#include "store/read_state.h"

namespace selvedge::detail {

/// What conditions ask of one index.
struct IndexQuestion {
  graph::SchemaObjectPtr object;
  graph::KeyRange range;
  bool exact = false;  ///< one key: `range.low`
};

/// The index that answers best: a hash for equality of all keys, else the ordered one with the
/// fewest keys. `not_found` when there is none. The caller is pinned.
Result<IndexQuestion> ask(const ReadState& state, EntityKind entity, std::uint32_t target,
                          std::span<const Condition> conditions);

/// Role: goes through the entries of a question and gives those that the view sees so.
/// Invariants: what a serializable transaction has been told is noted before it is told: the part
/// of
///   the range that was looked at, no more.
/// Threads: one.
class IndexScan {
 public:
  IndexScan(const ReadState* state, IndexQuestion question, Order order);

  bool next();
  [[nodiscard]] std::uint64_t id() const { return id_; }
  /// Nothing when the transaction has been ended for its age.
  [[nodiscard]] std::span<const std::byte> image() const;
  [[nodiscard]] const ReadState* state() const { return state_; }
  /// The entity's content is told.
  void note_content() const;

 private:
  static constexpr std::size_t first_batch_entries = 16;
  static constexpr std::size_t batch_entries_max = 256;

  bool refill();
  void note_batch(bool last);
  bool matches(const graph::IndexEntry& entry);

  const ReadState* state_;
  IndexQuestion question_;
  const Order order_;
  Pin pin_;
  std::vector<graph::IndexEntry> batch_;
  std::size_t batch_max_ = first_batch_entries;
  std::size_t at_ = 0;
  bool started_ = false;
  bool more_ = true;
  graph::IndexPosition position_;  ///< of the newest batch's last entry
  std::uint64_t id_ = 0;
  graph::Seen seen_;
};

}  // namespace selvedge::detail
