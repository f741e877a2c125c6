// The log as recovery reads it when it stops before the end.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include <selvedge/error.h>

#include "graph/names.h"
#include "wal/segment_reader.h"

namespace selvedge::recovery {

/// What an entity was.
struct Before {
  std::uint64_t id = 0;
  bool node = true;
  std::uint64_t source = 0;  ///< source, target and type: of edges
  std::uint64_t target = 0;
  std::uint32_t type = 0;
  std::uint64_t sequence = 0;  ///< that it had; 0: it was not there
  std::span<const std::byte> image;
};

/// Role: gives retained frames of the log; compressed segments too, which a recovery to the end of
///   the log never needs.
/// Invariants: a frame that is given out is verified, and follows the one before it.
/// Threads: one.
class PastLog {
 public:
  virtual ~PastLog() = default;
  /// The oldest entry that is retained; behind `last`: none.
  [[nodiscard]] virtual std::uint64_t first() const = 0;
  /// The newest entry that there is.
  [[nodiscard]] virtual std::uint64_t last() const = 0;

  struct Frame {
    wal::FrameView view;
    bool damaged = false;  ///< a regenerable one: its payload does not verify, and is empty here
  };
  using Sink = std::function<Status(const Frame&)>;
  /// All frames with entries from the one that holds `from` to the one that holds `to`.
  virtual Status read(std::uint64_t from, std::uint64_t to, const Sink& sink) = 0;
  /// The frame that begins with this entry.
  virtual Result<wal::OwnedFrame> frame(std::uint64_t sequence) = 0;
  /// What was at `then` all that commits behind it and up to `now` have changed: each node and edge
  /// once, and those that came since before those that went, which may have had their places.
  /// `not_retained` when a transaction among them is not all there.
  virtual Status take_back(std::uint64_t then, std::uint64_t now, const graph::Names& names,
                           const std::function<Status(const Before&)>& sink) = 0;
};

}  // namespace selvedge::recovery
