#include "inspect/store_files.h"

#include <selvedge/inspect.h>

#include <algorithm>

#include "history/archive.h"
#include "wal/segment_reader.h"

namespace selvedge {

namespace inspect {

namespace {

Timestamp time_of(std::uint64_t us) { return {static_cast<std::int64_t>(us)}; }

/// Files in a directory that may be missing, and their bytes.
Result<std::uint64_t> bytes_in(FileSystem& files, const std::string& directory) {
  std::uint64_t bytes = 0;
  SELVEDGE_TRY(const FileKind kind, files.kind(directory));
  if (kind != FileKind::directory) {
    return bytes;
  }
  SELVEDGE_TRY(const auto entries, files.list(directory));
  for (const DirectoryEntry& entry : entries) {
    if (entry.kind != FileKind::file) {
      continue;
    }
    auto file = files.open(directory + "/" + entry.name, OpenMode::read);
    if (!file && file.error().code() == ErrorCode::not_found) {
      continue;  // a live store took it away
    }
    if (!file) {
      return fail(std::move(file).error());
    }
    SELVEDGE_TRY(const std::uint64_t size, (*file)->size());
    bytes += size;
  }
  return bytes;
}

Result<SegmentFile> look_at(FileSystem& files, const std::string& path,
                            const snapshot::ManifestSegment& listed) {
  SegmentFile segment;
  segment.number = listed.number;
  segment.path = wal::segment_path(path + "/wal", listed.number);
  auto reader = wal::SegmentReader::open(files, path + "/wal", listed.number);
  if (!reader && reader.error().code() == ErrorCode::not_found) {
    segment.use = SegmentUse::missing;
    return segment;
  }
  if (!reader) {
    return fail(std::move(reader).error());
  }
  segment.bytes = reader->file_bytes();
  switch (reader->header_state().state) {
    case wal::SegmentHeaderState::unused: segment.use = SegmentUse::prepared; break;
    case wal::SegmentHeaderState::damaged:
    case wal::SegmentHeaderState::newer_version: segment.use = SegmentUse::damaged; break;
    case wal::SegmentHeaderState::valid:
      // A header of an earlier life of the file has another salt.
      segment.use = reader->header().salt == listed.salt ? SegmentUse::used : SegmentUse::prepared;
      segment.first = {segment.use == SegmentUse::used ? reader->header().first_sequence : 0};
      segment.created = time_of(reader->header().created_at_us);
      break;
  }
  return segment;
}

Result<SegmentFile> look_at_archive(FileSystem& files, const std::string& path,
                                    const snapshot::ManifestSegment& listed) {
  SegmentFile segment;
  segment.number = listed.number;
  segment.path = path + "/history/" + history::archive_name(listed.number);
  segment.use = SegmentUse::compressed;
  segment.first = {listed.first_sequence};
  auto file = history::ArchiveFile::open(files, segment.path);
  if (!file && file.error().code() == ErrorCode::not_found) {
    segment.use = SegmentUse::missing;
  } else if (!file && file.error().code() == ErrorCode::corruption) {
    segment.use = SegmentUse::damaged;
  } else if (!file) {
    return fail(std::move(file).error());
  } else {
    segment.bytes = (*file)->stored_bytes();
    auto reader = wal::SegmentReader::open(*std::move(file), listed.number);
    if (reader && reader->header_state().state == wal::SegmentHeaderState::valid) {
      segment.created = time_of(reader->header().created_at_us);
    } else {
      segment.use = SegmentUse::damaged;
    }
  }
  return segment;
}

}  // namespace

Result<snapshot::Manifest> load_manifest(FileSystem& files, const std::string& path) {
  SELVEDGE_TRY(const FileKind kind, files.kind(path));
  if (kind == FileKind::none) {
    return fail(Error(ErrorCode::not_found, "there is no store").at(path));
  }
  if (kind != FileKind::directory) {
    return fail(Error(ErrorCode::not_a_store, "the path is not a directory").at(path));
  }
  SELVEDGE_TRY(const FileKind manifest, files.kind(path + "/" + snapshot::manifest_name));
  if (manifest != FileKind::none) {
    return snapshot::Manifest::load(files, path);
  }
  SELVEDGE_TRY(const auto entries, files.list(path));
  if (entries.empty()) {
    return fail(Error(ErrorCode::not_found, "there is no store").at(path));
  }
  for (const char* part : {"/wal", "/snapshots"}) {
    SELVEDGE_TRY(const FileKind inside, files.kind(path + part));
    if (inside != FileKind::directory) {
      continue;
    }
    SELVEDGE_TRY(const auto data, files.list(path + part));
    if (!data.empty()) {
      return fail(Error(ErrorCode::corruption, "the manifest is missing beside existing data")
                      .at(path + "/" + snapshot::manifest_name)
                      .mismatch("a manifest", data.front().name + " in " + path + part));
    }
  }
  return fail(Error(ErrorCode::not_a_store, "the directory holds something else").at(path));
}

}  // namespace inspect

std::string_view to_string(SegmentUse use) {
  switch (use) {
    case SegmentUse::used: return "used";
    case SegmentUse::prepared: return "prepared";
    case SegmentUse::compressed: return "compressed";
    case SegmentUse::damaged: return "damaged";
    case SegmentUse::missing: break;
  }
  return "missing";
}

Result<StoreFiles> inspect_files(const std::string& path, FileSystem* file_system) {
  FileSystem& files = inspect::files_or_default(file_system);
  SELVEDGE_TRY(const snapshot::Manifest manifest, inspect::load_manifest(files, path));
  StoreFiles found;
  found.store = manifest.store;
  found.created = inspect::time_of(manifest.created_us);
  found.clean_close = manifest.clean_close;
  found.watermark = {manifest.watermark};
  for (const snapshot::ManifestSnapshot& each : manifest.snapshots) {
    found.snapshots.push_back({each.file,
                               each.kind == snapshot::Kind::backup,
                               {each.begin},
                               {each.end},
                               {each.low_water},
                               each.bytes,
                               inspect::time_of(each.created_us),
                               each.verified,
                               each.digest});
  }
  for (const snapshot::ManifestSegment& each : manifest.archive) {
    SELVEDGE_TRY(found.segments.emplace_back(), inspect::look_at_archive(files, path, each));
  }
  for (const snapshot::ManifestSegment& each : manifest.segments) {
    SELVEDGE_TRY(found.segments.emplace_back(), inspect::look_at(files, path, each));
  }
  SELVEDGE_TRY(found.log_bytes, inspect::bytes_in(files, path + "/wal"));
  SELVEDGE_TRY(found.snapshot_bytes, inspect::bytes_in(files, path + "/snapshots"));
  SELVEDGE_TRY(found.history_bytes, inspect::bytes_in(files, path + "/history"));
  return found;
}

}  // namespace selvedge
