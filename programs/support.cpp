#include "programs/support.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

namespace selvedge::programs {
namespace {

[[noreturn]] void give_up(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// All that is written until the last writer is gone.
std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 4096> piece{};
  for (;;) {
    const ssize_t got = ::read(descriptor, piece.data(), piece.size());
    if (got == 0) {
      return text;
    }
    if (got > 0) {
      text.append(piece.data(), static_cast<std::size_t>(got));
    } else if (errno != EINTR) {
      give_up("reading from the child process");
    }
  }
}

/// An exception of the job is not caught: it stops the process, as it would stop this one.
[[noreturn]] void be_child(int descriptor, double seconds, bool quiet,
                           const std::function<std::string()>& job) {
  ::alarm(static_cast<unsigned>(seconds * 2) + 20);
  if (quiet && std::freopen("/dev/null", "w", stderr) == nullptr) {
    ::_exit(3);
  }
  const std::string text = job();
  const bool told =
      ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::_exit(told ? 0 : 3);
}

}  // namespace

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(const std::function<std::string()>& text) {
  if (!terminal_ || (shown_ && seconds_since(*shown_) < 0.2)) {
    return;
  }
  shown_ = Clock::now();
  fmt::print(stderr, "\r{}", text());
}

void ProgressLine::clear() const {
  if (terminal_) {
    fmt::print(stderr, "\r{:110}\r", "");
  }
}

std::string progress_bar(double done, double all) {
  const int width = 30;
  const int full = static_cast<int>(std::min(1.0, done / all) * width);
  return fmt::format("[{:=<{}}{: <{}}]", "", full, "", width - full);
}

std::optional<testkit::Workload> find_workload(const std::string& name,
                                               const std::vector<std::uint64_t>& words) {
  std::vector<testkit::Workload> all = testkit::standard_workloads();
  all.push_back(testkit::random_workload(words));
  for (testkit::Workload& workload : all) {
    if (workload.name == name) {
      return std::move(workload);
    }
  }
  return std::nullopt;
}

ChildEnd run_in_child(double seconds, bool quiet, const std::function<std::string()>& job) {
  std::fflush(nullptr);  // what is buffered is written once
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) {
    give_up("no pipe");
  }
  const pid_t child = ::fork();
  if (child < 0) {
    give_up("no process");
  }
  if (child == 0) {
    ::close(ends[0]);
    be_child(ends[1], seconds, quiet, job);
  }
  ::close(ends[1]);
  ChildEnd end;
  end.told = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      give_up("waiting for the child process");
    }
  }
  if (WIFSIGNALED(status)) {
    end.signal = WTERMSIG(status);
  } else {
    end.exit_code = WEXITSTATUS(status);
  }
  return end;
}

}  // namespace selvedge::programs
