#include "store/store_impl.h"

#include <algorithm>
#include <filesystem>

#include "base/assert.h"
#include "base/mutants.h"
#include "graph/change.h"
#include "io/file_util.h"
#include "recovery/recovery.h"
#include "wal/frame.h"

namespace selvedge::detail {

std::string parent_directory(const std::string& path) {
  std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  if (!normal.has_filename()) {
    normal = normal.parent_path();  // it ended with a slash
  }
  const std::filesystem::path parent = normal.parent_path();
  return parent.empty() ? "." : parent.string();
}

namespace {

wal::SyncMode mode_of(SyncMode mode) {
  switch (mode) {
    case SyncMode::immediate: return wal::SyncMode::immediate;
    case SyncMode::batch: return wal::SyncMode::batch;
    case SyncMode::none: break;
  }
  return wal::SyncMode::none;
}

}  // namespace

StoreImpl::StoreImpl(std::string path, const Options& options)
    : path_(std::move(path)),
      options_(options),
      files_(options.file_system != nullptr ? *options.file_system : posix_file_system()) {}

StoreImpl::~StoreImpl() {
  // What outlives its store would read freed memory: stop here instead.
  SELVEDGE_ASSERT(nothing_open());
  // Nobody is left to tell: whoever wants to know calls close.
  static_cast<void>(close());
  SELVEDGE_ASSERT(graph_ == nullptr || !graph_->epochs.pinned());  // a cursor without its view
}

// --- the way of an open ------------------------------------------------------------------------

namespace {

/// What would mean nothing is refused before anything is touched.
Status check_times(const Options& options) {
  const std::pair<const char*, std::int64_t> times[] = {
      {"batch_interval", options.batch_interval.count()},
      {"version_age", options.version_age.count()},
      {"transaction_age_max", options.transaction_age_max.count()},
      {"checkpoint_interval", options.checkpoint_interval.count()},
      {"snapshot_age", options.snapshot_age.count()},
      {"log_retention.age", options.log_retention.age.count()}};
  for (const auto& [name, count] : times) {
    if (count < 0) {
      return fail(ErrorCode::invalid_argument, std::string("Options::") + name + " is negative");
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<StoreImpl>> StoreImpl::open(const std::string& path,
                                                   const Options& options) {
  SELVEDGE_TRY(check_times(options));
  std::unique_ptr<StoreImpl> store(new StoreImpl(path, options));
  SELVEDGE_TRY(store->prepare_directory());
  SELVEDGE_TRY(store->load_and_recover());
  SELVEDGE_TRY(store->start_log());
  store->opened_ = true;
  store->start_maintenance();
  return store;
}

Result<std::unique_ptr<StoreImpl>> StoreImpl::open_as_of(const std::string& path,
                                                         const PointInTime& point,
                                                         Options options) {
  SELVEDGE_TRY(check_times(options));
  if (options.salvage) {
    return fail(ErrorCode::invalid_argument, "a store that is opened as it was is not salvaged");
  }
  options.read_only = true;
  std::unique_ptr<StoreImpl> store(new StoreImpl(path, options));
  store->as_of_ = point;
  SELVEDGE_TRY(store->prepare_directory());
  SELVEDGE_TRY(store->load_and_recover());
  SELVEDGE_TRY(store->start_log());
  store->opened_ = true;
  return store;
}

/// Leaves a locked directory with a manifest, or an error and no change.
Status StoreImpl::prepare_directory() {
  SELVEDGE_TRY(const FileKind kind, files_.kind(path_));
  if (kind == FileKind::file || kind == FileKind::other) {
    return fail(Error(ErrorCode::not_a_store, "the path is not a directory").at(path_));
  }
  if (kind == FileKind::none) {
    if (!options_.create_if_missing || options_.read_only) {
      return fail(Error(ErrorCode::not_found, "there is no store").at(path_));
    }
    SELVEDGE_TRY(files_.mkdir(path_));
  }
  SELVEDGE_TRY(const auto entries, files_.list(path_));
  bool manifest = false;
  bool foreign = false;
  for (const DirectoryEntry& entry : entries) {
    manifest = manifest || entry.name == snapshot::manifest_name;
    foreign =
        foreign || (entry.name != snapshot::manifest_name && entry.name != "LOCK" &&
                    entry.name != "wal" && entry.name != "snapshots" && entry.name != "history" &&
                    entry.name != std::string(snapshot::manifest_name) + ".tmp");
  }
  if (!manifest && foreign) {
    return fail(Error(ErrorCode::not_a_store, "the directory holds something else").at(path_));
  }
  if (!manifest && (options_.read_only || !options_.create_if_missing)) {
    return fail(Error(ErrorCode::not_found, "there is no store").at(path_));
  }
  if (!options_.read_only) {
    SELVEDGE_TRY(lock_, files_.lock(path_ + "/LOCK"));
  }
  return manifest ? Status{} : create_store(kind == FileKind::none);
}

Status StoreImpl::create_store(bool made_directory) {
  for (const std::string& directory : {wal_path(), snapshots_path()}) {
    SELVEDGE_TRY(const FileKind kind, files_.kind(directory));
    if (kind == FileKind::none) {
      SELVEDGE_TRY(files_.mkdir(directory));
    }
    SELVEDGE_TRY(const auto entries, files_.list(directory));
    if (!entries.empty()) {
      // An interrupted creation leaves empty directories; files mean that the manifest is lost.
      return fail(Error(ErrorCode::corruption, "the manifest is missing beside existing data")
                      .at(path_ + "/" + snapshot::manifest_name)
                      .mismatch("a manifest", entries.front().name + " in " + directory));
    }
    SELVEDGE_TRY(files_.sync_dir(directory));
  }
  if (base::mutant(base::Mutant::directory_not_synced)) {
    return save_first_manifest();
  }
  SELVEDGE_TRY(files_.sync_dir(path_));
  // An earlier attempt may have made the directory and died; who may not read the parent has not.
  const Status named = files_.sync_dir(parent_directory(path_));
  if (!named && (made_directory || named.error().code() != ErrorCode::permission_denied)) {
    return fail(named.error().clone());
  }
  return save_first_manifest();
}

Status StoreImpl::save_first_manifest() {
  snapshot::Manifest fresh;
  fresh.store = io::random_uuid(files_);
  fresh.created_us = files_.wall_clock_us();
  fresh.clean_close = true;
  SELVEDGE_TRY(fresh.save(files_, path_));
  report_.created = true;
  return {};
}

Status StoreImpl::load_and_recover() {
  // A reader beside a live store may see a manifest and files of two moments: it looks again.
  const int attempts = options_.read_only ? 5 : 1;
  for (int attempt = 1;; ++attempt) {
    Status status = recover_once();
    const bool again = !status && attempt < attempts &&
                       (status.error().code() == ErrorCode::corruption ||
                        status.error().code() == ErrorCode::not_found ||
                        status.error().code() == ErrorCode::not_retained);
    if (!again) {
      return status;
    }
  }
}

Status StoreImpl::recover_once() {
  const bool created = report_.created;
  SELVEDGE_TRY(auto manifest, snapshot::Manifest::load(files_, path_));
  recovery::RecoveryInput input{files_, path_, manifest, options_, graph_};
  std::unique_ptr<PastFiles> past;
  if (as_of_) {
    SELVEDGE_TRY(past, PastFiles::open(files_, path_, manifest, *as_of_));
    input.past = past.get();
    input.until = past->point();
  }
  SELVEDGE_TRY(auto recovered, recovery::recover(input));
  counts_ = std::move(recovered.counts);
  losers_ = std::move(recovered.open_transactions);
  log_start_.next_sequence = recovered.next_sequence;
  log_start_.segment_number = recovered.log.segment_number_max + 1;
  log_start_.last_frame_crc = recovered.log.last_frame_crc;
  log_start_.last_entries = recovered.last_entries;
  log_start_.last_wall_us = recovered.wall_us;
  manifest_uuid_ = manifest.store;
  if (!options_.read_only) {
    SELVEDGE_TRY(recovery::settle_log(input, recovered));
    // What recovery settled on becomes the truth on disk before anything new is written.
    std::erase_if(manifest.segments, [&](const snapshot::ManifestSegment& segment) {
      return std::any_of(
          recovered.log.unused.begin(), recovered.log.unused.end(),
          [&](const wal::IdleSegment& idle) { return idle.info.number == segment.number; });
    });
    for (const wal::IdleSegment& idle : recovered.log.unused) {
      unused_segments_.push_back(idle.info.number);
    }
    manifest.snapshots = recovered.snapshots;
    manifest.segments = recovered.segments;
    manifest.watermark = recovered.next_sequence - 1;
    manifest.clean_close = false;
    manifest.wall_us = recovered.wall_us;
    SELVEDGE_TRY(manifest.save(files_, path_));
    SELVEDGE_TRY(recovery::remove_left_overs(input, recovered));
  }
  report_ = std::move(recovered.report);
  report_.created = created;
  const MutexLock lock(manifest_mutex_);
  manifest_ = std::move(manifest);
  return {};
}

Status StoreImpl::start_log() {
  wal::LogOptions log_options;
  log_options.sync = mode_of(options_.sync);
  log_options.segment_bytes = options_.segment_bytes;
  log_options.segment_entries_max = options_.segment_entries_max;
  log_options.buffer_bytes = options_.log_buffer_bytes;
  log_ = std::make_unique<wal::Log>(files_, wal_path(), log_options, manifest_uuid_, log_start_,
                                    *this);
  txn::ManagerOptions manager_options;
  manager_options.transaction_buffer_bytes = options_.transaction_buffer_bytes;
  manager_options.clock = &files_;
  manager_options.versions_kept = options_.versions_kept;
  manager_options.version_age_us =
      static_cast<std::uint64_t>(std::chrono::microseconds(options_.version_age).count());
  manager_ = std::make_unique<txn::Manager>(*graph_, *log_, manager_options);
  schema_changes_ = std::make_unique<txn::SchemaChanges>(*manager_);
  manager_->set_base_counts(std::move(counts_));
  catalog_ = std::make_unique<history::Catalog>(
      files_, history::Catalog::Config{path_, manifest_uuid_, !options_.read_only}, *this,
      graph_->names);
  if (options_.read_only) {
    return {};
  }
  for (const std::uint64_t number : unused_segments_) {
    SELVEDGE_TRY(log_->recycle(number));
  }
  SELVEDGE_TRY(catalog_->remove_strays());
  SELVEDGE_TRY(log_->prepare_next());
  SELVEDGE_TRY(close_losers());
  checkpoint_at_us_ = files_.wall_clock_us();
  return {};
}

/// Every transaction that the crash cut off gets its abort entry before anything new is logged, so
/// that no later truncation of the log can make it look undecided (rule 16).
Status StoreImpl::close_losers() {
  if (base::mutant(base::Mutant::losers_left_open)) {
    return {};
  }
  for (const std::uint64_t number : losers_) {
    SELVEDGE_TRY(manager_->close_loser(number));
  }
  return losers_.empty() ? Status{} : log_->sync_now();
}

Status StoreImpl::nothing_open() const {
  // In this order: a transaction that is aborted for its age counts before its view goes.
  std::uint64_t open = graph_ == nullptr ? 0 : graph_->epochs.oldest_view().open;
  open += manager_ == nullptr ? 0 : manager_->expired_open();
  const std::uint64_t readers = catalog_ == nullptr ? 0 : catalog_->leases();
  if (open + readers == 0) {
    return {};
  }
  return fail(Error(ErrorCode::invalid_argument,
                    open != 0 ? "views or transactions are still open"
                              : "the log is still being read: a Txlog or a cursor of it is alive")
                  .at(path_)
                  .mismatch("0", std::to_string(open + readers)));
}

/// A transaction opens its view and then looks at `closed_`; here it is the other way round. So
/// either it sees that the store is closed, or it is seen.
Status StoreImpl::close() {
  const MutexLock closing(close_mutex_);
  if (close_result_) {
    return *close_result_ ? Status{} : fail(close_result_->error().clone());
  }
  SELVEDGE_TRY(nothing_open());
  closed_ = true;
  if (Status open = nothing_open(); !open) {
    closed_ = false;
    return open;
  }
  if (maintenance_.joinable()) {
    {
      const MutexLock lock(maintenance_mutex_);
      maintenance_stop_ = true;
    }
    maintenance_wake_.notify_all();
    maintenance_.join();
  }
  const ExclusiveLock alone(lifecycle_mutex_);
  close_result_ = write_clean_close();
  lock_.reset();  // whatever happened: this store writes no more
  return *close_result_ ? Status{} : fail(close_result_->error().clone());
}

Status StoreImpl::write_clean_close() {
  if (!opened_ || options_.read_only) {
    return {};
  }
  SELVEDGE_TRY(log_->close());
  const MutexLock lock(manifest_mutex_);
  manifest_.clean_close = true;
  manifest_.watermark = std::max(manifest_.watermark, log_->durable());
  manifest_.wall_us = std::max(manifest_.wall_us, files_.wall_clock_us());
  return manifest_.save(files_, path_);
}

// --- segments ----------------------------------------------------------------------------------

Status StoreImpl::segment_prepared(const wal::SegmentInfo& segment) {
  const MutexLock lock(manifest_mutex_);
  const bool listed = std::any_of(manifest_.segments.begin(), manifest_.segments.end(),
                                  [&](const auto& each) { return each.number == segment.number; });
  snapshot::Manifest next = manifest_;
  if (!listed) {
    next.segments.push_back({segment.number, segment.salt});
  } else {
    for (auto& each : next.segments) {
      if (each.number == segment.number) {
        each.salt = segment.salt;
      }
    }
  }
  next.watermark = std::max(next.watermark, log_->durable());
  if (base::mutant(base::Mutant::watermark_too_high)) {
    next.watermark = log_->appended() + 1;
  }
  SELVEDGE_TRY(next.save(files_, path_));
  manifest_ = std::move(next);
  return {};
}

std::vector<history::LogSource::Listed> StoreImpl::segments() const {
  const MutexLock lock(manifest_mutex_);
  std::vector<Listed> listed;
  for (const snapshot::ManifestSegment& each : manifest_.archive) {
    listed.push_back(
        {{each.number, static_cast<std::uint32_t>(each.salt)}, true, each.first_sequence});
  }
  for (const snapshot::ManifestSegment& each : manifest_.segments) {
    listed.push_back({{each.number, static_cast<std::uint32_t>(each.salt)}, false});
  }
  return listed;
}

void StoreImpl::segment_wanted() {
  segment_wanted_.store(true, std::memory_order_release);
  maintenance_wake_.notify_all();
}

void StoreImpl::durable_advanced() { catalog_->advanced(); }

// --- state -------------------------------------------------------------------------------------

Status StoreImpl::writable() const {
  if (options_.read_only) {
    return fail(ErrorCode::read_only, "the store is open for reading only");
  }
  if (closed_) {
    return fail(Error(ErrorCode::closed, "the store is closed").at(path_));
  }
  if (log_->poisoned()) {
    const auto cause = log_->poison_cause();
    return fail(ErrorCode::poisoned, "the log failed: " + (cause ? cause->message() : ""));
  }
  return {};
}

namespace {

std::chrono::milliseconds whole_ms(std::uint64_t us) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(us / 1000));
}

}  // namespace

StoreStats StoreImpl::stats() {
  StoreStats stats;
  const wal::LogStats log = log_->stats();
  const txn::ManagerStats manager = manager_->stats();
  stats.visible = {log_->appended()};
  stats.durable = {log_->durable()};
  stats.horizon = {manager_->horizon()};
  stats.readable_from = {manager_->readable_from()};
  stats.log_entries = log.entries;
  stats.log_bytes = log.bytes;
  stats.log_writes = log.writes;
  stats.log_syncs = log.syncs;
  stats.log_segments = log.segments;
  stats.commits = manager.commits;
  stats.aborts = manager.aborts;
  stats.conflicts = manager.conflicts;
  stats.transactions_active = manager.active;
  stats.transactions_expired = manager.expired;
  const txn::Ages ages = manager_->ages();
  stats.transaction_oldest_age = whole_ms(ages.transaction_us);
  stats.transaction_oldest_number = ages.transaction;
  if (ages.transaction != 0) {
    stats.transaction_oldest_uuid = derive_uuid(manifest_uuid_, ages.transaction);
  }
  stats.view_oldest_age = whole_ms(ages.view_us);
  stats.finished_waiting = manager.finished_waiting;
  stats.views_open = graph_->epochs.oldest_view().open;
  stats.checkpoints = checkpoints_.load();
  stats.memory_used_bytes = graph_->arena.used_bytes();
  stats.memory_reserved_bytes = graph_->arena.reserved_bytes();
  stats.node_slots = graph_->node_end();
  stats.edge_slots = graph_->edge_end();
  stats.poisoned = log_->poisoned();
  const MutexLock lock(maintenance_mutex_);
  stats.cause = checkpoint_fault_.empty() ? maintenance_fault_ : checkpoint_fault_;
  if (const auto cause = log_->poison_cause()) {
    stats.cause = cause->message();
  }
  return stats;
}

// --- maintenance -------------------------------------------------------------------------------

void StoreImpl::start_maintenance() {
  if (options_.background_maintenance && !options_.read_only) {
    maintenance_ = std::thread([this] { maintenance_loop(); });
  }
}

void StoreImpl::maintenance_loop() {
  using std::chrono::microseconds;
  const microseconds interval = options_.sync == SyncMode::batch
                                    ? microseconds(options_.batch_interval)
                                    : microseconds(std::chrono::milliseconds(100));
  for (;;) {
    {
      const MutexLock lock(maintenance_mutex_);
      if (!maintenance_stop_ && !segment_wanted_.load(std::memory_order_acquire)) {
        maintenance_wake_.wait_for(maintenance_mutex_, interval);
      }
      if (maintenance_stop_) {
        return;
      }
    }
    const SharedLock alive(lifecycle_mutex_);
    const Status status = maintain_once();
    const MutexLock lock(maintenance_mutex_);
    maintenance_fault_ = status ? std::string() : status.error().message();
  }
}

/// One round: each part is tried, the first error is reported.
Status StoreImpl::maintain_once() {
  Status first;
  const auto run = [&](Status status) {
    if (!status && first) {
      first = std::move(status);
    }
  };
  if (options_.sync == SyncMode::batch) {
    run(log_->sync_now());
  }
  segment_wanted_.store(false, std::memory_order_release);
  if (!log_->poisoned()) {
    run(log_->prepare_next());
    run(manager_->close_zombies());
  }
  manager_->expire_old();
  manager_->reclaim(txn::Manager::Reclaim::batch);
  if (checkpoint_due()) {
    run(take_checkpoint());
  }
  run(catalog_->keep_next_index().map([](bool) {}));
  if (options_.log_retention.compression != Compression::none) {
    run(compress_next());
  }
  return first;
}

Status StoreImpl::maintain() {
  return while_open([&]() SELVEDGE_REQUIRES_SHARED(lifecycle_mutex_) { return maintain_once(); });
}

Status StoreImpl::sync() {
  return while_open([&] { return log_->sync_now(); });
}

}  // namespace selvedge::detail
