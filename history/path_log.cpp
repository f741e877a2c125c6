#include "history/path_log.h"

#include <algorithm>

#include "base/bytes.h"
#include "history/entries.h"
#include "wal/log_scanner.h"

namespace selvedge::history {

void PathLog::list_archive(const snapshot::Manifest& manifest) {
  segments_.clear();
  for (const auto& each : manifest.archive) {
    segments_.push_back(
        {{each.number, static_cast<std::uint32_t>(each.salt)}, true, each.first_sequence});
  }
}

void PathLog::attach(const snapshot::Manifest& manifest) {
  list_archive(manifest);
  for (const auto& each : manifest.segments) {
    segments_.push_back({{each.number, static_cast<std::uint32_t>(each.salt)}, false});
  }
  end_ = manifest.watermark;
  catalog_.emplace(files_, Catalog::Config{path_, manifest.store, false}, *this, names_);
}

Status PathLog::scan(const snapshot::Manifest& manifest, bool unconfirmed) {
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
  list_archive(manifest);
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

/// Where the log must be read for the names that are not in the newest sound snapshot.
Result<std::uint64_t> PathLog::load_names(const snapshot::Manifest& manifest) {
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

Status PathLog::load_names(const snapshot::SnapshotReader& reader) {
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

Status PathLog::note_names(const wal::FrameView& frame) {
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

Status PathLog::define(graph::NameKind kind, std::uint32_t id, std::string_view text) {
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

}  // namespace selvedge::history
