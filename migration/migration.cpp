// The public side of imports.

#include <selvedge/migration.h>

#include <utility>

#include "migration/import.h"
#include "migration/marks.h"

namespace selvedge {

std::string_view to_string(GraphFormat format) {
  switch (format) {
    case GraphFormat::jsonl: return "jsonl";
    case GraphFormat::csv: return "csv";
    case GraphFormat::graphml: return "graphml";
    case GraphFormat::dot: return "dot";
    case GraphFormat::nornicdb: return "nornicdb";
  }
  return "unknown";
}

Import::Import(Store& store, ImportSource source, ImportOptions options)
    : impl_(std::make_unique<migration::ImportImpl>(store, std::move(source), std::move(options))) {
}
Import::Import(Import&&) noexcept = default;
Import& Import::operator=(Import&&) noexcept = default;
Import::~Import() = default;

Result<bool> Import::step() { return impl_->step(); }

Result<ImportReport> Import::run() {
  for (;;) {
    SELVEDGE_TRY(const bool more, impl_->step());
    if (!more) {
      return impl_->report();
    }
  }
}

const ImportReport& Import::report() const { return impl_->report(); }

Result<ImportReport> import_graph(Store& store, const ImportSource& source,
                                  const ImportOptions& options) {
  return Import(store, source, options).run();
}

Result<std::optional<UnfinishedImport>> unfinished_import(const Reader& view) {
  SELVEDGE_TRY(auto found, migration::find_state(view));
  if (!found) {
    return std::nullopt;
  }
  const migration::State& state = found->state;
  return UnfinishedImport{state.format,
                          state.paths,
                          state.records,
                          state.nodes,
                          state.edges,
                          state.phase == migration::State::Phase::clean,
                          state.phase == migration::State::Phase::discard};
}

Status discard_import(Store& store) {
  migration::ImportImpl discard(store);
  for (;;) {
    SELVEDGE_TRY(const bool more, discard.step());
    if (!more) {
      return {};
    }
  }
}

}  // namespace selvedge
