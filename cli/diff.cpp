// selvedge diff: what is different between two moments.
#include <map>

#include <fmt/format.h>

#include <selvedge/history.h>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class ShowDiff final : public Command {
 public:
  const char* name() const override { return "diff"; }
  const char* summary() const override { return "show what is different between two moments"; }
  const char* group() const override { return groups::ask; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Each node and edge once, with what it was at the first moment and what it is at the "
        "second. "
        "A moment is a sequence, or a time such as 2026-11-21T17:13:06Z; what came and went "
        "between "
        "is not shown.");
    arguments.store(store_);
    arguments.positional("FROM", from_, "what was after this sequence, or at this time");
    arguments.positional("TO", to_, "what is after this one; the end of the log", false);
    arguments.flag("--summary", summary_, "only how many of each kind");
    arguments.example("diff STORE 10", "since sequence 10");
    arguments.example("diff STORE 10 15 --json", "one JSON line for each change");
    arguments.example("diff STORE 10 --summary", "how much");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const Txlog log, open_log(store_));
    SELVEDGE_TRY(const Sequence from, moment(log, from_));
    Sequence to = log.last();
    if (!to_.empty()) {
      SELVEDGE_TRY(to, moment(log, to_));
    }
    SELVEDGE_TRY(Diff diff, log.diff(from, to));
    Table table(context.output, {{"CHANGE"}, {"WHAT"}});
    std::map<std::string, std::uint64_t> counts;
    while (diff.next()) {
      const LoggedChange& change = diff.change();
      const std::string kind(to_string(change.kind));
      ++counts[kind];
      if (summary_) {
        continue;
      }
      if (context.json) {
        context.output.line(to_json(change));
      } else {
        table.row({kind, describe(change)});
      }
    }
    table.finish();
    if (!diff.status()) {
      return fail(diff.status().error().clone());
    }
    if (summary_) {
      show_counts(context, counts);
    } else if (counts.empty() && !context.json) {
      context.output.note("nothing is different");
    }
    return Exit::ok;
  }

 private:
  static Result<Sequence> moment(const Txlog& log, const std::string& text) {
    SELVEDGE_TRY(const auto parsed, parse_moment(text));
    if (const auto* time = std::get_if<Timestamp>(&parsed)) {
      return log.sequence_at(*time);
    }
    return std::get<Sequence>(parsed);
  }

  static void show_counts(Context& context, const std::map<std::string, std::uint64_t>& counts) {
    Json json;
    json.begin_object();
    Table table(context.output, {{"CHANGE"}, {"COUNT", Align::right}});
    for (const auto& [kind, count] : counts) {
      json.member(kind, count);
      if (!context.json) {
        table.row({kind, with_commas(count)});
      }
    }
    json.end_object();
    table.finish();
    if (context.json) {
      json_line(context, json);
    }
  }

  std::string store_;
  std::string from_;
  std::string to_;
  bool summary_ = false;
};

}  // namespace

std::unique_ptr<Command> make_diff() { return std::make_unique<ShowDiff>(); }

}  // namespace selvedge::cli
