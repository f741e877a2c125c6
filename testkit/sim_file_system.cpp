#include <selvedge/testkit/disk.h>
#include <selvedge/testkit/sim_file_system.h>

#include <algorithm>
#include <functional>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace selvedge::testkit {

namespace {

std::uint64_t hash_of(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t hash_of(const std::string& text, std::uint64_t seed) {
  return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

}  // namespace

Blob::Blob(Bytes content) : bytes(std::move(content)), hash(hash_of(bytes, 1)) {}

std::uint64_t Image::hash() const {
  std::uint64_t hash = 0;
  for (const std::string& directory : directories) {
    hash = hash_of(directory, hash);
  }
  for (const auto& [path, content] : files) {
    hash = hash_of(path, hash ^ content->hash);
  }
  return hash;
}

std::string parent_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

const char* name_of(Operation operation) {
  constexpr std::array names{"open",   "read",   "write", "sync", "resize",  "close",
                             "rename", "unlink", "mkdir", "list", "sync_dir"};
  return names.at(static_cast<std::size_t>(operation));
}

std::string Fault::to_string() const {
  constexpr std::array effects{"error", "partial", "short"};
  return std::string(name_of(operation)) + "." + std::to_string(nth) + (sticky ? "+" : "") + "." +
         effects.at(static_cast<std::size_t>(effect)) +
         (code == ErrorCode::disk_full ? ".full" : "");
}

std::string Event::to_string() const {
  const std::string file = path + " (file " + std::to_string(inode) + ")";
  switch (kind) {
    case Kind::create: return "create " + file;
    case Kind::write:
      return "write " + file + " at " + std::to_string(offset) + ", " +
             std::to_string(bytes->bytes.size()) + " bytes";
    case Kind::resize: return "resize " + file + " to " + std::to_string(offset);
    case Kind::sync_file: return "sync " + file;
    case Kind::lost_sync: return "failed sync of " + file;
    case Kind::rename: return "rename " + path + " to " + to;
    case Kind::unlink: return "unlink " + path;
    case Kind::mkdir: return "mkdir " + path;
    case Kind::sync_dir: return "sync directory " + path;
    case Kind::power_loss: return "power loss, and a new start";
  }
  return {};
}

/// A file's bytes: shared with the image until they change.
struct SimFileSystem::Inode {
  std::uint32_t id = 0;
  Content shared;
  Bytes own;

  [[nodiscard]] const Bytes& bytes() const { return shared != nullptr ? shared->bytes : own; }
  Bytes& change() {
    if (shared != nullptr) {
      own = shared->bytes;
      shared = nullptr;
    }
    return own;
  }
};

class SimFile final : public File {
 public:
  SimFile(SimFileSystem& owner, std::shared_ptr<SimFileSystem::Inode> inode, std::string path)
      : owner_(owner), inode_(std::move(inode)), path_(std::move(path)) {}

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> into) override {
    const std::lock_guard lock(owner_.mutex_);
    auto effect = Fault::Effect::error;
    SELVEDGE_TRY(owner_.check(Operation::read, path_, &effect));
    const Bytes& bytes = inode_->bytes();
    if (offset >= bytes.size()) {
      return std::size_t{0};
    }
    std::size_t count = std::min<std::size_t>(into.size(), bytes.size() - offset);
    if (effect == Fault::Effect::short_result && count > 1) {
      count /= 2;
    }
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), count, into.begin());
    return count;
  }

  Result<std::size_t> pwrite(std::uint64_t offset, std::span<const std::byte> from) override {
    const std::lock_guard lock(owner_.mutex_);
    auto effect = Fault::Effect::error;
    const Status status = owner_.check(Operation::write, path_, &effect);
    if (!status && effect != Fault::Effect::partial) {
      return fail(status.error().clone());
    }
    if (effect != Fault::Effect::error && from.size() > 1) {
      from = from.first(from.size() / 2);
    }
    Bytes& bytes = inode_->change();
    if (bytes.size() < offset + from.size()) {
      bytes.resize(offset + from.size());
    }
    std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    note(Event::Kind::write, offset, std::make_shared<Blob>(Bytes(from.begin(), from.end())));
    if (!status) {
      return fail(status.error().clone());
    }
    return from.size();
  }

  Status sync_data() override { return sync(); }
  Status sync() override {
    const std::lock_guard lock(owner_.mutex_);
    const bool was_on = !owner_.off_;
    const Status status = owner_.check(Operation::sync, path_);
    if (was_on) {
      note(status ? Event::Kind::sync_file : Event::Kind::lost_sync);
    }
    return status ? Status{} : fail(status.error().clone());
  }
  Status truncate(std::uint64_t size) override { return resize(size, true); }
  Status allocate(std::uint64_t size) override { return resize(size, false); }
  Result<std::uint64_t> size() override {
    const std::lock_guard lock(owner_.mutex_);
    return inode_->bytes().size();
  }
  Status close() override {
    const std::lock_guard lock(owner_.mutex_);
    return owner_.check(Operation::close, path_);
  }
  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  Status resize(std::uint64_t size, bool shrink) {
    const std::lock_guard lock(owner_.mutex_);
    SELVEDGE_TRY(owner_.check(Operation::resize, path_));
    if (size > inode_->bytes().size() || shrink) {
      inode_->change().resize(size);
      note(Event::Kind::resize, size);
    }
    return {};
  }
  void note(Event::Kind kind, std::uint64_t offset = 0, Content bytes = nullptr) {
    owner_.trace_.push_back({kind, inode_->id, offset, std::move(bytes), path_, {}});
  }

  SimFileSystem& owner_;
  std::shared_ptr<SimFileSystem::Inode> inode_;
  std::string path_;
};

namespace {

class SimLock final : public FileLock {
 public:
  explicit SimLock(std::function<void()> release) : release_(std::move(release)) {}
  ~SimLock() override { release_(); }

 private:
  std::function<void()> release_;
};

tl::unexpected<Error> refuse(ErrorCode code, const char* what, const std::string& path) {
  return fail(Error(code, what).at(path));
}

}  // namespace

SimFileSystem::SimFileSystem(const Image& start) : start_(start), random_state_(start.hash()) {
  start_from(start);
}

void SimFileSystem::start_from(const Image& image) {
  directories_ = image.directories;
  names_.clear();
  for (const auto& [path, content] : image.files) {
    auto inode = std::make_shared<Inode>();
    inode->id = inodes_++;
    inode->shared = content;
    names_.emplace_hint(names_.end(), path, std::move(inode));
  }
}

SimFileSystem::~SimFileSystem() = default;

/// Counts the call. With `effect` the caller can do what the fault leaves of it: no error comes
/// back for a short result.
Status SimFileSystem::check(Operation operation, const std::string& path, Fault::Effect* effect) {
  if (off_) {
    return refuse(ErrorCode::io, "the power is off", path);
  }
  const std::uint64_t call = ++calls_.at(static_cast<std::size_t>(operation));
  if (!fault_ || fault_->operation != operation || call < fault_at_ ||
      (call > fault_at_ && !fault_->sticky)) {
    return {};
  }
  fault_event_ = fault_event_.value_or(trace_.size());
  if (effect != nullptr) {
    *effect = fault_->effect;
    if (fault_->effect == Fault::Effect::short_result) {
      return {};
    }
  }
  return fail(Error(fault_->code, "injected").at(path).os(fault_->os_error));
}

bool SimFileSystem::has_directory(const std::string& path) const {
  return path == "/" || directories_.count(path) != 0;
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY(check(Operation::open, path));
  auto found = names_.find(path);
  if (found == names_.end()) {
    if (mode == OpenMode::read || mode == OpenMode::read_write ||
        !has_directory(parent_directory(path))) {
      return refuse(ErrorCode::not_found, "no such file", path);
    }
    auto inode = std::make_shared<Inode>();
    inode->id = inodes_++;
    trace_.push_back({Event::Kind::create, inode->id, 0, nullptr, path, {}});
    found = names_.emplace(path, std::move(inode)).first;
  } else if (mode == OpenMode::create_new) {
    return refuse(ErrorCode::already_exists, "the file exists", path);
  }
  return std::make_unique<SimFile>(*this, found->second, path);
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY(check(Operation::rename, from));
  const auto found = names_.find(from);
  if (found == names_.end() || !has_directory(parent_directory(to))) {
    return refuse(ErrorCode::not_found, "no such file", from);
  }
  auto inode = found->second;
  names_.erase(found);
  trace_.push_back({Event::Kind::rename, inode->id, 0, nullptr, from, to});
  names_[to] = std::move(inode);
  return {};
}

Status SimFileSystem::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY(check(Operation::unlink, path));
  if (names_.erase(path) == 0) {
    return refuse(ErrorCode::not_found, "no such file", path);
  }
  trace_.push_back({Event::Kind::unlink, 0, 0, nullptr, path, {}});
  return {};
}

Status SimFileSystem::mkdir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY(check(Operation::mkdir, path));
  if (names_.count(path) != 0 || has_directory(path)) {
    return refuse(ErrorCode::already_exists, "the path is taken", path);
  }
  if (!has_directory(parent_directory(path))) {
    return refuse(ErrorCode::not_found, "no such directory", parent_directory(path));
  }
  directories_.insert(path);
  trace_.push_back({Event::Kind::mkdir, 0, 0, nullptr, path, {}});
  return {};
}

Result<std::vector<DirectoryEntry>> SimFileSystem::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY(check(Operation::list, path));
  if (!has_directory(path)) {
    return refuse(ErrorCode::not_found, "no such directory", path);
  }
  const std::string prefix = path == "/" ? path : path + "/";
  std::vector<DirectoryEntry> entries;
  const auto add = [&](const std::string& each, FileKind kind) {
    if (each.size() > prefix.size() && each.compare(0, prefix.size(), prefix) == 0 &&
        each.find('/', prefix.size()) == std::string::npos) {
      entries.push_back({each.substr(prefix.size()), kind});
    }
  };
  for (const auto& [name, inode] : names_) {
    add(name, FileKind::file);
  }
  for (const std::string& name : directories_) {
    add(name, FileKind::directory);
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

Status SimFileSystem::sync_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  SELVEDGE_TRY(check(Operation::sync_dir, path));
  if (!has_directory(path)) {
    return refuse(ErrorCode::not_found, "no such directory", path);
  }
  trace_.push_back({Event::Kind::sync_dir, 0, 0, nullptr, path, {}});
  return {};
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock(const std::string& path) {
  const std::lock_guard guard(mutex_);
  if (!locked_.insert(path).second) {
    return refuse(ErrorCode::locked, "the store is open elsewhere", path);
  }
  return std::make_unique<SimLock>([this, path] {
    const std::lock_guard inner(mutex_);
    locked_.erase(path);
  });
}

Result<FileKind> SimFileSystem::kind(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (has_directory(path)) {
    return FileKind::directory;
  }
  return names_.count(path) != 0 ? FileKind::file : FileKind::none;
}

void SimFileSystem::inject(const Fault& fault) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  fault_at_ = calls_.at(static_cast<std::size_t>(fault.operation)) + fault.nth;
  fault_event_.reset();
}

void SimFileSystem::clear_fault() {
  const std::lock_guard lock(mutex_);
  fault_.reset();
}

bool SimFileSystem::fault_met() const {
  const std::lock_guard lock(mutex_);
  return fault_event_.has_value();
}

std::size_t SimFileSystem::fault_event() const {
  const std::lock_guard lock(mutex_);
  return fault_event_.value_or(trace_.size());
}

void SimFileSystem::restart() {
  const std::lock_guard lock(mutex_);
  off_ = false;
}

void SimFileSystem::restart_after_power_loss(
    const std::function<bool(std::size_t, std::size_t)>& kept) {
  const std::lock_guard lock(mutex_);
  Disk disk(start_);
  for (const Event& event : trace_) {
    disk.apply(event);
  }
  Keep keep;
  Bytes marks;
  const std::size_t pending = disk.pending().size();
  for (std::size_t i = 0; i < pending; ++i) {
    keep.kept.push_back(kept(i, pending));
    marks.push_back(keep.kept.back() ? std::byte{1} : std::byte{0});
  }
  const Image image = disk.crash(keep);  // before the trace grows: the disk points into it
  trace_.push_back({Event::Kind::power_loss, inodes_, 0, std::make_shared<Blob>(marks), "/", {}});
  start_from(image);
  off_ = false;
}

void SimFileSystem::power_off() {
  const std::lock_guard lock(mutex_);
  off_ = true;
}

std::uint64_t SimFileSystem::wall_clock_us() const {
  constexpr std::uint64_t start_us = 1'800'000'000'000'000;
  const std::lock_guard lock(mutex_);
  return start_us + trace_.size() + passed_us_;
}

void SimFileSystem::pass_time(std::chrono::microseconds time) {
  const std::lock_guard lock(mutex_);
  passed_us_ += static_cast<std::uint64_t>(time.count());
}

void SimFileSystem::random(std::span<std::byte> into) {
  const std::lock_guard lock(mutex_);
  for (std::byte& byte : into) {
    random_state_ = hash_of(std::as_bytes(std::span(&random_state_, 1)), 0);
    byte = static_cast<std::byte>(random_state_);
  }
}

std::size_t SimFileSystem::events() const {
  const std::lock_guard lock(mutex_);
  return trace_.size();
}

std::uint64_t SimFileSystem::calls(Operation operation) const {
  const std::lock_guard lock(mutex_);
  return calls_.at(static_cast<std::size_t>(operation));
}

Image SimFileSystem::cache() const {
  const std::lock_guard lock(mutex_);
  Image image;
  image.directories = directories_;
  for (const auto& [path, inode] : names_) {
    image.files[path] =
        inode->shared != nullptr ? inode->shared : std::make_shared<Blob>(inode->own);
  }
  return image;
}

}  // namespace selvedge::testkit
