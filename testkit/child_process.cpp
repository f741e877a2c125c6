#include "testkit/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <span>
#include <utility>

namespace selvedge::testkit {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::chrono::seconds child_limit{60};

/// What is traced; unknown names (there are others on other machines) are passed over.
constexpr const char* traced_calls =
    "trace=?pwrite64,?fdatasync,?fsync,?rename,?renameat,?renameat2,?unlink,?unlinkat,?open,?"
    "openat,"
    "?ftruncate,?fallocate,?mkdir,?mkdirat,?close,?pread64";

tl::unexpected<Error> system_error(const char* what, int error) {
  return fail(Error(ErrorCode::io, what).os(error));
}

/// An owned descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset() {
    if (value_ >= 0) {
      ::close(std::exchange(value_, -1));
    }
  }
  [[nodiscard]] int value() const { return value_; }

 private:
  int value_ = -1;
};

struct Pipe {
  Descriptor out;
  Descriptor in;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return system_error("no pipe", errno);
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

/// A started process; killed and reaped if nobody waited for it.
class Process {
 public:
  Process() = default;
  explicit Process(pid_t id) : id_(id) {}
  Process(Process&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Process& operator=(Process&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Process() {
    if (id_ > 0) {
      kill();
      wait();
    }
  }
  [[nodiscard]] pid_t id() const { return id_; }
  void kill() const { ::kill(id_, SIGKILL); }
  /// The status as waitpid gives it.
  int wait() {
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    return status;
  }

 private:
  pid_t id_ = -1;
};

/// Up to the span's size; 0 at the end; nothing when the time was up.
std::optional<std::size_t> read_before(int descriptor, std::span<char> into,
                                       Clock::time_point deadline) {
  for (;;) {
    const auto left = std::max(deadline - Clock::now(), Clock::duration::zero());
    const auto nanoseconds = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
    const timespec timeout{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = ::ppoll(&waiting, 1, &timeout, nullptr);
    if (ready > 0) {
      const ssize_t count = ::read(descriptor, into.data(), into.size());
      if (count >= 0 || errno != EINTR) {
        return count < 0 ? 0 : static_cast<std::size_t>(count);
      }
    } else if (ready == 0 || errno != EINTR) {
      return std::nullopt;
    }
  }
}

// --- what a child tells ------------------------------------------------------------------------

enum class Tag : std::uint32_t { bounds, error, wrong, done };

/// Short enough to reach the pipe whole.
struct Note {
  Tag tag = Tag::done;
  std::uint32_t lower = 0;
  std::uint32_t upper = 0;
  std::uint32_t copies = 0;
  std::array<char, 496> text{};
};
static_assert(sizeof(Note) == 512);

void tell(int descriptor, const Note& note) {
  // A parent that is gone cannot be told anything; the signal of the broken pipe ends the child.
  while (::write(descriptor, &note, sizeof(note)) < 0 && errno == EINTR) {
  }
}

void tell(int descriptor, Tag tag, std::string_view text) {
  Note note;
  note.tag = tag;
  const std::size_t size = std::min(text.size(), note.text.size() - 1);
  std::copy_n(text.begin(), size, note.text.begin());
  tell(descriptor, note);
}

void understand(const Note& note, ChildEnd& end) {
  switch (note.tag) {
    case Tag::bounds: end.bounds = {note.lower, note.upper, note.copies}; break;
    case Tag::error: end.error = note.text.data(); break;
    case Tag::wrong: end.wrong = note.text.data(); break;
    case Tag::done: end.done = true; break;
  }
}

/// Reads what the child tells until it is dead; kills it when its time has come.
void listen(int descriptor, const Process& child, const Blow& blow, ChildEnd& end) {
  const auto start = Clock::now();
  const bool timed = blow.kind == Blow::Kind::kill_after;
  auto deadline = start + (timed ? blow.after : microseconds(child_limit));
  Note note;
  std::size_t filled = 0;
  for (;;) {
    const std::span<char> bytes(reinterpret_cast<char*>(&note), sizeof(note));
    const auto count = read_before(descriptor, bytes.subspan(filled), deadline);
    if (!count) {
      end.hung = !timed;
      child.kill();
      deadline = Clock::time_point::max() - std::chrono::hours(1);
      continue;
    }
    if (*count == 0) {
      break;
    }
    filled += *count;
    if (filled == sizeof(note)) {
      understand(note, end);
      filled = 0;
    }
  }
  end.lasted = std::chrono::duration_cast<microseconds>(Clock::now() - start);
}

// --- strace ------------------------------------------------------------------------------------

std::vector<std::string> strace_arguments(const Blow& blow, const std::string& trace, pid_t child) {
  std::vector<std::string> arguments{"strace", "-f",  "-y", "-s",        "0",
                                     "-o",     trace, "-e", traced_calls};
  if (blow.kind == Blow::Kind::kill_at_call || blow.kind == Blow::Kind::fail_call) {
    const std::string effect =
        blow.kind == Blow::Kind::kill_at_call ? "signal=KILL" : "error=" + blow.error;
    arguments.insert(arguments.end(),
                     {"-e", "inject=" + blow.call + ":" + effect +
                                ":when=" + std::to_string(blow.nth) + (blow.sticky ? "+" : "")});
  }
  arguments.insert(arguments.end(), {"-p", std::to_string(child)});
  return arguments;
}

/// Started, and attached to the child.
/// `messages`: what it says; to be kept as long as it lives.
Result<Process> attach(const Blow& blow, const std::string& trace, pid_t child,
                       Descriptor& messages) {
  SELVEDGE_TRY(Pipe pipe, make_pipe());  // not before the fork: the child would hold it open
  std::vector<std::string> arguments = strace_arguments(blow, trace, child);
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& each : arguments) {
    pointers.push_back(each.data());
  }
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  if (const int error = ::posix_spawn_file_actions_init(&actions); error != 0) {
    return system_error("cannot start strace", error);
  }
  pid_t id = -1;
  int error = ::posix_spawn_file_actions_adddup2(&actions, pipe.in.value(), STDERR_FILENO);
  if (error == 0) {
    error = ::posix_spawnp(&id, "strace", &actions, nullptr, pointers.data(), ::environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    return fail(Error(ErrorCode::unsupported, "cannot start strace").os(error));
  }
  Process strace(id);
  pipe.in.reset();
  messages = std::move(pipe.out);
  std::string said;
  while (said.find(" attached") == std::string::npos) {
    std::array<char, 256> buffer{};
    const auto count = read_before(messages.value(), buffer, Clock::now() + child_limit);
    if (!count || *count == 0) {
      said = said.substr(0, said.find('\n'));
      return fail(ErrorCode::unsupported, said.empty() ? "strace does not attach" : said);
    }
    said.append(buffer.data(), *count);
  }
  return strace;
}

[[noreturn]] void live(const std::function<void(const Teller&)>& job, Pipe& go,
                       Pipe& told) noexcept {
  // Where only a parent may trace, any process may trace this one.
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  go.in.reset();
  told.out.reset();
  char byte = 0;
  ssize_t count = 0;
  while ((count = ::read(go.out.value(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (count == 1) {
    const Teller teller(told.in.value());
    job(teller);
    teller.done();
  }
  ::_exit(0);
}

}  // namespace

void Teller::bounds(Bounds bounds) const {
  Note note;
  note.tag = Tag::bounds;
  note.lower = static_cast<std::uint32_t>(bounds.lower);
  note.upper = static_cast<std::uint32_t>(bounds.upper);
  note.copies = static_cast<std::uint32_t>(bounds.copies);
  tell(descriptor_, note);
}
void Teller::error(std::string_view text) const { tell(descriptor_, Tag::error, text); }
void Teller::wrong(std::string_view text) const { tell(descriptor_, Tag::wrong, text); }
void Teller::done() const { tell(descriptor_, Tag::done, {}); }

Result<ChildEnd> run_in_child(const std::function<void(const Teller&)>& job, const Blow& blow,
                              const std::string& trace, Bounds start) {
  SELVEDGE_TRY(Pipe go, make_pipe());
  SELVEDGE_TRY(Pipe told, make_pipe());
  Process child(::fork());
  if (child.id() < 0) {
    return system_error("no process", errno);
  }
  if (child.id() == 0) {
    live(job, go, told);
  }
  told.in.reset();
  Descriptor messages;
  Process strace;
  if (!trace.empty()) {
    SELVEDGE_TRY(strace, attach(blow, trace, child.id(), messages));
  }
  // The reading end is open here too, so that a child that is gone is no broken pipe.
  if (::write(go.in.value(), "g", 1) != 1) {
    return system_error("cannot let the child go", errno);
  }
  ChildEnd end;
  end.bounds = start;
  listen(told.out.value(), child, blow, end);
  const int status = child.wait();
  if (strace.id() > 0) {
    strace.wait();
  }
  end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  return end;
}

}  // namespace selvedge::testkit
