// From the command line to a command, and to the process's exit code.
#pragma once

namespace selvedge::cli {

int run_program(int argument_count, const char* const* arguments);

}  // namespace selvedge::cli
