// What transactions keep of their reads, and of what they may create: bounds, and who lets go.

#include "txn/read_set.h"

#include <gtest/gtest.h>

#include <string>

#include "txn/claims.h"
#include "txn/state.h"

namespace selvedge::txn {
namespace {

ReadSet full() {
  ReadSet reads;
  for (std::uint64_t id = 1; id <= ReadSet::items_max + 1; ++id) {
    reads.note(ReadKind::node, id << 8);
  }
  return reads;
}

bool holds(const ReadSet& reads, ReadKind kind) {
  for (const ReadItem& item : reads.items()) {
    if (item.kind == kind) {
      return true;
    }
  }
  return false;
}

TEST(ReadSet, BeyondItsLimitItHoldsWhatCoversItAll) {
  ReadSet reads = full();
  EXPECT_EQ(reads.items().size(), 1U);
  EXPECT_TRUE(holds(reads, ReadKind::all_nodes_content));
  reads.note(ReadKind::pair, 1 << 8, 2 << 8);
  EXPECT_EQ(reads.items().size(), 2U);
  EXPECT_TRUE(holds(reads, ReadKind::all_edges_content));
}

TEST(ReadSet, NamesThatNobodyKnowsAreCoveredTooAndPushNothingOut) {
  ReadSet reads = full();
  for (std::size_t i = 0; i <= ReadSet::items_max; ++i) {
    reads.note_unknown(ReadKind::unknown_label, std::to_string(i));
  }
  reads.note_unknown(ReadKind::unknown_type, "T");
  EXPECT_EQ(reads.items().size(), 2U);
  EXPECT_TRUE(reads.texts().empty());
  EXPECT_TRUE(holds(reads, ReadKind::all_nodes_content));
  EXPECT_TRUE(holds(reads, ReadKind::all_edges_content));
}

TEST(ReadSet, WhatWasUnknownBeforeTheLimitIsCoveredAfterIt) {
  ReadSet reads;
  reads.note_unknown(ReadKind::unknown_type, "T");
  for (std::uint64_t id = 1; id <= ReadSet::items_max + 1; ++id) {
    reads.note(ReadKind::node, id << 8);
  }
  EXPECT_TRUE(holds(reads, ReadKind::all_edges_content));
  EXPECT_TRUE(reads.texts().empty());
}

TEST(Claims, WhoLetsGoTwiceDoesNotLetGoOfAnothersClaim) {
  Claims claims;
  State first;
  State second;
  State third;
  ASSERT_TRUE(claims.take(7, &first));
  ASSERT_TRUE(claims.take(7, &first));
  EXPECT_FALSE(claims.take(7, &second));
  claims.release(7, &first);
  ASSERT_TRUE(claims.take(7, &second));
  claims.release(7, &first);
  EXPECT_FALSE(claims.take(7, &third)) << "the second one has it";
  claims.release(7, &second);
  EXPECT_TRUE(claims.take(7, &third));
}

}  // namespace
}  // namespace selvedge::txn
