// Transactions: views, the way of a commit, rollback, and what happens after.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/types.h>

#include "base/mutex.h"
#include "base/shards.h"
#include "base/spin.h"
#include "graph/counters.h"
#include "graph/graph.h"
#include "txn/claims.h"
#include "txn/state.h"
#include "txn/validation.h"
#include "wal/log.h"

namespace selvedge::txn {

struct ManagerOptions {
  std::size_t transaction_buffer_bytes = std::size_t{64} << 10;
  /// Wall clock in microseconds.
  const FileSystem* clock = nullptr;
  /// Bounds of what `open_view_at` can reach; 0 and 0: nothing but the present.
  std::uint64_t versions_kept = 0;
  std::uint64_t version_age_us = 0;
};

struct ManagerStats {
  std::uint64_t commits = 0;
  std::uint64_t aborts = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t active = 0;
  std::uint64_t finished_waiting = 0;
  std::uint64_t expired = 0;  ///< of the aborts: for their age
};

/// How long views have been open, from the first look that saw them.
struct Ages {
  std::uint64_t view_us = 0;         ///< the oldest view, transactions' too
  std::uint64_t transaction_us = 0;  ///< the oldest transaction
  std::uint64_t transaction = 0;     ///< its number; 0: none is open, or nothing of it is logged
};

/// Role: owns transaction states and their way: begin, stream, commit or roll back, settle.
/// Invariants: docs/concurrency.md, "Commit" and "Life of an entry". Sequences, append, status
///   word and `appended` are one critical section of the log lock; everything at or before
///   `Log::appended` is wholly applied (versions are in place before their entries are logged).
/// Threads: a State belongs to one thread at a time; everything else from any thread.
/// After failure: a commit that is not valid any more (`conflict`) or cannot be appended leaves the
/// transaction active and unchanged; a
///   commit that was appended but not synced returns `unknown_outcome`.
class Manager {
 public:
  Manager(graph::Graph& graph, wal::Log& log, const ManagerOptions& options);
  ~Manager();
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  graph::Graph& graph() { return graph_; }
  wal::Log& log() { return log_; }
  [[nodiscard]] std::uint64_t wall_clock_us() const { return options_.clock->wall_clock_us(); }

  /// Opens a view at what readers may see; the slot is given back with `close_view`.
  graph::ReaderSlot* open_view(std::uint64_t& sequence);
  /// Opens a view at a sequence of the past. `not_retained`, `invalid_argument`.
  Result<graph::ReaderSlot*> open_view_at(std::uint64_t sequence);
  /// The oldest sequence at which a view can be opened.
  [[nodiscard]] std::uint64_t readable_from() const;
  void close_view(graph::ReaderSlot* slot) { graph_.epochs.release(slot); }
  /// Sequence at which read views open: never ahead of the disk in immediate mode.
  [[nodiscard]] std::uint64_t readable() const;

  /// `serializable`: the caller notes its reads in `State::reads`.
  State* begin(bool transactional, bool serializable = false);
  /// Makes the writes visible; returns the commit's sequence (0 for nothing written). On error the
  /// transaction stays active. Ends the state's use by the caller on success.
  Result<std::uint64_t> commit(State* state);
  /// Waits as the sync mode demands until a commit is durable.
  Status wait_durable(std::uint64_t sequence);
  /// Sets a regenerable value: one entry of no transaction. Empty: removes it. Returns its
  /// sequence.
  Result<std::uint64_t> set_embedding(std::uint64_t node, std::uint32_t key,
                                      std::span<const float> values);
  /// Rolls everything back; the state is gone.
  void abort(State* state, std::string_view reason);

  // A transaction that is too old (abort.cpp; docs/concurrency.md).
  /// From here on maintenance may abort the transaction when it is older. Not 0.
  static void limit_age(State& state, std::uint64_t age_max_us);
  /// Aborts what is too old, and whose owner is not at work on it right now.
  void expire_old();
  /// The owner lets go of a transaction that was aborted for its age.
  void end_expired(State* state);
  /// Transactions that were aborted for their age and whose owners have not let go of them.
  [[nodiscard]] std::uint64_t expired_open() const {
    return expired_open_.load(std::memory_order_seq_cst);
  }
  [[nodiscard]] Ages ages();

  /// Undoes what came after the mark; the mark itself stays valid.
  Status rollback_to(State& state, std::size_t savepoint);
  /// Sends the private buffer to the log.
  Status spill(State& state);
  /// Called before each operation: streams a full buffer.
  Status make_room(State& state);
  /// Undoes the last operation's items (from `items` on), whose entry is unlogged.
  void undo_operation(State& state, const SavepointMark& mark);
  static SavepointMark mark(const State& state);

  /// A name's id, defined and logged when it is new.
  Result<std::uint32_t> intern(graph::NameKind kind, std::string_view text);

  struct CheckpointStart {
    std::uint64_t begin = 0;
    std::uint64_t low_water = 0;
  };
  /// Both under the log lock (rules 2, 31, 32).
  Result<CheckpointStart> checkpoint_start();

  /// Settles and frees what every view has passed: a batch, and of it what the calling thread made;
  /// a batch of each thread's; or all.
  enum class Reclaim : std::uint8_t { mine, batch, everything };
  void reclaim(Reclaim how) noexcept SELVEDGE_NO_THREAD_SAFETY_ANALYSIS;
  /// Exact count in a view.
  std::int64_t count(graph::CounterKind kind, std::uint32_t id, const State* self,
                     std::uint64_t sequence);
  void set_base_counts(graph::BaseCounts counts);

  [[nodiscard]] std::uint64_t horizon();
  [[nodiscard]] ManagerStats stats() const;
  void note_conflict() { conflicts_.add(1); }
  /// Logs the abort entry of a transaction that a crash cut off.
  Status close_loser(std::uint64_t number) { return log_abort(number, "cut off by a crash"); }
  /// Logs abort entries that could not be logged when their transactions ended.
  Status close_zombies();

 private:
  Result<std::uint64_t> log_embedding(State& state, std::uint64_t node, std::uint32_t key,
                                      std::span<const float> values);
  friend class Operations;
  std::uint64_t begin_view();
  Result<wal::Log::Section> enter_validated(State& state, std::uint64_t bytes);
  void finish(State* state);
  void release_claims(State& state);
  void take_back(State& state, graph::ReaderSlot* slot, std::string_view reason) noexcept;
  struct TooOld {
    graph::ReaderSlot* slot = nullptr;
    std::uint64_t use = 0;
  };
  Ages look_at_ages(std::vector<TooOld>* too_old);
  graph::ReaderSlot* pin_for_owner() SELVEDGE_REQUIRES(expiry_mutex_);
  void expire(const TooOld& old);
  void reclaim_now_and_then();
  void recycle(State* state);
  static void status_free(void* context, graph::TxnStatus* status);
  Status log_abort(std::uint64_t number, std::string_view reason);
  void stamp(State& state);
  void unlink_items(State& state, std::size_t from, graph::ReaderSlot* slot);
  void after_unlink(State& state, std::size_t from);
  void pop_version(const WriteItem& item);
  /// Of a version that is out of its entity's chain: index entries that nothing in it needs go.
  void release_keys(const WriteItem& item, const graph::Version& gone) noexcept;
  void retire_chain(const WriteItem& item, std::uint64_t head_word);
  Status compensate(State& state, std::size_t from, std::size_t to);
  void release_slots(State& state);

  // What is kept for views of the past (past.cpp).
  [[nodiscard]] bool keeps_versions() const {
    return options_.versions_kept != 0 || options_.version_age_us != 0;
  }
  void advance_kept() SELVEDGE_REQUIRES(reclaim_mutex_);

  // Settling (reclaim.cpp).
  struct Finished;
  void settle_finished(Reclaim how) SELVEDGE_REQUIRES(reclaim_mutex_);
  static bool left_behind(const Finished& finished, std::uint64_t reached);
  void settle_home(Finished& finished, std::size_t budget, std::uint64_t floor,
                   std::uint64_t reached) SELVEDGE_REQUIRES(reclaim_mutex_);
  class Settling;
  void settle(State& state, Settling& settling, std::uint64_t horizon)
      SELVEDGE_REQUIRES(reclaim_mutex_);
  void settle_item(const WriteItem& item, Settling& settling, std::uint64_t horizon);
  void prefetch_settled(std::span<const WriteItem> items, std::size_t next) const;
  void trim(const WriteItem& item, std::uint64_t horizon);
  void prune_waiting(Finished& finished, std::uint64_t floor) SELVEDGE_REQUIRES(reclaim_mutex_);
  void prune_chain(const WriteItem& item, std::uint64_t floor) SELVEDGE_REQUIRES(reclaim_mutex_);
  void prune_items(const State& state, std::uint64_t floor) SELVEDGE_REQUIRES(reclaim_mutex_);
  bool no_view_between(const State& older, const State& newer) const
      SELVEDGE_REQUIRES(reclaim_mutex_);
  void absorb(Finished& finished, State& newer) SELVEDGE_REQUIRES(reclaim_mutex_);
  void compact(State& state, std::uint64_t floor) SELVEDGE_REQUIRES(reclaim_mutex_);
  std::atomic<std::uint64_t>& head_of(const WriteItem& item);
  [[nodiscard]] bool present(const WriteItem& item) const;
  /// An entry of an adjacency list.
  struct EntryPlace {
    std::uint64_t node = 0;
    std::uint64_t edge = 0;
    std::uint32_t position = 0;
    bool out = false;
  };
  void settle_entries(std::span<const EntryPlace> of_one_list, std::uint64_t horizon);
  [[nodiscard]] std::optional<std::array<EntryPlace, 2>> places_of(std::uint64_t edge,
                                                                   const WriteItem& item) const;
  void settle_edge(std::uint64_t id, const WriteItem& item, std::uint64_t horizon);
  void settle_label(std::uint64_t id, const WriteItem& item, std::uint64_t horizon);
  bool release_label(std::uint64_t id, const WriteItem& item);
  void remove_edge(std::uint64_t id, const WriteItem& item);
  void kill_entries(std::uint64_t edge, const WriteItem& item);
  void remove_node(std::uint64_t id);

  graph::Graph& graph_;
  wal::Log& log_;
  const ManagerOptions options_;
  Validation validation_;
  Claims claims_;

  /// States that wait for their next use, and tickets: part p of n gives p + 1, p + 1 + n, ...
  struct Pool {
    SpinLatch latch;
    std::vector<State*> idle;
    std::deque<std::unique_ptr<State>> all;
    std::uint64_t tickets = 0;
  };
  base::Shards<Pool> pools_;

  Mutex names_mutex_;

  /// Committed transactions of one home (the threads that share a part), in commit order: what
  /// settling touches lies in the caches of those who made it.
  struct Finished {
    State* last = &anchor;  ///< newest committed; under the log lock
    // Under the reclaim lock.
    alignas(128) State* first = &anchor;  ///< the last settled one: its next waits first
    State* prune_at = nullptr;            ///< last looked at
    State* prune_before = nullptr;        ///< the one before it
    State anchor;                         ///< where the list begins in a new store
  };
  base::Shards<Finished> finished_;

  // Under the log lock.
  std::vector<std::uint64_t> active_numbers_;  ///< streamed and not ended in the log (rule 32)

  Mutex reclaim_mutex_;
  graph::ReaderSlot* const reclaim_slot_;
  graph::BaseCounts base_counts_ SELVEDGE_GUARDED_BY(reclaim_mutex_);
  std::vector<std::uint64_t> prune_views_ SELVEDGE_GUARDED_BY(reclaim_mutex_);
  base::ShardedCount waiting_;
  /// Where views of the past begin, while versions are kept. Never goes back.
  std::atomic<std::uint64_t> kept_from_;
  struct Moment {
    std::uint64_t at_us = 0;
    std::uint64_t readable = 0;  ///< then
  };
  std::deque<Moment> moments_ SELVEDGE_GUARDED_BY(reclaim_mutex_);  ///< oldest first
  struct Since {
    std::atomic<std::uint32_t> ends{0};
  };
  base::Shards<Since> since_reclaim_;

  struct Zombie {
    std::uint64_t number = 0;
    std::string reason;
  };
  Mutex zombies_mutex_;
  std::vector<Zombie> zombies_ SELVEDGE_GUARDED_BY(zombies_mutex_);

  /// What a transaction that was aborted for its age keeps from being used again.
  struct Kept {
    const graph::ReaderSlot* owner = nullptr;
    graph::ReaderSlot* pin = nullptr;  ///< null: its time is over
    std::uint64_t left_us = 0;
    std::uint64_t limit_us = 0;
    bool looked_at = false;  ///< by the clock: what moved before counts for nothing
  };
  Mutex expiry_mutex_;  ///< held while one transaction is aborted for its age
  graph::ReaderSlot* const expiry_slot_;
  Mutex ages_mutex_;
  std::uint64_t looked_at_us_ SELVEDGE_GUARDED_BY(ages_mutex_) = 0;
  std::vector<Kept> kept_ SELVEDGE_GUARDED_BY(ages_mutex_);
  std::atomic<std::uint64_t> expired_open_{0};
  base::ShardedCount expired_;

  base::ShardedCount commits_;
  base::ShardedCount aborts_;
  base::ShardedCount conflicts_;
  base::ShardedCount active_;
  std::atomic<std::uint64_t> mutant_view_{0};  ///< for `Mutant::stale_view` only
};

}  // namespace selvedge::txn
