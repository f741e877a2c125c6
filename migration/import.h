// The steps of an import.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <selvedge/migration.h>

#include "base/progress_meter.h"
#include "migration/loader.h"
#include "migration/marks.h"
#include "migration/record.h"

namespace selvedge::migration {

/// Role: `Import`. Each step changes the store once at most: it commits a batch, or makes or drops
///   an index, or sets one embedding.
/// Invariants: `state_` is what the store has. A batch that was not committed is done again.
/// Threads: one.
class ImportImpl {
 public:
  ImportImpl(Store& store, ImportSource source, ImportOptions options);
  /// To take out what another one has left, whatever its input.
  explicit ImportImpl(Store& store);

  Result<bool> step();
  [[nodiscard]] const ImportReport& report() const { return report_; }
  [[nodiscard]] const State& state() const { return state_; }

 private:
  Status check();
  Result<std::unique_ptr<Source>> open_source();
  [[nodiscard]] std::string source_name() const;
  Result<bool> begin();
  void take_up(StateNode found);

  Result<bool> load();
  Status fill_batch();
  Result<bool> load_embedding();
  Result<bool> load_batch();
  Result<bool> clean();
  Result<bool> finish();
  Result<bool> discard();
  Result<bool> discard_nodes();
  Result<bool> give_up(Error why);

  /// Makes the next of them that is not there. False: all are.
  Result<bool> make_schema(const std::vector<SchemaSpec>& specs, std::size_t& at);
  Result<bool> drop_id_index();
  /// One transaction that also replaces the state.
  template <class Change>
  Status commit(const State& after, Change change, RetryOptions retry = {});
  Result<bool> commit_state(const State& after);
  Result<bool> marked_nodes();
  void count_report();

  Store& store_;
  ImportSource source_;
  ImportOptions options_;
  ImportReport report_;
  BadRecords bad_;
  std::unique_ptr<base::ProgressMeter> meter_;
  std::uint64_t bytes_told_ = 0;

  std::unique_ptr<Source> input_;
  std::string fingerprint_;
  std::vector<SchemaSpec> schema_before_;  ///< made before the first record
  std::vector<SchemaSpec> schema_after_;   ///< made behind the last
  std::size_t schema_before_at_ = 0;
  std::size_t schema_after_at_ = 0;
  std::optional<Loader> loader_;

  NodeId node_;
  State state_;
  bool begun_ = false;
  bool checked_ = false;
  bool ids_indexed_ = false;
  bool done_ = false;
  bool only_discard_ = false;
  bool cleaning_other_ = false;
  std::optional<Error> failure_;

  std::uint64_t read_ = 0;  ///< records, of this reading
  bool ended_ = false;
  std::optional<Record> held_;
  std::vector<Record> batch_;
  std::uint64_t batch_end_ = 0;
  std::size_t embedding_at_ = 0;
  std::size_t embeddings_bad_ = 0;
  std::vector<NodeId> marked_;
};

}  // namespace selvedge::migration
