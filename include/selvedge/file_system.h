// The store's only door to the system: pass your own to test, count, encrypt or simulate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <selvedge/error.h>

namespace selvedge {

/// An open file. Closing happens at destruction; call `close` to learn whether it worked.
/// Threads: `pread` and `pwrite` at different offsets may run at once.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to the span's size; fewer bytes near the end, 0 at it.
  virtual Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) = 0;
  /// Writes up to the span's size; may write fewer.
  virtual Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> from) = 0;
  /// Makes this file's bytes durable (and what is needed to read them back), nothing else.
  virtual Status sync_data() = 0;
  virtual Status sync() = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  /// Reserves space so that the file is at least `size` bytes; new bytes read as zeros.
  virtual Status allocate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Status close() = 0;
  [[nodiscard]] virtual const std::string& path() const = 0;
};

/// An advisory lock, held while the object lives.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : std::uint8_t {
  read,        ///< must exist
  read_write,  ///< must exist
  create,      ///< made if missing (mode 0600)
  create_new,  ///< must not exist (mode 0600)
};

enum class FileKind : std::uint8_t { none, file, directory, other };

struct DirectoryEntry {
  std::string name;
  FileKind kind = FileKind::file;
};

/// Threads: all functions from any thread. Errors carry the path and errno.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status unlink(const std::string& path) = 0;
  /// Mode 0700; `already_exists` when the path is taken.
  virtual Status mkdir(const std::string& path) = 0;
  /// Sorted by name, without "." and "..".
  virtual Result<std::vector<DirectoryEntry>> list(const std::string& path) = 0;
  /// Makes the directory's entries durable, nothing else.
  virtual Status sync_dir(const std::string& path) = 0;
  /// Exclusive among all users of this file system; `locked` when taken.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  virtual Result<FileKind> kind(const std::string& path) = 0;
  /// Microseconds since 1970; may go back. The default asks the system.
  [[nodiscard]] virtual std::uint64_t wall_clock_us() const;
  /// Fills with random bytes, for store ids and segment salts: unpredictable ones are not needed,
  /// different ones in each life of a store are. The default takes the system's.
  virtual void random(std::span<std::byte> into);
};

/// The machine's own file system.
FileSystem& posix_file_system();

}  // namespace selvedge
