#pragma once

#include <functional>
#include <string>

#include <selvedge/store.h>

#include "store/store_impl.h"

namespace selvedge::detail {

/// Is told of each fault, in words.
using FaultSink = std::function<void(std::string)>;
/// Every index against every version in the graph, every constraint against the newest.
void check_schema(StoreImpl& store, const FaultSink& fault);

/// Compares records, lists, labels, counters and the schema with each other in one view.
CheckReport check(StoreImpl& store, const ReadView& view);

}  // namespace selvedge::detail
