// Text in XML 1.0.
#pragma once

#include <string>
#include <string_view>

namespace selvedge::migration {

/// Whether XML can hold the text at all: it has no control characters but tab and line ends.
bool xml_can_hold(std::string_view text);
/// For an attribute or an element, the same again after any parser.
std::string xml_escape(std::string_view text);
/// JSON that XML can hold: what is left of control characters is escaped as JSON has it.
std::string xml_safe_json(std::string json);

}  // namespace selvedge::migration
