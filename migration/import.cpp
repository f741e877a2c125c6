#include "migration/import.h"

#include <selvedge/json.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/hash.h"
#include "migration/schema_text.h"

namespace selvedge::migration {

namespace {

constexpr std::size_t schema_max = 10000;
/// Ids that are held at once while marks are removed.
constexpr std::size_t marked_max = std::size_t{1} << 20;

std::string hex(std::uint64_t bits) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) {
    text.push_back("0123456789abcdef"[bits >> shift & 15]);
  }
  return text;
}

}  // namespace

ImportImpl::ImportImpl(Store& store, ImportSource source, ImportOptions options)
    : store_(store),
      source_(std::move(source)),
      options_(std::move(options)),
      bad_(options_, report_) {
  if (source_.format == GraphFormat::nornicdb) {
    if (options_.id_key.empty()) {
      options_.id_key = "nornic_id";
    }
    if (options_.id_label.empty()) {
      options_.id_label = "NornicNode";
    }
  }
  options_.batch_records = std::max(options_.batch_records, 1U);
  meter_ = std::make_unique<base::ProgressMeter>(options_.progress, Activity::import_data);
}

ImportImpl::ImportImpl(Store& store) : store_(store), bad_(options_, report_) {
  only_discard_ = true;
  checked_ = true;
  meter_ = std::make_unique<base::ProgressMeter>(options_.progress, Activity::import_data);
}

Result<bool> ImportImpl::step() {
  if (done_) {
    return failure_ ? Result<bool>(fail(failure_->clone())) : false;
  }
  if (!checked_) {
    SELVEDGE_TRY(check());
    checked_ = true;
  }
  if (!begun_) {
    return begin();
  }
  switch (state_.phase) {
    case State::Phase::load: return load();
    case State::Phase::clean: return clean();
    case State::Phase::discard: return discard();
  }
  return false;
}

// --- the first reading ---------------------------------------------------------------------------

Result<std::unique_ptr<Source>> ImportImpl::open_source() {
  FileSystem& files = options_.file_system != nullptr ? *options_.file_system : posix_file_system();
  const SourceContext context{files, options_, bad_, report_};
  const bool csv = source_.format == GraphFormat::csv;
  if (!csv && (source_.nodes.size() != 1 || !source_.edges.empty())) {
    return fail(Error(ErrorCode::invalid_argument, "an import of this format has one path")
                    .mismatch("1", std::to_string(source_.nodes.size() + source_.edges.size())));
  }
  switch (source_.format) {
    case GraphFormat::jsonl: return open_jsonl(context, source_.nodes[0]);
    case GraphFormat::csv: return open_csv(context, source_.nodes, source_.edges);
    case GraphFormat::graphml: return open_graphml(context, source_.nodes[0]);
    case GraphFormat::nornicdb: return open_nornicdb(context, source_.nodes[0]);
    case GraphFormat::dot: break;
  }
  return fail(ErrorCode::unsupported, "DOT is for drawings: it cannot be imported");
}

/// Two inputs are the same when they have the same bytes and are read the same way.
std::string ImportImpl::source_name() const {
  std::string text = std::string(to_string(source_.format)) + "|" + fingerprint_;
  for (const std::string* each :
       {&options_.id_key, &options_.id_label, &options_.database, &options_.csv_nodes_header,
        &options_.csv_edges_header, &options_.default_label, &options_.default_type}) {
    text += "|" + std::to_string(each->size()) + ":" + *each;
  }
  text += {options_.csv.delimiter, options_.csv.array_delimiter, options_.csv.quote,
           options_.skip_bad ? 's' : '-', options_.ignore_unknown ? 'i' : '-'};
  const base::Hash128 hash = base::hash128(as_bytes(text));
  return hex(hash.high) + hex(hash.low);
}

Status ImportImpl::check() {
  SELVEDGE_TRY(input_, open_source());
  meter_->step("check", ProgressUnit::bytes, input_->bytes_total());
  Record record;
  report_.records = 0;
  std::uint64_t told = 0;
  for (;;) {
    SELVEDGE_TRY(const bool more, input_->next(record));
    if (!more) {
      break;
    }
    ++report_.records;
    if (record.kind == Record::Kind::schema) {
      if (schema_after_.size() == schema_max) {
        return fail(bad_input(record.place, "too many indexes and constraints",
                              "at most " + std::to_string(schema_max), "more",
                              ErrorCode::too_large));
      }
      schema_after_.push_back(record.spec);
    }
    if (report_.records % 256 == 0) {
      meter_->add(input_->bytes_done() - told);
      told = input_->bytes_done();
    }
  }
  report_.bytes = input_->bytes_total();
  fingerprint_ = input_->fingerprint();
  if (!options_.id_label.empty() && !options_.id_key.empty()) {
    schema_after_.push_back(SchemaSpec::node_unique(options_.id_label, {options_.id_key}));
  }
  for (const std::string& type : input_->edge_types()) {
    schema_before_.push_back(SchemaSpec::edge_unique(type, {options_.id_key}));
  }
  loader_.emplace(options_.id_key, options_.id_label,
                  source_.format == GraphFormat::nornicdb ? options_.id_key : std::string(),
                  input_->edge_types());
  bad_.count(false);
  return input_->rewind();
}

// --- the beginning -------------------------------------------------------------------------------

void ImportImpl::take_up(StateNode found) {
  node_ = found.id;
  state_ = std::move(found.state);
  begun_ = true;
  meter_->step(state_.phase == State::Phase::load ? "load" : "finish",
               state_.phase == State::Phase::load ? ProgressUnit::bytes : ProgressUnit::records,
               state_.phase == State::Phase::load ? report_.bytes : 0);
}

Result<bool> ImportImpl::begin() {
  SELVEDGE_TRY(auto found, [this] {
    const ReadView view = store_.read();
    return find_state(view);
  }());
  const std::string name = only_discard_ ? std::string() : source_name();
  if (found) {
    if (found->state.phase == State::Phase::clean && found->state.source != name) {
      cleaning_other_ = true;  // it is complete: only its marks are left
    } else if (found->state.phase == State::Phase::load && !only_discard_ &&
               found->state.source != name) {
      return fail(
          Error(ErrorCode::already_exists,
                "another import of this store is unfinished: go on with it or discard it")
              .mismatch("no other", std::string(to_string(found->state.format)) + " " +
                                        (found->state.paths.empty() ? std::string("?")
                                                                    : found->state.paths.front())));
    } else {
      report_.resumed = found->state.phase != State::Phase::discard;
    }
    take_up(*std::move(found));
    if (only_discard_ && state_.phase == State::Phase::load) {
      State after = state_;
      after.phase = State::Phase::discard;
      return commit_state(after);
    }
    return true;
  }
  if (only_discard_) {
    return fail(ErrorCode::not_found, "there is no unfinished import in this store");
  }
  if (!options_.again) {
    SELVEDGE_TRY(const auto before, find_done(store_, name));
    if (before) {
      state_ = *before;
      count_report();
      report_.done_before = true;
      done_ = true;
      meter_->finish();
      return false;
    }
  }
  State fresh;
  fresh.source = name;
  fresh.format = source_.format;
  fresh.paths = source_.nodes;
  fresh.paths.insert(fresh.paths.end(), source_.edges.begin(), source_.edges.end());
  fresh.bad = report_.bad_count;
  SELVEDGE_TRY(const NodeId node, create_state(store_, fresh));
  take_up({node, std::move(fresh)});
  return true;
}

// --- transactions --------------------------------------------------------------------------------

template <class Change>
Status ImportImpl::commit(const State& after, Change change, RetryOptions retry) {
  retry.transaction.isolation = Isolation::snapshot;  // the state's node keeps others out
  SELVEDGE_TRY(store_.transact(
      [&](Transaction& tx) -> Status {
        SELVEDGE_TRY(replace_state(tx, node_, state_, after));
        return change(tx);
      },
      retry));
  state_ = after;
  return {};
}

Result<bool> ImportImpl::commit_state(const State& after) {
  SELVEDGE_TRY(commit(after, [](Transaction&) { return Status{}; }));
  return true;
}

Result<bool> ImportImpl::make_schema(const std::vector<SchemaSpec>& specs, std::size_t& at) {
  for (; at < specs.size(); ++at) {
    const SchemaSpec& spec = specs[at];
    if (find_schema(store_, spec)) {
      continue;
    }
    const std::string text = schema_to_json(spec);
    if (std::find(state_.made.begin(), state_.made.end(), text) == state_.made.end()) {
      State after = state_;  // what is made is known before it is, so that it can be taken back
      after.made.push_back(text);
      ++after.schema;
      return commit_state(after);
    }
    Status made = store_.create_schema(spec);
    if (!made) {
      return blames_input(made.error().code()) || made.error().code() == ErrorCode::already_exists
                 ? give_up(std::move(made).error())
                 : Result<bool>(fail(std::move(made).error()));
    }
    ++at;
    return true;
  }
  return false;
}

/// The input cannot be taken: everything comes out again, and then the error.
Result<bool> ImportImpl::give_up(Error why) {
  State after = state_;
  after.phase = State::Phase::discard;
  SELVEDGE_TRY(commit_state(after));  // `locked`: it was not the input, but another import
  failure_ = std::move(why);
  batch_.clear();
  return true;
}

// --- loading -------------------------------------------------------------------------------------

Result<bool> ImportImpl::load() {
  if (!ids_indexed_) {
    ids_indexed_ = true;
    if (!find_schema(store_, id_index())) {
      const Status made = store_.create_schema(id_index());
      if (!made && made.error().code() != ErrorCode::already_exists) {
        ids_indexed_ = false;
        return fail(made.error().clone());
      }
      return true;
    }
  }
  if (state_.records == 0) {
    SELVEDGE_TRY(const bool made, make_schema(schema_before_, schema_before_at_));
    if (made) {
      return true;
    }
  }
  if (batch_.empty() && !ended_) {
    Status filled = fill_batch();
    if (!filled) {
      return blames_input(filled.error().code())
                 ? give_up(std::move(filled).error())  // it was right at first: it has changed
                 : Result<bool>(fail(std::move(filled).error()));
    }
  }
  if (!batch_.empty()) {
    return batch_.front().kind == Record::Kind::embedding ? load_embedding() : load_batch();
  }
  if (fingerprint_ != input_->fingerprint()) {
    return give_up(Error(ErrorCode::invalid_argument, "the input has changed while it was read")
                       .at(source_.nodes.front())
                       .mismatch(fingerprint_, input_->fingerprint()));
  }
  SELVEDGE_TRY(const bool made, make_schema(schema_after_, schema_after_at_));
  if (made) {
    return true;
  }
  State after = state_;
  after.phase = State::Phase::clean;
  after.records = read_;
  meter_->step("finish", ProgressUnit::records, state_.nodes);
  return commit_state(after);
}

Status ImportImpl::fill_batch() {
  embedding_at_ = 0;
  embeddings_bad_ = 0;
  std::uint64_t bytes = 0;
  while (batch_.size() < options_.batch_records && bytes < options_.batch_bytes) {
    Record record;
    if (held_) {
      record = *std::move(held_);
      held_.reset();
    } else {
      SELVEDGE_TRY(const bool more, input_->next(record));
      if (!more) {
        ended_ = true;
        break;
      }
      ++read_;
    }
    // Those before the position are in the store; indexes and constraints come at the end.
    if (read_ <= state_.records || record.kind == Record::Kind::schema) {
      continue;
    }
    const auto is_embedding = [](const Record& each) {
      return each.kind == Record::Kind::embedding;
    };
    if (!batch_.empty() && is_embedding(batch_.front()) != is_embedding(record)) {
      held_ = std::move(record);
      break;
    }
    bytes += record.bytes;
    batch_.push_back(std::move(record));
  }
  batch_end_ = held_ ? read_ - 1 : read_;
  meter_->add(input_->bytes_done() - std::min(bytes_told_, input_->bytes_done()));
  bytes_told_ = std::max(bytes_told_, input_->bytes_done());
  return {};
}

/// Embeddings belong to no transaction. Setting one again changes nothing; so they are all set
/// before the position that is behind them is committed.
Result<bool> ImportImpl::load_embedding() {
  if (embedding_at_ == batch_.size()) {
    State after = state_;
    after.records = batch_end_;
    after.embeddings += batch_.size() - embeddings_bad_;
    after.bad += embeddings_bad_;
    SELVEDGE_TRY(commit_state(after));
    batch_.clear();
    return true;
  }
  const Record& record = batch_[embedding_at_];
  const auto set = [&]() -> Status {
    NodeId node;
    {
      const ReadView view = store_.read();
      SELVEDGE_TRY(node, loader_->find(view, record.id, record));
    }
    return store_.set_embedding(node, record.key, record.vector);
  };
  Status status = set();
  if (!status && blames_input(status.error().code())) {
    bad_.count(true);
    status = bad_.add(record.place, std::move(status).error());
    bad_.count(false);
    if (!status) {
      return give_up(std::move(status).error());
    }
    ++embeddings_bad_;
  }
  SELVEDGE_TRY(std::move(status));
  ++embedding_at_;
  return true;
}

Result<bool> ImportImpl::load_batch() {
  State after;
  std::vector<std::pair<Place, Error>> bad;
  bool blamed = false;
  RetryOptions retry;
  retry.transaction.isolation = Isolation::snapshot;  // the state's node keeps others out
  Status status = store_.transact(
      [&](Transaction& tx) -> Status {
        after = state_;
        after.records = batch_end_;
        bad.clear();
        blamed = false;
        for (const Record& record : batch_) {
          Loader::Outcome outcome = loader_->apply(tx, record, after);
          if (outcome.fault == Loader::Fault::none) {
            continue;
          }
          blamed = outcome.fault == Loader::Fault::input && !options_.skip_bad;
          if (blamed || outcome.fault == Loader::Fault::store) {
            return fail(*std::move(outcome.error));
          }
          bad.emplace_back(record.place, *std::move(outcome.error));
        }
        after.bad += bad.size();
        return replace_state(tx, node_, state_, after);
      },
      retry);
  if (!status) {
    return blamed ? give_up(std::move(status).error())
                  : Result<bool>(fail(std::move(status).error()));
  }
  bad_.count(true);
  for (auto& [place, error] : bad) {
    SELVEDGE_TRY(bad_.add(place, std::move(error)));
  }
  bad_.count(false);
  state_ = after;
  batch_.clear();
  return true;
}

// --- the end -------------------------------------------------------------------------------------

/// Nodes that have the mark, some of them. False: there are none.
Result<bool> ImportImpl::marked_nodes() {
  if (marked_.empty()) {
    const ReadView view = store_.read();
    for (const Node& node : view.nodes(import_mark)) {
      marked_.push_back(node.id());
      if (marked_.size() == marked_max) {
        break;
      }
    }
  }
  return !marked_.empty();
}

Result<bool> ImportImpl::clean() {
  SELVEDGE_TRY(const bool any, marked_nodes());
  if (!any) {
    return finish();
  }
  const std::size_t count = std::min<std::size_t>(marked_.size(), options_.batch_records);
  const std::span<const NodeId> batch(marked_.data() + marked_.size() - count, count);
  SELVEDGE_TRY(commit(state_, [&](Transaction& tx) -> Status {
    for (const NodeId id : batch) {
      Status status = tx.remove(id, import_mark);
      if (status) {
        status = tx.remove_label(id, import_mark);
      }
      if (!status && status.error().code() != ErrorCode::not_found) {  // deleted by somebody else
        return status;
      }
    }
    return {};
  }));
  marked_.resize(marked_.size() - count);
  meter_->add(count);
  return true;
}

Result<bool> ImportImpl::drop_id_index() {
  if (!find_schema(store_, id_index())) {
    return false;
  }
  const Status dropped = store_.drop_schema(id_index().name);
  if (!dropped && dropped.error().code() != ErrorCode::not_found) {
    return fail(dropped.error().clone());
  }
  return true;
}

Result<bool> ImportImpl::finish() {
  SELVEDGE_TRY(const bool dropped, drop_id_index());
  if (dropped) {
    return true;
  }
  RetryOptions retry;
  retry.transaction.metadata = done_metadata(state_);
  SELVEDGE_TRY(commit(
      state_, [&](Transaction& tx) { return tx.delete_node(node_); }, retry));
  begun_ = false;
  if (cleaning_other_) {
    cleaning_other_ = false;
    if (only_discard_) {
      done_ = true;
      failure_.emplace(ErrorCode::finished,
                       "the import was complete but for its marks; they are removed now");
    }
    return true;  // now ours
  }
  count_report();
  done_ = true;
  meter_->finish();
  return false;
}

void ImportImpl::count_report() {
  report_.records = state_.records;
  report_.nodes = state_.nodes;
  report_.edges = state_.edges;
  report_.embeddings = state_.embeddings;
  report_.schema = state_.schema;
  report_.bad_count = state_.bad;
}

Result<bool> ImportImpl::discard() {
  if (!state_.made.empty()) {
    SELVEDGE_TRY(const SchemaSpec spec, schema_from_json(state_.made.back()));
    if (const auto found = find_schema(store_, spec)) {
      const Status dropped = store_.drop_schema(found->spec.name);
      if (!dropped && dropped.error().code() != ErrorCode::not_found) {
        return fail(dropped.error().clone());
      }
      return true;
    }
    State after = state_;
    after.made.pop_back();
    return commit_state(after);
  }
  SELVEDGE_TRY(const bool any, marked_nodes());
  if (any) {
    return discard_nodes();
  }
  SELVEDGE_TRY(const bool dropped, drop_id_index());
  if (dropped) {
    return true;
  }
  SELVEDGE_TRY(commit(state_, [&](Transaction& tx) { return tx.delete_node(node_); }));
  begun_ = false;
  ids_indexed_ = false;
  if (failure_ || only_discard_) {
    done_ = true;
    return failure_.has_value();  // the next step says why
  }
  return true;  // what another attempt had left is gone: now from the beginning
}

/// Nodes with their edges; of a hub some edges at a time.
Result<bool> ImportImpl::discard_nodes() {
  std::size_t gone = 0;
  SELVEDGE_TRY(commit(state_, [&](Transaction& tx) -> Status {
    gone = 0;
    std::size_t budget = options_.batch_records;
    while (budget > 0 && gone < marked_.size()) {
      const NodeId id = marked_[marked_.size() - 1 - gone];
      std::vector<EdgeId> edges;
      for (auto cursor = tx.both_edges(id); edges.size() < budget && cursor.next();) {
        edges.push_back(cursor.id());
      }
      SELVEDGE_TRY(tx.delete_edges(edges));
      budget -= edges.size();
      if (budget == 0) {
        break;
      }
      --budget;
      const Status deleted = tx.delete_node(id);
      if (!deleted && deleted.error().code() != ErrorCode::not_found) {
        return fail(deleted.error().clone());
      }
      ++gone;
    }
    return {};
  }));
  marked_.resize(marked_.size() - gone);
  return true;
}

}  // namespace selvedge::migration
