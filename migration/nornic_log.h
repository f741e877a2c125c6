// The log files of NornicDB: entries as JSON lines, or in records with a checksum
// (docs/migration.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <selvedge/file_system.h>

#include "migration/record.h"

namespace selvedge::migration {

struct NornicEntry {
  std::uint64_t sequence = 0;
  std::string operation;
  std::string data;  ///< JSON
  std::string database;
  Place place;
  std::uint32_t crc = 0;     ///< of the entry as it is written
  std::uint64_t behind = 0;  ///< where the next one begins
};

/// Role: reads entries at any offset.
/// Threads: one.
class NornicLogFile {
 public:
  static Result<NornicLogFile> open(FileSystem& files, const std::string& path);

  enum class Outcome : std::uint8_t {
    entry,
    end,
    torn,     ///< the last record is not complete: `behind` is where it begins
    damaged,  ///< `fault` says what is wrong; `behind` is where it may go on
  };
  /// Errors: the system's.
  Result<Outcome> read(std::uint64_t offset, NornicEntry& into, Error& fault, bool ignore_unknown);
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

  static constexpr std::size_t payload_bytes_max = std::size_t{16} << 20;

 private:
  Result<std::string_view> bytes(std::uint64_t offset, std::size_t count);
  Result<Outcome> read_line(std::uint64_t offset, NornicEntry& into, Error& fault,
                            bool ignore_unknown);
  Result<Outcome> read_record(std::uint64_t offset, NornicEntry& into, Error& fault,
                              bool ignore_unknown);
  Result<Outcome> damage(std::uint64_t offset, NornicEntry& into, Error& fault, Error what);
  Result<bool> only_zeros(std::uint64_t offset);
  Result<std::uint64_t> find_magic(std::uint64_t from);

  std::unique_ptr<File> file_;
  std::string path_;
  std::uint64_t size_ = 0;
  bool binary_ = false;
  std::string window_;
  std::uint64_t window_at_ = 0;
};

/// Fills the entry from its JSON. Nothing when it is right.
std::optional<Error> parse_nornic_entry(std::string_view json, bool ignore_unknown,
                                        NornicEntry& into);
/// Standard alphabet, with padding. False: not base64.
bool decode_base64(std::string_view text, std::string& into);

}  // namespace selvedge::migration
