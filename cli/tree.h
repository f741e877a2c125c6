// The tree of commands and options, from which parser, help, completion and man page are made.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/command.h"

namespace selvedge::cli {

/// What CLI11 does not keep of an option.
struct OptionFacts {
  std::vector<std::string> words;  ///< it takes one of these
  bool path = false;               ///< it takes a file or directory
};

struct CommandFacts {
  std::vector<Example> examples;
  std::string description;
};

struct Tree {
  CLI::App app{"", "selvedge"};
  std::map<const CLI::Option*, OptionFacts> options;
  std::map<const CLI::App*, CommandFacts> commands;

  /// Those that are listed, in the order of their making.
  [[nodiscard]] std::vector<const CLI::App*> subcommands() const;
  [[nodiscard]] const OptionFacts& facts(const CLI::Option* option) const;
  [[nodiscard]] const CommandFacts& facts(const CLI::App* command) const;
};

/// Of a command, or of the whole program; without --help itself.
std::vector<const CLI::Option*> named_options(const CLI::App& app);
std::vector<const CLI::Option*> positionals(const CLI::App& app);
/// "-n,--limit" as {"-n", "--limit"}.
std::vector<std::string> names_of(const CLI::Option& option);
/// "--limit N", "--json", "--color auto|always|never".
std::string title_of(const Tree& tree, const CLI::Option& option);
/// With the words, where they are too many for the title.
std::string description_of(const Tree& tree, const CLI::Option& option);
/// "STORE [ID...]".
std::string usage_of(const CLI::App& app);

std::string help_text(const Tree& tree, const Output& output);
std::string help_text(const Tree& tree, const CLI::App& command, const Output& output);
std::string man_page(const Tree& tree);
std::string bash_completion(const Tree& tree);
std::string zsh_completion(const Tree& tree);
std::string fish_completion(const Tree& tree);

inline constexpr std::string_view program_summary =
    "looks at, asks, checks and moves stores of Selvedge, the transactional property-graph store";

}  // namespace selvedge::cli
