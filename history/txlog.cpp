// The public log, and the log of a store that is not open here.
#include <selvedge/txlog.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "history/entries.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot_reader.h"
#include "wal/log_scanner.h"

namespace selvedge {

namespace history {

namespace {

/// Role: a log by its path: what a scan found, and names from the newest snapshot and the log.
/// Invariants: nothing on disk changes; the end stays where the scan found it.
class PathLog final : public LogSource {
 public:
  PathLog(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  Status scan(bool unconfirmed) {
    SELVEDGE_TRY(const auto manifest, snapshot::Manifest::load(files_, path_));
    wal::ScanOptions options;
    SELVEDGE_TRY(options.from_sequence, load_names(manifest));
    options.acknowledged = manifest.watermark;
    options.store = manifest.store;
    options.listed.emplace();
    for (const auto& segment : manifest.segments) {
      options.listed->push_back({segment.number, static_cast<std::uint32_t>(segment.salt)});
    }
    const wal::LogScanner scanner(files_, path_ + "/wal");
    SELVEDGE_TRY(const wal::LogExtent log, scanner.scan(options, [&](const wal::FrameView& frame) {
      return note_names(frame);
    }));
    for (const auto& each : manifest.archive) {
      segments_.push_back(
          {{each.number, static_cast<std::uint32_t>(each.salt)}, true, each.first_sequence});
    }
    for (const wal::SegmentExtent& extent : log.segments) {
      segments_.push_back({extent.info, false});
    }
    const std::uint64_t written = log.next_sequence - 1;
    end_ = unconfirmed || log.closed_cleanly
               ? written
               : std::min(written, std::max(manifest.watermark, log.watermark));
    catalog_.emplace(files_, Catalog::Config{path_, manifest.store, false}, *this, names_);
    return catalog_->catch_up();
  }

  [[nodiscard]] std::uint64_t end() const override { return end_; }
  [[nodiscard]] std::vector<Listed> segments() const override { return segments_; }
  [[nodiscard]] bool grows() const override { return false; }
  [[nodiscard]] Catalog& catalog() { return *catalog_; }

 private:
  /// Where the log must be read for the names that are not in the newest sound snapshot.
  Result<std::uint64_t> load_names(const snapshot::Manifest& manifest) {
    for (auto each = manifest.snapshots.rbegin(); each != manifest.snapshots.rend(); ++each) {
      auto reader = snapshot::SnapshotReader::open(files_, path_ + "/snapshots/" + each->file);
      if (!reader) {
        continue;  // the one before it, with more of the log, has the same names
      }
      SELVEDGE_TRY(load_names(*reader));
      return reader->footer().low_water;
    }
    return std::uint64_t{1};
  }

  Status load_names(const snapshot::SnapshotReader& reader) {
    for (std::size_t i = 0; i < reader.chunks().size(); ++i) {
      if (reader.chunks()[i].type != snapshot::ChunkType::names) {
        continue;
      }
      SELVEDGE_TRY(const snapshot::Chunk chunk, reader.load(i));
      SELVEDGE_TRY(chunk.names([&](const snapshot::NameRecord& name) {
        return define(static_cast<graph::NameKind>(name.kind), name.id, name.text);
      }));
    }
    return {};
  }

  Status note_names(const wal::FrameView& frame) {
    if (frame.header.transaction != 0 || frame.header.regenerable() ||
        frame.header.kind != wal::FrameKind::operations) {
      return {};
    }
    return graph::decode_entries(
               shape_of(frame.header), frame.payload,
               [&](const graph::EntryView& entry) -> Status {
                 if (entry.kind != graph::ChangeKind::define_name) {
                   return {};
                 }
                 return graph::decode_entry(entry, [&](const graph::Change& change, std::uint64_t) {
                   return define(change.name_kind, change.type, as_text(change.after));
                 });
               })
        .map([](const graph::FrameNotes&) {});
  }

  Status define(graph::NameKind kind, std::uint32_t id, std::string_view text) {
    // Ids are given in order; one far off would cost memory for all below it.
    graph::Dictionary& names = names_.of(kind);
    constexpr std::uint32_t gap_max = 1U << 16;
    if (id > names.size() + gap_max || !names.define(id, text)) {
      return fail(Error(ErrorCode::corruption, "a name that cannot be")
                      .at(path_)
                      .mismatch("the next id, or the same text", std::to_string(id)));
    }
    return {};
  }

  FileSystem& files_;
  const std::string path_;
  graph::Names names_;
  std::vector<Listed> segments_;
  std::uint64_t end_ = 0;
  std::optional<Catalog> catalog_;
};

Error unknown_transaction(const Uuid& transaction) {
  return Error(ErrorCode::not_found, "no transaction of this store has this UUID")
      .mismatch("one that the store gave", to_string(transaction));
}

}  // namespace

}  // namespace history

using history::CursorImpl;
using history::Lease;

// --- the cursor --------------------------------------------------------------------------------

TxlogCursor::TxlogCursor(std::unique_ptr<CursorImpl> impl) : impl_(std::move(impl)) {}
TxlogCursor::TxlogCursor(TxlogCursor&&) noexcept = default;
TxlogCursor& TxlogCursor::operator=(TxlogCursor&&) noexcept = default;
TxlogCursor::~TxlogCursor() = default;
bool TxlogCursor::next() { return impl_->next(); }
const LogEntry& TxlogCursor::entry() const { return impl_->entry(); }
const Status& TxlogCursor::status() const { return impl_->status(); }
Sequence TxlogCursor::position() const { return {impl_->position()}; }

// --- the log -----------------------------------------------------------------------------------

Txlog::Txlog(std::unique_ptr<Lease> lease) : lease_(std::move(lease)) {}
Txlog::Txlog(Txlog&&) noexcept = default;
Txlog& Txlog::operator=(Txlog&&) noexcept = default;
Txlog::~Txlog() = default;

Result<Txlog> Txlog::open(const std::string& path, const TxlogOptions& options) {
  FileSystem& files = options.file_system != nullptr ? *options.file_system : posix_file_system();
  // Beside a live store, manifest and files may be of two moments: look again.
  constexpr int attempts = 5;
  for (int attempt = 1;; ++attempt) {
    auto log = std::make_shared<history::PathLog>(files, path);
    const Status status = log->scan(options.unconfirmed);
    if (status) {
      return Txlog(std::make_unique<Lease>(log->catalog(), log));
    }
    const ErrorCode code = status.error().code();
    if (attempt == attempts || (code != ErrorCode::corruption && code != ErrorCode::not_found)) {
      return fail(status.error().clone());
    }
  }
}

Sequence Txlog::first() const {
  const auto first = lease_->catalog().first();
  return {first ? *first : lease_->catalog().end() + 1};
}
Sequence Txlog::last() const { return {lease_->catalog().end()}; }
const Uuid& Txlog::db() const { return lease_->catalog().store(); }

Result<TxlogCursor> Txlog::entries(Sequence from, Sequence to, std::uint64_t limit,
                                   EntryFilter filter) const {
  const std::uint64_t start = std::max<std::uint64_t>(from.value, 1);
  // The pin first: from then on nothing is let go of.
  auto impl = std::make_unique<CursorImpl>(
      *lease_, std::make_unique<history::FramesFrom>(lease_->catalog(), start), std::move(filter),
      start, to.value, limit);
  SELVEDGE_TRY(lease_->catalog().locate(start));
  return TxlogCursor(std::move(impl));
}

Result<TxlogCursor> Txlog::by_transaction(TxnNumber number) const {
  if (number.value == 0) {
    return fail(ErrorCode::not_found, "0 is the number of no transaction");
  }
  auto frames = std::make_unique<history::FramesOf>(lease_->catalog(), number.value);
  SELVEDGE_TRY(frames->probe());
  return TxlogCursor(
      std::make_unique<CursorImpl>(*lease_, std::move(frames), EntryFilter{}, number.value, 0, 0));
}

Result<TxlogCursor> Txlog::by_transaction(const Uuid& transaction) const {
  const std::uint64_t number = derived_number(transaction);
  if (number == 0 || derive_uuid(db(), number) != transaction) {
    return fail(history::unknown_transaction(transaction));
  }
  return by_transaction(TxnNumber{number});
}

}  // namespace selvedge
