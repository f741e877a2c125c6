#include "testkit/fault_plan.h"

#include <algorithm>
#include <charconv>

namespace selvedge::testkit {

std::vector<Fault> fault_plan(const SimFileSystem& run) {
  constexpr int no_space = 28;
  std::vector<Fault> plan;
  for (std::size_t i = 0; i < static_cast<std::size_t>(Operation::count); ++i) {
    const auto operation = static_cast<Operation>(i);
    for (std::uint64_t nth = 1; nth <= run.calls(operation); ++nth) {
      Fault fault;
      fault.operation = operation;
      fault.nth = nth;
      for (const bool sticky : {false, true}) {
        fault.sticky = sticky;
        plan.push_back(fault);
        if (operation == Operation::write || operation == Operation::resize) {
          Fault full = fault;
          full.effect = Fault::Effect::partial;
          full.code = ErrorCode::disk_full;
          full.os_error = no_space;
          plan.push_back(full);
        }
      }
      if (operation == Operation::write || operation == Operation::read) {
        fault.sticky = false;
        fault.effect = Fault::Effect::short_result;
        plan.push_back(fault);
      }
    }
  }
  return plan;
}

namespace {

Result<Fault> parse_fault(std::string_view text) {
  const auto bad = [&] {
    return fail(Error(ErrorCode::invalid_argument, "a replay token names no fault here")
                    .mismatch("operation.number[+].effect[.full]", std::string(text)));
  };
  const std::size_t first = text.find('.');
  const std::size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos) {
    return bad();
  }
  Fault fault;
  std::size_t operation = 0;
  while (operation < static_cast<std::size_t>(Operation::count) &&
         text.substr(0, first) != name_of(static_cast<Operation>(operation))) {
    ++operation;
  }
  if (operation == static_cast<std::size_t>(Operation::count)) {
    return bad();
  }
  fault.operation = static_cast<Operation>(operation);
  std::string_view number = text.substr(first + 1, second - first - 1);
  fault.sticky = !number.empty() && number.back() == '+';
  number.remove_suffix(fault.sticky ? 1 : 0);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), fault.nth);
  if (error != std::errc{} || end != number.data() + number.size() || fault.nth == 0) {
    return bad();
  }
  std::string_view effect = text.substr(second + 1);
  if (effect.ends_with(".full")) {
    effect.remove_suffix(5);
    fault.code = ErrorCode::disk_full;
    fault.os_error = 28;
  }
  if (effect == "partial") {
    fault.effect = Fault::Effect::partial;
  } else if (effect == "short") {
    fault.effect = Fault::Effect::short_result;
  } else if (effect != "error") {
    return bad();
  }
  return fault;
}

}  // namespace

std::string Token::to_string() const {
  std::string text = steps ? std::to_string(*steps) + "@" : "";
  for (const Level& level : levels) {
    text += &level == &levels.front() ? "" : "/";
    text += level.fault ? level.fault->to_string() + (level.point ? "|" : "") : "";
    text += level.point ? level.point->to_string() : level.fault ? "" : "run";
  }
  return text;
}

Result<Token> Token::parse(std::string_view text) {
  Token token;
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    std::size_t steps = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + at, steps);
    if (error != std::errc{} || end != text.data() + at) {
      return fail(Error(ErrorCode::invalid_argument, "a replay token has no number of steps")
                      .mismatch("steps@...", std::string(text)));
    }
    token.steps = steps;
    text.remove_prefix(at + 1);
  }
  for (;;) {
    const std::size_t end = text.find('/');
    const std::string_view part = text.substr(0, end);
    const bool last = end == std::string_view::npos;
    Level& level = token.levels.emplace_back();
    const std::size_t bar = part.find('|');
    const bool crash = !last || part.find_first_of("|:") != std::string_view::npos;
    if (bar != std::string_view::npos || !(crash || part == "run")) {
      SELVEDGE_TRY(level.fault, parse_fault(part.substr(0, bar)));
    }
    if (crash) {
      SELVEDGE_TRY(level.point, CrashPoint::parse(part.substr(level.fault ? bar + 1 : 0)));
    }
    if (last) {
      return token;
    }
    text.remove_prefix(end + 1);
  }
}

std::string describe(const std::vector<Event>& trace, const std::optional<CrashPoint>& crash) {
  const CrashPoint point = crash.value_or(CrashPoint{trace.size(), {}});
  Disk disk{Image{}};
  const std::size_t count = std::min(point.event, trace.size());
  for (std::size_t i = 0; i < count; ++i) {
    disk.apply(trace[i]);
  }
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& pending = disk.pending();
    const auto found = std::find(pending.begin(), pending.end(), &trace[i]);
    const auto index = static_cast<std::size_t>(found - pending.begin());
    const char* fate = "        ";
    if (found != pending.end() && index < point.keep.kept.size()) {
      const bool torn = point.keep.tear && point.keep.tear->pending == index;
      fate = !point.keep.kept[index] ? "dropped " : torn ? "torn    " : "kept    ";
    }
    text += "  " + std::string(fate) + std::to_string(i) + " " + trace[i].to_string() + "\n";
  }
  return text + (crash ? "  -- crash --\n" : "");
}

}  // namespace selvedge::testkit
