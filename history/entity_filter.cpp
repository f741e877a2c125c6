#include "history/entity_filter.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/crc32c.h"

namespace selvedge::history {

namespace {

constexpr std::string_view magic = "SELVFLT1";
constexpr std::size_t header_bytes = 60;
constexpr std::size_t crc_bytes = 4;
constexpr std::size_t block_bytes = 64;
constexpr std::size_t bits_per_key = 12;
constexpr unsigned bits_set = 6;

std::uint64_t mix(std::uint64_t word) {
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9U;
  word = (word ^ word >> 27) * 0x94d049bb133111ebU;
  return word ^ word >> 31;
}

struct Place {
  std::size_t block = 0;
  std::uint64_t bits = 0;  ///< nine for each bit of the block
};

Place place_of(std::uint64_t key, std::size_t blocks) {
  const std::uint64_t first = mix(key);
  return {static_cast<std::size_t>(first % blocks), mix(first + 0x9e3779b97f4a7c15U)};
}

}  // namespace

std::string filter_name(std::uint64_t number) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%06llu.flt", static_cast<unsigned long long>(number));
  return name.data();
}

std::uint64_t filter_key(const graph::Change& change) {
  return change.is_node() ? change.id : change.is_edge() ? change.id | 1 : 0;
}

EntityFilter::EntityFilter(const SegmentIdentity& identity, std::uint64_t next_sequence,
                           std::vector<std::uint64_t> keys)
    : identity_(identity), next_sequence_(next_sequence) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  const std::size_t blocks = keys.size() * bits_per_key / (block_bytes * 8) + 1;
  words_.resize(blocks * block_words);
  for (const std::uint64_t key : keys) {
    Place place = place_of(key, blocks);
    for (unsigned i = 0; i < bits_set; ++i, place.bits >>= 9) {
      words_[place.block * block_words + (place.bits >> 6 & 7)] |= std::uint64_t{1}
                                                                   << (place.bits & 63);
    }
  }
}

bool EntityFilter::may_name(std::uint64_t key) const {
  Place place = place_of(key, words_.size() / block_words);
  for (unsigned i = 0; i < bits_set; ++i, place.bits >>= 9) {
    const std::uint64_t word = words_[place.block * block_words + (place.bits >> 6 & 7)];
    if ((word >> (place.bits & 63) & 1) == 0) {
      return false;
    }
  }
  return true;
}

std::vector<std::byte> EntityFilter::encode() const {
  ByteWriter to;
  to.put_bytes(as_bytes(magic));
  to.put(filter_format_version);
  to.put(identity_.salt);
  to.put_bytes(identity_.store.bytes);
  to.put(identity_.number);
  to.put(identity_.first_sequence);
  to.put(next_sequence_);
  to.put(static_cast<std::uint32_t>(words_.size() / block_words));
  SELVEDGE_ASSERT(to.size() == header_bytes);
  for (const std::uint64_t word : words_) {
    to.put(word);
  }
  to.put(base::crc32c(to.span()));
  return {to.span().begin(), to.span().end()};
}

Result<EntityFilter> EntityFilter::decode(std::span<const std::byte> bytes,
                                          const std::string& path) {
  const auto damaged = [&](std::uint64_t offset, const char* what) {
    return fail(
        Error(ErrorCode::corruption, std::string("entity filter: ") + what).at(path, offset));
  };
  if (bytes.size() < header_bytes + crc_bytes || as_text(bytes.first(magic.size())) != magic) {
    return damaged(0, "no header");
  }
  const auto covered = bytes.first(bytes.size() - crc_bytes);
  if (base::crc32c(covered) != load_le<std::uint32_t>(bytes.data() + covered.size())) {
    return damaged(covered.size(), "its CRC does not hold");
  }
  ByteReader reader(covered);
  reader.take_bytes(magic.size());
  if (reader.take<std::uint32_t>() != filter_format_version) {
    return damaged(8, "another format version");
  }
  EntityFilter filter;
  filter.identity_.salt = reader.take<std::uint32_t>();
  const auto store = reader.take_bytes(filter.identity_.store.bytes.size());
  std::memcpy(filter.identity_.store.bytes.data(), store.data(), store.size());
  filter.identity_.number = reader.take<std::uint64_t>();
  filter.identity_.first_sequence = reader.take<std::uint64_t>();
  filter.next_sequence_ = reader.take<std::uint64_t>();
  const auto blocks = reader.take<std::uint32_t>();
  if (blocks == 0 || reader.remaining() != std::uint64_t{blocks} * block_bytes) {
    return damaged(header_bytes - 4, "another number of blocks than there are");
  }
  filter.words_.reserve(blocks * block_words);
  while (!reader.at_end()) {
    filter.words_.push_back(reader.take<std::uint64_t>());
  }
  return filter;
}

}  // namespace selvedge::history
