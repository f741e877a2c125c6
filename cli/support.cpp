#include "cli/support.h"

#include <algorithm>
#include <ctime>

#include <fmt/format.h>

namespace selvedge::cli {

namespace {

constexpr const char* origin = "command";

void show_phases(Context& context, const RecoveryReport& report) {
  Table table(context.output, {{"PHASE"},
                               {"ENTRIES", Align::right},
                               {"APPLIED", Align::right},
                               {"SKIPPED", Align::right},
                               {"TIME", Align::right}});
  const auto row = [&](const char* name, const PhaseReport& phase) {
    table.row({name, with_commas(phase.entries), with_commas(phase.applied),
               with_commas(phase.skipped), human_duration(phase.microseconds)});
  };
  row("analyse", report.analyse);
  row("redo", report.redo);
  row("undo", report.undo);
  row("non-transactional", report.non_transactional);
  table.finish();
}

void show_losses(Context& context, const RecoveryReport& report) {
  if (!report.rolled_back.empty()) {
    context.output.line("");
    Table table(context.output, {{"ROLLED BACK", Align::right},
                                 {"WHY"},
                                 {"ENTRIES", Align::right},
                                 {"UNDONE", Align::right}});
    for (const RolledBack& each : report.rolled_back) {
      table.row({std::to_string(each.number.value), each.aborted ? "aborted" : "cut off",
                 with_commas(each.entries), with_commas(each.undone)});
    }
    table.finish();
  }
  if (!report.dropped.empty()) {
    context.output.line("");
    Table table(context.output,
                {{"DROPPED"}, {"OFFSET", Align::right}, {"BYTES", Align::right}, {"WHY"}});
    for (const DroppedBytes& each : report.dropped) {
      table.row({each.path, std::to_string(each.offset), with_commas(each.bytes), each.reason});
    }
    table.finish();
  }
  for (const std::string& each : report.rejected_snapshots) {
    context.output.line("rejected snapshot: " + visible(each));
  }
  for (const std::string& each : report.skipped_regenerable) {
    context.output.line("skipped embedding: " + visible(each));
  }
  for (const std::string& each : report.strays) {
    context.output.line("file of nobody: " + visible(each));
  }
}

}  // namespace

Result<Store> open_to_read(Context& context, const std::string& path) {
  SELVEDGE_TRY(context.config.set("read_only", "true", origin));
  return Store::open(path, context.config.options());
}

Result<Store> open_to_read(Context& context, const std::string& path,
                           const std::optional<std::string>& as_of) {
  if (!as_of) {
    return open_to_read(context, path);
  }
  SELVEDGE_TRY(const auto moment, parse_moment(*as_of));
  return std::visit(
      [&](const auto& at) { return Store::open_as_of(path, at, context.config.options()); },
      moment);
}

Result<Store> open_to_change(Context& context, const std::string& path) {
  SELVEDGE_TRY(context.config.set("create_if_missing", "false", origin));
  SELVEDGE_TRY(context.config.set("background_maintenance", "false", origin));
  return Store::open(path, context.config.options());
}

Result<Txlog> open_log(const std::string& path, bool unconfirmed) {
  SELVEDGE_TRY(inspect_files(path));  // its errors say what the path is, if it is no store
  TxlogOptions options;
  options.unconfirmed = unconfirmed;
  return Txlog::open(path, options);
}

ProgressCallback progress_on(ProgressBar& bar) {
  return [&bar](const Progress& progress) {
    bar.rename(fmt::format("{}: {}", to_string(progress.activity), progress.step));
    bar.show(progress.done, progress.total);
  };
}

void json_line(Context& context, Json& json) { context.output.line(json.take()); }

void show_recovery(Context& context, const RecoveryReport& report) {
  Facts facts(context.output);
  facts.add("closed", report.clean_close ? "properly" : "not properly: recovered from the log");
  facts.add("snapshot",
            report.snapshot.empty()
                ? "none"
                : fmt::format("{} ({}, {})", report.snapshot, plural(report.snapshot_nodes, "node"),
                              plural(report.snapshot_edges, "edge")));
  facts.add("log",
            report.recovered < report.low_water
                ? fmt::format("nothing behind sequence {}", report.recovered.value)
                : fmt::format("{} in {}, from sequence {} to {}", human_bytes(report.log_bytes),
                              plural(report.segments, "segment"), report.low_water.value,
                              report.recovered.value));
  facts.add("transactions", fmt::format("{} committed, {} aborted, {} incomplete",
                                        with_commas(report.transactions_committed),
                                        with_commas(report.transactions_aborted),
                                        with_commas(report.transactions_incomplete)));
  facts.add("graph",
            fmt::format("{}, {}", plural(report.nodes, "node"), plural(report.edges, "edge")));
  facts.add("time", human_duration(report.total_microseconds));
  if (report.salvaged || !report.damage.empty()) {
    facts.add("damage", report.damage.empty() ? "none" : report.damage, Style::bad);
  }
  facts.print();
  context.output.line("");
  show_phases(context, report);
  show_losses(context, report);
}

Result<std::variant<Sequence, Timestamp>> parse_moment(const std::string& text) {
  if (text.find('-') == std::string::npos) {
    SELVEDGE_TRY(const std::uint64_t number, parse_number(text, "a sequence"));
    return Sequence{number};
  }
  std::string whole = text;
  std::int64_t part_us = 0;
  if (whole.ends_with('Z')) {
    whole.pop_back();
  }
  bool good = true;
  if (const std::size_t dot = whole.find('.'); dot != std::string::npos) {
    std::string digits = whole.substr(dot + 1);
    whole.resize(dot);
    good = !digits.empty() && digits.size() <= 6 &&
           digits.find_first_not_of("0123456789") == std::string::npos;
    digits.resize(6, '0');
    part_us = good ? std::stoll(digits) : 0;
  }
  std::tm parts{};
  const char* end = nullptr;
  for (const char* form : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"}) {
    parts = {};
    end = ::strptime(whole.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') {
      break;
    }
    end = nullptr;
  }
  if (!good || end == nullptr) {
    return fail(Error(ErrorCode::invalid_argument, "this is neither a sequence nor a time")
                    .mismatch("4711, or 2026-11-21T17:13:06.250000Z", "\"" + text + "\""));
  }
  return Timestamp{static_cast<std::int64_t>(::timegm(&parts)) * 1000000 + part_us};
}

Result<std::uint64_t> parse_number(std::string_view text, const char* what) {
  const bool digits =
      !text.empty() && text.size() <= 20 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  std::uint64_t number = 0;
  bool fits = digits;
  for (const char c : digits ? text : std::string_view()) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    fits = fits && number <= (~std::uint64_t{0} - digit) / 10;
    number = number * 10 + digit;
  }
  if (!fits) {
    return fail(Error(ErrorCode::invalid_argument, fmt::format("{} is a number", what))
                    .mismatch("digits", fmt::format("\"{}\"", text)));
  }
  return number;
}

}  // namespace selvedge::cli
