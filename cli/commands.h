// All commands, in the order in which help lists them.
#pragma once

#include <memory>

#include "cli/command.h"

namespace selvedge::cli {

std::unique_ptr<Command> make_info();
std::unique_ptr<Command> make_verify();
std::unique_ptr<Command> make_stats();
std::unique_ptr<Command> make_dump_segment();
std::unique_ptr<Command> make_get();
std::unique_ptr<Command> make_neighbors();
std::unique_ptr<Command> make_txlog();
std::unique_ptr<Command> make_feed();
std::unique_ptr<Command> make_history();
std::unique_ptr<Command> make_diff();
std::unique_ptr<Command> make_recover();
std::unique_ptr<Command> make_snapshot();
std::unique_ptr<Command> make_compact();
std::unique_ptr<Command> make_backup();
std::unique_ptr<Command> make_config();
/// These print what is made of the tree itself.
std::unique_ptr<Command> make_completion(const Tree& tree);
std::unique_ptr<Command> make_man(const Tree& tree);

}  // namespace selvedge::cli
