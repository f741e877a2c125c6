// Graphs from and to files: JSON lines, CSV, GraphML, DOT, and the stores of NornicDB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/progress.h>
#include <selvedge/read.h>
#include <selvedge/store.h>

namespace selvedge {

namespace migration {
class ImportImpl;
}

/// docs/migration.md describes the formats.
enum class GraphFormat : std::uint8_t { jsonl, csv, graphml, dot, nornicdb };
std::string_view to_string(GraphFormat format);

/// How CSV is written.
struct CsvDialect {
  char delimiter = ',';
  char array_delimiter = ';';
  char quote = '"';
};

/// What is imported: one file; of CSV any number of files of nodes and of edges; of NornicDB the
/// store's directory.
struct ImportSource {
  GraphFormat format = GraphFormat::jsonl;
  std::vector<std::string> nodes;       ///< the file or directory; of CSV those with nodes
  std::vector<std::string> edges = {};  ///< of CSV

  static ImportSource jsonl(std::string path) { return {GraphFormat::jsonl, {std::move(path)}}; }
  static ImportSource graphml(std::string path) {
    return {GraphFormat::graphml, {std::move(path)}};
  }
  static ImportSource csv(std::vector<std::string> nodes, std::vector<std::string> edges) {
    return {GraphFormat::csv, std::move(nodes), std::move(edges)};
  }
  static ImportSource nornicdb(std::string directory) {
    return {GraphFormat::nornicdb, {std::move(directory)}};
  }
};

/// Something in the input that could not be taken.
struct BadRecord {
  std::string path;
  std::uint64_t line = 0;    ///< from 1; 0 where lines mean nothing
  std::uint64_t column = 0;  ///< from 1, in bytes; 0 when it is the whole line
  std::uint64_t offset = 0;  ///< of the record, in bytes
  std::string what;          ///< what is wrong, expected and found
};

struct ImportOptions {
  /// A transaction takes at most so many records, and about so many bytes of the input.
  std::uint32_t batch_records = 1000;
  std::uint32_t batch_bytes = std::uint32_t{1} << 20;
  /// A line, element or entry that is longer is bad.
  std::uint32_t record_bytes_max = std::uint32_t{64} << 20;

  /// Leave out what is bad and go on, instead of refusing the whole input.
  bool skip_bad = false;
  /// The report lists so many of them; it counts them all.
  std::uint32_t bad_listed_max = 1000;
  /// Members and columns of names that the format does not have are passed over, not bad.
  bool ignore_unknown = false;

  /// The input's ids of nodes become this property (a string); of NornicDB those of edges, too.
  /// Empty: they are not kept, but for NornicDB, where it is then "nornic_id".
  std::string id_key = {};
  /// Every node gets this label, and its `id_key` is unique there. Empty: no label and no
  /// constraint, but for NornicDB, where it is then "NornicNode".
  std::string id_label = {};
  /// Of NornicDB: only this database of several, and ids without its name in front.
  std::string database = {};
  CsvDialect csv = {};
  /// Of CSV whose first lines are not typed: taken instead of the first line of each file of nodes,
  /// or edges (which is passed over). `iata:ID,name,state:string,latitude:double`.
  std::string csv_nodes_header = {};
  std::string csv_edges_header = {};
  /// Of nodes in CSV without a column `:LABEL`, and in GraphML without labels. Empty: none.
  std::string default_label = {};
  /// Of edges in CSV without a column `:TYPE`, and in GraphML without a type. Empty: CSV must have
  /// the column; in GraphML it is "EDGE".
  std::string default_type = {};

  /// Import the input also if the store's log says that this was done a moment ago.
  bool again = false;
  /// Steps "check" and "load" in bytes of the input, "finish" in records (nodes).
  ProgressCallback progress = {};
  /// Of the input. Null: the machine's own.
  FileSystem* file_system = nullptr;
};

struct ImportReport {
  std::uint64_t records = 0;  ///< in the input, without bad ones
  std::uint64_t nodes = 0;    ///< created; less what the input itself deletes (NornicDB)
  std::uint64_t edges = 0;
  std::uint64_t embeddings = 0;
  std::uint64_t schema = 0;  ///< indexes and constraints that were made
  std::uint64_t bytes = 0;   ///< of the input
  bool resumed = false;      ///< went on with what an earlier attempt left
  bool done_before = false;  ///< the log says that it was done a moment ago; nothing was changed
  std::uint64_t bad_count = 0;
  std::vector<BadRecord> bad = {};  ///< those that this attempt met
  /// What is no fault and still worth a line: a torn tail, transactions without an end.
  std::vector<std::string> notes = {};
};

/// Role: an import, step by step. `run` (or `import_graph`) is what most programs want.
///   First the whole input is read and checked; bad input is refused with its place, and nothing
///   has happened. Then it is read again and goes into the store in batches, each one transaction.
/// Invariants: the position in the input is committed with the batch, in a node of its own; so an
///   import that was interrupted, by a crash too, goes on behind the last batch that is there when
///   it is started again, and nothing comes twice. Until the end every imported node carries the
///   label `selvedge:import`, and the property of that name has the input's id, by an index on it.
///   If it turns out in the middle that the input cannot be taken (an edge whose node is nowhere,
///   a constraint of the store), all that was imported is taken out again.
/// Threads: one at a time; one import in a store at a time. Others may use the store meanwhile.
/// After failure: of the store or the system: what was imported stays, and the import can be gone
///   on with (`unfinished_import`), or taken out (`discard_import`).
class Import {
 public:
  /// Nothing happens yet. The store must outlive it.
  Import(Store& store, ImportSource source, ImportOptions options = {});
  Import(Import&&) noexcept;
  Import& operator=(Import&&) noexcept;
  ~Import();

  /// One change of the store at most, atomic by itself. False: it is finished, `report` is full.
  /// Errors of the input: invalid_argument, corruption, too_large, constraint_violated,
  /// unsupported, newer_format (the message has the place); `already_exists`: another import is
  /// unfinished; `locked`: another one is at work; those of any write; those of the system.
  Result<bool> step();
  /// All steps that are left.
  Result<ImportReport> run();
  [[nodiscard]] const ImportReport& report() const;

 private:
  std::unique_ptr<migration::ImportImpl> impl_;
};

/// Cost: reads the input twice. Memory: a batch, the parts of a record, the index on the ids (in
/// the store, until the end); for NornicDB also what docs/migration.md says.
Result<ImportReport> import_graph(Store& store, const ImportSource& source,
                                  const ImportOptions& options = {});

/// What an interrupted import has left in the store.
struct UnfinishedImport {
  GraphFormat format = GraphFormat::jsonl;
  std::vector<std::string> paths;  ///< as they were given
  std::uint64_t records = 0;
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  bool complete = false;    ///< only marks are left to be removed
  bool discarding = false;  ///< being taken out
};
/// `corruption` when somebody else has changed the node that says so.
[[nodiscard]] Result<std::optional<UnfinishedImport>> unfinished_import(const Reader& view);
/// Takes out what an interrupted import has left: nodes with their edges, indexes and constraints.
/// Can be interrupted and called again. `not_found` when there is nothing; `finished` when the
/// import was complete: then its marks are removed, and what it imported stays.
Status discard_import(Store& store);

struct ExportOptions {
  /// A file that is there is replaced; else it is `already_exists`.
  bool replace = false;
  /// JSON lines: indexes and constraints, too.
  bool schema = true;
  CsvDialect csv = {};
  /// DOT: the property that is a node's text. Empty: its labels.
  std::string dot_label = {};
  /// One step, "write", in records: nodes and edges.
  ProgressCallback progress = {};
  FileSystem* file_system = nullptr;
};

struct ExportReport {
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
  std::uint64_t embeddings = 0;  ///< written
  std::uint64_t schema = 0;
  std::uint64_t bytes = 0;
  /// In the view, and not in the format: everything but JSON lines has no place for them.
  std::uint64_t embeddings_left_out = 0;
  std::uint64_t schema_left_out = 0;
};

/// Writes what a view shows. The file appears when it is complete and durable. Order: that of the
/// ids. Errors: already_exists, invalid_argument (an import is unfinished), the system's.
/// Memory: a record; for CSV and GraphML also the names of all properties.
Result<ExportReport> export_jsonl(const Reader& view, const std::string& path,
                                  const ExportOptions& options = {});
/// Two files: both appear, the nodes first.
Result<ExportReport> export_csv(const Reader& view, const std::string& nodes_path,
                                const std::string& edges_path, const ExportOptions& options = {});
Result<ExportReport> export_graphml(const Reader& view, const std::string& path,
                                    const ExportOptions& options = {});
/// For drawing: what DOT can show. There is no way back.
Result<ExportReport> export_dot(const Reader& view, const std::string& path,
                                const ExportOptions& options = {});

/// A digest of what a view shows, whatever ids it has: nodes with labels, properties, embeddings;
/// edges with type, properties and what stands at their ends; indexes and constraints. 32
/// hexadecimal digits. Graphs that differ in their ids alone have the same. Graphs that differ in
/// anything else have different ones, unless their difference is only in how nodes are joined that
/// look alike, as do their neighbours, and the neighbours of those (colour refinement): two
/// triangles and a ring of six, all nodes and edges the same.
/// Cost: a pass over all edges for each round, at most 64; 40 bytes for each node.
[[nodiscard]] std::string content_digest(const Reader& view);

}  // namespace selvedge
