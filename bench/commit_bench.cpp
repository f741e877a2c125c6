// Commits of one edge each, in every sync mode, against what the disk does by itself.

#include <latch>
#include <thread>

#include "bench/support.h"

namespace selvedge::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Raw rate of small writes, each followed by fdatasync, into a preallocated file.
double raw_syncs_per_second(const Directory& directory, int count) {
  const std::string path = directory.path("raw");
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
  const std::vector<char> zeros(std::size_t{1} << 20);
  for (int i = 0; i < 8; ++i) {
    must_equal(static_cast<std::uint64_t>(::write(file, zeros.data(), zeros.size())), zeros.size(),
               "bytes written");
  }
  ::fsync(file);
  const std::vector<char> record(200, 'x');
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    must_equal(static_cast<std::uint64_t>(
                   ::pwrite(file, record.data(), record.size(), i * 200 % (8 << 20))),
               record.size(), "bytes written");
    must_equal(static_cast<std::uint64_t>(::fdatasync(file)), 0, "fdatasync");
  }
  const double result = rate(static_cast<std::uint64_t>(count), Clock::now() - start);
  ::close(file);
  return result;
}

/// Each thread creates edges between nodes of its own, one transaction each.
std::uint64_t commit_edges(Store& store, const std::vector<NodeId>& nodes, unsigned threads,
                           int each) {
  const TypeId type = must(store.type_id("TO"));
  const KeyId key = must(store.key_id("since"));
  std::latch ready(threads);
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      ready.arrive_and_wait();
      for (int i = 0; i < each; ++i) {
        Transaction tx = must(store.begin());
        const std::size_t at = (t + static_cast<std::size_t>(i) * threads) % nodes.size();
        const std::size_t to = (at + 7919) % nodes.size();
        must(tx.create_edge(nodes[at], type, nodes[to], {{key, i}}));
        must(tx.commit());
      }
    });
  }
  for (std::thread& thread : running) {
    thread.join();
  }
  return static_cast<std::uint64_t>(each) * threads;
}

void one_edge_commits(benchmark::State& state, SyncMode mode, unsigned threads, int each) {
  double total = 0;
  double raw = 0;
  std::uint64_t commits = 0;
  for (auto _ : state) {
    const Directory directory;
    Options options;
    options.sync = mode;
    raw += mode == SyncMode::immediate ? raw_syncs_per_second(directory, 2000) : 0;
    Store store = must(Store::open(directory.path("s"), options));
    const std::vector<NewNode> blank(100'000);
    const std::vector<NodeId> nodes = must(store.create_nodes(blank));
    const auto start = Clock::now();
    const std::uint64_t done = commit_edges(store, nodes, threads, each);
    const auto time = Clock::now() - start;
    must_equal(store.read().edge_count(), done, "edges");
    state.SetIterationTime(std::chrono::duration<double>(time).count());
    total += std::chrono::duration<double>(time).count();
    commits += done;
    must(store.close());
  }
  state.counters["commits/s"] = static_cast<double>(commits) / total;
  if (raw > 0) {
    const double raw_mean = raw / static_cast<double>(state.iterations());
    state.counters["raw fdatasync/s"] = raw_mean;
    state.counters["x raw"] = static_cast<double>(commits) / total / raw_mean;
  }
}

const auto register_all = [] {
  const auto add = [](const std::string& name, SyncMode mode, unsigned threads, int each) {
    benchmark::RegisterBenchmark(
        name.c_str(),
        [=](benchmark::State& state) { one_edge_commits(state, mode, threads, each); })
        ->Iterations(3)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("commit/immediate/1 thread (target 0.7 x raw)", SyncMode::immediate, 1, 5000);
  add("commit/immediate/8 threads", SyncMode::immediate, 8, 2500);
  add("commit/immediate/32 threads (target 5 x raw)", SyncMode::immediate, 32, 1500);
  add("commit/batch/1 thread", SyncMode::batch, 1, 500'000);
  add("commit/none/1 thread (target 1.2 M/s)", SyncMode::none, 1, 500'000);
  add("commit/none/2 threads", SyncMode::none, 2, 250'000);
  return 0;
}();

}  // namespace
}  // namespace selvedge::bench

BENCHMARK_MAIN();
