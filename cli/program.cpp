#include "cli/program.h"

#include <cstdlib>
#include <exception>
#include <map>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/tree.h"

namespace selvedge::cli {

namespace {

/// Options that every command takes.
struct Common {
  bool json = false;
  bool no_progress = false;
  std::optional<std::string> color;
  std::optional<std::string> config;
  std::vector<std::string> settings;
};

/// Role: the commands, their tree, and one call of the program.
/// Threads: one.
class Program {
 public:
  Program() {
    tree_.app.description(std::string(program_summary));
    tree_.app.require_subcommand(1);
    tree_.app.fallthrough();
    tree_.app.set_help_flag("");
    Arguments common(tree_, tree_.app);
    common.flag("--json", common_.json, "JSON for programs, instead of tables");
    common.choice("--color", common_.color, {"auto", "always", "never"},
                  "auto: on a terminal, unless NO_COLOR is set");
    common.flag("--no-progress", common_.no_progress, "no progress bars, also on a terminal");
    common.path_option("--config", "FILE", common_.config,
                       "options from a YAML or JSON file; SELVEDGE_CONFIG names it too");
    common.options("--set", "KEY=VALUE", common_.settings, "one option, over file and environment");
    tree_.app.set_version_flag("--version", "selvedge " SELVEDGE_VERSION, "the version");
    tree_.app.add_flag("-h,--help", help_, "help, of the program or of the command");
    add(make_info());
    add(make_verify());
    add(make_stats());
    add(make_dump_segment());
    add(make_get());
    add(make_neighbors());
    add(make_txlog());
    add(make_feed());
    add(make_history());
    add(make_diff());
    add(make_recover());
    add(make_snapshot());
    add(make_compact());
    add(make_backup());
    add(make_config());
    add(make_completion(tree_));
    add(make_man(tree_));
  }

  int run(int argument_count, const char* const* arguments) {
    // Before the parser has seen them: errors of the parser are for programs too.
    for (int i = 1; i < argument_count; ++i) {
      common_.json = common_.json || std::string_view(arguments[i]) == "--json";
      help_ = help_ || std::string_view(arguments[i]) == "--help" ||
              std::string_view(arguments[i]) == "-h";
    }
    if (argument_count == 1 || (help_ && show_help(argument_count, arguments))) {
      return argument_count == 1 ? usage(help_text(tree_, output_)) : end(Exit::ok);
    }
    try {
      tree_.app.parse(argument_count, arguments);
    } catch (const CLI::CallForVersion& version) {
      output_.line(version.what());
      return end(Exit::ok);
    } catch (const CLI::ParseError& fault) {
      show_usage_error(output_, common_.json, fault.what(), parsed_name());
      return end(Exit::usage);
    }
    return dispatch();
  }

 private:
  void add(std::unique_ptr<Command> command) {
    CLI::App* app = tree_.app.add_subcommand(command->name(), command->summary());
    app->group(command->group());
    app->set_help_flag("");
    Arguments arguments(tree_, *app);
    command->declare(arguments);
    commands_[app] = std::move(command);
  }

  int usage(const std::string& text) {
    output_.note(text.substr(0, text.size() - 1));
    return end(Exit::usage);
  }

  /// For the first command that is named, or for all.
  bool show_help(int argument_count, const char* const* arguments) {
    for (int i = 1; i < argument_count; ++i) {
      if (const CLI::App* command = find(arguments[i])) {
        output_.print(help_text(tree_, *command, output_));
        return true;
      }
    }
    output_.print(help_text(tree_, output_));
    return true;
  }

  [[nodiscard]] const CLI::App* find(std::string_view name) const {
    for (const CLI::App* command : tree_.subcommands()) {
      if (command->get_name() == name) {
        return command;
      }
    }
    return nullptr;
  }

  [[nodiscard]] std::string parsed_name() const {
    const auto parsed = tree_.app.get_subcommands();
    return parsed.empty() ? "" : parsed.front()->get_name();
  }

  Result<Config> configuration() const {
    Config config;
    const char* variable = std::getenv("SELVEDGE_CONFIG");
    if (common_.config) {
      SELVEDGE_TRY(config.read_file(*common_.config));
    } else if (variable != nullptr && *variable != '\0') {
      SELVEDGE_TRY(config.read_file(variable));
    }
    SELVEDGE_TRY(config.read_environment());
    for (const std::string& setting : common_.settings) {
      const std::size_t equals = setting.find('=');
      if (equals == std::string::npos) {
        return fail(Error(ErrorCode::invalid_argument, "a setting has no value")
                        .at("--set")
                        .mismatch("KEY=VALUE", setting));
      }
      SELVEDGE_TRY(config.set(setting.substr(0, equals), setting.substr(equals + 1), "--set"));
    }
    return config;
  }

  int dispatch() {
    if (common_.color) {
      output_.choose_color(*common_.color == "always"  ? ColorMode::always
                           : *common_.color == "never" ? ColorMode::never
                                                       : ColorMode::automatic);
    }
    output_.choose_progress(!common_.no_progress);
    auto config = configuration();
    if (!config) {
      return failed(config.error());
    }
    Context context{output_, *std::move(config), common_.json};
    Command& command = *commands_.at(tree_.app.get_subcommands().front());
    const Result<Exit> done = command.run(context);
    return done ? end(*done) : failed(done.error());
  }

  int failed(const Error& error) {
    show_error(output_, common_.json, error);
    return end(exit_of(error.code()));
  }

  /// What could not be written is an error of the whole call.
  int end(Exit exit) {
    const int fault = output_.finish();
    if (fault != 0) {
      const Error error = Error(ErrorCode::io, "the output cannot be written").os(fault);
      show_error(output_, common_.json, error);
      return static_cast<int>(exit_of(ErrorCode::io));
    }
    return static_cast<int>(exit);
  }

  Output output_;
  Common common_;
  bool help_ = false;
  Tree tree_;
  std::map<const CLI::App*, std::unique_ptr<Command>> commands_;
};

}  // namespace

int run_program(int argument_count, const char* const* arguments) {
  try {
    return Program().run(argument_count, arguments);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "selvedge: there is not enough memory\n");
    return static_cast<int>(Exit::system);
  } catch (const std::exception& fault) {
    fmt::print(stderr, "selvedge: this is a bug: {}\n", fault.what());
  }
  return static_cast<int>(Exit::internal);
}

}  // namespace selvedge::cli
