// Writing exports.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <selvedge/migration.h>

#include "base/progress_meter.h"

namespace selvedge::migration {

/// Role: a file that appears, complete and durable, with `publish`.
/// Invariants: until then it has the name with `.tmp` behind, and destruction removes it.
/// Threads: one.
class OutputFile {
 public:
  static Result<OutputFile> create(const ExportOptions& options, const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  Status write(std::string_view text);
  Status publish();
  [[nodiscard]] std::uint64_t bytes() const { return written_ + buffer_.size(); }

 private:
  OutputFile() = default;
  Status flush();

  FileSystem* files_ = nullptr;
  std::unique_ptr<File> file_;
  std::string path_;
  std::string buffer_;
  std::uint64_t written_ = 0;
};

/// Role: what all exports do: refuse to begin, count, tell how far they are.
class ExportRun {
 public:
  ExportRun(const Reader& view, const ExportOptions& options);
  /// `invalid_argument` while an import is unfinished: marks would be exported.
  Status begin();
  /// After all passes over the graph are known; `passes` of nodes and edges together.
  template <class Use>
  Status nodes(Use use) {
    for (const Node& node : view_.nodes()) {
      SELVEDGE_TRY(use(node));
      meter_.add(1);
    }
    return {};
  }
  template <class Use>
  Status edges(Use use) {
    for (const Edge& edge : view_.edges()) {
      SELVEDGE_TRY(use(edge));
      meter_.add(1);
    }
    return {};
  }
  void leave_out_the_rest();
  ExportReport finish();
  ExportReport report;

 private:
  const Reader& view_;
  base::ProgressMeter meter_;
};

}  // namespace selvedge::migration
