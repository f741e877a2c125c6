#pragma once

#include <selvedge/store.h>

#include "store/store_impl.h"

namespace selvedge::detail {

/// Compares records, lists, labels and counters with each other in one view.
CheckReport check(StoreImpl& store, const ReadView& view);

}  // namespace selvedge::detail
