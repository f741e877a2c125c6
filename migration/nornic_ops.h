// What the entries of NornicDB say.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/value.h>

#include "migration/nornic_log.h"
#include "migration/record.h"

namespace selvedge::migration {

/// A value in plain JSON: nothing stands for anything else. A whole number is an int64, but one
/// beyond it a double, as it was there. Errors: `invalid_argument`, `too_large` (nesting).
Result<Value> plain_json(std::string_view text, unsigned depth = 0);

/// How ids are written in the store.
class NornicIds {
 public:
  explicit NornicIds(std::string only) : only_(std::move(only)) {}
  /// The name of the database goes in front, unless it is there. False: of another database than
  /// the one that is wanted; its own name is taken off.
  bool complete(std::string& id, const std::string& database) const;

 private:
  std::string only_;
};

/// What an entry's data say.
struct NornicChange {
  std::string transaction;       ///< empty: none
  std::uint64_t operations = 0;  ///< of tx_commit
  std::deque<Record> records;
};

/// Nothing when it is right; else what is wrong with the entry. Bulk entries are several records.
std::optional<Error> parse_nornic_change(const NornicEntry& entry, const NornicIds& ids,
                                         bool ignore_unknown, NornicChange& into);
/// Of an entry that may be of a transaction: its name, or an error.
std::optional<Error> parse_nornic_transaction(const NornicEntry& entry, std::string& into);

/// A node or an edge. False: of another database. Errors: what, expected, found.
Result<bool> parse_nornic_node(std::string_view json, const std::string& database,
                               const NornicIds& ids, bool ignore_unknown, Record& into);
Result<bool> parse_nornic_edge(std::string_view json, const std::string& database,
                               const NornicIds& ids, bool ignore_unknown, Record& into);

}  // namespace selvedge::migration
