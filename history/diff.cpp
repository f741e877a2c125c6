#include "history/diff.h"

#include <algorithm>
#include <string>

namespace selvedge {

namespace history {

namespace {

bool has(const wal::FrameHeader& header, std::uint8_t flag) { return (header.flags & flag) != 0; }

bool changes_entity(const graph::Change& change) { return change.is_node() || change.is_edge(); }

}  // namespace

std::uint64_t CommitRange::begin() const {
  return streamed.empty() ? after + 1 : std::min(after + 1, streamed.front());
}

// --- frames ------------------------------------------------------------------------------------

bool FramesBetween::wanted(const wal::FrameHeader& header) const {
  if (header.kind != wal::FrameKind::operations || header.regenerable()) {
    return false;
  }
  if (header.transaction == 0 ||
      (has(header, wal::frame_flags::begin) && has(header, wal::frame_flags::commit))) {
    return range_.holds(header.last_sequence());
  }
  return std::binary_search(range_.streamed.begin(), range_.streamed.end(), header.transaction);
}

Result<bool> FramesBetween::next() {
  while (frames_.position() <= range_.last) {
    SELVEDGE_TRY(const bool more, frames_.next());
    if (!more) {
      return false;
    }
    if (!frames_.damaged() && wanted(frames_.frame().header)) {
      frame_ = frames_.frame();
      return true;
    }
  }
  return false;
}

// --- the difference ----------------------------------------------------------------------------

DiffImpl::DiffImpl(const Lease& lease, std::uint64_t after, std::uint64_t last,
                   const DiffOptions& options)
    : lease_(lease.catalog(), lease.keep()),
      pin_(lease.catalog(), after + 1),
      memory_bytes_(options.memory_bytes),
      range_{after, last, {}},
      net_(lease.catalog().names(), true) {}

Status DiffImpl::find_streamed() {
  FramesFrom frames(lease_.catalog(), range_.after + 1);
  while (frames.position() <= range_.last) {
    SELVEDGE_TRY(const bool more, frames.next());
    if (!more) {
      break;
    }
    const wal::FrameHeader& header = frames.frame().header;
    if (has(header, wal::frame_flags::commit) && !has(header, wal::frame_flags::begin) &&
        range_.holds(header.last_sequence())) {
      range_.streamed.push_back(header.transaction);
    }
  }
  std::sort(range_.streamed.begin(), range_.streamed.end());
  return {};
}

/// False: it does not fit into memory.
Result<bool> DiffImpl::gather() {
  FramesBetween frames(lease_.catalog(), range_);
  for (;;) {
    SELVEDGE_TRY(const bool more, frames.next());
    if (!more) {
      return true;
    }
    SELVEDGE_TRY(graph::decode_frame(
        shape_of(frames.frame().header), frames.frame().payload,
        [&](const graph::Change& change, std::uint64_t sequence) -> Status {
          const bool fits = net_.held_bytes() <= memory_bytes_;
          return fits && changes_entity(change) ? net_.add(change, sequence) : Status{};
        }));
    if (net_.held_bytes() > memory_bytes_) {
      return false;
    }
  }
}

Status DiffImpl::prepare() {
  if (range_.after == range_.last) {
    return {};
  }
  SELVEDGE_TRY(lease_.catalog().locate(range_.after + 1));
  SELVEDGE_TRY(find_streamed());
  pin_.move(range_.begin());
  SELVEDGE_TRY(lease_.catalog().locate(range_.begin()));
  SELVEDGE_TRY(const bool fits, gather());
  if (fits) {
    net_.finish();
    return {};
  }
  net_.clear();
  large_ = std::make_unique<LargeCommit>(
      lease_.catalog().names(),
      [this] { return std::make_unique<FramesBetween>(lease_.catalog(), range_); }, memory_bytes_);
  return large_->prepare();
}

bool DiffImpl::next() {
  change_ = nullptr;
  if (!status_) {
    return false;
  }
  if (!large_) {
    change_ = net_.next();
    return change_ != nullptr;
  }
  auto pulled = large_->next();
  if (!pulled) {
    status_ = fail(std::move(pulled).error());
    return false;
  }
  change_ = *pulled;
  return change_ != nullptr;
}

}  // namespace history

// --- public ------------------------------------------------------------------------------------

Diff::Diff(std::unique_ptr<history::DiffImpl> impl) : impl_(std::move(impl)) {}
Diff::Diff(Diff&&) noexcept = default;
Diff& Diff::operator=(Diff&&) noexcept = default;
Diff::~Diff() = default;
bool Diff::next() { return impl_->next(); }
const LoggedChange& Diff::change() const { return impl_->change(); }
const Status& Diff::status() const { return impl_->status(); }

Result<Diff> Txlog::diff(Sequence after, Sequence last, const DiffOptions& options) const {
  if (after > last || last > this->last()) {
    return fail(Error(ErrorCode::invalid_argument, "no two moments of the log, in their order")
                    .mismatch("the first at most the second, and that at most " +
                                  std::to_string(this->last().value),
                              std::to_string(after.value) + " and " + std::to_string(last.value)));
  }
  auto impl = std::make_unique<history::DiffImpl>(*lease_, after.value, last.value, options);
  SELVEDGE_TRY(impl->prepare());
  return Diff(std::move(impl));
}

Result<Diff> Txlog::diff(Sequence after, Sequence last) const { return diff(after, last, {}); }

}  // namespace selvedge
