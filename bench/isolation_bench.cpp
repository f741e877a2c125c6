// What serializable costs against snapshot, and what two writers on one hub do to each other.

#include <array>
#include <atomic>

#include "bench/support.h"

namespace selvedge::bench {
namespace {

constexpr std::size_t mix_nodes = 100'000;
constexpr int mix_degree = 5;

/// Role: transactions in the proportions of LinkBench (Armstrong and others, 2013): half of them
///   read a list of links, a quarter reads something else, the rest reads and then writes.
class Mix {
 public:
  Mix(Store& store, const std::vector<NodeId>& nodes, unsigned thread, unsigned threads)
      : store_(store), nodes_(nodes), random_(thread + 1), thread_(thread), threads_(threads) {
    link_ = must(store.type_id("LINK"));
    data_ = must(store.key_id("data"));
  }

  /// Transactions that conflicted.
  std::uint64_t run(int count, Isolation isolation) {
    std::uint64_t conflicts = 0;
    for (int i = 0; i < count; ++i) {
      Transaction tx = must(store_.begin({.isolation = isolation}));
      Status done = one(tx);
      if (done) {
        const auto committed = tx.commit();
        done = committed ? Status{} : fail(committed.error().clone());
      }
      if (!done) {
        if (done.error().code() != ErrorCode::conflict) {
          throw std::runtime_error(done.error().message());
        }
        ++conflicts;
      }
    }
    return conflicts;
  }

 private:
  /// A node that no other thread writes.
  NodeId mine() {
    const std::size_t part = nodes_.size() / threads_;
    return nodes_[thread_ * part + random_() % part];
  }
  std::uint64_t read_list(const Reader& tx, NodeId node) {
    std::uint64_t sum = 0;
    for (auto cursor = tx.out_edges(node, link_); cursor.next();) {
      sum += cursor.neighbour().value;
    }
    return sum;
  }

  Status one(Transaction& tx) {
    const NodeId node = mine();
    const auto dice = random_() % 1000;
    if (dice < 507) {  // get_link_list
      benchmark::DoNotOptimize(read_list(tx, node));
      return {};
    }
    if (dice < 636) {  // get_node
      SELVEDGE_TRY(const Node found, tx.get(node));
      benchmark::DoNotOptimize(found[data_].as_int64());
      return {};
    }
    if (dice < 690) {  // count_link, multiget_link
      benchmark::DoNotOptimize(tx.degree(node, Direction::out, link_));
      return {};
    }
    if (dice < 780) {  // add_link
      const NodeId to = mine();
      if (!tx.edge_between(node, to, link_)) {
        SELVEDGE_TRY(tx.create_edge(node, link_, to, {{data_, 1}}));
      }
      return {};
    }
    if (dice < 890) {  // update_link, delete_link: the oldest goes when there are many
      auto cursor = tx.out_edges(node, link_);
      if (!cursor.next()) {
        return {};
      }
      const EdgeId edge = cursor.id();
      const bool many = tx.degree(node, Direction::out, link_) > mix_degree;
      return many ? tx.delete_edge(edge) : tx.set(edge, {{data_, 2}});
    }
    if (dice < 920) {  // add_node
      SELVEDGE_TRY(tx.create_node({}, {{data_, 1}}));
      return {};
    }
    SELVEDGE_TRY(const Node found, tx.get(node));  // update_node
    return tx.set(node, {{data_, found[data_].as_int64().value_or(0) + 1}});
  }

  Store& store_;
  const std::vector<NodeId>& nodes_;
  std::minstd_rand random_;
  unsigned thread_;
  unsigned threads_;
  TypeId link_;
  KeyId data_;
};

std::vector<NodeId> fill(Store& store) {
  const std::array<Property, 1> properties{{{"data", 1}}};
  const std::vector<NewNode> blank(mix_nodes, NewNode{{}, properties});
  std::vector<NodeId> nodes = must(store.create_nodes(blank));
  std::vector<NewEdge> edges;
  std::minstd_rand random(7);
  for (const NodeId node : nodes) {
    for (int i = 0; i < mix_degree; ++i) {
      edges.push_back({node, "LINK", nodes[random() % nodes.size()], properties});
    }
  }
  must(store.create_edges(edges));
  return nodes;
}

/// Slices of both kinds in turn, so that what else the machine does falls on both.
void serializable_against_snapshot(benchmark::State& state, unsigned threads) {
  constexpr int slices = 12;
  constexpr int slice = 40'000;
  std::array<double, 2> seconds{};
  std::array<std::uint64_t, 2> conflicts{};
  std::uint64_t count = 0;
  for (auto _ : state) {
    const Directory directory;
    Store store = must(Store::open(directory.path("s"), {.sync = SyncMode::none}));
    const std::vector<NodeId> nodes = fill(store);
    double total = 0;
    for (int i = 0; i < 2 * slices; ++i) {
      const bool serializable = (i % 4 == 0) || (i % 4 == 3);
      std::atomic<std::uint64_t> lost{0};
      const double time = together(threads, [&](unsigned t) {
        Mix mix(store, nodes, t, threads);
        lost += mix.run(slice, serializable ? Isolation::serializable : Isolation::snapshot);
      });
      seconds.at(serializable ? 0 : 1) += time;
      conflicts.at(serializable ? 0 : 1) += lost;
      total += time;
    }
    count += std::uint64_t{slices} * slice * threads;
    state.SetIterationTime(total);
    must(store.close());
  }
  state.counters["snapshot/s"] = static_cast<double>(count) / seconds[1];
  state.counters["serializable/s"] = static_cast<double>(count) / seconds[0];
  against_target(state, "cost %", 100 * (seconds[0] / seconds[1] - 1), 15, true);
  state.counters["conflicts %"] =
      100.0 * static_cast<double>(conflicts[0]) / static_cast<double>(count);
}

/// Commits per second of writers that add edges from a hub to many other nodes, each writer to its
/// own. None may conflict.
double hub_rate(Store& store, std::span<const NodeId> hubs, std::span<const NodeId> leaves,
                unsigned threads, int each) {
  const TypeId type = must(store.type_id("TO"));
  const double seconds = together(threads, [&](unsigned thread) {
    const NodeId hub = hubs[thread % hubs.size()];
    for (std::size_t i = 0; i < static_cast<std::size_t>(each); ++i) {
      Transaction tx = must(store.begin());
      must(tx.create_edge(hub, type, leaves[(i * threads + thread) % leaves.size()]));
      must(tx.commit());
    }
  });
  return each * static_cast<double>(threads) / seconds;
}

/// One writer and two in turn; the median of the pairs, since others use the machine too.
void two_writers(benchmark::State& state, SyncMode mode, int each, std::size_t hub_count,
                 std::size_t leaf_count) {
  constexpr int rounds = 15;
  std::vector<double> one;
  std::vector<double> two;
  std::vector<double> ratios;
  for (auto _ : state) {
    const Directory directory;
    Store store = must(Store::open(directory.path("s"), {.sync = mode}));
    const auto start = Clock::now();
    for (int i = 0; i < rounds; ++i) {
      const auto hubs = must(store.create_nodes(std::vector<NewNode>(hub_count)));
      const auto leaves = must(store.create_nodes(std::vector<NewNode>(leaf_count)));
      one.push_back(hub_rate(store, hubs, leaves, 1, 2 * each));
      two.push_back(hub_rate(store, hubs, leaves, 2, each));
      ratios.push_back(two.back() / one.back());
    }
    must_equal(store.stats().conflicts, 0, "conflicts");
    state.SetIterationTime(std::chrono::duration<double>(Clock::now() - start).count());
    must(store.close());
  }
  state.counters["one writer/s"] = median(one);
  state.counters["two writers/s"] = median(two);
  against_target(state, "two / one", median(ratios), 1);
}

const auto register_all = [] {
  const auto add = [](const char* name, auto body) {
    benchmark::RegisterBenchmark(
        name, [=](benchmark::State& state) { measured(state, [&] { body(state); }); })
        ->Iterations(1)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("isolation/LinkBench-like/1 thread",
      [](benchmark::State& state) { serializable_against_snapshot(state, 1); });
  add("isolation/LinkBench-like/2 threads",
      [](benchmark::State& state) { serializable_against_snapshot(state, 2); });
  add("hub/immediate",
      [](benchmark::State& state) { two_writers(state, SyncMode::immediate, 1'000, 1, 10'000); });
  add("hub/none",
      [](benchmark::State& state) { two_writers(state, SyncMode::none, 50'000, 1, 10'000); });
  add("hub/none, all edges to one node",
      [](benchmark::State& state) { two_writers(state, SyncMode::none, 50'000, 1, 1); });
  add("hub/none, each writer its own",
      [](benchmark::State& state) { two_writers(state, SyncMode::none, 50'000, 2, 10'000); });
  return 0;
}();

}  // namespace
}  // namespace selvedge::bench

BENCHMARK_MAIN();
