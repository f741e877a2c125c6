#include "cli/errors.h"

namespace selvedge::cli {

const std::vector<ExitCode>& exit_codes() {
  static const std::vector<ExitCode> codes = {
      {Exit::ok, "done"},
      {Exit::refused,
       "refused: verify found faults, a revert met later changes, a constraint or "
       "conflict forbids it, the target exists already"},
      {Exit::usage, "the command line, or the configuration, cannot be right"},
      {Exit::not_found,
       "no such store, entity, transaction, file, or a sequence that is not "
       "retained any more"},
      {Exit::corrupt, "bytes on disk that cannot be right; nothing was changed"},
      {Exit::locked, "another process has the store open for writing"},
      {Exit::foreign, "not a store, or written by a later version"},
      {Exit::system, "the system refuses: permission, space, memory, a failed read or write"},
      {Exit::internal, "a bug in this program"},
  };
  return codes;
}

Exit exit_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return Exit::usage;
    case ErrorCode::not_found:
    case ErrorCode::not_retained: return Exit::not_found;
    case ErrorCode::already_exists:
    case ErrorCode::conflict:
    case ErrorCode::has_edges:
    case ErrorCode::constraint_violated:
    case ErrorCode::too_large:
    case ErrorCode::finished:
    case ErrorCode::read_only:
    case ErrorCode::exhausted: return Exit::refused;
    case ErrorCode::locked: return Exit::locked;
    case ErrorCode::not_a_store:
    case ErrorCode::newer_format:
    case ErrorCode::unsupported: return Exit::foreign;
    case ErrorCode::corruption: return Exit::corrupt;
    case ErrorCode::permission_denied:
    case ErrorCode::disk_full:
    case ErrorCode::out_of_memory:
    case ErrorCode::io:
    case ErrorCode::poisoned:
    case ErrorCode::unknown_outcome: return Exit::system;
    case ErrorCode::closed: break;
  }
  return Exit::internal;
}

std::string hint_for(const Error& error) {
  switch (error.code()) {
    case ErrorCode::locked:
      return "info, verify, get, txlog and all that only looks work beside the process that has it "
             "open";
    case ErrorCode::not_a_store: return "a store is a directory with a file MANIFEST in it";
    case ErrorCode::newer_format: return "use a later version of selvedge";
    case ErrorCode::corruption:
      return "selvedge verify shows all damage; selvedge recover --dry-run --salvage shows what "
             "could be saved";
    case ErrorCode::not_retained: return "selvedge info shows what is retained of the log";
    case ErrorCode::disk_full: return "nothing is lost; make room and try again";
    case ErrorCode::permission_denied:
      return "stores are made with mode 0700, for the user who runs the program";
    case ErrorCode::read_only: return "the option read_only is set: selvedge config shows where";
    default: return {};
  }
}

void show_error(Output& output, bool json, const Error& error) {
  const std::string hint = hint_for(error);
  if (!json) {
    output.note(output.styled_error(Style::bad, "selvedge: ") + visible(error.message()));
    if (!hint.empty()) {
      output.note(output.styled_error(Style::dim, "  hint: " + hint));
    }
    return;
  }
  Json text;
  text.begin_object().key("error").begin_object();
  text.member("code", to_string(error.code())).member("message", error.message());
  text.member("what", error.what()).member("path", error.path());
  text.member("offset", error.offset());
  text.member("expected", error.expected()).member("found", error.found());
  text.member("hint", hint).end_object();
  text.member("exit", static_cast<int>(exit_of(error.code()))).end_object();
  output.note(text.take());
}

void show_usage_error(Output& output, bool json, const std::string& what,
                      const std::string& command) {
  const std::string hint = "selvedge " + (command.empty() ? "" : command + " ") + "--help";
  if (!json) {
    output.note(output.styled_error(Style::bad, "selvedge: ") + visible(what));
    output.note(output.styled_error(Style::dim, "  hint: " + hint));
    return;
  }
  Json text;
  text.begin_object().key("error").begin_object();
  text.member("code", "usage").member("message", what).member("hint", hint).end_object();
  text.member("exit", static_cast<int>(Exit::usage)).end_object();
  output.note(text.take());
}

}  // namespace selvedge::cli
