// selvedge backup: a copy that opens by itself.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Backup final : public Command {
 public:
  const char* name() const override { return "backup"; }
  const char* summary() const override { return "write a consistent copy into a new directory"; }
  const char* group() const override { return groups::move; }
  void declare(Arguments& arguments) override {
    arguments.store(store_);
    arguments.path("DIRECTORY", directory_, "of the copy; it must not be there yet");
    arguments.example("backup STORE monday", "a store of its own, in the directory monday");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(Store store, open_to_change(context, store_));
    SELVEDGE_TRY(store.backup(directory_));
    SELVEDGE_TRY(store.close());
    SELVEDGE_TRY(const StoreFiles copy, inspect_files(directory_));
    if (context.json) {
      Json json;
      json.begin_object().member("directory", directory_);
      json.member("sequence", copy.watermark.value).member("bytes", copy.snapshot_bytes);
      json.end_object();
      json_line(context, json);
    } else {
      context.output.line(fmt::format("{}: the state at sequence {}, {}", directory_,
                                      copy.watermark.value, human_bytes(copy.snapshot_bytes)));
    }
    return Exit::ok;
  }

 private:
  std::string store_;
  std::string directory_;
};

}  // namespace

std::unique_ptr<Command> make_backup() { return std::make_unique<Backup>(); }

}  // namespace selvedge::cli
