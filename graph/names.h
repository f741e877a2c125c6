// Interned names of labels, edge types and property keys.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tsl/robin_map.h>

#include "base/mutex.h"

namespace selvedge::graph {

enum class NameKind : std::uint8_t { label = 0, type = 1, key = 2 };
inline constexpr std::size_t name_kinds = 3;
inline constexpr std::uint32_t name_id_max = (1u << 24) - 1;

/// Role: one dictionary: text <-> small id, ids from 0 in order of definition.
/// Invariants: an id, once given, names the same text for ever; a defined text never moves.
/// Threads: `find` under a shared lock, `text` and `size` lock-free, `define` exclusive.
class Dictionary {
 public:
  Dictionary() = default;
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;
  ~Dictionary();

  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view text) const;
  /// Text of an id below `size()`.
  [[nodiscard]] std::string_view text(std::uint32_t id) const;
  [[nodiscard]] std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  /// Defines `text` as `id`. False when the id is taken by another text or the text by another id.
  /// Ids may come in any order (recovery); `size()` counts to the highest.
  bool define(std::uint32_t id, std::string_view text);

 private:
  using Text = std::atomic<const std::string*>;
  static constexpr unsigned first_chunk_shift = 6;

  struct Hash {
    std::size_t operator()(std::string_view text) const noexcept;
  };
  mutable SharedMutex mutex_;
  tsl::robin_map<std::string_view, std::uint32_t, Hash> ids_ SELVEDGE_GUARDED_BY(mutex_);
  Text& word(std::uint32_t id) const;
  std::array<std::atomic<Text*>, 25 - first_chunk_shift> chunks_{};  // chunks double in size
  std::atomic<std::uint32_t> size_{0};
};

/// The three dictionaries of a store.
class Names {
 public:
  Dictionary& of(NameKind kind) { return *dictionaries_[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] const Dictionary& of(NameKind kind) const {
    return *dictionaries_[static_cast<std::size_t>(kind)];
  }

 private:
  std::array<std::unique_ptr<Dictionary>, name_kinds> dictionaries_{std::make_unique<Dictionary>(),
                                                                    std::make_unique<Dictionary>(),
                                                                    std::make_unique<Dictionary>()};
};

}  // namespace selvedge::graph
