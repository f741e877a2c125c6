// What a command is: what it takes, what it says of itself, what it does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/config.h>
#include <selvedge/error.h>
#include <selvedge/store.h>

#include "cli/json.h"
#include "cli/output.h"

namespace CLI {
class App;
}

namespace selvedge::cli {

/// docs/cli.md and the man page have them too; `exit_codes` is what they are made of.
enum class Exit : std::uint8_t {
  ok = 0,
  refused = 1,    ///< done as asked, and the answer is no
  usage = 2,      ///< the command line or the configuration cannot be right
  not_found = 3,  ///< no such store, entity, sequence, file
  corrupt = 4,    ///< bytes on disk that cannot be right
  locked = 5,     ///< another process has the store open for writing
  foreign = 6,    ///< not a store, or one of a later version
  system = 7,     ///< the system refuses: permission, space, memory, I/O
  internal = 70,  ///< a bug
};

struct ExitCode {
  Exit code;
  std::string_view meaning;
};
/// All of them, rising.
const std::vector<ExitCode>& exit_codes();
Exit exit_of(ErrorCode code);

/// What every command is given.
struct Context {
  Output& output;
  Config config;
  bool json = false;
};

struct Example {
  std::string_view line;  ///< without the program's name; STORE is a store
  std::string_view what;
};

struct Tree;

/// Role: what a command takes, told to the parser (CLI11), from which help, completion and the man
///   page are made.
/// Threads: one. The variables must live until the command has run.
class Arguments {
 public:
  Arguments(Tree& tree, CLI::App& app) : tree_(tree), app_(app) {}

  /// The directory of the store.
  void store(std::string& into);
  void positional(const char* name, std::string& into, const char* help, bool required = true);
  void positionals(const char* name, std::vector<std::string>& into, const char* help,
                   bool required = true);
  /// A file or directory, for completion.
  void path(const char* name, std::string& into, const char* help, bool required = true);
  void option(const char* names, const char* value, std::optional<std::string>& into,
              const char* help);
  void option(const char* names, const char* value, std::optional<std::uint64_t>& into,
              const char* help);
  void options(const char* names, const char* value, std::vector<std::string>& into,
               const char* help);
  void path_option(const char* names, const char* value, std::optional<std::string>& into,
                   const char* help);
  void choice(const char* names, std::optional<std::string>& into,
              const std::vector<std::string>& words, const char* help);
  void choices(const char* names, std::vector<std::string>& into,
               const std::vector<std::string>& words, const char* help);
  void positional_choice(const char* name, std::string& into, const std::vector<std::string>& words,
                         const char* help, bool required = true);
  void flag(const char* names, bool& into, const char* help);
  void example(const char* line, const char* what);
  /// More about the command than its one line.
  void describe(const char* text);

 private:
  Tree& tree_;
  CLI::App& app_;
};

/// Role: one command. `declare` is called once, then `run`, if it was asked for.
/// After failure: an error; nothing more is printed by the command.
class Command {
 public:
  Command() = default;
  virtual ~Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  [[nodiscard]] virtual const char* name() const = 0;
  [[nodiscard]] virtual const char* summary() const = 0;
  /// Under which heading it is listed.
  [[nodiscard]] virtual const char* group() const = 0;
  virtual void declare(Arguments& arguments) = 0;
  virtual Result<Exit> run(Context& context) = 0;
};

namespace groups {
inline constexpr const char* inspect = "Look";
inline constexpr const char* ask = "Ask";
inline constexpr const char* change = "Change";
inline constexpr const char* move = "Keep and move";
inline constexpr const char* help = "Help";
}  // namespace groups

}  // namespace selvedge::cli
