// What is crash-tested: a program over the public API, and the ledger of what it was told.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/file_system.h>
#include <selvedge/options.h>
#include <selvedge/store.h>
#include <selvedge/testkit/seams.h>
#include <selvedge/testkit/sim_file_system.h>

namespace selvedge::testkit {

/// Hash of everything that a reader can see: nodes, edges, labels, properties, embeddings by the
/// names given, ids and names. Equal states have equal hashes. Cost: the whole view.
[[nodiscard]] std::uint64_t state_hash(const Reader& view);

/// One change of the state: a transaction, or one operation outside of any.
struct Step {
  std::size_t issued = 0;                   ///< events before its commit was asked for
  std::optional<std::size_t> acknowledged;  ///< events when it was known to be durable
  std::uint64_t state = 0;                  ///< hash of the state with it, from a run that succeeds
  /// Ids in that state: they are never given out again.
  std::vector<std::uint64_t> nodes = {};
  std::vector<std::uint64_t> edges = {};
};

/// A backup: a store of its own that holds the state after a step.
struct Copy {
  std::string directory;
  std::size_t step = 0;
  std::size_t made = 0;  ///< events when the backup returned
};

/// Which states a crash may leave: those with the first `lower` to `upper` steps; and how many
/// copies must be there.
struct Bounds {
  std::size_t lower = 0;
  std::size_t upper = 0;
  std::size_t copies = 0;
};

/// Role: what a program knows of its store, kept outside the disk.
/// Invariants: steps are in commit order, and so are copies. State 0 is the empty store.
struct Ledger {
  std::vector<Step> steps;
  std::vector<Copy> copies;
  std::uint64_t empty_state = 0;
  [[nodiscard]] std::uint64_t state(std::size_t steps_done) const {
    return steps_done == 0 ? empty_state : steps[steps_done - 1].state;
  }
  /// After a crash before the event with this number. What a finished copy holds is durable in the
  /// store itself too.
  [[nodiscard]] Bounds bounds(std::size_t event) const;
};

class Trial;

/// Something to crash-test. It must be deterministic, and run in one thread; it goes through
/// `Trial` for what the ledger has to know, and through `Trial::store` for the rest.
struct Workload {
  std::string name;
  /// Returns the first error that it did not expect; the run is over then.
  std::function<Status(Trial&)> body;
  /// Changes the store's options, e.g. the sync mode.
  std::function<void(Options&)> configure = {};
  /// An invariant of the program over several entities, also of the empty store: what it returns is
  /// reported.
  std::function<std::optional<std::string>(const Reader&)> invariant = {};
  /// Small enough for every crash in every recovery.
  bool tiny = false;
};

/// Told what a crash may leave from now on, each time that changes: before a step is asked for, and
/// when it is known what became of it.
using Report = std::function<void(Bounds)>;

/// Role: one execution of a workload, on a simulated disk or on any file system.
/// After failure: an error of the store ends the run; what it leaves open of the last step (it may
///   have happened, or not) is in the ledger.
class Trial {
 public:
  /// `reference`: the ledger of a run without faults, whose states this one takes over.
  Trial(const Workload& workload, SimFileSystem& files, const Ledger* reference = nullptr);
  /// Everything happens below the directory `root`. The ledger's steps have no place among events:
  /// `report` learns of them as they are made.
  Trial(const Workload& workload, FileSystem& files, std::string root, Report report,
        const Ledger* reference);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  /// Opens the store, runs the body. At most `steps_max` steps are made.
  Status execute(std::size_t steps_max = ~std::size_t{0});

  // --- for the body ----------------------------------------------------------------------------
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] FileSystem& files() { return files_; }
  /// Where an absolute path of the workload lies in this run.
  [[nodiscard]] std::string path(std::string_view name) const { return root_ + std::string(name); }
  /// A transaction whose commit will be a step.
  Result<Transaction> begin();
  /// One step. `conflict` and the like are the caller's, and no step.
  Status commit(Transaction& transaction);
  /// One operation outside a transaction: one step.
  Status alone(const std::function<Status(Store&)>& operation);
  /// Makes all steps so far durable, whatever the sync mode.
  Status sync();
  /// Closes and opens the store: all steps so far are durable.
  Status reopen();
  /// The process dies where it stands, with the transactions handed over, and the next one opens
  /// the store: what was written is there, synced or not, and what the opened store shows is
  /// durable from then on. No view or cursor of before may be left. On a real file system, where
  /// others do the killing, the store is closed and opened.
  Status die(std::vector<Transaction> open = {});
  /// As `die`, and the power fails with it. `kept(i, n)` says whether the i-th of n operations that
  /// were not synced is on the disk.
  Status lose_power(std::vector<Transaction> open,
                    const std::function<bool(std::size_t, std::size_t)>& kept);
  /// Closes the store: all steps so far are durable. For the end.
  Status close();
  /// Copies the store. A crash from now on must leave the copy, with all steps so far; one before
  /// the end of the backup may leave a directory that is refused.
  Status backup(const std::string& directory);
  /// Runs a step when the engine reaches a named place for the n-th time from now on, in the middle
  /// of whatever it is doing: a commit during a checkpoint, say.
  void during(const std::string& place, int times, std::function<Status()> step);

  /// On a simulated disk the clock moves; the time of a real file system is not ours.
  void pass_time(std::chrono::microseconds time);

  /// What is known when it is over.
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  /// What was wrong in the middle of the run: a state after `die` that must not be, an id given out
  /// twice.
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  /// The store, if it is open: to look at it when the body has ended.
  [[nodiscard]] Store* open_store() { return store_ ? &*store_ : nullptr; }

  /// The options of a workload's stores on a file system: small files, no threads.
  static Options options_of(const Workload& workload, FileSystem& files);

 private:
  Status open();
  Status next_life(std::vector<Transaction> open, const std::function<void()>& restart);
  Status take_up(Bounds before);
  void note_state(Step& step);
  void note_gone(std::size_t index);
  Status issue();
  Status settle(const Status& outcome);
  void acknowledge_all();
  [[nodiscard]] std::size_t now() const;
  void report() const;

  const Workload& workload_;
  FileSystem& files_;
  SimFileSystem* simulated_ = nullptr;
  std::string root_;
  Report report_;
  const Ledger* reference_;
  Options options_;
  std::optional<Store> store_;
  Ledger ledger_;
  std::size_t steps_max_ = 0;
  std::unique_ptr<Seams> seams_;
  Status seam_status_;
  std::size_t steps_done_ = 0;  ///< without one that nobody knows about
  std::set<std::uint64_t> gone_nodes_;
  std::set<std::uint64_t> gone_edges_;
  std::optional<std::string> violation_;
};

/// The store's directory in every run, below its root.
inline constexpr const char* store_path = "/store";

/// Workloads that come with the kit; those of one operation, or a few, are tiny.
[[nodiscard]] std::vector<Workload> standard_workloads();
/// A random mix of everything, in the words' order: the same words give the same workload, and any
/// of them can be left out.
[[nodiscard]] Workload random_workload(std::vector<std::uint64_t> words);
[[nodiscard]] std::vector<std::uint64_t> random_words(std::uint64_t seed, std::size_t count);

}  // namespace selvedge::testkit
