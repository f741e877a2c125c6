// What follows from a history: who wrote what was read, and in which order it all must have been.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <selvedge/testkit/history.h>

namespace selvedge::testkit {

/// Something that can be read: a list, the edges of a node in one direction, the only edge of a
/// pair of nodes, or the members of a label. All but the first are sets.
struct Object {
  enum class Type : std::uint8_t { list, out, in, pair, label };
  Type type = Type::list;
  std::uint64_t key = 0;
  std::uint64_t target = 0;  ///< of a pair
  auto operator<=>(const Object&) const = default;
  [[nodiscard]] std::string to_string() const;
};
using Elements = std::vector<std::uint64_t>;

/// Who wrote an element. `last`: nothing else to this object afterwards.
struct Written {
  std::size_t by = 0;
  std::size_t operation = 0;
  bool last = true;
};

/// What a transaction found of an object when it first looked, without what it wrote itself.
struct Found {
  std::size_t by = 0;
  Elements elements;
};

/// Role: a history, by objects.
struct ObjectHistory {
  std::map<std::uint64_t, Written> writes;  ///< by element
  std::vector<Found> reads;
  Elements longest;  ///< of a list: the longest read of those that count, own elements too
};

/// An element that came in the place of another one.
struct Replacement {
  std::uint64_t element = 0;
  std::size_t by = 0;
};

/// Role: the facts of a history, and the anomalies that lie in single reads.
struct Facts {
  const History& history;
  std::map<Object, ObjectHistory> objects;
  std::vector<bool> counts;  ///< of each transaction: it is committed
  std::vector<Anomaly> anomalies;
  std::multimap<std::uint64_t, Replacement> replacements = {};  ///< by the element that goes
  std::multimap<std::uint64_t, std::size_t> removals = {};      ///< by the element: by whom

  /// What came in the place of an element, or of that, is among the elements (sorted): who found
  /// those came after it had gone.
  [[nodiscard]] bool replaced_in(const Elements& sorted, std::uint64_t element) const;
  /// Who may have taken it away, or what came in its place: all but those that were rolled back.
  [[nodiscard]] std::vector<std::size_t> removers(std::uint64_t element) const;

 private:
  /// It, and what came in its place, and in the place of that.
  [[nodiscard]] Elements successors(std::uint64_t element) const;
};
[[nodiscard]] Result<Facts> gather_facts(const History& history);

/// One reason why a transaction comes before another one.
struct Dependency {
  enum class Kind : std::uint8_t { ww, wr, rw, real_time };
  Kind kind = Kind::ww;
  std::size_t to = 0;
  Object object = {};
  std::uint64_t element = 0;
  bool gone = false;  ///< it is about the element's going, not its coming
};

/// Nodes are transactions; beyond them moments, which keep real time small.
using DependencyGraph = std::vector<std::vector<Dependency>>;

/// The first circle, from the worst kind on.
[[nodiscard]] std::optional<Anomaly> find_circle(const Facts& facts, Isolation isolation,
                                                 bool real_time);

/// `T3 (process 1, ok): append 5 to list 1, ...`, by its place in the history.
[[nodiscard]] std::string describe(const History& history, std::size_t transaction);

}  // namespace selvedge::testkit
