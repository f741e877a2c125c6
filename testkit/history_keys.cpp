#include "testkit/history_keys.h"

#include <algorithm>
#include <string>
#include <utility>

namespace selvedge::testkit {

namespace {

using Workload = HistoryPlan::Workload;
using Elements = HistoryKeys::Elements;

Elements elements_of(ValueView list) {
  Elements elements;
  list.for_each([&](ValueView each) {
    elements.push_back(static_cast<std::uint64_t>(each.as_int64().value_or(0)));
  });
  return elements;
}

}  // namespace

std::uint64_t HistoryKeys::key_of(NodeId node) const {
  return static_cast<std::uint64_t>(std::find(nodes.begin(), nodes.end(), node) - nodes.begin());
}

Elements HistoryKeys::edges_from(const Reader& reader, std::uint64_t source,
                                 std::vector<Edge>& edges) const {
  Elements numbers;
  for (auto cursor = reader.out_edges(nodes[source], "E"); cursor.next();) {
    edges.push_back(cursor.edge());
    numbers.push_back(number_of(edges.back()));
  }
  return numbers;
}

Elements HistoryKeys::pair(const Reader& reader, std::uint64_t source, std::uint64_t target) const {
  Elements numbers;
  for (const EdgeId id : reader.edges_between(nodes[source], nodes[target], "ONE")) {
    const auto edge = reader.get(id);
    numbers.push_back(edge ? number_of(*edge) : 0);
  }
  return numbers;
}

Elements HistoryKeys::members_of(const Reader& reader, std::uint64_t key, bool by_content,
                                 std::vector<NodeId>* ids) const {
  Elements members;
  for (auto cursor = reader.nodes(label_of(key)); cursor.next();) {
    if (by_content) {
      members.push_back(number_of(cursor.node()));
    } else {
      const std::lock_guard lock(numbers_mutex_);
      const auto number = numbers_.find(cursor.id());
      members.push_back(number == numbers_.end() ? 0 : number->second);
    }
    if (ids != nullptr) {
      ids->push_back(cursor.id());
    }
  }
  return members;
}

Elements HistoryKeys::list(const Reader& reader, std::uint64_t key) const {
  if (in_edge(key)) {
    const auto edge = reader.get(lists[key]);
    return edge ? elements_of((*edge)["list"]) : Elements{};
  }
  const auto node = reader.get(nodes[key]);
  return node ? elements_of((*node)["list"]) : Elements{};
}

void HistoryKeys::read_something(const Reader& reader, HistoryTransaction& noted,
                                 Dice& dice) const {
  const auto key = dice.roll(plan.keys);
  const bool scan = dice.one_in(6);
  if (plan.workload == Workload::list_append) {
    if (scan) {
      read_lists_of_nodes(reader, noted);
    } else {
      noted.operations.push_back(HistoryOperation::read(key, list(reader, key)));
    }
    return;
  }
  if (plan.workload == Workload::label_set) {
    if (scan) {
      read_all_members(reader, noted);
    } else {
      noted.operations.push_back(
          HistoryOperation::members(key, members_of(reader, key, dice.one_in(2))));
    }
    return;
  }
  if (scan) {
    read_all_edges(reader, noted);
    return;
  }
  if (dice.one_in(4)) {
    const auto target = dice.roll(plan.keys);
    noted.operations.push_back(HistoryOperation::pair(key, target, pair(reader, key, target)));
    return;
  }
  const bool out = dice.one_in(2);
  const Direction direction = out ? Direction::out : Direction::in;
  EdgeCursor cursor = dice.one_in(2) ? reader.edges(nodes[key], direction)
                                     : reader.edges(nodes[key], direction, "E");
  Elements numbers;
  while (cursor.next()) {
    const Edge edge = cursor.edge();
    if (reader.name(edge.type()) == "E") {
      numbers.push_back(number_of(edge));
    }
  }
  noted.operations.push_back(out ? HistoryOperation::out(key, std::move(numbers))
                                 : HistoryOperation::in(key, std::move(numbers)));
}

void HistoryKeys::read_lists_of_nodes(const Reader& reader, HistoryTransaction& noted) {
  for (auto cursor = reader.nodes("Key"); cursor.next();) {
    const auto key = static_cast<std::uint64_t>(cursor.node()["key"].as_int64().value_or(0));
    if (!in_edge(key)) {
      noted.operations.push_back(HistoryOperation::read(key, elements_of(cursor.node()["list"])));
    }
  }
}

void HistoryKeys::read_all_edges(const Reader& reader, HistoryTransaction& noted) const {
  std::map<NodeId, Elements> out;
  std::map<NodeId, Elements> in;
  for (auto scan = reader.edges("E"); scan.next();) {
    out[scan.edge().source()].push_back(number_of(scan.edge()));
    in[scan.edge().target()].push_back(number_of(scan.edge()));
  }
  for (std::size_t key = 0; key < nodes.size(); ++key) {
    noted.operations.push_back(HistoryOperation::out(key, out[nodes[key]]));
    noted.operations.push_back(HistoryOperation::in(key, in[nodes[key]]));
  }
}

void HistoryKeys::read_all_pairs(const Reader& reader, HistoryTransaction& noted) const {
  for (std::size_t key = 0; key < nodes.size(); ++key) {
    for (std::size_t target = 0; target < nodes.size(); ++target) {
      noted.operations.push_back(HistoryOperation::pair(key, target, pair(reader, key, target)));
    }
  }
}

void HistoryKeys::read_all_members(const Reader& reader, HistoryTransaction& noted) const {
  std::vector<Elements> members(plan.keys);
  for (auto cursor = reader.nodes(); cursor.next();) {
    const Node& node = cursor.node();
    for (std::uint64_t key = 0; key < plan.keys; ++key) {
      if (node.has_label(label_of(key))) {
        members[key].push_back(number_of(node));
      }
    }
  }
  for (std::uint64_t key = 0; key < plan.keys; ++key) {
    noted.operations.push_back(HistoryOperation::members(key, std::move(members[key])));
  }
}

void HistoryKeys::read_all(const Reader& reader, HistoryTransaction& noted) const {
  if (plan.workload == Workload::edge_set) {
    read_all_edges(reader, noted);
    read_all_pairs(reader, noted);
  } else if (plan.workload == Workload::label_set) {
    read_all_members(reader, noted);
  }
  for (std::uint64_t key = 0; key < lists.size(); ++key) {
    noted.operations.push_back(HistoryOperation::read(key, list(reader, key)));
  }
}

void HistoryKeys::remember(NodeId node, std::uint64_t number) {
  const std::lock_guard lock(numbers_mutex_);
  numbers_[node] = number;
}

}  // namespace selvedge::testkit
