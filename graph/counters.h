// Exact counts at any view: a base of everything settled, plus what finished since.
#pragma once

#include <cstdint>
#include <vector>

#include "base/mutex.h"

namespace selvedge::graph {

enum class CounterKind : std::uint8_t { nodes, edges, label, type };

/// A transaction's change of one counter.
struct CountDelta {
  CounterKind kind = CounterKind::nodes;
  std::uint32_t id = 0;  ///< label or type
  std::int64_t amount = 0;
};

/// Few counters per transaction: a flat vector beats a map.
class CountDeltas {
 public:
  void add(CounterKind kind, std::uint32_t id, std::int64_t amount) {
    for (CountDelta& each : deltas_) {
      if (each.kind == kind && each.id == id) {
        each.amount += amount;
        return;
      }
    }
    deltas_.push_back({kind, id, amount});
  }
  void clear() { deltas_.clear(); }
  [[nodiscard]] const std::vector<CountDelta>& all() const { return deltas_; }
  void drop_last() { deltas_.pop_back(); }
  [[nodiscard]] std::int64_t of(CounterKind kind, std::uint32_t id) const {
    for (const CountDelta& each : deltas_) {
      if (each.kind == kind && each.id == id) {
        return each.amount;
      }
    }
    return 0;
  }

 private:
  std::vector<CountDelta> deltas_;
};

/// Role: the base: counts of everything at or before the sequence up to which finished
///   transactions were folded in.
/// Threads: guarded by the owner's lock (the reclaimer's), which also guards the list of finished
///   transactions, so that base and rest are read as one moment.
class BaseCounts {
 public:
  void apply(const CountDelta& delta) {
    switch (delta.kind) {
      case CounterKind::nodes: nodes_ += delta.amount; break;
      case CounterKind::edges: edges_ += delta.amount; break;
      case CounterKind::label: at(labels_, delta.id) += delta.amount; break;
      case CounterKind::type: at(types_, delta.id) += delta.amount; break;
    }
  }
  void merge(const BaseCounts& other) {
    nodes_ += other.nodes_;
    edges_ += other.edges_;
    for (std::uint32_t id = 0; id < other.labels_.size(); ++id) {
      at(labels_, id) += other.labels_[id];
    }
    for (std::uint32_t id = 0; id < other.types_.size(); ++id) {
      at(types_, id) += other.types_[id];
    }
  }
  [[nodiscard]] std::int64_t of(CounterKind kind, std::uint32_t id) const {
    switch (kind) {
      case CounterKind::nodes: return nodes_;
      case CounterKind::edges: return edges_;
      case CounterKind::label: return id < labels_.size() ? labels_[id] : 0;
      case CounterKind::type: return id < types_.size() ? types_[id] : 0;
    }
    return 0;
  }

 private:
  static std::int64_t& at(std::vector<std::int64_t>& counts, std::uint32_t id) {
    if (id >= counts.size()) {
      counts.resize(id + 1);
    }
    return counts[id];
  }
  std::int64_t nodes_ = 0;
  std::int64_t edges_ = 0;
  std::vector<std::int64_t> labels_;
  std::vector<std::int64_t> types_;
};

}  // namespace selvedge::graph
