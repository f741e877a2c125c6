// Checkpoints and backups.

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutants.h"
#include "base/yield_point.h"
#include "io/file_util.h"
#include "snapshot/capture.h"
#include "snapshot/snapshot_reader.h"
#include "snapshot/snapshot_writer.h"
#include "store/store_impl.h"
#include "wal/segment_reader.h"

namespace selvedge::detail {

namespace {

/// A reader slot for the length of a scan.
class SlotHolder {
 public:
  explicit SlotHolder(graph::EpochManager& epochs) : epochs_(epochs), slot_(epochs.acquire()) {}
  ~SlotHolder() { epochs_.release(slot_); }
  SlotHolder(const SlotHolder&) = delete;
  SlotHolder& operator=(const SlotHolder&) = delete;
  [[nodiscard]] graph::ReaderSlot* get() const { return slot_; }

 private:
  graph::EpochManager& epochs_;
  graph::ReaderSlot* slot_;
};

snapshot::ManifestSnapshot entry_of(const snapshot::SnapshotWriter& writer,
                                    const snapshot::Footer& footer, std::uint64_t created_us,
                                    snapshot::Kind kind) {
  return {.file = writer.name(),
          .begin = footer.begin,
          .end = footer.end,
          .low_water = footer.low_water,
          .bytes = writer.bytes(),
          .created_us = created_us,
          .digest = footer.digest.to_string(),
          .kind = kind,
          .log_frame_crc = footer.end_frame_crc};
}

}  // namespace

bool StoreImpl::checkpoint_due() {
  const std::uint64_t logged = log_->stats().bytes - checkpoint_log_bytes_.load();
  if (log_->poisoned() || logged == 0) {
    return false;
  }
  if (options_.checkpoint_log_bytes != 0 && logged >= options_.checkpoint_log_bytes) {
    return true;
  }
  const auto interval = static_cast<std::uint64_t>(options_.checkpoint_interval.count()) * 1000000;
  return interval != 0 && files_.wall_clock_us() - checkpoint_at_us_.load() >= interval;
}

Status StoreImpl::checkpoint() {
  return while_open([&]() SELVEDGE_REQUIRES_SHARED(lifecycle_mutex_) { return take_checkpoint(); });
}

Status StoreImpl::take_checkpoint() {
  const MutexLock lock(checkpoint_mutex_);
  Status taken = write_checkpoint();
  const MutexLock guard(maintenance_mutex_);
  checkpoint_fault_ = taken ? std::string() : taken.error().message();
  return taken;
}

Status StoreImpl::write_checkpoint() {
  SELVEDGE_TRY(manager_->close_zombies());
  const std::uint64_t log_bytes = log_->stats().bytes;
  const std::uint64_t created_us = files_.wall_clock_us();
  std::uint64_t number = 0;
  {
    const MutexLock lock(manifest_mutex_);
    number = manifest_.next_snapshot++;
  }
  SELVEDGE_TRY(const auto writer,
               snapshot::SnapshotWriter::create(
                   files_, snapshots_path(), snapshot::snapshot_name(0, number), manifest_uuid_,
                   snapshot::Kind::checkpoint, options_.snapshot_compression, created_us));
  SELVEDGE_TRY(const auto start, manager_->checkpoint_start());
  const SlotHolder slot(graph_->epochs);
  SELVEDGE_TRY(snapshot::capture_checkpoint(
      *graph_, slot.get(), [&] { return log_->appended(); }, *writer));
  // The last sequence appended now, and the frame that binds the snapshot to this history.
  const wal::LastFrame last = log_->last_frame();
  snapshot::Footer footer;
  footer.begin = start.begin;
  footer.low_water = start.low_water;
  footer.end = std::max(last.sequence, start.begin - 1);
  footer.end_frame_sequence = last.sequence;
  footer.end_frame_crc = last.header_crc;
  footer.wall_us = created_us;
  footer.node_slots = graph_->node_end();
  footer.edge_slots = graph_->edge_end();
  SELVEDGE_TRY(footer, writer->finish(footer));
  if (!base::mutant(base::Mutant::adopted_before_log_sync)) {
    SELVEDGE_TRY(log_->sync(footer.end));  // before the name, before the manifest (rule 1)
  }
  if (base::mutant(base::Mutant::snapshot_listed_too_early)) {
    auto early = entry_of(*writer, footer, created_us, snapshot::Kind::checkpoint);
    early.file = snapshot::snapshot_name(footer.end, number);
    SELVEDGE_TRY(list_snapshot(std::move(early)));
  }
  SELVEDGE_TRY(writer->adopt_name(snapshot::snapshot_name(footer.end, number)));
  base::yield_point("checkpoint.named");
  SELVEDGE_TRY(adopt(entry_of(*writer, footer, created_us, snapshot::Kind::checkpoint)));
  checkpoint_log_bytes_ = log_bytes;
  checkpoint_at_us_ = created_us;
  ++checkpoints_;
  return {};
}

/// Whether the options want a snapshot beyond the two that recovery can choose from.
bool StoreImpl::keeps_older(const snapshot::ManifestSnapshot& snapshot, std::size_t kept) const {
  const std::uint64_t age_us = static_cast<std::uint64_t>(options_.snapshot_age.count()) * 1000000;
  return kept < options_.snapshots_kept ||
         (age_us != 0 && snapshot.created_us + age_us > files_.wall_clock_us());
}

/// The two newest snapshots that verify, and what the options want besides, oldest first: a damaged
/// one does not count (rule 8). The older ones were verified when they were among the newest.
Result<std::vector<snapshot::ManifestSnapshot>> StoreImpl::choose_kept(
    std::vector<snapshot::ManifestSnapshot> all) {
  std::vector<snapshot::ManifestSnapshot> kept;
  while (!all.empty() && (kept.size() < 2 || keeps_older(all.back(), kept.size()))) {
    if (kept.size() >= 2 && all.back().verified) {
      kept.insert(kept.begin(), all.back());
      all.pop_back();
      continue;
    }
    auto reader = snapshot::SnapshotReader::open(files_, snapshots_path() + "/" + all.back().file);
    const Status sound = reader ? reader->verify() : fail(std::move(reader).error());
    if (sound) {
      kept.insert(kept.begin(), all.back());
    } else if (kept.empty()) {
      return fail(sound.error().clone());  // the one just written: nothing may be dropped
    }
    all.pop_back();
  }
  return kept;
}

/// Segments that hold anything at or after `low_water`.
Result<std::vector<snapshot::ManifestSegment>> StoreImpl::segments_from(std::uint64_t low_water) {
  std::vector<snapshot::ManifestSegment> all;
  {
    const MutexLock lock(manifest_mutex_);
    all = manifest_.segments;
  }
  std::size_t first = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    // A segment ends where its successor begins; one that is not in use yet has no beginning.
    SELVEDGE_TRY(const auto reader, wal::SegmentReader::open(files_, wal_path(), all[i].number));
    if (reader.header_state().state != wal::SegmentHeaderState::valid ||
        reader.header().first_sequence > low_water) {
      break;
    }
    first = i;
  }
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first));
  return all;
}

Status StoreImpl::list_snapshot(snapshot::ManifestSnapshot fresh) {
  const MutexLock lock(manifest_mutex_);
  snapshot::Manifest next = manifest_;
  next.watermark = std::max({next.watermark, log_->durable(), fresh.end});
  next.wall_us = std::max(next.wall_us, fresh.created_us);
  next.snapshots.push_back(std::move(fresh));
  SELVEDGE_TRY(next.save(files_, path_));
  manifest_ = std::move(next);
  return {};
}

/// Lists the new snapshot, then lets go of what nobody needs: first the list, then the files.
Status StoreImpl::adopt(snapshot::ManifestSnapshot fresh) {
  if (!base::mutant(base::Mutant::snapshot_listed_too_early)) {
    SELVEDGE_TRY(list_snapshot(std::move(fresh)));
  }
  std::vector<snapshot::ManifestSnapshot> all;
  {
    const MutexLock lock(manifest_mutex_);
    all = manifest_.snapshots;
  }
  SELVEDGE_TRY(const auto kept, choose_kept(all));
  if (kept.size() < 2 && all.size() < 2) {
    return {};  // the log from the very beginning is the first snapshot's fallback
  }
  // The frame that holds `end` stays too: it binds the snapshot to this history (rule 7).
  const snapshot::ManifestSnapshot& oldest =
      base::mutant(base::Mutant::log_dropped_for_newest) ? kept.back() : kept.front();
  const std::uint64_t low_water = kept.size() < 2 ? 0 : std::min(oldest.low_water, oldest.end);
  SELVEDGE_TRY(const auto segments, segments_from(low_water));
  SELVEDGE_TRY(const std::uint64_t first,
               let_go_before(segments.empty() ? 0 : segments.front().number));
  std::vector<std::uint64_t> dropped_segments;
  std::vector<std::uint64_t> dropped_archives;
  std::vector<std::string> dropped_snapshots;
  Status saved;
  {
    const MutexLock lock(manifest_mutex_);
    snapshot::Manifest next = manifest_;
    std::erase_if(next.snapshots, [&](const auto& each) {
      const bool drop = std::find(kept.begin(), kept.end(), each) == kept.end();
      if (drop) {
        dropped_snapshots.push_back(each.file);
      }
      return drop;
    });
    std::erase_if(next.segments, [&](const auto& each) {
      if (each.number < first) {
        dropped_segments.push_back(each.number);
      }
      return each.number < first;
    });
    std::erase_if(next.archive, [&](const auto& each) {
      if (each.number < first) {
        dropped_archives.push_back(each.number);
      }
      return each.number < first;
    });
    for (auto& each : next.snapshots) {
      each.verified = true;
    }
    if (next == manifest_) {
      return {};
    }
    if (base::mutant(base::Mutant::log_dropped_before_listing)) {
      for (const std::uint64_t number : std::exchange(dropped_segments, {})) {
        SELVEDGE_TRY(files_.unlink(wal::segment_path(wal_path(), number)));
      }
    }
    if (base::mutant(base::Mutant::old_snapshot_deleted_first)) {
      SELVEDGE_TRY(remove_snapshots(std::exchange(dropped_snapshots, {})));
    }
    saved = next.save(files_, path_);
    if (saved) {
      manifest_ = std::move(next);
    }
  }
  if (!saved) {
    catalog_->unretire();  // not under the manifest's lock, which comes after the catalog's
    return saved;
  }
  SELVEDGE_TRY(remove_snapshots(dropped_snapshots));
  return drop_segments(dropped_segments, dropped_archives);
}

/// Of files that the manifest does not list any more.
Status StoreImpl::drop_segments(const std::vector<std::uint64_t>& numbers,
                                const std::vector<std::uint64_t>& compressed) {
  for (const std::uint64_t number : compressed) {
    SELVEDGE_TRY(catalog_->forget(number));
    SELVEDGE_TRY(catalog_->remove_archive(number));
  }
  for (const std::uint64_t number : numbers) {
    SELVEDGE_TRY(catalog_->forget(number));
    SELVEDGE_TRY(log_->recycle(number));
  }
  return {};
}

/// The first segment that stays, of those before the first one that recovery needs: as many as the
/// options want, in one piece with what is needed, and all that a reader has not read.
Result<std::uint64_t> StoreImpl::let_go_before(std::uint64_t needed) {
  const LogRetention& retention = options_.log_retention;
  recovery_needs_ = needed;
  if (retention.everything || needed == 0) {
    return std::uint64_t{0};
  }
  const std::uint64_t age_us = static_cast<std::uint64_t>(retention.age.count()) * 1000000;
  const std::uint64_t now_us = files_.wall_clock_us();
  SELVEDGE_TRY(const auto segments, catalog_->segments());
  std::uint64_t first = needed;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t ended_us = now_us;  // a segment's last entry is not younger than its successor
  for (auto each = segments.rbegin(); each != segments.rend(); ++each) {
    if (each->identity.number < needed) {
      ++count;
      bytes += each->file_bytes;
      const bool within = (retention.segments == 0 || count <= retention.segments) &&
                          (retention.bytes == 0 || bytes <= retention.bytes) &&
                          (age_us == 0 || ended_us + age_us > now_us) &&
                          (retention.segments != 0 || retention.bytes != 0 || age_us != 0);
      if (!within) {
        break;
      }
      first = each->identity.number;
    }
    ended_us = each->created_at_us;
  }
  return catalog_->retire(first, options_.reader_lag_bytes_max);
}

/// Compresses the oldest segment that recovery does not need and that is not compressed yet: the
/// compressed file first, then the manifest, then the segment's own file goes. It is deleted, not
/// used again: somebody may be reading it.
Status StoreImpl::compress_next() {
  const MutexLock lock(checkpoint_mutex_);
  SELVEDGE_TRY(const auto segments, catalog_->segments());
  const auto next = std::find_if(segments.begin(), segments.end(),
                                 [](const history::Segment& each) { return !each.compressed; });
  if (next == segments.end() || next->last() || next->identity.number >= recovery_needs_) {
    return {};
  }
  const std::uint64_t number = next->identity.number;
  if (Status done = catalog_->compress(*next); !done) {
    recovery_needs_ = 0;  // not again before the next checkpoint: it reads a whole segment
    return done;
  }
  base::yield_point("retention.compressed");
  {
    const MutexLock guard(manifest_mutex_);
    snapshot::Manifest changed = manifest_;
    const auto listed = std::find_if(changed.segments.begin(), changed.segments.end(),
                                     [&](const auto& each) { return each.number == number; });
    changed.archive.push_back({number, next->identity.salt, next->identity.first_sequence,
                               snapshot::SegmentState::sealed});
    SELVEDGE_ASSERT(listed != changed.segments.end());  // only checkpoints take segments out
    // Files before it that are listed and were never used go with it: what is not listed must be
    // older than what is, or the next open takes it for part of the log.
    changed.segments.erase(changed.segments.begin(), listed + 1);
    SELVEDGE_TRY(changed.save(files_, path_));
    manifest_ = std::move(changed);
  }
  SELVEDGE_TRY(catalog_->segments());  // new readers look for it where it is now
  return files_.unlink(wal::segment_path(wal_path(), number));
}

Status StoreImpl::remove_snapshots(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    SELVEDGE_TRY(files_.unlink(snapshots_path() + "/" + name));
  }
  return {};
}

Status StoreImpl::backup(const std::string& directory) {
  std::uint64_t view = 0;
  graph::ReaderSlot* slot = manager_->open_view(view);
  const auto copy = [&]() -> Status {
    if (!base::mutant(base::Mutant::backup_not_synced)) {
      SELVEDGE_TRY(log_->sync(view));  // a copy holds nothing that a crash could still take back
    }
    SELVEDGE_TRY(const FileKind kind, files_.kind(directory));
    if (kind != FileKind::none) {
      return fail(Error(ErrorCode::already_exists, "the backup's directory exists").at(directory));
    }
    SELVEDGE_TRY(files_.mkdir(directory));
    SELVEDGE_TRY(files_.mkdir(directory + "/wal"));
    SELVEDGE_TRY(files_.mkdir(directory + "/snapshots"));
    // A copy has a history of its own from here on (rule 30).
    snapshot::Manifest manifest;
    manifest.store = io::random_uuid(files_);
    manifest.created_us = files_.wall_clock_us();
    SELVEDGE_TRY(
        const auto writer,
        snapshot::SnapshotWriter::create(
            files_, directory + "/snapshots", snapshot::snapshot_name(0, 1), manifest.store,
            snapshot::Kind::backup, options_.snapshot_compression, manifest.created_us));
    SELVEDGE_TRY(snapshot::capture_view(*graph_, slot, view, *writer));
    snapshot::Footer footer;
    footer.begin = view + 1;
    footer.low_water = view + 1;
    footer.end = view;
    footer.wall_us = manifest.created_us;
    footer.node_slots = graph_->node_end();
    footer.edge_slots = graph_->edge_end();
    SELVEDGE_TRY(footer, writer->finish(footer));
    SELVEDGE_TRY(writer->adopt_name(snapshot::snapshot_name(footer.end, 1)));
    manifest.watermark = view;
    manifest.wall_us = manifest.created_us;
    manifest.next_snapshot = 2;
    manifest.clean_close = true;
    manifest.snapshots.push_back(
        entry_of(*writer, footer, manifest.created_us, snapshot::Kind::backup));
    for (const std::string& each : {directory + "/wal", directory, parent_directory(directory)}) {
      SELVEDGE_TRY(files_.sync_dir(each));
    }
    return manifest.save(files_, directory);
  };
  Status status = copy();
  manager_->close_view(slot);
  return status;
}

}  // namespace selvedge::detail
