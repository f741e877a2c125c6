// Shell completion, made from the tree.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/tree.h"

namespace selvedge::cli {

namespace {

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : std::string(between)) + word;
  }
  return text;
}

std::string command_words(const Tree& tree) {
  std::vector<std::string> names;
  for (const CLI::App* command : tree.subcommands()) {
    names.push_back(command->get_name());
  }
  return joined(names, " ");
}

/// Of a command and of the whole program.
std::vector<const CLI::Option*> all_options(const Tree& tree, const CLI::App& command) {
  auto options = named_options(command);
  const auto common = named_options(tree.app);
  options.insert(options.end(), common.begin(), common.end());
  return options;
}

bool takes_value(const CLI::Option& option) { return option.get_expected_min() > 0; }

std::string option_words(const Tree& tree, const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::Option* option : all_options(tree, command)) {
    for (const std::string& name : names_of(*option)) {
      words.push_back(name);
    }
  }
  return joined(words, " ");
}

/// In single quotes of any shell: without quotes, and without what zsh gives a meaning.
std::string plain(std::string text) {
  std::erase_if(text, [](char c) { return c == '\'' || c == '\\' || c == '[' || c == ']'; });
  return text;
}

/// What a positional of a command completes to: words, or files.
std::vector<std::string> positional_words(const Tree& tree, const CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::Option* option : positionals(command)) {
    for (const std::string& word : tree.facts(option).words) {
      words.push_back(word);
    }
  }
  return words;
}

class Completion final : public Command {
 public:
  explicit Completion(const Tree& tree) : tree_(tree) {}
  const char* name() const override { return "completion"; }
  const char* summary() const override { return "print the completion script of a shell"; }
  const char* group() const override { return groups::help; }
  void declare(Arguments& arguments) override {
    arguments.positional_choice("SHELL", shell_, {"bash", "zsh", "fish"}, "bash, zsh or fish");
    arguments.example("completion bash > ~/.local/share/bash-completion/completions/selvedge",
                      "for bash; cmake --install does it too");
  }
  Result<Exit> run(Context& context) override {
    context.output.print(shell_ == "bash"  ? bash_completion(tree_)
                         : shell_ == "zsh" ? zsh_completion(tree_)
                                           : fish_completion(tree_));
    return Exit::ok;
  }

 private:
  const Tree& tree_;
  std::string shell_;
};

}  // namespace

std::string bash_completion(const Tree& tree) {
  std::string values;
  std::string options;
  for (const CLI::App* command : tree.subcommands()) {
    const std::string name = command->get_name();
    for (const CLI::Option* option : all_options(tree, *command)) {
      if (!takes_value(*option)) {
        continue;
      }
      const OptionFacts& facts = tree.facts(option);
      for (const std::string& word : names_of(*option)) {
        values += facts.words.empty()
                      ? fmt::format("    {}:{}) {} return ;;\n", name, word,
                                    facts.path ? "_selvedge_files;" : "COMPREPLY=();")
                      : fmt::format(
                            "    {}:{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); "
                            "return ;;\n",
                            name, word, joined(facts.words, " "));
      }
    }
    options +=
        fmt::format("    {}) options='{}'; words='{}' ;;\n", name, option_words(tree, *command),
                    joined(positional_words(tree, *command), " "));
  }
  return fmt::format(R"(# bash completion of selvedge; made by `selvedge completion bash`.
_selvedge_files() {{
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen -f -- "$word"))
}}
_selvedge() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  local command= each options= words=
  for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " {0} " in *" $each "*) command=$each; break ;; esac
  done
  if [ -z "$command" ]; then
    COMPREPLY=($(compgen -W '{0}' -- "$word"))
    return
  fi
  case "$command:$before" in
{1}  esac
  case "$command" in
{2}  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *)
      _selvedge_files
      COMPREPLY+=($(compgen -W "$words" -- "$word")) ;;
  esac
}}
complete -F _selvedge selvedge
)",
                     command_words(tree), values, options);
}

std::string zsh_completion(const Tree& tree) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : tree.subcommands()) {
    const std::string name = command->get_name();
    commands += fmt::format("    '{}:{}'\n", name, plain(command->get_description()));
    std::string specs;
    for (const CLI::Option* option : all_options(tree, *command)) {
      const OptionFacts& facts = tree.facts(option);
      std::string value;
      if (takes_value(*option)) {
        value = fmt::format(":{}:{}", plain(option->get_type_name()),
                            !facts.words.empty() ? "(" + joined(facts.words, " ") + ")"
                            : facts.path         ? "_files"
                                                 : "");
      }
      const bool many = option->get_expected_max() > 1;
      for (const std::string& word : names_of(*option)) {
        specs += fmt::format(" \\\n        '{}{}[{}]{}'", many ? "*" : "", word,
                             plain(option->get_description()), value);
      }
    }
    for (const CLI::Option* option : positionals(*command)) {
      const OptionFacts& facts = tree.facts(option);
      specs += fmt::format(" \\\n        '{}:{}:{}'", option->get_expected_max() > 1 ? "*" : "",
                           option->get_name(true, false),
                           !facts.words.empty() ? "(" + joined(facts.words, " ") + ")"
                           : facts.path         ? "_files"
                                                : "");
    }
    cases += fmt::format("    {})\n      _arguments -s{} ;;\n", name, specs);
  }
  return fmt::format(R"(#compdef selvedge
# zsh completion of selvedge; made by `selvedge completion zsh`.
_selvedge() {{
  local -a commands
  commands=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
{}  esac
}}
if [ "$funcstack[1]" = "_selvedge" ]; then
  _selvedge "$@"
else
  compdef _selvedge selvedge
fi
)",
                     commands, cases);
}

std::string fish_completion(const Tree& tree) {
  std::string text = "# fish completion of selvedge; made by `selvedge completion fish`.\n";
  const std::string none = fmt::format("not __fish_seen_subcommand_from {}", command_words(tree));
  for (const CLI::App* command : tree.subcommands()) {
    text += fmt::format("complete -c selvedge -f -n '{}' -a {} -d '{}'\n", none,
                        command->get_name(), plain(command->get_description()));
  }
  for (const CLI::App* command : tree.subcommands()) {
    const std::string seen = fmt::format("__fish_seen_subcommand_from {}", command->get_name());
    for (const CLI::Option* option : all_options(tree, *command)) {
      const OptionFacts& facts = tree.facts(option);
      std::string line = fmt::format("complete -c selvedge -n '{}'", seen);
      for (const std::string& name : option->get_snames()) {
        line += " -s " + name;
      }
      for (const std::string& name : option->get_lnames()) {
        line += " -l " + name;
      }
      if (takes_value(*option)) {
        line += facts.path ? " -r -F" : " -x";
        if (!facts.words.empty()) {
          line += fmt::format(" -a '{}'", joined(facts.words, " "));
        }
      }
      text += line + fmt::format(" -d '{}'\n", plain(option->get_description()));
    }
    const auto words = positional_words(tree, *command);
    if (!words.empty()) {
      text += fmt::format("complete -c selvedge -n '{}' -a '{}'\n", seen, joined(words, " "));
    }
  }
  return text;
}

std::unique_ptr<Command> make_completion(const Tree& tree) {
  return std::make_unique<Completion>(tree);
}

}  // namespace selvedge::cli
