// selvedge txlog: the entries of the log.
#include <algorithm>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

std::vector<std::string> kind_words() {
  std::vector<std::string> words;
  for (int i = 0; i <= static_cast<int>(EntryKind::other); ++i) {
    words.emplace_back(to_string(static_cast<EntryKind>(i)));
  }
  return words;
}

class ShowLog final : public Command {
 public:
  const char* name() const override { return "txlog"; }
  const char* summary() const override { return "show entries of the log"; }
  const char* group() const override { return groups::ask; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Everything that is retained of the log, in order; beside a process that has the store "
        "open "
        "as it is at this moment. What a crash could still take back is not shown, unless "
        "--unconfirmed.");
    arguments.store(store_);
    arguments.option("--from", "SEQ", from_, "from this sequence on");
    arguments.option("--to", "SEQ", to_, "up to this one");
    arguments.option("-n,--limit", "N", limit_, "at most so many entries");
    arguments.option("--tail", "N", tail_, "the last N sequences");
    arguments.option("--transaction", "ID", transaction_, "of one transaction: its UUID or number");
    arguments.choices("--kind", kinds_, kind_words(), "only these; may be repeated");
    arguments.option("--node", "ID", node_, "what changed this node");
    arguments.option("--edge", "ID", edge_, "what changed this edge");
    arguments.flag("--unconfirmed", unconfirmed_, "also what nothing proves to be on the disk");
    arguments.example("txlog STORE --tail 20", "what happened last");
    arguments.example("txlog STORE --node 268435712", "all that changed one node");
    arguments.example("txlog STORE --kind delete_node --json", "one JSON line for each entry");
    arguments.example("txlog STORE --transaction 17", "all of one transaction");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const Txlog log, open_log(store_, unconfirmed_));
    SELVEDGE_TRY(auto cursor, ask(log));
    Table table(context.output,
                {{"SEQ", Align::right}, {"TIME"}, {"TX", Align::right}, {"KIND"}, {"WHAT"}});
    std::uint64_t count = 0;
    while ((!limit_ || count < *limit_) && cursor.next()) {
      const LogEntry& entry = cursor.entry();
      if (transaction_ && !wanted(entry)) {
        continue;
      }
      ++count;
      if (context.json) {
        context.output.line(to_json(entry));
        continue;
      }
      table.row({std::to_string(entry.sequence.value), iso_time(entry.timestamp),
                 entry.number.value == 0 ? "-" : std::to_string(entry.number.value),
                 std::string(to_string(entry.kind)), describe(entry)});
    }
    table.finish();
    if (!cursor.status()) {
      return fail(cursor.status().error().clone());
    }
    return Exit::ok;
  }

 private:
  Result<TxlogCursor> ask(const Txlog& log) const {
    if (transaction_) {
      if (from_ || to_ || tail_) {
        return fail(ErrorCode::invalid_argument, "--transaction is a range by itself");
      }
      if (const auto uuid = parse_uuid(*transaction_)) {
        return log.by_transaction(*uuid);
      }
      SELVEDGE_TRY(const std::uint64_t number,
                   parse_number(*transaction_, "a transaction without a UUID"));
      return log.by_transaction(TxnNumber{number});
    }
    std::uint64_t from = from_.value_or(log.first().value);
    if (tail_) {
      const std::uint64_t last = log.last().value;
      from = std::max({from, log.first().value, last < *tail_ ? 1 : last - *tail_ + 1});
    }
    EntryFilter filter;
    for (const std::string& word : kinds_) {
      filter.kinds.push_back(parse_entry_kind(word).value_or(EntryKind::other));
    }
    if (node_) {
      filter.node = NodeId{*node_};
    }
    if (edge_) {
      filter.edge = EdgeId{*edge_};
    }
    return log.entries({from}, {to_.value_or(0)}, limit_.value_or(0), std::move(filter));
  }

  /// The filters, for a transaction's own cursor, which has none.
  [[nodiscard]] bool wanted(const LogEntry& entry) const {
    const std::string kind(to_string(entry.kind));
    if (!kinds_.empty() && std::find(kinds_.begin(), kinds_.end(), kind) == kinds_.end()) {
      return false;
    }
    return (!node_ && !edge_) ||
           std::any_of(entry.changes.begin(), entry.changes.end(), [&](const LoggedChange& change) {
             return (node_ && change.node.value == *node_) ||
                    (edge_ && change.edge.value == *edge_);
           });
  }

  std::string store_;
  std::optional<std::uint64_t> from_;
  std::optional<std::uint64_t> to_;
  std::optional<std::uint64_t> limit_;
  std::optional<std::uint64_t> tail_;
  std::optional<std::string> transaction_;
  std::vector<std::string> kinds_;
  std::optional<std::uint64_t> node_;
  std::optional<std::uint64_t> edge_;
  bool unconfirmed_ = false;
};

}  // namespace

std::unique_ptr<Command> make_txlog() { return std::make_unique<ShowLog>(); }

}  // namespace selvedge::cli
