// Our own mistakes stop the process; bad bytes from a disk are errors, never assertions.
#pragma once

namespace selvedge::base {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace selvedge::base

#define SELVEDGE_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) \
                : ::selvedge::base::assertion_failed(#expression, __FILE__, __LINE__))
