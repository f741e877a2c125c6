// From the graph in memory to a snapshot file.
#pragma once

#include <cstdint>
#include <functional>

#include <selvedge/error.h>

#include "graph/graph.h"
#include "snapshot/snapshot_writer.h"

namespace selvedge::snapshot {

/// Emits every record's newest logged version, committed or not, while writers go on. Pins no view
/// and holds nobody up; memory is let go every 1,024 records.
///
/// For each record: `visible` is read before the head (rule 34); a version counts as committed iff
/// C <= that. Beneath a version that is not logged the walk goes on (rule 33). An uncommitted,
/// logged delete becomes a tombstone (rule 5), a committed one leaves the record out; a walk may
/// end with nothing. Records that are out, and slots without one, go out as free slots with their
/// next generation (rule 13).
Status capture_checkpoint(graph::Graph& graph, graph::ReaderSlot* slot,
                          const std::function<std::uint64_t()>& visible, SnapshotWriter& writer);

/// Emits what a view sees, with commit sequences. The caller holds the view.
Status capture_view(graph::Graph& graph, graph::ReaderSlot* slot, std::uint64_t view,
                    SnapshotWriter& writer);

}  // namespace selvedge::snapshot
