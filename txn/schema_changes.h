// Making and dropping indexes and constraints while writers go on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/schema.h>

#include "base/mutex.h"
#include "txn/manager.h"

namespace selvedge::txn {

/// Role: changes the catalog, one change at a time, and logs it.
///
/// To make an object: publish it, so that every operation from then on heeds it; wait for the
/// operations that may not have seen it; then look at what was there before, fill the index and
/// check. When all is well it is logged, as an entry of no transaction, and goes online in the same
/// section of the log lock. A crash before leaves nothing. docs/schema.md has the argument.
///
/// Invariants: an object's entry is logged after it has been enforced, and the entry that drops it
///   before it is enforced no longer: in the log, what lies between obeys it.
/// Threads: any; a second change waits for the first.
/// After failure: nothing has changed.
class SchemaChanges {
 public:
  explicit SchemaChanges(Manager& manager) : manager_(manager), graph_(manager.graph()) {}

  /// Returns the sequence of the entry. Errors: already_exists, constraint_violated (naming the
  /// first entities), invalid_argument and too_large (values that an index cannot hold), conflict
  /// (an unfinished transaction decides), and those of any write.
  Result<std::uint64_t> create(graph::Definition definition, const SchemaOptions& options);
  /// `not_found` for a name that nothing has.
  Result<std::uint64_t> drop(std::string_view name);

 private:
  class Filler;
  [[nodiscard]] std::vector<graph::SchemaObjectPtr> objects() const;
  Status check_new(const graph::Definition& definition,
                   const std::vector<graph::SchemaObjectPtr>& all) const;
  /// Appends the entry; `then` runs in the same section, with its sequence.
  Result<std::uint64_t> log(const ByteWriter& payload,
                            const std::function<void(std::uint64_t)>& then);

  Manager& manager_;
  graph::Graph& graph_;
  Mutex mutex_;
};

}  // namespace selvedge::txn
