#include "migration/output.h"

#include "base/bytes.h"
#include "io/file_util.h"
#include "migration/marks.h"

namespace selvedge::migration {

namespace {

constexpr std::size_t buffer_bytes = std::size_t{256} << 10;

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<OutputFile> OutputFile::create(const ExportOptions& options, const std::string& path) {
  FileSystem& files = options.file_system != nullptr ? *options.file_system : posix_file_system();
  SELVEDGE_TRY(const FileKind kind, files.kind(path));
  if (kind != FileKind::none && (kind != FileKind::file || !options.replace)) {
    return fail(Error(ErrorCode::already_exists, "the place of the export is taken").at(path));
  }
  OutputFile output;
  output.path_ = path;
  SELVEDGE_TRY(output.file_, files.open(path + ".tmp", OpenMode::create));
  output.files_ = &files;
  SELVEDGE_TRY(output.file_->truncate(0));  // an export that was killed may have left something
  return output;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : files_(std::exchange(other.files_, nullptr)),
      file_(std::move(other.file_)),
      path_(std::move(other.path_)),
      buffer_(std::move(other.buffer_)),
      written_(other.written_) {}

OutputFile::~OutputFile() {
  if (files_ != nullptr) {
    file_.reset();
    static_cast<void>(files_->unlink(path_ + ".tmp"));  // the error that led here is reported
  }
}

Status OutputFile::write(std::string_view text) {
  buffer_ += text;
  return buffer_.size() < buffer_bytes ? Status{} : flush();
}

Status OutputFile::flush() {
  SELVEDGE_TRY(io::write_all(*file_, written_, as_bytes(buffer_)));
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status OutputFile::publish() {
  SELVEDGE_TRY(flush());
  SELVEDGE_TRY(file_->sync());
  SELVEDGE_TRY(file_->close());
  SELVEDGE_TRY(files_->rename(path_ + ".tmp", path_));
  FileSystem& files = *std::exchange(files_, nullptr);
  return files.sync_dir(directory_of(path_));
}

ExportRun::ExportRun(const Reader& view, const ExportOptions& options)
    : view_(view), meter_(options.progress, Activity::export_data) {}

Status ExportRun::begin() {
  if (view_.first(state_label)) {
    return fail(ErrorCode::invalid_argument,
                "an import is unfinished: go on with it, or discard it, before an export");
  }
  meter_.step("write", ProgressUnit::records, view_.node_count() + view_.edge_count());
  return {};
}

void ExportRun::leave_out_the_rest() {
  view_.each_embedding([&](NodeId, KeyId, std::span<const float>) {
    ++report.embeddings_left_out;
    return true;
  });
  report.schema_left_out = view_.schema().size();
}

ExportReport ExportRun::finish() {
  meter_.finish();
  return report;
}

}  // namespace selvedge::migration
