// selvedge get: nodes and edges, by id or by what they are.
#include <fmt/format.h>

#include <selvedge/json.h>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/selection.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

class Get final : public Command {
 public:
  const char* name() const override { return "get"; }
  const char* summary() const override { return "show nodes or edges, by id or by what they are"; }
  const char* group() const override { return groups::ask; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "By their ids, or all that have a label or type and properties; an index is used where "
        "there "
        "is one. A value of --where is JSON if it can be read so (5, true, \"5\"), else text.");
    arguments.store(store_);
    arguments.positional_choice("KIND", kind_, {"node", "edge"}, "node or edge");
    arguments.positionals("ID", ids_, "one or more ids", false);
    arguments.option("--label", "NAME", label_, "nodes with this label");
    arguments.option("--type", "NAME", type_, "edges of this type");
    arguments.options("--where", "KEY=VALUE", where_, "that have this property; may be repeated");
    arguments.option("-n,--limit", "N", limit_, "at most so many (20)");
    arguments.option("--as-of", "WHEN", as_of_, as_of_help);
    arguments.example("get STORE node 268435712", "one node, with all that it has");
    arguments.example("get STORE node --label Airport --where iata=SFO", "nodes that match");
    arguments.example("get STORE edge --type FLIES_TO --limit 5 --json", "one JSON line for each");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(check());
    SELVEDGE_TRY(const Store store, open_to_read(context, store_, as_of_));
    const ReadView view = store.read();
    return kind_ == "node" ? nodes(context, view) : edges(context, view);
  }

 private:
  Status check() const {
    const bool selects = label_ || type_ || !where_.empty();
    if (!ids_.empty() && selects) {
      return fail(ErrorCode::invalid_argument,
                  "ids, or --label, --type and --where: not both at once");
    }
    if (limit() == 0) {
      return fail(ErrorCode::invalid_argument, "--limit is at least 1");
    }
    if ((kind_ == "node" && type_) || (kind_ == "edge" && label_)) {
      return fail(ErrorCode::invalid_argument, "nodes have a --label, edges a --type");
    }
    return {};
  }

  Result<Exit> nodes(Context& context, const ReadView& view) const {
    Table table(context.output, {{"NODE"}, {"LABELS"}, {"PROPERTIES"}});
    const auto show = [&](const Node& node) {
      if (context.json) {
        Json json;
        put_node(json, view, node);
        json_line(context, json);
      } else if (ids_.size() == 1) {
        show_one(context, view, node);
      } else {
        table.row({std::to_string(node.id().value), labels_text(view, node),
                   properties_text(view, node.properties())});
      }
    };
    for (const std::string& word : ids_) {
      SELVEDGE_TRY(const std::uint64_t id, parse_number(word, "the id of a node"));
      SELVEDGE_TRY(const Node node, view.get(NodeId{id}));
      show(node);
    }
    std::uint64_t count = 0;
    if (ids_.empty()) {
      SELVEDGE_TRY(auto wanted, parse_wanted(where_));
      SELVEDGE_TRY(Selection(label_, std::move(wanted)).nodes(view, [&](const Node& node) {
        show(node);
        return ++count < limit();
      }));
    }
    table.finish();
    return end(context, count);
  }

  Result<Exit> edges(Context& context, const ReadView& view) const {
    Table table(context.output, {{"EDGE"}, {"SOURCE"}, {"TYPE"}, {"TARGET"}, {"PROPERTIES"}});
    const auto show = [&](const Edge& edge) {
      if (context.json) {
        Json json;
        put_edge(json, view, edge);
        json_line(context, json);
      } else {
        table.row({std::to_string(edge.id().value), std::to_string(edge.source().value),
                   std::string(view.name(edge.type())), std::to_string(edge.target().value),
                   properties_text(view, edge.properties())});
      }
    };
    for (const std::string& word : ids_) {
      SELVEDGE_TRY(const std::uint64_t id, parse_number(word, "the id of an edge"));
      SELVEDGE_TRY(const Edge edge, view.get(EdgeId{id}));
      show(edge);
    }
    std::uint64_t count = 0;
    if (ids_.empty()) {
      SELVEDGE_TRY(auto wanted, parse_wanted(where_));
      SELVEDGE_TRY(Selection(type_, std::move(wanted)).edges(view, [&](const Edge& edge) {
        show(edge);
        return ++count < limit();
      }));
    }
    table.finish();
    return end(context, count);
  }

  static void show_one(Context& context, const ReadView& view, const Node& node) {
    Facts facts(context.output);
    for (std::size_t i = 0; i < node.properties().size(); ++i) {
      const PropertyView property = node.properties().at(i);
      facts.add(visible(view.name(property.key)), to_json(property.value.to_value()));
    }
    facts.add("edges",
              fmt::format("{} in, {} out", with_commas(view.degree(node.id(), Direction::in)),
                          with_commas(view.degree(node.id(), Direction::out))));
    facts.print(fmt::format("node {} {}", node.id().value, visible(labels_text(view, node))));
  }

  [[nodiscard]] std::uint64_t limit() const { return limit_.value_or(20); }

  /// Nothing found is an answer, and another exit code, so that a script can ask.
  Result<Exit> end(Context& context, std::uint64_t count) const {
    if (!ids_.empty()) {
      return Exit::ok;
    }
    if (count == 0) {
      context.output.note(fmt::format("no {} matches", kind_));
      return Exit::not_found;
    }
    if (count == limit() && !context.json) {
      context.output.note(fmt::format("the first {}; there may be more (--limit)", count));
    }
    return Exit::ok;
  }

  std::string store_;
  std::optional<std::string> as_of_;
  std::string kind_;
  std::vector<std::string> ids_;
  std::optional<std::string> label_;
  std::optional<std::string> type_;
  std::vector<std::string> where_;
  std::optional<std::uint64_t> limit_;
};

}  // namespace

std::unique_ptr<Command> make_get() { return std::make_unique<Get>(); }

}  // namespace selvedge::cli
