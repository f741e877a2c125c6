// selvedge feed: what was committed, one commit after another.
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class ShowFeed final : public Command {
 public:
  const char* name() const override { return "feed"; }
  const char* summary() const override { return "show what was committed, and follow it"; }
  const char* group() const override { return groups::ask; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Each commit once, in order, with what it changed in the end: entity by entity, before and "
        "after. With --follow it waits for more, also beside the process that writes; to go on "
        "later, keep the sequence of the last commit and ask for --from the next.");
    arguments.store(store_);
    arguments.option("--from", "SEQ", from_, "commits from this sequence on");
    arguments.option("-n,--limit", "N", limit_, "at most so many commits");
    arguments.flag("-f,--follow", follow_, "go on when there is more, until interrupted");
    arguments.option("--interval", "MS", interval_, "of --follow, in milliseconds (500)");
    arguments.example("feed STORE", "all commits that are retained");
    arguments.example("feed STORE --from 4711 --follow --json", "one JSON line for each commit");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(Txlog log, open_log(store_));
    std::uint64_t next = from_.value_or(log.first().value);
    for (;;) {
      SELVEDGE_TRY(next, drain(context, log, next));
      if (!follow_ || (limit_ && shown_ >= *limit_)) {
        return Exit::ok;
      }
      context.output.flush();
      std::this_thread::sleep_for(std::chrono::milliseconds(interval_.value_or(500)));
      SELVEDGE_TRY(log, open_log(store_));  // its end is where it was when it was opened
    }
  }

 private:
  /// Shows what there is; where to go on.
  Result<std::uint64_t> drain(Context& context, const Txlog& log, std::uint64_t next) {
    if (next > log.last().value) {
      return next;
    }
    SELVEDGE_TRY(Feed feed, log.feed({next}));
    while ((!limit_ || shown_ < *limit_) && feed.next()) {
      ++shown_;
      next = feed.commit().sequence.value + 1;
      if (context.json) {
        show_json(context, feed);
      } else {
        show(context, feed);
      }
    }
    if (!feed.status()) {
      return fail(feed.status().error().clone());
    }
    return next;
  }

  static void show(Context& context, Feed& feed) {
    const FeedCommit& commit = feed.commit();
    std::string title =
        fmt::format("commit {}  {}", commit.sequence.value, iso_time(commit.timestamp));
    if (commit.transaction) {
      title +=
          fmt::format("  transaction {} {}", commit.number.value, to_string(*commit.transaction));
    }
    context.output.line(context.output.styled(Style::bold, title));
    for (const auto& [key, value] : commit.metadata) {
      context.output.line(visible(fmt::format("  {} = {}", key, value)));
    }
    while (feed.next_change()) {
      const LoggedChange& change = feed.change();
      context.output.line(
          visible(fmt::format("  {:12} {}", to_string(change.kind), describe(change))));
    }
  }

  static void show_json(Context& context, Feed& feed) {
    const FeedCommit& commit = feed.commit();
    Json json;
    json.begin_object().member("seq", commit.sequence.value);
    json.member("txNumber", commit.number.value);
    json.member("txId",
                commit.transaction ? std::optional(to_string(*commit.transaction)) : std::nullopt);
    json.member("db", to_string(commit.db)).member("timestamp", commit.timestamp.microseconds);
    json.key("metadata").begin_array();
    for (const auto& [key, value] : commit.metadata) {
      json.begin_array().value(key).value(value).end_array();
    }
    json.end_array().key("changes").begin_array();
    while (feed.next_change()) {
      json.raw(to_json(feed.change()));
    }
    json.end_array().end_object();
    if (feed.status()) {
      json_line(context, json);
    }
  }

  std::string store_;
  std::optional<std::uint64_t> from_;
  std::optional<std::uint64_t> limit_;
  std::optional<std::uint64_t> interval_;
  bool follow_ = false;
  std::uint64_t shown_ = 0;
};

}  // namespace

std::unique_ptr<Command> make_feed() { return std::make_unique<ShowFeed>(); }

}  // namespace selvedge::cli
