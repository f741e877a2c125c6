// Reading a store of NornicDB: the newest snapshot, and the log behind it, in the order of its
// sequences. docs/migration.md says what is held in memory.

#include "migration/nornic_source.h"

#include <selvedge/json.h>

#include <algorithm>

#include "io/file_util.h"
#include "migration/json_text.h"

namespace selvedge::migration {

namespace {

constexpr std::uint64_t manifest_bytes_max = std::uint64_t{16} << 20;

}  // namespace

// --- which files there are -----------------------------------------------------------------------

Status NornicSource::prepare(const std::string& directory) {
  SELVEDGE_TRY(const FileKind kind, context_.files.kind(directory));
  if (kind != FileKind::directory) {
    return fail(Error(kind == FileKind::none ? ErrorCode::not_found : ErrorCode::invalid_argument,
                      "not a store of NornicDB")
                    .at(directory)
                    .mismatch("a directory", kind == FileKind::none ? "nothing" : "a file"));
  }
  SELVEDGE_TRY(find_logs(directory));
  SELVEDGE_TRY(find_snapshot(directory));
  if (logs_.empty() && !snapshot_) {
    return fail(Error(ErrorCode::invalid_argument, "not a store of NornicDB")
                    .at(directory)
                    .mismatch("wal/wal.log, wal/segments/seg-*.wal or snapshots/snapshot-*.json",
                              "none of them"));
  }
  SELVEDGE_TRY(find_runs());
  if (snapshot_) {
    fingerprint_ += "s" + std::to_string(snapshot_->file().size()) + ":" +
                    std::to_string(snapshot_->file().crc());
    bytes_total_ += 2 * snapshot_->file().size();
  }
  return rewind();
}

Status NornicSource::find_logs(const std::string& directory) {
  const std::string segments = directory + "/wal/segments";
  SELVEDGE_TRY(const FileKind kind, context_.files.kind(segments));
  std::set<std::string> names;
  if (kind == FileKind::directory) {
    SELVEDGE_TRY(const auto listed, context_.files.list(segments));
    for (const DirectoryEntry& each : listed) {
      if (each.name.starts_with("seg-") && each.name.ends_with(".wal")) {
        names.insert(each.name);
      }
    }
    SELVEDGE_TRY(read_manifest(segments, names));
  }
  for (const std::string& name : names) {
    std::string path = segments;
    path.append("/").append(name);
    SELVEDGE_TRY(NornicLogFile log, NornicLogFile::open(context_.files, path));
    logs_.push_back(std::move(log));
  }
  const std::string active = directory + "/wal/wal.log";
  SELVEDGE_TRY(const FileKind there, context_.files.kind(active));
  if (there == FileKind::file) {
    SELVEDGE_TRY(NornicLogFile log, NornicLogFile::open(context_.files, active));
    logs_.push_back(std::move(log));
  }
  for (const NornicLogFile& log : logs_) {
    bytes_total_ += log.size();
  }
  return {};
}

/// Manifest and directory together say which segments there are.
Status NornicSource::read_manifest(const std::string& segments, std::set<std::string>& names) {
  const std::string path = segments + "/manifest.json";
  SELVEDGE_TRY(const FileKind kind, context_.files.kind(path));
  if (kind != FileKind::file) {
    return {};
  }
  SELVEDGE_TRY(const auto bytes, io::read_file(context_.files, path, manifest_bytes_max));
  const auto manifest = value_from_json(as_text(bytes));
  const auto* const members = manifest ? manifest->as<Map>() : nullptr;
  const auto found = members != nullptr ? members->find("segments") : Map::const_iterator();
  const auto* const list =
      members != nullptr && found != members->end() ? found->second.as<List>() : nullptr;
  if (list == nullptr) {
    return refuse(Error(Error(ErrorCode::corruption, "the manifest is damaged")
                            .at(path, 0)
                            .mismatch("an object with `segments`", "something else")),
                  {path});
  }
  for (const Value& each : *list) {
    const auto* const segment = each.as<Map>();
    const auto place = segment != nullptr ? segment->find("path") : Map::const_iterator();
    const auto* const text =
        segment != nullptr && place != segment->end() ? place->second.as<std::string>() : nullptr;
    const std::string name = text != nullptr ? text->substr(text->rfind('/') + 1) : std::string();
    if (names.contains(name)) {
      continue;
    }
    SELVEDGE_TRY(refuse(Error(Error(ErrorCode::corruption, "a segment of the manifest is missing")
                                  .at(path, 0)
                                  .mismatch(json_string(name), "no such file")),
                        {path}));
  }
  return {};
}

Status NornicSource::find_runs() {
  for (std::size_t i = 0; i < logs_.size(); ++i) {
    SELVEDGE_TRY(find_runs_of(i, logs_[i].path().ends_with("/wal.log")));
  }
  std::sort(runs_.begin(), runs_.end(), [](const Run& a, const Run& b) {
    return std::pair(a.first, a.file) < std::pair(b.first, b.file);
  });
  return {};
}

Status NornicSource::find_runs_of(std::size_t file, bool active) {
  NornicLogFile& log = logs_[file];
  std::optional<Run> run;
  std::uint64_t last = 0;
  std::uint32_t crc = 0;
  const auto close = [&](std::uint64_t end) {
    if (run) {
      run->end = end;
      runs_.push_back(*run);
      run.reset();
    }
  };
  std::uint64_t at = 0;
  for (NornicEntry entry;;) {
    Error fault(ErrorCode::corruption, "");
    SELVEDGE_TRY(const auto outcome, log.read(at, entry, fault, context_.options.ignore_unknown));
    if (outcome == NornicLogFile::Outcome::end) {
      break;
    }
    if (outcome == NornicLogFile::Outcome::torn) {
      if (!active) {
        SELVEDGE_TRY(
            refuse(Error(Error(ErrorCode::corruption, "a complete segment ends inside of a record")
                             .at(log.path(), entry.behind)
                             .mismatch("a whole record",
                                       std::to_string(log.size() - entry.behind) + " bytes")),
                   {log.path(), 0, 0, entry.behind}));
      } else {
        note(log.path() + " @" + std::to_string(entry.behind) + ": a torn tail of " +
             std::to_string(log.size() - entry.behind) + " bytes is left out");
      }
      at = entry.behind;
      break;
    }
    if (outcome == NornicLogFile::Outcome::damaged) {
      close(at);
      SELVEDGE_TRY(refuse(std::move(fault), entry.place));
      at = entry.behind;
      continue;
    }
    crc = crc * 31 + entry.crc;
    if (run && entry.sequence <= last) {
      close(entry.place.offset);
    }
    if (!run) {
      run = Run{file, entry.place.offset, 0, entry.sequence};
    }
    last = entry.sequence;
    at = entry.behind;
  }
  close(at);
  fingerprint_ += std::to_string(log.size()) + ":" + std::to_string(crc) + ";";
  return {};
}

// --- the log -------------------------------------------------------------------------------------

Status NornicSource::rewind() {
  stage_ = snapshot_ ? Stage::snapshot_nodes : Stage::log;
  part_open_ = false;
  active_.clear();
  next_run_ = 0;
  heap_ = {};
  waiting_.clear();
  previous_.reset();
  open_.clear();
  replay_.clear();
  ready_.clear();
  bytes_done_ = 0;
  return {};
}

Result<bool> NornicSource::next(Record& into) {
  for (;;) {
    if (!ready_.empty()) {
      into = std::move(ready_.front());
      ready_.pop_front();
      break;
    }
    if (stage_ == Stage::done) {
      types_.assign(types_seen_.begin(), types_seen_.end());
      first_reading_ = false;
      return false;
    }
    if (stage_ == Stage::log) {
      SELVEDGE_TRY(advance_log());
      continue;
    }
    SELVEDGE_TRY(const bool more, next_of_snapshot(into));
    if (more) {
      break;
    }
    stage_ = stage_ == Stage::snapshot_nodes ? Stage::snapshot_edges : Stage::log;
  }
  if (first_reading_ && into.kind == Record::Kind::put_edge) {
    types_seen_.insert(into.type);
  }
  return true;
}

Result<bool> NornicSource::read_at(std::size_t file, std::uint64_t offset, NornicEntry& into) {
  Error fault(ErrorCode::corruption, "");
  SELVEDGE_TRY(const auto outcome,
               logs_[file].read(offset, into, fault, context_.options.ignore_unknown));
  if (outcome == NornicLogFile::Outcome::entry) {
    return true;
  }
  return fail(Error(ErrorCode::corruption, "the log has changed while it was read")
                  .at(logs_[file].path(), offset));
}

/// The entry with the next sequence of all files.
Result<bool> NornicSource::next_entry(NornicEntry& into) {
  while (next_run_ < runs_.size() &&
         (heap_.empty() || runs_[next_run_].first <= heap_.top().first)) {
    const std::size_t index = active_.size();
    active_.push_back(runs_[next_run_++]);
    NornicEntry& entry = waiting_[index];
    SELVEDGE_TRY(read_at(active_[index].file, active_[index].at, entry));
    heap_.emplace(entry.sequence, index);
  }
  if (heap_.empty()) {
    return false;
  }
  const std::size_t index = heap_.top().second;
  heap_.pop();
  Run& run = active_[index];
  into = std::move(waiting_[index]);
  bytes_done_ += into.behind - run.at;
  run.at = into.behind;
  if (run.at < run.end) {
    NornicEntry& entry = waiting_[index];
    SELVEDGE_TRY(read_at(run.file, run.at, entry));
    heap_.emplace(entry.sequence, index);
  } else {
    waiting_.erase(index);
  }
  return true;
}

Status NornicSource::advance_log() {
  NornicEntry entry;
  if (!replay_.empty()) {
    const Reference from = replay_.front();
    replay_.pop_front();
    SELVEDGE_TRY(read_at(from.file, from.offset, entry));
    return take_change(entry);
  }
  SELVEDGE_TRY(const bool more, next_entry(entry));
  if (more) {
    return take_entry(entry);
  }
  for (const auto& [key, transaction] : open_) {
    note("transaction " + json_string(key.substr(key.find('\0') + 1)) +
         " has no end: " + std::to_string(transaction.entries.size()) + " entries are left out");
  }
  stage_ = Stage::done;
  return {};
}

Status NornicSource::take_entry(const NornicEntry& entry) {
  const std::uint64_t expected = previous_ ? previous_->sequence + 1 : snapshot_sequence_ + 1;
  if (previous_ && previous_->sequence == entry.sequence) {
    if (previous_->crc == entry.crc) {
      note(entry.place.path + " @" + std::to_string(entry.place.offset) +
           ": the same entry again, sequence " + std::to_string(entry.sequence));
      return {};
    }
    return refuse(bad_input(entry.place, "two entries have one sequence",
                            "one entry " + std::to_string(entry.sequence), "another one",
                            ErrorCode::corruption),
                  entry.place);
  }
  if (entry.sequence > expected) {
    SELVEDGE_TRY(refuse(bad_input(entry.place, "entries are missing", std::to_string(expected),
                                  std::to_string(entry.sequence), ErrorCode::corruption),
                        entry.place));
  }
  previous_ = entry;
  previous_->data.clear();
  std::string name;
  if (auto wrong = parse_nornic_transaction(entry, name)) {
    return refuse(*std::move(wrong), entry.place);
  }
  if (name.empty()) {  // the snapshot holds what is not newer than it
    return entry.sequence > snapshot_sequence_ ? take_change(entry) : Status{};
  }
  const std::string key = entry.database + std::string(1, '\0') + name;
  if (entry.operation == "tx_begin") {
    Open& fresh = open_[key];
    if (fresh.begun || !fresh.entries.empty()) {
      note("transaction " + json_string(name) +
           " has no end: " + std::to_string(fresh.entries.size()) + " entries are left out");
    }
    fresh = {true, {}};
  } else if (entry.operation == "tx_abort") {
    open_.erase(key);
  } else if (entry.operation == "tx_commit") {
    return begin_replay(entry, key);
  } else {
    const std::size_t file = static_cast<std::size_t>(
        std::find_if(logs_.begin(), logs_.end(),
                     [&](const NornicLogFile& log) { return log.path() == entry.place.path; }) -
        logs_.begin());
    open_[key].entries.push_back({file, entry.place.offset});
  }
  return {};
}

/// A transaction happened at its commit, with all its entries.
Status NornicSource::begin_replay(const NornicEntry& entry, const std::string& key) {
  NornicChange commit;
  if (auto wrong = parse_nornic_change(entry, ids_, context_.options.ignore_unknown, commit)) {
    return refuse(*std::move(wrong), entry.place);
  }
  const auto found = open_.find(key);
  const std::size_t held = found == open_.end() ? 0 : found->second.entries.size();
  if (found != open_.end() && found->second.begun && held != commit.operations &&
      commit.operations != 0) {
    note(entry.place.path + " @" + std::to_string(entry.place.offset) + ": transaction " +
         json_string(commit.transaction) + " counts " + std::to_string(commit.operations) +
         " operations, the log has " + std::to_string(held));
  }
  if (found != open_.end()) {
    if (entry.sequence > snapshot_sequence_) {
      replay_.assign(found->second.entries.begin(), found->second.entries.end());
    }
    open_.erase(found);
  }
  return {};
}

Status NornicSource::take_change(const NornicEntry& entry) {
  NornicChange change;
  if (auto wrong = parse_nornic_change(entry, ids_, context_.options.ignore_unknown, change)) {
    return refuse(*std::move(wrong), entry.place);
  }
  ready_ = std::move(change.records);
  return {};
}

Result<std::unique_ptr<Source>> open_nornicdb(const SourceContext& context,
                                              const std::string& directory) {
  auto source = std::make_unique<NornicSource>(context);
  SELVEDGE_TRY(source->prepare(directory));
  return std::unique_ptr<Source>(std::move(source));
}

}  // namespace selvedge::migration
