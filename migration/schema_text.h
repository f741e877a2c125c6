// Indexes and constraints as JSON.
#pragma once

#include <string>
#include <string_view>

#include <selvedge/error.h>
#include <selvedge/schema.h>

namespace selvedge::migration {

/// {"kind","entity","target","keys","index"?,"type"?,"name"}
std::string schema_to_json(const SchemaSpec& spec);
/// `invalid_argument`: what, expected, found.
Result<SchemaSpec> schema_from_json(std::string_view text);

}  // namespace selvedge::migration
