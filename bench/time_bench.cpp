// A store as it was, the versions of one entity, and the difference between two moments.

#include <algorithm>

#include "bench/support.h"

namespace selvedge::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Options keeps_everything() {
  Options options;
  options.sync = SyncMode::none;
  options.checkpoint_log_bytes = 0;
  options.background_maintenance = false;
  options.snapshots_kept = 1000;
  options.segment_bytes = 16 << 20;
  options.log_retention.everything = true;
  return options;
}

struct Life {
  Sequence middle;
  NodeId rare;  ///< changed twice in all
};

/// About so much log about 100,000 nodes, with a snapshot after each sixteenth of it.
Life write_life(Store& store, std::uint64_t bytes) {
  Life life;
  life.rare = must(store.create_node({"Rare"}, {{"v", 1}}));
  std::vector<NodeId> nodes;
  std::uint64_t next_snapshot = bytes / 16;
  for (std::uint64_t i = 0; store.stats().log_bytes < bytes; ++i) {
    Transaction tx = must(store.begin());
    for (int each = 0; each < 100; ++each) {
      if (nodes.size() < 100'000) {
        nodes.push_back(must(tx.create_node({"N"}, {{"text", std::string(100, 'x')}})));
      } else {
        must(tx.set(nodes[(i * 7919 + static_cast<std::uint64_t>(each)) % nodes.size()], "i",
                    static_cast<std::int64_t>(i)));
      }
    }
    const Sequence commit = must(tx.commit());
    if (life.middle.value == 0 && store.stats().log_bytes > bytes / 2) {
      life.middle = commit;
      must(store.set(life.rare, "v", 2));
    }
    if (store.stats().log_bytes > next_snapshot) {
      must(store.checkpoint());
      next_snapshot += bytes / 16;
    }
    if (i % 64 == 0) {
      must(store.maintain());
    }
  }
  must(store.sync());
  for (int i = 0; i < 100; ++i) {
    must(store.maintain());
  }
  return life;
}

void as_of(benchmark::State& state) {
  measured(state, [&] {
    const Directory directory;
    const auto bytes = static_cast<std::uint64_t>(state.range(0)) << 20;
    Store store = must(Store::open(directory.path("store"), keeps_everything()));
    const Life life = write_life(store, bytes);
    for (auto _ : state) {
      const auto start = Clock::now();
      const Store past =
          must(Store::open_as_of(directory.path("store"), life.middle, keeps_everything()));
      state.counters["open ms"] = milliseconds(Clock::now() - start);
      state.counters["log MB read"] =
          static_cast<double>(past.recovery_report().log_bytes) / (1 << 20);
      state.counters["log MB in all"] = static_cast<double>(store.stats().log_bytes) / (1 << 20);
    }
    must(store.close());
  });
}

void versions_of_one_node(benchmark::State& state) {
  measured(state, [&] {
    const Directory directory;
    const auto bytes = static_cast<std::uint64_t>(state.range(0)) << 20;
    Store store = must(Store::open(directory.path("store"), keeps_everything()));
    const Life life = write_life(store, bytes);
    for (auto _ : state) {
      for (const char* name : {"first ms", "then ms"}) {
        const Txlog log = must(store.txlog());
        const auto start = Clock::now();
        EntityHistory past = must(log.history(life.rare));
        std::uint64_t count = 0;
        while (past.next()) {
          ++count;
        }
        must_equal(count, 2, "versions");
        state.counters[name] = milliseconds(Clock::now() - start);
      }
    }
    must(store.close());
  });
}

void difference(benchmark::State& state) {
  measured(state, [&] {
    const Directory directory;
    const auto bytes = static_cast<std::uint64_t>(state.range(0)) << 20;
    Store store = must(Store::open(directory.path("store"), keeps_everything()));
    const Life life = write_life(store, bytes);
    for (auto _ : state) {
      const Txlog log = must(store.txlog());
      const auto start = Clock::now();
      Diff diff = must(log.diff(life.middle, log.last()));
      std::uint64_t count = 0;
      while (diff.next()) {
        ++count;
      }
      state.counters["ms"] = milliseconds(Clock::now() - start);
      state.counters["entities"] = static_cast<double>(count);
    }
    must(store.close());
  });
}

BENCHMARK(as_of)->ArgName("MiB")->Arg(512)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(versions_of_one_node)
    ->ArgName("MiB")
    ->Arg(512)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(difference)->ArgName("MiB")->Arg(512)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace selvedge::bench

BENCHMARK_MAIN();
