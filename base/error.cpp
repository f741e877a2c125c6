#include <selvedge/error.h>

#include <array>
#include <system_error>

namespace selvedge {

std::string_view to_string(ErrorCode code) {
  static constexpr std::array<std::string_view, 23> names = {
      "invalid_argument", "not_found",     "already_exists",
      "conflict",         "has_edges",     "constraint_violated",
      "too_large",        "finished",      "locked",
      "not_a_store",      "newer_format",  "permission_denied",
      "disk_full",        "out_of_memory", "io",
      "corruption",       "poisoned",      "unknown_outcome",
      "not_retained",     "read_only",     "closed",
      "exhausted",        "unsupported"};
  const auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : std::string_view("unknown error code");
}

Error::Error(ErrorCode code, std::string what) : detail_(std::make_unique<Detail>()) {
  detail_->code = code;
  detail_->what = std::move(what);
  compose();
}

Error&& Error::at(std::string path, std::optional<std::uint64_t> offset) && {
  detail_->path = std::move(path);
  detail_->offset = offset;
  compose();
  return std::move(*this);
}

Error&& Error::mismatch(std::string expected, std::string found) && {
  detail_->expected = std::move(expected);
  detail_->found = std::move(found);
  compose();
  return std::move(*this);
}

Error&& Error::os(int error_number) && {
  detail_->os_error = error_number;
  compose();
  return std::move(*this);
}

Error&& Error::with_entity(std::uint64_t raw_id) && {
  detail_->entity = raw_id;
  compose();
  return std::move(*this);
}

Error&& Error::with_other(std::uint64_t transaction) && {
  detail_->other = transaction;
  compose();
  return std::move(*this);
}

Error Error::clone() const {
  Error copy(detail_->code, detail_->what);
  *copy.detail_ = *detail_;
  return copy;
}

void Error::compose() {
  std::string& text = detail_->message;
  text.clear();
  if (!detail_->path.empty()) {
    text += detail_->path;
    if (detail_->offset) {
      text += " @" + std::to_string(*detail_->offset);
    }
    text += ": ";
  }
  text += detail_->what;
  if (!detail_->expected.empty() || !detail_->found.empty()) {
    text += ": expected " + detail_->expected + ", found " + detail_->found;
  }
  if (detail_->os_error != 0) {
    text += ": " + std::generic_category().message(detail_->os_error) + " (errno " +
            std::to_string(detail_->os_error) + ")";
  }
  if (detail_->entity != 0) {
    text += " [entity " + std::to_string(detail_->entity) + "]";
  }
  if (detail_->other != 0) {
    text += " [transaction " + std::to_string(detail_->other) + "]";
  }
}

}  // namespace selvedge
