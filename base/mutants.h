// Switchable bugs, compiled in with -DSELVEDGE_MUTANTS=ON only: the crash-test kit must find each.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace selvedge::base {

enum class Mutant : std::uint8_t {
  none,
  // The log.
  sync_left_out,
  acknowledged_before_sync,
  durable_too_high,
  mark_too_high,
  sync_retried,
  write_error_ignored,
  short_write_ignored,
  salt_left_out,
  segment_not_listed,
  segment_not_synced,
  segment_name_not_synced,
  old_header_kept,
  seal_without_sync,
  tail_not_erased,
  tail_erased_unsynced,
  recovered_log_unsynced,
  payload_crc_ignored,
  damage_taken_for_tail,
  tail_taken_for_damage,
  missing_segment_ignored,
  // Transactions.
  name_not_logged,
  compensation_left_out,
  abort_logged_first,
  wrong_previous_sequence,
  edge_stays_settled,
  horizon_ignores_views,
  generation_kept,
  // Checkpoints.
  low_water_ignores_streams,
  low_water_too_high,
  unlogged_taken_for_logged,
  uncommitted_delete_left_out,
  label_of_commit_too_high,
  visible_read_after_head,
  free_slots_not_saved,
  names_not_saved,
  embeddings_not_saved,
  adopted_before_log_sync,
  snapshot_not_synced,
  snapshot_name_not_synced,
  snapshot_listed_too_early,
  old_snapshot_deleted_first,
  log_dropped_for_newest,
  log_dropped_before_listing,
  binding_ignored,
  backup_not_synced,
  // The manifest and the directory.
  manifest_in_place,
  manifest_not_synced,
  manifest_name_not_synced,
  directory_not_synced,
  watermark_too_high,
  // Recovery.
  redo_unconditional,
  redo_from_begin,
  redo_takes_losers,
  undo_skipped,
  undo_unconditional,
  undo_oldest_first,
  undo_by_zero,
  losers_left_open,
  slots_of_losers_forgotten,
  plain_entries_from_end,
  // Isolation.
  first_updater_ignored,
  latest_read,
  stale_view,
  validation_left_out,
  recheck_left_out,
  uncommitted_head_trusted,
  list_clocks_not_raised,
  view_not_durable,
  empty_commit_unwaited,
  count
};

/// Who must find it.
enum class MutantGroup : std::uint8_t {
  crashes,    ///< the crash-test kit: `./dev mutants`
  isolation,  ///< the history checker: `./dev histories`
};

struct MutantInfo {
  Mutant mutant = Mutant::none;
  const char* name = "";
  const char* what = "";
  MutantGroup group = MutantGroup::crashes;
};

/// One line for each, in the order of the enumeration.
inline constexpr std::array<MutantInfo, static_cast<std::size_t>(Mutant::count) - 1> mutants{{
    {Mutant::sync_left_out, "sync-left-out", "the log is written, not synced"},
    {Mutant::acknowledged_before_sync, "acknowledged-before-sync",
     "a commit does not wait for its group"},
    {Mutant::durable_too_high, "durable-too-high", "the durable watermark is one too high"},
    {Mutant::mark_too_high, "mark-too-high", "a group's mark vouches for the group itself"},
    {Mutant::sync_retried, "sync-retried", "a failed sync is tried again and believed"},
    {Mutant::write_error_ignored, "write-error-ignored", "work goes on after a failed write"},
    {Mutant::short_write_ignored, "short-write-ignored", "a write that did half is taken for done"},
    {Mutant::salt_left_out, "salt-left-out", "all generations of a segment have one salt"},
    {Mutant::segment_not_listed, "segment-not-listed", "a segment is used before it is listed"},
    {Mutant::segment_not_synced, "segment-not-synced", "a new segment's zeros are not synced"},
    {Mutant::segment_name_not_synced, "segment-name-not-synced",
     "a new segment's name is not synced"},
    {Mutant::old_header_kept, "old-header-kept", "a recycled segment keeps its old header"},
    {Mutant::seal_without_sync, "seal-without-sync",
     "the next segment is written before the last one is synced"},
    {Mutant::tail_not_erased, "tail-not-erased", "what recovery drops stays in the file"},
    {Mutant::tail_erased_unsynced, "tail-erased-unsynced", "the erased tail is not synced"},
    {Mutant::recovered_log_unsynced, "recovered-log-unsynced",
     "what recovery read from the cache is not synced"},
    {Mutant::payload_crc_ignored, "payload-crc-ignored", "a torn payload is believed"},
    {Mutant::damage_taken_for_tail, "damage-taken-for-tail",
     "damage before acknowledged entries ends the log silently"},
    {Mutant::tail_taken_for_damage, "tail-taken-for-damage", "a torn tail is refused"},
    {Mutant::missing_segment_ignored, "missing-segment-ignored",
     "a listed segment that is missing is no error"},
    {Mutant::name_not_logged, "name-not-logged", "a new name is not logged"},
    {Mutant::compensation_left_out, "compensation-left-out",
     "a rollback of what is logged logs nothing"},
    {Mutant::abort_logged_first, "abort-logged-first",
     "the abort entry comes before the versions are taken out"},
    {Mutant::wrong_previous_sequence, "wrong-previous-sequence",
     "a before-image names the sequence of another version"},
    {Mutant::edge_stays_settled, "edge-stays-settled", "a delete leaves the settled bits"},
    {Mutant::horizon_ignores_views, "horizon-ignores-views",
     "versions are cut that an open view needs"},
    {Mutant::generation_kept, "generation-kept", "a deleted node's slot keeps its generation"},
    {Mutant::low_water_ignores_streams, "low-water-ignores-streams",
     "the low-water mark forgets unfinished transactions"},
    {Mutant::low_water_too_high, "low-water-too-high", "the low-water mark is one too high"},
    {Mutant::unlogged_taken_for_logged, "unlogged-taken-for-logged",
     "a checkpoint takes versions without a sequence"},
    {Mutant::uncommitted_delete_left_out, "uncommitted-delete-left-out",
     "a checkpoint has nothing of a record with an uncommitted delete"},
    {Mutant::label_of_commit_too_high, "label-too-high",
     "a checkpoint labels an uncommitted version one too high"},
    {Mutant::visible_read_after_head, "visible-read-after-head",
     "a checkpoint reads the head before the watermark"},
    {Mutant::free_slots_not_saved, "free-slots-not-saved",
     "a checkpoint forgets the generations of free slots"},
    {Mutant::names_not_saved, "names-not-saved", "a checkpoint forgets the names"},
    {Mutant::embeddings_not_saved, "embeddings-not-saved", "a checkpoint forgets the embeddings"},
    {Mutant::adopted_before_log_sync, "adopted-before-log-sync",
     "a snapshot counts before the log is synced to its end"},
    {Mutant::snapshot_not_synced, "snapshot-not-synced", "a snapshot's bytes are not synced"},
    {Mutant::snapshot_name_not_synced, "snapshot-name-not-synced",
     "a snapshot's name is not synced"},
    {Mutant::snapshot_listed_too_early, "snapshot-listed-too-early",
     "a snapshot is listed before it has its name"},
    {Mutant::old_snapshot_deleted_first, "old-snapshot-deleted-first",
     "files go before the manifest lets go of them"},
    {Mutant::log_dropped_for_newest, "log-dropped-for-newest",
     "the log is kept for the newest snapshot only"},
    {Mutant::log_dropped_before_listing, "log-dropped-before-listing",
     "segments go before the manifest lets go of them"},
    {Mutant::binding_ignored, "binding-ignored",
     "a snapshot is not held against the history of the log"},
    {Mutant::backup_not_synced, "backup-not-synced", "a backup's view is not synced first"},
    {Mutant::manifest_in_place, "manifest-in-place", "the manifest is overwritten in place"},
    {Mutant::manifest_not_synced, "manifest-not-synced", "the new manifest is not synced"},
    {Mutant::manifest_name_not_synced, "manifest-name-not-synced",
     "the manifest's rename is not synced"},
    {Mutant::directory_not_synced, "directory-not-synced",
     "the store's own directories are not synced"},
    {Mutant::watermark_too_high, "watermark-too-high",
     "the manifest says that more is durable than is"},
    {Mutant::redo_unconditional, "redo-unconditional", "redo looks at no label"},
    {Mutant::redo_from_begin, "redo-from-begin",
     "redo starts at the snapshot's begin, not at the low-water mark"},
    {Mutant::redo_takes_losers, "redo-takes-losers", "redo applies what never committed"},
    {Mutant::undo_skipped, "undo-skipped", "nothing is undone"},
    {Mutant::undo_unconditional, "undo-unconditional", "undo looks at no label"},
    {Mutant::undo_oldest_first, "undo-oldest-first", "undo goes from the oldest to the newest"},
    {Mutant::undo_by_zero, "undo-by-zero", "an undone create looks older than who had the slot"},
    {Mutant::losers_left_open, "losers-left-open", "recovery logs no abort for who was cut off"},
    {Mutant::slots_of_losers_forgotten, "slots-of-losers-forgotten",
     "ids that losers used are given out again"},
    {Mutant::plain_entries_from_end, "plain-entries-from-end",
     "non-transactional entries before the snapshot's end are left out"},
    {Mutant::first_updater_ignored, "first-updater-ignored",
     "a writer does not mind a commit that its view does not see", MutantGroup::isolation},
    {Mutant::latest_read, "latest-read", "a read finds the newest commit, whatever the view",
     MutantGroup::isolation},
    {Mutant::stale_view, "stale-view", "a transaction begins at the view of the one before",
     MutantGroup::isolation},
    {Mutant::validation_left_out, "validation-left-out", "nobody looks at what was read",
     MutantGroup::isolation},
    {Mutant::recheck_left_out, "recheck-left-out",
     "what moves between the check and the log lock goes unnoticed", MutantGroup::isolation},
    {Mutant::uncommitted_head_trusted, "uncommitted-head-trusted",
     "beneath an uncommitted version nothing is taken for changed", MutantGroup::isolation},
    {Mutant::list_clocks_not_raised, "list-clocks-not-raised",
     "a new edge does not raise the clocks of its lists", MutantGroup::isolation},
    {Mutant::view_not_durable, "view-not-durable",
     "a read view shows what a power loss can take back", MutantGroup::isolation},
    {Mutant::empty_commit_unwaited, "empty-commit-unwaited",
     "who wrote nothing does not wait until what it read is durable", MutantGroup::isolation},
}};

#if defined(SELVEDGE_MUTANTS)
inline std::atomic<Mutant> active_mutant{Mutant::none};
inline bool mutant(Mutant which) { return active_mutant.load(std::memory_order_relaxed) == which; }
#else
constexpr bool mutant(Mutant) { return false; }
#endif

}  // namespace selvedge::base
