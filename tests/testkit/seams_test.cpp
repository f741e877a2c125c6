// Steps at named places: when they run, and what a step that fails leaves behind.

#include <gtest/gtest.h>
#include <selvedge/testkit/seams.h>

#include <stdexcept>

#include "base/yield_point.h"

namespace selvedge::testkit {
namespace {

TEST(Seams, AStepRunsTheNthTimeAndSeesNoSeamItself) {
  Seams seams;
  int runs = 0;
  seams.at("here", 2, [&] {
    ++runs;
    base::yield_point("there");
  });
  seams.at("there", 1, [&] { runs += 10; });
  base::yield_point("here");
  EXPECT_EQ(runs, 0);
  base::yield_point("here");
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(seams.done());
  base::yield_point("there");
  EXPECT_EQ(runs, 11);
  EXPECT_TRUE(seams.done());
}

TEST(Seams, AStepThatThrowsDoesNotSilenceTheNextOnes) {
  Seams seams;
  bool ran = false;
  seams.at("here", 1, [] { throw std::runtime_error("the test has failed"); });
  seams.at("there", 1, [&] { ran = true; });
  EXPECT_THROW(base::yield_point("here"), std::runtime_error);
  base::yield_point("there");
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace selvedge::testkit
