#include "migration/xml_text.h"

namespace selvedge::migration {

namespace {

/// U+FFFE and U+FFFF are no characters of XML: their bytes end with these.
bool is_noncharacter(std::string_view text, std::size_t at) {
  return text.substr(at, 3) == "\xef\xbf\xbe" || text.substr(at, 3) == "\xef\xbf\xbf";
}

}  // namespace

bool xml_can_hold(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || is_noncharacter(text, i)) {
      return false;
    }
  }
  return true;
}

std::string xml_escape(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\t': result += "&#9;"; break;  // as they are, attributes lose them
      case '\n': result += "&#10;"; break;
      case '\r': result += "&#13;"; break;
      default: result += c;
    }
  }
  return result;
}

std::string xml_safe_json(std::string json) {
  for (std::size_t i = 0; i + 3 <= json.size(); ++i) {
    if (is_noncharacter(json, i)) {
      json.replace(i, 3, json[i + 2] == '\xbe' ? "\\ufffe" : "\\uffff");
    }
  }
  return json;
}

}  // namespace selvedge::migration
