#include "recovery/transactions.h"

#include <string>

#include "recovery/apply.h"

namespace selvedge::recovery {

namespace {

Status same_count(std::uint64_t transaction, std::uint64_t found, std::uint64_t counted) {
  if (found == counted) {
    return {};
  }
  return fail(Error(ErrorCode::corruption, "a transaction's commit counts other operations")
                  .mismatch(std::to_string(found), std::to_string(counted))
                  .with_other(transaction));
}

}  // namespace

Status check_small(const wal::FrameHeader& header, const graph::FrameNotes& notes) {
  constexpr std::uint8_t both = wal::frame_flags::begin | wal::frame_flags::commit;
  return (header.flags & both) == both
             ? same_count(header.transaction, header.count - 2, notes.operations)
             : Status{};
}

Status TransactionTable::add(const wal::FrameView& frame) {
  const wal::FrameHeader& header = frame.header;
  const bool begin = (header.flags & wal::frame_flags::begin) != 0;
  const bool commit = (header.flags & wal::frame_flags::commit) != 0;
  const bool abort = (header.flags & wal::frame_flags::abort) != 0;
  if (header.transaction == 0) {
    return {};
  }
  if (begin && commit) {
    ++small_;
    return {};
  }
  Streamed& entry = streamed_[header.transaction];
  entry.begun = entry.begun || begin;
  entry.committed = entry.committed || commit;
  entry.aborted = entry.aborted || abort;
  const std::uint32_t marks = (begin ? 1u : 0u) + (commit || abort ? 1u : 0u);
  entry.entries += header.count - marks;
  if (header.count > marks) {
    entry.frames.push_back({frame.location, header.sequence});
  }
  if (commit && entry.begun) {
    SELVEDGE_TRY(const auto notes,
                 graph::decode_entries(shape_of(header), frame.payload,
                                       [](const graph::EntryView&) { return Status{}; }));
    SELVEDGE_TRY(same_count(header.transaction, entry.entries, notes.operations));
  }
  if (commit) {
    entry.frames = {};  // only losers are read backwards
  }
  return {};
}

Status TransactionTable::check() const {
  for (const auto& [number, entry] : streamed_) {
    if (!entry.begun && !entry.committed && !entry.aborted) {
      return fail(Error(ErrorCode::corruption, "entries of a transaction without begin or end")
                      .with_other(number));
    }
  }
  return {};
}

bool TransactionTable::committed(const wal::FrameHeader& header) const {
  if ((header.flags & wal::frame_flags::commit) != 0) {
    return true;
  }
  const auto found = streamed_.find(header.transaction);
  return found != streamed_.end() && found->second.committed;
}

}  // namespace selvedge::recovery
