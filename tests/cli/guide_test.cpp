// docs/guide.md does what it says.
#include <regex>

#include "examples/flights.h"
#include "tests/cli/cli_fixture.h"

namespace selvedge {
namespace {

class CliGuide : public CliTest {
 protected:
  struct Step {
    std::string command;
    std::string shown;
    std::size_t line = 0;
  };

  /// The `$` lines of the console blocks, each with what follows it.
  static std::vector<Step> steps_of(const std::string& page) {
    std::ifstream stream(page);
    EXPECT_TRUE(stream) << page;
    std::vector<Step> steps;
    bool inside = false;
    std::size_t number = 0;
    for (std::string line; std::getline(stream, line);) {
      ++number;
      if (line.starts_with("```")) {
        inside = line == "```console";
      } else if (inside && line.starts_with("$ ")) {
        steps.push_back({line.substr(2), "", number});
      } else if (inside) {
        steps.back().shown += line + "\n";
      }
    }
    return steps;
  }

  /// The page's text as an expression: wildcards, and blanks of any width.
  static std::regex pattern_of(const std::string& shown) {
    static const std::map<std::string, std::string> wildcards = {
        {"<time>", "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"},
        {"<uuid>", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"},
        {"<size>", "[0-9.]+ ([KMGT]i)?B"},
        {"<duration>", "[0-9.]+ (us|ms|s)"},
        {"<digest>", "[0-9a-f]{32}"},
        {"<hex>", "[0-9a-f]+"},
        {"<n>", "[0-9,]+"}};
    std::string text;
    for (std::size_t at = 0; at < shown.size();) {
      bool taken = false;
      for (const auto& [name, expression] : wildcards) {
        if (shown.compare(at, name.size(), name) == 0) {
          text += expression;
          at += name.size();
          taken = true;
        }
      }
      if (taken) {
        continue;
      }
      if (shown.compare(at, 4, "...\n") == 0 && (at == 0 || shown[at - 1] == '\n')) {
        text += "([^\\n]*\\n)*";
        at += 4;
      } else if (shown[at] == ' ') {
        text += " +";
        at = std::min(shown.find_first_not_of(' ', at), shown.size());
      } else {
        if (std::string_view(R"(\^$.|?*+()[]{})").find(shown[at]) != std::string_view::npos) {
          text += '\\';
        }
        text += shown[at++];
      }
    }
    return std::regex(text);
  }

  void make_flights() {
    auto store = Store::open(path("flights"), quiet_options());
    ASSERT_TRUE(store) << store.error().message();
    const auto network = flights::load(*store, SELVEDGE_TEST_DATA "/../examples/data");
    ASSERT_TRUE(network) << network.error().message();
    auto tx = store->begin({.metadata = {{"who", "guide"}}});
    ASSERT_TRUE(tx);
    ASSERT_TRUE(tx->set(network->airports.front(), "visited", true));
    ASSERT_TRUE(tx->commit());
    ASSERT_TRUE(store->close());
    std::filesystem::create_directory(path("music"));
    std::ofstream(path("music/song.ogg")) << "la";
  }
};

TEST_F(CliGuide, EachCommandPrintsWhatThePageShows) {
  make_flights();
  const auto steps = steps_of(SELVEDGE_TEST_DATA "/../docs/guide.md");
  EXPECT_GE(steps.size(), 20U);
  for (const Step& step : steps) {
    const Ran ran = shell("{ " + step.command + "\n} 2>&1");
    EXPECT_TRUE(std::regex_match(ran.out, pattern_of(step.shown)))
        << "docs/guide.md:" << step.line << ": $ " << step.command << "\nshown:\n"
        << step.shown << "printed:\n"
        << ran.out;
  }
}

TEST_F(CliGuide, EveryCommandIsInThePages) {
  std::ifstream guide(SELVEDGE_TEST_DATA "/../docs/guide.md");
  std::ifstream reference(SELVEDGE_TEST_DATA "/../docs/cli.md");
  const std::string walk(std::istreambuf_iterator<char>(guide), {});
  const std::string table(std::istreambuf_iterator<char>(reference), {});
  const std::string fish = good({"completion", "fish"});
  const std::string mark = "__fish_seen_subcommand_from ";
  const std::size_t at = fish.find(mark) + mark.size();
  std::istringstream names(fish.substr(at, fish.find('\'', at) - at));
  for (std::string name; names >> name;) {
    EXPECT_TRUE(has(table, "`" + name + "`")) << name << " is not in docs/cli.md";
    const bool about_itself = name == "completion" || name == "man";
    EXPECT_TRUE(about_itself || has(walk, "selvedge " + name + " ")) << name;
  }
}

TEST_F(CliGuide, ThePagesExitCodesAreThoseOfTheManual) {
  std::ifstream reference(SELVEDGE_TEST_DATA "/../docs/cli.md");
  const std::string page(std::istreambuf_iterator<char>(reference), {});
  const std::string manual = good({"man"});
  const std::size_t begin = manual.find(".SH EXIT CODES");
  std::istringstream lines(manual.substr(begin, manual.find(".SH ENV") - begin));
  std::string code;
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("\\fB")) {
      code = line.substr(3, line.find("\\fR") - 3);
    } else if (!line.starts_with(".")) {
      ++count;
      std::string plain = line;
      std::erase(plain, '\\');
      EXPECT_TRUE(has(page, "| " + code + " | " + plain + " |")) << code << ": " << plain;
    }
  }
  EXPECT_EQ(count, 9U);
}

}  // namespace
}  // namespace selvedge
