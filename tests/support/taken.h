// The value of a result that a test needs to go on.
#pragma once

#include <stdexcept>
#include <utility>

#include <selvedge/error.h>

namespace selvedge::test {

/// Throws the error's message: the test fails there.
template <class T>
T taken(Result<T> result) {
  if (!result) {
    throw std::runtime_error(result.error().message());
  }
  return std::move(*result);
}

}  // namespace selvedge::test
