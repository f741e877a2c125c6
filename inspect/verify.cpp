// Everything that counts in a store's files, read and held against everything else.
#include <selvedge/inspect.h>

#include <algorithm>
#include <utility>

#include <selvedge/store.h>
#include <selvedge/txlog.h>

#include "base/progress_meter.h"
#include "inspect/store_files.h"
#include "snapshot/snapshot_reader.h"

namespace selvedge {

namespace inspect {

namespace {

bool same_files(const snapshot::Manifest& one, const snapshot::Manifest& other) {
  return one.segments == other.segments && one.archive == other.archive &&
         one.snapshots == other.snapshots;
}

/// Role: one verification.
/// Threads: one. After failure: an error is returned only by `run`, before anything was read.
class Verification {
 public:
  Verification(FileSystem& files, const std::string& path, const VerifyOptions& options)
      : files_(files), path_(path), meter_(options.progress, Activity::verify) {}

  Result<VerifyReport> run() {
    auto manifest = load_manifest(files_, path_);
    if (!manifest) {
      if (manifest.error().code() != ErrorCode::corruption) {
        return fail(std::move(manifest).error());
      }
      fault("manifest", std::move(manifest).error());
      return std::move(report_);
    }
    snapshots(*manifest);
    log();
    state();
    meter_.finish();
    return std::move(report_);
  }

 private:
  void fault(const char* part, Error error) { report_.faults.push_back({part, std::move(error)}); }

  void snapshots(const snapshot::Manifest& manifest) {
    std::uint64_t total = 0;
    for (const auto& each : manifest.snapshots) {
      total += each.bytes;
    }
    meter_.step("snapshots", ProgressUnit::bytes, total);
    for (const snapshot::ManifestSnapshot& each : manifest.snapshots) {
      if (const Status status = one_snapshot(manifest, each); status) {
        ++report_.snapshots;
        report_.snapshot_bytes += each.bytes;
      } else if (still_listed(each)) {
        fault("snapshot", status.error().clone());
      }
      meter_.add(each.bytes);
    }
  }

  Status one_snapshot(const snapshot::Manifest& manifest,
                      const snapshot::ManifestSnapshot& listed) const {
    const std::string file = path_ + "/snapshots/" + listed.file;
    SELVEDGE_TRY(const auto reader, snapshot::SnapshotReader::open(files_, file));
    if (reader.header().store != manifest.store) {
      return fail(Error(ErrorCode::corruption, "the snapshot is of another store")
                      .at(file)
                      .mismatch(to_string(manifest.store), to_string(reader.header().store)));
    }
    const snapshot::Footer& footer = reader.footer();
    if (footer.end != listed.end || footer.low_water != listed.low_water ||
        footer.digest.to_string() != listed.digest) {
      return fail(
          Error(ErrorCode::corruption, "the snapshot is not the one that is listed")
              .at(file)
              .mismatch(std::to_string(listed.end) + ", digest " + listed.digest,
                        std::to_string(footer.end) + ", digest " + footer.digest.to_string()));
    }
    return reader.verify();
  }

  /// A live store takes snapshots away that it does not need any more.
  [[nodiscard]] bool still_listed(const snapshot::ManifestSnapshot& listed) const {
    const auto now = load_manifest(files_, path_);
    return !now ||
           std::find(now->snapshots.begin(), now->snapshots.end(), listed) != now->snapshots.end();
  }

  /// Again when a live store let go of log meanwhile.
  void log() {
    constexpr int attempts = 5;
    for (int attempt = 1;; ++attempt) {
      const auto before = load_manifest(files_, path_);
      const Status status = log_once();
      if (status) {
        return;
      }
      const auto after = load_manifest(files_, path_);
      if (attempt == attempts || !before || !after || same_files(*before, *after)) {
        fault("log", status.error().clone());
        return;
      }
    }
  }

  Status log_once() {
    report_.entries = 0;
    report_.first = {};
    report_.last = {};
    SELVEDGE_TRY(const Txlog log, Txlog::open(path_, {.file_system = &files_}));
    const Sequence first = log.first();
    const Sequence last = log.last();
    meter_.step("log", ProgressUnit::entries, last < first ? 0 : last.value - first.value + 1);
    SELVEDGE_TRY(auto cursor, log.entries(first));
    while (cursor.next()) {
      if (report_.entries == 0) {
        report_.first = cursor.entry().sequence;
      }
      report_.last = cursor.entry().sequence;
      ++report_.entries;
      meter_.add(1);
    }
    return cursor.status() ? Status{} : fail(cursor.status().error().clone());
  }

  void state() {
    meter_.step("state", ProgressUnit::records);
    Options options;
    options.read_only = true;
    options.file_system = &files_;
    const auto store = Store::open(path_, options);
    if (!store) {
      // The same damage of the log is not told twice.
      const bool told = std::any_of(
          report_.faults.begin(), report_.faults.end(),
          [&](const VerifyFault& each) { return each.error.message() == store.error().message(); });
      if (!told) {
        fault("state", store.error().clone());
      }
      return;
    }
    report_.recovered = true;
    report_.recovery = store->recovery_report();
    for (const std::string& rejected : report_.recovery.rejected_snapshots) {
      if (report_.faults.empty()) {
        fault("snapshot", Error(ErrorCode::corruption, "recovery rejects it: " + rejected));
      }
    }
    CheckReport check = store->check();
    report_.nodes = check.nodes;
    report_.edges = check.edges;
    for (const std::string& each : check.faults) {
      fault("state", Error(ErrorCode::corruption, each));
    }
    report_.digest = store->digest();
  }

  FileSystem& files_;
  const std::string& path_;
  base::ProgressMeter meter_;
  VerifyReport report_;
};

}  // namespace

}  // namespace inspect

Result<VerifyReport> verify_files(const std::string& path, const VerifyOptions& options) {
  return inspect::Verification(inspect::files_or_default(options.file_system), path, options).run();
}

}  // namespace selvedge
