#include <selvedge/testkit/process.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include <selvedge/testkit/sim_file_system.h>

#include "testkit/child_process.h"
#include "testkit/verify.h"

namespace selvedge::testkit {

// --- blows -------------------------------------------------------------------------------------

std::string Blow::to_string() const {
  switch (kind) {
    case Kind::none: return "none";
    case Kind::kill_at_call: return "kill." + call + "." + std::to_string(nth);
    case Kind::fail_call:
      return call + "." + std::to_string(nth) + (sticky ? "+" : "") + "." + error;
    case Kind::kill_after: return "after." + std::to_string(after.count());
  }
  return "none";
}

namespace {

bool parse_number(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char each) {
    return std::isalnum(each) != 0 || each == '_';
  });
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find('.');
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Result<Blow> Blow::parse(std::string_view text) {
  Blow blow;
  const auto parts = parts_of(text);
  std::uint64_t number = 0;
  if (text == "none") {
    return blow;
  }
  if (parts.size() == 2 && parts[0] == "after" && parse_number(parts[1], number)) {
    blow.kind = Kind::kill_after;
    blow.after = std::chrono::microseconds(number);
    return blow;
  }
  if (parts.size() == 3 && parts[0] == "kill" && is_name(parts[1]) &&
      parse_number(parts[2], number) && number != 0) {
    blow.kind = Kind::kill_at_call;
    blow.call = parts[1];
    blow.nth = number;
    return blow;
  }
  if (parts.size() == 3 && is_name(parts[0]) && is_name(parts[2])) {
    std::string_view count = parts[1];
    blow.sticky = count.ends_with('+');
    count.remove_suffix(blow.sticky ? 1 : 0);
    if (parse_number(count, number) && number != 0) {
      blow.kind = Kind::fail_call;
      blow.call = parts[0];
      blow.nth = number;
      blow.error = parts[2];
      return blow;
    }
  }
  return fail(
      Error(ErrorCode::invalid_argument, "no blow to a process")
          .mismatch("none, kill.CALL.N, CALL.N[+].ERROR or after.MICROSECONDS", std::string(text)));
}

// --- one run -----------------------------------------------------------------------------------

namespace {

namespace fs = std::filesystem;

/// A fresh directory, gone with everything in it at the end.
class Scratch {
 public:
  static Result<Scratch> make(const std::string& below) {
    std::string path = below + "/selvedge-process-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
      return fail(Error(ErrorCode::io, "cannot make a directory").at(path).os(errno));
    }
    return Scratch(std::move(path));
  }
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    if (!path_.empty()) {
      std::error_code
          error;  // what cannot be removed stays: it is the system's temporary directory
      fs::remove_all(path_, error);
    }
  }
  [[nodiscard]] std::string root() const { return path_; }
  [[nodiscard]] std::string store() const { return path_ + store_path; }
  [[nodiscard]] std::string trace() const { return path_ + "/calls"; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// The calls in a file that strace wrote, without the process.
std::vector<std::string> read_calls(const std::string& path) {
  std::vector<std::string> calls;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t start = line.find_first_not_of("0123456789 ");
    if (start != std::string::npos && is_name(line.substr(start, line.find('(') - start))) {
      calls.push_back(line.substr(start));
    }
  }
  return calls;
}

std::string name_of_call(const std::string& call) { return call.substr(0, call.find('(')); }

Options recovery_options(const Workload& workload) {
  Options options = Trial::options_of(workload, posix_file_system());
  options.sync = SyncMode::immediate;
  return options;
}

/// In a child: the workload, from an empty directory to a clean close.
void live_through(const Workload& workload, const Ledger& reference, const std::string& root,
                  const Teller& teller) {
  Trial trial(
      workload, posix_file_system(), root, [&](Bounds bounds) { teller.bounds(bounds); },
      &reference);
  Status done = trial.execute();
  if (!done && done.error().code() == ErrorCode::finished) {
    done = {};  // behind the last step of the run in memory there was only one that failed
  }
  if (const Store* store = trial.open_store()) {
    std::size_t steps = 0;
    const Bounds any{0, trial.ledger().steps.size()};
    if (const auto wrong = compare_state(*store, workload, trial.ledger(), any, steps)) {
      teller.wrong("while the workload's process lived: " + *wrong);
    }
  }
  if (done) {
    done = trial.close();
  }
  if (!done) {
    teller.error(done.error().message());
  }
}

/// In a child: opens what another one left, and closes it. What it found is what must be found
/// again.
void recover(const Workload& workload, const Ledger& reference, const std::string& path,
             Bounds bounds, const Teller& teller) {
  auto store = Store::open(path, recovery_options(workload));
  if (!store) {
    teller.error("recovery refused: " + store.error().message());
    return;
  }
  std::size_t steps = 0;
  if (const auto wrong = compare_state(*store, workload, reference, bounds, steps)) {
    teller.wrong(*wrong);
    return;
  }
  teller.bounds({steps, steps, bounds.copies});
  if (const Status closed = store->close(); !closed) {
    teller.error(closed.error().message());
  }
}

/// What is wrong with a child's end. `failed`: calls in it.
std::optional<std::string> judge(const ChildEnd& end, bool killed, std::uint64_t failed) {
  if (end.hung) {
    return "a process did not come to its end";
  }
  if (killed) {
    return std::nullopt;
  }
  if (end.signal != 0) {
    return "expected a process to end by itself, found signal " + std::to_string(end.signal);
  }
  if (end.wrong) {
    return end.wrong;
  }
  if (end.exit_code != 0 || !end.done) {
    return "expected a process to come to its end, found exit code " +
           std::to_string(end.exit_code);
  }
  if (end.error && failed == 0) {
    return "an error where no call had failed: " + *end.error;
  }
  return std::nullopt;
}

/// In a child: opens what is left, compares, also the copies, and lives on. `steps` gets what was
/// found.
std::optional<std::string> verify(const Workload& workload, const Ledger& reference,
                                  const std::string& root, Bounds bounds, std::size_t& steps) {
  const std::string path = root + store_path;
  std::uint64_t life = 0;
  {
    auto store = Store::open(path, recovery_options(workload));
    if (!store) {
      return "recovery refused: " + store.error().message();
    }
    if (auto wrong = compare_state(*store, workload, reference, bounds, steps)) {
      return wrong;
    }
    for (std::size_t i = 0; i < reference.copies.size(); ++i) {
      if (auto wrong = compare_copy(posix_file_system(), root, workload, reference,
                                    reference.copies[i], i < bounds.copies)) {
        return wrong;
      }
    }
    if (const auto made = store->create_node({"Life"}, {{"n", 1}}); !made) {
      return "the recovered store refuses a commit: " + made.error().message();
    }
    life = state_hash(store->read());
    if (const Status closed = store->close(); !closed) {
      return "the recovered store does not close: " + closed.error().message();
    }
  }
  const auto store = Store::open(path, recovery_options(workload));
  if (!store) {
    return "the second recovery refused: " + store.error().message();
  }
  if (state_hash(store->read()) != life) {
    return "a commit after recovery is gone, or something came with it";
  }
  return std::nullopt;
}

/// Role: the processes of one run, one after the other.
class Chain {
 public:
  Chain(const Workload& workload, const Ledger& reference, const Scratch& scratch)
      : workload_(workload), reference_(reference), scratch_(scratch) {}

  /// The next process. Afterwards `found().violation` says whether to go on.
  Status next(const Blow& blow, bool traced) {
    const Bounds before = found_.bounds;
    const auto job = [&](const Teller& teller) {
      if (first_) {
        live_through(workload_, reference_, scratch_.root(), teller);
      } else {
        recover(workload_, reference_, scratch_.store(), before, teller);
      }
    };
    const std::string trace = traced ? scratch_.trace() : std::string();
    SELVEDGE_TRY(const ChildEnd end, run_in_child(job, blow, trace, before));
    std::uint64_t failed = 0;
    if (traced) {
      const auto& calls = found_.calls.emplace_back(read_calls(trace));
      failed = static_cast<std::uint64_t>(std::count_if(
          calls.begin(), calls.end(),
          [](const std::string& call) { return call.find("(INJECTED)") != std::string::npos; }));
    }
    const bool deadly =
        blow.kind == Blow::Kind::kill_at_call || blow.kind == Blow::Kind::kill_after;
    const bool killed = deadly && end.signal == SIGKILL;
    found_.killed += killed ? 1U : 0U;
    found_.failed += failed;
    found_.bounds = end.bounds;
    found_.lasted = first_ ? end.lasted : found_.lasted;
    found_.violation = judge(end, killed, failed);
    first_ = false;
    return {};
  }

  /// The last process: looks at what is left, and lives on with it.
  Status last() {
    const auto job = [&](const Teller& teller) {
      std::size_t steps = 0;
      if (const auto wrong = verify(workload_, reference_, scratch_.root(), found_.bounds, steps)) {
        teller.wrong(*wrong);
      }
      teller.bounds({steps, steps, 0});
    };
    SELVEDGE_TRY(const ChildEnd end, run_in_child(job, {}, {}, {}));
    found_.steps = end.bounds.lower;
    found_.violation = judge(end, false, 0);
    return {};
  }

  ProcessRun& found() { return found_; }

 private:
  const Workload& workload_;
  const Ledger& reference_;
  const Scratch& scratch_;
  ProcessRun found_;
  bool first_ = true;
};

bool needs_strace(const Blow& blow) {
  return blow.kind == Blow::Kind::kill_at_call || blow.kind == Blow::Kind::fail_call;
}

}  // namespace

std::optional<std::string> strace_obstacle() {
  const auto end = run_in_child([](const Teller&) {}, {}, "/dev/null", {});
  if (!end) {
    return end.error().message();
  }
  return std::nullopt;
}

Result<ProcessTrials> ProcessTrials::prepare(Workload workload, std::string directory) {
  if (directory.empty()) {
    std::error_code error;
    directory = fs::temp_directory_path(error).string();
    if (error) {
      return fail(Error(ErrorCode::io, "no directory for temporary files").os(error.value()));
    }
  }
  ProcessTrials trials(std::move(workload), std::move(directory));
  SimFileSystem files;
  Trial reference(trials.workload_, files);
  SELVEDGE_TRY(reference.execute());
  trials.reference_ = reference.ledger();
  return trials;
}

Result<ProcessRun> ProcessTrials::run(std::span<const Blow> blows) const {
  static const Blow none;
  SELVEDGE_TRY(const Scratch scratch, Scratch::make(directory_));
  Chain chain(workload_, reference_, scratch);
  for (const Blow& blow : blows.empty() ? std::span(&none, 1) : blows) {
    SELVEDGE_TRY(chain.next(blow, needs_strace(blow)));
    if (chain.found().violation) {
      return std::move(chain.found());
    }
  }
  SELVEDGE_TRY(chain.last());
  return std::move(chain.found());
}

Result<std::vector<Blow>> ProcessTrials::plan() const {
  SELVEDGE_TRY(const Scratch scratch, Scratch::make(directory_));
  Chain chain(workload_, reference_, scratch);
  SELVEDGE_TRY(chain.next({}, true));
  std::map<std::string, std::uint64_t> made;
  for (const std::string& call : chain.found().calls.front()) {
    ++made[name_of_call(call)];
  }
  std::vector<Blow> blows;
  for (const auto& [call, count] : made) {
    const bool reads = call == "pread64";
    for (std::uint64_t nth = 1; nth <= count; ++nth) {
      Blow blow{Blow::Kind::kill_at_call, call, nth, false, {}, {}};
      if (!reads) {
        blows.push_back(blow);
      }
      blow.kind = Blow::Kind::fail_call;
      for (const char* error : {"EIO", "ENOSPC"}) {
        blow.error = error;
        for (const bool sticky : {false, true}) {
          blow.sticky = sticky;
          if (!reads || blow.error == "EIO") {
            blows.push_back(blow);
          }
        }
      }
    }
  }
  return blows;
}

}  // namespace selvedge::testkit
