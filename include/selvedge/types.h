// Identifiers and positions. All are trivially copyable 64- or 32-bit values.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace selvedge {

/// A position on the store's one clock: log position, commit time, read view, snapshot and feed
/// offset at once. 0 is "before everything"; the first entry of a store has sequence 1.
struct Sequence {
  std::uint64_t value = 0;
  auto operator<=>(const Sequence&) const = default;
};

/// Number of a transaction in the log: the sequence of its begin entry. 0 is "no transaction".
struct TxnNumber {
  std::uint64_t value = 0;
  auto operator<=>(const TxnNumber&) const = default;
};

/// Bits of an entity id: slot (36) | generation (20) | 8 zero bits. A slot is reused with the next
/// generation, so an id never names two entities.
namespace id_bits {
inline constexpr unsigned slot_shift = 28;
inline constexpr unsigned generation_shift = 8;
inline constexpr std::uint64_t generation_max = (std::uint64_t{1} << 20) - 1;
inline constexpr std::uint64_t slot_max = (std::uint64_t{1} << 36) - 1;

constexpr std::uint64_t make(std::uint64_t slot, std::uint64_t generation) {
  return slot << slot_shift | generation << generation_shift;
}
constexpr std::uint64_t slot(std::uint64_t id) { return id >> slot_shift; }
constexpr std::uint64_t generation(std::uint64_t id) {
  return id >> generation_shift & generation_max;
}
constexpr bool well_formed(std::uint64_t id) { return (id & 0xff) == 0 && generation(id) != 0; }
}  // namespace id_bits

/// A node. A default-constructed id names nothing.
struct NodeId {
  std::uint64_t value = 0;
  auto operator<=>(const NodeId&) const = default;
  explicit constexpr operator bool() const { return value != 0; }
};

/// An edge. A default-constructed id names nothing.
struct EdgeId {
  std::uint64_t value = 0;
  auto operator<=>(const EdgeId&) const = default;
  explicit constexpr operator bool() const { return value != 0; }
};

/// Interned names: resolve once with `Store::label_id` and the like, use many times.
struct LabelId {
  std::uint32_t value = 0;
  auto operator<=>(const LabelId&) const = default;
};
struct TypeId {
  std::uint32_t value = 0;
  auto operator<=>(const TypeId&) const = default;
};
struct KeyId {
  std::uint32_t value = 0;
  auto operator<=>(const KeyId&) const = default;
};

/// A name given either as text or as its interned id. Borrowed: use it in parameters only.
template <class Id>
class NameRef {
 public:
  constexpr NameRef(Id id) : id_(id.value), interned_(true) {}
  constexpr NameRef(std::string_view text) : text_(text) {}
  NameRef(const char* text) : text_(text) {}
  NameRef(const std::string& text) : text_(text) {}

  [[nodiscard]] constexpr bool interned() const { return interned_; }
  [[nodiscard]] constexpr Id id() const { return Id{id_}; }
  [[nodiscard]] constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  std::uint32_t id_ = 0;
  bool interned_ = false;
};

using LabelRef = NameRef<LabelId>;
using TypeRef = NameRef<TypeId>;
using KeyRef = NameRef<KeyId>;

/// Which edges of a node are meant.
enum class Direction : std::uint8_t { out, in, both };

namespace detail {
/// The low bits of an id say little (a fresh one's are all the same): every bit of the hash depends
/// on the slot, as tables whose size is a power of two need it. Fibonacci hashing, folded.
struct IdHash {
  constexpr std::size_t operator()(std::uint64_t id) const noexcept {
    const std::uint64_t product = (id >> 8) * 0x9e3779b97f4a7c15U;
    return product ^ (product >> 32);
  }
};
}  // namespace detail

}  // namespace selvedge

template <>
struct std::hash<selvedge::NodeId> {
  std::size_t operator()(selvedge::NodeId id) const noexcept {
    return selvedge::detail::IdHash{}(id.value);
  }
};
template <>
struct std::hash<selvedge::EdgeId> {
  std::size_t operator()(selvedge::EdgeId id) const noexcept {
    return selvedge::detail::IdHash{}(id.value);
  }
};
