// What formats are made of, before it is in a store.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <selvedge/migration.h>
#include <selvedge/schema.h>
#include <selvedge/value.h>

namespace selvedge::migration {

/// Where something stands in the input. `line` 0: the format has none.
struct Place {
  std::string path;
  std::uint64_t line = 0;
  std::uint64_t column = 0;
  std::uint64_t offset = 0;
};

/// An error of the input: `file:line:column` or `file @offset` in front.
inline Error bad_input(const Place& place, std::string what, std::string expected = {},
                       std::string found = {}, ErrorCode code = ErrorCode::invalid_argument) {
  Error error(code, std::move(what));
  if (place.line == 0) {
    error = std::move(error).at(place.path, place.offset);
  } else {
    std::string where = place.path + ":" + std::to_string(place.line);
    if (place.column != 0) {
      where += ":" + std::to_string(place.column);
    }
    error = std::move(error).at(where);
  }
  return expected.empty() && found.empty()
             ? std::move(error)
             : Error(std::move(error).mismatch(std::move(expected), std::move(found)));
}

using Members = std::vector<std::pair<std::string, Value>>;

/// One record. `create_*`: the id must be new. `put_*`: replaces what is there. `delete_*`: what is
/// not there is no fault.
struct Record {
  enum class Kind : std::uint8_t {
    create_node,
    create_edge,
    embedding,
    schema,
    put_node,
    put_edge,
    delete_node,
    delete_edge,
  };
  Kind kind = Kind::create_node;
  std::string id;  ///< of the node or edge, as the input has it; an edge may have none
  std::vector<std::string> labels;
  std::string type;
  std::string source;
  std::string target;
  Members properties;
  std::string key;  ///< of an embedding
  Vector vector;
  SchemaSpec spec;
  Place place;
  std::uint64_t bytes = 0;  ///< of the input, for the size of batches

  void clear(Kind to) {
    kind = to;
    id.clear();
    labels.clear();
    type.clear();
    source.clear();
    target.clear();
    properties.clear();
    key.clear();
    vector.clear();
    spec = {};
    bytes = 0;
  }
};

/// Role: what is bad in the input: refused, or collected.
class BadRecords {
 public:
  BadRecords(const ImportOptions& options, ImportReport& report)
      : skip_(options.skip_bad), listed_max_(options.bad_listed_max), report_(report) {}
  /// The error, or nothing when it is to be passed over.
  Status add(const Place& place, Error error) {
    if (!skip_) {
      return fail(std::move(error));
    }
    if (counting_) {
      ++report_.bad_count;
      if (report_.bad.size() < listed_max_) {
        report_.bad.push_back(
            {place.path, place.line, place.column, place.offset, error.message()});
      }
    }
    return {};
  }
  /// In the second reading those of the first are known.
  void count(bool on) { counting_ = on; }

 private:
  bool skip_;
  bool counting_ = true;
  std::size_t listed_max_;
  ImportReport& report_;
};

/// Role: a format's records, one after another, the same ones after each `rewind`.
/// Threads: one.
/// After failure: an error that `BadRecords` did not take ends the reading.
class Source {
 public:
  virtual ~Source() = default;
  /// False at the end.
  virtual Result<bool> next(Record& into) = 0;
  virtual Status rewind() = 0;
  [[nodiscard]] virtual std::uint64_t bytes_done() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_total() const = 0;
  /// Of the content, when `next` has returned false.
  [[nodiscard]] virtual std::string fingerprint() const = 0;
  /// What edges may be asked for by their ids (`put_edge`, `delete_edge`), known after a first
  /// reading: their types.
  [[nodiscard]] virtual const std::vector<std::string>& edge_types() const {
    static const std::vector<std::string> none;
    return none;
  }
};

struct SourceContext {
  FileSystem& files;
  const ImportOptions& options;
  BadRecords& bad;
  ImportReport& report;
};

Result<std::unique_ptr<Source>> open_jsonl(const SourceContext& context, const std::string& path);
Result<std::unique_ptr<Source>> open_csv(const SourceContext& context,
                                         const std::vector<std::string>& nodes,
                                         const std::vector<std::string>& edges);
Result<std::unique_ptr<Source>> open_graphml(const SourceContext& context, const std::string& path);
Result<std::unique_ptr<Source>> open_nornicdb(const SourceContext& context,
                                              const std::string& directory);

}  // namespace selvedge::migration
