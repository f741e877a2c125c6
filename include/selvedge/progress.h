// How far a long operation is.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace selvedge {

enum class Activity : std::uint8_t {
  open,           ///< of a store: its recovery
  checkpoint,     ///< also those that maintenance takes
  backup,         ///< `Store::backup`
  restore,        ///< of a backup
  check,          ///< `Store::check`
  create_schema,  ///< `Store::create_schema`
  verify,         ///< of files, without a store
  revert,
  import_data,
  export_data,
};
std::string_view to_string(Activity activity);

enum class ProgressUnit : std::uint8_t { bytes, records, entries, lines, files };
std::string_view to_string(ProgressUnit unit);

/// Where an operation is. It goes through steps; in each `done` rises from 0 to `total`.
struct Progress {
  Activity activity{};
  std::string_view step;  ///< "snapshot", "log", ..; lives as long as the program
  ProgressUnit unit{};
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0: not known before the end of the step

  /// Of the step, 0 to 1; 0 when the total is not known.
  [[nodiscard]] double fraction() const {
    return total == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(total);
  }
};

/// Called at the beginning and end of each step of an operation that succeeds, and in between a few
/// times a second. Threads: those of the operation, one call at a time. It may take its time (the
/// operation waits), may read the store's `stats`, and must not begin another long operation on the
/// same store, nor close it. It should not throw: one that does is not called again by this
/// operation, which goes on.
using ProgressCallback = std::function<void(const Progress&)>;

}  // namespace selvedge
