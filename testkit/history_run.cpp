#include <selvedge/testkit/history_run.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <selvedge/store.h>
#include <selvedge/testkit/sim_file_system.h>

#include "testkit/shuffle.h"

namespace selvedge::testkit {

namespace {

using Workload = HistoryPlan::Workload;
using Elements = std::vector<std::uint64_t>;

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

Elements elements_of(ValueView list) {
  Elements elements;
  list.for_each([&](ValueView each) {
    elements.push_back(static_cast<std::uint64_t>(each.as_int64().value_or(0)));
  });
  return elements;
}

std::uint64_t number_of(const Edge& edge) {
  return static_cast<std::uint64_t>(edge["n"].as_int64().value_or(0));
}

/// What a client may conclude from an error of a commit.
Outcome outcome_of(const Error& error) {
  return error.code() == ErrorCode::unknown_outcome ? Outcome::unknown : Outcome::fail;
}

/// Role: the store, its lives, and the clients in each.
/// Threads: the clients' are its own.
class Run {
 public:
  explicit Run(const HistoryPlan& plan)
      : plan_(plan), dice_(plan.seed), shuffle_([this](std::uint64_t place) { reached(place); }) {
    options_.isolation = plan.isolation;
    options_.sync =
        plan.power_losses != 0 || dice_.one_in(4) ? SyncMode::immediate : SyncMode::none;
    options_.transaction_buffer_bytes = dice_.one_in(3) ? 0 : 64U << 10;
    options_.background_maintenance = false;
    options_.checkpoint_log_bytes = 0;
    options_.segment_bytes = std::uint64_t{128} << 10;
    options_.log_buffer_bytes = 64U << 10;
    options_.recovery_threads = 1;
    options_.file_system = &files_;
  }

  HistoryRun execute() && {
    if (open() && set_up()) {
      live();
    }
    if (store_) {
      read_everything();
      for (const std::string& each : store_->check().faults) {
        fault("structures do not agree: " + each);
      }
    }
    store_.reset();
    return {recorder_.history(), std::move(faults_), losses_};
  }

 private:
  // --- lives -----------------------------------------------------------------------------------

  void live() {
    for (life_ = 0; store_ && life_ <= plan_.power_losses; ++life_) {
      const bool to_be_cut = life_ < plan_.power_losses;
      if (to_be_cut) {
        const std::uint64_t span = std::uint64_t{plan_.clients} * plan_.transactions_each * 6;
        off_at_ = places_ + 1 + dice_.roll(span);
      }
      std::vector<std::thread> threads;
      threads.reserve(plan_.clients);
      for (unsigned i = 0; i < plan_.clients; ++i) {
        threads.emplace_back([this, i] { client(i); });
      }
      for (std::thread& thread : threads) {
        thread.join();
      }
      if (to_be_cut) {
        lose_power();
      }
    }
  }

  bool open() {
    auto opened = Store::open("/db", options_);
    if (!opened) {
      fault("the store does not open: " + opened.error().message());
      return false;
    }
    store_.emplace(*std::move(opened));
    return true;
  }

  void lose_power() {
    stopped_ = true;
    files_.power_off();
    off_at_ = never;
    store_.reset();
    ++losses_;
    const std::uint64_t manner = dice_.roll(4);
    files_.restart_after_power_loss([&](std::size_t, std::size_t) {
      return manner == 0 ? dice_.one_in(2) : manner == 1;  // else nothing is left
    });
    stopped_ = false;
    open();
  }

  /// At each place where a thread may be delayed.
  void reached(std::uint64_t place) {
    places_ = place;
    if (place >= off_at_) {
      stopped_ = true;
      files_.power_off();
    }
  }

  bool set_up() {
    auto tx = store_->begin();
    for (unsigned i = 0; tx && i < plan_.keys; ++i) {
      const auto node = tx->create_node({"Key"}, {{"key", i}});
      nodes_.push_back(node ? *node : NodeId{});
    }
    for (unsigned i = 0; tx && plan_.workload == Workload::list_append && i < plan_.keys; ++i) {
      const auto edge = tx->create_edge(nodes_[i], "LIST", nodes_[(i + 1) % plan_.keys]);
      lists_.push_back(edge ? *edge : EdgeId{});
    }
    if (!tx || !tx->commit()) {
      fault("the nodes cannot be made");
      return false;
    }
    return read_everything();
  }

  // --- clients ---------------------------------------------------------------------------------

  void client(unsigned index) {
    Dice dice(plan_.seed * 1'000'003 + life_ * 1'009 + index);
    Shuffle::seed(dice.next());
    const std::uint64_t process = std::uint64_t{life_} * plan_.clients + index;
    for (unsigned i = 0; i < plan_.transactions_each && !stopped_; ++i) {
      HistoryTransaction noted = recorder_.invoke(process);
      Outcome outcome = Outcome::ok;
      const std::uint64_t kind = dice.roll(10);
      if (kind == 0) {
        const ReadView view = store_->read();
        shuffle_.here();
        for (auto left = 1 + dice.roll(3); left > 0; --left) {
          read_something(view, noted, dice);
          shuffle_.here();
        }
      } else if (kind == 1 && plan_.workload == Workload::edge_set) {
        outcome = insert_alone(noted, dice);
      } else {
        outcome = transact(noted, dice);
      }
      recorder_.done(std::move(noted), outcome);
      if (dice.one_in(24)) {
        expect(dice.one_in(2) ? store_->maintain() : store_->checkpoint(), "maintenance");
      }
    }
  }

  Outcome transact(HistoryTransaction& noted, Dice& dice) {
    auto tx = store_->begin();
    if (!expect(tx, "begin")) {
      return Outcome::fail;
    }
    for (auto left = 1 + dice.roll(4); left > 0; --left) {
      shuffle_.here();
      if (dice.one_in(10) && !change_and_take_back(*tx, dice)) {
        return Outcome::fail;
      }
      if (dice.one_in(2)) {
        read_something(*tx, noted, dice);
      } else if (!change_something(*tx, noted, dice)) {
        return Outcome::fail;  // and rolled back, as it is destroyed
      }
    }
    shuffle_.here();
    if (dice.one_in(10)) {
      expect(tx->abort("as planned"), "abort");
      return Outcome::fail;
    }
    if (dice.one_in(4)) {
      const auto ticket = tx->commit_async();
      shuffle_.here();
      return end(ticket ? ticket->wait() : fail(ticket.error().clone()));
    }
    const auto committed = tx->commit();
    return end(committed ? Status{} : fail(committed.error().clone()));
  }
  Outcome end(const Status& committed) {
    expect(committed, "commit");
    return committed ? Outcome::ok : outcome_of(committed.error());
  }

  Outcome insert_alone(HistoryTransaction& noted, Dice& dice) {
    const auto source = dice.roll(plan_.keys);
    const auto target = dice.roll(plan_.keys);
    const std::uint64_t number = ++last_element_;
    noted.operations.push_back(HistoryOperation::insert(source, number, target));
    const auto made = store_->create_edge(nodes_[source], "E", nodes_[target],
                                          {{"n", static_cast<std::int64_t>(number)}});
    expect(made, "create_edge");
    return made ? Outcome::ok : outcome_of(made.error());
  }

  /// Nothing of it may ever be seen.
  bool change_and_take_back(Transaction& tx, Dice& dice) {
    const auto savepoint = tx.savepoint();
    HistoryTransaction forgotten;
    return expect(savepoint, "savepoint") && change_something(tx, forgotten, dice) &&
           expect(tx.rollback_to(*savepoint), "rollback_to");
  }

  bool change_something(Transaction& tx, HistoryTransaction& noted, Dice& dice) {
    const auto key = dice.roll(plan_.keys);
    const std::uint64_t fresh = ++last_element_;
    if (plan_.workload == Workload::edge_set) {
      if (dice.one_in(3)) {
        return replace_an_edge(tx, noted, key, dice);
      }
      const auto target = dice.roll(plan_.keys);
      const auto made = tx.create_edge(nodes_[key], "E", nodes_[target],
                                       {{"n", static_cast<std::int64_t>(fresh)}});
      if (!expect(made, "create_edge")) {
        return false;
      }
      noted.operations.push_back(HistoryOperation::insert(key, fresh, target));
      return true;
    }
    Elements elements = list(tx, key);
    noted.operations.push_back(HistoryOperation::read(key, elements));
    List values;
    elements.push_back(fresh);
    for (const std::uint64_t each : elements) {
      values.emplace_back(static_cast<std::int64_t>(each));
    }
    shuffle_.here();
    const Value value(std::move(values));
    if (!expect(
            in_edge(key) ? tx.set(lists_[key], "list", value) : tx.set(nodes_[key], "list", value),
            "set")) {
      return false;
    }
    noted.operations.push_back(HistoryOperation::append(key, fresh));
    return true;
  }

  /// Another one in the place of one that it finds; nothing where there is none.
  bool replace_an_edge(Transaction& tx, HistoryTransaction& noted, std::uint64_t source,
                       Dice& dice) {
    Elements numbers;
    std::vector<Edge> edges;
    for (auto cursor = tx.out_edges(nodes_[source]); cursor.next();) {
      numbers.push_back(number_of(cursor.edge()));
      edges.push_back(cursor.edge());
    }
    noted.operations.push_back(HistoryOperation::out(source, numbers));
    if (edges.empty()) {
      return true;
    }
    const auto chosen = dice.roll(edges.size());
    const NodeId end = edges[chosen].target();
    const auto target =
        static_cast<std::uint64_t>(std::find(nodes_.begin(), nodes_.end(), end) - nodes_.begin());
    const std::uint64_t fresh = ++last_element_;
    const auto remove = [&] { return expect(tx.delete_edge(edges[chosen].id()), "delete_edge"); };
    const auto insert = [&] {
      shuffle_.here();
      return expect(
          tx.create_edge(nodes_[source], "E", end, {{"n", static_cast<std::int64_t>(fresh)}}),
          "create_edge");
    };
    if (!(dice.one_in(2) ? remove() && insert() : insert() && remove())) {
      return false;
    }
    noted.operations.push_back(HistoryOperation::replace(source, fresh, target, numbers[chosen]));
    return true;
  }

  // --- reads -----------------------------------------------------------------------------------

  /// Every other list is kept in an edge.
  static bool in_edge(std::uint64_t key) { return key % 2 == 1; }

  Elements list(const Reader& reader, std::uint64_t key) const {
    if (in_edge(key)) {
      const auto edge = reader.get(lists_[key]);
      return edge ? elements_of((*edge)["list"]) : Elements{};
    }
    const auto node = reader.get(nodes_[key]);
    return node ? elements_of((*node)["list"]) : Elements{};
  }

  void read_something(const Reader& reader, HistoryTransaction& noted, Dice& dice) {
    const auto key = dice.roll(plan_.keys);
    const bool scan = dice.one_in(6);
    if (plan_.workload == Workload::list_append) {
      if (scan) {
        read_lists_of_nodes(reader, noted);
      } else {
        noted.operations.push_back(HistoryOperation::read(key, list(reader, key)));
      }
      return;
    }
    if (scan) {
      read_all_edges(reader, noted);
      return;
    }
    const bool out = dice.one_in(2);
    const Direction direction = out ? Direction::out : Direction::in;
    EdgeCursor cursor = dice.one_in(2) ? reader.edges(nodes_[key], direction)
                                       : reader.edges(nodes_[key], direction, "E");
    Elements numbers;
    while (cursor.next()) {
      numbers.push_back(number_of(cursor.edge()));
    }
    noted.operations.push_back(out ? HistoryOperation::out(key, std::move(numbers))
                                   : HistoryOperation::in(key, std::move(numbers)));
  }

  static void read_lists_of_nodes(const Reader& reader, HistoryTransaction& noted) {
    for (auto cursor = reader.nodes("Key"); cursor.next();) {
      const auto key = static_cast<std::uint64_t>(cursor.node()["key"].as_int64().value_or(0));
      if (!in_edge(key)) {
        noted.operations.push_back(HistoryOperation::read(key, elements_of(cursor.node()["list"])));
      }
    }
  }

  void read_all_edges(const Reader& reader, HistoryTransaction& noted) const {
    std::map<NodeId, Elements> out;
    std::map<NodeId, Elements> in;
    for (auto scan = reader.edges("E"); scan.next();) {
      out[scan.edge().source()].push_back(number_of(scan.edge()));
      in[scan.edge().target()].push_back(number_of(scan.edge()));
    }
    for (std::size_t key = 0; key < nodes_.size(); ++key) {
      noted.operations.push_back(HistoryOperation::out(key, out[nodes_[key]]));
      noted.operations.push_back(HistoryOperation::in(key, in[nodes_[key]]));
    }
  }

  bool read_everything() {
    HistoryTransaction noted = recorder_.invoke(never >> 1);
    auto tx = store_->begin();
    if (!expect(tx, "begin")) {
      return false;
    }
    if (plan_.workload == Workload::edge_set) {
      read_all_edges(*tx, noted);
    }
    for (std::uint64_t key = 0; key < lists_.size(); ++key) {
      noted.operations.push_back(HistoryOperation::read(key, list(*tx, key)));
    }
    const auto committed = tx->commit();
    recorder_.done(std::move(noted), committed ? Outcome::ok : outcome_of(committed.error()));
    return expect(committed, "commit");
  }

  // --- errors ----------------------------------------------------------------------------------

  /// Conflicts may be, and whatever a store says that has lost its disk.
  template <class Expected>
  bool expect(const Expected& result, const char* what) {
    if (!result && result.error().code() != ErrorCode::conflict && !stopped_) {
      fault(std::string(what) + ": " + result.error().message());
    }
    return result.has_value();
  }
  void fault(const std::string& what) {
    const std::lock_guard lock(faults_mutex_);
    faults_.push_back(what);
  }

  const HistoryPlan& plan_;
  Dice dice_;
  SimFileSystem files_;
  Options options_;
  std::optional<Store> store_;
  std::vector<NodeId> nodes_;
  std::vector<EdgeId> lists_;
  unsigned life_ = 0;
  HistoryRecorder recorder_;
  std::mutex faults_mutex_;
  std::vector<std::string> faults_;
  std::uint64_t losses_ = 0;
  std::atomic<std::uint64_t> last_element_{0};
  std::atomic<std::uint64_t> places_{0};
  std::atomic<std::uint64_t> off_at_{never};
  std::atomic<bool> stopped_{false};
  Shuffle shuffle_;
};

}  // namespace

std::string HistoryPlan::to_string() const {
  std::string text = workload == Workload::list_append ? "list-append" : "edge-set";
  text += isolation == Isolation::snapshot ? ", snapshot" : ", serializable";
  text += ", seed " + std::to_string(seed) + ", " + std::to_string(clients) + " clients with " +
          std::to_string(transactions_each) + " transactions each, " + std::to_string(keys) +
          " keys, " + std::to_string(power_losses) + " power losses";
  return text;
}

HistoryPlan history_plan(std::uint64_t seed, Isolation isolation, unsigned power_losses) {
  Dice dice(seed ^ 0x5e1fed6eU);
  HistoryPlan plan;
  plan.workload = dice.one_in(2) ? Workload::list_append : Workload::edge_set;
  plan.isolation = isolation;
  plan.seed = seed;
  plan.clients = static_cast<unsigned>(2 + dice.roll(7));
  plan.transactions_each = static_cast<unsigned>(8 + dice.roll(24));
  plan.keys = static_cast<unsigned>(2 + dice.roll(4));
  plan.power_losses = power_losses;
  return plan;
}

HistoryRun run_history(const HistoryPlan& plan) { return Run(plan).execute(); }

std::vector<std::string> judge(const HistoryPlan& plan, const HistoryRun& run) {
  std::vector<std::string> wrong = run.faults;
  const auto anomalies = find_anomalies(run.history, plan.isolation);
  if (!anomalies) {
    wrong.push_back(anomalies.error().message());
    return wrong;
  }
  for (const Anomaly& each : *anomalies) {
    wrong.push_back(each.text);
  }
  return wrong;
}

}  // namespace selvedge::testkit
