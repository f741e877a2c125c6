#include "history/catalog.h"

#include <algorithm>
#include <string_view>

#include "history/archive.h"
#include "io/file_util.h"

namespace selvedge::history {

namespace {

constexpr std::uint64_t index_bytes_max = std::uint64_t{256} << 20;

SegmentIdentity identity_of(const wal::SegmentHeader& header) {
  return {header.store, header.number, header.salt, header.first_sequence};
}

}  // namespace

Catalog::Catalog(FileSystem& files, Config config, const LogSource& source,
                 const graph::Names& names)
    : files_(files), config_(std::move(config)), source_(source), names_(names) {}

// --- segments ----------------------------------------------------------------------------------

Result<wal::SegmentReader> Catalog::open_file(std::uint64_t number, bool compressed,
                                              std::uint64_t* stored_bytes) const {
  if (!compressed) {
    SELVEDGE_TRY(auto reader, wal::SegmentReader::open(files_, wal_path(), number));
    if (stored_bytes != nullptr) {
      *stored_bytes = reader.file_bytes();
    }
    return reader;
  }
  SELVEDGE_TRY(auto archive,
               ArchiveFile::open(files_, history_path() + "/" + archive_name(number)));
  if (stored_bytes != nullptr) {
    *stored_bytes = archive->stored_bytes();
  }
  return wal::SegmentReader::open(std::move(archive), number);
}

/// Nothing for a segment that is not in use (yet), or gone.
Result<std::optional<Segment>> Catalog::header_of(const LogSource::Listed& listed) const {
  const wal::SegmentInfo& info = listed.info;
  std::uint64_t stored_bytes = 0;
  auto reader = open_file(info.number, listed.compressed, &stored_bytes);
  if (!reader && reader.error().code() == ErrorCode::not_found) {
    return std::optional<Segment>();  // let go of since it was listed
  }
  if (!reader && listed.compressed) {
    // Damaged: whoever reads it is told, and everybody else goes on.
    return std::optional<Segment>(
        Segment{{config_.store, info.number, info.salt, listed.first_sequence}, 0, 0, 0, true});
  }
  if (!reader) {
    return fail(std::move(reader).error());
  }
  const wal::SegmentHeader& header = reader->header();
  if (reader->header_state().state != wal::SegmentHeaderState::valid ||
      header.number != info.number || header.salt != info.salt || header.store != config_.store) {
    return std::optional<Segment>();
  }
  return std::optional<Segment>(
      Segment{identity_of(header), 0, stored_bytes, header.created_at_us, listed.compressed});
}

/// Only headers of segments that were not known are read.
Status Catalog::refresh() {
  const std::vector<LogSource::Listed> all = source_.segments();
  std::vector<Segment> fresh;
  for (const LogSource::Listed& listed : all) {
    const wal::SegmentInfo& info = listed.info;
    if (info.number < first_number_) {
      continue;
    }
    const auto known = std::find_if(segments_.begin(), segments_.end(), [&](const Segment& each) {
      return each.identity.number == info.number && each.identity.salt == info.salt &&
             each.compressed == listed.compressed;
    });
    std::optional<Segment> segment;
    if (known != segments_.end()) {
      segment = *known;
    } else {
      SELVEDGE_TRY(segment, header_of(listed));
    }
    if (segment) {
      if (!fresh.empty()) {
        fresh.back().next_sequence = segment->identity.first_sequence;
      }
      segment->next_sequence = 0;
      fresh.push_back(*segment);
    }
  }
  std::erase_if(indexes_, [&](const auto& each) {
    return std::none_of(fresh.begin(), fresh.end(), [&](const Segment& segment) {
      return segment.identity == each.second->identity();
    });
  });
  segments_ = std::move(fresh);
  return {};
}

/// The last one that begins at or before the sequence: a segment may be empty.
const Segment* Catalog::find(std::uint64_t sequence) const {
  const auto behind = std::upper_bound(segments_.begin(), segments_.end(), sequence,
                                       [](std::uint64_t wanted, const Segment& segment) {
                                         return wanted < segment.identity.first_sequence;
                                       });
  return behind == segments_.begin() ? nullptr : &*std::prev(behind);
}

Result<std::uint64_t> Catalog::first() {
  const std::uint64_t end = source_.end();
  const MutexLock lock(mutex_);
  SELVEDGE_TRY(refresh());
  return segments_.empty() ? end + 1 : std::min(segments_.front().identity.first_sequence, end + 1);
}

Result<std::optional<Segment>> Catalog::locate(std::uint64_t sequence) {
  if (sequence > source_.end()) {
    return std::optional<Segment>();
  }
  const MutexLock lock(mutex_);
  const Segment* segment = find(sequence);
  if (segment == nullptr || segment->last()) {
    SELVEDGE_TRY(refresh());
    segment = find(sequence);
  }
  if (segment != nullptr) {
    return std::optional<Segment>(*segment);
  }
  const std::string oldest =
      segments_.empty() ? "none" : std::to_string(segments_.front().identity.first_sequence);
  return fail(Error(ErrorCode::not_retained, "the log does not reach back so far")
                  .at(wal_path())
                  .mismatch("entry " + std::to_string(sequence), "the oldest is " + oldest));
}

Result<wal::SegmentReader> Catalog::open(const Segment& segment) {
  const std::uint64_t number = segment.identity.number;
  auto opened = open_file(number, segment.compressed);
  if (!opened && opened.error().code() == ErrorCode::not_found && !segment.compressed) {
    const MutexLock lock(mutex_);
    SELVEDGE_TRY(refresh());
    const bool compressed = std::any_of(
        segments_.begin(), segments_.end(),
        [&](const Segment& each) { return each.identity == segment.identity && each.compressed; });
    if (compressed) {
      opened = open_file(number, true);
    }
  }
  if (!opened && opened.error().code() == ErrorCode::not_found) {
    return fail(Error(ErrorCode::not_retained, "the segment was let go of meanwhile")
                    .at(wal::segment_path(wal_path(), number)));
  }
  SELVEDGE_TRY(auto reader, std::move(opened));
  if (reader.header_state().state != wal::SegmentHeaderState::valid ||
      identity_of(reader.header()) != segment.identity) {
    return fail(
        Error(ErrorCode::not_retained, "the segment was let go of meanwhile").at(reader.path(), 0));
  }
  return reader;
}

// --- indexes -----------------------------------------------------------------------------------

/// Reads on to the segment's end, or to the last entry that may be shown.
Status Catalog::extend(SegmentIndex& index, const Segment& segment, std::uint64_t end) {
  SELVEDGE_TRY(wal::SegmentReader reader, open(segment));
  reader.start_at(index.end_offset(), index.next_sequence(), segment.identity.salt);
  while (reader.next_sequence() < end) {
    SELVEDGE_TRY(const wal::ReadStep step, reader.next());
    const wal::FrameHeader& header = step.frame.header;
    const bool skipped = step.fault == wal::FrameFault::payload_crc && header.regenerable();
    if (step.kind == wal::ReadStep::Kind::frame || skipped) {
      if (header.count > 0) {
        index.add(header, step.offset);
      }
      if (skipped) {
        reader.skip_damaged(header, step.frame.header_crc);
      }
    } else if (segment.last() && step.kind != wal::ReadStep::Kind::bad) {
      return {};  // it goes on in a successor that has appeared since
    } else {
      return fail(
          Error(ErrorCode::corruption, "the log is damaged: " + std::string(to_string(step.fault)))
              .at(reader.path(), step.offset)
              .mismatch("entry " + std::to_string(reader.next_sequence()), step.found));
    }
  }
  return {};
}

Result<SegmentIndex> Catalog::build(const Segment& segment) {
  SegmentIndex index(segment.identity);
  {
    const MutexLock lock(tail_mutex_);
    if (tail_ && tail_->identity() == segment.identity) {
      index = *tail_;
    }
  }
  SELVEDGE_TRY(extend(index, segment, segment.next_sequence));
  return index;
}

Result<Catalog::Shared> Catalog::load(const Segment& segment) const {
  const std::string path = history_path() + "/" + index_name(segment.identity.number);
  SELVEDGE_TRY(const auto bytes, io::read_file(files_, path, index_bytes_max));
  SELVEDGE_TRY(auto index, SegmentIndex::decode(bytes, path));
  if (index.identity() != segment.identity || index.next_sequence() != segment.next_sequence) {
    return fail(Error(ErrorCode::corruption, "the index is of another segment").at(path));
  }
  return std::make_shared<const SegmentIndex>(std::move(index));
}

Status Catalog::make_directory() {
  if (directory_ready_) {
    return {};
  }
  const Status made = files_.mkdir(history_path());
  if (!made && made.error().code() != ErrorCode::already_exists) {
    return fail(made.error().clone());
  }
  SELVEDGE_TRY(files_.sync_dir(config_.directory));
  directory_ready_ = true;
  return {};
}

Status Catalog::keep(const SegmentIndex& index) {
  SELVEDGE_TRY(make_directory());
  return io::atomic_replace(files_, history_path(), index_name(index.identity().number),
                            index.encode());
}

/// Of a segment that is complete.
Result<Catalog::Shared> Catalog::index_of(const Segment& segment) {
  {
    const MutexLock lock(mutex_);
    const auto found = indexes_.find(segment.identity.number);
    if (found != indexes_.end() && found->second->identity() == segment.identity) {
      return found->second;
    }
  }
  auto loaded = load(segment);
  const bool found_file = loaded.has_value();
  if (!found_file) {
    // Missing, damaged, or of an older generation: the log has everything that is in it.
    SELVEDGE_TRY(SegmentIndex built, build(segment));
    loaded = std::make_shared<const SegmentIndex>(std::move(built));
  }
  const MutexLock lock(mutex_);
  if (!found_file && kept_) {
    kept_->erase(segment.identity.number);  // to be written (again) by maintenance
  }
  if (indexes_.size() >= indexes_max) {
    indexes_.erase(indexes_.begin()->first == segment.identity.number ? std::prev(indexes_.end())
                                                                      : indexes_.begin());
  }
  indexes_[segment.identity.number] = *loaded;
  return *loaded;
}

Result<const SegmentIndex*> Catalog::tail(const Segment& segment) {
  if (!tail_ || tail_->identity() != segment.identity) {
    tail_.emplace(segment.identity);
  }
  SELVEDGE_TRY(extend(*tail_, segment, source_.end() + 1));
  return &*tail_;
}

Result<FramePlace> Catalog::seek(const Segment& segment, std::uint64_t sequence) {
  if (!segment.last()) {
    SELVEDGE_TRY(const Shared index, index_of(segment));
    return index->find(sequence);
  }
  const MutexLock lock(tail_mutex_);
  SELVEDGE_TRY(const SegmentIndex* index, tail(segment));
  return index->find(sequence);
}

Result<std::vector<FramePlace>> Catalog::frames_of(const Segment& segment,
                                                   std::uint64_t transaction, bool& ended) {
  if (!segment.last()) {
    SELVEDGE_TRY(const Shared index, index_of(segment));
    return index->frames_of(transaction, ended);
  }
  const MutexLock lock(tail_mutex_);
  SELVEDGE_TRY(const SegmentIndex* index, tail(segment));
  return index->frames_of(transaction, ended);
}

void Catalog::distrust(const Segment& segment) {
  {
    const MutexLock lock(tail_mutex_);
    if (tail_ && tail_->identity() == segment.identity) {
      tail_.reset();
    }
  }
  auto built = build(segment);
  const MutexLock lock(mutex_);
  indexes_.erase(segment.identity.number);
  if (kept_) {
    kept_->erase(segment.identity.number);
  }
  if (built && !segment.last()) {
    indexes_[segment.identity.number] = std::make_shared<const SegmentIndex>(*std::move(built));
  }
}

Status Catalog::catch_up() {
  std::optional<Segment> segment;
  {
    const MutexLock lock(mutex_);
    SELVEDGE_TRY(refresh());
    if (!segments_.empty()) {
      segment = segments_.back();
    }
  }
  if (!segment || segment->identity.first_sequence > source_.end()) {
    return {};
  }
  const MutexLock lock(tail_mutex_);
  SELVEDGE_TRY(tail(*segment));
  return {};
}

Result<bool> Catalog::keep_next_index() {
  std::optional<Segment> next;
  {
    const MutexLock lock(mutex_);
    SELVEDGE_TRY(refresh());
    if (!kept_) {
      kept_.emplace();
      SELVEDGE_TRY(const FileKind kind, files_.kind(history_path()));
      const auto names = kind == FileKind::directory ? files_.list(history_path())
                                                     : Result<std::vector<DirectoryEntry>>();
      for (const Segment& segment : segments_) {
        const std::string name = index_name(segment.identity.number);
        const bool there =
            names && std::any_of(names->begin(), names->end(),
                                 [&](const auto& each) { return each.name == name; });
        if (there) {
          kept_->insert(segment.identity.number);
        }
      }
    }
    for (const Segment& segment : segments_) {
      if (!segment.last() && segment.next_sequence - 1 <= source_.end() &&
          !kept_->contains(segment.identity.number)) {
        next = segment;
        break;
      }
    }
  }
  if (!config_.keep_indexes || !next) {
    return false;
  }
  const auto index = build(*next);
  if (index) {
    SELVEDGE_TRY(keep(*index));
  }
  const MutexLock lock(mutex_);
  if (!index && next->identity.number >= first_number_) {
    kept_->insert(next->identity.number);  // it is not tried again in every round
    return fail(index.error().clone());    // else a checkpoint let go of it meanwhile
  }
  kept_->insert(next->identity.number);
  return true;
}

// --- what is needed, and what is let go of -----------------------------------------------------

Result<std::vector<Segment>> Catalog::segments() {
  const MutexLock lock(mutex_);
  SELVEDGE_TRY(refresh());
  return segments_;
}

Result<std::uint64_t> Catalog::retire(std::uint64_t first_number, std::uint64_t lag_bytes_max) {
  const MutexLock lock(mutex_);
  SELVEDGE_TRY(refresh());
  std::uint64_t behind_bytes = 0;
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    behind_bytes += segment->file_bytes;
    const std::uint64_t end = segment->last() ? ~std::uint64_t{0} : segment->next_sequence;
    const auto pin = pins_.lower_bound(segment->identity.first_sequence);
    if (pin != pins_.end() && *pin < end && segment->identity.number < first_number &&
        (lag_bytes_max == 0 || behind_bytes <= lag_bytes_max)) {
      first_number = segment->identity.number;
    }
  }
  first_number_ = std::max(first_number_, first_number);
  SELVEDGE_TRY(refresh());
  return first_number_;
}

void Catalog::unretire() {
  const MutexLock lock(mutex_);
  first_number_ = 0;
}

Status Catalog::forget(std::uint64_t number) {
  SELVEDGE_TRY(forget_filter(number));
  {
    const MutexLock lock(mutex_);
    if (kept_ && kept_->erase(number) == 0) {
      return {};
    }
  }
  const Status gone = files_.unlink(history_path() + "/" + index_name(number));
  return gone || gone.error().code() == ErrorCode::not_found ? Status{}
                                                             : fail(gone.error().clone());
}

Status Catalog::compress(const Segment& segment) {
  SELVEDGE_TRY(const Shared index, index_of(segment));
  SELVEDGE_TRY(make_directory());
  const std::string path = wal::segment_path(wal_path(), segment.identity.number);
  SELVEDGE_TRY(const auto file, files_.open(path, OpenMode::read));
  return write_archive(files_, history_path(), archive_name(segment.identity.number), *file,
                       *index);
}

Status Catalog::remove_archive(std::uint64_t number) {
  return files_.unlink(history_path() + "/" + archive_name(number));
}

Status Catalog::remove_strays() {
  SELVEDGE_TRY(const FileKind kind, files_.kind(history_path()));
  if (kind != FileKind::directory) {
    return {};
  }
  const std::vector<LogSource::Listed> listed = source_.segments();
  std::set<std::uint64_t> filters;
  SELVEDGE_TRY(const auto files, files_.list(history_path()));
  for (const DirectoryEntry& file : files) {
    const bool known = std::any_of(listed.begin(), listed.end(), [&](const auto& each) {
      if (filter_name(each.info.number) == file.name) {
        filters.insert(each.info.number);
        return true;
      }
      return index_name(each.info.number) == file.name ||
             (each.compressed && archive_name(each.info.number) == file.name);
    });
    const bool ours = file.name.ends_with(".idx") || file.name.ends_with(".idx.tmp") ||
                      file.name.ends_with(".flt") || file.name.ends_with(".flt.tmp") ||
                      file.name.ends_with(".wal.zst") || file.name.ends_with(".wal.zst.tmp");
    if (!known && ours && file.kind == FileKind::file) {
      SELVEDGE_TRY(files_.unlink(history_path() + "/" + file.name));
    }
  }
  filters_are(filters);
  return {};
}

void Catalog::advanced() {
  { const MutexLock lock(wait_mutex_); }  // who looked before waits by now
  more_.notify_all();
}

bool Catalog::wait_beyond(std::uint64_t sequence, std::chrono::microseconds timeout,
                          const std::atomic<bool>* stop) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + timeout;
  const MutexLock lock(wait_mutex_);
  for (;;) {
    if (stop != nullptr && stop->load(std::memory_order_seq_cst)) {
      return false;
    }
    if (source_.end() > sequence) {
      return true;
    }
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now());
    if (left.count() <= 0 || !source_.grows()) {
      return false;
    }
    more_.wait_for(wait_mutex_, left);
  }
}

Pin::Pin(Catalog& catalog, std::uint64_t sequence) : catalog_(catalog) {
  const MutexLock lock(catalog_.mutex_);
  place_ = catalog_.pins_.insert(sequence);
}

Pin::~Pin() {
  const MutexLock lock(catalog_.mutex_);
  catalog_.pins_.erase(place_);
}

void Pin::move(std::uint64_t sequence) {
  const MutexLock lock(catalog_.mutex_);
  auto node = catalog_.pins_.extract(place_);
  node.value() = sequence;
  place_ = catalog_.pins_.insert(std::move(node));
}

}  // namespace selvedge::history
