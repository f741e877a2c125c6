// Errors, as people and programs see them.
#pragma once

#include <string>

#include <selvedge/error.h>

#include "cli/command.h"

namespace selvedge::cli {

/// What might help; empty when nothing does.
std::string hint_for(const Error& error);

/// One sentence with where, what, expected and found, and the hint below it. With --json one line:
/// {"error": {"code", "message", "what", "path", "offset", "expected", "found", "hint"}, "exit"}.
void show_error(Output& output, bool json, const Error& error);
/// Of the command line itself.
void show_usage_error(Output& output, bool json, const std::string& what,
                      const std::string& command);

}  // namespace selvedge::cli
