// The text of --help.
#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/tree.h"

namespace selvedge::cli {

namespace {

constexpr std::size_t text_width = 96;

using Rows = std::vector<std::pair<std::string, std::string>>;

/// Words of a text in lines, each behind an indentation.
std::string wrapped(const std::string& text, std::size_t indent) {
  std::string result;
  std::size_t used = indent;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (used > indent && used + 1 + columns_of(word) > text_width) {
      result += "\n" + std::string(indent, ' ');
      used = indent;
    } else if (used > indent) {
      result += ' ';
      ++used;
    }
    result += word;
    used += columns_of(word);
    at = end + 1;
  }
  return result;
}

std::string in_columns(const Rows& rows) {
  std::size_t width = 0;
  for (const auto& [name, what] : rows) {
    width = std::max(width, columns_of(name));
  }
  width = std::min<std::size_t>(width, 30);
  std::string text;
  for (const auto& [name, what] : rows) {
    const std::size_t indent = width + 4;
    const std::string gap = columns_of(name) > width
                                ? "\n" + std::string(indent, ' ')
                                : std::string(indent - 2 - columns_of(name), ' ');
    text += fmt::format("  {}{}{}\n", name, gap, wrapped(what, indent));
  }
  return text;
}

Rows option_rows(const Tree& tree, const CLI::App& app) {
  Rows rows;
  for (const CLI::Option* option : named_options(app)) {
    rows.emplace_back(title_of(tree, *option), description_of(tree, *option));
  }
  return rows;
}

}  // namespace

std::string help_text(const Tree& tree, const Output& output) {
  std::string text = wrapped("selvedge " + std::string(program_summary) + ".", 0) + "\n\n";
  text += output.styled(Style::bold, "Usage:") + " selvedge COMMAND [ARGUMENTS] [OPTIONS]\n";
  std::string group;
  Rows rows;
  const auto put_group = [&] {
    if (!rows.empty()) {
      text += "\n" + output.styled(Style::bold, group + ":") + "\n" + in_columns(rows);
      rows.clear();
    }
  };
  for (const CLI::App* command : tree.subcommands()) {
    if (command->get_group() != group) {
      put_group();
      group = command->get_group();
    }
    rows.emplace_back(fmt::format("{:14}", command->get_name()), command->get_description());
  }
  put_group();
  text += "\n" + output.styled(Style::bold, "Options of every command:") + "\n" +
          in_columns(option_rows(tree, tree.app));
  text +=
      "\nselvedge COMMAND --help shows examples. selvedge man is the manual, with the exit "
      "codes.\n";
  return text;
}

std::string help_text(const Tree& tree, const CLI::App& command, const Output& output) {
  const CommandFacts& facts = tree.facts(&command);
  std::string text =
      fmt::format("selvedge {}: {}\n\n", command.get_name(), command.get_description());
  text += output.styled(Style::bold, "Usage:") + " selvedge " + command.get_name() +
          usage_of(command) + " [OPTIONS]\n";
  if (!facts.description.empty()) {
    text += "\n" + wrapped(facts.description, 0) + "\n";
  }
  Rows arguments;
  for (const CLI::Option* option : positionals(command)) {
    arguments.emplace_back(option->get_name(true, false), description_of(tree, *option));
  }
  if (!arguments.empty()) {
    text += "\n" + output.styled(Style::bold, "Arguments:") + "\n" + in_columns(arguments);
  }
  const Rows options = option_rows(tree, command);
  if (!options.empty()) {
    text += "\n" + output.styled(Style::bold, "Options:") + "\n" + in_columns(options);
  }
  text += "\n" + output.styled(Style::bold, "Options of every command:") + "\n" +
          in_columns(option_rows(tree, tree.app));
  if (!facts.examples.empty()) {
    text += "\n" + output.styled(Style::bold, "Examples:") + "\n";
    for (const Example& example : facts.examples) {
      text += fmt::format("  selvedge {}\n      {}\n", example.line, example.what);
    }
  }
  return text;
}

}  // namespace selvedge::cli
