#include <algorithm>
#include <utility>

#include "testkit/dependencies.h"

namespace selvedge::testkit {

using Kind = HistoryOperation::Kind;

std::string Object::to_string() const {
  const std::string number = std::to_string(key);
  switch (type) {
    case Type::list: return "list " + number;
    case Type::out: return "out(" + number + ")";
    case Type::in: return "in(" + number + ")";
    case Type::pair: return "pair(" + number + " " + std::to_string(target) + ")";
    case Type::label: return "label " + number;
  }
  return "?";
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
    case Kind::pair: return Object{Object::Type::pair, operation.key, operation.target};
    case Kind::members: return Object{Object::Type::label, operation.key};
    default: return std::nullopt;
  }
}

/// What a write changes; nothing for a read.
std::vector<Object> changed_objects(const HistoryOperation& operation) {
  switch (operation.kind) {
    case Kind::append: return {{Object::Type::list, operation.key}};
    case Kind::insert:
    case Kind::replace:
    case Kind::remove:
      return {{Object::Type::out, operation.key}, {Object::Type::in, operation.target}};
    case Kind::make:
    case Kind::remake: return {{Object::Type::pair, operation.key, operation.target}};
    case Kind::join:
    case Kind::leave: return {{Object::Type::label, operation.key}};
    default: return {};
  }
}

bool only_takes(Kind kind) { return kind == Kind::remove || kind == Kind::leave; }

/// The element that goes.
std::optional<std::uint64_t> taken_by(const HistoryOperation& operation) {
  if (only_takes(operation.kind)) {
    return operation.value;
  }
  return operation.kind == Kind::replace || operation.kind == Kind::remake
             ? std::optional(operation.replaced)
             : std::nullopt;
}

/// Where a write puts its element.
std::vector<Object> written_objects(const HistoryOperation& operation) {
  return only_takes(operation.kind) ? std::vector<Object>{} : changed_objects(operation);
}

/// Role: fills the facts, one transaction after the other.
class Gathering {
 public:
  explicit Gathering(const History& history) : facts_{history, {}, {}, {}} {}

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
        if (only_takes(operation.kind)) {
          facts_.removals.emplace(operation.value, i);
        } else if (const auto taken = taken_by(operation)) {
          facts_.replacements.emplace(*taken, Replacement{operation.value, i});
        }
        if (operation.kind != Kind::append && !written_objects(operation).empty() &&
            !edges_.emplace(operation.value, std::pair(operation.key, operation.target)).second) {
          return fail(ErrorCode::invalid_argument,
                      "the number " + std::to_string(operation.value) + " is given twice");
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
      }
      if (const auto taken = taken_by(operation)) {
        for (const Object& object : changed_objects(operation)) {
          own[object].taken.push_back(*taken);
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
          (list ? writer_of_last(found, writes) == write.by
                : !facts_.replaced_in(sorted, element) && facts_.removers(element).empty());
      if (part) {
        report(AnomalyKind::g1b, {place, write.by},
               name_of_transaction(place) + " found only a part of what " +
                   name_of_transaction(write.by) + " wrote to " + object.to_string() + ": " +
                   std::to_string(element) + " is missing");
        seen_of.erase(seen);
      }
    }
    if (object.type == Object::Type::list) {
      return;
    }
    for (const std::uint64_t each : sorted) {
      const auto write = writes.find(each);
      const auto [begin, end] = facts_.removals.equal_range(each);
      if (write != writes.end() && std::any_of(begin, end, [&](const auto& removal) {
            return removal.second == write->second.by;
          })) {
        report(AnomalyKind::g1b, {place, write->second.by},
               name_of_transaction(place) + " found " + std::to_string(each) + " in " +
                   object.to_string() + ", which " + name_of_transaction(write->second.by) +
                   " took away again itself");
      }
      if (facts_.replaced_in(sorted, each)) {
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
      const bool out = object.type == Object::Type::out;
      if (!out && object.type != Object::Type::in) {
        continue;
      }
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

  void find_taken_twice() {
    std::map<std::uint64_t, std::size_t> taken;
    const auto take = [&](std::uint64_t element, std::size_t by) {
      if (!facts_.counts[by]) {
        return;
      }
      const auto [other, first] = taken.emplace(element, by);
      if (!first) {
        report(AnomalyKind::lost_update, {other->second, by},
               name_of_transaction(other->second) + " and " + name_of_transaction(by) +
                   " both took " + std::to_string(element) + " away");
      }
    };
    for (const auto& [element, replacement] : facts_.replacements) {
      take(element, replacement.by);
    }
    for (const auto& [element, by] : facts_.removals) {
      take(element, by);
    }
  }

  /// Of a pair that has an edge the edge is remade: so there is one beginning.
  void find_made_twice() {
    std::map<Object, std::size_t> made;
    for (std::size_t i = 0; i < transactions().size(); ++i) {
      for (const HistoryOperation& operation : transactions()[i].operations) {
        if (operation.kind != Kind::make || !facts_.counts[i]) {
          continue;
        }
        const Object object = changed_objects(operation).front();
        const auto [other, first] = made.emplace(object, i);
        if (!first) {
          report(AnomalyKind::lost_update, {other->second, i},
                 name_of_transaction(other->second) + " and " + name_of_transaction(i) +
                     " both made the only edge of " + object.to_string());
        }
      }
    }
  }

  /// Two that counted on the same state of a list, and both changed it.
  void find_lost_updates() {
    find_taken_twice();
    find_made_twice();
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

Elements Facts::successors(std::uint64_t element) const {
  Elements all{element};
  for (std::size_t at = 0; at < all.size(); ++at) {
    const auto [begin, end] = replacements.equal_range(all[at]);
    for (auto each = begin; each != end; ++each) {
      if (!holds(all, each->second.element)) {
        all.push_back(each->second.element);
      }
    }
  }
  return all;
}

bool Facts::replaced_in(const Elements& sorted, std::uint64_t element) const {
  const Elements all = successors(element);
  return std::any_of(all.begin() + 1, all.end(), [&](std::uint64_t each) {
    return std::binary_search(sorted.begin(), sorted.end(), each);
  });
}

std::vector<std::size_t> Facts::removers(std::uint64_t element) const {
  std::vector<std::size_t> found;
  if (removals.empty()) {
    return found;
  }
  for (const std::uint64_t each : successors(element)) {
    const auto [begin, end] = removals.equal_range(each);
    for (auto removal = begin; removal != end; ++removal) {
      if (history.transactions[removal->second].outcome != Outcome::fail) {
        found.push_back(removal->second);
      }
    }
  }
  return found;
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
