// What all commands have in common: help, usage, exit codes, terminals, completion, the manual.
#include "tests/cli/cli_fixture.h"

namespace selvedge {
namespace {

class CliSurface : public CliTest {
 protected:
  /// As help lists them.
  std::vector<std::string> commands() const {
    std::vector<std::string> names;
    const std::string help = good({"--help"});
    for (std::size_t at = help.find("\n  "); at != std::string::npos;
         at = help.find("\n  ", at + 1)) {
      const std::string word = help.substr(at + 3, help.find(' ', at + 3) - at - 3);
      if (!word.empty() && word.front() != '-') {
        names.push_back(word);
      }
    }
    return names;
  }
  /// The lines below "Examples:".
  std::vector<std::string> examples_of(const std::string& command) const {
    std::vector<std::string> lines;
    const std::string help = good({command, "--help"});
    std::size_t at = help.find("Examples:");
    EXPECT_NE(at, std::string::npos) << command << " has no examples";
    while (at != std::string::npos && (at = help.find("\n  selvedge ", at)) != std::string::npos) {
      const std::size_t end = help.find('\n', at + 1);
      lines.push_back(help.substr(at + 3, end - at - 3));
      at = end;
    }
    return lines;
  }
  static std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
      text.replace(at, what.size(), by);
    }
    return text;
  }
};

TEST_F(CliSurface, NoCommandIsAUsageErrorThatShowsHelp) {
  const Ran ran = run({});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_TRUE(has(ran.err, "Usage: selvedge COMMAND")) << ran.err;
}

TEST_F(CliSurface, HelpAndVersionAreAnswersNotErrors) {
  EXPECT_TRUE(has(good({"--help"}), "Options of every command:"));
  EXPECT_TRUE(has(good({"-h"}), "verify"));
  EXPECT_TRUE(has(good({"txlog", "-h"}), "--transaction ID"));
  EXPECT_TRUE(has(good({"txlog", "--help", "--nonsense"}), "--transaction ID"));
  EXPECT_EQ(good({"--version"}).substr(0, 9), "selvedge ");
}

TEST_F(CliSurface, WhatCannotBeParsedIsAUsageErrorWithAHint) {
  const std::vector<Words> wrong = {{"frobnicate"},
                                    {"info"},
                                    {"info", "a", "b"},
                                    {"info", "a", "--nonsense"},
                                    {"txlog", "a", "--from"},
                                    {"txlog", "a", "--from", "-1"},
                                    {"txlog", "a", "--kind", "crate_node"},
                                    {"txlog", "a", "--from", "1x"},
                                    {"info", "a", "--color", "red"},
                                    {"completion", "tcsh"}};
  for (const Words& words : wrong) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.exit_code, 2) << words.front();
    EXPECT_EQ(ran.out, "") << words.front();
    EXPECT_TRUE(has(ran.err, "--help")) << ran.err;
  }
}

TEST_F(CliSurface, ErrorsAreJsonForPrograms) {
  const Ran missing = run({"info", "nowhere", "--json"});
  EXPECT_EQ(missing.exit_code, 3);
  const auto error = parse_lines(missing.err);
  ASSERT_EQ(error.size(), 1U);
  EXPECT_STREQ(error[0]["error"]["code"].GetString(), "not_found");
  EXPECT_STREQ(error[0]["error"]["path"].GetString(), "nowhere");
  EXPECT_EQ(error[0]["exit"].GetInt(), 3);
  const auto usage = parse_lines(run({"txlog", "--json"}).err);
  ASSERT_EQ(usage.size(), 1U);
  EXPECT_EQ(usage[0]["exit"].GetInt(), 2);
}

TEST_F(CliSurface, PermissionIsAnErrorOfTheSystem) {
  if (::geteuid() == 0) {
    // Root may read everything: a name that is too long is refused all the same.
    EXPECT_EQ(run({"info", std::string(5000, 'x')}).exit_code, 7);
    return;
  }
  make_people();
  std::filesystem::permissions(path("people"), std::filesystem::perms::none);
  EXPECT_EQ(run({"info", "people"}).exit_code, 7);
  std::filesystem::permissions(path("people"), std::filesystem::perms::owner_all);
}

TEST_F(CliSurface, ALaterFormatIsForeign) {
  make_people();
  std::ifstream stream(path("people/MANIFEST"));
  std::string manifest(std::istreambuf_iterator<char>(stream), {});
  const std::size_t at = manifest.find("\"version\":");
  ASSERT_NE(at, std::string::npos) << manifest;
  manifest.replace(at, 11, "\"version\":9");
  std::ofstream(path("people/MANIFEST")) << manifest;
  const Ran ran = run({"info", "people"});
  EXPECT_TRUE(ran.exit_code == 6 || ran.exit_code == 4) << ran.err;
}

TEST_F(CliSurface, AFullDiskBehindStandardOutputIsAnError) {
  make_people();
  const Ran ran = shell("selvedge txlog people > /dev/full");
  EXPECT_EQ(ran.exit_code, 7);
  EXPECT_TRUE(has(ran.err, "the output cannot be written")) << ran.err;
}

TEST_F(CliSurface, APipeThatIsClosedEndsItQuietly) {
  make_people();
  const Ran ran = shell("set -o pipefail; selvedge txlog people --json | head -n 1");
  EXPECT_EQ(ran.err, "");
  EXPECT_EQ(parse_lines(ran.out).size(), 1U);
}

TEST_F(CliSurface, ColourIsOnlyForTerminalsThatWantIt) {
  make_people();
  const Words words = {"verify", "people"};
  EXPECT_FALSE(has(good(words), "\033["));
  EXPECT_TRUE(has(run_on_terminal(words).out, "\033[32mok"));
  EXPECT_TRUE(has(run({"verify", "people", "--color", "always"}).out, "\033[32mok"));
  EXPECT_FALSE(has(run_on_terminal({"verify", "people", "--color", "never"}).out, "\033[3"));
  variables = {{"NO_COLOR", "1"}};
  EXPECT_FALSE(has(run_on_terminal(words).out, "\033[3"));
  variables = {{"TERM", "dumb"}};
  EXPECT_FALSE(has(run_on_terminal(words).out, "\033[3"));
}

TEST_F(CliSurface, ProgressIsOnlyForTerminals) {
  make_people();
  const std::string clear = "\r\033[K";
  EXPECT_TRUE(has(run_on_terminal({"verify", "people"}).out, "verify: "));
  EXPECT_TRUE(has(run_on_terminal({"verify", "people"}).out, clear)) << "the bar goes away";
  EXPECT_FALSE(has(run_on_terminal({"verify", "people", "--no-progress"}).out, clear));
  EXPECT_EQ(run({"verify", "people"}).err, "");
}

TEST_F(CliSurface, TablesFitTheTerminal) {
  make_people();
  const std::string out = run_on_terminal({"txlog", "people", "--color", "never"}).out;
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t end = std::min(out.find('\n', at), out.size());
    const std::string line = out.substr(at, end - at);
    EXPECT_LE(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }),
              101)
        << line;
    at = end + 1;
  }
}

TEST_F(CliSurface, WhatAStoreHoldsDoesNotSteerTheTerminal) {
  {
    auto store = Store::open(path("evil"), quiet_options());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->create_node({"L\033[2J"}, {{"k\033]0;x\a", "v\033[31m"}}));
    auto tx = store->begin({.metadata = {{"who\033[1m", "me\r"}}});
    ASSERT_TRUE(tx);
    ASSERT_TRUE(tx->create_node({"M"}));
    ASSERT_TRUE(tx->commit());
    ASSERT_TRUE(store->close());
  }
  for (const Words& words : std::vector<Words>{{"txlog", "evil"},
                                               {"feed", "evil"},
                                               {"stats", "evil"},
                                               {"get", "evil", "node"},
                                               {"get", "evil", "node", "256"}}) {
    const std::string out = good(words);
    EXPECT_FALSE(has(out, "\033")) << words.front() << " " << out;
    EXPECT_FALSE(has(out, "\a") || has(out, "\r")) << words.front();
  }
}

TEST_F(CliSurface, EveryCommandHasExamplesThatRun) {
  const auto names = commands();
  EXPECT_GE(names.size(), 15U);
  for (const std::string& command : names) {
    std::filesystem::remove_all(directory.root());
    std::filesystem::create_directory(directory.root());
    make_people("STORE");
    std::ofstream(path("selvedge.yaml")) << "sync: batch\n";
    for (std::string line : examples_of(command)) {
      line = replaced(line, "268435712", text(charles));
      line = replaced(line, "--label Airport --where iata=SFO", "--label Poet --where name=Byron");
      line = replaced(line, "FLIES_TO", "KNOWS");
      line = replaced(line, "--transaction 17", "--transaction 16");
      line = replaced(line, "--from 4711 --follow", "--from 4711");
      line = replaced(line, "--kind delete_node", "--kind create_node");
      line = replaced(line, "~/.local/share/bash-completion/completions/selvedge", "completions");
      line = replaced(line, "man | man -l -", "man | groff -man -Tutf8");
      const Ran ran = shell("set -o pipefail; " + line);
      EXPECT_EQ(ran.exit_code, 0) << line << "\n" << ran.err;
    }
  }
}

TEST_F(CliSurface, TheManualIsSoundAndHasEverything) {
  const Ran ran = shell("selvedge man | groff -man -Tutf8 -ww");
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.err, "") << "groff warns";
  const std::string page = shell("selvedge man | groff -man -Tascii -P-c | sed 's/.\\x08//g'").out;
  for (const std::string& command : commands()) {
    EXPECT_TRUE(has(page, "selvedge " + command)) << command;
  }
  EXPECT_TRUE(has(page, "EXIT CODES"));
  EXPECT_TRUE(has(page, "NO_COLOR"));
}

TEST_F(CliSurface, BashCompletes) {
  const std::string setup =
      "source <(selvedge completion bash); complete_of() { COMP_WORDS=(\"$@\");"
      " COMP_CWORD=$(($# - 1)); _selvedge; echo \"${COMPREPLY[*]}\"; }; ";
  EXPECT_EQ(shell(setup + "complete_of selvedge ver").out, "verify\n");
  EXPECT_EQ(shell(setup + "complete_of selvedge txlog x --tra").out, "--transaction\n");
  EXPECT_EQ(shell(setup + "complete_of selvedge txlog x --kind tx_c").out, "tx_commit\n");
  EXPECT_EQ(shell(setup + "complete_of selvedge completion f").out, "fish\n");
  make_people("mystore");
  EXPECT_EQ(shell(setup + "complete_of selvedge info mys").out, "mystore\n");
}

TEST_F(CliSurface, FishCompletes) {
  const auto complete = [&](const std::string& line) {
    return shell(
               "selvedge completion fish > c.fish && fish --no-config -c 'source c.fish; "
               "complete -C \"" +
               line + "\"'")
        .out;
  };
  variables = {{"HOME", directory.root()}};
  EXPECT_TRUE(has(complete("selvedge ver"), "verify")) << complete("selvedge ver");
  EXPECT_TRUE(has(complete("selvedge txlog x --tra"), "--transaction"));
  EXPECT_TRUE(has(complete("selvedge txlog x --kind tx_c"), "tx_commit"));
}

TEST_F(CliSurface, ZshReadsItsCompletion) {
  variables = {{"HOME", directory.root()}};
  const Ran parsed = shell("selvedge completion zsh > _selvedge && zsh -f -n _selvedge");
  EXPECT_EQ(parsed.exit_code, 0) << parsed.err;
  const Ran loaded = shell(
      "zsh -f -c 'fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u; "
      "echo $_comps[selvedge]'");
  EXPECT_EQ(loaded.out, "_selvedge\n") << loaded.err;
}

}  // namespace
}  // namespace selvedge
