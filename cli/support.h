// What several commands do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <selvedge/inspect.h>
#include <selvedge/progress.h>
#include <selvedge/report.h>
#include <selvedge/store.h>

#include "cli/command.h"

namespace selvedge::cli {

/// To look at: beside whoever has it open, and nothing changes.
Result<Store> open_to_read(Context& context, const std::string& path);
/// As it was at a sequence or time (`parse_moment`); nothing: now.
Result<Store> open_to_read(Context& context, const std::string& path,
                           const std::optional<std::string>& as_of);
/// Under its lock, and maintained by nobody but the command. There must be a store.
Result<Store> open_to_change(Context& context, const std::string& path);
/// The log of a store that nobody need have open, with the errors of a missing or foreign one.
Result<Txlog> open_log(const std::string& path, bool unconfirmed = false);

/// A callback that shows a bar, with the activity's and the step's name.
ProgressCallback progress_on(ProgressBar& bar);

/// "3 of 5 deleted" and the like are for people; this is one line of JSON.
void json_line(Context& context, Json& json);

/// What recovery did, or would do.
void show_recovery(Context& context, const RecoveryReport& report);

/// A sequence, or a time as this program prints it; UTC, parts of the day may be left out.
Result<std::variant<Sequence, Timestamp>> parse_moment(const std::string& text);
inline constexpr const char* as_of_help =
    "as it was: a sequence, or a time such as 2026-11-21T17:13:06Z";

/// A number from the command line; `invalid_argument` names what it was for.
Result<std::uint64_t> parse_number(std::string_view text, const char* what);

}  // namespace selvedge::cli
