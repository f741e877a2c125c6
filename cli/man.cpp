// The manual page, made from the tree.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/tree.h"

namespace selvedge::cli {

namespace {

/// Text as roff has it: no line begins with a dot or quote, backslashes and hyphens are escaped.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (escaped.empty() || escaped.back() == '\n')) {
        escaped += "\\&";
      }
      escaped += c;
    }
  }
  return escaped;
}

std::string item(const std::string& name, const std::string& what) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(what));
}

std::string command_section(const Tree& tree, const CLI::App& command) {
  const CommandFacts& facts = tree.facts(&command);
  std::string text = fmt::format(".SS {}\n.B selvedge {}\\fR{}\n.PP\n{}.\n",
                                 roff(command.get_name()), roff(command.get_name()),
                                 roff(usage_of(command)), roff(command.get_description()));
  if (!facts.description.empty()) {
    text += fmt::format(".PP\n{}\n", roff(facts.description));
  }
  for (const CLI::Option* option : positionals(command)) {
    text += item(option->get_name(true, false), description_of(tree, *option));
  }
  for (const CLI::Option* option : named_options(command)) {
    text += item(title_of(tree, *option), description_of(tree, *option));
  }
  for (const Example& example : facts.examples) {
    text += fmt::format(".PP\n.RS\n.EX\nselvedge {}\n.EE\n.RE\n{}\n", roff(example.line),
                        roff(example.what));
  }
  return text;
}

class Man final : public Command {
 public:
  explicit Man(const Tree& tree) : tree_(tree) {}
  const char* name() const override { return "man"; }
  const char* summary() const override { return "print the manual page"; }
  const char* group() const override { return groups::help; }
  void declare(Arguments& arguments) override {
    arguments.example("man | man -l -", "read it, without installing it");
  }
  Result<Exit> run(Context& context) override {
    context.output.print(man_page(tree_));
    return Exit::ok;
  }

 private:
  const Tree& tree_;
};

}  // namespace

std::string man_page(const Tree& tree) {
  std::string text = fmt::format(
      ".\\\" Made by `selvedge man`.\n"
      ".TH SELVEDGE 1 \"\" \"selvedge {}\" \"User Commands\"\n.nh\n.ad l\n"
      ".SH NAME\nselvedge \\- {}\n"
      ".SH SYNOPSIS\n.B selvedge\n.I COMMAND\n.RI [ ARGUMENTS ]\n.RI [ OPTIONS ]\n"
      ".SH DESCRIPTION\nA store is a directory. What only looks at it works read\\-only, and "
      "beside "
      "a process that has it open. Results go to standard output, errors and notes to standard "
      "error. On a terminal there are colours and progress bars; in a pipe there are none.\n",
      SELVEDGE_VERSION, roff(program_summary));
  text += ".SH OPTIONS OF EVERY COMMAND\n";
  for (const CLI::Option* option : named_options(tree.app)) {
    text += item(title_of(tree, *option), description_of(tree, *option));
  }
  text += ".SH COMMANDS\n";
  for (const CLI::App* command : tree.subcommands()) {
    text += command_section(tree, *command);
  }
  text += ".SH EXIT CODES\n";
  for (const ExitCode& each : exit_codes()) {
    text += item(std::to_string(static_cast<int>(each.code)), std::string(each.meaning));
  }
  text += ".SH ENVIRONMENT\n";
  text += item("SELVEDGE_CONFIG", "a file with options, as --config names one");
  text += item("SELVEDGE_*", "options; selvedge config --describe lists them");
  text += item("NO_COLOR", "no colours, if it is set and not empty");
  return text;
}

std::unique_ptr<Command> make_man(const Tree& tree) { return std::make_unique<Man>(tree); }

}  // namespace selvedge::cli
