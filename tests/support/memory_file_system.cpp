#include "tests/support/memory_file_system.h"

#include <algorithm>
#include <functional>

namespace selvedge::test {

namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

void apply_write(std::vector<std::byte>& to, const MemoryFileSystem::Write& write) {
  if (write.resize) {
    to.resize(write.offset);
    return;
  }
  if (to.size() < write.offset + write.bytes.size()) {
    to.resize(write.offset + write.bytes.size());
  }
  std::copy(write.bytes.begin(), write.bytes.end(),
            to.begin() + static_cast<std::ptrdiff_t>(write.offset));
}

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<MemoryFileSystem::Inode> inode, std::string path)
      : inode_(std::move(inode)), path_(std::move(path)) {}

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override {
    const std::lock_guard lock(inode_->mutex);
    if (offset >= inode_->data.size()) {
      return 0;
    }
    const std::size_t count =
        std::min<std::size_t>(into.size(), inode_->data.size() - static_cast<std::size_t>(offset));
    std::copy_n(inode_->data.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
    return count;
  }
  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> from) override {
    change({offset, {from.begin(), from.end()}, false});
    return from.size();
  }
  Status sync_data() override {
    const std::lock_guard lock(inode_->mutex);
    for (const auto& write : inode_->pending) {
      apply_write(inode_->durable, write);
    }
    inode_->pending.clear();
    return {};
  }
  Status sync() override { return sync_data(); }
  Status truncate(std::uint64_t size) override {
    change({size, {}, true});
    return {};
  }
  Status allocate(std::uint64_t size) override {
    SELVEDGE_TRY(const std::uint64_t now, this->size());
    return now < size ? truncate(size) : Status{};
  }
  Result<std::uint64_t> size() override {
    const std::lock_guard lock(inode_->mutex);
    return inode_->data.size();
  }
  Status close() override { return {}; }
  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  void change(MemoryFileSystem::Write write) {
    const std::lock_guard lock(inode_->mutex);
    apply_write(inode_->data, write);
    inode_->pending.push_back(std::move(write));
  }
  std::shared_ptr<MemoryFileSystem::Inode> inode_;
  std::string path_;
};

class MemoryLock final : public FileLock {
 public:
  explicit MemoryLock(std::function<void()> release) : release_(std::move(release)) {}
  ~MemoryLock() override { release_(); }

 private:
  std::function<void()> release_;
};

tl::unexpected<Error> missing(const std::string& path) {
  return fail(Error(ErrorCode::not_found, "no such file").at(path));
}

}  // namespace

void MemoryFileSystem::change(const std::string& path, std::shared_ptr<Inode> inode) {
  if (inode == nullptr) {
    names_.erase(path);
  } else {
    names_[path] = inode;
  }
  pending_names_.push_back({parent_of(path), path, std::move(inode)});
}

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found == names_.end()) {
    if (mode == OpenMode::read || mode == OpenMode::read_write) {
      return missing(path);
    }
    auto inode = std::make_shared<Inode>();
    change(path, inode);
    return std::make_unique<MemoryFile>(inode, path);
  }
  if (mode == OpenMode::create_new) {
    return fail(Error(ErrorCode::already_exists, "the file exists").at(path));
  }
  return std::make_unique<MemoryFile>(found->second, path);
}

Status MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(from);
  if (found == names_.end()) {
    return missing(from);
  }
  auto inode = found->second;
  change(from, nullptr);
  change(to, std::move(inode));
  return {};
}

Status MemoryFileSystem::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (names_.count(path) == 0) {
    return missing(path);
  }
  change(path, nullptr);
  return {};
}

Status MemoryFileSystem::mkdir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!directories_.insert(path).second) {
    return fail(Error(ErrorCode::already_exists, "the directory exists").at(path));
  }
  pending_directories_.insert(path);
  return {};
}

Result<std::vector<DirectoryEntry>> MemoryFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (directories_.count(path) == 0) {
    return missing(path);
  }
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, inode] : names_) {
    if (parent_of(name) == path) {
      entries.push_back({name.substr(path.size() + 1), FileKind::file});
    }
  }
  for (const std::string& name : directories_) {
    if (parent_of(name) == path) {
      entries.push_back({name.substr(path.size() + 1), FileKind::directory});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Status MemoryFileSystem::sync_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  for (const NameChange& each : pending_names_) {
    if (each.directory != path) {
      continue;
    }
    if (each.inode == nullptr) {
      durable_names_.erase(each.name);
    } else {
      durable_names_[each.name] = each.inode;
    }
  }
  std::erase_if(pending_names_, [&](const NameChange& each) { return each.directory == path; });
  std::erase_if(pending_directories_,
                [&](const std::string& each) { return parent_of(each) == path; });
  return {};
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!locked_.insert(path).second) {
    return fail(Error(ErrorCode::locked, "the store is open elsewhere").at(path));
  }
  return std::make_unique<MemoryLock>([this, path] {
    const std::lock_guard inner(mutex_);
    locked_.erase(path);
  });
}

Result<FileKind> MemoryFileSystem::kind(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (directories_.count(path) != 0) {
    return FileKind::directory;
  }
  return names_.count(path) != 0 ? FileKind::file : FileKind::none;
}

/// Every inode once, whatever names it has.
void MemoryFileSystem::copy_cache(MemoryFileSystem& to) const {
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy = [&](const std::shared_ptr<Inode>& inode) -> std::shared_ptr<Inode> {
    if (inode == nullptr) {
      return nullptr;
    }
    auto& fresh = copies[inode.get()];
    if (fresh == nullptr) {
      const std::lock_guard inner(inode->mutex);
      fresh = std::make_shared<Inode>();
      fresh->data = inode->data;
      fresh->durable = inode->durable;
      fresh->pending = inode->pending;
    }
    return fresh;
  };
  for (const auto& [name, inode] : names_) {
    to.names_[name] = copy(inode);
  }
  for (const auto& [name, inode] : durable_names_) {
    to.durable_names_[name] = copy(inode);
  }
  for (const NameChange& each : pending_names_) {
    to.pending_names_.push_back({each.directory, each.name, copy(each.inode)});
  }
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::crash(Keep keep, std::uint64_t seed) const {
  std::mt19937_64 random(seed);
  auto after = std::make_unique<MemoryFileSystem>();
  const std::lock_guard lock(mutex_);
  after->directories_ = directories_;
  if (keep == Keep::cached) {
    after->pending_directories_ = pending_directories_;
    copy_cache(*after);
    return after;
  }
  const auto gone = [&](const std::string& directory) {
    return directories_.count(directory) != 0 && after->directories_.count(directory) == 0;
  };
  // Parents come before what is in them: a directory goes with the one that it is in.
  for (const std::string& each : directories_) {
    const bool made = pending_directories_.count(each) == 0 || keep == Keep::everything ||
                      (keep == Keep::random && random() % 2 == 0);
    if (!made || gone(parent_of(each))) {
      after->directories_.erase(each);
    }
  }
  auto names = durable_names_;
  const std::size_t kept_names = keep == Keep::nothing ? 0
                                 : keep == Keep::everything
                                     ? pending_names_.size()
                                     : random() % (pending_names_.size() + 1);
  for (std::size_t i = 0; i < kept_names; ++i) {
    const NameChange& each = pending_names_[i];
    if (each.inode == nullptr) {
      names.erase(each.name);
    } else {
      names[each.name] = each.inode;
    }
  }
  for (const auto& [name, inode] : names) {
    if (gone(parent_of(name))) {
      continue;
    }
    const std::lock_guard inner(inode->mutex);
    auto fresh = std::make_shared<Inode>();
    fresh->durable = inode->durable;
    for (const Write& write : inode->pending) {
      if (keep == Keep::everything || (keep == Keep::random && random() % 2 == 0)) {
        apply_write(fresh->durable, write);
      }
    }
    fresh->data = fresh->durable;
    after->names_[name] = fresh;
    after->durable_names_[name] = fresh;
  }
  return after;
}

}  // namespace selvedge::test
