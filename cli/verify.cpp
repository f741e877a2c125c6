// selvedge verify: is everything in the store's files right?
#include <fmt/format.h>

#include <selvedge/inspect.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Verify final : public Command {
 public:
  const char* name() const override { return "verify"; }
  const char* summary() const override { return "read everything, and say what is not right"; }
  const char* group() const override { return groups::inspect; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Reads every snapshot and every retained entry of the log, recovers the graph in memory, "
        "and compares all that is made from it: neighbours, labels, counts, indexes, constraints. "
        "Nothing on disk changes; a process may have the store open. Exit code 1 when something is "
        "not right.");
    arguments.store(store_);
    arguments.example("verify STORE", "one line for each part, and each fault with its place");
    arguments.example("verify STORE --json", "the faults as JSON, for a nightly check");
  }

  Result<Exit> run(Context& context) override {
    VerifyReport report;
    {
      ProgressBar bar(context.output, "verify");
      VerifyOptions options;
      options.progress = progress_on(bar);
      SELVEDGE_TRY(report, verify_files(store_, options));
    }
    if (context.json) {
      show_json(context, report);
    } else {
      show(context, report);
    }
    return report.faults.empty() ? Exit::ok : Exit::refused;
  }

 private:
  static bool sound(const VerifyReport& report, std::string_view part) {
    if (part == "state" && !report.recovered) {
      return false;
    }
    for (const VerifyFault& fault : report.faults) {
      if (fault.part == part || fault.part == "manifest") {
        return false;
      }
    }
    return true;
  }

  static void show(Context& context, const VerifyReport& report) {
    Output& output = context.output;
    const auto part = [&](const char* name, const char* key, const std::string& read) {
      const bool good = sound(report, key);
      output.line(fmt::format("{}  {:9}  {}",
                              output.styled(good ? Style::good : Style::bad, good ? "ok " : "BAD"),
                              name, read));
    };
    part("snapshots", "snapshot",
         fmt::format("{} read whole, {}", with_commas(report.snapshots),
                     human_bytes(report.snapshot_bytes)));
    const bool log_read = report.entries > 0 || sound(report, "log");
    part("log", "log",
         !log_read ? "not readable"
         : report.entries == 0
             ? "no entries"
             : fmt::format("{}, sequences {} to {}", plural(report.entries, "entry", "entries"),
                           report.first.value, report.last.value));
    part("state", "state",
         report.recovered ? fmt::format("{}, {}, digest {}", plural(report.nodes, "node"),
                                        plural(report.edges, "edge"), report.digest)
                          : "cannot be recovered");
    for (const VerifyFault& fault : report.faults) {
      output.line(output.styled(Style::bad, fault.part + ": ") + visible(fault.error.message()));
    }
    output.line(report.faults.empty()
                    ? output.styled(Style::good, "The store is sound.")
                    : output.styled(Style::bad, plural(report.faults.size(), "fault") + "."));
  }

  static void show_json(Context& context, const VerifyReport& report) {
    Json json;
    json.begin_object().member("sound", report.faults.empty()).key("faults").begin_array();
    for (const VerifyFault& fault : report.faults) {
      json.begin_object().member("part", fault.part);
      json.member("code", to_string(fault.error.code())).member("message", fault.error.message());
      json.member("path", fault.error.path()).member("offset", fault.error.offset());
      json.member("expected", fault.error.expected()).member("found", fault.error.found());
      json.end_object();
    }
    json.end_array().member("snapshots", report.snapshots);
    json.member("snapshot_bytes", report.snapshot_bytes).member("entries", report.entries);
    json.member("recovered", report.recovered);
    json.member("first", report.first.value).member("last", report.last.value);
    json.member("nodes", report.nodes).member("edges", report.edges);
    json.member("digest", report.digest);
    json.key("recovery").raw(report.recovery.to_json()).end_object();
    json_line(context, json);
  }

  std::string store_;
};

}  // namespace

std::unique_ptr<Command> make_verify() { return std::make_unique<Verify>(); }

}  // namespace selvedge::cli
