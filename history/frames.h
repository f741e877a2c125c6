// Frames of the log, in order: from a sequence on, or those of one transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "history/catalog.h"
#include "wal/segment_reader.h"

namespace selvedge::history {

/// A source of frames with entries. `frame` is valid until the next call of `next`.
class Frames {
 public:
  virtual ~Frames() = default;
  /// False: there is no further one now. Errors: `not_retained`, `corruption`, the system's.
  virtual Result<bool> next() = 0;
  [[nodiscard]] const wal::FrameView& frame() const { return frame_; }
  /// The payload of a regenerable frame does not verify, and is empty here.
  [[nodiscard]] bool damaged() const { return damaged_; }

 protected:
  wal::FrameView frame_;
  bool damaged_ = false;
};

/// Role: reads segments by place, and is not misled by an index or by a buffer that is out of date.
/// Invariants: a frame is given out only when it is verified, and wholly at or before the end that
///   the catalog allows.
/// Threads: one. After failure: the position is where it was.
class PlaceReader {
 public:
  explicit PlaceReader(Catalog& catalog) : catalog_(catalog) {}

  /// Goes to a place of a segment: the frame that begins there comes next.
  Status go_to(const Segment& segment, const FramePlace& place);
  [[nodiscard]] bool placed() const { return reader_.has_value(); }
  [[nodiscard]] const Segment& segment() const { return segment_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return reader_->next_sequence(); }
  /// The next frame with entries; nothing where the segment (or what may be shown of it) ends.
  Result<bool> next(wal::FrameView& frame, bool& damaged);
  void leave() { reader_.reset(); }

 private:
  Error lost(const wal::ReadStep& step);
  Catalog& catalog_;
  Segment segment_;
  std::optional<wal::SegmentReader> reader_;
};

/// Role: all frames from the one that holds a sequence on, over all segments.
class FramesFrom final : public Frames {
 public:
  FramesFrom(Catalog& catalog, std::uint64_t from)
      : catalog_(catalog), reader_(catalog), at_(from) {}
  Result<bool> next() override;
  /// The sequence that it goes on with.
  [[nodiscard]] std::uint64_t position() const { return at_; }

 private:
  Status place();
  Catalog& catalog_;
  PlaceReader reader_;
  std::uint64_t at_;
  bool distrusted_ = false;  ///< since the last frame
  bool moved_ = false;       ///< placed anew since the last frame
};

/// Role: the frames of one transaction, without those of others between them.
class FramesOf final : public Frames {
 public:
  FramesOf(Catalog& catalog, std::uint64_t transaction)
      : catalog_(catalog), reader_(catalog), transaction_(transaction), at_(transaction) {}
  Result<bool> next() override;
  /// `not_found` when no transaction has this number.
  Status probe();

 private:
  Result<bool> more_places();
  Result<bool> read_place();
  Catalog& catalog_;
  std::optional<FramesFrom> first_;
  PlaceReader reader_;
  std::uint64_t transaction_;
  std::uint64_t at_;    ///< everything of it before this sequence has been given out
  bool given_ = false;  ///< its first frame has been
  bool ended_ = false;
  std::optional<Segment> segment_;
  std::vector<FramePlace> places_;
  std::size_t next_place_ = 0;
};

}  // namespace selvedge::history
