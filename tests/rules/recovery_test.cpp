// Traces that need a log and a snapshot written by hand: a store keeps its views open longer.

#include "tests/recovery/recovery_fixture.h"

namespace selvedge::recovery {
namespace {

class Recovery : public RecoveryTest {};

/// The low-water mark stands below T1, so T1's redo may come after the undo of T2's create.
TEST_F(Recovery, Rule11_TheTombstoneOfAnUndoneCreateIsNewerThanWhoHadTheSlot) {
  constexpr std::uint64_t r = id_of(0);
  constexpr std::uint64_t in_its_slot = id_of(0, 2);
  const auto made = plain(create(r, 1));
  const auto t1 = start({update(r, made, 1, 2)});
  commit(t1);
  plain(remove(r, last_of(t1), 2));
  const auto t2 = start();
  const auto entry = stream(t2, {create(in_its_slot, 7)});
  take({.nodes = {{in_its_slot, entry, 7}}, .low_water = t1});
  expect_state({});
}

}  // namespace
}  // namespace selvedge::recovery
