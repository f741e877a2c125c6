#include "cli/tree.h"

namespace selvedge::cli {

namespace {

CLI::Option* named(CLI::Option* option, const char* value) {
  option->type_name(value);
  return option;
}

/// The parser itself takes -1 for the largest number there is.
std::string whole_number(const std::string& text) {
  constexpr std::string_view max = "18446744073709551615";
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  const bool fits = text.size() < max.size() || (text.size() == max.size() && text <= max);
  return digits && fits ? "" : "expected a whole number, found \"" + text + "\"";
}

}  // namespace

void Arguments::store(std::string& into) { path("STORE", into, "the store's directory"); }

void Arguments::positional(const char* name, std::string& into, const char* help, bool required) {
  app_.add_option(name, into, help)->required(required);
}

void Arguments::positionals(const char* name, std::vector<std::string>& into, const char* help,
                            bool required) {
  app_.add_option(name, into, help)->required(required);
}

void Arguments::path(const char* name, std::string& into, const char* help, bool required) {
  CLI::Option* option = app_.add_option(name, into, help)->required(required);
  tree_.options[option].path = true;
}

void Arguments::option(const char* names, const char* value, std::optional<std::string>& into,
                       const char* help) {
  named(app_.add_option(names, into, help), value);
}

void Arguments::option(const char* names, const char* value, std::optional<std::uint64_t>& into,
                       const char* help) {
  named(app_.add_option(names, into, help), value)->check(CLI::Validator(whole_number, ""));
}

void Arguments::options(const char* names, const char* value, std::vector<std::string>& into,
                        const char* help) {
  // One value each time: what follows is a positional.
  named(app_.add_option(names, into, help), value)->expected(1, 1)->take_all();
}

void Arguments::path_option(const char* names, const char* value, std::optional<std::string>& into,
                            const char* help) {
  tree_.options[named(app_.add_option(names, into, help), value)].path = true;
}

void Arguments::choice(const char* names, std::optional<std::string>& into,
                       const std::vector<std::string>& words, const char* help) {
  CLI::Option* option = app_.add_option(names, into, help)->check(CLI::IsMember(words));
  tree_.options[option].words = words;
}

void Arguments::choices(const char* names, std::vector<std::string>& into,
                        const std::vector<std::string>& words, const char* help) {
  CLI::Option* option =
      app_.add_option(names, into, help)->expected(1, 1)->take_all()->check(CLI::IsMember(words));
  tree_.options[option].words = words;
}

void Arguments::positional_choice(const char* name, std::string& into,
                                  const std::vector<std::string>& words, const char* help,
                                  bool required) {
  CLI::Option* option =
      app_.add_option(name, into, help)->required(required)->check(CLI::IsMember(words));
  tree_.options[option].words = words;
}

void Arguments::flag(const char* names, bool& into, const char* help) {
  app_.add_flag(names, into, help);
}

void Arguments::example(const char* line, const char* what) {
  tree_.commands[&app_].examples.push_back({line, what});
}

void Arguments::describe(const char* text) { tree_.commands[&app_].description = text; }

// --- the tree, to be read ----------------------------------------------------------------------

std::vector<const CLI::App*> Tree::subcommands() const {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

const OptionFacts& Tree::facts(const CLI::Option* option) const {
  static const OptionFacts none;
  const auto found = options.find(option);
  return found == options.end() ? none : found->second;
}

const CommandFacts& Tree::facts(const CLI::App* command) const {
  static const CommandFacts none;
  const auto found = commands.find(command);
  return found == commands.end() ? none : found->second;
}

std::vector<const CLI::Option*> named_options(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->nonpositional(); });
}

std::vector<const CLI::Option*> positionals(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) {
    names.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    names.push_back("--" + name);
  }
  return names;
}

namespace {

constexpr std::size_t words_in_title_max = 4;

}  // namespace

std::string description_of(const Tree& tree, const CLI::Option& option) {
  const std::vector<std::string>& words = tree.facts(&option).words;
  std::string text = option.get_description();
  for (std::size_t i = 0; words.size() > words_in_title_max && i < words.size(); ++i) {
    text += (i == 0 ? ": " : ", ") + words[i];
  }
  return text;
}

std::string title_of(const Tree& tree, const CLI::Option& option) {
  std::string title;
  for (const std::string& name : names_of(option)) {
    title += (title.empty() ? "" : ", ") + name;
  }
  if (option.get_expected_min() == 0) {
    return title;
  }
  const std::vector<std::string>& words = tree.facts(&option).words;
  std::string value = words.empty() ? option.get_type_name() : "";
  for (const std::string& word : words) {
    value += (value.empty() ? "" : "|") + word;
  }
  return title + " " + (words.size() > words_in_title_max ? "WORD" : value);
}

std::string usage_of(const CLI::App& app) {
  std::string usage;
  for (const CLI::Option* option : positionals(app)) {
    std::string word = option->get_name(true, false);
    if (option->get_expected_max() > 1) {
      word += "...";
    }
    usage += " " + (option->get_required() ? word : "[" + word + "]");
  }
  return usage;
}

}  // namespace selvedge::cli
