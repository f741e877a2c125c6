// Steps of one party at a named place in another one's way: the crash-test kit's.
#pragma once

#include <selvedge/testkit/seams.h>

namespace selvedge::test {

using testkit::Seams;

}  // namespace selvedge::test
