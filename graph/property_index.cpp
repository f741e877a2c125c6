#include "graph/property_index.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace selvedge::graph {

namespace {

/// What an entry takes of the system, with the room that trees and tables keep free.
constexpr std::uint64_t ordered_entry_bytes = 48;
constexpr std::uint64_t hashed_entry_bytes = 48;
/// Accounted against the memory limit at once.
constexpr std::uint64_t account_bytes = std::uint64_t{64} << 10;

std::uint64_t load_big_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value = value << 8 | (i < bytes.size() ? std::to_integer<std::uint64_t>(bytes[i]) : 0);
  }
  return value;
}

void store_big_endian(std::uint64_t value, std::span<std::byte, 8> to) {
  for (std::size_t i = 8; i-- > 0; value >>= 8) {
    to[i] = static_cast<std::byte>(value);
  }
}

}  // namespace

// --- keys --------------------------------------------------------------------------------------

std::uint64_t StoredKey::prefix_of(std::span<const std::byte> key) { return load_big_endian(key); }

std::span<const std::byte> StoredKey::view(std::span<std::byte, 16> scratch) const {
  if (bytes > inline_bytes_max) {
    return {reinterpret_cast<const std::byte*>(rest), bytes};
  }
  store_big_endian(prefix, scratch.first<8>());
  store_big_endian(rest, scratch.last<8>());
  return scratch.first(bytes);
}

int StoredKey::compare(std::span<const std::byte> key, std::uint64_t key_prefix) const {
  if (prefix != key_prefix) {
    return prefix < key_prefix ? -1 : 1;
  }
  std::array<std::byte, 16> scratch;
  return compare_keys(view(scratch), key);
}

bool PropertyIndex::Less::operator()(const IndexEntry& a, const IndexEntry& b) const {
  if (a.key.prefix != b.key.prefix) {
    return a.key.prefix < b.key.prefix;
  }
  std::array<std::byte, 16> scratch;
  const int order = a.key.compare(b.key.view(scratch), b.key.prefix);
  return order != 0 ? order < 0 : a.id < b.id;
}
bool PropertyIndex::Less::operator()(const IndexEntry& a, const Probe& b) const {
  const int order = a.key.compare(b.key, b.prefix);
  return order != 0 ? order < 0 : a.id < b.id;
}
bool PropertyIndex::Less::operator()(const Probe& a, const IndexEntry& b) const {
  const int order = b.key.compare(a.key, a.prefix);
  return order != 0 ? order > 0 : a.id < b.id;
}

// --- shards and memory -------------------------------------------------------------------------

PropertyIndex::PropertyIndex(IndexKind kind, Arena& arena, EpochManager& epochs)
    : kind_(kind), arena_(arena), epochs_(epochs) {
  if (kind == IndexKind::hash) {
    hashed_ = std::make_unique<std::array<Shard, shards_of_hash>>();
  } else {
    ordered_ = std::make_unique<Shard>();
  }
}

PropertyIndex::~PropertyIndex() {
  if (ordered_ != nullptr) {
    for (const IndexEntry& entry : ordered_->tree) {
      if (entry.key.bytes > StoredKey::inline_bytes_max) {
        arena_.deallocate(reinterpret_cast<void*>(entry.key.rest), entry.key.bytes);
      }
    }
    arena_.release_outside(ordered_->accounted_bytes);
    return;
  }
  for (const Shard& shard : *hashed_) {
    arena_.release_outside(shard.accounted_bytes);
  }
}

PropertyIndex::Shard& PropertyIndex::shard_of(std::span<const std::byte> key) const {
  return ordered_ != nullptr ? *ordered_ : (*hashed_)[hash_key(key) >> 60];
}

/// Room for one more entry.
bool PropertyIndex::account(Shard& shard) const {
  const std::uint64_t each = ordered_ != nullptr ? ordered_entry_bytes : hashed_entry_bytes;
  if ((shard.entries + 1) * each > shard.accounted_bytes) {
    if (!arena_.reserve_outside(account_bytes)) {
      return false;
    }
    shard.accounted_bytes += account_bytes;
  }
  return true;
}

void PropertyIndex::unaccount(Shard& shard) const {
  const std::uint64_t each = ordered_ != nullptr ? ordered_entry_bytes : hashed_entry_bytes;
  if (shard.accounted_bytes > shard.entries * each + 2 * account_bytes) {
    arena_.release_outside(account_bytes);
    shard.accounted_bytes -= account_bytes;
  }
}

std::uint64_t PropertyIndex::size() const {
  if (ordered_ != nullptr) {
    const SharedLock lock(ordered_->mutex);
    return ordered_->entries;
  }
  std::uint64_t total = 0;
  for (const Shard& shard : *hashed_) {
    const SharedLock lock(shard.mutex);
    total += shard.entries;
  }
  return total;
}

bool PropertyIndex::same(std::span<const std::byte> a, std::span<const std::byte> b) const {
  return compare_keys(a, b) == 0 || (ordered_ == nullptr && hash_key(a) == hash_key(b));
}

// --- changes -----------------------------------------------------------------------------------

bool PropertyIndex::add(std::span<const std::byte> key, std::uint64_t id) {
  Shard& shard = shard_of(key);
  return ordered_ != nullptr ? add_ordered(shard, key, id) : add_hashed(shard, key, id);
}

bool PropertyIndex::add_ordered(Shard& shard, std::span<const std::byte> key, std::uint64_t id) {
  const Probe probe{key, StoredKey::prefix_of(key), id};
  const auto at = shard.tree.lower_bound(probe);
  if (at != shard.tree.end() && !Less{}(probe, *at)) {
    return true;
  }
  if (!account(shard)) {
    return false;
  }
  IndexEntry entry{{probe.prefix, 0, static_cast<std::uint32_t>(key.size())}, id};
  if (key.size() <= StoredKey::inline_bytes_max) {
    entry.key.rest = key.size() > 8 ? load_big_endian(key.subspan(8)) : 0;
  } else {
    void* memory = arena_.allocate(key.size());
    if (memory == nullptr) {
      return false;
    }
    std::memcpy(memory, key.data(), key.size());
    entry.key.rest = reinterpret_cast<std::uint64_t>(memory);
  }
  shard.tree.insert(at, entry);
  ++shard.entries;
  return true;
}

bool PropertyIndex::add_hashed(Shard& shard, std::span<const std::byte> key, std::uint64_t id) {
  if (!account(shard)) {
    return false;
  }
  const auto [at, fresh] = shard.postings.try_emplace(hash_key(key));
  Posting& posting = at.value();
  if (fresh) {
    posting.one = id;
  } else if (posting.many != nullptr) {
    if (!posting.many->insert(id).second) {
      return true;
    }
  } else if (posting.one == id) {
    return true;
  } else {
    posting.many = std::make_unique<Ids>();
    posting.many->insert({posting.one, id});
  }
  ++shard.entries;
  return true;
}

void PropertyIndex::drop(std::span<const std::byte> key, std::uint64_t id) {
  Shard& shard = shard_of(key);
  if (ordered_ != nullptr ? drop_ordered(shard, key, id) : drop_hashed(shard, key, id)) {
    --shard.entries;
    unaccount(shard);
  }
}

bool PropertyIndex::drop_ordered(Shard& shard, std::span<const std::byte> key, std::uint64_t id) {
  const auto at = shard.tree.find(Probe{key, StoredKey::prefix_of(key), id});
  if (at == shard.tree.end()) {
    return false;
  }
  const StoredKey gone = at->key;
  shard.tree.erase(at);
  if (gone.bytes > StoredKey::inline_bytes_max) {
    epochs_.retire_memory(reinterpret_cast<void*>(gone.rest), gone.bytes);
  }
  return true;
}

bool PropertyIndex::drop_hashed(Shard& shard, std::span<const std::byte> key, std::uint64_t id) {
  const auto at = shard.postings.find(hash_key(key));
  if (at == shard.postings.end()) {
    return false;
  }
  Posting& posting = at.value();
  if (posting.many == nullptr) {
    if (posting.one != id) {
      return false;
    }
    shard.postings.erase(at);
    return true;
  }
  const bool gone = posting.many->erase(id) != 0;
  if (posting.many->size() == 1) {
    posting.one = *posting.many->begin();
    posting.many.reset();
  }
  return gone;
}

// --- reads -------------------------------------------------------------------------------------

void PropertyIndex::each(std::span<const std::byte> key,
                         const std::function<bool(std::uint64_t)>& use) const {
  const Shard& shard = shard_of(key);
  if (ordered_ != nullptr) {
    const Probe probe{key, StoredKey::prefix_of(key), 0};
    for (auto at = shard.tree.lower_bound(probe);
         at != shard.tree.end() && at->key.compare(key, probe.prefix) == 0 && use(at->id); ++at) {
    }
    return;
  }
  const auto at = shard.postings.find(hash_key(key));
  if (at == shard.postings.end()) {
    return;
  }
  if (at->second.many == nullptr) {
    use(at->second.one);
    return;
  }
  for (const std::uint64_t id : *at->second.many) {
    if (!use(id)) {
      return;
    }
  }
}

void PropertyIndex::scan(const KeyRange& range, const IndexPosition* after, Order order,
                         std::size_t max, std::vector<IndexEntry>& out) const {
  const Shard& shard = shard_of(range.low);
  const SharedLock lock(shard.mutex);
  if (ordered_ != nullptr) {
    scan_ordered(shard, range, after, order, max, out);
  } else {
    scan_hashed(shard, range.low, after, order, max, out);
  }
}

void PropertyIndex::scan_ordered(const Shard& shard, const KeyRange& range,
                                 const IndexPosition* after, Order order, std::size_t max,
                                 std::vector<IndexEntry>& out) const {
  if (!range.high.empty() && compare_keys(range.low, range.high) >= 0) {
    return;
  }
  const auto probe = [](std::span<const std::byte> key, std::uint64_t id) {
    return Probe{key, StoredKey::prefix_of(key), id};
  };
  auto first = shard.tree.lower_bound(probe(range.low, 0));
  auto last = range.high.empty() ? shard.tree.end() : shard.tree.lower_bound(probe(range.high, 0));
  if (after != nullptr) {
    // An entry's place whether it is still there or not.
    const Probe at = probe(after->key, after->id);
    if (order == Order::ascending) {
      first = shard.tree.upper_bound(at);
    } else {
      last = shard.tree.lower_bound(at);
    }
  }
  if (order == Order::ascending) {
    for (; first != last && first != shard.tree.end() && out.size() < max; ++first) {
      out.push_back(*first);
    }
    return;
  }
  while (last != first && out.size() < max) {
    out.push_back(*--last);
  }
}

void PropertyIndex::scan_hashed(const Shard& shard, std::span<const std::byte> key,
                                const IndexPosition* after, Order order, std::size_t max,
                                std::vector<IndexEntry>& out) const {
  const auto found = shard.postings.find(hash_key(key));
  if (found == shard.postings.end()) {
    return;
  }
  const Posting& posting = found->second;
  if (posting.many == nullptr) {
    const bool behind = after == nullptr || (order == Order::ascending ? posting.one > after->id
                                                                       : posting.one < after->id);
    if (behind) {
      out.push_back({{}, posting.one});
    }
    return;
  }
  if (order == Order::ascending) {
    auto at = after == nullptr ? posting.many->begin() : posting.many->upper_bound(after->id);
    for (; at != posting.many->end() && out.size() < max; ++at) {
      out.push_back({{}, *at});
    }
    return;
  }
  auto at = after == nullptr ? posting.many->end() : posting.many->lower_bound(after->id);
  while (at != posting.many->begin() && out.size() < max) {
    out.push_back({{}, *--at});
  }
}

}  // namespace selvedge::graph
