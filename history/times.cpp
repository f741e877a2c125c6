#include "history/times.h"

#include <algorithm>
#include <string>

#include "history/entries.h"
#include "history/frames.h"

namespace selvedge::history {

namespace {

struct Probe {
  std::uint64_t first = 0;
  std::uint64_t next = 0;
  std::int64_t time = 0;
};

/// The frame that holds a sequence.
Result<Probe> probe(Catalog& catalog, std::uint64_t sequence) {
  FramesFrom frames(catalog, sequence);
  SELVEDGE_TRY(const bool found, frames.next());
  if (!found) {
    return fail(Error(ErrorCode::corruption, "the log ends before its last entry")
                    .at(catalog.wal_path())
                    .mismatch("entry " + std::to_string(sequence), "the end"));
  }
  const wal::FrameHeader& header = frames.frame().header;
  return Probe{header.sequence, header.next_sequence(), static_cast<std::int64_t>(header.wall_us)};
}

/// The last entry of a frame that a view can tell from the one before; 0: none.
Result<std::uint64_t> last_commit_in(const Frames& frames) {
  const wal::FrameHeader& header = frames.frame().header;
  if ((header.flags & wal::frame_flags::commit) != 0) {
    return header.last_sequence();
  }
  if (header.transaction != 0 || header.kind != wal::FrameKind::operations) {
    return std::uint64_t{0};
  }
  if (frames.damaged()) {
    return header.last_sequence();
  }
  std::uint64_t last = 0;
  SELVEDGE_TRY(graph::decode_entries(
      shape_of(header), frames.frame().payload, [&](const graph::EntryView& entry) {
        last = entry.kind == graph::ChangeKind::define_name ? last : entry.sequence;
        return Status{};
      }));
  return last;
}

/// The last commit at or before an entry: in ever longer pieces of the log before it.
Result<std::uint64_t> commit_before(Catalog& catalog, std::uint64_t first, std::uint64_t entry) {
  std::uint64_t end = entry;
  for (std::uint64_t length = 64; end >= first; length *= 4) {
    const std::uint64_t begin = end - first < length ? first : end - length;
    std::uint64_t found = 0;
    FramesFrom frames(catalog, begin);
    while (frames.position() <= end) {
      SELVEDGE_TRY(const bool more, frames.next());
      if (!more) {
        break;
      }
      if (frames.frame().header.last_sequence() <= entry) {
        SELVEDGE_TRY(const std::uint64_t commit, last_commit_in(frames));
        found = std::max(found, commit);
      }
    }
    if (found != 0 || begin == first) {
      return found;
    }
    end = begin - 1;
  }
  return std::uint64_t{0};
}

}  // namespace

Result<TimeFound> find_time(Catalog& catalog, std::int64_t microseconds) {
  SELVEDGE_TRY(const std::uint64_t first, catalog.first());
  std::uint64_t low = first;               // everything before is not younger
  std::uint64_t high = catalog.end() + 1;  // everything from here on is younger
  const std::uint64_t behind = high;
  while (low < high) {
    SELVEDGE_TRY(const Probe frame, probe(catalog, low + (high - low) / 2));
    if (frame.time <= microseconds) {
      low = frame.next;
    } else {
      high = std::max(frame.first, first);
    }
  }
  TimeFound found;
  found.passed = low < behind;
  if (low > first) {
    SELVEDGE_TRY(found.commit, commit_before(catalog, first, low - 1));
  }
  if (found.commit == 0 && first > 1) {
    return fail(Error(ErrorCode::not_retained, "the log does not reach back so far")
                    .at(catalog.wal_path())
                    .mismatch("the time of entry " + std::to_string(first) + " or later",
                              std::to_string(microseconds) + " us"));
  }
  return found;
}

}  // namespace selvedge::history
