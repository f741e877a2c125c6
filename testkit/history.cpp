#include <selvedge/testkit/history.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace selvedge::testkit {

namespace {

using Kind = HistoryOperation::Kind;
using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

/// How an operation is written: its name, `key`, `value` or what was seen, and these.
struct Shape {
  const char* name;
  bool reads = false;
  bool target = false;
  bool replaced = false;
  [[nodiscard]] unsigned parts() const { return 3U + (target ? 1U : 0U) + (replaced ? 1U : 0U); }
};
/// By kind.
constexpr std::array<Shape, 13> shapes{{{"append"},
                                        {"r", true},
                                        {"insert", false, true},
                                        {"out", true},
                                        {"in", true},
                                        {"replace", false, true, true},
                                        {"remove", false, true},
                                        {"make", false, true},
                                        {"remake", false, true, true},
                                        {"pair", true, true},
                                        {"join"},
                                        {"leave"},
                                        {"members", true}}};
const Shape& shape_of(Kind kind) { return shapes.at(static_cast<std::size_t>(kind)); }

constexpr std::array<const char*, 3> outcome_names{"ok", "fail", "info"};

}  // namespace

// --- operations --------------------------------------------------------------------------------

HistoryOperation HistoryOperation::append(std::uint64_t list, std::uint64_t element) {
  return {Kind::append, list, element, 0, {}};
}

HistoryOperation HistoryOperation::read(std::uint64_t list, std::vector<std::uint64_t> elements) {
  return {Kind::read, list, 0, 0, std::move(elements)};
}

HistoryOperation HistoryOperation::insert(std::uint64_t source, std::uint64_t edge,
                                          std::uint64_t target) {
  return {Kind::insert, source, edge, target, {}};
}

HistoryOperation HistoryOperation::out(std::uint64_t node, std::vector<std::uint64_t> edges) {
  return {Kind::out, node, 0, 0, std::move(edges)};
}

HistoryOperation HistoryOperation::in(std::uint64_t node, std::vector<std::uint64_t> edges) {
  return {Kind::in, node, 0, 0, std::move(edges)};
}

HistoryOperation HistoryOperation::replace(std::uint64_t source, std::uint64_t edge,
                                           std::uint64_t target, std::uint64_t replaced) {
  return {Kind::replace, source, edge, target, {}, replaced};
}

HistoryOperation HistoryOperation::remove(std::uint64_t source, std::uint64_t edge,
                                          std::uint64_t target) {
  return {Kind::remove, source, edge, target, {}};
}

HistoryOperation HistoryOperation::make(std::uint64_t source, std::uint64_t edge,
                                        std::uint64_t target) {
  return {Kind::make, source, edge, target, {}};
}

HistoryOperation HistoryOperation::remake(std::uint64_t source, std::uint64_t edge,
                                          std::uint64_t target, std::uint64_t replaced) {
  return {Kind::remake, source, edge, target, {}, replaced};
}

HistoryOperation HistoryOperation::pair(std::uint64_t source, std::uint64_t target,
                                        std::vector<std::uint64_t> edges) {
  return {Kind::pair, source, 0, target, std::move(edges)};
}

HistoryOperation HistoryOperation::join(std::uint64_t label, std::uint64_t member) {
  return {Kind::join, label, member, 0, {}};
}

HistoryOperation HistoryOperation::leave(std::uint64_t label, std::uint64_t member) {
  return {Kind::leave, label, member, 0, {}};
}

HistoryOperation HistoryOperation::members(std::uint64_t label,
                                           std::vector<std::uint64_t> members) {
  return {Kind::members, label, 0, 0, std::move(members)};
}

std::string HistoryOperation::to_string() const {
  const std::string number = std::to_string(value);
  const std::string at = std::to_string(key);
  const std::string between = " from " + at + " to " + std::to_string(target);
  std::string text;
  switch (kind) {
    case Kind::append: return "append " + number + " to list " + at;
    case Kind::insert: return "insert edge " + number + between;
    case Kind::replace:
      return "replace edge " + std::to_string(replaced) + " by " + number + between;
    case Kind::remove: return "remove edge " + number + between;
    case Kind::make: return "make the only edge " + number + between;
    case Kind::remake:
      return "remake the only edge " + std::to_string(replaced) + " as " + number + between;
    case Kind::join: return "add " + number + " to label " + at;
    case Kind::leave: return "take " + number + " from label " + at;
    case Kind::read: text = "read list " + at; break;
    case Kind::out: text = "read out(" + at + ")"; break;
    case Kind::in: text = "read in(" + at + ")"; break;
    case Kind::pair: text = "read pair(" + at + " " + std::to_string(target) + ")"; break;
    case Kind::members: text = "read label " + at; break;
  }
  text += " = [";
  for (std::size_t i = 0; i < seen.size(); ++i) {
    text += (i == 0 ? "" : " ") + std::to_string(seen[i]);
  }
  return text + "]";
}

const char* name_of(AnomalyKind kind) {
  switch (kind) {
    case AnomalyKind::unwritten: return "unwritten";
    case AnomalyKind::duplicate: return "duplicate";
    case AnomalyKind::g1a: return "G1a";
    case AnomalyKind::g1b: return "G1b";
    case AnomalyKind::internal: return "internal";
    case AnomalyKind::one_sided: return "one-sided";
    case AnomalyKind::incompatible_order: return "incompatible order";
    case AnomalyKind::lost_update: return "lost update";
    case AnomalyKind::g0: return "G0";
    case AnomalyKind::g1c: return "G1c";
    case AnomalyKind::g_single: return "G-single";
    case AnomalyKind::g_nonadjacent: return "G-nonadjacent";
    case AnomalyKind::g2: return "G2";
  }
  return "?";
}

// --- the recorder ------------------------------------------------------------------------------

HistoryTransaction HistoryRecorder::invoke(std::uint64_t process) {
  HistoryTransaction transaction;
  transaction.process = process;
  transaction.invoked = clock_.fetch_add(1) + 1;
  return transaction;
}

void HistoryRecorder::done(HistoryTransaction transaction, Outcome outcome) {
  transaction.outcome = outcome;
  transaction.returned = clock_.fetch_add(1) + 1;
  const std::lock_guard lock(mutex_);
  transactions_.push_back(std::move(transaction));
}

History HistoryRecorder::history() const {
  History history;
  {
    const std::lock_guard lock(mutex_);
    history.transactions = transactions_;
  }
  std::sort(history.transactions.begin(), history.transactions.end(),
            [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
  return history;
}

// --- JSON lines --------------------------------------------------------------------------------

namespace {

void put_operation(JsonWriter& to, const HistoryOperation& operation, bool with_result) {
  const Shape& shape = shape_of(operation.kind);
  to.StartArray();
  to.String(shape.name);
  to.Uint64(operation.key);
  if (!shape.reads) {
    to.Uint64(operation.value);
  } else if (with_result) {
    to.StartArray();
    for (const std::uint64_t each : operation.seen) {
      to.Uint64(each);
    }
    to.EndArray();
  } else {
    to.Null();
  }
  if (shape.target) {
    to.Uint64(operation.target);
  }
  if (shape.replaced) {
    to.Uint64(operation.replaced);
  }
  to.EndArray();
}

std::string line_of(const HistoryTransaction& transaction, bool end) {
  rapidjson::StringBuffer buffer;
  JsonWriter to(buffer);
  to.StartObject();
  to.Key("type");
  to.String(end ? outcome_names.at(static_cast<std::size_t>(transaction.outcome)) : "invoke");
  to.Key("process");
  to.Uint64(transaction.process);
  to.Key("time");
  to.Uint64(end ? transaction.returned : transaction.invoked);
  to.Key("f");
  to.String("txn");
  to.Key("value");
  to.StartArray();
  for (const HistoryOperation& operation : transaction.operations) {
    put_operation(to, operation, end);
  }
  to.EndArray();
  to.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

tl::unexpected<Error> bad(const std::string& what) {
  return fail(ErrorCode::invalid_argument, what);
}

Result<std::uint64_t> number_in(const rapidjson::Value& json, const char* what) {
  if (!json.IsUint64()) {
    return bad(std::string(what) + " is no number from 0 on");
  }
  return json.GetUint64();
}

std::string expected_names() {
  std::string names;
  for (const Shape& shape : shapes) {
    names += std::string(names.empty() ? "" : ", ") + shape.name;
  }
  return names;
}

/// Nothing for a read without a result.
Result<std::optional<HistoryOperation>> take_operation(const rapidjson::Value& json) {
  if (!json.IsArray() || json.Size() < 3 || !json[0].IsString()) {
    return bad("an operation is no array of a name and what it is about");
  }
  const std::string_view name(json[0].GetString(), json[0].GetStringLength());
  const auto* const shape = std::find_if(shapes.begin(), shapes.end(),
                                         [&](const Shape& each) { return name == each.name; });
  if (shape == shapes.end()) {
    return bad("an operation is called `" + std::string(name) + "`, expected one of " +
               expected_names());
  }
  if (json.Size() != shape->parts()) {
    return bad("an operation `" + std::string(name) + "` has " + std::to_string(json.Size()) +
               " parts, expected " + std::to_string(shape->parts()));
  }
  HistoryOperation operation;
  operation.kind = static_cast<Kind>(shape - shapes.begin());
  SELVEDGE_TRY(operation.key, number_in(json[1], "a key"));
  if (shape->target) {
    SELVEDGE_TRY(operation.target, number_in(json[3], "a target"));
  }
  if (shape->replaced) {
    SELVEDGE_TRY(operation.replaced, number_in(json[4], "what is replaced"));
  }
  if (!shape->reads) {
    SELVEDGE_TRY(operation.value, number_in(json[2], "an element"));
    return operation;
  }
  if (json[2].IsNull()) {
    return std::nullopt;
  }
  if (!json[2].IsArray()) {
    return bad("what was read is no array");
  }
  for (const auto& each : json[2].GetArray()) {
    SELVEDGE_TRY(const std::uint64_t element, number_in(each, "an element"));
    operation.seen.push_back(element);
  }
  return operation;
}

struct Line {
  std::string type;
  HistoryTransaction transaction;  ///< with one moment, the same twice
};

Result<Line> take_line(std::string_view text) {
  rapidjson::Document json;
  json.Parse(text.data(), text.size());
  if (json.HasParseError()) {
    return bad(rapidjson::GetParseError_En(json.GetParseError()));
  }
  if (!json.IsObject()) {
    return bad("it is no object");
  }
  for (const char* member : {"type", "process", "time", "value"}) {
    if (!json.HasMember(member)) {
      return bad(std::string("`") + member + "` is missing");
    }
  }
  if (!json["type"].IsString() || !json["value"].IsArray()) {
    return bad("`type` is no text, or `value` no array");
  }
  Line line;
  line.type = json["type"].GetString();
  SELVEDGE_TRY(line.transaction.process, number_in(json["process"], "`process`"));
  SELVEDGE_TRY(line.transaction.invoked, number_in(json["time"], "`time`"));
  line.transaction.returned = line.transaction.invoked;
  for (const auto& each : json["value"].GetArray()) {
    SELVEDGE_TRY(auto operation, take_operation(each));
    if (operation) {
      line.transaction.operations.push_back(*std::move(operation));
    }
  }
  return line;
}

/// Role: pairs begins and ends.
class Pairing {
 public:
  Status add(Line line) {
    const std::uint64_t process = line.transaction.process;
    const auto open = open_.find(process);
    if (line.type == "invoke") {
      if (open != open_.end()) {
        return bad("process " + std::to_string(process) + " begins twice without an end");
      }
      open_.emplace(process, history_.transactions.size());
      history_.transactions.push_back(std::move(line.transaction));
      return {};
    }
    const auto name = std::find(outcome_names.begin(), outcome_names.end(), line.type);
    if (name == outcome_names.end()) {
      return bad("`type` is `" + line.type + "`, expected invoke, ok, fail or info");
    }
    if (open == open_.end()) {
      return bad("process " + std::to_string(process) + " ends what it did not begin");
    }
    HistoryTransaction& transaction = history_.transactions[open->second];
    transaction.outcome = static_cast<Outcome>(name - outcome_names.begin());
    transaction.returned = line.transaction.returned;
    transaction.operations = std::move(line.transaction.operations);
    open_.erase(open);
    return {};
  }
  History take() && {
    std::stable_sort(history_.transactions.begin(), history_.transactions.end(),
                     [](const auto& a, const auto& b) { return a.invoked < b.invoked; });
    return std::move(history_);
  }

 private:
  History history_;
  std::map<std::uint64_t, std::size_t> open_;  ///< by process
};

}  // namespace

std::string to_json_lines(const History& history) {
  std::vector<std::tuple<std::uint64_t, std::size_t, bool>> moments;
  for (std::size_t i = 0; i < history.transactions.size(); ++i) {
    moments.emplace_back(history.transactions[i].invoked, i, false);
    moments.emplace_back(history.transactions[i].returned, i, true);
  }
  std::sort(moments.begin(), moments.end());
  std::string text;
  for (const auto& [moment, place, end] : moments) {
    text += line_of(history.transactions[place], end) + '\n';
  }
  return text;
}

Result<History> history_from_json_lines(std::string_view text) {
  Pairing pairing;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view each = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (each.empty()) {
      continue;
    }
    auto line = take_line(each);
    const Status added = line ? pairing.add(*std::move(line)) : fail(std::move(line).error());
    if (!added) {
      return bad("line " + std::to_string(number) + ": " + added.error().what());
    }
  }
  return std::move(pairing).take();
}

}  // namespace selvedge::testkit
