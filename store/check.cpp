#include "store/check.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "graph/image.h"

namespace selvedge::detail {

namespace {

constexpr std::size_t faults_max = 100;

/// Role: collects what contradicts. Memory: a few words per node and edge.
class Checker {
 public:
  Checker(StoreImpl& store, const ReadView& view) : store_(store), view_(view) {}

  CheckReport run() {
    edges_and_ends();
    adjacency();
    labels();
    counts();
    check_schema(store_, [this](std::string what) { fault(std::move(what)); });
    return std::move(report_);
  }

 private:
  void fault(std::string what) {
    if (report_.faults.size() < faults_max) {
      report_.faults.push_back(std::move(what));
    }
  }
  static std::string text(std::uint64_t id) { return std::to_string(id); }

  void edges_and_ends() {
    for (auto scan = view_.edges(); scan.next();) {
      const Edge& edge = scan.edge();
      ++report_.edges;
      ++types_[edge.type().value];
      ++out_[edge.source().value];
      ++in_[edge.target().value];
      for (const NodeId end : {edge.source(), edge.target()}) {
        if (!view_.exists(end)) {
          fault("edge " + text(edge.id().value) + " hangs on missing node " + text(end.value));
        }
      }
      if (!graph::ImageView::verify(edge.properties().image(), false)) {
        fault("edge " + text(edge.id().value) + " has a damaged image");
      }
    }
  }

  void list_of(NodeId node, Direction direction, std::uint64_t expected) {
    std::unordered_set<std::uint64_t> seen;
    std::uint64_t count = 0;
    for (auto cursor = view_.edges(node, direction); cursor.next(); ++count) {
      const auto edge = view_.get(cursor.id());
      if (!edge) {
        fault("node " + text(node.value) + " lists missing edge " + text(cursor.id().value));
        continue;
      }
      const bool out = direction == Direction::out;
      if ((out ? edge->source() : edge->target()) != node ||
          (out ? edge->target() : edge->source()) != cursor.neighbour()) {
        fault("node " + text(node.value) + " lists edge " + text(cursor.id().value) +
              " with other ends");
      }
      if (!seen.insert(cursor.id().value).second) {
        fault("node " + text(node.value) + " lists edge " + text(cursor.id().value) + " twice");
      }
    }
    if (count != expected) {
      fault("node " + text(node.value) + " lists " + text(count) + " edges of " + text(expected));
    }
  }

  void adjacency() {
    for (auto cursor = view_.nodes(); cursor.next();) {
      ++report_.nodes;
      const Node& node = cursor.node();
      list_of(node.id(), Direction::out, out_[node.id().value]);
      list_of(node.id(), Direction::in, in_[node.id().value]);
      for (std::size_t i = 0; i < node.label_count(); ++i) {
        ++labels_[node.label(i).value];
      }
      if (!graph::ImageView::verify(node.properties().image(), true)) {
        fault("node " + text(node.id().value) + " has a damaged image");
      }
    }
  }

  void labels() {
    const std::uint32_t defined = store_.graph().names.of(graph::NameKind::label).size();
    for (std::uint32_t id = 0; id < defined; ++id) {
      std::unordered_set<std::uint64_t> seen;
      for (auto cursor = view_.nodes(LabelId{id}); cursor.next();) {
        if (!seen.insert(cursor.id().value).second) {
          fault("label " + text(id) + " lists node " + text(cursor.id().value) + " twice");
        }
        if (!cursor.node().has_label(LabelId{id})) {
          fault("label " + text(id) + " lists node " + text(cursor.id().value) + " without it");
        }
      }
      if (seen.size() != labels_[id]) {
        fault("label " + text(id) + " lists " + text(seen.size()) + " nodes of " +
              text(labels_[id]));
      }
      if (view_.node_count(LabelId{id}) != labels_[id]) {
        fault("label " + text(id) + " counts " + text(view_.node_count(LabelId{id})) +
              " nodes of " + text(labels_[id]));
      }
    }
  }

  void counts() {
    if (view_.node_count() != report_.nodes) {
      fault("the node counter says " + text(view_.node_count()) + ", there are " +
            text(report_.nodes));
    }
    if (view_.edge_count() != report_.edges) {
      fault("the edge counter says " + text(view_.edge_count()) + ", there are " +
            text(report_.edges));
    }
    const std::uint32_t defined = store_.graph().names.of(graph::NameKind::type).size();
    for (std::uint32_t id = 0; id < defined; ++id) {
      if (view_.edge_count(TypeId{id}) != types_[id]) {
        fault("type " + text(id) + " counts " + text(view_.edge_count(TypeId{id})) + " edges of " +
              text(types_[id]));
      }
    }
  }

  StoreImpl& store_;
  const ReadView& view_;
  CheckReport report_;
  std::unordered_map<std::uint64_t, std::uint64_t> out_;
  std::unordered_map<std::uint64_t, std::uint64_t> in_;
  std::unordered_map<std::uint32_t, std::uint64_t> labels_;
  std::unordered_map<std::uint32_t, std::uint64_t> types_;
};

}  // namespace

CheckReport check(StoreImpl& store, const ReadView& view) { return Checker(store, view).run(); }

}  // namespace selvedge::detail
