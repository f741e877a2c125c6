// The composition root: everything of an open store, and its maintenance.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <selvedge/file_system.h>
#include <selvedge/store.h>

#include "base/mutex.h"
#include "graph/graph.h"
#include "history/catalog.h"
#include "snapshot/manifest.h"
#include "store/as_of.h"
#include "store/read_state.h"
#include "txn/manager.h"
#include "txn/schema_changes.h"
#include "wal/log.h"

namespace selvedge::detail {

/// Role: owns the layers of one open store and wires them.
/// Invariants: the manifest on disk lists every segment before it is written to and every snapshot
///   that counts; its watermark is at least every listed `end`. Lock order: docs/concurrency.md.
/// Threads: all functions from any thread; `close` waits for checkpoints and maintenance.
/// After failure: a failed checkpoint leaves the old snapshots and log in force.
class StoreImpl final : public wal::SegmentRegistry, public history::LogSource {
 public:
  static Result<std::unique_ptr<StoreImpl>> open(const std::string& path, const Options& options);
  /// As it was; for reading only.
  static Result<std::unique_ptr<StoreImpl>> open_as_of(const std::string& path,
                                                       const PointInTime& point, Options options);
  ~StoreImpl() override;

  /// Refused while views or transactions are open. Waits for checkpoints and maintenance.
  Status close();
  Status checkpoint();
  Status sync();
  /// For work on the log outside of transactions: refused when the store is closed, else done
  /// before it can be.
  template <class Body>
  auto while_open(Body body) -> decltype(body()) {
    const SharedLock alive(lifecycle_mutex_);
    SELVEDGE_TRY(writable());
    return body();
  }
  Status backup(const std::string& directory);
  Status maintain();
  [[nodiscard]] StoreStats stats();
  Status create_schema(const SchemaSpec& spec, const SchemaOptions& options);
  Status drop_schema(std::string_view name);
  [[nodiscard]] std::vector<SchemaInfo> schema();
  /// Nothing when writes are accepted.
  [[nodiscard]] Status writable() const;

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] graph::Graph& graph() { return *graph_; }
  [[nodiscard]] txn::Manager& manager() { return *manager_; }
  [[nodiscard]] wal::Log& log() { return *log_; }
  [[nodiscard]] const RecoveryReport& report() const { return report_; }
  [[nodiscard]] const Uuid& uuid() const { return manifest_uuid_; }

  /// What reads the log; of a store that is open for writing.
  [[nodiscard]] history::Catalog& catalog() { return *catalog_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] FileSystem& files() { return files_; }
  [[nodiscard]] bool closed() const { return closed_; }

  Status segment_prepared(const wal::SegmentInfo& segment) override;
  void segment_wanted() override;
  void durable_advanced() override;

 private:
  explicit StoreImpl(std::string path, const Options& options);
  Status prepare_directory();
  Status create_store(bool made_directory);
  Status save_first_manifest();
  Status load_and_recover();
  Status recover_once();
  Status start_log();
  Status close_losers();
  Status write_clean_close();
  void start_maintenance();
  void maintenance_loop();
  Status maintain_once() SELVEDGE_REQUIRES_SHARED(lifecycle_mutex_);
  [[nodiscard]] Status nothing_open() const;
  [[nodiscard]] bool checkpoint_due();
  Status take_checkpoint() SELVEDGE_REQUIRES_SHARED(lifecycle_mutex_);
  Status write_checkpoint() SELVEDGE_REQUIRES(checkpoint_mutex_);
  Result<std::vector<snapshot::ManifestSnapshot>> choose_kept(
      std::vector<snapshot::ManifestSnapshot> all);
  Status list_snapshot(snapshot::ManifestSnapshot fresh) SELVEDGE_REQUIRES(checkpoint_mutex_);
  Status adopt(snapshot::ManifestSnapshot fresh) SELVEDGE_REQUIRES(checkpoint_mutex_);
  [[nodiscard]] bool keeps_older(const snapshot::ManifestSnapshot& snapshot,
                                 std::size_t kept) const;
  Result<std::uint64_t> let_go_before(std::uint64_t needed) SELVEDGE_REQUIRES(checkpoint_mutex_);
  Status drop_segments(const std::vector<std::uint64_t>& numbers,
                       const std::vector<std::uint64_t>& compressed);
  Status compress_next();
  Status remove_snapshots(const std::vector<std::string>& names);
  Result<std::vector<snapshot::ManifestSegment>> segments_from(std::uint64_t low_water);
  [[nodiscard]] std::uint64_t end() const override { return log_->durable(); }
  [[nodiscard]] std::vector<Listed> segments() const override;
  [[nodiscard]] bool grows() const override { return true; }
  [[nodiscard]] std::string wal_path() const { return path_ + "/wal"; }
  [[nodiscard]] std::string snapshots_path() const { return path_ + "/snapshots"; }

  const std::string path_;
  const Options options_;
  std::optional<PointInTime> as_of_;
  /// Shared: work on the files that is not part of a transaction. Exclusive: the end of it.
  SharedMutex lifecycle_mutex_;
  FileSystem& files_;
  std::unique_ptr<FileLock> lock_;
  RecoveryReport report_;
  Uuid manifest_uuid_;

  mutable Mutex manifest_mutex_;
  snapshot::Manifest manifest_ SELVEDGE_GUARDED_BY(manifest_mutex_);

  std::unique_ptr<graph::Graph> graph_;
  std::unique_ptr<wal::Log> log_;
  std::unique_ptr<txn::Manager> manager_;
  std::unique_ptr<txn::SchemaChanges> schema_changes_;
  std::unique_ptr<history::Catalog> catalog_;
  wal::LogStart log_start_;
  std::vector<std::uint64_t> losers_;
  std::vector<std::uint64_t> unused_segments_;
  graph::BaseCounts counts_;

  Mutex checkpoint_mutex_;
  /// Number of the first segment that recovery from any kept snapshot reads; 0 = not known, and
  /// nothing is compressed.
  std::uint64_t recovery_needs_ SELVEDGE_GUARDED_BY(checkpoint_mutex_) = 0;
  std::atomic<std::uint64_t> checkpoints_{0};
  std::atomic<std::uint64_t> checkpoint_log_bytes_{0};  ///< log bytes at the last one
  std::atomic<std::uint64_t> checkpoint_at_us_{0};

  Mutex maintenance_mutex_;
  CondVar maintenance_wake_;
  bool maintenance_stop_ SELVEDGE_GUARDED_BY(maintenance_mutex_) = false;
  std::string maintenance_fault_ SELVEDGE_GUARDED_BY(maintenance_mutex_);
  std::string checkpoint_fault_ SELVEDGE_GUARDED_BY(maintenance_mutex_);
  std::atomic<bool> segment_wanted_{false};
  std::thread maintenance_;
  std::atomic<bool> closed_{false};
  bool opened_ = false;  ///< all of it: what a close may then say is that it was clean
  Mutex close_mutex_;
  std::optional<Status> close_result_ SELVEDGE_GUARDED_BY(close_mutex_);
};

/// The directory that holds the path's own entry.
std::string parent_directory(const std::string& path);

}  // namespace selvedge::detail
