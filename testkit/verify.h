// What is done with every image that a crash can leave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <selvedge/testkit/workload.h>

namespace selvedge::testkit {

/// Role: a store opened on an image, held against the ledger.
/// After failure: `fault` says what is wrong; nothing else may be asked then.
class Verified {
 public:
  /// Opens, compares, checks every structure, also of the copies; then commits once more.
  Verified(const Workload& workload, const Image& image, const Ledger& ledger, Bounds bounds);
  ~Verified();
  Verified(const Verified&) = delete;
  Verified& operator=(const Verified&) = delete;

  [[nodiscard]] const std::optional<std::string>& fault() const { return fault_; }
  /// The steps whose state was found.
  [[nodiscard]] std::size_t steps() const { return steps_; }
  /// What recovery and the further commit did to the disk.
  [[nodiscard]] const std::vector<Event>& trace() const { return files_.trace(); }
  /// Events of the recovery alone.
  [[nodiscard]] std::size_t recovery_events() const { return recovery_events_; }
  /// After the further commit, when everything not synced is lost: opens again and compares.
  [[nodiscard]] std::optional<std::string> second_life(const Image& image) const;

 private:
  std::optional<std::string> live_on(Store& store, const Ledger& ledger);

  const Workload& workload_;
  SimFileSystem files_;
  std::optional<std::string> fault_;
  std::size_t steps_ = 0;
  std::size_t recovery_events_ = 0;
  std::uint64_t life_ = 0;
};

/// Nothing when a store shows one of the states, and all its structures agree; else what is wrong.
/// `steps` gets the number of steps of the state.
[[nodiscard]] std::optional<std::string> compare_state(const Store& store, const Workload& workload,
                                                       const Ledger& ledger, Bounds bounds,
                                                       std::size_t& steps);

/// Reads the whole log: every entry that is retained, once, in order.
[[nodiscard]] std::optional<std::string> read_log(const Store& store);

/// Of a store that keeps all of its log: opens it as it was at each commit. It must show the states
/// of the steps, in their order, and no others.
[[nodiscard]] std::optional<std::string> compare_past(const Store& store, const Options& options,
                                                      const Ledger& ledger, std::size_t steps);

/// Opens a copy below `root`. It must show the state of its step; if its backup did not return, it
/// may be refused instead.
[[nodiscard]] std::optional<std::string> compare_copy(FileSystem& files, const std::string& root,
                                                      const Workload& workload,
                                                      const Ledger& ledger, const Copy& copy,
                                                      bool finished);

/// All of the ledger's copies on an image. The bounds count those whose backups returned.
[[nodiscard]] std::optional<std::string> compare_copies(const Workload& workload,
                                                        const Image& image, const Ledger& ledger,
                                                        Bounds bounds);

}  // namespace selvedge::testkit
