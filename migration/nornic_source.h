// Reading a store of NornicDB: what it has found, and where it is.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "migration/json_stream.h"
#include "migration/nornic_ops.h"
#include "migration/record.h"

namespace selvedge::migration {

/// Entries that stand one behind the other, with rising sequences.
struct Run {
  std::size_t file = 0;
  std::uint64_t at = 0;  ///< of the next entry
  std::uint64_t end = 0;
  std::uint64_t first = 0;  ///< sequence
};

class NornicSource final : public Source {
 public:
  explicit NornicSource(const SourceContext& context)
      : context_(context), ids_(context.options.database) {}

  /// Finds the files and reads all logs once.
  Status prepare(const std::string& directory);

  Result<bool> next(Record& into) override;
  Status rewind() override;
  [[nodiscard]] std::uint64_t bytes_done() const override { return bytes_done_; }
  [[nodiscard]] std::uint64_t bytes_total() const override { return bytes_total_; }
  [[nodiscard]] std::string fingerprint() const override { return fingerprint_; }
  [[nodiscard]] const std::vector<std::string>& edge_types() const override { return types_; }

 private:
  enum class Stage : std::uint8_t { snapshot_nodes, snapshot_edges, log, done };
  struct Reference {
    std::size_t file = 0;
    std::uint64_t offset = 0;
  };
  struct Open {
    bool begun = false;
    std::vector<Reference> entries;
  };
  using Next = std::pair<std::uint64_t, std::size_t>;  ///< sequence, run

  Status find_logs(const std::string& directory);
  Status read_manifest(const std::string& segments, std::set<std::string>& names);
  Status find_runs();
  Status find_runs_of(std::size_t file, bool active);
  Status find_snapshot(const std::string& directory);
  Status read_snapshot_facts();

  Result<bool> next_of_snapshot(Record& into);
  Result<bool> open_snapshot_part(const char* part);
  Result<bool> next_entry(NornicEntry& into);
  Result<bool> read_at(std::size_t file, std::uint64_t offset, NornicEntry& into);
  Status advance_log();
  Status take_entry(const NornicEntry& entry);
  Status take_change(const NornicEntry& entry);
  Status begin_replay(const NornicEntry& entry, const std::string& key);
  [[nodiscard]] Status refuse(Error error, const Place& place) {
    return context_.bad.add(place, std::move(error));
  }
  void note(std::string text) {
    if (first_reading_) {
      context_.report.notes.push_back(std::move(text));
    }
  }

  SourceContext context_;
  NornicIds ids_;
  std::vector<NornicLogFile> logs_;
  std::vector<Run> runs_;
  std::optional<JsonStream> snapshot_;
  std::uint64_t snapshot_sequence_ = 0;
  std::uint64_t bytes_total_ = 0;
  std::uint64_t bytes_done_ = 0;
  std::string fingerprint_;
  std::set<std::string> types_seen_;
  std::vector<std::string> types_;
  bool first_reading_ = true;

  Stage stage_ = Stage::snapshot_nodes;
  bool part_open_ = false;
  bool part_first_ = true;
  std::vector<Run> active_;
  std::size_t next_run_ = 0;
  std::priority_queue<Next, std::vector<Next>, std::greater<>> heap_;
  std::map<std::size_t, NornicEntry> waiting_;  ///< the next entry of each active run
  std::optional<NornicEntry> previous_;
  std::map<std::string, Open> open_;
  std::deque<Reference> replay_;
  std::deque<Record> ready_;
};

}  // namespace selvedge::migration
