// selvedge config: every option, its value, and where it is from.
#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class ShowConfig final : public Command {
 public:
  const char* name() const override { return "config"; }
  const char* summary() const override { return "every option, its value, and where it is from"; }
  const char* group() const override { return groups::help; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Options come from --set, then from variables SELVEDGE_*, then from the file that --config "
        "or SELVEDGE_CONFIG names, then from the defaults.");
    arguments.flag("--describe", describe_, "also what each takes, and its variable");
    arguments.example("config", "the options in force");
    arguments.example("config --describe", "what there is to set");
    arguments.example("config --config selvedge.yaml", "is the file right?");
  }

  Result<Exit> run(Context& context) override {
    if (context.json) {
      show_json(context);
      return Exit::ok;
    }
    std::vector<Column> columns = {{"OPTION"}, {"VALUE"}, {"FROM"}};
    if (describe_) {
      columns = {{"OPTION"}, {"VALUE"}, {"FROM"}, {"VARIABLE"}, {"TAKES"}, {"WHAT"}};
    }
    Table table(context.output, columns);
    for (const ConfigEntry& entry : context.config.entries()) {
      std::vector<std::string> row = {
          std::string(entry.key.key), entry.value,
          entry.origin.empty() ? std::string(to_string(entry.source)) : entry.origin};
      if (describe_) {
        row.insert(row.end(),
                   {entry.key.variable, entry.key.range, std::string(entry.key.summary)});
      }
      table.row(std::move(row));
    }
    table.finish();
    return Exit::ok;
  }

 private:
  static void show_json(Context& context) {
    Json json;
    json.begin_array();
    for (const ConfigEntry& entry : context.config.entries()) {
      json.begin_object().member("key", entry.key.key).member("value", entry.value);
      json.member("source", to_string(entry.source)).member("origin", entry.origin);
      json.member("default", entry.key.default_value).member("variable", entry.key.variable);
      json.member("takes", entry.key.range).member("summary", entry.key.summary).end_object();
    }
    json.end_array();
    json_line(context, json);
  }

  bool describe_ = false;
};

}  // namespace

std::unique_ptr<Command> make_config() { return std::make_unique<ShowConfig>(); }

}  // namespace selvedge::cli
