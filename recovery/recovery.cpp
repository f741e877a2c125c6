#include "recovery/recovery.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "recovery/attempt.h"

namespace selvedge::recovery {

namespace {

/// The last error, and what was wrong with every snapshot before it.
Error all_failed(const Error& last, const std::vector<std::string>& rejected) {
  if (rejected.empty()) {
    return last.clone();
  }
  std::string what = last.what();
  for (const std::string& each : rejected) {
    what += "; rejected " + each;
  }
  return Error(last.code(), std::move(what))
      .at(last.path(), last.offset())
      .mismatch(last.expected(), last.found());
}

/// Whether the log has everything from a snapshot's low-water mark on.
bool has_log_of(const PastLog& past, const snapshot::ManifestSnapshot& each) {
  return past.first() <= each.low_water;
}

/// The oldest sequence whose state can be had; nothing: there is none.
std::optional<std::uint64_t> oldest_reachable(const RecoveryInput& input) {
  if (input.past->first() <= 1) {
    return 0;
  }
  const auto& listed = input.manifest.snapshots;
  const auto oldest = std::find_if(listed.begin(), listed.end(), [&](const auto& each) {
    return has_log_of(*input.past, each) || each.low_water > each.end;
  });
  if (oldest == listed.end()) {
    return std::nullopt;
  }
  // From there the log leads back as far as there is any.
  return std::min(oldest->end, input.past->first() - 1);
}

/// What to begin with, the best first: newest snapshot first; behind the oldest (null), the log
/// alone, if it reaches back to the beginning.
std::vector<const snapshot::ManifestSnapshot*> bases(const RecoveryInput& input) {
  std::vector<const snapshot::ManifestSnapshot*> all;
  const auto& listed = input.manifest.snapshots;
  for (auto each = listed.rbegin(); each != listed.rend(); ++each) {
    const bool suits = input.past == nullptr ||
                       (each->end <= input.until &&
                        (has_log_of(*input.past, *each) || each->low_water > input.until));
    if (suits) {
      all.push_back(&*each);
    }
  }
  if (input.past == nullptr || input.past->first() <= 1) {
    all.push_back(nullptr);
  }
  if (!all.empty() || input.past->first() > input.until + 1) {
    return all;
  }
  // The state at the end of a younger snapshot is taken back: the oldest first.
  for (const snapshot::ManifestSnapshot& each : listed) {
    if (each.end > input.until && has_log_of(*input.past, each)) {
      all.push_back(&each);
    }
  }
  return all;
}

Error not_retained(const RecoveryInput& input) {
  const auto oldest = oldest_reachable(input);
  return Error(ErrorCode::not_retained, "no snapshot and log lead to that point any more")
      .at(input.directory)
      .mismatch(oldest ? "a sequence from " + std::to_string(*oldest) + " on" : "none can be had",
                std::to_string(input.until));
}

/// A segment's file that this store left behind: of an older log, or prepared and never listed.
Result<bool> is_left_over(const RecoveryInput& input, const Recovered& recovered,
                          const wal::IdleSegment& stray) {
  if (stray.info.number == 0) {
    return false;
  }
  SELVEDGE_TRY(const auto reader,
               wal::SegmentReader::open(input.files, input.directory + "/wal", stray.info.number));
  if (reader.header_state().state == wal::SegmentHeaderState::unused) {
    return true;
  }
  const bool older =
      recovered.segments.empty() || stray.info.number < recovered.segments.front().number;
  return reader.header_state().state == wal::SegmentHeaderState::valid &&
         reader.header().store == input.manifest.store && older &&
         reader.header().first_sequence < recovered.report.low_water.value;
}

Status remove_file(const RecoveryInput& input, Recovered& recovered, const std::string& path) {
  SELVEDGE_TRY(input.files.unlink(path));
  recovered.report.strays.push_back(path + ": removed");
  return {};
}

}  // namespace

Result<Recovered> recover(const RecoveryInput& input) {
  const auto start = std::chrono::steady_clock::now();
  const auto& listed = input.manifest.snapshots;
  const auto all = bases(input);
  if (all.empty()) {
    return fail(not_retained(input));
  }
  std::vector<std::string> rejected;
  for (std::size_t tries = 0;; ++tries) {
    const snapshot::ManifestSnapshot* chosen = all[tries];
    Recovered out;
    out.report.rejected_snapshots = rejected;
    out.report.clean_close = input.manifest.clean_close;
    out.wall_us = input.manifest.wall_us;
    input.graph = std::make_unique<graph::Graph>(input.options.memory_limit_bytes);
    input.graph->arena.open_reserve(true);
    bool usable = true;
    const Status status = Attempt(input, out).run(chosen, usable);
    input.graph->arena.open_reserve(false);
    if (status) {
      out.snapshots.assign(listed.begin(), listed.end() - static_cast<std::ptrdiff_t>(
                                                              std::min(tries, listed.size())));
      out.report.total_microseconds =
          static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                         std::chrono::steady_clock::now() - start)
                                         .count());
      return out;
    }
    if (usable || tries + 1 == all.size()) {
      return fail(all_failed(status.error(), rejected));
    }
    rejected.push_back(chosen->file + ": " + status.error().message());
  }
}

Status settle_log(const RecoveryInput& input, const Recovered& recovered) {
  SELVEDGE_TRY(wal::erase_dropped(input.files, recovered.log));
  return wal::make_durable(input.files, input.directory + "/wal", recovered.log);
}

Status remove_left_overs(const RecoveryInput& input, Recovered& recovered) {
  const std::string snapshots = input.directory + "/snapshots";
  SELVEDGE_TRY(const auto files, input.files.list(snapshots));
  for (const DirectoryEntry& file : files) {
    const auto& listed = recovered.snapshots;
    const bool known = std::any_of(listed.begin(), listed.end(),
                                   [&](const auto& each) { return each.file == file.name; });
    const bool ours = file.name.ends_with(".snap") || file.name.ends_with(".snap.tmp");
    if (!known && ours && file.kind == FileKind::file) {
      SELVEDGE_TRY(remove_file(input, recovered, snapshots + "/" + file.name));
    }
  }
  for (const wal::IdleSegment& stray : recovered.log.strays) {
    SELVEDGE_TRY(const bool left_over, is_left_over(input, recovered, stray));
    if (left_over) {
      SELVEDGE_TRY(remove_file(input, recovered, stray.path));
    }
  }
  const std::string half = input.directory + "/" + snapshot::manifest_name + ".tmp";
  SELVEDGE_TRY(const FileKind kind, input.files.kind(half));
  return kind == FileKind::file ? remove_file(input, recovered, half) : Status{};
}

}  // namespace selvedge::recovery
