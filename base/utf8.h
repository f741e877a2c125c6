#pragma once

#include <string_view>

namespace selvedge::base {

/// True for well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool valid_utf8(std::string_view text);

}  // namespace selvedge::base
