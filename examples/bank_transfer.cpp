// Concurrent transfers between accounts: conflicts, retries, savepoints. The total never changes.

#include <fmt/core.h>
#include <selvedge/store.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>
#include <vector>

namespace {

using selvedge::NodeId;
using selvedge::Result;
using selvedge::Status;
using selvedge::Transaction;

constexpr int accounts_count = 20;
constexpr std::int64_t opening_balance = 1000;
constexpr int threads_count = 4;
constexpr int transfers_per_thread = 250;

std::int64_t balance(const selvedge::Reader& reader, NodeId account) {
  return *(*reader.get(account))["balance"].as_int64();
}

/// Moves money; a fee of 1 is tried as well and rolled back if the payer cannot afford it.
Status transfer(Transaction& tx, NodeId from, NodeId to, NodeId bank, std::int64_t amount) {
  const std::int64_t have = balance(tx, from);
  if (have < amount) {
    return {};
  }
  SELVEDGE_TRY(tx.set(from, "balance", have - amount));
  SELVEDGE_TRY(tx.set(to, "balance", balance(tx, to) + amount));
  SELVEDGE_TRY(const auto before_fee, tx.savepoint());
  SELVEDGE_TRY(tx.set(from, "balance", balance(tx, from) - 1));
  SELVEDGE_TRY(tx.create_edge(from, "PAID_FEE", bank, {{"amount", 1}}));
  if (balance(tx, from) < 0) {
    return tx.rollback_to(before_fee);
  }
  return {};
}

}  // namespace

int main() {
  const auto path = std::filesystem::temp_directory_path() / "selvedge-bank";
  std::filesystem::remove_all(path);
  auto store = selvedge::Store::open(path);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error().message());
    return 1;
  }
  std::vector<NodeId> accounts;
  auto bank = store->transact([&](Transaction& tx) -> Result<NodeId> {
    accounts.clear();
    for (int i = 0; i < accounts_count; ++i) {
      SELVEDGE_TRY(const NodeId account,
                   tx.create_node({"Account"}, {{"number", i}, {"balance", opening_balance}}));
      accounts.push_back(account);
    }
    return tx.create_node({"Bank"});
  });
  if (!bank) {
    fmt::print(stderr, "{}\n", bank.error().message());
    return 1;
  }

  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < threads_count; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < transfers_per_thread && !failed; ++i) {
        const NodeId from = accounts[random() % accounts_count];
        const NodeId to = accounts[random() % accounts_count];
        if (from == to) {
          continue;
        }
        const auto amount = static_cast<std::int64_t>(random() % 400);
        const Status done =
            store->transact([&](Transaction& tx) { return transfer(tx, from, to, *bank, amount); });
        if (!done) {
          fmt::print(stderr, "{}\n", done.error().message());
          failed = true;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }

  const auto view = store->read();
  std::int64_t total = 0;
  for (auto cursor = view.nodes("Account"); cursor.next();) {
    total += *cursor.node()["balance"].as_int64();
  }
  const auto fees = static_cast<std::int64_t>(view.degree(*bank, selvedge::Direction::in));
  const auto stats = store->stats();
  fmt::print("{} commits, {} conflicts, balances {} + fees {} = {}\n", stats.commits,
             stats.conflicts, total, fees, total + fees);
  return !failed && total + fees == accounts_count * opening_balance ? 0 : 1;
}
