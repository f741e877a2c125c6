#include <selvedge/testkit/history_run.h>

#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <selvedge/store.h>
#include <selvedge/testkit/sim_file_system.h>

#include "testkit/history_keys.h"
#include "testkit/shuffle.h"

namespace selvedge::testkit {

namespace {

using Workload = HistoryPlan::Workload;
using Elements = HistoryKeys::Elements;

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

Value to_value(std::uint64_t number) { return static_cast<std::int64_t>(number); }

/// A client's nodes without a label; each is used once.
struct Blank {
  NodeId node;
  std::uint64_t number = 0;
};

/// What a client may conclude from an error of a commit.
Outcome outcome_of(const Error& error) {
  return error.code() == ErrorCode::unknown_outcome ? Outcome::unknown : Outcome::fail;
}

/// Role: the store, its lives, and the clients in each.
/// Threads: the clients' are its own.
class Run {
 public:
  explicit Run(const HistoryPlan& plan)
      : plan_(plan),
        dice_(plan.seed),
        keys_(plan),
        shuffle_([this](std::uint64_t place) { reached(place); }) {
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
      keys_.nodes.push_back(node ? *node : NodeId{});
    }
    for (unsigned i = 0; tx && plan_.workload == Workload::list_append && i < plan_.keys; ++i) {
      const auto edge = tx->create_edge(keys_.nodes[i], "LIST", keys_.nodes[(i + 1) % plan_.keys]);
      keys_.lists.push_back(edge ? *edge : EdgeId{});
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
      if (plan_.workload == Workload::label_set) {
        prepare_blank(dice);
      }
      HistoryTransaction noted = recorder_.invoke(process);
      Outcome outcome = Outcome::ok;
      const std::uint64_t kind = dice.roll(10);
      if (kind == 0) {
        const ReadView view = store_->read();
        shuffle_.here();
        for (auto left = 1 + dice.roll(3); left > 0; --left) {
          keys_.read_something(view, noted, dice);
          shuffle_.here();
        }
      } else if (kind == 1 && plan_.workload == Workload::edge_set) {
        switch (dice.roll(3)) {
          case 0: outcome = insert_alone(noted, dice); break;
          case 1: outcome = remove_alone(noted, dice); break;
          default: outcome = make_alone(noted, dice); break;
        }
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
        keys_.read_something(*tx, noted, dice);
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
    const auto made = store_->create_edge(keys_.nodes[source], "E", keys_.nodes[target],
                                          {{"n", to_value(number)}});
    expect(made, "create_edge");
    return made ? Outcome::ok : outcome_of(made.error());
  }

  /// Of an edge that a moment ago was there.
  Outcome remove_alone(HistoryTransaction& noted, Dice& dice) {
    const auto source = dice.roll(plan_.keys);
    std::vector<Edge> edges;
    const ReadView view = store_->read();
    const Elements numbers = keys_.edges_from(view, source, edges);
    if (edges.empty()) {
      return Outcome::ok;
    }
    const auto chosen = dice.roll(edges.size());
    noted.operations.push_back(
        HistoryOperation::remove(source, numbers[chosen], keys_.key_of(edges[chosen].target())));
    shuffle_.here();
    const Status gone = store_->delete_edge(edges[chosen].id());
    if (!gone && gone.error().code() != ErrorCode::not_found) {
      expect(gone, "delete_edge");
      return outcome_of(gone.error());
    }
    return gone ? Outcome::ok : Outcome::fail;  // somebody else was faster
  }

  Outcome make_alone(HistoryTransaction& noted, Dice& dice) {
    const auto source = dice.roll(plan_.keys);
    const auto target = dice.roll(plan_.keys);
    const std::uint64_t fresh = ++last_element_;
    const auto made = store_->create_edge_if_absent(keys_.nodes[source], "ONE", keys_.nodes[target],
                                                    {{"n", to_value(fresh)}});
    if (made && !made->created) {
      return Outcome::ok;  // its number could only be read at another moment
    }
    noted.operations.push_back(HistoryOperation::make(source, fresh, target));
    expect(made, "create_edge_if_absent");
    return made ? Outcome::ok : outcome_of(made.error());
  }

  /// A node that is there before the transaction begins. It is of no use if that fails.
  void prepare_blank(Dice& dice) {
    blank().reset();
    if (dice.one_in(2)) {
      const std::uint64_t fresh = ++last_element_;
      const auto node = store_->create_node({}, {{"n", to_value(fresh)}});
      if (expect(node, "create_node")) {
        blank() = Blank{*node, fresh};
      }
    }
  }
  static std::optional<Blank>& blank() {
    thread_local std::optional<Blank> mine;
    return mine;
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
    if (plan_.workload == Workload::label_set) {
      return dice.one_in(3) ? leave_a_label(tx, noted, key, dice) : join_a_label(tx, noted, key);
    }
    if (plan_.workload == Workload::edge_set && dice.one_in(3)) {
      return replace_or_remove(tx, noted, key, dice);
    }
    if (plan_.workload == Workload::edge_set && dice.one_in(3)) {
      return make_or_remake(tx, noted, key, dice);
    }
    const std::uint64_t fresh = ++last_element_;
    if (plan_.workload == Workload::edge_set) {
      const auto target = dice.roll(plan_.keys);
      const auto made =
          tx.create_edge(keys_.nodes[key], "E", keys_.nodes[target], {{"n", to_value(fresh)}});
      if (!expect(made, "create_edge")) {
        return false;
      }
      noted.operations.push_back(HistoryOperation::insert(key, fresh, target));
      return true;
    }
    Elements elements = keys_.list(tx, key);
    noted.operations.push_back(HistoryOperation::read(key, elements));
    List values;
    elements.push_back(fresh);
    for (const std::uint64_t each : elements) {
      values.emplace_back(static_cast<std::int64_t>(each));
    }
    shuffle_.here();
    const Value value(std::move(values));
    if (!expect(in_edge(key) ? tx.set(keys_.lists[key], "list", value)
                             : tx.set(keys_.nodes[key], "list", value),
                "set")) {
      return false;
    }
    noted.operations.push_back(HistoryOperation::append(key, fresh));
    return true;
  }

  /// Takes one of those that it finds, if there is one; half of the time it puts another one there.
  bool replace_or_remove(Transaction& tx, HistoryTransaction& noted, std::uint64_t source,
                         Dice& dice) {
    std::vector<Edge> edges;
    const Elements numbers = keys_.edges_from(tx, source, edges);
    noted.operations.push_back(HistoryOperation::out(source, numbers));
    if (edges.empty()) {
      return true;
    }
    const auto chosen = dice.roll(edges.size());
    const NodeId end = edges[chosen].target();
    const auto target = keys_.key_of(end);
    const auto remove = [&] { return expect(tx.delete_edge(edges[chosen].id()), "delete_edge"); };
    if (dice.one_in(2)) {
      noted.operations.push_back(HistoryOperation::remove(source, numbers[chosen], target));
      return remove();
    }
    const std::uint64_t fresh = ++last_element_;
    const auto insert = [&] {
      shuffle_.here();
      return expect(tx.create_edge(keys_.nodes[source], "E", end, {{"n", to_value(fresh)}}),
                    "create_edge");
    };
    noted.operations.push_back(HistoryOperation::replace(source, fresh, target, numbers[chosen]));
    return dice.one_in(2) ? remove() && insert() : insert() && remove();
  }

  /// The only edge of a pair: made, or found; what is found is remade half of the time.
  bool make_or_remake(Transaction& tx, HistoryTransaction& noted, std::uint64_t source,
                      Dice& dice) {
    const auto target = dice.roll(plan_.keys);
    const auto make = [&](std::uint64_t number) {
      return tx.create_edge_if_absent(keys_.nodes[source], "ONE", keys_.nodes[target],
                                      {{"n", to_value(number)}});
    };
    const std::uint64_t fresh = ++last_element_;
    const auto made = make(fresh);
    if (!expect(made, "create_edge_if_absent")) {
      return false;
    }
    if (made->created) {
      noted.operations.push_back(HistoryOperation::pair(source, target, {}));
      noted.operations.push_back(HistoryOperation::make(source, fresh, target));
      return true;
    }
    const auto found = tx.get(made->id);
    if (!found) {
      fault("an edge that was found is not there: " + found.error().message());
      return false;
    }
    const std::uint64_t number = number_of(*found);
    noted.operations.push_back(HistoryOperation::pair(source, target, {number}));
    if (dice.one_in(2)) {
      return true;
    }
    const std::uint64_t next = ++last_element_;
    noted.operations.push_back(HistoryOperation::remake(source, next, target, number));
    if (!expect(tx.delete_edge(made->id), "delete_edge")) {
      return false;
    }
    shuffle_.here();
    const auto again = make(next);
    if (again && !again->created) {
      fault("an edge that the transaction has deleted is found by it");
      return false;
    }
    return expect(again, "create_edge_if_absent");
  }

  /// A node of this transaction, or one that has been there without a label.
  bool join_a_label(Transaction& tx, HistoryTransaction& noted, std::uint64_t key) {
    if (const auto ready = std::exchange(blank(), std::nullopt)) {
      keys_.remember(ready->node, ready->number);
      noted.operations.push_back(HistoryOperation::join(key, ready->number));
      return expect(tx.add_label(ready->node, label_of(key)), "add_label");
    }
    const std::uint64_t fresh = ++last_element_;
    const auto node = tx.create_node({label_of(key)}, {{"n", to_value(fresh)}});
    if (!expect(node, "create_node")) {
      return false;
    }
    keys_.remember(*node, fresh);
    noted.operations.push_back(HistoryOperation::join(key, fresh));
    return true;
  }

  /// One of those that it finds loses its label, or goes as a whole.
  bool leave_a_label(Transaction& tx, HistoryTransaction& noted, std::uint64_t key, Dice& dice) {
    std::vector<NodeId> nodes;
    const Elements members = keys_.members_of(tx, key, dice.one_in(2), &nodes);
    noted.operations.push_back(HistoryOperation::members(key, members));
    if (nodes.empty()) {
      return true;
    }
    const auto chosen = dice.roll(nodes.size());
    noted.operations.push_back(HistoryOperation::leave(key, members[chosen]));
    shuffle_.here();
    return dice.one_in(2) ? expect(tx.remove_label(nodes[chosen], label_of(key)), "remove_label")
                          : expect(tx.delete_node(nodes[chosen]), "delete_node");
  }

  bool read_everything() {
    HistoryTransaction noted = recorder_.invoke(never >> 1);
    auto tx = store_->begin();
    if (!expect(tx, "begin")) {
      return false;
    }
    keys_.read_all(*tx, noted);
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
  HistoryKeys keys_;
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
  std::string text = workload == Workload::list_append ? "list-append"
                     : workload == Workload::edge_set  ? "edge-set"
                                                       : "label-set";
  text += isolation == Isolation::snapshot ? ", snapshot" : ", serializable";
  text += ", seed " + std::to_string(seed) + ", " + std::to_string(clients) + " clients with " +
          std::to_string(transactions_each) + " transactions each, " + std::to_string(keys) +
          " keys, " + std::to_string(power_losses) + " power losses";
  return text;
}

HistoryPlan history_plan(std::uint64_t seed, Isolation isolation, unsigned power_losses) {
  Dice dice(seed ^ 0x5e1fed6eU);
  HistoryPlan plan;
  const std::uint64_t workload = dice.roll(4);
  plan.workload = workload == 0   ? Workload::list_append
                  : workload == 1 ? Workload::label_set
                                  : Workload::edge_set;
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
