// selvedge neighbors: what can be reached from a node.
#include <unordered_set>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/selection.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Neighbors final : public Command {
 public:
  const char* name() const override { return "neighbors"; }
  const char* summary() const override { return "show what is connected to a node"; }
  const char* group() const override { return groups::ask; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Each neighbour with the edge that leads to it. With --depth nodes further away too, each "
        "once, the nearest first.");
    arguments.store(store_);
    arguments.positional("NODE", node_, "the id of a node; or --label and --where", false);
    arguments.option("--label", "NAME", label_, "the node with this label");
    arguments.options("--where", "KEY=VALUE", where_, "and this property; may be repeated");
    arguments.choice("--direction", direction_, {"out", "in", "both"}, "of the edges (both)");
    arguments.option("--type", "NAME", type_, "only over edges of this type");
    arguments.option("--depth", "N", depth_, "edges to go (1)");
    arguments.option("-n,--limit", "N", limit_, "at most so many (20)");
    arguments.option("--as-of", "WHEN", as_of_, as_of_help);
    arguments.example("neighbors STORE 268435712", "its edges, in and out");
    arguments.example("neighbors STORE --label Airport --where iata=SFO --direction out",
                      "where one can fly to from there");
    arguments.example("neighbors STORE 268435712 --depth 2 --json", "one JSON line for each");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const Store store, open_to_read(context, store_, as_of_));
    const ReadView view = store.read();
    SELVEDGE_TRY(const NodeId start, find(view));
    return walk(context, view, start);
  }

 private:
  /// The one node that is meant.
  Result<NodeId> find(const ReadView& view) const {
    if (!node_.empty()) {
      if (label_ || !where_.empty()) {
        return fail(ErrorCode::invalid_argument, "an id, or --label and --where: not both at once");
      }
      SELVEDGE_TRY(const std::uint64_t id, parse_number(node_, "the id of a node"));
      SELVEDGE_TRY(const Node node, view.get(NodeId{id}));
      return node.id();
    }
    if (!label_ && where_.empty()) {
      return fail(ErrorCode::invalid_argument, "which node? An id, or --label and --where");
    }
    std::vector<NodeId> found;
    SELVEDGE_TRY(auto wanted, parse_wanted(where_));
    SELVEDGE_TRY(Selection(label_, std::move(wanted)).nodes(view, [&](const Node& node) {
      found.push_back(node.id());
      return found.size() < 2;
    }));
    if (found.empty()) {
      return fail(ErrorCode::not_found, "no node matches");
    }
    if (found.size() > 1) {
      return fail(
          ErrorCode::invalid_argument,
          fmt::format("several nodes match, among them {} and {}", found[0].value, found[1].value));
    }
    return found.front();
  }

  [[nodiscard]] Direction direction() const {
    return direction_ == "out"  ? Direction::out
           : direction_ == "in" ? Direction::in
                                : Direction::both;
  }

  Result<Exit> walk(Context& context, const ReadView& view, NodeId start) const {
    const std::uint64_t depth = depth_.value_or(1);
    const std::uint64_t limit = limit_.value_or(20);
    Table table(context.output,
                {{"HOPS", Align::right}, {"EDGE"}, {"TYPE"}, {"NODE"}, {"LABELS"}, {"PROPERTIES"}});
    std::unordered_set<NodeId> seen = {start};
    std::vector<NodeId> border = {start};
    std::uint64_t count = 0;
    bool cut = false;
    for (std::uint64_t hop = 1; hop <= depth && !border.empty() && !cut; ++hop) {
      std::vector<NodeId> next;
      for (const NodeId from : border) {
        auto cursor = type_ ? view.edges(from, direction(), *type_) : view.edges(from, direction());
        while (!cut && cursor.next()) {
          // At one hop every edge is shown; further away every node.
          const bool fresh = seen.insert(cursor.neighbour()).second;
          if (!fresh && depth > 1) {
            continue;
          }
          if (count == limit) {
            cut = true;
            break;
          }
          ++count;
          next.push_back(cursor.neighbour());
          SELVEDGE_TRY(show(context, view, table, hop, cursor));
        }
      }
      border = std::move(next);
    }
    table.finish();
    if (cut && !context.json) {
      context.output.note(fmt::format("the first {}; there are more (--limit)", count));
    }
    return Exit::ok;
  }

  static Status show(Context& context, const ReadView& view, Table& table, std::uint64_t hop,
                     const EdgeCursor& cursor) {
    const Edge edge = cursor.edge();
    SELVEDGE_TRY(const Node node, view.get(cursor.neighbour()));
    if (context.json) {
      Json json;
      json.begin_object().member("hops", hop).member("outgoing", cursor.outgoing()).key("edge");
      put_edge(json, view, edge);
      json.key("node");
      put_node(json, view, node);
      json.end_object();
      json_line(context, json);
      return {};
    }
    const std::string type(view.name(edge.type()));
    table.row({std::to_string(hop), std::to_string(edge.id().value),
               cursor.outgoing() ? "-" + type + "->" : "<-" + type + "-",
               std::to_string(node.id().value), labels_text(view, node),
               properties_text(view, node.properties())});
    return {};
  }

  std::string store_;
  std::optional<std::string> as_of_;
  std::string node_;
  std::optional<std::string> label_;
  std::vector<std::string> where_;
  std::optional<std::string> direction_;
  std::optional<std::string> type_;
  std::optional<std::uint64_t> depth_;
  std::optional<std::uint64_t> limit_;
};

}  // namespace

std::unique_ptr<Command> make_neighbors() { return std::make_unique<Neighbors>(); }

}  // namespace selvedge::cli
