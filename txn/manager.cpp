#include "txn/manager.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/limits.h"
#include "base/mutants.h"
#include "base/utf8.h"
#include "base/yield_point.h"
#include "wal/frame.h"

namespace selvedge::txn {

using graph::NameKind;
using graph::ReaderSlot;

Manager::Manager(graph::Graph& graph, wal::Log& log, const ManagerOptions& options)
    : graph_(graph),
      log_(log),
      options_(options),
      validation_(graph),
      reclaim_slot_(graph.epochs.acquire()),
      kept_from_(log.appended()),
      expiry_slot_(graph.epochs.acquire()) {
  graph_.set_status_sink(&Manager::status_free, this);
}

Manager::~Manager() = default;

std::uint64_t Manager::readable() const {
  // durable <= appended always; in the other modes readers accept what a crash may take back.
  return log_.mode() == wal::SyncMode::immediate ? log_.durable() : log_.appended();
}

ReaderSlot* Manager::open_view(std::uint64_t& sequence) {
  ReaderSlot* slot = graph_.epochs.acquire();
  slot->gate.begin();
  slot->view.store(ReaderSlot::opening, std::memory_order_seq_cst);
  sequence = base::mutant(base::Mutant::view_not_durable) ? log_.appended() : readable();
  slot->view.store(sequence, std::memory_order_seq_cst);
  return slot;
}

std::uint64_t Manager::begin_view() {
  const std::uint64_t newest = log_.appended();
  if (base::mutant(base::Mutant::stale_view)) {
    const std::uint64_t before = mutant_view_.exchange(newest);
    return before != 0 ? before : newest;
  }
  return newest;
}

State* Manager::begin(bool transactional, bool serializable) {
  State* state = nullptr;
  {
    Pool& pool = pools_.mine();
    const LatchGuard guard(pool.latch);
    if (!pool.idle.empty()) {
      state = pool.idle.back();
      pool.idle.pop_back();
    } else {
      state = pool.all.emplace_back(std::make_unique<State>()).get();
      state->home = base::shard_of_thread();
    }
    state->ticket.store(pool.tickets++ * base::shard_count + base::shard_of_thread() + 1,
                        std::memory_order_relaxed);
  }
  state->phase = Phase::active;
  state->transactional = transactional;
  state->serializable = serializable;
  state->slot = graph_.epochs.acquire();
  state->slot->gate.begin();
  if (transactional) {
    state->slot->holder.store(state, std::memory_order_release);
  }
  state->slot->view.store(ReaderSlot::opening, std::memory_order_seq_cst);
  const std::uint64_t view = begin_view();
  state->slot->view.store(view, std::memory_order_seq_cst);
  state->view = {view, state};
  active_.add(1);
  return state;
}

void Manager::reclaim_now_and_then() {
  constexpr std::uint32_t interval_ends = 64;
  if (since_reclaim_.mine().ends.fetch_add(1, std::memory_order_relaxed) % interval_ends ==
      interval_ends - 1) {
    reclaim(Reclaim::mine);
  }
}

void Manager::release_claims(State& state) {
  for (const std::uint64_t key : state.claims) {
    claims_.release(key, &state);
  }
  state.claims.clear();
}

/// Ends the caller's use: view and slot go at once, the rest when nobody needs it.
void Manager::finish(State* state) {
  release_claims(*state);
  state->slot->holder.store(nullptr, std::memory_order_release);
  graph_.epochs.release(state->slot);
  state->slot = nullptr;
  active_.add(-1);
}

/// The write set is done with; marks may still be read by pinned readers.
void Manager::recycle(State* state) {
  graph_.epochs.retire({reinterpret_cast<std::uint64_t>(static_cast<graph::TxnStatus*>(state)), 0,
                        graph::Retired::Kind::status});
}

void Manager::status_free(void* context, graph::TxnStatus* status) {
  auto* self = static_cast<Manager*>(context);
  auto* state = static_cast<State*>(status);
  state->commit.store(0, std::memory_order_relaxed);
  state->first.store(0, std::memory_order_relaxed);
  state->number = 0;
  state->metadata.clear();
  state->writes.clear();
  if (state->writes.capacity() > 4096) {
    state->writes = {};
  }
  state->logged_items = 0;
  state->counts.clear();
  state->dropped_node_slots.clear();
  state->dropped_edge_slots.clear();
  state->buffer.clear();
  if (state->buffer.capacity() > (std::size_t{1} << 20)) {
    state->buffer = {};
  }
  state->buffered_entries = 0;
  state->unlogged.clear();
  state->entries = 0;
  state->spills = 0;
  state->savepoints.clear();
  state->reads.clear();
  state->footprint.clear();
  state->commit_sequence = 0;
  state->compacted_items = 0;
  state->stamped.store(false, std::memory_order_relaxed);
  state->next_finished.store(nullptr, std::memory_order_relaxed);
  state->phase = Phase::idle;
  Pool& pool = self->pools_.at(state->home);
  const LatchGuard guard(pool.latch);
  pool.idle.push_back(state);
}

SavepointMark Manager::mark(const State& state) {
  return {0,
          state.writes.size(),
          state.buffer.size(),
          state.buffered_entries,
          state.unlogged.size(),
          state.entries,
          state.spills,
          state.counts};
}

// --- the way of a commit -----------------------------------------------------------------------

Result<std::uint64_t> Manager::commit(State* state) {
  SELVEDGE_ASSERT(state->phase == Phase::active);
  if (!state->wrote()) {
    state->phase = Phase::committed;
    finish(state);
    release_slots(*state);
    recycle(state);
    return 0;
  }
  // What was measured is looked at again under the log lock: the catalog must not go meanwhile.
  std::optional<graph::PinGuard> pin(std::in_place, graph_.epochs, state->slot);
  validation_.measure(*state);
  if (!state->reads.empty()) {
    if (const auto change = validation_.find_change(*state)) {
      note_conflict();
      return fail(Validation::conflict(*change));
    }
  }
  base::yield_point("txn.commit.validated");
  ByteWriter head;
  ByteWriter tail;
  const bool streamed = state->streamed();
  std::uint8_t flags = 0;
  std::uint32_t count = state->buffered_entries;
  if (state->transactional) {
    if (!streamed) {
      graph::put_begin(head, state->metadata);
      flags |= wal::frame_flags::begin;
      ++count;
    }
    graph::put_commit(tail, state->entries);
    flags |= wal::frame_flags::commit;
    ++count;
  }
  wal::FrameParts parts;
  parts.flags = flags;
  parts.count = count;
  parts.wall_us = options_.clock->wall_clock_us();
  parts.transaction = !state->transactional ? 0 : streamed ? state->number : wal::transaction_self;
  parts.payload = {head.span(), state->buffer.span(), tail.span()};
  parts.payload_crc = wal::payload_crc(parts.payload[0], parts.payload[1], parts.payload[2]);
  const std::uint64_t bytes =
      wal::frame_bytes(head.size() + state->buffer.size() + tail.size(), flags);
  {
    SELVEDGE_TRY(wal::Log::Section section, enter_validated(*state, bytes));
    const wal::Appended appended = section.append(parts);
    base::yield_point("txn.commit.appended");
    if (state->transactional && !streamed) {
      state->number = appended.first;
    }
    state->commit_sequence = appended.last;
    state->commit.store(appended.last, std::memory_order_release);
    if (streamed) {
      std::erase(active_numbers_, state->number);
    }
    State*& last = finished_.at(state->home).last;
    last->next_finished.store(state, std::memory_order_release);
    last = state;
    validation_.publish(*state, appended.last);
  }
  pin.reset();
  const std::uint64_t sequence = state->commit_sequence;
  base::yield_point("txn.commit.published");
  state->phase = Phase::committed;
  stamp(*state);
  state->buffer.clear();
  finish(state);
  waiting_.add(1);
  commits_.add(1);
  state->stamped.store(true, std::memory_order_release);  // from here on the reclaimer owns it
  reclaim_now_and_then();
  return sequence;
}

/// The log lock, with nothing changed that was read. What moves while it is being taken is looked
/// at outside again; a transaction that is overtaken time after time looks inside.
Result<wal::Log::Section> Manager::enter_validated(State& state, std::uint64_t bytes) {
  constexpr unsigned rounds_outside = 3;
  for (unsigned round = 1;; ++round) {
    const bool inside = round > rounds_outside;
    std::optional<ReadChange> change;
    {
      SELVEDGE_TRY(wal::Log::Section section, log_.enter(bytes));
      if (state.reads.empty() || !validation_.moved(state)) {
        return section;
      }
      if (inside) {
        change = validation_.find_change(state);
        if (!change) {
          return section;
        }
      }
    }
    if (!inside) {
      change = validation_.find_change(state);
    }
    if (change) {
      note_conflict();
      return fail(Validation::conflict(*change));
    }
    base::yield_point("txn.commit.moved");
  }
}

Status Manager::wait_durable(std::uint64_t sequence) {
  if (log_.mode() != wal::SyncMode::immediate ||
      base::mutant(base::Mutant::acknowledged_before_sync)) {
    return {};
  }
  return log_.sync(sequence);
}

/// Writes the commit sequence into the stamps of all own versions.
void Manager::stamp(State& state) {
  const graph::PinGuard pin(graph_.epochs, state.slot);
  const std::uint64_t mark = graph::mark_of(&state);
  const std::uint64_t stamp = graph::stamp_of(state.commit_sequence);
  for (const WriteItem& item : state.writes) {
    if (!item.has_version()) {
      continue;
    }
    const std::uint64_t slot = id_bits::slot(item.id());
    const auto& word = item.is_node() ? graph_.nodes.at(slot).head : graph_.edges.at(slot).head;
    // Others may have put theirs on top, or even be above one of ours that is cut off by now.
    graph::Head head{word.load(std::memory_order_acquire)};
    bool ours = false;
    while (!head.empty() && !head.is_inline()) {
      graph::Version* version = head.version();
      const std::uint64_t found = version->stamp.load(std::memory_order_relaxed);
      if (found == mark) {
        version->stamp.store(stamp, std::memory_order_release);
        ours = true;
      } else if (ours || found == stamp) {
        break;  // beneath ours; or done with another item of the same entity
      }
      head.word = version->prev();
    }
  }
}

// --- streaming ---------------------------------------------------------------------------------

Status Manager::spill(State& state) {
  if (state.buffered_entries == 0) {
    return {};
  }
  SELVEDGE_ASSERT(state.transactional);
  ByteWriter head;
  wal::FrameParts parts;
  parts.count = state.buffered_entries;
  parts.wall_us = options_.clock->wall_clock_us();
  const bool first = !state.streamed();
  if (first) {
    graph::put_begin(head, state.metadata);
    parts.flags = wal::frame_flags::begin;
    ++parts.count;
  }
  parts.transaction = first ? wal::transaction_self : state.number;
  parts.payload = {head.span(), state.buffer.span(), {}};
  parts.payload_crc = wal::payload_crc(parts.payload[0], parts.payload[1]);
  wal::Appended appended;
  {
    SELVEDGE_TRY(wal::Log::Section section,
                 log_.enter(wal::frame_bytes(head.size() + state.buffer.size(), parts.flags)));
    if (!first && section.next_sequence() + parts.count - state.number >= unlogged_flag) {
      return fail(ErrorCode::too_large, "the transaction spans too much of the log");
    }
    appended = section.append(parts);
    if (first) {
      state.number = appended.first;
      state.first.store(appended.first, std::memory_order_release);
      active_numbers_.push_back(
          state.number);  // counted in low-water from its first entry on (rule 32)
    }
  }
  base::yield_point("txn.spill.appended");
  // "Logged" is published after the append, never before (rule 33).
  const std::uint64_t base = appended.first + (first ? 1 : 0) - state.number;
  for (graph::Version* version : state.unlogged) {
    const std::uint32_t ordinal =
        version->distance.load(std::memory_order_relaxed) & ~unlogged_flag;
    version->distance.store(static_cast<std::uint32_t>(base + ordinal), std::memory_order_release);
  }
  state.unlogged.clear();
  state.buffer.clear();
  state.buffered_entries = 0;
  state.logged_items = state.writes.size();
  ++state.spills;
  return {};
}

Status Manager::make_room(State& state) {
  // One frame holds the buffer and one more entry, so the buffer has a bound of its own.
  constexpr std::size_t buffer_bytes_max = std::size_t{8} << 20;
  const std::size_t limit =
      std::min(std::size_t{options_.transaction_buffer_bytes}, buffer_bytes_max);
  if (state.transactional && state.buffer.size() >= limit) {
    return spill(state);
  }
  return {};
}

// --- rollback ----------------------------------------------------------------------------------

void Manager::pop_version(const WriteItem& item) {
  std::atomic<std::uint64_t>& head = head_of(item);
  graph::Version* version = graph::Head{head.load(std::memory_order_relaxed)}.version();
  head.exchange(version->prev(), std::memory_order_seq_cst);
  release_keys(item, *version);
  graph_.retire_version(version);
}

/// Takes the items from `from` on out of the chains, newest first.
void Manager::unlink_items(State& state, std::size_t from, ReaderSlot* slot_of_caller) {
  const graph::OperationScope scope(graph_.schema);
  const graph::PinGuard pin(graph_.epochs, slot_of_caller);
  for (std::size_t i = state.writes.size(); i-- > from;) {
    const WriteItem& item = state.writes[i];
    if (!item.has_version()) {
      continue;
    }
    const std::uint64_t slot = id_bits::slot(item.id());
    if (item.kind() == WriteKind::create_edge) {
      kill_entries(item.id(), item);
    }
    pop_version(item);
    if (item.kind() == WriteKind::create_node) {
      state.dropped_node_slots.push_back(slot);
    } else if (item.kind() == WriteKind::create_edge) {
      state.dropped_edge_slots.push_back(slot);
    }
  }
  after_unlink(state, from);
}

/// Entries follow their versions: what nobody carries any more dies, what a delete had unsettled
/// settles again.
void Manager::after_unlink(State& state, std::size_t from) {
  const std::uint64_t settled = horizon();
  for (std::size_t i = state.writes.size(); i-- > from;) {
    const WriteItem& item = state.writes[i];
    switch (item.kind()) {
      case WriteKind::add_label: release_label(item.id(), item); break;
      case WriteKind::remove_label: settle_label(item.id(), item, settled); break;
      case WriteKind::delete_edge: settle_edge(item.id(), item, settled); break;
      default: break;
    }
  }
  state.writes.resize(from);
}

void Manager::undo_operation(State& state, const SavepointMark& mark) {
  unlink_items(state, mark.items, state.slot);
  state.buffer.truncate(mark.buffer_bytes);
  state.buffered_entries = mark.buffered_entries;
  state.unlogged.resize(mark.unlogged);
  state.entries = mark.entries;
  state.counts = mark.counts;
}

void Manager::release_slots(State& state) {
  for (const std::uint64_t slot : state.dropped_node_slots) {
    graph_.out_list(graph_.nodes.at(slot)).drop();
    graph_.in_list(graph_.nodes.at(slot)).drop();
    graph_.retire_node_slot(slot);
  }
  for (const std::uint64_t slot : state.dropped_edge_slots) {
    graph_.retire_edge_slot(slot);
  }
}

Status Manager::rollback_to(State& state, std::size_t savepoint) {
  const SavepointMark target = state.savepoints[savepoint];
  if (state.spills == target.spills) {
    undo_operation(state, target);
    state.savepoints.resize(savepoint + 1);
    return {};
  }
  // Something since the savepoint is in the log already. What is not, is simply dropped; the rest
  // is put back by compensating versions with entries of their own (rules 19, 38).
  const std::size_t logged = std::max(state.logged_items, target.items);
  const std::uint64_t dropped = state.buffered_entries;
  unlink_items(state, logged, state.slot);
  state.buffer.clear();
  state.buffered_entries = 0;
  state.unlogged.clear();
  state.entries -= dropped;
  if (!base::mutant(base::Mutant::compensation_left_out)) {
    SELVEDGE_TRY(compensate(state, target.items, logged));
  } else {
    unlink_items(state, target.items, state.slot);
  }
  state.counts = target.counts;
  state.savepoints.resize(savepoint + 1);
  return {};
}

// --- names, checkpoints, counts ----------------------------------------------------------------

Result<std::uint32_t> Manager::intern(NameKind kind, std::string_view text) {
  graph::Dictionary& names = graph_.names.of(kind);
  if (const auto known = names.find(text)) {
    return *known;
  }
  if (text.empty()) {
    return fail(ErrorCode::invalid_argument, "a name is empty");
  }
  if (text.size() > limits::name_bytes_max) {
    return fail(Error(ErrorCode::too_large, "a name is too long")
                    .mismatch("at most " + std::to_string(limits::name_bytes_max) + " bytes",
                              std::to_string(text.size())));
  }
  if (!base::valid_utf8(text)) {
    return fail(ErrorCode::invalid_argument, "a name is not valid UTF-8");
  }
  const MutexLock lock(names_mutex_);
  if (const auto known = names.find(text)) {
    return *known;
  }
  const std::uint32_t id = names.size();
  if (id >= graph::name_id_max) {
    return fail(ErrorCode::exhausted, "no name ids are left");
  }
  // A non-transactional entry of its own that precedes the first use: whoever uses the id appends
  // after it, whatever becomes of the transaction that needed it first.
  ByteWriter payload;
  graph::ChangeWriter(payload).define_name(kind, id, text);
  wal::FrameParts parts;
  parts.count = 1;
  parts.wall_us = options_.clock->wall_clock_us();
  parts.payload = {payload.span(), {}, {}};
  parts.payload_crc = wal::payload_crc(parts.payload[0]);
  SELVEDGE_TRY(wal::Log::Section section, log_.enter(wal::frame_bytes(payload.size())));
  const bool defined = names.define(id, text);
  SELVEDGE_ASSERT(defined);
  if (!base::mutant(base::Mutant::name_not_logged)) {
    section.append(parts);
  }
  return id;
}

Result<Manager::CheckpointStart> Manager::checkpoint_start() {
  SELVEDGE_TRY(wal::Log::Section section, log_.enter(0));
  CheckpointStart start;
  start.begin = section.next_sequence();
  start.low_water = start.begin;
  for (const std::uint64_t number : active_numbers_) {
    if (!base::mutant(base::Mutant::low_water_ignores_streams)) {
      start.low_water = std::min(start.low_water, number);
    }
  }
  if (base::mutant(base::Mutant::low_water_too_high)) {
    ++start.low_water;
  }
  return start;
}

std::int64_t Manager::count(graph::CounterKind kind, std::uint32_t id, const State* self,
                            std::uint64_t sequence) {
  const MutexLock lock(reclaim_mutex_);
  std::int64_t total = base_counts_.of(kind, id);
  finished_.each([&](const Finished& finished) {
    for (const State* state = finished.first->next_finished.load(std::memory_order_acquire);
         state != nullptr && state->commit.load(std::memory_order_acquire) <= sequence;
         state = state->next_finished.load(std::memory_order_acquire)) {
      total += state->counts.of(kind, id);
    }
  });
  return self != nullptr ? total + self->counts.of(kind, id) : total;
}

void Manager::set_base_counts(graph::BaseCounts counts) {
  const MutexLock lock(reclaim_mutex_);
  base_counts_ = std::move(counts);
}

ManagerStats Manager::stats() const {
  return {commits_.sum(), aborts_.sum(),  conflicts_.sum(),
          active_.sum(),  waiting_.sum(), expired_.sum()};
}

}  // namespace selvedge::txn
