// Real processes on the real file system: killed at any system call, or met by its failure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/testkit/workload.h>

namespace selvedge::testkit {

/// What is done to a process. Calls are named as strace names them, and counted from the run's
/// start, in its one thread.
struct Blow {
  enum class Kind : std::uint8_t {
    none,
    kill_at_call,  ///< SIGKILL in place of the n-th call
    fail_call,     ///< the n-th call does nothing and returns the error
    kill_after,    ///< SIGKILL after a time
  };
  Kind kind = Kind::none;
  std::string call;
  std::uint64_t nth = 1;
  bool sticky = false;  ///< all later calls fail too
  std::string error;    ///< "EIO", "ENOSPC"
  std::chrono::microseconds after{0};

  /// `none`, `kill.CALL.N`, `CALL.N[+].ERROR`, `after.MICROSECONDS`.
  [[nodiscard]] std::string to_string() const;
  static Result<Blow> parse(std::string_view text);
};

/// What became of one workload and of the store that it left.
struct ProcessRun {
  std::uint64_t killed = 0;                     ///< of its processes
  std::uint64_t failed = 0;                     ///< calls made to fail
  Bounds bounds;                                ///< what the processes had reported
  std::size_t steps = 0;                        ///< what was recovered
  std::chrono::microseconds lasted{0};          ///< the first process
  std::optional<std::string> violation;         ///< expected and found
  std::vector<std::vector<std::string>> calls;  ///< of each traced process, as strace shows them
};

/// Why strace cannot be used here: it is missing, or may not attach. Nothing when it can.
[[nodiscard]] std::optional<std::string> strace_obstacle();

/// Role: runs a workload in a child process on the real file system, ends it or lets its system
///   calls fail, recovers, and holds the state against what the child had reported. Calls are
///   counted, killed and failed by strace; killing after a time works without it.
/// Invariants: what a process had handed to the system outlives it. So the state is that after
///   step j with acknowledged <= j <= issued, nothing less; so are the copies that it made.
/// Threads: one at a time, in a process that has no other threads (it forks).
/// After failure: an error is one of the machine (no process, no directory, no strace), none of the
///   store; nothing is left running.
class ProcessTrials {
 public:
  /// `directory` must exist; the runs happen below it. An empty one: the system's for temporary
  /// files. What the workload leads to is found out by a run in memory.
  static Result<ProcessTrials> prepare(Workload workload, std::string directory = {});

  /// The first blow meets the workload, each other one a process that recovers what the one before
  /// it left. A last process, met by none, recovers, compares and lives on. No blows: an
  /// undisturbed workload.
  Result<ProcessRun> run(std::span<const Blow> blows) const;
  Result<ProcessRun> run(const Blow& blow) const { return run(std::span(&blow, 1)); }

  /// Every blow that an undisturbed run can be given through strace: killed at each call that
  /// changes the disk, or opens or closes a file; EIO and ENOSPC once and from then on at each of
  /// them; EIO at each read.
  Result<std::vector<Blow>> plan() const;

  [[nodiscard]] const Workload& workload() const { return workload_; }

 private:
  ProcessTrials(Workload workload, std::string directory)
      : workload_(std::move(workload)), directory_(std::move(directory)) {}

  Workload workload_;
  std::string directory_;
  Ledger reference_;
};

}  // namespace selvedge::testkit
