#include "migration/input_file.h"

#include "base/crc32c.h"
#include "io/file_util.h"

namespace selvedge::migration {

Result<InputFile> InputFile::open(FileSystem& files, const std::string& path) {
  SELVEDGE_TRY(const FileKind kind, files.kind(path));
  if (kind == FileKind::none) {
    return fail(Error(ErrorCode::not_found, "no such file").at(path));
  }
  if (kind != FileKind::file) {  // a pipe cannot be read twice
    return fail(Error(ErrorCode::invalid_argument, "this cannot be read twice")
                    .at(path)
                    .mismatch("a regular file",
                              kind == FileKind::directory ? "a directory" : "something else"));
  }
  InputFile input;
  input.path_ = path;
  SELVEDGE_TRY(input.file_, files.open(path, OpenMode::read));
  SELVEDGE_TRY(input.size_, input.file_->size());
  return input;
}

Result<bool> InputFile::more() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t held = buffer_.size();
  buffer_.resize(held + block_bytes);
  auto* const into = reinterpret_cast<std::byte*>(buffer_.data() + held);
  auto count = io::read_up_to(*file_, read_, {into, block_bytes});
  buffer_.resize(held + count.value_or(0));
  if (!count) {
    return fail(std::move(count).error());
  }
  crc_ = base::crc32c(crc_, {into, *count});
  read_ += *count;
  return *count != 0;
}

void InputFile::rewind() {
  buffer_.clear();
  begin_ = 0;
  offset_ = 0;
  read_ = 0;
  line_number_ = 0;
  crc_ = 0;
}

Result<InputFile::Line> InputFile::line(std::string_view& into, std::size_t bytes_max) {
  ++line_number_;
  line_offset_ = offset_;
  std::size_t searched = 0;
  for (;;) {
    const std::string_view here = rest();
    const std::size_t end = here.find('\n', searched);
    if (end != std::string_view::npos && end <= bytes_max) {
      into = here.substr(0, end);
      take(end + 1);
      break;
    }
    if (here.size() > bytes_max) {
      return pass_over(into);
    }
    searched = here.size();
    SELVEDGE_TRY(const bool more_there, more());
    if (!more_there) {
      into = rest();
      if (into.empty()) {
        return Line::end;
      }
      take(into.size());
      break;
    }
  }
  if (into.ends_with('\r')) {
    into.remove_suffix(1);
  }
  return Line::line;
}

Result<InputFile::Line> InputFile::pass_over(std::string_view& into) {
  beginning_ = rest().substr(0, 64);
  into = beginning_;
  for (;;) {
    const std::size_t end = rest().find('\n');
    if (end != std::string_view::npos) {
      take(end + 1);
      return Line::too_long;
    }
    take(rest().size());
    SELVEDGE_TRY(const bool more_there, more());
    if (!more_there) {
      return Line::too_long;
    }
  }
}

}  // namespace selvedge::migration
