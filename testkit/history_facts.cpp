#include <algorithm>
#include <utility>

#include "testkit/dependencies.h"

namespace selvedge::testkit {

using Kind = HistoryOperation::Kind;

std::string Object::to_string() const {
  const char* name = type == Type::list ? "list " : type == Type::out ? "out(" : "in(";
  return name + std::to_string(key) + (type == Type::list ? "" : ")");
}

std::string describe(const History& history, std::size_t transaction) {
  const HistoryTransaction& each = history.transactions[transaction];
  const char* outcome = each.outcome == Outcome::ok     ? "ok"
                        : each.outcome == Outcome::fail ? "fail"
                                                        : "unknown";
  std::string text = "T" + std::to_string(transaction) + " (process " +
                     std::to_string(each.process) + ", " + outcome + "):";
  for (std::size_t i = 0; i < each.operations.size(); ++i) {
    text += (i == 0 ? " " : ", ") + each.operations[i].to_string();
  }
  return text;
}

namespace {

std::string name_of_transaction(std::size_t place) { return "T" + std::to_string(place); }

std::string to_text(const Elements& elements) {
  std::string text = "[";
  for (const std::uint64_t each : elements) {
    text += (text.size() == 1 ? "" : " ") + std::to_string(each);
  }
  return text + "]";
}

bool holds(const Elements& elements, std::uint64_t element) {
  return std::find(elements.begin(), elements.end(), element) != elements.end();
}

bool is_beginning(const Elements& shorter, const Elements& longer) {
  return shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

/// What a read is of; nothing for a write.
std::optional<Object> read_object(const HistoryOperation& operation) {
  switch (operation.kind) {
    case Kind::read: return Object{Object::Type::list, operation.key};
    case Kind::out: return Object{Object::Type::out, operation.key};
    case Kind::in: return Object{Object::Type::in, operation.key};
    default: return std::nullopt;
  }
}

std::vector<Object> written_objects(const HistoryOperation& operation) {
  switch (operation.kind) {
    case Kind::append: return {{Object::Type::list, operation.key}};
    case Kind::insert:
    case Kind::replace:
      return {{Object::Type::out, operation.key}, {Object::Type::in, operation.target}};
    default: return {};
  }
}

/// Role: fills the facts, one transaction after the other.
class Gathering {
 public:
  explicit Gathering(const History& history) : facts_{history, {}, {}, {}, {}} {}

  Result<Facts> run() && {
    SELVEDGE_TRY(note_writes());
    for (std::size_t i = 0; i < transactions().size(); ++i) {
      note_reads(i);
    }
    find_who_counts();
    compare_reads();
    find_lost_updates();
    return std::move(facts_);
  }

 private:
  [[nodiscard]] const std::vector<HistoryTransaction>& transactions() const {
    return facts_.history.transactions;
  }
  void report(AnomalyKind kind, std::vector<std::size_t> involved, const std::string& why) {
    std::string text = std::string(name_of(kind)) + ": " + why;
    for (const std::size_t each : involved) {
      text += "\n  " + describe(facts_.history, each);
    }
    facts_.anomalies.push_back({kind, false, std::move(involved), std::move(text)});
  }

  Status note_writes() {
    for (std::size_t i = 0; i < transactions().size(); ++i) {
      std::map<Object, std::uint64_t> before;
      const auto& operations = transactions()[i].operations;
      for (std::size_t at = 0; at < operations.size(); ++at) {
        const HistoryOperation& operation = operations[at];
        if (operation.kind == Kind::replace) {
          facts_.replacements.emplace(operation.replaced, Replacement{operation.value, i});
        }
        if (operation.kind != Kind::append && !written_objects(operation).empty() &&
            !edges_.emplace(operation.value, std::pair(operation.key, operation.target)).second) {
          return fail(ErrorCode::invalid_argument,
                      "edge " + std::to_string(operation.value) + " is inserted twice");
        }
        for (const Object& object : written_objects(operation)) {
          auto& writes = facts_.objects[object].writes;
          if (!writes.emplace(operation.value, Written{i, at}).second) {
            return fail(
                ErrorCode::invalid_argument,
                std::to_string(operation.value) + " is written twice to " + object.to_string());
          }
          const auto [previous, first] = before.emplace(object, operation.value);
          if (!first) {
            writes.at(previous->second).last = false;
            previous->second = operation.value;
          }
        }
      }
    }
    return {};
  }

  /// What the transaction found in the store, and whether its own part of it is right.
  void note_reads(std::size_t place) {
    std::map<Object, Own> own;
    std::map<Object, Elements> first;
    for (const HistoryOperation& operation : transactions()[place].operations) {
      for (const Object& object : written_objects(operation)) {
        own[object].written.push_back(operation.value);
        if (operation.kind == Kind::replace) {
          own[object].taken.push_back(operation.replaced);
        }
      }
      const auto object = read_object(operation);
      if (!object) {
        continue;
      }
      const Elements found = without_own(place, *object, operation.seen, own[*object]);
      const auto [earlier, fresh] = first.emplace(*object, found);
      if (fresh) {
        look_at(place, *object, found);
        facts_.objects[*object].reads.push_back({place, found});
      } else if (earlier->second != found) {
        report(AnomalyKind::internal, {place},
               name_of_transaction(place) + " found " + object->to_string() + " as " +
                   to_text(earlier->second) + " and later as " + to_text(found) +
                   ", without its own writes");
      }
    }
    compare_sides(place, first);
  }

  struct Own {
    Elements written;
    Elements taken;
  };
  Elements without_own(std::size_t place, const Object& object, Elements seen, const Own& own) {
    Elements sorted = seen;
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
      report(AnomalyKind::duplicate, {place},
             name_of_transaction(place) + " found an element twice in " + object.to_string());
      sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    }
    const bool list = object.type == Object::Type::list;
    const Elements& written = own.written;
    const auto as_it_left_it = [&](std::uint64_t each) {
      return holds(seen, each) != holds(own.taken, each);
    };
    const bool complete = list ? seen.size() >= written.size() &&
                                     std::equal(written.rbegin(), written.rend(), seen.rbegin())
                               : std::all_of(written.begin(), written.end(), as_it_left_it) &&
                                     std::none_of(own.taken.begin(), own.taken.end(),
                                                  [&](auto each) { return holds(seen, each); });
    if (!complete) {
      report(AnomalyKind::internal, {place},
             name_of_transaction(place) + " does not find what it did itself to " +
                 object.to_string() + ": " + to_text(written) + " written, " + to_text(own.taken) +
                 " taken away");
    }
    if (!list) {
      seen = std::move(sorted);  // of a set the order says nothing
    }
    std::erase_if(seen, [&](std::uint64_t each) { return holds(written, each); });
    for (const std::uint64_t each : own.taken) {
      if (!holds(written, each) && !holds(seen, each)) {
        seen.insert(std::upper_bound(seen.begin(), seen.end(), each), each);
      }
    }
    return seen;
  }

  void look_at(std::size_t place, const Object& object, const Elements& found) {
    const auto& writes = facts_.objects[object].writes;
    std::map<std::size_t, std::size_t> seen_of;
    for (const std::uint64_t each : found) {
      const auto write = writes.find(each);
      if (write == writes.end()) {
        report(AnomalyKind::unwritten, {place},
               name_of_transaction(place) + " found " + std::to_string(each) + " in " +
                   object.to_string() + ", where nobody put it");
        continue;
      }
      const std::size_t by = write->second.by;
      if (by == place) {
        report(AnomalyKind::internal, {place},
               name_of_transaction(place) + " found " + std::to_string(each) + " in " +
                   object.to_string() + " before it wrote it");
      } else if (++seen_of[by]; transactions()[by].outcome == Outcome::fail) {
        report(AnomalyKind::g1a, {place, by},
               name_of_transaction(place) + " found " + std::to_string(each) + " in " +
                   object.to_string() + ", which " + name_of_transaction(by) + " rolled back");
      }
    }
    Elements sorted = found;
    std::sort(sorted.begin(), sorted.end());
    for (const auto& [element, write] : writes) {
      const auto seen = seen_of.find(write.by);
      const bool list = object.type == Object::Type::list;
      // Of a list it is the end that shows it: what is missing in the middle breaks the order.
      const bool part =
          seen != seen_of.end() && !std::binary_search(sorted.begin(), sorted.end(), element) &&
          (list ? writer_of_last(found, writes) == write.by : !facts_.replaced_in(sorted, element));
      if (part) {
        report(AnomalyKind::g1b, {place, write.by},
               name_of_transaction(place) + " found only a part of what " +
                   name_of_transaction(write.by) + " wrote to " + object.to_string() + ": " +
                   std::to_string(element) + " is missing");
        seen_of.erase(seen);
      }
    }
    for (const std::uint64_t each : sorted) {
      if (object.type != Object::Type::list && facts_.replaced_in(sorted, each)) {
        report(AnomalyKind::g1b, {place},
               name_of_transaction(place) + " found " + std::to_string(each) + " in " +
                   object.to_string() + " together with what came in its place");
      }
    }
  }
  /// Who wrote the last element found.
  static std::optional<std::size_t> writer_of_last(const Elements& found,
                                                   const std::map<std::uint64_t, Written>& writes) {
    const auto last = writes.find(found.back());
    return last == writes.end() ? std::nullopt : std::optional(last->second.by);
  }

  /// An edge leaves its source exactly if it comes to its target.
  void compare_sides(std::size_t place, const std::map<Object, Elements>& first) {
    for (const auto& [object, elements] : first) {
      if (object.type == Object::Type::list) {
        continue;
      }
      const bool out = object.type == Object::Type::out;
      for (const std::uint64_t each : elements) {
        const auto edge = edges_.find(each);
        if (edge == edges_.end()) {
          continue;
        }
        const auto& [source, target] = edge->second;
        const Object other =
            out ? Object{Object::Type::in, target} : Object{Object::Type::out, source};
        const auto there = first.find(other);
        if (there != first.end() && !holds(there->second, each)) {
          report(AnomalyKind::one_sided, {place},
                 name_of_transaction(place) + " found edge " + std::to_string(each) + " in " +
                     object.to_string() + " and not in " + other.to_string());
        }
      }
    }
  }

  /// The committed ones, and the unknown of whom somebody who counts saw something.
  void find_who_counts() {
    facts_.counts.assign(transactions().size(), false);
    std::vector<std::vector<std::pair<const ObjectHistory*, const Found*>>> reads_of(
        transactions().size());
    for (const auto& [object, each] : facts_.objects) {
      for (const Found& found : each.reads) {
        reads_of[found.by].emplace_back(&each, &found);
      }
    }
    std::vector<std::size_t> fresh;
    for (std::size_t i = 0; i < transactions().size(); ++i) {
      if (transactions()[i].outcome == Outcome::ok) {
        facts_.counts[i] = true;
        fresh.push_back(i);
      }
    }
    while (!fresh.empty()) {
      const std::size_t reader = fresh.back();
      fresh.pop_back();
      for (const auto& [object, found] : reads_of[reader]) {
        for (const std::uint64_t element : found->elements) {
          const auto write = object->writes.find(element);
          if (write == object->writes.end()) {
            continue;
          }
          const std::size_t by = write->second.by;
          if (!facts_.counts[by] && transactions()[by].outcome == Outcome::unknown) {
            facts_.counts[by] = true;
            fresh.push_back(by);
          }
        }
      }
    }
  }

  /// Each read of a list is a beginning of the longest one.
  void compare_reads() {
    std::map<Object, std::vector<std::pair<std::size_t, const Elements*>>> reads;
    for (std::size_t i = 0; i < transactions().size(); ++i) {
      for (const HistoryOperation& operation : transactions()[i].operations) {
        if (operation.kind == Kind::read && facts_.counts[i]) {
          reads[*read_object(operation)].emplace_back(i, &operation.seen);
        }
      }
    }
    for (const auto& [object, all] : reads) {
      const auto longest = std::max_element(all.begin(), all.end(), [](auto& a, auto& b) {
        return a.second->size() < b.second->size();
      });
      facts_.objects[object].longest = *longest->second;
      for (const auto& [place, seen] : all) {
        if (!is_beginning(*seen, *longest->second)) {
          report(AnomalyKind::incompatible_order, {place, longest->first},
                 object.to_string() + " was read as " + to_text(*seen) + " and as " +
                     to_text(*longest->second));
          break;
        }
      }
    }
  }

  /// Two that counted on the same state of a list, and both changed it; or both took one edge.
  void find_lost_updates() {
    std::map<std::uint64_t, std::size_t> taken;
    for (const auto& [edge, replacement] : facts_.replacements) {
      if (!facts_.counts[replacement.by]) {
        continue;
      }
      const auto [other, first] = taken.emplace(edge, replacement.by);
      if (!first) {
        report(AnomalyKind::lost_update, {other->second, replacement.by},
               name_of_transaction(other->second) + " and " + name_of_transaction(replacement.by) +
                   " both replaced edge " + std::to_string(edge));
      }
    }
    for (const auto& [object, each] : facts_.objects) {
      if (object.type != Object::Type::list) {
        continue;
      }
      std::vector<bool> writes(transactions().size(), false);
      for (const auto& [element, write] : each.writes) {
        writes[write.by] = true;
      }
      std::map<Elements, std::size_t> by;
      for (const Found& found : each.reads) {
        if (!facts_.counts[found.by] || !writes[found.by]) {
          continue;
        }
        const auto [other, first] = by.emplace(found.elements, found.by);
        if (!first) {
          report(AnomalyKind::lost_update, {other->second, found.by},
                 name_of_transaction(other->second) + " and " + name_of_transaction(found.by) +
                     " both found " + object.to_string() + " as " + to_text(found.elements) +
                     ", and both appended to it");
        }
      }
    }
  }

  Facts facts_;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> edges_;  ///< source, target
};

}  // namespace

bool Facts::replaced_in(const Elements& sorted, std::uint64_t edge) const {
  std::vector<std::uint64_t> gone{edge};
  for (std::size_t at = 0; at < gone.size(); ++at) {
    const auto [begin, end] = replacements.equal_range(gone[at]);
    for (auto each = begin; each != end; ++each) {
      if (std::binary_search(sorted.begin(), sorted.end(), each->second.edge)) {
        return true;
      }
      if (!holds(gone, each->second.edge)) {
        gone.push_back(each->second.edge);
      }
    }
  }
  return false;
}

Result<Facts> gather_facts(const History& history) { return Gathering(history).run(); }

Result<std::vector<Anomaly>> find_anomalies(const History& history, Isolation isolation,
                                            bool real_time) {
  SELVEDGE_TRY(Facts facts, gather_facts(history));
  if (auto circle = find_circle(facts, isolation, real_time)) {
    facts.anomalies.push_back(*std::move(circle));
  }
  return std::move(facts.anomalies);
}

}  // namespace selvedge::testkit
