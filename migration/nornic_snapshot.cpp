// Reading a store of NornicDB: its newest snapshot that is whole.

#include <selvedge/json.h>

#include <algorithm>

#include "migration/json_text.h"
#include "migration/nornic_source.h"

namespace selvedge::migration {

Status NornicSource::find_snapshot(const std::string& directory) {
  const std::string folder = directory + "/snapshots";
  SELVEDGE_TRY(const FileKind kind, context_.files.kind(folder));
  if (kind != FileKind::directory) {
    return {};
  }
  SELVEDGE_TRY(auto listed, context_.files.list(folder));
  std::reverse(listed.begin(), listed.end());  // the name has the time: the newest first
  for (const DirectoryEntry& each : listed) {
    if (!each.name.starts_with("snapshot-") || !each.name.ends_with(".json")) {
      continue;
    }
    SELVEDGE_TRY(InputFile file, InputFile::open(context_.files, folder + "/" + each.name));
    snapshot_.emplace(std::move(file), context_.options.record_bytes_max);
    Status good = read_snapshot_facts();
    if (good) {
      return {};
    }
    // An older one may do, with the log behind it.
    SELVEDGE_TRY(refuse(std::move(good).error(), {folder + "/" + each.name}));
    snapshot_.reset();
    snapshot_sequence_ = 0;
  }
  return {};
}

/// Walks through all of it: what is not whole is not begun with.
Status NornicSource::read_snapshot_facts() {
  SELVEDGE_TRY(snapshot_->begin_object());
  std::string name;
  std::string text;
  bool sequence = false;
  for (bool first = true;; first = false) {
    SELVEDGE_TRY(const bool more, snapshot_->next_member(first, name));
    if (!more) {
      break;
    }
    const bool part = name == "nodes" || name == "edges";
    if (part) {
      SELVEDGE_TRY(const bool list, snapshot_->begin_array());
      if (list) {
        for (bool begin = true;; begin = false) {
          SELVEDGE_TRY(const bool element, snapshot_->next_element(begin, text));
          if (!element) {
            break;
          }
        }
        continue;
      }
    }
    SELVEDGE_TRY(snapshot_->value(text));
    const auto value = value_from_json(text);
    const auto* const number = value ? value->as<std::int64_t>() : nullptr;
    const auto* const word = value ? value->as<std::string>() : nullptr;
    bool good = true;
    if (name == "sequence") {
      sequence = number != nullptr && *number >= 0;
      good = sequence;
      snapshot_sequence_ = good ? static_cast<std::uint64_t>(*number) : 0;
    } else if (name == "version") {
      good = word != nullptr && *word == "1.0";
    } else if (part) {
      good = text == "null";
    } else if (name != "timestamp") {
      good = context_.options.ignore_unknown;
    }
    if (!good) {
      return fail(Error(ErrorCode::corruption, "a member of the snapshot is wrong")
                      .at(snapshot_->file().path(), snapshot_->place().offset)
                      .mismatch("sequence, timestamp, nodes, edges, version \"1.0\"",
                                json_string(name) + ": " + text.substr(0, 40)));
    }
  }
  if (!sequence) {
    return fail(Error(ErrorCode::corruption, "the snapshot has no sequence")
                    .at(snapshot_->file().path(), 0));
  }
  return snapshot_->end();
}

/// Goes to the first element of a list. False: the snapshot has none.
Result<bool> NornicSource::open_snapshot_part(const char* part) {
  snapshot_->rewind();
  SELVEDGE_TRY(snapshot_->begin_object());
  std::string name;
  std::string text;
  for (bool first = true;; first = false) {
    SELVEDGE_TRY(const bool more, snapshot_->next_member(first, name));
    if (!more) {
      return false;
    }
    if (name == part) {
      return snapshot_->begin_array();
    }
    SELVEDGE_TRY(const bool list, snapshot_->begin_array());
    if (!list) {
      SELVEDGE_TRY(snapshot_->value(text));
      continue;
    }
    for (bool begin = true;; begin = false) {  // not the list that is wanted
      SELVEDGE_TRY(const bool element, snapshot_->next_element(begin, text));
      if (!element) {
        break;
      }
    }
  }
}

Result<bool> NornicSource::next_of_snapshot(Record& into) {
  const bool nodes = stage_ == Stage::snapshot_nodes;
  if (!part_open_) {
    SELVEDGE_TRY(part_open_, open_snapshot_part(nodes ? "nodes" : "edges"));
    part_first_ = true;
  }
  std::string text;
  while (part_open_) {
    SELVEDGE_TRY(const bool more, snapshot_->next_element(part_first_, text));
    part_first_ = false;
    if (!more) {
      part_open_ = false;
      break;
    }
    if (text == "null") {
      continue;
    }
    auto wanted = nodes ? parse_nornic_node(text, {}, ids_, context_.options.ignore_unknown, into)
                        : parse_nornic_edge(text, {}, ids_, context_.options.ignore_unknown, into);
    into.place = snapshot_->place();
    into.bytes = text.size();
    if (!wanted) {
      const Error& error = wanted.error();
      SELVEDGE_TRY(
          refuse(bad_input(into.place, error.what(), error.expected(), error.found(), error.code()),
                 into.place));
    } else if (*wanted) {
      return true;
    }
  }
  bytes_done_ += snapshot_->file().size();
  return false;
}

}  // namespace selvedge::migration
