#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

#include <selvedge/file_system.h>

#include "base/assert.h"

namespace selvedge {

namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ErrorCode::disk_full;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case ENOENT: return ErrorCode::not_found;
    case EEXIST: return ErrorCode::already_exists;
    default: return ErrorCode::io;
  }
}

tl::unexpected<Error> system_error(const char* what, const std::string& path, int error) {
  return fail(Error(code_of(error), what).at(path).os(error));
}

template <class Call>
auto retry(Call call) {
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) {
      return result;
    }
  }
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override {
    const auto count = retry(
        [&] { return ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset)); });
    if (count < 0) {
      return system_error("read failed", path_, errno);
    }
    return static_cast<std::size_t>(count);
  }
  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> from) override {
    const auto count = retry([&] {
      return ::pwrite(descriptor_, from.data(), from.size(), static_cast<off_t>(offset));
    });
    if (count < 0) {
      return system_error("write failed", path_, errno);
    }
    return static_cast<std::size_t>(count);
  }
  Status sync_data() override {
    // Not repeated on EINTR or anything else: after a failed sync nothing is known.
    if (::fdatasync(descriptor_) != 0) {
      return system_error("fdatasync failed", path_, errno);
    }
    return {};
  }
  Status sync() override {
    if (::fsync(descriptor_) != 0) {
      return system_error("fsync failed", path_, errno);
    }
    return {};
  }
  Status truncate(std::uint64_t size) override {
    if (retry([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }) != 0) {
      return system_error("truncate failed", path_, errno);
    }
    return {};
  }
  Status allocate(std::uint64_t size) override {
    if (size == 0) {
      return {};  // which posix_fallocate calls an invalid argument
    }
    int error = 0;
    do {
      error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
    } while (error == EINTR);
    if (error != 0) {
      return system_error("preallocation failed", path_, error);
    }
    return {};
  }
  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) {
      return system_error("stat failed", path_, errno);
    }
    return static_cast<std::uint64_t>(status.st_size);
  }
  Status close() override {
    if (::close(std::exchange(descriptor_, -1)) != 0) {
      return system_error("close failed", path_, errno);
    }
    return {};
  }
  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int descriptor) : descriptor_(descriptor) {}
  ~PosixLock() override { ::close(descriptor_); }

 private:
  int descriptor_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::read: flags |= O_RDONLY; break;
      case OpenMode::read_write: flags |= O_RDWR; break;
      case OpenMode::create: flags |= O_RDWR | O_CREAT; break;
      case OpenMode::create_new: flags |= O_RDWR | O_CREAT | O_EXCL; break;
    }
    const int descriptor = retry([&] { return ::open(path.c_str(), flags, 0600); });
    if (descriptor < 0) {
      return system_error("cannot open the file", path, errno);
    }
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(descriptor);
      return system_error("cannot open the file", path, EISDIR);
    }
    return std::make_unique<PosixFile>(descriptor, path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) {
      return system_error("rename failed", from + " -> " + to, errno);
    }
    return {};
  }
  Status unlink(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      return system_error("unlink failed", path, errno);
    }
    return {};
  }
  Status mkdir(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0) {
      return system_error("cannot make the directory", path, errno);
    }
    return {};
  }
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) {
      return system_error("cannot list the directory", path, errno);
    }
    std::vector<DirectoryEntry> entries;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      std::string name = entry->d_name;
      if (name != "." && name != "..") {
        std::string child = path;
        child.append("/").append(name);
        auto found = kind(child);
        if (!found) {
          ::closedir(directory);
          return fail(std::move(found).error());
        }
        entries.push_back({std::move(name), *found});
      }
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) {
      return system_error("cannot list the directory", path, error);
    }
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
  }
  Status sync_dir(const std::string& path) override {
    const int descriptor =
        retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (descriptor < 0) {
      return system_error("cannot open the directory", path, errno);
    }
    const int result = ::fsync(descriptor);
    const int error = errno;
    ::close(descriptor);
    if (result != 0) {
      return system_error("directory fsync failed", path, error);
    }
    return {};
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    const int descriptor =
        retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); });
    if (descriptor < 0) {
      return system_error("cannot open the lock file", path, errno);
    }
    // flock belongs to the open file: a second open in the same process is refused as well.
    if (retry([&] { return ::flock(descriptor, LOCK_EX | LOCK_NB); }) != 0) {
      const int error = errno;
      ::close(descriptor);
      if (error == EWOULDBLOCK) {
        return fail(Error(ErrorCode::locked, "the store is open elsewhere").at(path));
      }
      return system_error("cannot lock", path, error);
    }
    return std::make_unique<PosixLock>(descriptor);
  }
  Result<FileKind> kind(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) {
        return FileKind::none;
      }
      return system_error("stat failed", path, errno);
    }
    if (S_ISREG(status.st_mode)) {
      return FileKind::file;
    }
    return S_ISDIR(status.st_mode) ? FileKind::directory : FileKind::other;
  }
};

}  // namespace

std::uint64_t FileSystem::wall_clock_us() const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

void FileSystem::random(std::span<std::byte> into) {
  constexpr std::size_t call_bytes_max = 256;
  while (!into.empty()) {
    const std::size_t piece = std::min(into.size(), call_bytes_max);
    SELVEDGE_ASSERT(::getentropy(into.data(), piece) == 0);  // fails for larger pieces only
    into = into.subspan(piece);
  }
}

FileSystem& posix_file_system() {
  static PosixFileSystem file_system;
  return file_system;
}

}  // namespace selvedge
