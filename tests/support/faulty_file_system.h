// A file system that fails on request, on top of another one.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <selvedge/file_system.h>

namespace selvedge::test {

enum class Operation : std::uint8_t {
  open,
  read,
  write,
  sync_data,
  sync,
  truncate,
  allocate,
  close,
  rename,
  unlink,
  sync_dir,
  count
};

/// Which operation fails, and how.
struct Fault {
  Operation operation = Operation::write;
  std::uint64_t nth = 1;  ///< counted from when the fault is set
  bool sticky = false;    ///< all later ones of its kind fail too
  ErrorCode code = ErrorCode::io;
  int os_error = EIO;
  std::size_t bytes_done = 0;  ///< of a write: what reaches the file before it fails
};

/// Passes everything on, counts it, and fails the n-th operation of a kind. `set_full` plays a disk
/// without free space: what would make a file longer fails with `disk_full`, after half of it.
///
/// *Threads*: all members from any thread. Hooks run on the calling thread, without locks.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& base) : base_(base) {}

  void fail_next(const Fault& fault) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    until_ = fault.nth;
  }
  void clear_fault() {
    const std::lock_guard lock(mutex_);
    fault_.reset();
  }
  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  /// No single write does more than this.
  void set_write_bytes_max(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    write_bytes_max_ = bytes;
  }
  /// Called before each operation of this kind.
  void set_hook(Operation operation, std::function<void(const std::string& path)> hook) {
    const std::lock_guard lock(mutex_);
    hook_operation_ = operation;
    hook_ = std::move(hook);
  }
  [[nodiscard]] std::uint64_t count(Operation operation) const {
    const std::lock_guard lock(mutex_);
    return counts_[static_cast<std::size_t>(operation)];
  }

  /// Bytes that have been read of each file, since `forget_reads`.
  [[nodiscard]] std::map<std::string, std::uint64_t> bytes_read() const {
    const std::lock_guard lock(mutex_);
    return bytes_read_;
  }
  void forget_reads() {
    const std::lock_guard lock(mutex_);
    bytes_read_.clear();
  }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    SELVEDGE_TRY(check(Operation::open, path));
    SELVEDGE_TRY(std::unique_ptr<File> file, base_.open(path, mode));
    return std::make_unique<FaultyFile>(*this, std::move(file));
  }
  Status rename(const std::string& from, const std::string& to) override {
    SELVEDGE_TRY(check(Operation::rename, from));
    return base_.rename(from, to);
  }
  Status unlink(const std::string& path) override {
    SELVEDGE_TRY(check(Operation::unlink, path));
    return base_.unlink(path);
  }
  Status mkdir(const std::string& path) override { return base_.mkdir(path); }
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    return base_.list(path);
  }
  Status sync_dir(const std::string& path) override {
    SELVEDGE_TRY(check(Operation::sync_dir, path));
    return base_.sync_dir(path);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return base_.lock(path);
  }
  Result<FileKind> kind(const std::string& path) override { return base_.kind(path); }
  [[nodiscard]] std::uint64_t wall_clock_us() const override {
    const std::lock_guard lock(mutex_);
    return wall_clock_us_ ? *wall_clock_us_ : base_.wall_clock_us();
  }
  /// The clock stands there from now on.
  void set_wall_clock_us(std::uint64_t now) {
    const std::lock_guard lock(mutex_);
    wall_clock_us_ = now;
  }

 private:
  class FaultyFile final : public File {
   public:
    FaultyFile(FaultyFileSystem& owner, std::unique_ptr<File> file)
        : owner_(owner), file_(std::move(file)) {}
    Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override {
      SELVEDGE_TRY(owner_.check(Operation::read, path()));
      SELVEDGE_TRY(const std::size_t got, file_->pread(offset, into));
      owner_.note_read(path(), got);
      return got;
    }
    Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> from) override {
      if (auto done = owner_.check(Operation::write, path()); !done) {
        const std::size_t part = std::min(owner_.bytes_before_failure(), from.size());
        if (part != 0) {
          SELVEDGE_TRY(file_->pwrite(offset, from.first(part)));
        }
        return fail(std::move(done).error());
      }
      if (owner_.full()) {
        SELVEDGE_TRY(const std::uint64_t size, file_->size());
        if (offset + from.size() > size) {
          SELVEDGE_TRY(file_->pwrite(offset, from.first(from.size() / 2)));
          return fail(Error(ErrorCode::disk_full, "injected").at(path(), offset).os(ENOSPC));
        }
      }
      return file_->pwrite(offset, from.first(std::min(from.size(), owner_.write_bytes_max())));
    }
    Status sync_data() override {
      SELVEDGE_TRY(owner_.check(Operation::sync_data, path()));
      return file_->sync_data();
    }
    Status sync() override {
      SELVEDGE_TRY(owner_.check(Operation::sync, path()));
      return file_->sync();
    }
    Status truncate(std::uint64_t size) override {
      SELVEDGE_TRY(owner_.check(Operation::truncate, path()));
      return file_->truncate(size);
    }
    Status allocate(std::uint64_t size) override {
      SELVEDGE_TRY(owner_.check(Operation::allocate, path()));
      if (owner_.full()) {
        return fail(Error(ErrorCode::disk_full, "injected").at(path()).os(ENOSPC));
      }
      return file_->allocate(size);
    }
    Result<std::uint64_t> size() override { return file_->size(); }
    Status close() override {
      SELVEDGE_TRY(owner_.check(Operation::close, path()));
      return file_->close();
    }
    [[nodiscard]] const std::string& path() const override { return file_->path(); }

   private:
    FaultyFileSystem& owner_;
    std::unique_ptr<File> file_;
  };

  void note_read(const std::string& path, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    bytes_read_[path] += bytes;
  }
  Status check(Operation operation, const std::string& path) {
    std::function<void(const std::string&)> hook;
    {
      const std::lock_guard lock(mutex_);
      ++counts_[static_cast<std::size_t>(operation)];
      if (hook_ && hook_operation_ == operation) {
        hook = hook_;
      }
    }
    if (hook) {
      hook(path);
    }
    const std::lock_guard lock(mutex_);
    if (!fault_ || fault_->operation != operation || --until_ != 0) {
      return {};
    }
    Error error = Error(fault_->code, "injected").at(path).os(fault_->os_error);
    bytes_before_failure_ = fault_->bytes_done;
    if (fault_->sticky) {
      until_ = 1;
    } else {
      fault_.reset();
    }
    return fail(std::move(error));
  }
  std::size_t bytes_before_failure() const {
    const std::lock_guard lock(mutex_);
    return bytes_before_failure_;
  }
  bool full() const {
    const std::lock_guard lock(mutex_);
    return full_;
  }
  std::size_t write_bytes_max() const {
    const std::lock_guard lock(mutex_);
    return write_bytes_max_;
  }

  FileSystem& base_;
  mutable std::mutex mutex_;
  std::optional<Fault> fault_;
  std::optional<std::uint64_t> wall_clock_us_;
  std::uint64_t until_ = 0;
  std::size_t bytes_before_failure_ = 0;
  std::size_t write_bytes_max_ = SIZE_MAX;
  bool full_ = false;
  std::map<std::string, std::uint64_t> bytes_read_;
  std::array<std::uint64_t, static_cast<std::size_t>(Operation::count)> counts_{};
  Operation hook_operation_ = Operation::count;
  std::function<void(const std::string&)> hook_;
};

}  // namespace selvedge::test
