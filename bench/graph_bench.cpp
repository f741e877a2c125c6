// Bulk load, scans, reopening, and memory.

#include <memory>
#include <optional>

#include "bench/support.h"

namespace selvedge::bench {
namespace {

constexpr std::size_t nodes_total = 1'000'000;
constexpr std::size_t edges_total = 5'000'000;
constexpr std::size_t batch_items = 50'000;

Options quiet() {
  Options options;
  options.sync = SyncMode::none;
  options.checkpoint_log_bytes = 0;
  return options;
}

struct Load {
  std::vector<NodeId> nodes;
  std::uint64_t graph_bytes_nodes = 0;
  std::uint64_t graph_bytes_edges = 0;
  std::uint64_t resident_bytes_edges = 0;
  double seconds = 0;
};

/// 1 M nodes and 5 M edges at random, in batches; edges with 20 bytes of properties or none.
template <class Target>
Load load(Store& store, Target& target, bool properties) {
  Load loaded;
  const TypeId type = must(store.type_id("TO"));
  const KeyId weight = must(store.key_id("weight"));
  const KeyId note = must(store.key_id("note"));
  const auto start = Clock::now();
  const std::vector<NewNode> blank(batch_items);
  for (std::size_t made = 0; made < nodes_total; made += batch_items) {
    const auto ids = must(target.create_nodes(blank));
    loaded.nodes.insert(loaded.nodes.end(), ids.begin(), ids.end());
  }
  loaded.graph_bytes_nodes = store.stats().memory_used_bytes;
  const std::array<Property, 2> values = {Property{weight, 1.5}, Property{note, "12 bytes txt"}};
  const std::uint64_t resident_before = resident_bytes();
  std::mt19937_64 random(1);
  std::vector<NewEdge> batch;
  batch.reserve(batch_items);
  for (std::size_t made = 0; made < edges_total; made += batch_items) {
    batch.clear();
    while (batch.size() < batch_items) {
      batch.push_back(
          {loaded.nodes[random() % nodes_total], type, loaded.nodes[random() % nodes_total],
           properties ? std::span<const Property>(values) : std::span<const Property>()});
    }
    must(target.create_edges(batch));
  }
  loaded.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  loaded.graph_bytes_edges = store.stats().memory_used_bytes - loaded.graph_bytes_nodes;
  loaded.resident_bytes_edges = resident_bytes() - resident_before;
  return loaded;
}

/// Versions and lists, in both directions. An edge's record (32 bytes) lies in a table that
/// doubles, outside the arena: it is added here, and so is a node's.
constexpr double edge_record_bytes = 32;
constexpr double node_record_bytes = 32;

void report(benchmark::State& state, const Load& loaded, bool properties) {
  state.SetIterationTime(loaded.seconds);
  against_target(state, "items/s", static_cast<double>(nodes_total + edges_total) / loaded.seconds,
                 3e6);
  state.counters["bytes/edge"] =
      static_cast<double>(loaded.graph_bytes_edges) / static_cast<double>(edges_total) +
      edge_record_bytes;
  state.counters["target bytes/edge"] = properties ? 105 : 71;
  state.counters["resident bytes/edge"] =
      static_cast<double>(loaded.resident_bytes_edges) / static_cast<double>(edges_total);
  state.counters["bytes/node"] =
      static_cast<double>(loaded.graph_bytes_nodes) / static_cast<double>(nodes_total) +
      node_record_bytes;
}

void bulk_outside(benchmark::State& state) {
  measured(state, [&] {
    for (auto _ : state) {
      const Directory directory;
      Store store = must(Store::open(directory.path("s"), quiet()));
      const bool properties = state.range(0) != 0;
      report(state, load(store, store, properties), properties);
      must_equal(store.read().edge_count(), edges_total, "edges");
    }
  });
}
BENCHMARK(bulk_outside)
    ->Name("bulk/non-transactional, 20 bytes of properties")
    ->Arg(1)
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(bulk_outside)
    ->Name("bulk/non-transactional, no properties")
    ->Arg(0)
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

void bulk_inside(benchmark::State& state) {
  measured(state, [&] {
    for (auto _ : state) {
      const Directory directory;
      Store store = must(Store::open(directory.path("s"), quiet()));
      Transaction tx = must(store.begin());
      const auto start = Clock::now();
      Load loaded = load(store, tx, true);
      must(tx.commit());
      loaded.seconds = std::chrono::duration<double>(Clock::now() - start).count();
      report(state, loaded, true);
      must_equal(store.read().edge_count(), edges_total, "edges");
    }
  });
}
BENCHMARK(bulk_inside)
    ->Name("bulk/one transaction")
    ->Iterations(1)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

/// A loaded, settled store that the read benchmarks share.
struct Shared {
  Directory directory;
  std::optional<Store> store;
  std::vector<NodeId> nodes;
  NodeId hub;

  Shared() {
    store.emplace(must(Store::open(directory.path("s"), quiet())));
    nodes = load(*store, *store, true).nodes;
    hub = must(store->create_node({"Hub"}));
    const TypeId type = must(store->type_id("TO"));
    std::vector<NewEdge> batch;
    for (std::size_t i = 0; i < nodes_total; ++i) {
      batch.push_back({hub, type, nodes[i], {}});
    }
    must(store->create_edges(batch));
    must(store->maintain());
  }
  static Shared& get() {
    static Shared shared;
    return shared;
  }
};

constexpr double scan_target = 370e6;

/// Scans the out-edges of all nodes, `visit(cursor)` each.
template <class Visit>
void scan_all(benchmark::State& state, const char* figure, double target, Visit visit) {
  measured(state, [&] {
    Shared& shared = Shared::get();
    const ReadView view = shared.store->read();
    std::uint64_t edges = 0;
    std::uint64_t sum = 0;
    const auto start = Clock::now();
    for (auto _ : state) {
      for (const NodeId node : shared.nodes) {
        for (auto cursor = view.out_edges(node); cursor.next();) {
          sum += visit(cursor);
          ++edges;
        }
      }
    }
    const double per_second = rate(edges, Clock::now() - start);
    benchmark::DoNotOptimize(sum);
    must_equal(edges, edges_total * static_cast<std::uint64_t>(state.iterations()), "edges");
    if (target > 0) {
      against_target(state, figure, per_second, target);
    } else {
      state.counters[figure] = per_second;
    }
  });
}

void scan_neighbours(benchmark::State& state) {
  scan_all(state, "edges/s", scan_target,
           [](const EdgeCursor& cursor) { return cursor.neighbour().value; });
}
BENCHMARK(scan_neighbours)
    ->Name("scan/out-edges of all nodes, 5 each, neighbours")
    ->Unit(benchmark::kMillisecond);

void scan_ids(benchmark::State& state) {
  scan_all(state, "edges/s", scan_target,
           [](const EdgeCursor& cursor) { return cursor.neighbour().value + cursor.id().value; });
}
BENCHMARK(scan_ids)
    ->Name("scan/out-edges of all nodes, 5 each, neighbours and edge ids")
    ->Unit(benchmark::kMillisecond);

void scan_properties(benchmark::State& state) {
  const KeyId weight = must(Shared::get().store->key_id("weight"));
  scan_all(state, "edges/s", 0, [&](const EdgeCursor& cursor) {
    return cursor.edge()[weight].as_float64() == 1.5 ? 1U : 0U;
  });
}
BENCHMARK(scan_properties)
    ->Name("scan/out-edges of all nodes, 5 each, a property of each")
    ->Unit(benchmark::kMillisecond);

void scan_hub(benchmark::State& state) {
  measured(state, [&] {
    Shared& shared = Shared::get();
    const ReadView view = shared.store->read();
    std::uint64_t edges = 0;
    std::uint64_t sum = 0;
    const auto start = Clock::now();
    for (auto _ : state) {
      for (auto cursor = view.out_edges(shared.hub); cursor.next();) {
        sum += cursor.neighbour().value;
        ++edges;
      }
    }
    const double per_second = rate(edges, Clock::now() - start);
    benchmark::DoNotOptimize(sum);
    must_equal(edges, nodes_total * static_cast<std::uint64_t>(state.iterations()), "edges");
    against_target(state, "edges/s", per_second, scan_target);
  });
}
BENCHMARK(scan_hub)->Name("scan/out-edges of a hub of 1 M")->Unit(benchmark::kMillisecond);

void scan_two_hops(benchmark::State& state) {
  measured(state, [&] {
    Shared& shared = Shared::get();
    const ReadView view = shared.store->read();
    constexpr std::size_t starts = 10'000;
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < starts; ++i) {
      for (auto first = view.out_edges(shared.nodes[i]); first.next();) {
        expected += view.degree(first.neighbour(), Direction::out);
      }
    }
    std::uint64_t paths = 0;
    std::uint64_t sum = 0;
    const auto start = Clock::now();
    for (auto _ : state) {
      for (std::size_t i = 0; i < starts; ++i) {
        for (auto first = view.out_edges(shared.nodes[i]); first.next();) {
          for (auto second = view.out_edges(first.neighbour()); second.next();) {
            sum += second.neighbour().value;
            ++paths;
          }
        }
      }
    }
    state.counters["paths/s"] = rate(paths, Clock::now() - start);
    benchmark::DoNotOptimize(sum);
    must_equal(paths, expected * static_cast<std::uint64_t>(state.iterations()), "paths");
  });
}
BENCHMARK(scan_two_hops)->Name("scan/two hops")->Unit(benchmark::kMillisecond);

void get_node(benchmark::State& state) {
  measured(state, [&] {
    Shared& shared = Shared::get();
    const ReadView view = shared.store->read();
    std::size_t at = 0;
    std::uint64_t found = 0;
    const auto start = Clock::now();
    for (auto _ : state) {
      found += view.get(shared.nodes[at]) ? 1U : 0U;
      at = (at + 7919) % nodes_total;
    }
    state.counters["gets/s"] = rate(found, Clock::now() - start);
    must_equal(found, static_cast<std::uint64_t>(state.iterations()), "nodes");
  });
}
BENCHMARK(get_node)->Name("get/node");

/// Reopens a store from its log alone, or from its newest checkpoint.
void reopen(benchmark::State& state, bool checkpoint) {
  measured(state, [&] {
    const Directory directory;
    {
      Store store = must(Store::open(directory.path("s"), quiet()));
      load(store, store, true);
      if (checkpoint) {
        must(store.checkpoint());
      }
      must(store.close());
    }
    for (auto _ : state) {
      const auto start = Clock::now();
      Store store = must(Store::open(directory.path("s"), quiet()));
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      state.SetIterationTime(seconds);
      must_equal(store.read().edge_count(), edges_total, "edges");
      const RecoveryReport& report = store.recovery_report();
      against_target(state, "entries/s", static_cast<double>(nodes_total + edges_total) / seconds,
                     5e6);
      state.counters["analyse ms"] = static_cast<double>(report.analyse.microseconds) / 1000;
      state.counters["apply ms"] =
          static_cast<double>(report.redo.microseconds + report.non_transactional.microseconds) /
          1000;
      state.counters["rebuild ms"] = static_cast<double>(report.rebuild_microseconds) / 1000;
      must(store.close());
    }
  });
}
BENCHMARK_CAPTURE(reopen, log, false)
    ->Name("reopen/6 M entities from the log")
    ->Iterations(2)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(reopen, snapshot, true)
    ->Name("reopen/6 M entities from a checkpoint")
    ->Iterations(2)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace selvedge::bench

BENCHMARK_MAIN();
