#include <algorithm>
#include <bitset>
#include <deque>
#include <limits>
#include <utility>

#include "testkit/dependencies.h"

namespace selvedge::testkit {

using Kind = Dependency::Kind;

namespace {

/// Somebody did not find what was there for a while: he came before its writer, or after its
/// remover.
struct Absence {
  std::size_t reader = 0;
  std::size_t writer = 0;
  std::size_t remover = 0;
  Object object = {};
  std::uint64_t element = 0;
};

/// Role: all dependencies between the transactions that count.
class GraphBuilder {
 public:
  explicit GraphBuilder(const Facts& facts)
      : facts_(facts), graph_(facts.history.transactions.size()) {}

  DependencyGraph build() {
    for (const auto& [object, each] : facts_.objects) {
      object.type == Object::Type::list ? order_list(object, each) : order_set(object, each);
    }
    order_moments();
    return std::move(graph_);
  }
  [[nodiscard]] const std::vector<Absence>& absences() const { return absences_; }

 private:
  [[nodiscard]] bool counts(std::size_t place) const { return facts_.counts[place]; }
  void add(std::size_t from, Kind kind, std::size_t to, const Object& object, std::uint64_t element,
           bool gone = false) {
    if (from != to) {
      graph_[from].push_back({kind, to, object, element, gone});
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
      if (!counts(write.by)) {
        continue;
      }
      const auto [begin, end] = facts_.replacements.equal_range(element);
      for (auto next = begin; next != end; ++next) {
        if (counts(next->second.by)) {
          add(write.by, Kind::ww, next->second.by, object, next->second.element);
        }
      }
      for (const std::size_t remover : committed_removers(element)) {
        add(write.by, Kind::ww, remover, object, element, true);
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
          for (const std::size_t remover : committed_removers(element)) {
            add(found.by, Kind::rw, remover, object, element, true);
          }
        } else if (!facts_.replaced_in(found.elements, element)) {
          not_found(found.by, write.by, object, element);
        }
      }
    }
  }

  /// Of the element itself, not of what came in its place.
  [[nodiscard]] std::vector<std::size_t> committed_removers(std::uint64_t element) const {
    std::vector<std::size_t> found;
    const auto [begin, end] = facts_.removals.equal_range(element);
    for (auto removal = begin; removal != end; ++removal) {
      if (counts(removal->second)) {
        found.push_back(removal->second);
      }
    }
    return found;
  }

  void not_found(std::size_t reader, std::size_t writer, const Object& object,
                 std::uint64_t element) {
    const auto removers = facts_.removers(element);
    if (removers.empty()) {
      add(reader, Kind::rw, writer, object, element);
    } else if (removers.size() == 1 && counts(removers[0]) && reader != writer &&
               reader != removers[0] && writer != removers[0]) {
      absences_.push_back({reader, writer, removers[0], object, element});
    }  // else: who removed it may or may not have happened
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
  std::vector<Absence> absences_;
};

/// Role: works out on which side of its element an absence was, from what is known already, until
///   nothing more follows.
///
/// A transaction has two moments, its view and its commit. Under snapshot isolation a rw says that
/// the view of the one is before the commit of the other, everything else that the commit of the
/// one is not after the view of the other; under serializable the two moments are one. Whose view
/// is after the writer's commit must have come after the remover's; whose view is before the
/// remover's commit must have come before the writer's.
class AbsenceSolver {
 public:
  AbsenceSolver(DependencyGraph& graph, Isolation isolation, bool real_time)
      : graph_(graph), snapshot_(isolation == Isolation::snapshot), real_time_(real_time) {}

  /// Leaves those that stay open; all, where there is a circle already.
  void run(std::vector<Absence>& open) {
    while (!open.empty() && sort_moments()) {
      std::vector<Side> sides(open.size(), Side::open);
      for (first_ = 0; first_ < graph_.size() * 2; first_ += block) {
        look();
        for (std::size_t i = 0; i < open.size(); ++i) {
          if (leads(commit_of(open[i].writer), view_of(open[i].reader))) {
            sides[i] = Side::after;
          } else if (leads(view_of(open[i].reader), commit_of(open[i].remover))) {
            sides[i] = Side::before;
          }
        }
      }
      if (!settle(open, sides)) {
        return;
      }
    }
  }

 private:
  enum class Side : std::uint8_t { open, before, after };
  static constexpr std::size_t block = 1024;
  static std::size_t view_of(std::size_t place) { return place * 2; }
  static std::size_t commit_of(std::size_t place) { return place * 2 + 1; }

  template <class Use>
  void each_next(std::size_t moment, const Use& use) const {
    const bool view = moment % 2 == 0;
    if (view) {
      use(moment + 1);
    }
    for (const Dependency& each : graph_[moment / 2]) {
      const bool views = snapshot_ && each.kind == Kind::rw;
      if (views == view && (each.kind != Kind::real_time || real_time_)) {
        use(views ? commit_of(each.to) : view_of(each.to));
      }
    }
  }

  /// Each before those to which it leads. False when there is a circle.
  bool sort_moments() {
    std::vector<std::size_t> leads_to(graph_.size() * 2, 0);
    for (std::size_t moment = 0; moment < leads_to.size(); ++moment) {
      each_next(moment, [&](std::size_t next) { ++leads_to[next]; });
    }
    order_.clear();
    for (std::size_t moment = 0; moment < leads_to.size(); ++moment) {
      if (leads_to[moment] == 0) {
        order_.push_back(moment);
      }
    }
    for (std::size_t at = 0; at < order_.size(); ++at) {
      each_next(order_[at], [&](std::size_t next) {
        if (--leads_to[next] == 0) {
          order_.push_back(next);
        }
      });
    }
    return order_.size() == leads_to.size();
  }

  /// To which moments of one block each moment leads.
  void look() {
    reached_.assign(graph_.size() * 2, {});
    for (auto moment = order_.rbegin(); moment != order_.rend(); ++moment) {
      std::bitset<block>& mine = reached_[*moment];
      each_next(*moment, [&](std::size_t next) {
        mine |= reached_[next];
        if (next - first_ < block) {
          mine.set(next - first_);
        }
      });
    }
  }
  [[nodiscard]] bool leads(std::size_t from, std::size_t to) const {
    return to - first_ < block && reached_[from][to - first_];
  }

  bool settle(std::vector<Absence>& open, const std::vector<Side>& sides) {
    std::vector<Absence> left;
    for (std::size_t i = 0; i < open.size(); ++i) {
      const Absence& each = open[i];
      switch (sides[i]) {
        case Side::open: left.push_back(each); break;
        case Side::before:
          graph_[each.reader].push_back({Kind::rw, each.writer, each.object, each.element, false});
          break;
        case Side::after:
          graph_[each.remover].push_back({Kind::wr, each.reader, each.object, each.element, true});
          break;
      }
    }
    const bool settled = left.size() != open.size();
    open = std::move(left);
    return settled;
  }

  DependencyGraph& graph_;
  const bool snapshot_;
  const bool real_time_;
  std::size_t first_ = 0;  ///< of the block
  std::vector<std::size_t> order_;
  std::vector<std::bitset<block>> reached_;
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
  if (step.by.gone) {
    switch (step.by.kind) {
      case Kind::ww:
        return text + " (ww): " + to + " took " + element + " from " + object +
               ", which it had from " + from;
      case Kind::rw:
        return text + " (rw): " + from + " found " + element + " in " + object + ", which " + to +
               " took away";
      default:
        return text + " (wr): " + to + " did not find " + element + " in " + object +
               " any more, which " + from + " had taken away";
    }
  }
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
  GraphBuilder builder(facts);
  DependencyGraph graph = builder.build();
  std::vector<Absence> absences = builder.absences();
  std::vector<Rule> rules{{}, {.wr = true}, {.wr = true, .rw = true}};
  if (isolation == Isolation::serializable) {
    rules.push_back({.wr = true, .rw = true, .rw_in_a_row = true});
  }
  for (const bool moments : {false, true}) {
    if (moments && !real_time) {
      break;
    }
    AbsenceSolver(graph, isolation, moments).run(absences);
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
