#include <selvedge/report.h>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace selvedge {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& writer, const char* key, const std::string& text) {
  writer.Key(key);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}
void put(Writer& writer, const char* key, std::uint64_t number) {
  writer.Key(key);
  writer.Uint64(number);
}
void put(Writer& writer, const char* key, bool truth) {
  writer.Key(key);
  writer.Bool(truth);
}
void put(Writer& writer, const char* key, const std::vector<std::string>& texts) {
  writer.Key(key);
  writer.StartArray();
  for (const std::string& text : texts) {
    writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  writer.EndArray();
}
void put(Writer& writer, const char* key, const PhaseReport& phase) {
  writer.Key(key);
  writer.StartObject();
  put(writer, "entries", phase.entries);
  put(writer, "applied", phase.applied);
  put(writer, "skipped", phase.skipped);
  put(writer, "microseconds", phase.microseconds);
  writer.EndObject();
}

}  // namespace

std::string RecoveryReport::to_json() const {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  put(writer, "created", created);
  put(writer, "clean_close", clean_close);
  put(writer, "salvaged", salvaged);
  put(writer, "snapshot", snapshot);
  put(writer, "rejected_snapshots", rejected_snapshots);
  put(writer, "snapshot_nodes", snapshot_nodes);
  put(writer, "snapshot_edges", snapshot_edges);
  put(writer, "low_water", low_water.value);
  put(writer, "recovered", recovered.value);
  put(writer, "segments", segments);
  put(writer, "log_bytes", log_bytes);
  put(writer, "frames", frames);
  put(writer, "transactions_committed", transactions_committed);
  put(writer, "transactions_aborted", transactions_aborted);
  put(writer, "transactions_incomplete", transactions_incomplete);
  put(writer, "analyse", analyse);
  put(writer, "redo", redo);
  put(writer, "undo", undo);
  put(writer, "non_transactional", non_transactional);
  put(writer, "rebuild_microseconds", rebuild_microseconds);
  put(writer, "total_microseconds", total_microseconds);
  put(writer, "nodes", nodes);
  put(writer, "edges", edges);
  writer.Key("rolled_back");
  writer.StartArray();
  for (const RolledBack& each : rolled_back) {
    writer.StartObject();
    put(writer, "transaction", each.number.value);
    put(writer, "aborted", each.aborted);
    put(writer, "entries", each.entries);
    put(writer, "undone", each.undone);
    writer.EndObject();
  }
  writer.EndArray();
  writer.Key("dropped");
  writer.StartArray();
  for (const DroppedBytes& each : dropped) {
    writer.StartObject();
    put(writer, "path", each.path);
    put(writer, "offset", each.offset);
    put(writer, "bytes", each.bytes);
    put(writer, "reason", each.reason);
    writer.EndObject();
  }
  writer.EndArray();
  put(writer, "skipped_regenerable", skipped_regenerable);
  put(writer, "strays", strays);
  put(writer, "damage", damage);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace selvedge
