// selvedge recover: what an open does, on purpose.
#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Recover final : public Command {
 public:
  const char* name() const override { return "recover"; }
  const char* summary() const override { return "recover the store after a crash, and say how"; }
  const char* group() const override { return groups::change; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Every open recovers; this one does nothing else, and closes the store properly. A store "
        "with damage is refused, and nothing changes, unless --salvage says that the log may end "
        "at "
        "the damage: what comes behind it is lost. Take a copy of the directory before that.");
    arguments.store(store_);
    arguments.flag("--dry-run", dry_run_, "change nothing, only tell what would be done");
    arguments.flag("--salvage", salvage_, "end the log at the first damage instead of refusing");
    arguments.example("recover STORE --dry-run", "what the next open will do");
    arguments.example("recover STORE", "recover, and close properly");
    arguments.example("recover STORE --salvage --dry-run", "what could be saved, and what is lost");
  }

  Result<Exit> run(Context& context) override {
    if (salvage_) {
      SELVEDGE_TRY(context.config.set("salvage", "true", "--salvage"));
    }
    if (dry_run_) {
      SELVEDGE_TRY(const Store store, open_to_read(context, store_));
      return show(context, store.recovery_report());
    }
    SELVEDGE_TRY(Store store, open_to_change(context, store_));
    const RecoveryReport report = store.recovery_report();
    SELVEDGE_TRY(store.close());
    return show(context, report);
  }

 private:
  Exit show(Context& context, const RecoveryReport& report) const {
    if (context.json) {
      context.output.line(report.to_json());
      return Exit::ok;
    }
    show_recovery(context, report);
    context.output.line("");
    context.output.line(dry_run_          ? "Nothing was changed (--dry-run)."
                        : report.salvaged ? "Salvaged, and closed properly."
                                          : "Recovered, and closed properly.");
    return Exit::ok;
  }

  std::string store_;
  bool dry_run_ = false;
  bool salvage_ = false;
};

}  // namespace

std::unique_ptr<Command> make_recover() { return std::make_unique<Recover>(); }

}  // namespace selvedge::cli
