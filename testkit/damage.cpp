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
    {
      Trial trial(workload_, files);
      Status done = trial.execute();
      ledger_ = trial.ledger();
      middle_ = files.cache();
      done = done && trial.open_store() != nullptr ? trial.reopen() : std::move(done);
      if (!done) {
        violate("the workload failed without damage: " + done.error().message(), "");
        return std::move(counts_);
      }
      const Status closed = trial.open_store()->close();
      if (!closed) {
        violate("the store does not close: " + closed.error().message(), "");
        return std::move(counts_);
      }
    }
    image_ = files.cache();
    for (const auto& [path, content] : image_.files) {
      bits(path, content->bytes, one_bit_in);
      sectors(path, content->bytes);
      whole_files(path);
    }
    return std::move(counts_);
  }

 private:
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
    examine(lost, path + " lost");
    if (const auto old = middle_.files.find(path); old != middle_.files.end()) {
      Image aged = image_;
      aged.files[path] = old->second;
      if (aged.files[path]->hash != image_.files[path]->hash) {
        examine(aged, path + " as it was before the last close");
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
    examine(damaged, path + ", " + what);
  }

  /// The right state, or a refusal that says where and has changed nothing.
  void examine(const Image& image, const std::string& what) {
    ++counts_.cases;
    SimFileSystem files(image);
    const auto store = Store::open(store_path, Trial::options_of(workload_, files));
    if (!store) {
      ++counts_.refused;
      if (store.error().path().empty()) {
        violate("a refusal that names no file: " + store.error().message(), what);
      } else if (files.events() != 0) {
        violate("a refusal that changed the disk: " + store.error().message(), what);
      }
      return;
    }
    std::size_t steps = 0;
    const std::size_t all = ledger_.steps.size();
    if (auto wrong = compare_state(*store, workload_, ledger_, {all, all}, steps)) {
      violate(*wrong, what);
    } else {
      ++counts_.right_state;
    }
    files.power_off();
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
  DamageCounts counts_;
};

}  // namespace

DamageCounts damage_at_rest(const Workload& workload, std::uint32_t one_bit_in) {
  return Damage(workload).run(std::max(1U, one_bit_in));
}

}  // namespace selvedge::testkit
