// From wall-clock times to places in the log.
#pragma once

#include <cstdint>

#include <selvedge/error.h>

#include "history/catalog.h"

namespace selvedge::history {

struct TimeFound {
  std::uint64_t commit = 0;  ///< the last commit at or before the time; 0 = the beginning
  bool passed = false;       ///< an entry that is younger than the time follows
};

/// Times in the log never go back, so this is a binary search: a look-up for each step, and then a
/// walk back to the commit. `not_retained` when the log that is left begins later.
Result<TimeFound> find_time(Catalog& catalog, std::int64_t microseconds);

}  // namespace selvedge::history
