#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace selvedge::base {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "selvedge: assertion failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace selvedge::base
