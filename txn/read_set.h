// What a serializable transaction has read: entities, and the predicates that it asked about.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/names.h"

namespace selvedge::txn {

/// What a read depends on. *Members*: which entities there are; *content*: also what they hold.
enum class ReadKind : std::uint8_t {
  node = 1,  ///< what an id names, or that it names nothing
  edge,
  out_list,  ///< which edges leave a node, of one type or of all
  in_list,
  pair,           ///< which edges go from one node to another
  label_members,  ///< which nodes carry a label
  label_content,
  type_members,
  type_content,
  all_nodes,
  all_nodes_content,
  all_edges,
  all_edges_content,
  unknown_label,  ///< nobody carries a label that has no id yet: `other` is its place in `texts`
  unknown_type,
  index_key,    ///< which entities have a key: object `type`, `other` is its place in `texts`
  index_range,  ///< which have one in a range: its ends at `other` and behind
};

struct ReadItem {
  static constexpr std::uint32_t any_type = ~std::uint32_t{0};

  ReadKind kind = ReadKind::node;
  std::uint32_t type = any_type;  ///< of lists and pairs; an index
  std::uint64_t id = 0;           ///< an entity; a label's or type's id; an index key's hash
  std::uint64_t other = 0;        ///< the target of a pair
  bool operator==(const ReadItem&) const = default;
};

/// 64 bits spread well (Murmur3's finalizer), with the kind mixed in.
[[nodiscard]] inline std::uint64_t read_hash(ReadKind kind, std::uint64_t id,
                                             std::uint64_t other = 0) {
  std::uint64_t h = id ^ (other * 0x9e3779b97f4a7c15U) ^ static_cast<std::uint64_t>(kind) << 56;
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdU;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53U;
  return h ^ (h >> 33);
}

/// Of an item, or of what a commit changes: equal if they meet.
[[nodiscard]] inline std::uint64_t index_key_hash(std::uint32_t object, std::uint64_t key_hash) {
  return read_hash(ReadKind::index_key, key_hash, object);
}
[[nodiscard]] inline std::uint64_t index_range_hash(std::uint32_t object) {
  return read_hash(ReadKind::index_range, object);
}
[[nodiscard]] inline std::uint64_t hash_of(const ReadItem& item) {
  switch (item.kind) {
    case ReadKind::index_key: return index_key_hash(item.type, item.id);
    case ReadKind::index_range: return index_range_hash(item.type);
    default: return read_hash(item.kind, item.id, item.other);
  }
}

/// 256 bits, one for each key: sets that share no bit share no key.
class Bloom {
 public:
  void add(std::uint64_t hash) { words_[hash & 3] |= std::uint64_t{1} << (hash >> 2 & 63); }
  void fill() { words_.fill(~std::uint64_t{0}); }
  void clear() { words_.fill(0); }
  [[nodiscard]] bool intersects(const Bloom& other) const {
    return ((words_[0] & other.words_[0]) | (words_[1] & other.words_[1]) |
            (words_[2] & other.words_[2]) | (words_[3] & other.words_[3])) != 0;
  }

 private:
  std::array<std::uint64_t, 4> words_{};
};

/// Role: collects the reads of one transaction.
/// Invariants: holds everything that was noted, or something that covers it: beyond `items_max`
///   the items give way to "all nodes" or "all edges", whichever covers them.
/// Threads: one.
class ReadSet {
 public:
  static constexpr std::size_t items_max = 65'536;

  void note(ReadKind kind, std::uint64_t id, std::uint64_t other = 0,
            std::uint32_t type = ReadItem::any_type) {
    const ReadItem item{kind, type, id, other};
    ReadItem& lately = recent_[read_hash(kind, id, other) % recent_.size()];
    if (lately == item) {
      return;
    }
    lately = item;
    add(item);
  }
  void note_unknown(ReadKind kind, std::string_view text);
  void note_key(std::uint32_t object, std::span<const std::byte> key);
  /// From `low` on and below `high` (empty: no bound).
  void note_range(std::uint32_t object, std::span<const std::byte> low,
                  std::span<const std::byte> high);
  void clear();

  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] const std::vector<ReadItem>& items() const { return items_; }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }
  [[nodiscard]] const Bloom& bloom() const { return bloom_; }
  /// Names were asked about that are not defined: they have no hash.
  [[nodiscard]] bool unknown_names() const { return unknown_names_; }

 private:
  void add(const ReadItem& item);
  void keep(const ReadItem& item);

  std::vector<ReadItem> items_;
  std::vector<std::string> texts_;
  std::array<ReadItem, 16> recent_{};  ///< what was read a moment ago is not noted again
  Bloom bloom_;
  bool unknown_names_ = false;
  bool escalated_ = false;  ///< items give way to what covers them
  bool covers_nodes_ = false;
  bool covers_edges_ = false;
};

}  // namespace selvedge::txn
