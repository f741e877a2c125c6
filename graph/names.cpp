#include "graph/names.h"

#include <bit>
#include <functional>

#include "base/assert.h"

namespace selvedge::graph {

std::size_t Dictionary::Hash::operator()(std::string_view text) const noexcept {
  return std::hash<std::string_view>{}(text);
}

Dictionary::~Dictionary() {
  for (std::uint32_t id = 0; id < size(); ++id) {
    delete word(id).load(std::memory_order_relaxed);
  }
  for (auto& chunk : chunks_) {
    delete[] chunk.load(std::memory_order_relaxed);
  }
}

Dictionary::Text& Dictionary::word(std::uint32_t id) const {
  const std::uint32_t biased = id + (1u << first_chunk_shift);
  const auto width = static_cast<unsigned>(std::bit_width(biased)) - 1;
  return chunks_[width - first_chunk_shift].load(std::memory_order_acquire)[biased - (1u << width)];
}

std::optional<std::uint32_t> Dictionary::find(std::string_view text) const {
  const SharedLock lock(mutex_);
  const auto found = ids_.find(text);
  if (found == ids_.end()) {
    return std::nullopt;
  }
  return found->second;
}

std::string_view Dictionary::text(std::uint32_t id) const {
  SELVEDGE_ASSERT(id < size());
  const std::string* text = word(id).load(std::memory_order_acquire);
  return text != nullptr ? std::string_view(*text) : std::string_view{};
}

bool Dictionary::define(std::uint32_t id, std::string_view text) {
  SELVEDGE_ASSERT(id <= name_id_max);
  const ExclusiveLock lock(mutex_);
  const auto found = ids_.find(text);
  if (found != ids_.end()) {
    return found->second == id;
  }
  const auto chunks = std::bit_width(id + (1u << first_chunk_shift)) - first_chunk_shift;
  for (std::size_t i = 0; i < chunks; ++i) {
    if (chunks_[i].load(std::memory_order_relaxed) == nullptr) {
      chunks_[i].store(new Text[std::size_t{1} << (i + first_chunk_shift)]{},
                       std::memory_order_release);
    }
  }
  Text& text_word = word(id);
  if (text_word.load(std::memory_order_relaxed) != nullptr) {
    return false;
  }
  const auto* owned = new std::string(text);
  text_word.store(owned, std::memory_order_release);
  ids_.emplace(std::string_view(*owned), id);
  if (id >= size_.load(std::memory_order_relaxed)) {
    size_.store(id + 1, std::memory_order_release);
  }
  return true;
}

}  // namespace selvedge::graph
