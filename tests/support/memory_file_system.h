// A file system in memory that can lose power.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <selvedge/file_system.h>

namespace selvedge::test {

/// What a crash keeps of operations that were not synced. `cached`: only the process died; all of
/// it is still there, and still not durable.
enum class Keep { nothing, everything, random, cached };

/// Role: files and directories with what is cached and what is durable. `sync_data` makes a file's
///   bytes durable, `sync_dir` a directory's entries (those that are directories too), nothing else
///   does. What stands in a directory that a crash takes is gone with it.
/// Threads: any.
class MemoryFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status mkdir(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<FileKind> kind(const std::string& path) override;

  /// The state after a power failure; open files of this system are as they were.
  std::unique_ptr<MemoryFileSystem> crash(Keep keep, std::uint64_t seed) const;

  struct Write {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    bool resize = false;  ///< to `offset` bytes
  };
  struct Inode {
    std::mutex mutex;
    std::vector<std::byte> data;
    std::vector<std::byte> durable;
    std::vector<Write> pending;
  };

 private:
  struct NameChange {
    std::string directory;
    std::string name;
    std::shared_ptr<Inode> inode;  ///< null: gone
  };
  void copy_cache(MemoryFileSystem& to) const;
  void change(const std::string& path, std::shared_ptr<Inode> inode);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Inode>> names_;
  std::map<std::string, std::shared_ptr<Inode>> durable_names_;
  std::vector<NameChange> pending_names_;
  std::set<std::string> directories_;
  std::set<std::string> pending_directories_;  ///< made, and not durable in their parents
  std::set<std::string> locked_;
};

}  // namespace selvedge::test
