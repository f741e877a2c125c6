#include "migration/marks.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace selvedge::migration {

namespace {

/// A crash right behind the last commit is what this is about: that is near the end of the log.
constexpr std::uint64_t entries_looked_at = 65536;

struct Count {
  const char* name;
  std::uint64_t State::*member;
};
constexpr std::array<Count, 6> counts{{{"records", &State::records},
                                       {"nodes", &State::nodes},
                                       {"edges", &State::edges},
                                       {"embeddings", &State::embeddings},
                                       {"schema", &State::schema},
                                       {"bad", &State::bad}}};

Value texts(const std::vector<std::string>& from) {
  List list;
  for (const std::string& each : from) {
    list.emplace_back(each);
  }
  return list;
}

std::vector<std::string> texts(const ValueView& from) {
  std::vector<std::string> result;
  if (from.present() && from.type() == ValueType::list) {
    from.for_each([&](const ValueView& each) {
      result.emplace_back(each.as_string().value_or(std::string_view{}));
    });
  }
  return result;
}

std::vector<std::pair<std::string, Value>> properties_of(const State& state) {
  std::vector<std::pair<std::string, Value>> result{
      {"source", Value(state.source)},
      {"format", Value(static_cast<std::int64_t>(state.format))},
      {"paths", texts(state.paths)},
      {"phase", Value(static_cast<std::int64_t>(state.phase))},
      {"made", texts(state.made)}};
  for (const Count& each : counts) {
    result.emplace_back(each.name, Value(static_cast<std::int64_t>(state.*each.member)));
  }
  return result;
}

std::vector<Property> borrowed(const std::vector<std::pair<std::string, Value>>& owned) {
  std::vector<Property> result;
  result.reserve(owned.size());
  for (const auto& [key, value] : owned) {
    result.push_back({key, value});
  }
  return result;
}

Result<State> state_of(const Node& node) {
  State state;
  const auto source = node["source"].as_string();
  const auto format = node["format"].as_int64();
  const auto phase = node["phase"].as_int64();
  bool good = source && format && phase && *format >= 0 &&
              *format <= static_cast<std::int64_t>(GraphFormat::nornicdb) && *phase >= 0 &&
              *phase <= static_cast<std::int64_t>(State::Phase::discard);
  for (const Count& each : counts) {
    const auto number = node[each.name].as_int64();
    good = good && number && *number >= 0;
    state.*each.member = static_cast<std::uint64_t>(number.value_or(0));
  }
  if (!good) {
    return fail(Error(ErrorCode::corruption, "the node of an unfinished import is not as it was")
                    .with_entity(node.id().value));
  }
  state.source = *source;
  state.format = static_cast<GraphFormat>(*format);
  state.phase = static_cast<State::Phase>(*phase);
  state.paths = texts(node["paths"]);
  state.made = texts(node["made"]);
  return state;
}

}  // namespace

SchemaSpec id_index() {
  SchemaSpec spec = SchemaSpec::node_unique(std::string(import_mark), {std::string(import_mark)});
  spec.name = "selvedge:import ids";
  return spec;
}

Result<std::optional<StateNode>> find_state(const Reader& view) {
  const auto id = view.first(state_label);
  if (!id) {
    return std::nullopt;
  }
  SELVEDGE_TRY(const Node node, view.get(*id));
  SELVEDGE_TRY(State state, state_of(node));
  return StateNode{*id, std::move(state)};
}

Result<NodeId> create_state(Store& store, const State& state) {
  RetryOptions retry;
  retry.transaction.isolation = Isolation::serializable;  // of two, one finds that there is none
  return store.transact(
      [&](Transaction& tx) -> Result<NodeId> {
        if (tx.first(state_label)) {
          return fail(ErrorCode::already_exists, "another import has begun in this store");
        }
        const LabelRef label[] = {state_label};
        const auto owned = properties_of(state);
        return tx.create_node(label, borrowed(owned));
      },
      retry);
}

Status replace_state(Transaction& tx, NodeId id, const State& before, const State& after) {
  const auto node = tx.get(id);
  if (!node) {
    if (node.error().code() != ErrorCode::not_found) {
      return fail(node.error().clone());
    }
    return fail(ErrorCode::locked,
                "another import of this store is at work: it has ended this one");
  }
  SELVEDGE_TRY(const State found, state_of(*node));
  if (!(found == before)) {
    return fail(Error(ErrorCode::locked, "another import of this store is at work")
                    .mismatch(std::to_string(before.records) + " records",
                              std::to_string(found.records) + " records"));
  }
  const auto owned = properties_of(after);
  return tx.set(id, borrowed(owned));
}

Result<std::optional<State>> find_done(const Store& store, const std::string& source) {
  SELVEDGE_TRY(const Txlog log, store.txlog());
  const std::uint64_t last = log.last().value;
  std::uint64_t from = std::max(log.first().value, std::uint64_t{1});
  if (from > last) {
    return std::nullopt;
  }
  from = std::max(from, last - std::min(last, entries_looked_at));
  EntryFilter begins;
  begins.kinds = {EntryKind::tx_begin};
  SELVEDGE_TRY(auto cursor, log.entries({from}, {last}, 0, begins));
  std::optional<State> found;
  while (cursor.next()) {
    const auto metadata = cursor.entry().metadata;
    if (metadata.empty() || metadata[0].first != done_key || metadata[0].second != source) {
      continue;
    }
    found.emplace();
    for (const auto& [key, text] : metadata) {
      for (const Count& each : counts) {
        if (key == each.name) {
          std::from_chars(text.data(), text.data() + text.size(), *found.*each.member);
        }
      }
    }
  }
  SELVEDGE_TRY(cursor.status().has_value() ? Status{} : fail(cursor.status().error().clone()));
  return found;
}

std::vector<std::pair<std::string, std::string>> done_metadata(const State& state) {
  std::vector<std::pair<std::string, std::string>> result{{std::string(done_key), state.source}};
  for (const Count& each : counts) {
    result.emplace_back(each.name, std::to_string(state.*each.member));
  }
  return result;
}

std::optional<SchemaInfo> find_schema(const Store& store, const SchemaSpec& spec) {
  for (SchemaInfo& each : store.schema()) {
    SchemaSpec same = each.spec;
    same.name = spec.name;
    if (spec.kind == SchemaKind::exists || spec.kind == SchemaKind::type) {
      same.index = spec.index;  // means nothing
    }
    if (same == spec && each.state == SchemaState::online) {
      return std::move(each);
    }
  }
  return std::nullopt;
}

}  // namespace selvedge::migration
