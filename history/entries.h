// Entries out of frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <selvedge/txlog.h>

#include "graph/change.h"
#include "history/catalog.h"
#include "history/frames.h"

namespace selvedge::history {

/// A cursor's step: whether there is more. An error ends it, and is kept.
inline bool keep_going(Result<bool> step, Status& status) {
  if (!step) {
    status = fail(std::move(step).error());
    return false;
  }
  return *step;
}

/// Which parts a frame's payload has.
graph::FrameShape shape_of(const wal::FrameHeader& header);
/// Of a node, of an edge, or of an embedding.
bool about_entity(const graph::Change& change);
/// Of an index or constraint.
bool about_schema(const graph::Change& change);

/// Role: turns changes, as the log has them, into ones that can be read.
/// Invariants: what it gives lives until `clear`, and as long as the payload. Images are verified.
/// Threads: one. After failure: `corruption` without a place; clear it.
class ChangeReader {
 public:
  explicit ChangeReader(const graph::Names& names) : names_(names) {}
  void clear();
  Status add(const graph::Change& change, std::uint64_t sequence);
  /// An embedding of which nothing else is known.
  void add_damaged(std::uint64_t node);
  [[nodiscard]] std::span<const LoggedChange> changes() const { return changes_; }

 private:
  Result<LoggedImage> image(std::span<const std::byte> bytes, bool node) const;
  Result<SchemaSpec> schema(std::span<const std::byte> definition) const;
  const graph::Names& names_;
  std::vector<LoggedChange> changes_;
  std::deque<std::vector<std::byte>> scratch_;  ///< before-images that were differences
  std::deque<SchemaSpec> specs_;
};

/// Role: the entries of one frame, one after another.
/// Threads: one. After failure: `corruption` with the frame's place.
class EntryDecoder {
 public:
  explicit EntryDecoder(const Catalog& catalog) : catalog_(catalog), changes_(catalog.names()) {}

  /// The frame must live until the next call.
  void start(const wal::FrameView& frame, bool damaged);
  /// False behind the last. What is older than `from`, or does not pass, is passed over.
  Result<bool> next(const EntryFilter& filter, std::uint64_t from);
  [[nodiscard]] const LogEntry& entry() const { return entry_; }

 private:
  enum class Part : std::uint8_t { none, begin, changes, end };
  Status placed(Status status) const;
  Result<bool> step();
  Status read_change();
  [[nodiscard]] bool passes(const EntryFilter& filter) const;
  Result<bool> concerns(const EntryFilter& filter) const;
  void open_entry(EntryKind kind, std::uint64_t sequence);

  const Catalog& catalog_;
  wal::FrameView frame_;
  bool damaged_ = false;
  Part part_ = Part::none;
  std::optional<graph::EntryReader> reader_;
  graph::EntryView view_;
  bool more_ = false;  ///< `view_` is the next change
  ChangeReader changes_;
  LogEntry entry_;
};

/// A log or cursor that is alive: the store may not close meanwhile.
class Lease {
 public:
  /// `keep`: what the catalog stands on, if it is nobody else's.
  Lease(Catalog& catalog, std::shared_ptr<void> keep);
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  [[nodiscard]] Catalog& catalog() const { return catalog_; }
  [[nodiscard]] const std::shared_ptr<void>& keep() const { return keep_; }

 private:
  Catalog& catalog_;
  std::shared_ptr<void> keep_;
};

/// Role: behind `TxlogCursor`: frames, their entries, a filter and an end.
class CursorImpl {
 public:
  CursorImpl(const Lease& lease, std::unique_ptr<Frames> frames, EntryFilter filter,
             std::uint64_t from, std::uint64_t to, std::uint64_t limit);
  bool next();
  [[nodiscard]] const LogEntry& entry() const { return decoder_.entry(); }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] std::uint64_t position() const { return at_; }

 private:
  Result<bool> advance();
  Lease lease_;
  Pin pin_;
  std::unique_ptr<Frames> frames_;
  EntryDecoder decoder_;
  EntryFilter filter_;
  std::uint64_t at_;
  std::uint64_t to_;
  std::uint64_t left_;
  bool in_frame_ = false;
  Status status_;
};

}  // namespace selvedge::history
