// Real threads on a store, with their schedule shuffled, and the history of what they saw.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <selvedge/options.h>
#include <selvedge/testkit/history.h>

namespace selvedge::testkit {

/// One run. All of it follows from the seed but the schedule of the threads.
struct HistoryPlan {
  enum class Workload : std::uint8_t {
    list_append,  ///< lists in properties of nodes and edges
    edge_set,     ///< edges between few nodes, each with a number; some of them exist once
    label_set,    ///< nodes that get a label and lose it, and scans of labels
  };
  Workload workload = Workload::list_append;
  Isolation isolation = Isolation::serializable;
  std::uint64_t seed = 1;
  unsigned clients = 4;
  unsigned transactions_each = 20;  ///< of each client, in each life
  unsigned keys = 3;                ///< lists, nodes, or labels
  unsigned power_losses = 0;        ///< then everything is synced, else nothing
  [[nodiscard]] std::string to_string() const;
};
/// Workload, numbers of clients, of keys and of transactions as the seed has it.
[[nodiscard]] HistoryPlan history_plan(std::uint64_t seed, Isolation isolation,
                                       unsigned power_losses = 0);

struct HistoryRun {
  History history;
  /// What went wrong besides: errors that nobody expects, structures that do not agree.
  std::vector<std::string> faults;
  std::uint64_t power_losses = 0;
};

/// Runs it on a simulated disk. At each yield point of the engine and between the operations a
/// thread may go on, spin for a moment, or give its processor away. A power loss takes what was
/// not synced (in some of them only a part of it); what was acknowledged must still be there in the
/// next life, what is unknown may be. In the end one transaction reads everything.
/// Threads: one run at a time in a process.
[[nodiscard]] HistoryRun run_history(const HistoryPlan& plan);

/// What is wrong with a run: the faults, and the anomalies under the plan's isolation, in real
/// time. Empty: nothing.
[[nodiscard]] std::vector<std::string> judge(const HistoryPlan& plan, const HistoryRun& run);

}  // namespace selvedge::testkit
