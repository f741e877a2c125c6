// selvedge snapshot: a checkpoint, now.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Snapshot final : public Command {
 public:
  const char* name() const override { return "snapshot"; }
  const char* summary() const override {
    return "write a snapshot, so that the next open reads less log";
  }
  const char* group() const override { return groups::change; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Takes a checkpoint. Log that nothing needs any more goes, as log_retention and "
        "snapshots_kept say. A process that has the store open takes its checkpoints itself.");
    arguments.store(store_);
    arguments.example("snapshot STORE", "one more snapshot");
    arguments.example("snapshot STORE --set snapshot_compression=zstd", "a compressed one");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(Store store, open_to_change(context, store_));
    SELVEDGE_TRY(store.checkpoint());
    SELVEDGE_TRY(store.close());
    SELVEDGE_TRY(const StoreFiles files, inspect_files(store_));
    const SnapshotFile& fresh = files.snapshots.back();
    if (context.json) {
      Json json;
      json.begin_object().member("file", fresh.file).member("end", fresh.end.value);
      json.member("low_water", fresh.low_water.value).member("bytes", fresh.bytes);
      json.member("digest", fresh.digest).end_object();
      json_line(context, json);
    } else {
      context.output.line(fmt::format("{}: the state at sequence {}, {}", fresh.file,
                                      fresh.end.value, human_bytes(fresh.bytes)));
    }
    return Exit::ok;
  }

 private:
  std::string store_;
};

}  // namespace

std::unique_ptr<Command> make_snapshot() { return std::make_unique<Snapshot>(); }

}  // namespace selvedge::cli
