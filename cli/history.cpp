// selvedge history: what became of one node or edge.
#include <fmt/format.h>

#include <selvedge/history.h>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class ShowHistory final : public Command {
 public:
  const char* name() const override { return "history"; }
  const char* summary() const override {
    return "show the versions of a node or edge, with who and when";
  }
  const char* group() const override { return groups::ask; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "One version for each commit that changed it, the oldest first, as far as the log is "
        "retained.");
    arguments.store(store_);
    arguments.positional_choice("KIND", kind_, {"node", "edge"}, "node or edge");
    arguments.positional("ID", id_, "its id");
    arguments.example("history STORE node 268435712", "what happened to one node");
    arguments.example("history STORE node 268435712 --json", "one JSON line for each version");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const std::uint64_t id, parse_number(id_, "the id of an entity"));
    SELVEDGE_TRY(const Txlog log, open_log(store_));
    SELVEDGE_TRY(auto past, kind_ == "node" ? log.history(NodeId{id}) : log.history(EdgeId{id}));
    Table table(context.output,
                {{"SEQ", Align::right}, {"TIME"}, {"TX", Align::right}, {"WHO"}, {"WHAT"}});
    std::uint64_t count = 0;
    for (; past.next(); ++count) {
      show(context, table, past.version());
    }
    table.finish();
    if (!past.status()) {
      return fail(past.status().error().clone());
    }
    if (count == 0) {
      context.output.note(fmt::format("nothing that is retained changed {} {}", kind_, id));
      return Exit::not_found;
    }
    return Exit::ok;
  }

 private:
  static void show(Context& context, Table& table, const EntityVersion& version) {
    if (context.json) {
      Json json;
      json.begin_object().member("seq", version.sequence.value);
      json.member("txNumber", version.number.value);
      json.member("txId", version.transaction ? std::optional(to_string(*version.transaction))
                                              : std::nullopt);
      json.member("timestamp", version.timestamp.microseconds).key("metadata").begin_array();
      for (const auto& [key, value] : version.metadata) {
        json.begin_array().value(key).value(value).end_array();
      }
      json.end_array().key("change").raw(to_json(version.change)).end_object();
      json_line(context, json);
      return;
    }
    const std::string who = metadata_text(version.metadata);
    table.row({std::to_string(version.sequence.value), iso_time(version.timestamp),
               version.number.value == 0 ? "-" : std::to_string(version.number.value),
               who.empty() ? "-" : who,
               fmt::format("{} {}", to_string(version.change.kind), describe(version.change))});
  }

  std::string store_;
  std::string kind_;
  std::string id_;
};

}  // namespace

std::unique_ptr<Command> make_history() { return std::make_unique<ShowHistory>(); }

}  // namespace selvedge::cli
