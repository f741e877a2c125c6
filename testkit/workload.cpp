#include <selvedge/testkit/workload.h>

#include <algorithm>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace selvedge::testkit {

// --- the state ---------------------------------------------------------------------------------

namespace {

class StateHash {
 public:
  void add(std::uint64_t word) { hash_ = XXH3_64bits_withSeed(&word, sizeof(word), hash_); }
  void add(std::string_view text) {
    hash_ = XXH3_64bits_withSeed(text.data(), text.size(), hash_ + 1);
  }
  void add(const Reader& view, const Properties& properties) {
    const auto image = properties.image();
    hash_ = XXH3_64bits_withSeed(image.data(), image.size(), hash_ + 2);
    for (std::size_t i = 0; i < properties.size(); ++i) {
      add(view.name(properties.at(i).key));
    }
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 1;
};

}  // namespace

std::uint64_t state_hash(const Reader& view) {
  StateHash hash;
  hash.add(view.node_count());
  hash.add(view.edge_count());
  const auto embedding_key = view.find_key("embedding");
  for (auto cursor = view.nodes(); cursor.next();) {
    const Node& node = cursor.node();
    hash.add(node.id().value);
    hash.add(view, node.properties());
    for (std::size_t i = 0; i < node.label_count(); ++i) {
      hash.add(view.name(node.label(i)));
    }
    if (embedding_key) {
      if (const auto floats = view.embedding(node.id(), *embedding_key)) {
        for (const float each : *floats) {
          hash.add(static_cast<std::uint64_t>(static_cast<std::int64_t>(each * 1024)));
        }
      }
    }
  }
  for (auto scan = view.edges(); scan.next();) {
    const Edge& edge = scan.edge();
    hash.add(edge.id().value);
    hash.add(edge.source().value);
    hash.add(edge.target().value);
    hash.add(view.name(edge.type()));
    hash.add(view, edge.properties());
  }
  return hash.value();
}

// --- the ledger --------------------------------------------------------------------------------

Bounds Ledger::bounds(std::size_t event) const {
  Bounds bounds;
  for (std::size_t i = 0; i < steps.size() && steps[i].issued <= event; ++i) {
    bounds.upper = i + 1;
    if (steps[i].acknowledged && *steps[i].acknowledged <= event) {
      bounds.lower = i + 1;
    }
  }
  for (const Copy& copy : copies) {
    if (copy.made <= event) {
      ++bounds.copies;
      bounds.lower = std::max(bounds.lower, copy.step);
    }
  }
  return bounds;
}

// --- a run -------------------------------------------------------------------------------------

Options Trial::options_of(const Workload& workload, FileSystem& files) {
  Options options;
  options.segment_bytes = 4 << 10;
  options.log_buffer_bytes = 32 << 10;
  options.checkpoint_log_bytes = 0;
  options.background_maintenance = false;
  options.recovery_threads = 1;
  if (workload.configure) {
    workload.configure(options);
  }
  options.file_system = &files;
  return options;
}

Trial::Trial(const Workload& workload, SimFileSystem& files, const Ledger* reference)
    : Trial(workload, files, {}, {}, reference) {
  simulated_ = &files;
}

Trial::Trial(const Workload& workload, FileSystem& files, std::string root, Report report,
             const Ledger* reference)
    : workload_(workload),
      files_(files),
      root_(std::move(root)),
      report_(std::move(report)),
      reference_(reference),
      options_(options_of(workload, files)) {
  if (reference != nullptr) {
    ledger_.empty_state = reference->empty_state;
  }
}

Trial::~Trial() {
  if (simulated_ != nullptr) {
    simulated_->power_off();  // what the store's end would write is no part of the run
  }
}

std::size_t Trial::now() const { return simulated_ == nullptr ? 0 : simulated_->events(); }

void Trial::report() const {
  if (report_) {
    report_(ledger_.bounds(now()));
  }
}

Status Trial::open() {
  SELVEDGE_TRY(auto store, Store::open(path(store_path), options_));
  store_.emplace(std::move(store));
  return {};
}

Status Trial::execute(std::size_t steps_max) {
  steps_max_ = steps_max;
  SELVEDGE_TRY(open());
  if (reference_ == nullptr) {
    ledger_.empty_state = state_hash(store_->read());
  }
  const Status done = workload_.body(*this);
  seams_.reset();
  return done && !seam_status_ ? fail(seam_status_.error().clone())
         : done                ? Status{}
                               : fail(done.error().clone());
}

void Trial::during(const std::string& place, int times, std::function<Status()> step) {
  if (seams_ == nullptr) {
    seams_ = std::make_unique<Seams>();
  }
  seams_->at(place, times, [this, step = std::move(step)] {
    if (Status done = step(); !done && seam_status_) {
      seam_status_ = std::move(done);
    }
  });
}

void Trial::pass_time(std::chrono::microseconds time) {
  if (simulated_ != nullptr) {
    simulated_->pass_time(time);
  }
}

Result<Transaction> Trial::begin() { return store_->begin(); }

/// A step is about to be asked for.
Status Trial::issue() {
  const std::size_t known = reference_ == nullptr ? steps_max_ : reference_->steps.size();
  if (ledger_.steps.size() >= std::min(steps_max_, known)) {
    return fail(ErrorCode::finished, "the run ends here");
  }
  Step step;
  if (reference_ != nullptr) {
    step = reference_->steps[ledger_.steps.size()];
    step.acknowledged.reset();
  }
  step.issued = now();
  ledger_.steps.push_back(step);
  report();
  return {};
}

/// What became of the last step: it is there, it is not, or nobody knows.
Status Trial::settle(const Status& outcome) {
  if (!outcome) {
    if (outcome.error().code() != ErrorCode::unknown_outcome) {
      ledger_.steps.pop_back();
      report();
    }
    return fail(outcome.error().clone());
  }
  if (reference_ == nullptr) {
    note_state(ledger_.steps.back());
    note_gone(ledger_.steps.size() - 1);
  }
  ++steps_done_;
  if (options_.sync == SyncMode::immediate) {
    ledger_.steps.back().acknowledged = now();
    report();
  }
  return {};
}

void Trial::note_state(Step& step) {
  const ReadView view = store_->read();
  step.state = state_hash(view);
  for (auto node = view.nodes(); node.next();) {
    step.nodes.push_back(node.id().value);
  }
  for (auto edge = view.edges(); edge.next();) {
    step.edges.push_back(edge.edge().id().value);
  }
}

/// What was in the state before a step and is not in its own must not come back.
void Trial::note_gone(std::size_t index) {
  const auto compare = [&](std::vector<std::uint64_t> Step::*ids, std::set<std::uint64_t>& gone) {
    const auto& now = ledger_.steps[index].*ids;
    for (const std::uint64_t id : now) {
      if (gone.count(id) != 0 && !violation_) {
        violation_ = "an id is given out again: " + std::to_string(id);
      }
    }
    if (index > 0) {
      const auto& before = ledger_.steps[index - 1].*ids;
      gone.insert(before.begin(), before.end());
      for (const std::uint64_t id : now) {
        gone.erase(id);
      }
    }
  };
  compare(&Step::nodes, gone_nodes_);
  compare(&Step::edges, gone_edges_);
}

Status Trial::commit(Transaction& transaction) {
  SELVEDGE_TRY(issue());
  const auto done = transaction.commit();
  if (done && options_.sync == SyncMode::immediate && store_->stats().durable < *done) {
    violation_ = "a commit is acknowledged before it is durable";
  }
  return settle(done ? Status{} : fail(done.error().clone()));
}

Status Trial::alone(const std::function<Status(Store&)>& operation) {
  SELVEDGE_TRY(issue());
  return settle(operation(*store_));
}

void Trial::acknowledge_all() {
  const std::size_t event = now();
  for (Step& step : ledger_.steps) {
    if (!step.acknowledged) {
      step.acknowledged = event;
    }
  }
  report();
}

Status Trial::sync() {
  SELVEDGE_TRY(store_->sync());
  acknowledge_all();
  return {};
}

Status Trial::close() {
  SELVEDGE_TRY(store_->close());
  acknowledge_all();
  store_.reset();
  return {};
}

Status Trial::reopen() {
  SELVEDGE_TRY(close());
  return open();
}

Status Trial::die(std::vector<Transaction> open) {
  return next_life(std::move(open), [this] { simulated_->restart(); });
}

Status Trial::lose_power(std::vector<Transaction> open,
                         const std::function<bool(std::size_t, std::size_t)>& kept) {
  return next_life(std::move(open), [&] { simulated_->restart_after_power_loss(kept); });
}

Status Trial::next_life(std::vector<Transaction> open, const std::function<void()>& restart) {
  SELVEDGE_TRY(issue());
  Bounds before = ledger_.bounds(now());
  --before.upper;  // the step that was just issued is this one
  if (simulated_ == nullptr) {
    open.clear();
    SELVEDGE_TRY(close());
    before.lower = before.upper;
  } else {
    simulated_->power_off();
    open.clear();
    store_.reset();
    restart();
  }
  SELVEDGE_TRY(this->open());
  return take_up(before);
}

/// The state that recovery returned is a step of its own: it is durable, whatever was issued.
Status Trial::take_up(Bounds before) {
  const std::uint64_t found = state_hash(store_->read());
  // The first that looks like this: whether later steps that lead back here happened is not known.
  std::size_t steps = before.lower;
  while (steps <= before.upper && ledger_.state(steps) != found) {
    ++steps;
  }
  if (steps > before.upper) {
    violation_ = "after the process died: expected the state after step " +
                 std::to_string(before.lower) + " to " + std::to_string(before.upper);
    return fail(ErrorCode::corruption, *violation_);
  }
  if (reference_ != nullptr && ledger_.steps.back().state != found) {
    ledger_.steps.back().state = found;
    ledger_.steps.back().acknowledged = now();
    return fail(ErrorCode::finished, "from here on it is another run");
  }
  Step& step = ledger_.steps.back();
  if (reference_ == nullptr) {
    note_state(step);
    for (std::size_t i = steps; i < before.upper; ++i) {
      ledger_.steps[i].nodes = step.nodes;  // what happened in them never did
      ledger_.steps[i].edges = step.edges;
    }
    gone_nodes_.clear();
    gone_edges_.clear();
    for (std::size_t i = 0; i < ledger_.steps.size(); ++i) {
      note_gone(i);
    }
  }
  step.acknowledged = now();
  steps_done_ = ledger_.steps.size();
  report();
  return {};
}

Status Trial::backup(const std::string& directory) {
  const Status made = store_->backup(path(directory));
  if (!made) {
    return fail(made.error().clone());
  }
  ledger_.copies.push_back({directory, steps_done_, now()});
  report();
  return {};
}

}  // namespace selvedge::testkit
