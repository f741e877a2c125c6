#include "snapshot/manifest.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <array>
#include <cstdio>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/file_util.h"

namespace selvedge::snapshot {

namespace {

using Json = rapidjson::Value;
constexpr std::uint64_t manifest_bytes_max = std::uint64_t{64} << 20;

void put_string(auto& writer, const char* key, const std::string& text) {
  writer.Key(key);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

void put_number(auto& writer, const char* key, std::uint64_t number) {
  writer.Key(key);
  writer.Uint64(number);
}

/// Everything but the checksum, in one fixed form.
std::string body_of(const Manifest& manifest) {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter writer(buffer);
  writer.SetIndent(' ', 1);
  writer.StartObject();
  put_number(writer, "version", manifest_version);
  put_string(writer, "store", to_string(manifest.store));
  put_number(writer, "created_us", manifest.created_us);
  put_number(writer, "watermark", manifest.watermark);
  put_number(writer, "wall_us", manifest.wall_us);
  put_number(writer, "next_snapshot", manifest.next_snapshot);
  writer.Key("clean_close");
  writer.Bool(manifest.clean_close);
  writer.Key("snapshots");
  writer.StartArray();
  for (const ManifestSnapshot& each : manifest.snapshots) {
    writer.StartObject();
    put_string(writer, "file", each.file);
    put_number(writer, "begin", each.begin);
    put_number(writer, "end", each.end);
    put_number(writer, "low_water", each.low_water);
    put_number(writer, "bytes", each.bytes);
    put_number(writer, "created_us", each.created_us);
    put_string(writer, "digest", each.digest);
    writer.EndObject();
  }
  writer.EndArray();
  writer.Key("segments");
  writer.StartArray();
  for (const ManifestSegment& each : manifest.segments) {
    writer.StartObject();
    put_number(writer, "number", each.number);
    put_number(writer, "salt", each.salt);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

std::string checksum_line(const std::string& body) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "crc32c %08x\n", base::crc32c(as_bytes(body)));
  return text.data();
}

/// Takes members out of an object; remembers the first that is missing or of another type.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {
    if (!object.IsObject()) {
      fault_ = "an object";
    }
  }
  std::uint64_t number(const char* key) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsUint64()) {
      note(key);
      return 0;
    }
    return member->GetUint64();
  }
  std::string text(const char* key) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsString()) {
      note(key);
      return {};
    }
    return {member->GetString(), member->GetStringLength()};
  }
  bool truth(const char* key) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsBool()) {
      note(key);
      return false;
    }
    return member->GetBool();
  }
  const Json* array(const char* key) {
    const Json* member = find(key);
    if (member == nullptr || !member->IsArray()) {
      note(key);
      return nullptr;
    }
    return member;
  }
  /// What is wrong; empty when every member was asked for and had the right type.
  [[nodiscard]] std::string fault() const {
    if (fault_.empty() && object_.MemberCount() != taken_) {
      return "no unknown members";
    }
    return fault_;
  }

 private:
  const Json* find(const char* key) {
    if (!object_.IsObject()) {
      return nullptr;
    }
    const auto found = object_.FindMember(key);
    if (found == object_.MemberEnd()) {
      return nullptr;
    }
    ++taken_;
    return &found->value;
  }
  void note(const char* key) {
    if (fault_.empty()) {
      fault_ = std::string("a member ") + key;
    }
  }
  const Json& object_;
  std::size_t taken_ = 0;
  std::string fault_;
};

std::string fill(Manifest& manifest, Members& members) {
  const auto store = parse_uuid(members.text("store"));
  manifest.created_us = members.number("created_us");
  manifest.watermark = members.number("watermark");
  manifest.wall_us = members.number("wall_us");
  manifest.next_snapshot = members.number("next_snapshot");
  manifest.clean_close = members.truth("clean_close");
  if (const Json* snapshots = members.array("snapshots")) {
    for (const Json& each : snapshots->GetArray()) {
      Members inner(each);
      ManifestSnapshot& snapshot = manifest.snapshots.emplace_back();
      snapshot.file = inner.text("file");
      snapshot.begin = inner.number("begin");
      snapshot.end = inner.number("end");
      snapshot.low_water = inner.number("low_water");
      snapshot.bytes = inner.number("bytes");
      snapshot.created_us = inner.number("created_us");
      snapshot.digest = inner.text("digest");
      if (std::string fault = inner.fault(); !fault.empty()) {
        return fault;
      }
    }
  }
  if (const Json* segments = members.array("segments")) {
    for (const Json& each : segments->GetArray()) {
      Members inner(each);
      ManifestSegment& segment = manifest.segments.emplace_back();
      segment.number = inner.number("number");
      segment.salt = inner.number("salt");
      if (std::string fault = inner.fault(); !fault.empty()) {
        return fault;
      }
    }
  }
  if (!store) {
    return "a UUID";
  }
  manifest.store = *store;
  return members.fault();
}

}  // namespace

std::string Manifest::to_json() const {
  const std::string body = body_of(*this);
  return body + "\n" + checksum_line(body);
}

Result<Manifest> Manifest::parse(std::string_view text, const std::string& path) {
  const auto bad = [&](std::size_t offset, std::string expected) {
    return fail(Error(ErrorCode::corruption, "the manifest is damaged")
                    .at(path, offset)
                    .mismatch(std::move(expected), "something else"));
  };
  const std::size_t line = text.rfind("\ncrc32c ");
  if (line == std::string_view::npos) {
    return bad(text.size(), "a checksum line");
  }
  const std::string body(text.substr(0, line));
  const std::string checksum = checksum_line(body);
  if (text.substr(line + 1) != checksum) {
    return fail(Error(ErrorCode::corruption, "the manifest's checksum is wrong")
                    .at(path, line + 1)
                    .mismatch(checksum.substr(7, 8), std::string(text.substr(line + 1, 64))));
  }
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  if (document.HasParseError()) {
    return bad(document.GetErrorOffset(), rapidjson::GetParseError_En(document.GetParseError()));
  }
  Members members(document);
  const std::uint64_t version = members.number("version");
  if (version > manifest_version) {
    return fail(Error(ErrorCode::newer_format, "the store has a newer format")
                    .at(path)
                    .mismatch(std::to_string(manifest_version), std::to_string(version)));
  }
  Manifest manifest;
  if (const std::string fault = fill(manifest, members); !fault.empty()) {
    return bad(0, fault);
  }
  return manifest;
}

Result<Manifest> Manifest::load(FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/" + manifest_name;
  SELVEDGE_TRY(const auto bytes, io::read_file(files, path, manifest_bytes_max));
  return parse(as_text(bytes), path);
}

Status Manifest::save(FileSystem& files, const std::string& directory) const {
  return io::atomic_replace(files, directory, manifest_name, as_bytes(to_json()));
}

}  // namespace selvedge::snapshot
