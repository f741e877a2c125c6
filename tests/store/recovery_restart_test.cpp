// Case 30 of recovery: stopped at every I/O event of recovery, and recovered again.

#include "tests/store/store_fixture.h"

namespace selvedge {
namespace {

using test::Fault;
using test::Operation;

class RecoveryRestart : public StoreTest {
 protected:
  /// Leaves a store with everything that recovery has to deal with.
  void work(std::uint64_t seed) {
    close();
    options.transaction_buffer_bytes = 0;
    options.segment_entries_max = 16;
    open();
    const NodeId r = node(1);
    const NodeId s = node(2);
    for (int i = 0; i < 12; ++i) {
      must(store->set(r, "v", i));
      must(store->maintain());
    }
    if (seed % 3 != 0) {
      must(store->checkpoint());
    }
    must(store->set_embedding(r, "e", Vector{1, 2}));
    {
      Transaction done = begin();
      ASSERT_TRUE(done.create_edge(r, "E", s));
      Transaction loser = begin();
      must(loser.set(s, "v", 77));
      ASSERT_TRUE(loser.create_node({"Lost"}));
      ASSERT_TRUE(done.commit());
      Transaction aborted = begin();
      ASSERT_TRUE(aborted.create_node({"Aborted"}));
      must(aborted.abort());
      if (seed % 3 == 2) {
        must(store->checkpoint());
      }
      crashed = memory->crash(seed % 2 == 0 ? Keep::random : Keep::cached, seed);
    }
    store.reset();
  }
  /// Opens a copy of the crashed store on which the n-th operation of a kind and all later ones
  /// fail. True when the fault was met.
  bool open_stopped(Operation operation, std::uint64_t nth) {
    memory = crashed->crash(Keep::cached, 1);
    faults = std::make_unique<FaultyFileSystem>(*memory);
    Fault fault;
    fault.operation = operation;
    fault.nth = nth;
    fault.sticky = true;
    faults->fail_next(fault);
    options.file_system = faults.get();
    const auto opened = Store::open("/db", options);
    return faults->count(operation) >= nth;
  }
  std::string digest_of(Keep keep, std::uint64_t seed) {
    const auto after = memory->crash(keep, seed);
    Options plain = options;
    plain.file_system = after.get();
    auto opened = Store::open("/db", plain);
    EXPECT_TRUE(opened) << opened.error().message();
    if (!opened) {
      return opened.error().message();
    }
    const CheckReport report = opened->check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
    return opened->digest();
  }

  std::unique_ptr<MemoryFileSystem> crashed;
};

TEST_F(RecoveryRestart, Case30_StoppedAnywhereInRecoveryTheStateIsTheSame) {
  std::uint64_t stops = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    work(seed);
    memory = crashed->crash(Keep::cached, 1);
    const std::string expected = digest_of(Keep::cached, 1);
    for (const Operation operation :
         {Operation::open, Operation::read, Operation::write, Operation::sync_data, Operation::sync,
          Operation::truncate, Operation::allocate, Operation::rename, Operation::unlink,
          Operation::sync_dir}) {
      for (std::uint64_t nth = 1; open_stopped(operation, nth); ++nth) {
        ++stops;
        ASSERT_EQ(digest_of(Keep::cached, 1), expected)
            << "seed " << seed << ", operation " << static_cast<int>(operation) << ", " << nth;
        for (const Keep keep : {Keep::nothing, Keep::everything, Keep::random}) {
          // What was only in the cache may be lost with the power: whatever is left must open.
          const std::string now = digest_of(keep, nth);
          ASSERT_EQ(now.size(), expected.size()) << now;
          if (seed % 2 == 0) {  // there was nothing that was only in the cache
            ASSERT_EQ(now, expected);
          }
        }
      }
    }
    memory = crashed->crash(Keep::cached, 1);
    faults = std::make_unique<FaultyFileSystem>(*memory);
    open();
  }
  EXPECT_GT(stops, 300U);
}

}  // namespace
}  // namespace selvedge
