// What the clients of a history read: lists, edges of nodes and of pairs, members of labels.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <selvedge/store.h>
#include <selvedge/testkit/history_run.h>

#include "testkit/shuffle.h"

namespace selvedge::testkit {

/// The number that an edge or a node has for life.
template <class Entity>
std::uint64_t number_of(const Entity& entity) {
  return static_cast<std::uint64_t>(entity["n"].as_int64().value_or(0));
}

inline std::string label_of(std::uint64_t key) { return "L" + std::to_string(key); }

/// Every other list is kept in an edge.
inline bool in_edge(std::uint64_t key) { return key % 2 == 1; }

/// Role: where the keys of a plan are in the store, and all reads of them, with their notes.
/// Threads: any, once `nodes` and `lists` are filled.
class HistoryKeys {
 public:
  using Elements = std::vector<std::uint64_t>;

  explicit HistoryKeys(const HistoryPlan& of) : plan(of) {}

  [[nodiscard]] std::uint64_t key_of(NodeId node) const;
  [[nodiscard]] Elements list(const Reader& reader, std::uint64_t key) const;
  /// Those that are not the only ones of a pair; in the same order the edges themselves.
  Elements edges_from(const Reader& reader, std::uint64_t source, std::vector<Edge>& edges) const;
  [[nodiscard]] Elements pair(const Reader& reader, std::uint64_t source,
                              std::uint64_t target) const;
  /// By what they hold, or (then only the set itself is read) by their ids, which come in the same
  /// order.
  Elements members_of(const Reader& reader, std::uint64_t key, bool by_content,
                      std::vector<NodeId>* ids = nullptr) const;
  /// The number of a node that is to get a label, before anybody else can see it. An id that no log
  /// knows is given again after a power loss: then it has its new number.
  void remember(NodeId node, std::uint64_t number);

  void read_something(const Reader& reader, HistoryTransaction& noted, Dice& dice) const;
  void read_all(const Reader& reader, HistoryTransaction& noted) const;

  const HistoryPlan& plan;
  std::vector<NodeId> nodes;
  std::vector<EdgeId> lists;

 private:
  static void read_lists_of_nodes(const Reader& reader, HistoryTransaction& noted);
  void read_all_edges(const Reader& reader, HistoryTransaction& noted) const;
  void read_all_pairs(const Reader& reader, HistoryTransaction& noted) const;
  void read_all_members(const Reader& reader, HistoryTransaction& noted) const;

  mutable std::mutex numbers_mutex_;
  std::map<NodeId, std::uint64_t> numbers_;
};

}  // namespace selvedge::testkit
