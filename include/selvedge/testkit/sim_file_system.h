// A file system in memory that lies, fails, and loses power.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/value.h>

namespace selvedge::testkit {

/// Bytes that do not change any more, with a hash of them.
struct Blob {
  explicit Blob(Bytes content);
  Bytes bytes;
  std::uint64_t hash = 0;
};
using Content = std::shared_ptr<const Blob>;

/// Files and directories as they lie on a disk, by absolute path. The root always exists.
struct Image {
  std::map<std::string, Content> files;
  std::set<std::string> directories;
  [[nodiscard]] std::uint64_t hash() const;
};

/// One thing that a program did to the disk, in the order in which it did them.
struct Event {
  enum class Kind : std::uint8_t {
    create,      ///< path -> inode, empty
    write,       ///< inode, offset, bytes
    resize,      ///< inode to `offset` bytes; new ones read as zeros
    sync_file,   ///< inode
    lost_sync,   ///< a sync of the inode failed: what was pending will never be written
    rename,      ///< path to `to`
    unlink,      ///< path
    mkdir,       ///< path
    sync_dir,    ///< path
    power_loss,  ///< what was pending is there or gone, as `bytes` says; inodes start at `inode`
  };
  Kind kind = Kind::create;
  std::uint32_t inode = 0;
  std::uint64_t offset = 0;
  Content bytes;
  std::string path;
  std::string to;
  [[nodiscard]] std::string to_string() const;
};

/// Operations that can be made to fail.
enum class Operation : std::uint8_t {
  open,
  read,
  write,
  sync,
  resize,
  close,
  rename,
  unlink,
  mkdir,
  list,
  sync_dir,
  count
};
[[nodiscard]] const char* name_of(Operation operation);

/// The n-th operation of a kind fails.
struct Fault {
  enum class Effect : std::uint8_t {
    error,         ///< nothing is done. Of a sync: what was pending is lost, the next one succeeds
    partial,       ///< a write does half of its bytes, then the error
    short_result,  ///< a read or write of half of the bytes, which is no error
  };
  Operation operation = Operation::write;
  std::uint64_t nth = 1;
  bool sticky = false;  ///< all later ones of the kind too
  Effect effect = Effect::error;
  ErrorCode code = ErrorCode::io;
  int os_error = 5;
  [[nodiscard]] std::string to_string() const;
};

/// Role: runs a program on an image, notes what it does to the disk, and fails where it is told to.
/// Invariants: what a reader sees is always the newest write (the cache); what a crash leaves is
///   worked out afterwards, from the start image and the events (`Disk`).
/// Threads: all functions from any thread.
class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(const Image& start = {});
  ~SimFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status unlink(const std::string& path) override;
  Status mkdir(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<FileKind> kind(const std::string& path) override;
  /// The same moment in each life, and a microsecond for each event; more when time passes.
  [[nodiscard]] std::uint64_t wall_clock_us() const override;
  /// No event: recoveries start at the first moment again.
  void pass_time(std::chrono::microseconds time);
  /// The same bytes in each life that starts from the same image.
  void random(std::span<std::byte> into) override;

  void inject(const Fault& fault);
  void clear_fault();
  /// A fault was met.
  [[nodiscard]] bool fault_met() const;
  /// Events before the fault was met first; all, if it never was.
  [[nodiscard]] std::size_t fault_event() const;
  /// Everything fails from now on, and nothing is noted: the program can be thrown away.
  void power_off();
  /// After `power_off`: the next program starts on what the last one wrote, synced or not.
  void restart();
  /// After `power_off`: the next program starts on what a disk can leave. `kept(i, n)` says whether
  /// the i-th of n pending operations got there.
  void restart_after_power_loss(const std::function<bool(std::size_t, std::size_t)>& kept);

  /// Number of events so far; 0 as long as nothing on the disk was changed.
  [[nodiscard]] std::size_t events() const;
  /// Calls of an operation so far.
  [[nodiscard]] std::uint64_t calls(Operation operation) const;
  /// The events; the program must be at rest.
  [[nodiscard]] const std::vector<Event>& trace() const { return trace_; }
  /// What the program sees now.
  [[nodiscard]] Image cache() const;

 private:
  friend class SimFile;
  struct Inode;
  Status check(Operation operation, const std::string& path, Fault::Effect* effect = nullptr);
  Inode* find(const std::string& path);
  [[nodiscard]] bool has_directory(const std::string& path) const;
  void start_from(const Image& image);

  const Image start_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Inode>> names_;
  std::set<std::string> directories_;
  std::set<std::string> locked_;
  std::vector<Event> trace_;
  std::uint32_t inodes_ = 0;
  std::uint64_t random_state_ = 0;
  std::uint64_t passed_us_ = 0;
  std::array<std::uint64_t, static_cast<std::size_t>(Operation::count)> calls_{};
  std::optional<Fault> fault_;
  std::uint64_t fault_at_ = 0;
  std::optional<std::size_t> fault_event_;
  bool off_ = false;
};

/// The directory that holds the path's entry; "/" for those at the top.
[[nodiscard]] std::string parent_directory(const std::string& path);

}  // namespace selvedge::testkit
