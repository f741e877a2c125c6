// selvedge stats: what is in the graph, counted.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/support.h"

namespace selvedge::cli {

namespace {

struct Counts {
  std::map<std::string, std::uint64_t> labels;
  std::map<std::string, std::uint64_t> types;
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::uint64_t unlabelled = 0;
  std::uint64_t alone = 0;  ///< nodes without edges
  std::uint64_t degree_max = 0;
  NodeId hub;
};

class Stats final : public Command {
 public:
  const char* name() const override { return "stats"; }
  const char* summary() const override { return "count what is in the graph, and what it takes"; }
  const char* group() const override { return groups::inspect; }
  void declare(Arguments& arguments) override {
    arguments.describe(
        "Recovers the graph in memory, beside whoever has the store open, and counts: nodes by "
        "label, "
        "edges by type, degrees, indexes and constraints, memory.");
    arguments.store(store_);
    arguments.option("--as-of", "WHEN", as_of_, as_of_help);
    arguments.example("stats STORE", "counts by label and type");
    arguments.example("stats STORE --json", "the same for programs");
  }

  Result<Exit> run(Context& context) override {
    SELVEDGE_TRY(const Store store, open_to_read(context, store_, as_of_));
    const ReadView view = store.read();
    const Counts counts = count(view);
    if (context.json) {
      show_json(context, store, counts);
    } else {
      show(context, store, counts);
    }
    return Exit::ok;
  }

 private:
  static Counts count(const ReadView& view) {
    Counts counts;
    for (auto cursor = view.nodes(); cursor.next();) {
      const Node& node = cursor.node();
      ++counts.nodes;
      counts.unlabelled += node.label_count() == 0 ? 1U : 0U;
      for (std::size_t i = 0; i < node.label_count(); ++i) {
        ++counts.labels[std::string(view.name(node.label(i)))];
      }
      const std::uint64_t degree = view.degree(node.id(), Direction::both);
      counts.alone += degree == 0 ? 1U : 0U;
      if (degree > counts.degree_max) {
        counts.degree_max = degree;
        counts.hub = node.id();
      }
    }
    for (auto scan = view.edges(); scan.next();) {
      ++counts.edges;
      ++counts.types[std::string(view.name(scan.edge().type()))];
    }
    return counts;
  }

  static void show(Context& context, const Store& store, const Counts& counts) {
    Output& output = context.output;
    const StoreStats stats = store.stats();
    Facts facts(output);
    facts.add("nodes",
              fmt::format("{} ({} without a label, {} without edges)", with_commas(counts.nodes),
                          with_commas(counts.unlabelled), with_commas(counts.alone)));
    facts.add("edges", with_commas(counts.edges));
    if (counts.degree_max > 0) {
      facts.add("largest degree",
                fmt::format("{} (node {})", with_commas(counts.degree_max), counts.hub.value));
    }
    facts.add("memory", human_bytes(stats.memory_used_bytes));
    facts.add("opened in", human_duration(store.recovery_report().total_microseconds));
    facts.print();
    show_counts(output, "LABEL", counts.labels);
    show_counts(output, "EDGE TYPE", counts.types);
    show_schema(output, store);
  }

  static void show_counts(Output& output, const char* title,
                          const std::map<std::string, std::uint64_t>& counts) {
    if (counts.empty()) {
      return;
    }
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    output.line("");
    Table table(output, {{title}, {"COUNT", Align::right}});
    for (const auto& [name, count] : sorted) {
      table.row({name, with_commas(count)});
    }
    table.finish();
  }

  static std::string keys_of(const SchemaSpec& spec) {
    std::string keys;
    for (const std::string& key : spec.keys) {
      keys += (keys.empty() ? "" : ", ") + key;
    }
    return keys;
  }

  static void show_schema(Output& output, const Store& store) {
    const auto schema = store.schema();
    if (schema.empty()) {
      return;
    }
    output.line("");
    Table table(output, {{"SCHEMA"}, {"KIND"}, {"ON"}, {"KEYS"}, {"ENTRIES", Align::right}});
    for (const SchemaInfo& each : schema) {
      table.row({each.spec.name, std::string(to_string(each.spec.kind)), each.spec.target,
                 keys_of(each.spec), with_commas(each.entries)});
    }
    table.finish();
  }

  static void put_counts(Json& json, const char* key,
                         const std::map<std::string, std::uint64_t>& counts) {
    json.key(key).begin_object();
    for (const auto& [name, count] : counts) {
      json.member(name, count);
    }
    json.end_object();
  }

  static void show_json(Context& context, const Store& store, const Counts& counts) {
    Json json;
    json.begin_object().member("nodes", counts.nodes).member("edges", counts.edges);
    json.member("nodes_without_label", counts.unlabelled);
    json.member("nodes_without_edges", counts.alone);
    json.member("degree_max", counts.degree_max);
    put_counts(json, "labels", counts.labels);
    put_counts(json, "types", counts.types);
    json.key("schema").begin_array();
    for (const SchemaInfo& each : store.schema()) {
      json.begin_object().member("name", each.spec.name);
      json.member("kind", to_string(each.spec.kind)).member("target", each.spec.target);
      json.member("on", each.spec.entity == EntityKind::node ? "nodes" : "edges");
      json.key("keys").begin_array();
      for (const std::string& key : each.spec.keys) {
        json.value(key);
      }
      json.end_array().member("entries", each.entries).end_object();
    }
    json.end_array().member("memory_bytes", store.stats().memory_used_bytes).end_object();
    json_line(context, json);
  }

  std::string store_;
  std::optional<std::string> as_of_;
};

}  // namespace

std::unique_ptr<Command> make_stats() { return std::make_unique<Stats>(); }

}  // namespace selvedge::cli
