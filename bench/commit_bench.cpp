// Commits of one edge each, in every sync mode, against what the disk does by itself.

#include "bench/support.h"

namespace selvedge::bench {
namespace {

/// Rate of writes of `record_bytes` by themselves, each followed by fdatasync, into a file that has
/// its blocks already.
double raw_syncs_per_second(const Directory& directory, int count, std::size_t record_bytes) {
  constexpr std::size_t file_bytes = std::size_t{8} << 20;
  const int file = ::open(directory.path("raw").c_str(), O_RDWR | O_CREAT, 0600);
  must_equal(static_cast<std::uint64_t>(file >= 0), 1, "files opened");
  const std::vector<char> zeros(file_bytes);
  must_equal(static_cast<std::uint64_t>(::pwrite(file, zeros.data(), file_bytes, 0)), file_bytes,
             "bytes written");
  must_equal(static_cast<std::uint64_t>(::fsync(file)), 0, "fsync");
  const std::vector<char> record(record_bytes, 'x');
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    const auto offset = static_cast<std::size_t>(i) * record_bytes % (file_bytes - record_bytes);
    must_equal(static_cast<std::uint64_t>(
                   ::pwrite(file, record.data(), record_bytes, static_cast<off_t>(offset))),
               record_bytes, "bytes written");
    must_equal(static_cast<std::uint64_t>(::fdatasync(file)), 0, "fdatasync");
  }
  const double result = rate(static_cast<std::uint64_t>(count), Clock::now() - start);
  ::close(file);
  return result;
}

/// Each thread creates edges between nodes of its own, one transaction each. Returns the seconds.
double commit_edges(Store& store, const std::vector<NodeId>& nodes, unsigned threads, int each) {
  const TypeId type = must(store.type_id("TO"));
  const KeyId key = must(store.key_id("since"));
  return together(threads, [&](unsigned t) {
    for (int i = 0; i < each; ++i) {
      Transaction tx = must(store.begin());
      const std::size_t at = (t + static_cast<std::size_t>(i) * threads) % nodes.size();
      const std::size_t to = (at + 7919) % nodes.size();
      must(tx.create_edge(nodes[at], type, nodes[to], {{key, i}}));
      must(tx.commit());
    }
  });
}

/// What a commit is measured against: so many per second, or so many times the raw rate.
struct Target {
  double per_second = 0;
  double times_raw = 0;
};

void one_edge_commits(benchmark::State& state, SyncMode mode, unsigned threads, int each,
                      Target target) {
  double seconds = 0;
  double raw = 0;
  std::uint64_t commits = 0;
  for (auto _ : state) {
    const Directory directory;
    Options options;
    options.sync = mode;
    Store store = must(Store::open(directory.path("s"), options));
    const std::vector<NewNode> blank(100'000);
    const std::vector<NodeId> nodes = must(store.create_nodes(blank));
    const std::uint64_t log_before = store.stats().log_bytes;
    const double time = commit_edges(store, nodes, threads, each);
    const std::uint64_t done = static_cast<std::uint64_t>(each) * threads;
    must_equal(store.read().edge_count(), done, "edges");
    const std::size_t record_bytes = (store.stats().log_bytes - log_before) / done;
    must(store.close());
    if (mode == SyncMode::immediate) {
      raw += raw_syncs_per_second(directory, 2000, record_bytes);
    }
    state.counters["log bytes/commit"] = static_cast<double>(record_bytes);
    state.SetIterationTime(time);
    seconds += time;
    commits += done;
  }
  const double per_second = static_cast<double>(commits) / seconds;
  if (raw > 0) {
    const double raw_mean = raw / static_cast<double>(state.iterations());
    state.counters["commits/s"] = per_second;
    state.counters["raw fdatasync/s"] = raw_mean;
    state.counters["x raw"] = per_second / raw_mean;
    if (target.times_raw > 0) {
      against_target(state, "x raw", per_second / raw_mean, target.times_raw);
    }
  } else if (target.per_second > 0) {
    against_target(state, "commits/s", per_second, target.per_second);
  } else {
    state.counters["commits/s"] = per_second;
  }
}

const auto register_all = [] {
  const auto add = [](const char* name, SyncMode mode, unsigned threads, int each, Target target) {
    benchmark::RegisterBenchmark(
        name,
        [=](benchmark::State& state) {
          measured(state, [&] { one_edge_commits(state, mode, threads, each, target); });
        })
        ->Iterations(3)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  };
  add("commit/immediate/1 thread", SyncMode::immediate, 1, 5000, {.times_raw = 0.7});
  add("commit/immediate/8 threads", SyncMode::immediate, 8, 2500, {});
  add("commit/immediate/32 threads", SyncMode::immediate, 32, 1500, {.times_raw = 5});
  add("commit/batch/1 thread", SyncMode::batch, 1, 500'000, {});
  add("commit/none/1 thread", SyncMode::none, 1, 500'000, {.per_second = 1.2e6});
  add("commit/none/2 threads", SyncMode::none, 2, 250'000, {});
  return 0;
}();

}  // namespace
}  // namespace selvedge::bench

BENCHMARK_MAIN();
