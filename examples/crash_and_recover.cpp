// A real graph, concurrent writers, and a process that is killed again and again. After each crash
// the store is reopened and its whole state is compared with what had been acknowledged.

#include <fmt/core.h>
#include <poll.h>
#include <selvedge/store.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "flights.h"
#include "workload.h"

namespace {

using crash::Ledger;
using crash::Message;

struct Settings {
  int rounds = 20;
  std::string directory;
  std::uint64_t seed = 0;
};

[[noreturn]] void child(const std::string& path, std::uint64_t seed, int pipe) {
  crash::Workload workload(path, seed, pipe);
  ::_exit(workload.run());
}

/// Reads messages until the pipe is closed; kills the child when its time has come.
bool watch(int pipe, pid_t pid, std::chrono::milliseconds life, Ledger& ledger) {
  using Clock = std::chrono::steady_clock;
  bool killed = false;
  bool ready = false;
  Clock::time_point end;
  std::vector<std::byte> pending;
  for (;;) {
    pollfd waiting{pipe, POLLIN, 0};
    const auto left =
        ready ? std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now())
              : std::chrono::milliseconds(60000);
    if (left.count() <= 0 && !killed) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
    ::poll(&waiting, 1, killed ? -1 : static_cast<int>(std::max<std::int64_t>(left.count(), 1)));
    std::byte buffer[65536];
    if (waiting.revents == 0) {
      continue;
    }
    const ssize_t count = ::read(pipe, buffer, sizeof buffer);
    if (count <= 0) {
      return killed;
    }
    pending.insert(pending.end(), buffer, buffer + count);
    std::size_t at = 0;
    for (; pending.size() - at >= sizeof(Message); at += sizeof(Message)) {
      Message message;
      std::memcpy(&message, pending.data() + at, sizeof message);
      if (message.kind == Message::Kind::ready) {
        ready = true;
        end = Clock::now() + life;
      } else {
        ledger.note(message);
      }
    }
    pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

void print_report(int round, const selvedge::RecoveryReport& report) {
  const auto phase = [](const selvedge::PhaseReport& each) {
    return fmt::format("{}/{} in {:.1f} ms", each.applied, each.entries,
                       static_cast<double>(each.microseconds) / 1000);
  };
  std::uint64_t dropped = 0;
  for (const auto& each : report.dropped) {
    dropped += each.bytes;
  }
  fmt::print("round {}: recovered sequence {} ({} nodes, {} edges) in {:.1f} ms\n", round,
             report.recovered.value, report.nodes, report.edges,
             static_cast<double>(report.total_microseconds) / 1000);
  fmt::print("  1 analyse: snapshot {}, log from {}, {} frames in {} segments, {:.1f} ms\n",
             report.snapshot.empty() ? "none" : report.snapshot, report.low_water.value,
             report.frames, report.segments,
             static_cast<double>(report.analyse.microseconds) / 1000);
  fmt::print("  2 redo {}; 3 undo {} ({} rolled back); 4 non-transactional {}; tail {} bytes\n",
             phase(report.redo), phase(report.undo), report.rolled_back.size(),
             phase(report.non_transactional), dropped);
}

void progress(int done, int rounds) {
  if (::isatty(STDOUT_FILENO) == 0) {
    return;
  }
  const int width = 40;
  const int filled = done * width / rounds;
  fmt::print("\r[{}{}] {}/{}{}", std::string(static_cast<std::size_t>(filled), '#'),
             std::string(static_cast<std::size_t>(width - filled), '.'), done, rounds,
             done == rounds ? "\n" : "");
  std::fflush(stdout);
}

int fail_with(const std::string& what) {
  fmt::print(stderr, "{}\n", what);
  return 1;
}

int run(const Settings& settings, const std::string& path) {
  {
    auto store = selvedge::Store::open(path);
    if (!store) {
      return fail_with(store.error().message());
    }
    auto network = flights::load(*store, SELVEDGE_EXAMPLE_DATA);
    if (!network) {
      return fail_with(network.error().message());
    }
    fmt::print("loaded {} airports and {} routes\n", network->airports.size(),
               network->routes.size());
    if (auto closed = store->close(); !closed) {
      return fail_with(closed.error().message());
    }
  }
  std::mt19937_64 random(settings.seed);
  Ledger ledger;
  std::uint64_t violations = 0;
  for (int round = 1; round <= settings.rounds; ++round) {
    int ends[2];
    if (::pipe(ends) != 0) {
      return fail_with("cannot make a pipe");
    }
    std::fflush(stdout);
    const pid_t pid = ::fork();
    if (pid < 0) {
      return fail_with("cannot fork");
    }
    if (pid == 0) {
      ::close(ends[0]);
      child(path, random(), ends[1]);
    }
    ::close(ends[1]);
    const auto life = std::chrono::milliseconds(20 + random() % 1480);
    const bool killed = watch(ends[0], pid, life, ledger);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!killed) {
      return fail_with("the writing process ended by itself, status " + std::to_string(status));
    }
    auto store = selvedge::Store::open(path);
    if (!store) {
      return fail_with("round " + std::to_string(round) + ": " + store.error().message());
    }
    print_report(round, store->recovery_report());
    for (const std::string& violation : ledger.verify(*store)) {
      fmt::print("  VIOLATION: {}\n", violation);
      ++violations;
    }
    if (auto closed = store->close(); !closed) {
      return fail_with(closed.error().message());
    }
    progress(round, settings.rounds);
  }
  fmt::print("verified: {} crashes, {} acknowledged, {} lost, {} resurrected\n", settings.rounds,
             ledger.acknowledged(), ledger.lost(), ledger.resurrected());
  return violations == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  settings.seed = std::random_device{}();
  CLI::App app("Kills a writing process at random moments and verifies the recovered graph.");
  app.add_option("--rounds", settings.rounds, "number of crashes")->check(CLI::Range(1, 100000));
  app.add_option("--dir", settings.directory, "keep the store here (default: a temporary one)");
  app.add_option("--seed", settings.seed, "for the moments of the crashes and the bookings");
  CLI11_PARSE(app, argc, argv);
  std::string root = settings.directory;
  if (root.empty()) {
    root = (std::filesystem::temp_directory_path() / "selvedge-demo-XXXXXX").string();
    if (::mkdtemp(root.data()) == nullptr) {
      return fail_with("cannot make a temporary directory");
    }
  }
  fmt::print("seed {}\n", settings.seed);
  const int result = run(settings, root + "/flights");
  if (settings.directory.empty()) {
    std::filesystem::remove_all(root);
  }
  return result;
}
