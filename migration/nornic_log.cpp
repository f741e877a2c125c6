#include "migration/nornic_log.h"

#include <selvedge/json.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/utf8.h"
#include "io/file_util.h"
#include "migration/json_text.h"

namespace selvedge::migration {

namespace {

constexpr std::string_view magic = "WALE";
constexpr std::string_view trailer("\xce\xfa\xed\xfe\xef\xbe\xad\xde", 8);
constexpr std::size_t header_bytes = 9;
constexpr std::size_t window_bytes = std::size_t{256} << 10;

std::uint32_t crc_of(std::string_view text) { return base::crc32c(as_bytes(text)); }

std::optional<std::uint64_t> whole(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

Error corrupt(std::string what, std::string expected, std::string found) {
  return Error(Error(ErrorCode::corruption, std::move(what))
                   .mismatch(std::move(expected), std::move(found)));
}

}  // namespace

bool decode_base64(std::string_view text, std::string& into) {
  static const auto values = [] {
    std::array<std::int8_t, 256> table{};
    table.fill(-1);
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
      table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
    }
    return table;
  }();
  into.clear();
  if (text.size() % 4 != 0) {
    return false;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  text.remove_suffix(padding);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0) {
      return false;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      into.push_back(static_cast<char>(bits >> held & 0xff));
    }
  }
  return (bits & ((1U << held) - 1)) == 0;  // what padding stands for is zero
}

std::optional<Error> parse_nornic_entry(std::string_view json, bool ignore_unknown,
                                        NornicEntry& into) {
  std::vector<JsonMember> members;
  JsonFault fault;
  if (!base::valid_utf8(json) || !split_object(json, members, fault)) {
    return corrupt("an entry is not JSON",
                   fault.expected.empty() ? "valid UTF-8"
                                          : fault.expected + " at byte " + std::to_string(fault.at),
                   "something else");
  }
  into.sequence = 0;
  into.operation.clear();
  into.data.clear();
  into.database.clear();
  std::optional<std::uint64_t> checksum;
  for (const JsonMember& each : members) {
    const auto text = [&]() -> std::optional<std::string> {
      const auto value = value_from_json(each.text);
      const auto* const found = value ? value->as<std::string>() : nullptr;
      return found != nullptr ? std::optional(*found) : std::nullopt;
    };
    bool good = true;
    if (each.name == "seq") {
      const auto sequence = whole(each.text);
      good = sequence && *sequence != 0;
      into.sequence = sequence.value_or(0);
    } else if (each.name == "checksum") {
      checksum = whole(each.text);
      good = checksum.has_value();
    } else if (each.name == "op" || each.name == "database") {
      const auto word = text();
      good = word.has_value();
      (each.name == "op" ? into.operation : into.database) = word.value_or("");
    } else if (each.name == "data") {
      const auto encoded = text();
      good = each.text == "null" || (encoded && decode_base64(*encoded, into.data));
    } else if (each.name != "ts") {
      good = ignore_unknown;
    }
    if (!good) {
      return corrupt("an entry has a wrong member", "seq, ts, op, data, checksum, database",
                     json_string(each.name) + ": " + std::string(each.text.substr(0, 40)));
    }
  }
  if (into.sequence == 0 || into.operation.empty() || !checksum) {
    return corrupt("an entry is not complete", "seq, op and checksum", "fewer members");
  }
  if (crc_of(into.data) != *checksum) {
    return corrupt("the checksum of an entry's data is wrong", std::to_string(*checksum),
                   std::to_string(crc_of(into.data)));
  }
  return std::nullopt;
}

Result<NornicLogFile> NornicLogFile::open(FileSystem& files, const std::string& path) {
  NornicLogFile log;
  log.path_ = path;
  SELVEDGE_TRY(log.file_, files.open(path, OpenMode::read));
  SELVEDGE_TRY(log.size_, log.file_->size());
  SELVEDGE_TRY(const std::string_view begin, log.bytes(0, magic.size()));
  log.binary_ = begin == magic || log.size_ < magic.size();
  return log;
}

/// Up to so many bytes: fewer at the end of the file. Valid until the next call.
Result<std::string_view> NornicLogFile::bytes(std::uint64_t offset, std::size_t count) {
  count =
      static_cast<std::size_t>(std::min<std::uint64_t>(count, offset < size_ ? size_ - offset : 0));
  if (offset < window_at_ || offset + count > window_at_ + window_.size()) {
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(
        std::max(count, window_bytes), offset < size_ ? size_ - offset : 0));
    window_.resize(want);
    window_at_ = offset;
    SELVEDGE_TRY(const std::size_t got,
                 io::read_up_to(*file_, offset, std::as_writable_bytes(std::span(window_))));
    window_.resize(got);
    count = std::min(count, got);
  }
  return std::string_view(window_).substr(static_cast<std::size_t>(offset - window_at_), count);
}

Result<NornicLogFile::Outcome> NornicLogFile::read(std::uint64_t offset, NornicEntry& into,
                                                   Error& fault, bool ignore_unknown) {
  into.place = {path_, 0, 0, offset};
  into.behind = offset;
  if (offset >= size_) {
    return Outcome::end;
  }
  return binary_ ? read_record(offset, into, fault, ignore_unknown)
                 : read_line(offset, into, fault, ignore_unknown);
}

Result<NornicLogFile::Outcome> NornicLogFile::read_line(std::uint64_t offset, NornicEntry& into,
                                                        Error& fault, bool ignore_unknown) {
  constexpr std::size_t line_bytes_max = payload_bytes_max + 1024;
  std::size_t length = std::string_view::npos;
  std::string_view text;
  for (std::size_t want = 4096; length == std::string_view::npos; want *= 4) {
    SELVEDGE_TRY(text, bytes(offset, std::min(want, line_bytes_max)));
    length = text.find('\n');
    if (length == std::string_view::npos && (text.size() < want || want > line_bytes_max)) {
      break;
    }
  }
  const bool ended = length != std::string_view::npos;
  if (!ended && text.size() == line_bytes_max) {
    into.behind = size_;
    fault = corrupt("a line is too long", "at most " + std::to_string(line_bytes_max), "more")
                .at(path_, offset);
    return Outcome::damaged;
  }
  text = text.substr(0, length);
  into.behind = offset + text.size() + (ended ? 1 : 0);
  if (text.empty() || text == "\r") {
    return into.behind >= size_ ? Result<Outcome>(Outcome::end)
                                : read(into.behind, into, fault, ignore_unknown);
  }
  into.crc = crc_of(text);
  auto wrong = parse_nornic_entry(text, ignore_unknown, into);
  if (!wrong) {
    return Outcome::entry;
  }
  if (!ended) {
    into.behind = offset;
    return Outcome::torn;
  }
  fault = std::move(*wrong).at(path_, offset);
  return Outcome::damaged;
}

Result<NornicLogFile::Outcome> NornicLogFile::damage(std::uint64_t offset, NornicEntry& into,
                                                     Error& fault, Error what) {
  fault = std::move(what).at(path_, offset);
  SELVEDGE_TRY(into.behind, find_magic(offset + 1));
  return Outcome::damaged;
}

Result<bool> NornicLogFile::only_zeros(std::uint64_t offset) {
  while (offset < size_) {
    SELVEDGE_TRY(const std::string_view text, bytes(offset, window_bytes));
    if (text.empty() || text.find_first_not_of('\0') != std::string_view::npos) {
      return text.empty();
    }
    offset += text.size();
  }
  return true;
}

Result<std::uint64_t> NornicLogFile::find_magic(std::uint64_t from) {
  while (from < size_) {
    SELVEDGE_TRY(const std::string_view text, bytes(from, window_bytes));
    const std::size_t found = text.find(magic);
    if (found != std::string_view::npos) {
      return from + found;
    }
    if (text.size() < magic.size()) {
      break;
    }
    from += text.size() - (magic.size() - 1);
  }
  return size_;
}

Result<NornicLogFile::Outcome> NornicLogFile::read_record(std::uint64_t offset, NornicEntry& into,
                                                          Error& fault, bool ignore_unknown) {
  SELVEDGE_TRY(const std::string_view header, bytes(offset, header_bytes));
  if (header.size() < header_bytes) {
    return Outcome::torn;
  }
  if (!header.starts_with(magic)) {
    SELVEDGE_TRY(const bool zeros, only_zeros(offset));
    if (zeros) {
      return Outcome::torn;
    }
    return damage(offset, into, fault, corrupt("no record begins here", "WALE", "other bytes"));
  }
  const auto version = static_cast<unsigned char>(header[4]);
  const auto length = load_le<std::uint32_t>(as_bytes(header).data() + 5);
  if ((version != 1 && version != 2) || length > payload_bytes_max) {
    return damage(
        offset, into, fault,
        corrupt("a record's header is wrong", "version 1 or 2, at most 16 MiB",
                "version " + std::to_string(version) + ", " + std::to_string(length) + " bytes"));
  }
  std::size_t total = header_bytes + length + 4;
  if (version == 2) {
    total = (total + trailer.size() + 7) / 8 * 8;
  }
  SELVEDGE_TRY(const std::string_view record, bytes(offset, total));
  if (record.size() < total) {
    return Outcome::torn;
  }
  const std::string_view payload = record.substr(header_bytes, length);
  const auto crc = load_le<std::uint32_t>(as_bytes(record).data() + header_bytes + length);
  if (crc_of(payload) != crc) {
    return damage(offset, into, fault,
                  corrupt("a record's checksum is wrong", std::to_string(crc),
                          std::to_string(crc_of(payload))));
  }
  const std::string_view rest = record.substr(header_bytes + length + 4);
  if (version == 2 && (!rest.starts_with(trailer) ||
                       rest.find_first_not_of('\0', trailer.size()) != std::string_view::npos)) {
    return damage(offset, into, fault,
                  corrupt("a record's end is wrong", "its trailer, and zeros", "other bytes"));
  }
  into.crc = crc;
  auto wrong = parse_nornic_entry(payload, ignore_unknown, into);
  into.behind = offset + total;
  if (!wrong) {
    return Outcome::entry;
  }
  fault = std::move(*wrong).at(path_, offset);
  return Outcome::damaged;
}

}  // namespace selvedge::migration
