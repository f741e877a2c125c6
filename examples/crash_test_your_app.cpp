// An order book under every crash: a careless version, whose bug is found, and the right one.

#include <fmt/core.h>
#include <selvedge/testkit/explorer.h>

namespace {

using namespace selvedge;
using namespace selvedge::testkit;

// --- the application: it knows nothing of the kit ----------------------------------------------

std::int64_t number(const Reader& view, NodeId id, const char* key) {
  return *(*view.get(id))[key].as_int64();
}

Status deliver(Store& store, std::int64_t total) {
  SELVEDGE_TRY(store.create_node({"Stock"}, {{"total", total}, {"free", total}, {"reserved", 0}}));
  return {};
}

Status reserve(Transaction& tx, std::int64_t amount) {
  const NodeId stock = *tx.first("Stock");
  return tx.set(stock, {{"free", number(tx, stock, "free") - amount},
                        {"reserved", number(tx, stock, "reserved") + amount}});
}

Status enter(Transaction& tx, std::int64_t amount) {
  SELVEDGE_TRY(const NodeId order, tx.create_node({"Order"}, {{"amount", amount}}));
  SELVEDGE_TRY(tx.create_edge(order, "RESERVES", *tx.first("Stock")));
  return {};
}

Status place_carelessly(Store& store, std::int64_t amount) {
  SELVEDGE_TRY(store.transact([&](Transaction& tx) { return reserve(tx, amount); }));
  return store.transact([&](Transaction& tx) { return enter(tx, amount); });
}

Status place(Store& store, std::int64_t amount) {
  return store.transact([&](Transaction& tx) -> Status {
    SELVEDGE_TRY(reserve(tx, amount));
    return enter(tx, amount);
  });
}

// --- its test ----------------------------------------------------------------------------------

/// What holds in every state: the stock adds up, and open orders account for what is reserved.
std::optional<std::string> books_agree(const Reader& view) {
  const auto stock = view.first("Stock");
  if (!stock) {
    return std::nullopt;  // nothing was delivered yet
  }
  std::int64_t ordered = 0;
  for (auto orders = view.in_edges(*stock, "RESERVES"); orders.next();) {
    ordered += number(view, orders.neighbour(), "amount");
  }
  const std::int64_t total = number(view, *stock, "total");
  const std::int64_t free = number(view, *stock, "free");
  const std::int64_t reserved = number(view, *stock, "reserved");
  if (ordered != reserved || free + reserved != total) {
    return fmt::format("{} free and {} reserved of {}, but orders for {}", free, reserved, total,
                       ordered);
  }
  return std::nullopt;
}

Workload order_book(const char* name, Status (*place_order)(Store&, std::int64_t)) {
  Workload workload;
  workload.name = name;
  workload.invariant = books_agree;
  workload.body = [place_order](Trial& trial) -> Status {
    SELVEDGE_TRY(trial.alone([](Store& store) { return deliver(store, 100); }));
    SELVEDGE_TRY(trial.alone([&](Store& store) { return place_order(store, 5); }));
    SELVEDGE_TRY(trial.store().checkpoint());
    return trial.alone([&](Store& store) { return place_order(store, 7); });
  };
  return workload;
}

}  // namespace

int main() {
  const Workload careless = order_book("careless", place_carelessly);
  const Exploration found = Explorer({}).explore(careless);
  if (found.violations.empty()) {
    fmt::print("the careless order book got away with it\n");
    return 1;
  }
  const Violation& violation = found.violations.front();
  fmt::print("careless: {}\n  steps: {}\n  token: {}\n{}", violation.what, violation.steps,
             violation.token, violation.trace);
  const auto again = Explorer({}).replay(careless, violation.token);
  const bool same = again && *again && (*again)->what == violation.what;
  fmt::print("  replayed: {}\n", same ? "the same" : "something else");

  const Exploration right = Explorer({}).explore(order_book("right", place));
  fmt::print("right: {} crash states, {} runs with a fault, {} violations\n",
             right.counts.crash_states, right.counts.faults, right.violations.size());
  return same && right.violations.empty() ? 0 : 1;
}
