#include "snapshot/manifest.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <set>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/file_util.h"

namespace selvedge::snapshot {

namespace {

using Json = rapidjson::Value;
constexpr std::uint64_t manifest_bytes_max = std::uint64_t{64} << 20;
constexpr std::string_view checksum_member = ",\n \"checksum\": \"";
constexpr std::string_view checksum_tail = "\"\n}\n";

constexpr std::array<std::string_view, 2> kinds = {"checkpoint", "backup"};
constexpr std::array<std::string_view, 2> states = {"listed", "sealed"};

std::string checksum_of(std::string_view text) {
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08x", base::crc32c(as_bytes(text)));
  return digits.data();
}

class Writer {
 public:
  Writer() { writer_.SetIndent(' ', 1); }
  void open() { writer_.StartObject(); }
  void close() { writer_.EndObject(); }
  void open_list(const char* key) {
    writer_.Key(key);
    writer_.StartArray();
  }
  void close_list() { writer_.EndArray(); }
  void text(const char* key, std::string_view text) {
    writer_.Key(key);
    writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  void number(const char* key, std::uint64_t number) {
    writer_.Key(key);
    writer_.Uint64(number);
  }
  void truth(const char* key, bool truth) {
    writer_.Key(key);
    writer_.Bool(truth);
  }
  [[nodiscard]] std::string str() const { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer_{buffer_};
};

void write(Writer& to, const ManifestSnapshot& snapshot) {
  to.open();
  to.text("file", snapshot.file);
  to.text("kind", kinds[static_cast<std::size_t>(snapshot.kind) - 1]);
  to.number("begin", snapshot.begin);
  to.number("end", snapshot.end);
  to.number("low_water", snapshot.low_water);
  to.number("bytes", snapshot.bytes);
  to.number("created_us", snapshot.created_us);
  to.text("digest", snapshot.digest);
  to.truth("verified", snapshot.verified);
  to.number("log_frame_crc", snapshot.log_frame_crc);
  to.close();
}

void write(Writer& to, const ManifestSegment& segment) {
  to.open();
  to.number("number", segment.number);
  to.number("salt", segment.salt);
  to.number("first_sequence", segment.first_sequence);
  to.text("state", states[static_cast<std::size_t>(segment.state)]);
  to.close();
}

std::string type_of(const Json& value) {
  switch (value.GetType()) {
    case rapidjson::kNullType: return "null";
    case rapidjson::kFalseType: return "false";
    case rapidjson::kTrueType: return "true";
    case rapidjson::kObjectType: return "an object";
    case rapidjson::kArrayType: return "a list";
    case rapidjson::kStringType:
      return "\"" + std::string(value.GetString(), value.GetStringLength()).substr(0, 64) + "\"";
    case rapidjson::kNumberType:
      return value.IsUint64()  ? std::to_string(value.GetUint64())
             : value.IsInt64() ? std::to_string(value.GetInt64())
                               : "a number with a fraction or beyond 64 bits";
  }
  return "something else";
}

/// The first thing that is wrong with a manifest; none when `place` is empty.
struct Fault {
  std::string place;
  std::string expected;
  std::string found;
};

/// Takes members out of an object, each once; remembers the first that is not as it must be.
class Members {
 public:
  Members(const Json& object, std::string place, Fault& fault)
      : object_(object), place_(std::move(place)), fault_(fault) {
    if (!object.IsObject()) {
      note(place_, "an object", type_of(object));
    }
  }
  std::uint64_t number(const char* key,
                       std::uint64_t largest = std::numeric_limits<std::uint64_t>::max()) {
    const Json* member = find(key);
    if (member == nullptr) {
      return 0;
    }
    if (!member->IsUint64() || member->GetUint64() > largest) {
      note(at(key), "a whole number up to " + std::to_string(largest), type_of(*member));
      return 0;
    }
    return member->GetUint64();
  }
  std::string text(const char* key) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsString()) {
      note_type(member, key, "a string");
      return {};
    }
    return {member->GetString(), member->GetStringLength()};
  }
  /// Index of the member's text among `choices`.
  std::size_t choice(const char* key, std::span<const std::string_view> choices) {
    const std::string found = text(key);
    std::string expected;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (found == choices[i]) {
        return i;
      }
      expected += (i == 0 ? "" : " or ") + std::string(choices[i]);
    }
    note(at(key), expected, "\"" + found.substr(0, 64) + "\"");
    return 0;
  }
  bool truth(const char* key) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsBool()) {
      note_type(member, key, "true or false");
      return false;
    }
    return member->GetBool();
  }
  /// Calls `use(members)` for each element.
  template <class Use>
  void list(const char* key, Use use) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsArray()) {
      note_type(member, key, "a list");
      return;
    }
    for (rapidjson::SizeType i = 0; i < member->Size() && fault_.place.empty(); ++i) {
      Members inner((*member)[i], at(key) + "[" + std::to_string(i) + "]", fault_);
      use(inner);
      inner.finish();
    }
  }
  /// Every member must have been taken.
  void finish() {
    if (!object_.IsObject()) {
      return;
    }
    for (const auto& member : object_.GetObject()) {
      const std::string name(member.name.GetString(), member.name.GetStringLength());
      if (!taken_.erase(name)) {  // unknown, or there twice
        note(at(name.substr(0, 64)), "no such member", type_of(member.value));
      }
    }
  }
  void note(std::string place, std::string expected, std::string found) {
    if (fault_.place.empty()) {
      fault_ = {std::move(place), std::move(expected), std::move(found)};
    }
  }
  [[nodiscard]] std::string at(const std::string& key) const {
    return place_.empty() ? key : place_ + "." + key;
  }

 private:
  const Json* find(const char* key) {
    if (!object_.IsObject()) {
      return nullptr;
    }
    const auto found = object_.FindMember(key);
    if (found == object_.MemberEnd()) {
      note(at(key), "a member", "nothing");
      return nullptr;
    }
    taken_.insert(key);
    return &found->value;
  }
  void note_type(const Json* member, const char* key, const char* expected) {
    if (member != nullptr) {
      note(at(key), expected, type_of(*member));
    }
  }

  const Json& object_;
  std::string place_;
  Fault& fault_;
  std::set<std::string> taken_;
};

ManifestSnapshot take_snapshot(Members& members) {
  ManifestSnapshot snapshot;
  snapshot.file = members.text("file");
  snapshot.kind = static_cast<Kind>(members.choice("kind", kinds) + 1);
  snapshot.begin = members.number("begin");
  snapshot.end = members.number("end");
  snapshot.low_water = members.number("low_water");
  snapshot.bytes = members.number("bytes");
  snapshot.created_us = members.number("created_us");
  snapshot.digest = members.text("digest");
  snapshot.verified = members.truth("verified");
  snapshot.log_frame_crc = static_cast<std::uint32_t>(
      members.number("log_frame_crc", std::numeric_limits<std::uint32_t>::max()));
  return snapshot;
}

ManifestSegment take_segment(Members& members) {
  ManifestSegment segment;
  segment.number = members.number("number");
  segment.salt = members.number("salt", std::numeric_limits<std::uint32_t>::max());
  segment.first_sequence = members.number("first_sequence");
  segment.state = static_cast<SegmentState>(members.choice("state", states));
  return segment;
}

Manifest take_manifest(Members& members) {
  Manifest manifest;
  const bool has_archive = members.number("version") > 1;
  const std::string store = members.text("store");
  if (const auto uuid = parse_uuid(store)) {
    manifest.store = *uuid;
  } else {
    members.note("store", "a UUID", "\"" + store.substr(0, 64) + "\"");
  }
  manifest.created_us = members.number("created_us");
  manifest.watermark = members.number("watermark");
  manifest.wall_us = members.number("wall_us");
  manifest.next_snapshot = members.number("next_snapshot");
  manifest.clean_close = members.truth("clean_close");
  members.list("snapshots",
               [&](Members& each) { manifest.snapshots.push_back(take_snapshot(each)); });
  members.list("segments", [&](Members& each) { manifest.segments.push_back(take_segment(each)); });
  if (has_archive) {
    members.list("archive", [&](Members& each) { manifest.archive.push_back(take_segment(each)); });
  }
  members.text("checksum");
  members.finish();
  return manifest;
}

/// What must hold between the members.
Fault check_invariants(const Manifest& manifest) {
  std::set<std::string> files;
  for (std::size_t i = 0; i < manifest.snapshots.size(); ++i) {
    const ManifestSnapshot& each = manifest.snapshots[i];
    const std::string place = "snapshots[" + std::to_string(i) + "].";
    if (each.file.empty() ||
        each.file.find_first_of(std::string_view("/\0", 2)) != std::string::npos ||
        each.file[0] == '.') {
      return {place + "file", "a plain file name", "\"" + each.file + "\""};
    }
    if (!files.insert(each.file).second) {
      return {place + "file", "a file that is listed once", each.file};
    }
    if (each.end > manifest.watermark) {
      return {place + "end", "at most the watermark " + std::to_string(manifest.watermark),
              std::to_string(each.end)};
    }
  }
  std::set<std::uint64_t> numbers;
  for (std::size_t i = 0; i < manifest.segments.size(); ++i) {
    const std::uint64_t number = manifest.segments[i].number;
    if (!numbers.insert(number).second) {
      return {"segments[" + std::to_string(i) + "].number", "a segment that is listed once",
              std::to_string(number)};
    }
  }
  for (std::size_t i = 0; i < manifest.archive.size(); ++i) {
    const std::uint64_t number = manifest.archive[i].number;
    if (!numbers.insert(number).second) {
      return {"archive[" + std::to_string(i) + "].number", "a segment that is listed once",
              std::to_string(number)};
    }
  }
  return {};
}

Error damaged(const std::string& path, Fault fault) {
  return Error(ErrorCode::corruption, "manifest member " + fault.place)
      .at(path)
      .mismatch(std::move(fault.expected), std::move(fault.found));
}

/// The text before the checksum, once that is right.
Result<std::string_view> checked(std::string_view text, const std::string& path) {
  const std::size_t at = text.rfind(checksum_member);
  if (at == std::string_view::npos) {
    return fail(Error(ErrorCode::corruption, "the manifest has no checksum").at(path, text.size()));
  }
  const std::string_view covered = text.substr(0, at);
  const std::string expected = checksum_of(covered);
  const std::string_view rest = text.substr(at + checksum_member.size());
  if (rest != expected + std::string(checksum_tail)) {
    return fail(Error(ErrorCode::corruption, "manifest checksum")
                    .at(path, at + checksum_member.size())
                    .mismatch(expected, std::string(rest.substr(0, expected.size()))));
  }
  return covered;
}

}  // namespace

std::string Manifest::to_json() const {
  Writer to;
  to.open();
  to.number("version", archive.empty() ? 1 : manifest_version);
  to.text("store", to_string(store));
  to.number("created_us", created_us);
  to.number("watermark", watermark);
  to.number("wall_us", wall_us);
  to.number("next_snapshot", next_snapshot);
  to.truth("clean_close", clean_close);
  to.open_list("snapshots");
  for (const ManifestSnapshot& each : snapshots) {
    write(to, each);
  }
  to.close_list();
  to.open_list("segments");
  for (const ManifestSegment& each : segments) {
    write(to, each);
  }
  to.close_list();
  if (!archive.empty()) {
    to.open_list("archive");
    for (const ManifestSegment& each : archive) {
      write(to, each);
    }
    to.close_list();
  }
  to.close();
  std::string text = to.str();
  text.resize(text.size() - std::string_view("\n}").size());
  const std::string checksum = checksum_of(text);
  return text.append(checksum_member).append(checksum).append(checksum_tail);
}

Result<Manifest> Manifest::parse(std::string_view text, const std::string& path) {
  SELVEDGE_TRY(checked(text, path));
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      text.data(), text.size());
  if (document.HasParseError()) {
    return fail(Error(ErrorCode::corruption, "the manifest is not JSON")
                    .at(path, document.GetErrorOffset())
                    .mismatch("JSON", rapidjson::GetParseError_En(document.GetParseError())));
  }
  Fault fault;
  Members members(document, "", fault);
  const std::uint64_t version = members.number("version");
  if (fault.place.empty() && version > manifest_version) {
    return fail(
        Error(ErrorCode::newer_format, "the store has a newer format")
            .at(path)
            .mismatch("at most " + std::to_string(manifest_version), std::to_string(version)));
  }
  if (version == 0) {
    members.note("version", std::to_string(manifest_version), "0");
  }
  Manifest manifest;
  if (fault.place.empty()) {
    manifest = take_manifest(members);
  }
  if (fault.place.empty()) {
    fault = check_invariants(manifest);
  }
  if (!fault.place.empty()) {
    return fail(damaged(path, std::move(fault)));
  }
  // The same content has one form only: another one was not written by us.
  const std::string written = manifest.to_json();
  if (written != text) {
    const auto differs = std::mismatch(written.begin(), written.end(), text.begin(), text.end());
    const auto at = static_cast<std::size_t>(differs.first - written.begin());
    return fail(Error(ErrorCode::corruption, "the manifest is not in its one form")
                    .at(path, at)
                    .mismatch(written.substr(at, 16), std::string(text.substr(at, 16))));
  }
  return manifest;
}

Result<Manifest> Manifest::load(FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/" + manifest_name;
  SELVEDGE_TRY(const auto bytes, io::read_file(files, path, manifest_bytes_max));
  return parse(as_text(bytes), path);
}

Status Manifest::save(FileSystem& files, const std::string& directory) const {
  if (Fault fault = check_invariants(*this); !fault.place.empty()) {
    return fail(Error(ErrorCode::invalid_argument, "manifest member " + fault.place)
                    .at(directory + "/" + manifest_name)
                    .mismatch(std::move(fault.expected), std::move(fault.found)));
  }
  return io::atomic_replace(files, directory, manifest_name, as_bytes(to_json()));
}

}  // namespace selvedge::snapshot
