#include "testkit/verify.h"

#include <algorithm>
#include <utility>

namespace selvedge::testkit {

std::optional<std::string> compare_state(const Store& store, const Workload& workload,
                                         const Ledger& ledger, Bounds bounds, std::size_t& steps) {
  {
    const ReadView view = store.read();
    std::string broken;
    if (const auto invariant = workload.invariant ? workload.invariant(view) : std::nullopt) {
      broken = "the program's invariant is broken: " + *invariant;
    }
    const std::uint64_t found = state_hash(view);
    std::optional<std::size_t> elsewhere;
    for (std::size_t i = 0; i <= ledger.steps.size(); ++i) {
      if (ledger.state(i) == found && (i >= bounds.lower || !elsewhere)) {
        elsewhere = i;
        if (i >= bounds.lower) {
          break;
        }
      }
    }
    if (!elsewhere || *elsewhere < bounds.lower || *elsewhere > bounds.upper) {
      return "expected the state after step " + std::to_string(bounds.lower) + " to " +
             std::to_string(bounds.upper) + ", found " +
             (elsewhere ? "that after step " + std::to_string(*elsewhere)
                        : "a state that no step leaves: " + std::to_string(view.node_count()) +
                              " nodes, " + std::to_string(view.edge_count()) + " edges") +
             (broken.empty() ? "" : "; " + broken);
    }
    steps = *elsewhere;
    if (!broken.empty()) {
      return broken;
    }
  }
  const CheckReport report = store.check();
  if (!report.faults.empty()) {
    return "the structures disagree: " + report.faults.front();
  }
  return std::nullopt;
}

std::optional<std::string> read_log(const Store& store) {
  const auto log = store.txlog();
  if (!log) {
    return "the log cannot be read: " + log.error().message();
  }
  std::uint64_t expected = log->first().value;
  auto cursor = log->entries(log->first());
  while (cursor && cursor->next()) {
    if (cursor->entry().sequence.value != expected++) {
      return "entry " + std::to_string(expected - 1) + " of the log is shown as " +
             std::to_string(cursor->entry().sequence.value);
    }
  }
  if (!cursor || !cursor->status()) {
    const Error& error = cursor ? cursor->status().error() : cursor.error();
    return "entry " + std::to_string(expected) + " of the log: " + error.message();
  }
  if (expected != log->last().value + 1) {
    return "the log is shown up to entry " + std::to_string(expected - 1) + " of " +
           std::to_string(log->last().value);
  }
  return std::nullopt;
}

std::optional<std::string> compare_past(const Store& store, const Options& options,
                                        const Ledger& ledger, std::size_t steps) {
  std::vector<std::uint64_t> expected{ledger.state(0)};
  for (std::size_t i = 1; i <= steps; ++i) {
    if (ledger.state(i) != expected.back()) {
      expected.push_back(ledger.state(i));
    }
  }
  std::vector<std::uint64_t> moments{0};
  auto feed = store.feed({1});
  while (feed && feed->next()) {
    moments.push_back(feed->commit().sequence.value);
  }
  if (!feed || !feed->status()) {
    return "the feed: " + (feed ? feed->status().error() : feed.error()).message();
  }
  std::size_t at = 0;
  for (const std::uint64_t moment : moments) {
    const auto past = Store::open_as_of(store_path, Sequence{moment}, options);
    const std::string where = "the store as of " + std::to_string(moment) + ": ";
    if (!past) {
      return where + past.error().message();
    }
    const std::uint64_t found = state_hash(past->read());
    at += found != expected[at] && at + 1 < expected.size() ? 1U : 0U;
    if (found != expected[at]) {
      return where + "not the state after step " + std::to_string(at);
    }
    if (const CheckReport report = past->check(); !report.faults.empty()) {
      return where + report.faults.front();
    }
  }
  return at + 1 == expected.size()
             ? std::nullopt
             : std::optional<std::string>("the store's past lacks the last states");
}

std::optional<std::string> compare_copy(FileSystem& files, const std::string& root,
                                        const Workload& workload, const Ledger& ledger,
                                        const Copy& copy, bool finished) {
  Options options = Trial::options_of(workload, files);
  options.create_if_missing = false;
  const auto store = Store::open(root + copy.directory, options);
  std::optional<std::string> wrong;
  if (store) {
    std::size_t steps = 0;
    wrong = compare_state(*store, workload, ledger, {copy.step, copy.step}, steps);
  } else if (finished) {
    wrong = "refused: " + store.error().message();
  }
  if (wrong) {
    return "the copy in " + copy.directory + ": " + *wrong;
  }
  return std::nullopt;
}

std::optional<std::string> compare_copies(const Workload& workload, const Image& image,
                                          const Ledger& ledger, Bounds bounds) {
  for (std::size_t i = 0; i < ledger.copies.size(); ++i) {
    SimFileSystem files(image);
    if (auto wrong =
            compare_copy(files, {}, workload, ledger, ledger.copies[i], i < bounds.copies)) {
      return wrong;
    }
  }
  return std::nullopt;
}

Verified::Verified(const Workload& workload, const Image& image, const Ledger& ledger,
                   Bounds bounds)
    : workload_(workload), files_(image) {
  Options options = Trial::options_of(workload, files_);
  options.sync = SyncMode::immediate;
  auto store = Store::open(store_path, options);
  recovery_events_ = files_.events();
  if (!store) {
    fault_ = "recovery refused: " + store.error().message();
    return;
  }
  fault_ = compare_state(*store, workload, ledger, bounds, steps_);
  if (!fault_) {
    fault_ = read_log(*store);
  }
  if (!fault_ && options.log_retention.everything) {
    fault_ = compare_past(*store, options, ledger, steps_);
  }
  if (!fault_) {
    fault_ = compare_copies(workload, image, ledger, bounds);
  }
  if (!fault_) {
    fault_ = live_on(*store, ledger);
  }
  files_.power_off();  // the store's end is no part of it
}

Verified::~Verified() = default;

std::optional<std::string> Verified::live_on(Store& store, const Ledger& ledger) {
  const auto made = store.create_node({"Life"}, {{"n", 1}});
  if (!made) {
    return "the recovered store refuses a commit: " + made.error().message();
  }
  for (std::size_t i = 0; i < steps_; ++i) {
    const auto& nodes = ledger.steps[i].nodes;
    if (std::find(nodes.begin(), nodes.end(), made->value) != nodes.end()) {
      return "an id is given out again: " + std::to_string(made->value);
    }
  }
  life_ = state_hash(store.read());
  return std::nullopt;
}

std::optional<std::string> Verified::second_life(const Image& image) const {
  SimFileSystem files(image);
  const Options options = Trial::options_of(workload_, files);
  const auto store = Store::open(store_path, options);
  std::optional<std::string> fault;
  if (!store) {
    fault = "the second recovery refused: " + store.error().message();
  } else if (state_hash(store->read()) != life_) {
    fault = "a commit after recovery is gone, or something came with it, after a second crash";
  }
  files.power_off();
  return fault;
}

}  // namespace selvedge::testkit
