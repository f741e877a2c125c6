#include "history/entity_history.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "history/net_changes.h"

namespace selvedge {

namespace history {

namespace {

bool has(const wal::FrameHeader& header, std::uint8_t flag) { return (header.flags & flag) != 0; }

/// Beyond so many entities in a segment its filter would take more memory than it is worth.
constexpr std::size_t keys_max = std::size_t{4} << 20;

}  // namespace

void EntityChange::take(const LoggedChange& read) {
  if (!any) {
    change = read;
    before.assign(read.before.bytes().begin(), read.before.bytes().end());
    change.before = read.before ? read.before.with(before) : LoggedImage{};
    any = true;
  }
  after.assign(read.after.bytes().begin(), read.after.bytes().end());
  change.after = read.after ? read.after.with(after) : LoggedImage{};
}

EntityHistoryImpl::EntityHistoryImpl(const Lease& lease, std::uint64_t key, std::uint64_t first)
    : lease_(lease.catalog(), lease.keep()),
      pin_(lease.catalog(), first),
      key_(key),
      first_(first),
      reader_(lease.catalog().names()),
      look_at_(first) {
  frames_.emplace(lease.catalog(), first);
}

void EntityHistoryImpl::hold_back() {
  const std::uint64_t here = frames_->position();
  pin_.move(under_way_.empty() ? here : std::min(here, under_way_.begin()->first));
}

// --- segments ----------------------------------------------------------------------------------

/// Of a segment that was read from its first entry to its last.
void EntityHistoryImpl::keep_filter() {
  if (collecting_ && frames_->position() == collecting_->next_sequence) {
    // Without it the segment is read again the next time: no reason to stop.
    static_cast<void>(lease_.catalog()
                          .keep_filter(EntityFilter(collecting_->identity,
                                                    collecting_->next_sequence, std::move(keys_)))
                          .has_value());
  }
  collecting_.reset();
  keys_.clear();
}

/// Goes over the segments from here on that need not be read.
Status EntityHistoryImpl::enter_segment() {
  keep_filter();
  for (;;) {
    const std::uint64_t position = frames_->position();
    look_at_ = std::numeric_limits<std::uint64_t>::max();
    SELVEDGE_TRY(const auto segment, lease_.catalog().locate(position));
    if (!segment || segment->last()) {
      return {};
    }
    look_at_ = segment->next_sequence;
    const auto filter = lease_.catalog().filter_of(*segment);
    if (!filter) {
      if (position == segment->identity.first_sequence && lease_.catalog().keeps_filters()) {
        collecting_ = *segment;
      }
      return {};
    }
    if (!under_way_.empty() || filter->may_name(key_)) {
      return {};
    }
    frames_.emplace(lease_.catalog(), segment->next_sequence);
    hold_back();
  }
}

// --- frames ------------------------------------------------------------------------------------

Status EntityHistoryImpl::note(const graph::Change& change, std::uint64_t sequence,
                               EntityChange& into) {
  const std::uint64_t key = filter_key(change);
  if (collecting_ && key != 0) {
    keys_.push_back(key);
  }
  if (key != key_ || key == 0) {
    return {};
  }
  reader_.clear();
  SELVEDGE_TRY(reader_.add(change, sequence));
  into.take(reader_.changes().front());
  return {};
}

void EntityHistoryImpl::give(EntityChange content, std::uint64_t sequence,
                             graph::Metadata metadata) {
  if (!content.any) {
    return;
  }
  settle_kind(content.change);
  if (class_of(content.change) == ChangeClass::none) {
    return;
  }
  const wal::FrameHeader& header = frames_->frame().header;
  Ready& ready = ready_.emplace_back();
  ready.content = std::move(content);
  ready.metadata = std::move(metadata);
  ready.version.sequence = {sequence};
  ready.version.number = {header.transaction};
  if (header.transaction != 0) {
    ready.version.transaction = derive_uuid(lease_.catalog().store(), header.transaction);
  }
  ready.version.timestamp = {static_cast<std::int64_t>(header.wall_us)};
}

/// Of a streamed transaction; its begin is pinned.
Result<graph::Metadata> EntityHistoryImpl::metadata_of(std::uint64_t transaction) {
  FramesOf frames(lease_.catalog(), transaction);
  SELVEDGE_TRY(const bool found, frames.next());
  if (!found) {
    return graph::Metadata{};
  }
  SELVEDGE_TRY(auto notes,
               graph::decode_entries(shape_of(frames.frame().header), frames.frame().payload,
                                     [](const graph::EntryView&) { return Status{}; }));
  return std::move(notes.metadata);
}

Status EntityHistoryImpl::take_frame() {
  const wal::FrameView& frame = frames_->frame();
  const wal::FrameHeader& header = frame.header;
  if (frames_->damaged() || header.kind != wal::FrameKind::operations || header.regenerable()) {
    return {};
  }
  const graph::FrameShape shape = shape_of(header);
  if (header.transaction == 0) {
    return graph::decode_entries(
               shape, frame.payload,
               [&](const graph::EntryView& entry) -> Status {
                 EntityChange content;
                 SELVEDGE_TRY(graph::decode_entry(
                     entry, [&](const graph::Change& change, std::uint64_t sequence) {
                       return note(change, sequence, content);
                     }));
                 give(std::move(content), entry.sequence, {});
                 return {};
               })
        .map([](const graph::FrameNotes&) {});
  }
  const bool begins = has(header, wal::frame_flags::begin);
  const bool commits = has(header, wal::frame_flags::commit);
  EntityChange content;
  const auto known = under_way_.find(header.transaction);
  if (known != under_way_.end()) {
    content = std::move(known->second);
    under_way_.erase(known);
  }
  SELVEDGE_TRY(auto notes,
               graph::decode_frame(shape, frame.payload,
                                   [&](const graph::Change& change, std::uint64_t sequence) {
                                     return note(change, sequence, content);
                                   }));
  // Of one that began before the log that is left, nobody knows what was there before it.
  if (!content.any || header.transaction < first_ || has(header, wal::frame_flags::abort)) {
    return {};
  }
  if (!commits) {
    under_way_.emplace(header.transaction, std::move(content));
    return {};
  }
  graph::Metadata metadata = std::move(notes.metadata);
  if (!begins) {
    SELVEDGE_TRY(metadata, metadata_of(header.transaction));
  }
  give(std::move(content), header.last_sequence(), std::move(metadata));
  return {};
}

Result<bool> EntityHistoryImpl::advance() {
  while (ready_.empty()) {
    if (frames_->position() >= look_at_) {
      SELVEDGE_TRY(enter_segment());
    }
    SELVEDGE_TRY(const bool more, frames_->next());
    if (!more) {
      look_at_ = std::min(look_at_, frames_->position());  // it may have a successor by now
      return false;
    }
    SELVEDGE_TRY(take_frame());
    if (keys_.size() >= keys_max) {
      std::sort(keys_.begin(), keys_.end());
      keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
      if (keys_.size() >= keys_max / 2) {
        collecting_.reset();
        keys_.clear();
      }
    }
    hold_back();
  }
  current_ = std::move(ready_.front());
  ready_.pop_front();
  current_.version.metadata = current_.metadata;
  current_.version.change = current_.content.change;
  return true;
}

bool EntityHistoryImpl::next() {
  if (!status_) {
    return false;
  }
  auto got = advance();
  if (!got) {
    status_ = fail(std::move(got).error());
    return false;
  }
  return *got;
}

}  // namespace history

// --- public ------------------------------------------------------------------------------------

EntityHistory::EntityHistory(std::unique_ptr<history::EntityHistoryImpl> impl)
    : impl_(std::move(impl)) {}
EntityHistory::EntityHistory(EntityHistory&&) noexcept = default;
EntityHistory& EntityHistory::operator=(EntityHistory&&) noexcept = default;
EntityHistory::~EntityHistory() = default;
bool EntityHistory::next() { return impl_->next(); }
const EntityVersion& EntityHistory::version() const { return impl_->version(); }
const Status& EntityHistory::status() const { return impl_->status(); }

Result<EntityHistory> Txlog::history(NodeId id) const {
  SELVEDGE_TRY(const std::uint64_t first, lease_->catalog().first());
  return EntityHistory(std::make_unique<history::EntityHistoryImpl>(*lease_, id.value, first));
}

Result<EntityHistory> Txlog::history(EdgeId id) const {
  SELVEDGE_TRY(const std::uint64_t first, lease_->catalog().first());
  return EntityHistory(std::make_unique<history::EntityHistoryImpl>(*lease_, id.value | 1, first));
}

}  // namespace selvedge
