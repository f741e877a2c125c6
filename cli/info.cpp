// selvedge info: what a store is made of, and the options in force.
#include <fmt/format.h>

#include <selvedge/inspect.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Info final : public Command {
 public:
  const char* name() const override { return "info"; }
  const char* summary() const override {
    return "what the store is made of, and which options are in force";
  }
  const char* group() const override { return groups::inspect; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Reads the manifest and the log behind the newest snapshot, not the graph: it is quick, "
        "and "
        "works beside a process that has the store open.");
    arguments.store(store_);
    arguments.flag("--all", all_, "options with their default value too");
    arguments.example("info STORE", "files, sequences, and options that are not the default");
    arguments.example("info STORE --all --config selvedge.yaml",
                      "every option, its value, and where it is from");
    arguments.example("info STORE --json", "the same for programs");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const StoreFiles files, inspect_files(store_));
    const Result<Txlog> log = Txlog::open(store_);
    if (context.json) {
      show_json(context, files, log);
    } else {
      show(context, files, log);
    }
    if (!log) {
      return fail(log.error().clone());
    }
    return Exit::ok;
  }

 private:
  void show(Context& context, const StoreFiles& files, const Result<Txlog>& log) const {
    Output& output = context.output;
    Facts facts(output);
    facts.add("store", store_);
    facts.add("uuid", to_string(files.store));
    facts.add("created", iso_time(files.created));
    facts.add("state", files.clean_close ? "closed properly"
                                         : "open at this moment, or not closed properly");
    if (log && log->first() <= log->last()) {
      facts.add("log", fmt::format("sequences {} to {} are retained and durable",
                                   log->first().value, log->last().value));
    } else {
      facts.add("log", log ? "empty" : "damaged");
    }
    facts.add("disk",
              fmt::format("{}: log {}, snapshots {}, history {}",
                          human_bytes(files.log_bytes + files.snapshot_bytes + files.history_bytes),
                          human_bytes(files.log_bytes), human_bytes(files.snapshot_bytes),
                          human_bytes(files.history_bytes)));
    facts.print();
    show_snapshots(output, files);
    show_segments(output, files);
    show_options(context);
  }

  static void show_snapshots(Output& output, const StoreFiles& files) {
    if (files.snapshots.empty()) {
      return;
    }
    output.line("");
    Table table(output, {{"SNAPSHOT"},
                         {"KIND"},
                         {"STATE AT", Align::right},
                         {"NEEDS LOG FROM", Align::right},
                         {"SIZE", Align::right},
                         {"CREATED"}});
    for (const SnapshotFile& each : files.snapshots) {
      table.row({each.file, each.backup ? "backup" : "checkpoint", std::to_string(each.end.value),
                 std::to_string(each.low_water.value), human_bytes(each.bytes),
                 iso_time(each.created)});
    }
    table.finish();
  }

  static void show_segments(Output& output, const StoreFiles& files) {
    if (files.segments.empty()) {
      return;
    }
    output.line("");
    Table table(output, {{"SEGMENT", Align::right},
                         {"USE"},
                         {"FIRST", Align::right},
                         {"SIZE", Align::right},
                         {"CREATED"}});
    for (const SegmentFile& each : files.segments) {
      const bool used = each.first.value != 0;
      table.row({std::to_string(each.number), std::string(to_string(each.use)),
                 used ? std::to_string(each.first.value) : "-", human_bytes(each.bytes),
                 used ? iso_time(each.created) : "-"});
    }
    table.finish();
  }

  void show_options(Context& context) const {
    Table table(context.output, {{"OPTION"}, {"VALUE"}, {"FROM"}});
    context.output.line("");
    for (const ConfigEntry& entry : context.config.entries()) {
      if (all_ || entry.source != ConfigSource::standard) {
        table.row({std::string(entry.key.key), entry.value,
                   entry.origin.empty() ? std::string(to_string(entry.source)) : entry.origin});
      }
    }
    if (table.rows() == 0) {
      context.output.line("All options have their default value (--all shows them).");
    }
    table.finish();
  }

  static void show_json(Context& context, const StoreFiles& files, const Result<Txlog>& log) {
    Json json;
    json.begin_object().member("uuid", to_string(files.store));
    json.member("created", files.created.microseconds);
    json.member("clean_close", files.clean_close).member("watermark", files.watermark.value);
    json.key("log").begin_object();
    if (log) {
      json.member("first", log->first().value).member("last", log->last().value);
    } else {
      json.member("damage", log.error().message());
    }
    json.end_object();
    json.key("bytes").begin_object().member("log", files.log_bytes);
    json.member("snapshots", files.snapshot_bytes).member("history", files.history_bytes);
    json.end_object().key("snapshots").begin_array();
    for (const SnapshotFile& each : files.snapshots) {
      json.begin_object().member("file", each.file).member("backup", each.backup);
      json.member("begin", each.begin.value).member("end", each.end.value);
      json.member("low_water", each.low_water.value).member("bytes", each.bytes);
      json.member("created", each.created.microseconds).member("verified", each.verified);
      json.member("digest", each.digest).end_object();
    }
    json.end_array().key("segments").begin_array();
    for (const SegmentFile& each : files.segments) {
      json.begin_object().member("number", each.number).member("path", each.path);
      json.member("use", to_string(each.use)).member("first", each.first.value);
      json.member("bytes", each.bytes).member("created", each.created.microseconds).end_object();
    }
    json.end_array().key("options").begin_array();
    for (const ConfigEntry& entry : context.config.entries()) {
      json.begin_object().member("key", entry.key.key).member("value", entry.value);
      json.member("source", to_string(entry.source)).member("origin", entry.origin).end_object();
    }
    json.end_array().end_object();
    json_line(context, json);
  }

  std::string store_;
  bool all_ = false;
};

}  // namespace

std::unique_ptr<Command> make_info() { return std::make_unique<Info>(); }

}  // namespace selvedge::cli
