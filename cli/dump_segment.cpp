// selvedge dump-segment: one file of the log, frame by frame.
#include <fmt/format.h>

#include <selvedge/inspect.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

std::string flags_of(const SegmentFrame& frame) {
  std::string flags;
  const auto add = [&](bool has, const char* word) {
    if (has) {
      flags += (flags.empty() ? "" : " ") + std::string(word);
    }
  };
  add(frame.begin, "begin");
  add(frame.commit, "commit");
  add(frame.abort, "abort");
  add(frame.regenerable, "regenerable");
  add(frame.damaged, "DAMAGED");
  if (frame.kind == SegmentFrameKind::sync_mark) {
    flags += fmt::format("{}durable {}", flags.empty() ? "" : " ", frame.watermark.value);
  } else if (frame.kind == SegmentFrameKind::seal) {
    flags +=
        frame.next_segment == 0 ? "closed" : fmt::format("next segment {}", frame.next_segment);
  }
  return flags;
}

class DumpSegment final : public Command {
 public:
  const char* name() const override { return "dump-segment"; }
  const char* summary() const override { return "show one file of the log, frame by frame"; }
  const char* group() const override { return groups::inspect; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Reads one segment by itself, plain or compressed, wherever it lies: header, frames, and "
        "what "
        "stands behind the last one. Exit code 4 when bytes cannot be right.");
    arguments.path("FILE", file_, "STORE/wal/NNNNNN.wal or STORE/history/NNNNNN.wal.zst");
    arguments.example("dump-segment STORE/wal/000001.wal", "header, frames, end");
    arguments.example("dump-segment STORE/wal/000001.wal --json", "one JSON line for each");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(SegmentDump dump, SegmentDump::open(file_));
    show_header(context, dump.header());
    Table table(context.output, {{"OFFSET", Align::right},
                                 {"BYTES", Align::right},
                                 {"KIND"},
                                 {"SEQ", Align::right},
                                 {"COUNT", Align::right},
                                 {"TX", Align::right},
                                 {"TIME"},
                                 {"FLAGS"}});
    while (dump.next()) {
      show_frame(context, table, dump.frame());
    }
    table.finish();
    if (!dump.status()) {
      return fail(dump.status().error().clone());
    }
    show_end(context, dump);
    if (!dump.fault()) {
      return fail(dump.fault().error().clone());
    }
    return Exit::ok;
  }

 private:
  static void show_header(Context& context, const SegmentHeaderFacts& header) {
    if (context.json) {
      Json json;
      json.begin_object().member("segment", header.number);
      json.member("store", to_string(header.store)).member("first", header.first.value);
      json.member("predecessor_last", header.predecessor_last.value);
      json.member("created", header.created.microseconds).member("salt", header.salt);
      json.member("recycled", header.recycled).member("compressed", header.compressed);
      json.member("bytes", header.file_bytes).end_object();
      json_line(context, json);
      return;
    }
    Facts facts(context.output);
    facts.add("segment", fmt::format("{}{}{}", header.number, header.recycled ? ", recycled" : "",
                                     header.compressed ? ", compressed" : ""));
    facts.add("store", to_string(header.store));
    facts.add("created", iso_time(header.created));
    facts.add("first",
              fmt::format("{} (behind {})", header.first.value, header.predecessor_last.value));
    facts.add("salt", fmt::format("{:08x}", header.salt));
    facts.add("bytes", with_commas(header.file_bytes));
    facts.print();
    context.output.line("");
  }

  static void show_frame(Context& context, Table& table, const SegmentFrame& frame) {
    if (context.json) {
      Json json;
      json.begin_object().member("offset", frame.offset).member("bytes", frame.bytes);
      json.member("kind", to_string(frame.kind)).member("seq", frame.sequence.value);
      json.member("count", frame.count).member("txNumber", frame.transaction.value);
      json.member("begin", frame.begin).member("commit", frame.commit);
      json.member("abort", frame.abort).member("regenerable", frame.regenerable);
      json.member("damaged", frame.damaged).member("payload_bytes", frame.payload_bytes);
      json.member("payload_crc", frame.payload_crc);
      json.member("timestamp", frame.timestamp.microseconds);
      if (frame.kind == SegmentFrameKind::sync_mark) {
        json.member("durable", frame.watermark.value);
      } else if (frame.kind == SegmentFrameKind::seal) {
        json.member("next_segment", frame.next_segment);
      }
      json.end_object();
      json_line(context, json);
      return;
    }
    table.row({std::to_string(frame.offset), std::to_string(frame.bytes),
               std::string(to_string(frame.kind)), std::to_string(frame.sequence.value),
               std::to_string(frame.count),
               frame.transaction.value == 0 ? "-" : std::to_string(frame.transaction.value),
               iso_time(frame.timestamp), flags_of(frame)});
  }

  static void show_end(Context& context, const SegmentDump& dump) {
    if (context.json) {
      Json json;
      json.begin_object().member("end", to_string(dump.end()));
      json.member("offset", dump.end_offset()).end_object();
      json_line(context, json);
      return;
    }
    const char* what = "";
    switch (dump.end()) {
      case SegmentEnd::sealed: what = "the segment is complete"; break;
      case SegmentEnd::unwritten: what = "nothing is written behind it"; break;
      case SegmentEnd::stale: what = "behind it stands an earlier life of the file"; break;
      case SegmentEnd::damaged: what = "there is damage"; break;
    }
    context.output.line(fmt::format("\nend at {}: {}", dump.end_offset(), what));
  }

  std::string file_;
};

}  // namespace

std::unique_ptr<Command> make_dump_segment() { return std::make_unique<DumpSegment>(); }

}  // namespace selvedge::cli
