#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include "testkit/dependencies.h"

namespace selvedge::testkit {

using Kind = Dependency::Kind;

namespace {

/// Role: all dependencies between the transactions that count.
class GraphBuilder {
 public:
  explicit GraphBuilder(const Facts& facts)
      : facts_(facts), graph_(facts.history.transactions.size()) {}

  DependencyGraph build() && {
    for (const auto& [object, each] : facts_.objects) {
      object.type == Object::Type::list ? order_list(object, each) : order_set(object, each);
    }
    order_moments();
    return std::move(graph_);
  }

 private:
  [[nodiscard]] bool counts(std::size_t place) const { return facts_.counts[place]; }
  void add(std::size_t from, Kind kind, std::size_t to, const Object& object,
           std::uint64_t element) {
    if (from != to) {
      graph_[from].push_back({kind, to, object, element});
    }
  }

  /// Who wrote it, if it counts.
  [[nodiscard]] std::optional<std::size_t> writer(const ObjectHistory& object,
                                                  std::uint64_t element) const {
    const auto found = object.writes.find(element);
    return found == object.writes.end() || !counts(found->second.by)
               ? std::nullopt
               : std::optional(found->second.by);
  }

  void order_list(const Object& object, const ObjectHistory& each) {
    const Elements& order = each.longest;
    std::optional<std::size_t> before;
    for (const std::uint64_t element : order) {
      const auto by = writer(each, element);
      if (by && before) {
        add(*before, Kind::ww, *by, object, element);
      }
      before = by ? by : before;
    }
    // What is committed and was never seen comes after all that was.
    std::vector<std::pair<std::uint64_t, std::size_t>> unseen;
    for (const auto& [element, write] : each.writes) {
      if (counts(write.by) && std::find(order.begin(), order.end(), element) == order.end()) {
        unseen.emplace_back(element, write.by);
        if (before) {
          add(*before, Kind::ww, write.by, object, element);
        }
      }
    }
    for (const Found& found : each.reads) {
      if (!counts(found.by)) {
        continue;
      }
      if (!found.elements.empty()) {
        if (const auto by = writer(each, found.elements.back())) {
          add(*by, Kind::wr, found.by, object, found.elements.back());
        }
      }
      if (found.elements.size() < order.size()) {
        const std::uint64_t next = order[found.elements.size()];
        if (const auto by = writer(each, next)) {
          add(found.by, Kind::rw, *by, object, next);
        }
        continue;
      }
      for (const auto& [element, by] : unseen) {
        add(found.by, Kind::rw, by, object, element);
      }
    }
  }

  void order_set(const Object& object, const ObjectHistory& each) {
    for (const auto& [element, write] : each.writes) {
      const auto [begin, end] = facts_.replacements.equal_range(element);
      for (auto next = begin; next != end; ++next) {
        if (counts(write.by) && counts(next->second.by)) {
          add(write.by, Kind::ww, next->second.by, object, next->second.edge);
        }
      }
    }
    for (const Found& found : each.reads) {
      if (!counts(found.by)) {
        continue;
      }
      for (const auto& [element, write] : each.writes) {
        if (!counts(write.by)) {
          continue;
        }
        if (std::binary_search(found.elements.begin(), found.elements.end(), element)) {
          add(write.by, Kind::wr, found.by, object, element);
        } else if (!facts_.replaced_in(found.elements, element)) {
          add(found.by, Kind::rw, write.by, object, element);
        }
      }
    }
  }

  /// A chain of moments, one for each return: everybody leads to his own, and each moment to those
  /// who began after it.
  void order_moments() {
    const auto& all = facts_.history.transactions;
    std::vector<std::pair<std::uint64_t, std::size_t>> returns;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].outcome == Outcome::ok) {
        returns.emplace_back(all[i].returned, i);
      }
    }
    std::sort(returns.begin(), returns.end());
    const std::size_t first = graph_.size();
    graph_.resize(first + returns.size());
    for (std::size_t i = 0; i < returns.size(); ++i) {
      add(returns[i].second, Kind::real_time, first + i, {}, 0);
      if (i + 1 < returns.size()) {
        add(first + i, Kind::real_time, first + i + 1, {}, 0);
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto later = std::lower_bound(returns.begin(), returns.end(),
                                          std::pair(all[i].invoked, std::size_t{0}));
      if (counts(i) && later != returns.begin()) {
        add(first + static_cast<std::size_t>(later - returns.begin()) - 1, Kind::real_time, i, {},
            0);
      }
    }
  }

  const Facts& facts_;
  DependencyGraph graph_;
};

/// Which dependencies a circle may be made of.
struct Rule {
  bool wr = false;
  bool rw = false;
  bool rw_in_a_row = false;
  bool real_time = false;
  [[nodiscard]] bool allows(Kind kind) const {
    return kind == Kind::ww || (kind == Kind::wr && wr) || (kind == Kind::rw && rw) ||
           (kind == Kind::real_time && real_time);
  }
};

struct Step {
  std::size_t from = 0;
  Dependency by;
};
using Circle = std::vector<Step>;

/// Role: the search for a circle under a rule.
/// Invariants: a state is a node, and whether a rw led there: where two in a row are not allowed,
///   no rw leads on from such a state.
class Search {
 public:
  Search(const DependencyGraph& graph, const Rule& rule)
      : graph_(graph), rule_(rule), alive_(graph.size() * 2, true) {}

  /// The shortest one, or nearly so.
  std::optional<Circle> run() {
    peel();
    constexpr unsigned tries_max = 64;
    std::optional<Circle> best;
    unsigned tries = 0;
    for (std::size_t state = 0; state < alive_.size(); ++state) {
      if (!alive_[state] || (best && ++tries > tries_max)) {
        continue;
      }
      auto circle = from(state);
      if (circle && (!best || circle->size() < best->size())) {
        best = std::move(circle);
      }
    }
    return best;
  }

 private:
  template <class Use>
  void each_next(std::size_t state, const Use& use) const {
    for (const Dependency& each : graph_[state / 2]) {
      const bool after_rw = state % 2 == 1;
      if (!rule_.allows(each.kind) || (after_rw && each.kind == Kind::rw)) {
        continue;
      }
      const bool mark = each.kind == Kind::rw && !rule_.rw_in_a_row;
      use(each.to * 2 + (mark ? 1 : 0), each);
    }
  }

  /// Takes away, again and again, the states to which nothing leads. What is left has a circle.
  void peel() {
    std::vector<std::size_t> leads_to(alive_.size(), 0);
    for (std::size_t state = 0; state < alive_.size(); ++state) {
      each_next(state, [&](std::size_t next, const Dependency&) { ++leads_to[next]; });
    }
    std::vector<std::size_t> gone;
    for (std::size_t state = 0; state < alive_.size(); ++state) {
      if (leads_to[state] == 0) {
        gone.push_back(state);
      }
    }
    while (!gone.empty()) {
      const std::size_t state = gone.back();
      gone.pop_back();
      alive_[state] = false;
      each_next(state, [&](std::size_t next, const Dependency&) {
        if (--leads_to[next] == 0) {
          gone.push_back(next);
        }
      });
    }
  }

  /// The shortest way back to a state.
  std::optional<Circle> from(std::size_t start) const {
    constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> came_from(alive_.size(), nowhere);
    std::vector<const Dependency*> by(alive_.size(), nullptr);
    std::deque<std::size_t> next_ones{start};
    while (!next_ones.empty() && by[start] == nullptr) {
      const std::size_t state = next_ones.front();
      next_ones.pop_front();
      each_next(state, [&](std::size_t next, const Dependency& dependency) {
        if (alive_[next] && by[next] == nullptr) {
          came_from[next] = state;
          by[next] = &dependency;
          next_ones.push_back(next);
        }
      });
    }
    if (by[start] == nullptr) {
      return std::nullopt;
    }
    Circle circle;
    std::size_t at = start;
    do {
      circle.push_back({came_from[at] / 2, *by[at]});
      at = came_from[at];
    } while (at != start);
    std::reverse(circle.begin(), circle.end());
    return circle;
  }

  const DependencyGraph& graph_;
  const Rule rule_;
  std::vector<bool> alive_;
};

/// Moments are left out: from a transaction to the next one.
Circle without_moments(const Circle& circle, std::size_t transactions) {
  const auto first = std::find_if(circle.begin(), circle.end(),
                                  [&](const Step& step) { return step.from < transactions; });
  Circle turned(first, circle.end());
  turned.insert(turned.end(), circle.begin(), first);
  Circle result;
  for (const Step& step : turned) {
    if (step.from < transactions) {
      result.push_back(step);
    } else {
      result.back().by = step.by;
    }
  }
  return result;
}

AnomalyKind kind_of(const Circle& circle) {
  std::size_t rw = 0;
  bool wr = false;
  bool in_a_row = false;
  for (std::size_t i = 0; i < circle.size(); ++i) {
    const Kind kind = circle[i].by.kind;
    const Kind next = circle[(i + 1) % circle.size()].by.kind;
    rw += kind == Kind::rw ? 1U : 0U;
    wr = wr || kind == Kind::wr;
    in_a_row = in_a_row || (circle.size() > 1 && kind == Kind::rw && next == Kind::rw);
  }
  if (rw == 0) {
    return wr ? AnomalyKind::g1c : AnomalyKind::g0;
  }
  return rw == 1 ? AnomalyKind::g_single
                 : (in_a_row ? AnomalyKind::g2 : AnomalyKind::g_nonadjacent);
}

std::string reason(const Step& step) {
  const std::string from = "T" + std::to_string(step.from);
  const std::string to = "T" + std::to_string(step.by.to);
  const std::string element = std::to_string(step.by.element);
  const std::string object = step.by.object.to_string();
  std::string text = "\n  " + from + " before " + to;
  switch (step.by.kind) {
    case Kind::ww:
      return text + " (ww): " + to + " wrote " + element + " to " + object +
             " behind, or in the place of, what it had from " + from;
    case Kind::wr: return text + " (wr): " + to + " found " + element + " in " + object;
    case Kind::rw:
      return text + " (rw): " + from + " did not find " + element + " in " + object +
             ", which is by " + to;
    case Kind::real_time:
      return text + " (real time): " + from + " had returned when " + to + " began";
  }
  return text;
}

Anomaly to_anomaly(const Facts& facts, const Circle& found, bool real_time) {
  const Circle circle = without_moments(found, facts.history.transactions.size());
  Anomaly anomaly;
  anomaly.kind = kind_of(circle);
  anomaly.real_time = real_time;
  anomaly.text = std::string(name_of(anomaly.kind)) + (real_time ? ", in real time" : "") + ": " +
                 std::to_string(circle.size()) + " transactions come before one another";
  for (const Step& step : circle) {
    anomaly.transactions.push_back(step.from);
    anomaly.text += "\n  " + describe(facts.history, step.from);
  }
  for (const Step& step : circle) {
    anomaly.text += reason(step);
  }
  return anomaly;
}

}  // namespace

std::optional<Anomaly> find_circle(const Facts& facts, Isolation isolation, bool real_time) {
  const DependencyGraph graph = GraphBuilder(facts).build();
  std::vector<Rule> rules{{}, {.wr = true}, {.wr = true, .rw = true}};
  if (isolation == Isolation::serializable) {
    rules.push_back({.wr = true, .rw = true, .rw_in_a_row = true});
  }
  for (const bool moments : {false, true}) {
    if (moments && !real_time) {
      break;
    }
    for (Rule rule : rules) {
      rule.real_time = moments;
      if (const auto circle = Search(graph, rule).run()) {
        return to_anomaly(facts, *circle, moments);
      }
    }
  }
  return std::nullopt;
}

}  // namespace selvedge::testkit
