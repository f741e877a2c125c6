// Looking things up in a log: by transaction and by sequence, in a live store and in a closed one.

#include <algorithm>

#include "bench/support.h"

namespace selvedge::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Options log_only() {
  Options options;
  options.sync = SyncMode::none;
  options.checkpoint_log_bytes = 0;
  options.background_maintenance = false;
  return options;
}

/// Writes about so much log: small transactions, and streamed ones among them. Their UUIDs.
std::vector<Uuid> write_log(Store& store, std::uint64_t bytes) {
  std::vector<Uuid> ids;
  const std::string text(4000, 'x');
  const NodeId node = must(store.create_node({"N"}));
  std::uint64_t written = 0;
  for (int i = 0; written < bytes; ++i) {
    Transaction tx = must(store.begin());
    const int operations = i % 100 == 99 ? 64 : 1;  // 256 KiB: streamed in parts
    for (int each = 0; each < operations; ++each) {
      must(tx.set(node, "text", text));
      must(tx.set(node, "i", i + each));
    }
    must(tx.commit());
    ids.push_back(*tx.uuid());
    if (i % 500 == 0) {
      written = store.stats().log_bytes;
      must(store.maintain());
    }
  }
  must(store.sync());
  for (int i = 0; i < 64; ++i) {
    must(store.maintain());
  }
  return ids;
}

std::uint64_t read_all(TxlogCursor cursor) {
  std::uint64_t entries = 0;
  while (cursor.next()) {
    ++entries;
  }
  must(Status(cursor.status() ? Status{} : fail(cursor.status().error().clone())));
  return entries;
}

/// The slowest of 200 look-ups spread over the log, and of the first ones after the open.
void look_up(benchmark::State& state, const Txlog& log, const std::vector<Uuid>& ids) {
  double slowest = 0;
  double total = 0;
  constexpr std::size_t look_ups = 200;
  for (std::size_t i = 0; i < look_ups; ++i) {
    const Uuid& id = ids[i * 7919 * (ids.size() / look_ups) % ids.size()];
    const auto start = Clock::now();
    must_equal(static_cast<std::uint64_t>(read_all(must(log.by_transaction(id))) >= 3), 1,
               "transactions found");
    const double time = milliseconds(Clock::now() - start);
    slowest = std::max(slowest, time);
    total += time;
  }
  state.counters["mean ms"] = total / look_ups;
  against_target(state, "slowest ms", slowest, 10, true);
}

void by_transaction(benchmark::State& state) {
  measured(state, [&] {
    const Directory directory;
    const auto bytes = static_cast<std::uint64_t>(state.range(0)) << 20;
    std::vector<Uuid> ids;
    {
      Store store = must(Store::open(directory.path("store"), log_only()));
      ids = write_log(store, bytes);
      must(store.close());
    }
    for (auto _ : state) {
      if (state.range(1) != 0) {
        Store store = must(Store::open(directory.path("store"), log_only()));
        look_up(state, must(store.txlog()), ids);
      } else {
        const auto start = Clock::now();
        const Txlog log = must(Txlog::open(directory.path("store")));
        state.counters["open ms"] = milliseconds(Clock::now() - start);
        look_up(state, log, ids);
      }
    }
  });
}

void scan(benchmark::State& state) {
  measured(state, [&] {
    const Directory directory;
    Store store = must(Store::open(directory.path("store"), log_only()));
    write_log(store, static_cast<std::uint64_t>(state.range(0)) << 20);
    const std::uint64_t before = resident_bytes();
    for (auto _ : state) {
      const auto start = Clock::now();
      const std::uint64_t entries = read_all(must(must(store.txlog()).entries()));
      state.counters["entries/s"] = rate(entries, Clock::now() - start);
    }
    state.counters["MB grown"] = static_cast<double>(resident_bytes() - before) / (1 << 20);
  });
}

BENCHMARK(by_transaction)
    ->ArgNames({"MiB", "live"})
    ->Args({1024, 0})
    ->Args({1024, 1})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(scan)->ArgName("MiB")->Arg(256)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace selvedge::bench

BENCHMARK_MAIN();
