// selvedge compact: lets go of all log and snapshots that the options do not keep.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

std::uint64_t bytes_of(const StoreFiles& files) {
  return files.log_bytes + files.snapshot_bytes + files.history_bytes;
}

std::uint64_t compressible(const StoreFiles& files) {
  std::uint64_t count = 0;
  for (const SegmentFile& each : files.segments) {
    count += each.use == SegmentUse::used ? 1U : 0U;
  }
  return count;
}

class Compact final : public Command {
 public:
  const char* name() const override { return "compact"; }
  const char* summary() const override { return "let go of log and snapshots that nothing keeps"; }
  const char* group() const override { return groups::change; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Takes two checkpoints, so that the log before them is not needed by recovery, lets go of "
        "what log_retention and snapshots_kept do not keep, and compresses the rest if "
        "log_retention.compression says so. History that goes is gone: give the options that the "
        "store is used with.");
    arguments.store(store_);
    arguments.example("compact STORE", "as the options are");
    arguments.example(
        "compact STORE --set log_retention.everything=true --set "
        "log_retention.compression=zstd",
        "keep all history, compressed");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const StoreFiles before, inspect_files(store_));
    {
      SELVEDGE_TRY(Store store, open_to_change(context, store_));
      SELVEDGE_TRY(store.checkpoint());
      SELVEDGE_TRY(store.checkpoint());
      SELVEDGE_TRY(compress(context, store));
      SELVEDGE_TRY(store.close());
    }
    SELVEDGE_TRY(const StoreFiles after, inspect_files(store_));
    SELVEDGE_TRY(const Txlog log, Txlog::open(store_));
    if (context.json) {
      Json json;
      json.begin_object().member("bytes_before", bytes_of(before));
      json.member("bytes_after", bytes_of(after));
      json.member("first", log.first().value).member("last", log.last().value).end_object();
      json_line(context, json);
    } else {
      context.output.line(fmt::format("{} before, {} now; the log is retained from sequence {}",
                                      human_bytes(bytes_of(before)), human_bytes(bytes_of(after)),
                                      log.first().value));
    }
    return Exit::ok;
  }

 private:
  /// Maintenance compresses one segment in each round.
  Status compress(Context& context, Store& store) const {
    if (context.config.options().log_retention.compression == Compression::none) {
      return {};
    }
    ProgressBar bar(context.output, "compress");
    SELVEDGE_TRY(StoreFiles files, inspect_files(store_));
    const std::uint64_t all = compressible(files);
    for (std::uint64_t left = all + 1; left > compressible(files);) {
      left = compressible(files);
      bar.show(all - left, all);
      SELVEDGE_TRY(store.maintain());
      SELVEDGE_TRY(files, inspect_files(store_));
    }
    return {};
  }

  std::string store_;
};

}  // namespace

std::unique_ptr<Command> make_compact() { return std::make_unique<Compact>(); }

}  // namespace selvedge::cli
