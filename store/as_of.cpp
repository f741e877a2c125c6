#include "store/as_of.h"

#include <algorithm>
#include <utility>

#include "history/diff.h"
#include "history/times.h"

namespace selvedge::detail {

using history::Catalog;

Result<std::unique_ptr<PastFiles>> PastFiles::open(FileSystem& files, const std::string& path,
                                                   const snapshot::Manifest& manifest,
                                                   const PointInTime& point) {
  std::unique_ptr<PastFiles> past(new PastFiles(files, path));
  for (const snapshot::ManifestSnapshot& each : manifest.snapshots) {
    const bool in_time =
        point.timestamp && each.created_us <= static_cast<std::uint64_t>(std::max<std::int64_t>(
                                                  point.timestamp->microseconds, 0));
    if (each.kind == snapshot::Kind::backup && in_time) {
      past->copied_ = each.end;
    }
  }
  for (const bool scanned : {false, true}) {
    SELVEDGE_TRY(past->attach(manifest, scanned));
    SELVEDGE_TRY(const bool found, past->find(point, scanned));
    if (found) {
      return past;
    }
  }
  return fail(Error(ErrorCode::invalid_argument, "the log has not come to that point yet")
                  .at(path)
                  .mismatch("at most sequence " + std::to_string(past->last()),
                            std::to_string(point.sequence.value)));
}

Status PastFiles::attach(const snapshot::Manifest& manifest, bool scanned) {
  reader_.reset();
  store_ = manifest.store;
  log_ = std::make_unique<history::PathLog>(files_, path_);
  if (scanned) {
    SELVEDGE_TRY(log_->scan(manifest, true));
  } else {
    log_->attach(manifest);
  }
  reader_.emplace(log_->catalog());
  return log_->catalog().first().map([&](std::uint64_t first) { first_ = first; });
}

/// False: it may lie behind what is known of the log.
Result<bool> PastFiles::find(const PointInTime& point, bool scanned) {
  if (!point.timestamp) {
    point_ = point.sequence.value;
    return point_ <= last();
  }
  const auto found = history::find_time(log_->catalog(), point.timestamp->microseconds);
  if (!found && found.error().code() == ErrorCode::not_retained && copied_) {
    point_ = *copied_;
    return true;
  }
  if (!found) {
    return fail(found.error().clone());
  }
  point_ = found->commit;
  return found->passed || scanned;
}

Status PastFiles::read(std::uint64_t from, std::uint64_t to, const Sink& sink) {
  history::FramesFrom frames(log_->catalog(), from);
  while (frames.position() <= to) {
    SELVEDGE_TRY(const bool more, frames.next());
    if (!more) {
      return fail(Error(ErrorCode::corruption, "the log ends too early")
                      .at(log_->catalog().wal_path())
                      .mismatch("entry " + std::to_string(to),
                                "the end before " + std::to_string(frames.position())));
    }
    SELVEDGE_TRY(sink({frames.frame(), frames.damaged()}));
  }
  return {};
}

Result<wal::OwnedFrame> PastFiles::frame(std::uint64_t sequence) {
  Catalog& catalog = log_->catalog();
  SELVEDGE_TRY(const auto segment, catalog.locate(sequence));
  wal::FrameView frame;
  if (segment) {
    SELVEDGE_TRY(const history::FramePlace place, catalog.seek(*segment, sequence));
    SELVEDGE_TRY(reader_->go_to(*segment, place));
    bool damaged = false;
    do {
      SELVEDGE_TRY(const bool more, reader_->next(frame, damaged));
      if (!more) {
        break;
      }
    } while (frame.header.sequence < sequence);
  }
  if (frame.header.sequence != sequence || frame.header.count == 0) {
    return fail(Error(ErrorCode::corruption, "the log is not as it was when it was verified")
                    .at(catalog.wal_path())
                    .mismatch("a frame that begins with " + std::to_string(sequence),
                              std::to_string(frame.header.sequence)));
  }
  return wal::OwnedFrame{
      frame.header, frame.location, {frame.payload.begin(), frame.payload.end()}};
}

Status PastFiles::take_back(std::uint64_t then, std::uint64_t now, const graph::Names& names,
                            const std::function<Status(const recovery::Before&)>& sink) {
  Catalog catalog(files_, {path_, store_, false}, *log_, names);
  history::DiffImpl diff(history::Lease(catalog, nullptr), then, now, {});
  SELVEDGE_TRY(diff.prepare());
  while (diff.next()) {
    const LoggedChange& change = diff.change();
    recovery::Before before;
    before.node = change.is_node();
    before.id = before.node ? change.node.value : change.edge.value;
    if (!before.node) {
      before.source = change.source.value;
      before.target = change.target.value;
      const auto type = names.of(graph::NameKind::type).find(change.type);
      if (!type) {
        return fail(Error(ErrorCode::corruption, "an edge of a type that no entry defines")
                        .at(path_)
                        .with_entity(before.id));
      }
      before.type = *type;
    }
    before.sequence = change.before ? change.before_sequence.value : 0;
    before.image = change.before.bytes();
    SELVEDGE_TRY(sink(before));
  }
  return diff.status() ? Status{} : fail(diff.status().error().clone());
}

}  // namespace selvedge::detail
