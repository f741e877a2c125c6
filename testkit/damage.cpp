// Bytes that change while nobody looks.

#include <algorithm>
#include <utility>

#include <selvedge/testkit/explorer.h>

#include "testkit/verify.h"

namespace selvedge::testkit {

namespace {

constexpr std::size_t sector_bytes = 512;

/// Role: damages one store in every way, one at a time.
class Damage {
 public:
  explicit Damage(const Workload& workload) : workload_(workload) {}

  DamageCounts run(std::uint32_t one_bit_in) {
    SimFileSystem files;
    Trial trial(workload_, files);
    Status done = trial.execute();
    if (!done || trial.open_store() == nullptr) {
      violate("the workload failed without damage", "");
      return std::move(counts_);
    }
    ledger_ = trial.ledger();
    const Image crashed = files.cache();
    done = trial.reopen();
    middle_ = files.cache();
    done = done ? trial.close() : std::move(done);
    if (!done) {
      violate("the store does not close: " + done.error().message(), "");
      return std::move(counts_);
    }
    closed_store(files.cache(), one_bit_in);
    if (Trial::options_of(workload_, files).sync == SyncMode::immediate) {
      crashed_store(crashed, one_bit_in);
    }
    return std::move(counts_);
  }

 private:
  void closed_store(Image image, std::uint32_t one_bit_in) {
    image_ = std::move(image);
    lower_ = ledger_.steps.size();
    for (const auto& [path, content] : image_.files) {
      bits(path, content->bytes, one_bit_in);
      sectors(path, content->bytes);
      whole_files(path);
    }
  }

  /// Damage to the last group before a crash cannot be told from a tail that was never synced.
  void crashed_store(const Image& image, std::uint32_t one_bit_in) {
    image_ = image;
    for (const auto& [path, content] : image_.files) {
      const bool log = path.find("/wal/") != std::string::npos;
      lower_ = ledger_.steps.size() - (log && !ledger_.steps.empty() ? 1 : 0);
      bits(path, content->bytes, one_bit_in);
      Image lost = image_;
      lost.files.erase(path);
      lower_ = ledger_.steps.size();
      examine(lost, "after a crash, " + path, "lost");
    }
  }

  static bool is_snapshot(const std::string& path) {
    return path.find("/snapshots/") != std::string::npos;
  }
  /// One of several snapshots is damaged, and nothing else: the other one stands in.
  [[nodiscard]] bool can_fall_back(const std::string& path) const {
    return is_snapshot(path) &&
           std::count_if(image_.files.begin(), image_.files.end(),
                         [](const auto& file) { return is_snapshot(file.first); }) > 1;
  }

  void bits(const std::string& path, const Bytes& bytes, std::uint32_t one_in) {
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += one_in) {
      Bytes damaged = bytes;
      damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      examine(path, std::move(damaged), "bit " + std::to_string(bit));
    }
  }

  void sectors(const std::string& path, const Bytes& bytes) {
    const std::size_t count = (bytes.size() + sector_bytes - 1) / sector_bytes;
    const auto each = [&](std::size_t index) {
      const std::size_t from = index * sector_bytes;
      return std::pair(from, std::min(sector_bytes, bytes.size() - from));
    };
    for (std::size_t i = 0; i < count; ++i) {
      const auto [from, length] = each(i);
      Bytes zeroed = bytes;
      std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(from), length, std::byte{0});
      examine(path, std::move(zeroed), "sector " + std::to_string(i) + " zeroed");
      for (const std::size_t k : {i + 1, i + 3}) {
        if (k >= count || each(k).second != length) {
          continue;
        }
        const auto at = [](std::size_t offset) { return static_cast<std::ptrdiff_t>(offset); };
        Bytes swapped = bytes;
        std::swap_ranges(swapped.begin() + at(from), swapped.begin() + at(from + length),
                         swapped.begin() + at(each(k).first));
        examine(path, std::move(swapped), "sector " + std::to_string(i) + " swapped");
        Bytes misdirected = bytes;
        std::copy_n(bytes.begin() + at(from), length, misdirected.begin() + at(each(k).first));
        examine(path, std::move(misdirected), "sector " + std::to_string(i) + " misdirected");
      }
    }
  }

  void whole_files(const std::string& path) {
    Image lost = image_;
    lost.files.erase(path);
    examine(lost, path, "lost");
    if (const auto old = middle_.files.find(path); old != middle_.files.end()) {
      Image aged = image_;
      aged.files[path] = old->second;
      if (aged.files[path]->hash != image_.files[path]->hash) {
        examine(aged, path, "as it was before the last close");
      }
    }
    const Bytes& bytes = image_.files[path]->bytes;
    for (const std::size_t left : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      if (left < bytes.size()) {
        examine(path, Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(left)),
                "cut to " + std::to_string(left) + " bytes");
      }
    }
  }

  void examine(const std::string& path, Bytes bytes, const std::string& what) {
    Image damaged = image_;
    damaged.files[path] = std::make_shared<Blob>(std::move(bytes));
    examine(damaged, path, what);
  }

  /// The right state, or a refusal that says where and has changed nothing.
  void examine(const Image& image, const std::string& path, const std::string& damage) {
    const std::string what = path + ", " + damage;
    ++counts_.cases;
    SimFileSystem files(image);
    const auto store = Store::open(store_path, Trial::options_of(workload_, files));
    if (!store) {
      ++counts_.refused;
      if (store.error().path().empty()) {
        violate("a refusal that names no file: " + store.error().message(), what);
      } else if (files.events() != 0) {
        violate("a refusal that changed the disk: " + store.error().message(), what);
      } else if (can_fall_back(path)) {
        violate("the older snapshot does not stand in: " + store.error().message(), what);
      } else {
        salvage(image, what);
      }
      return;
    }
    std::size_t steps = 0;
    const std::size_t all = ledger_.steps.size();
    if (auto wrong = compare_state(*store, workload_, ledger_, {lower_, all}, steps)) {
      violate(*wrong, what);
    } else {
      ++counts_.right_state;
    }
    files.power_off();
  }

  /// What can be saved is a state that was, and opens as that from then on, whatever the salvage
  /// itself did not sync.
  void salvage(const Image& image, const std::string& what) {
    SimFileSystem files(image);
    Options options = Trial::options_of(workload_, files);
    options.salvage = true;
    std::size_t steps = 0;
    {
      const auto store = Store::open(store_path, options);
      if (!store) {
        return;
      }
      ++counts_.salvaged;
      const Bounds any{0, ledger_.steps.size()};
      if (auto wrong = compare_state(*store, workload_, ledger_, any, steps)) {
        violate("salvage: " + *wrong, what);
        return;
      }
      files.power_off();
    }
    Disk disk(image);
    for (const Event& event : files.trace()) {
      disk.apply(event);
    }
    SimFileSystem left(
        disk.crash({std::vector<bool>(disk.pending().size(), false), {}, Strategy::drop_all}));
    const auto again = Store::open(store_path, Trial::options_of(workload_, left));
    if (!again) {
      violate("what was salvaged is refused: " + again.error().message(), what);
    } else if (auto wrong = compare_state(*again, workload_, ledger_, {0, steps}, steps)) {
      violate("what was salvaged is something else: " + *wrong, what);
    }
    left.power_off();
  }

  void violate(const std::string& what, const std::string& damage) {
    Violation violation;
    violation.what = what;
    violation.token = damage;
    violation.strategy = "damage at rest";
    violation.cases = counts_.cases;
    violation.steps = ledger_.steps.size();
    counts_.violations.push_back(std::move(violation));
  }

  const Workload& workload_;
  Ledger ledger_;
  Image image_;
  Image middle_;
  std::size_t lower_ = 0;  ///< steps that must be there
  DamageCounts counts_;
};

}  // namespace

DamageCounts damage_at_rest(const Workload& workload, std::uint32_t one_bit_in) {
  return Damage(workload).run(std::max(1U, one_bit_in));
}

}  // namespace selvedge::testkit
