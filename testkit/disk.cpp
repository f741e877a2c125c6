#include <selvedge/testkit/disk.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace selvedge::testkit {

namespace {

bool is_data(const Event& event) {
  return event.kind == Event::Kind::write || event.kind == Event::Kind::resize;
}

/// The directory whose entry an event changes.
std::string directory_of(const Event& event) {
  return parent_directory(event.kind == Event::Kind::rename ? event.to : event.path);
}

void write_into(Bytes& bytes, std::uint64_t offset, std::span<const std::byte> from) {
  if (bytes.size() < offset + from.size()) {
    bytes.resize(offset + from.size());
  }
  std::copy(from.begin(), from.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

void apply_data(Bytes& bytes, const Event& event) {
  if (event.kind == Event::Kind::resize) {
    bytes.resize(event.offset);
  } else {
    write_into(bytes, event.offset, event.bytes->bytes);
  }
}

}  // namespace

const char* name_of(Strategy strategy) {
  constexpr std::array names{"drop all",    "keep all", "prefix", "single drop",
                             "single keep", "subset",   "torn",   "stale size"};
  return names.at(static_cast<std::size_t>(strategy));
}

// --- names -------------------------------------------------------------------------------------

void Disk::Names::apply(const Event& event) {
  switch (event.kind) {
    case Event::Kind::create: files[event.path] = event.inode; break;
    case Event::Kind::rename:
      files.erase(event.path);
      files[event.to] = event.inode;
      break;
    case Event::Kind::unlink: files.erase(event.path); break;
    case Event::Kind::mkdir: directories.insert(event.path); break;
    default: break;
  }
}

/// What stands in a directory that is not there is not there either. Parents sort before children.
void Disk::Names::drop_orphans() {
  const auto orphan = [&](const std::string& path) {
    const std::string parent = parent_directory(path);
    return parent != "/" && directories.count(parent) == 0;
  };
  std::erase_if(directories, orphan);
  std::erase_if(files, [&](const auto& each) { return orphan(each.first); });
}

// --- the disk ----------------------------------------------------------------------------------

Disk::Disk(const Image& start) {
  durable_.directories = start.directories;
  for (const auto& [path, content] : start.files) {
    durable_.files.emplace_hint(durable_.files.end(), path,
                                static_cast<std::uint32_t>(contents_.size()));
    contents_.push_back(content);
  }
}

Bytes& Disk::changed(Changed& all, std::uint32_t inode) const {
  const auto [found, fresh] = all.try_emplace(inode);
  if (fresh && inode < contents_.size() && contents_[inode] != nullptr) {
    found->second = contents_[inode]->bytes;
  }
  return found->second;
}

void Disk::apply(const Event& event) {
  switch (event.kind) {
    case Event::Kind::sync_file:
    case Event::Kind::lost_sync: {
      Changed all;
      const auto mine = [&](const Event* each) {
        return is_data(*each) && each->inode == event.inode;
      };
      if (event.kind == Event::Kind::sync_file) {
        for (const Event* each : pending_) {
          if (mine(each)) {
            apply_data(changed(all, event.inode), *each);
          }
        }
      }
      for (auto& [inode, bytes] : all) {
        contents_.resize(std::max<std::size_t>(contents_.size(), inode + 1));
        contents_[inode] = std::make_shared<Blob>(std::move(bytes));
      }
      std::erase_if(pending_, mine);
      break;
    }
    case Event::Kind::sync_dir: {
      const auto mine = [&](const Event* each) {
        return !is_data(*each) && directory_of(*each) == event.path;
      };
      for (const Event* each : pending_) {
        if (mine(each)) {
          durable_.apply(*each);
        }
      }
      std::erase_if(pending_, mine);
      break;
    }
    case Event::Kind::power_loss: start_again(event); break;
    default: pending_.push_back(&event); break;
  }
}

void Disk::start_again(const Event& event) {
  Keep keep;
  for (const std::byte mark : event.bytes->bytes) {
    keep.kept.push_back(mark != std::byte{0});
  }
  Image image = crash(keep);
  pending_.clear();
  durable_ = {{}, std::move(image.directories)};
  contents_.resize(std::max<std::size_t>(contents_.size(), event.inode));
  for (const auto& [path, content] : image.files) {
    durable_.files.emplace_hint(durable_.files.end(), path,
                                static_cast<std::uint32_t>(contents_.size()));
    contents_.push_back(content);
  }
}

void Disk::apply_torn(Bytes& bytes, const Event& event, const Tear& tear) const {
  const Bytes& data = event.bytes->bytes;
  const std::uint64_t begin = event.offset;
  const std::uint64_t end = begin + data.size();
  const std::size_t old_size = bytes.size();
  if (tear.kind == Tear::Kind::size_only) {
    bytes.resize(std::max<std::size_t>(old_size, end));
    return;
  }
  if (tear.kind == Tear::Kind::data_only) {
    write_into(bytes, begin, data);
    bytes.resize(old_size);
    return;
  }
  Bytes before = bytes;
  before.resize(std::max<std::size_t>(old_size, end));
  write_into(bytes, begin, data);
  const std::uint64_t from = tear.kind == Tear::Kind::tail ? begin : tear.boundary;
  const std::uint64_t to = tear.kind == Tear::Kind::head   ? end
                           : tear.kind == Tear::Kind::tail ? tear.boundary
                                                           : tear.boundary + tear.sector_bytes;
  for (std::uint64_t at = std::max(from, begin); at < std::min(to, end); ++at) {
    const auto garbage = static_cast<std::byte>((at * 0x9e3779b97f4a7c15U) >> 56);
    bytes[at] = tear.fill == Tear::Fill::old_bytes ? before[at]
                : tear.fill == Tear::Fill::zeros   ? std::byte{0}
                                                   : garbage;
  }
}

Image Disk::crash(const Keep& keep) const {
  Names names = durable_;
  Changed all;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (!keep.kept[i]) {
      continue;
    }
    const Event& event = *pending_[i];
    if (!is_data(event)) {
      names.apply(event);
    } else if (keep.tear && keep.tear->pending == i && event.kind == Event::Kind::write) {
      apply_torn(changed(all, event.inode), event, *keep.tear);
    } else {
      apply_data(changed(all, event.inode), event);
    }
  }
  names.drop_orphans();
  static const Content nothing = std::make_shared<Blob>(Bytes{});
  std::map<std::uint32_t, Content> made;
  Image image;
  image.directories = std::move(names.directories);
  for (const auto& [path, inode] : names.files) {
    Content content = inode < contents_.size() ? contents_[inode] : nullptr;
    if (const auto found = all.find(inode); found != all.end()) {
      Content& fresh = made[inode];
      if (fresh == nullptr) {
        fresh = std::make_shared<Blob>(std::move(found->second));
      }
      content = fresh;
    }
    image.files.emplace_hint(image.files.end(), path, content == nullptr ? nothing : content);
  }
  return image;
}

// --- the choices -------------------------------------------------------------------------------

namespace {

std::uint64_t mix(std::uint64_t& state) {  // splitmix64 (Steele, Lea, Flood 2014)
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

/// Goes through the choices, and stops when `use` has had enough.
class Enumerator {
 public:
  Enumerator(const Disk& disk, std::uint64_t seed, const std::function<bool(const Keep&)>& use)
      : pending_(disk.pending()), random_(seed), use_(use) {}

  void run() {
    const std::size_t count = pending_.size();
    give(Strategy::drop_all, std::vector<bool>(count, false));
    if (count == 0) {
      return;
    }
    give(Strategy::keep_all, std::vector<bool>(count, true));
    for (std::size_t i = 1; i < count; ++i) {
      give(Strategy::prefix, prefix(i));
    }
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<bool> kept(count, true);
      kept[i] = false;
      give(Strategy::single_drop, kept);
      kept.flip();
      give(Strategy::single_keep, kept);
    }
    subsets();
    for (std::size_t i = 0; i < count && going_; ++i) {
      if (pending_[i]->kind == Event::Kind::write) {
        tears(i);
      }
    }
  }

 private:
  [[nodiscard]] std::vector<bool> prefix(std::size_t length) const {
    std::vector<bool> kept(pending_.size(), false);
    std::fill_n(kept.begin(), length, true);
    return kept;
  }

  void give(Strategy strategy, std::vector<bool> kept, std::optional<Tear> tear = {}) {
    going_ = going_ && use_({std::move(kept), tear, strategy});
  }

  void subsets() {
    const std::size_t count = pending_.size();
    const bool all = count <= 8;
    for (std::uint64_t i = 1; i < (all ? (1U << count) - 1 : 65U) && going_; ++i) {
      std::vector<bool> kept(count);
      std::uint64_t bits = i;
      for (std::size_t k = 0; k < count; ++k) {
        if (!all && k % 64 == 0) {
          bits = mix(random_);
        }
        kept[k] = ((bits >> (k % 64)) & 1) != 0;
      }
      give(Strategy::subset, std::move(kept));
    }
  }

  /// Alone at the end of what was kept, and with everything else there.
  void torn(std::size_t i, const Tear& tear, Strategy strategy) {
    give(strategy, prefix(i + 1), tear);
    if (i + 1 < pending_.size()) {
      give(strategy, std::vector<bool>(pending_.size(), true), tear);
    }
  }

  void tears(std::size_t i) {
    const std::uint64_t begin = pending_[i]->offset;
    const std::uint64_t end = begin + pending_[i]->bytes->bytes.size();
    Tear tear;
    tear.pending = static_cast<std::uint32_t>(i);
    for (const Tear::Kind kind : {Tear::Kind::size_only, Tear::Kind::data_only}) {
      tear.kind = kind;
      torn(i, tear, Strategy::stale_size);
    }
    for (const std::uint32_t sector : {512U, 4096U}) {
      tear.sector_bytes = sector;
      for (const std::uint64_t boundary : boundaries(begin, end, sector)) {
        tear.boundary = boundary;
        for (const auto kind : {Tear::Kind::head, Tear::Kind::tail, Tear::Kind::hole}) {
          for (const auto fill : {Tear::Fill::old_bytes, Tear::Fill::zeros, Tear::Fill::garbage}) {
            tear.kind = kind;
            tear.fill = fill;
            torn(i, tear, Strategy::torn);
          }
        }
      }
    }
  }

  /// The first, the last, and up to four between.
  std::vector<std::uint64_t> boundaries(std::uint64_t begin, std::uint64_t end,
                                        std::uint32_t sector) {
    const std::uint64_t first = (begin / sector + 1) * sector;
    if (first >= end) {
      return {};
    }
    const std::uint64_t count = (end - first + sector - 1) / sector;
    std::set<std::uint64_t> chosen{0, count - 1};
    while (chosen.size() < std::min<std::uint64_t>(6, count)) {
      chosen.insert(mix(random_) % count);
    }
    std::vector<std::uint64_t> result;
    result.reserve(chosen.size());
    for (const std::uint64_t each : chosen) {
      result.push_back(first + each * sector);
    }
    return result;
  }

  const std::vector<const Event*>& pending_;
  std::uint64_t random_;
  const std::function<bool(const Keep&)>& use_;
  bool going_ = true;
};

}  // namespace

void enumerate(const Disk& disk, std::uint64_t seed, const std::function<bool(const Keep&)>& use) {
  Enumerator(disk, seed, use).run();
}

// --- tokens ------------------------------------------------------------------------------------

namespace {

constexpr std::string_view digits = "0123456789abcdef";

Result<std::uint64_t> number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return fail(Error(ErrorCode::invalid_argument, "a replay token holds no number here")
                    .mismatch("a number", std::string(text)));
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) {
      return parts;
    }
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string CrashPoint::to_string() const {
  std::string text = std::to_string(event) + ":" + std::to_string(keep.kept.size()) + ".";
  for (std::size_t i = 0; i < keep.kept.size(); i += 4) {
    unsigned nibble = 0;
    for (std::size_t k = 0; k < 4 && i + k < keep.kept.size(); ++k) {
      nibble |= keep.kept[i + k] ? 1U << k : 0U;
    }
    text += digits[nibble];
  }
  if (keep.tear) {
    const Tear& tear = *keep.tear;
    text += ":" + std::to_string(tear.pending) + "." +
            std::to_string(static_cast<unsigned>(tear.kind)) + "." +
            std::to_string(static_cast<unsigned>(tear.fill)) + "." +
            std::to_string(tear.sector_bytes) + "." + std::to_string(tear.boundary);
  }
  return text;
}

Result<CrashPoint> CrashPoint::parse(std::string_view text) {
  const auto bad = [&] {
    return fail(Error(ErrorCode::invalid_argument, "a replay token is malformed")
                    .mismatch("event:count.mask[:tear]", std::string(text)));
  };
  const auto parts = split(text, ':');
  const auto mask = parts.size() < 2 ? parts : split(parts[1], '.');
  if (parts.size() < 2 || parts.size() > 3 || mask.size() != 2) {
    return bad();
  }
  CrashPoint point;
  SELVEDGE_TRY(point.event, number(parts[0]));
  SELVEDGE_TRY(const std::uint64_t count, number(mask[0]));
  if (mask[1].size() != (count + 3) / 4) {
    return bad();
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::size_t nibble = digits.find(mask[1][i / 4]);
    if (nibble == std::string_view::npos) {
      return bad();
    }
    point.keep.kept.push_back(((nibble >> (i % 4)) & 1) != 0);
  }
  if (parts.size() == 3) {
    const auto fields = split(parts[2], '.');
    if (fields.size() != 5) {
      return bad();
    }
    std::array<std::uint64_t, 5> values{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      SELVEDGE_TRY(values.at(i), number(fields[i]));
    }
    if (values[0] >= count || values[1] > 4 || values[2] > 2) {
      return bad();
    }
    point.keep.tear =
        Tear{static_cast<std::uint32_t>(values[0]), static_cast<Tear::Kind>(values[1]),
             static_cast<Tear::Fill>(values[2]), static_cast<std::uint32_t>(values[3]), values[4]};
  }
  return point;
}

}  // namespace selvedge::testkit
