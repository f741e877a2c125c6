#include "graph/embeddings.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace selvedge::graph {

EmbeddingVersion* Embeddings::make(std::uint32_t key, std::span<const std::byte> floats) {
  const auto purpose = floats.empty() ? Arena::For::deletes : Arena::For::anything;
  void* memory = arena_.allocate(sizeof(EmbeddingVersion) + floats.size(), purpose);
  if (memory == nullptr) {
    return nullptr;
  }
  auto* version = new (memory) EmbeddingVersion;
  version->key = key;
  version->count = static_cast<std::uint32_t>(floats.size() / sizeof(float));
  if (!floats.empty()) {
    std::memcpy(static_cast<std::byte*>(memory) + sizeof(EmbeddingVersion), floats.data(),
                floats.size());
  }
  return version;
}

const EmbeddingVersion* Embeddings::newest(const EmbeddingVersion* chain, std::uint32_t key,
                                           std::uint64_t view) {
  const EmbeddingVersion* best = nullptr;
  std::uint64_t best_sequence = 0;
  for (; chain != nullptr; chain = chain->next) {
    const std::uint64_t sequence = chain->sequence.load(std::memory_order_acquire);
    if (chain->key == key && sequence <= view && sequence > best_sequence) {
      best = chain;
      best_sequence = sequence;
    }
  }
  return best;
}

/// Without what is older than the newest value that every view at or after `horizon` sees.
EmbeddingVersion* Embeddings::prune(EmbeddingVersion* chain, std::uint32_t key,
                                    std::uint64_t horizon) {
  const EmbeddingVersion* const kept = newest(chain, key, horizon);
  if (kept == nullptr) {
    return chain;
  }
  const std::uint64_t floor = kept->sequence.load(std::memory_order_relaxed);
  EmbeddingVersion** link = &chain;
  while (EmbeddingVersion* const version = *link) {
    const std::uint64_t sequence = version->sequence.load(std::memory_order_acquire);
    if (version->key == key && sequence != 0 && sequence < floor) {
      *link = version->next;
      free(version);
    } else {
      link = &version->next;
    }
  }
  return chain;
}

EmbeddingVersion* Embeddings::prepare(std::uint64_t node, std::uint32_t key,
                                      std::span<const std::byte> floats, std::uint64_t horizon) {
  EmbeddingVersion* const version = make(key, floats);
  if (version == nullptr) {
    return nullptr;
  }
  Shard& home = shard(node);
  const MutexLock lock(home.mutex);
  const auto [place, fresh] = home.chains.try_emplace(node, nullptr);
  version->next = prune(place.value(), key, horizon);
  place.value() = version;
  nodes_.fetch_add(fresh ? 1 : 0, std::memory_order_relaxed);
  return version;
}

void Embeddings::drop(std::uint64_t node, EmbeddingVersion* version) {
  Shard& home = shard(node);
  const MutexLock lock(home.mutex);
  const auto place = home.chains.find(node);
  if (place == home.chains.end()) {
    return;
  }
  for (EmbeddingVersion** link = &place.value(); *link != nullptr; link = &(*link)->next) {
    if (*link == version) {
      *link = version->next;
      free(version);
      break;
    }
  }
  if (place.value() == nullptr) {
    home.chains.erase(place);
    nodes_.fetch_sub(1, std::memory_order_relaxed);
  }
}

bool Embeddings::read(std::uint64_t node, std::uint32_t key, std::uint64_t view,
                      std::vector<float>& out) const {
  const Shard& home = shard(node);
  const MutexLock lock(home.mutex);
  const auto place = home.chains.find(node);
  const EmbeddingVersion* const version =
      place == home.chains.end() ? nullptr : newest(place.value(), key, view);
  if (version == nullptr || version->count == 0) {
    return false;
  }
  out.resize(version->count);
  std::memcpy(out.data(), version->bytes().data(), version->bytes().size());
  return true;
}

bool Embeddings::each(std::uint64_t view, const std::function<bool(const Seen&)>& use) const {
  for (const Shard& home : shards_) {
    std::vector<std::uint64_t> nodes;
    {
      const MutexLock lock(home.mutex);
      for (const auto& [node, chain] : home.chains) {
        nodes.push_back(node);
      }
    }
    for (const std::uint64_t node : nodes) {
      std::vector<Seen> values;
      {
        const MutexLock lock(home.mutex);
        const auto place = home.chains.find(node);
        const EmbeddingVersion* const chain = place == home.chains.end() ? nullptr : place.value();
        for (const EmbeddingVersion* each = chain; each != nullptr; each = each->next) {
          if (each->count != 0 && newest(chain, each->key, view) == each) {
            values.push_back({node,
                              each->sequence.load(std::memory_order_relaxed),
                              each->key,
                              {each->bytes().begin(), each->bytes().end()}});
          }
        }
      }
      for (const Seen& value : values) {
        if (!use(value)) {
          return false;
        }
      }
    }
  }
  return true;
}

bool Embeddings::restore(std::uint64_t node, std::uint32_t key, std::uint64_t sequence,
                         std::span<const std::byte> floats) {
  EmbeddingVersion* const version = prepare(node, key, floats, sequence);
  if (version == nullptr) {
    return false;
  }
  version->sequence.store(sequence, std::memory_order_release);
  return true;
}

void Embeddings::retain(const std::function<bool(std::uint64_t)>& keep) {
  for (Shard& home : shards_) {
    const MutexLock lock(home.mutex);
    for (auto place = home.chains.begin(); place != home.chains.end();) {
      std::vector<const EmbeddingVersion*> kept;
      for (const EmbeddingVersion* each = place.value(); each != nullptr; each = each->next) {
        if (each->count != 0 && keep(place.key()) &&
            newest(place.value(), each->key, ~std::uint64_t{0}) == each) {
          kept.push_back(each);
        }
      }
      EmbeddingVersion** link = &place.value();
      while (EmbeddingVersion* const version = *link) {
        if (std::find(kept.begin(), kept.end(), version) != kept.end()) {
          link = &version->next;
        } else {
          *link = version->next;
          free(version);
        }
      }
      if (place.value() == nullptr) {
        place = home.chains.erase(place);
        nodes_.fetch_sub(1, std::memory_order_relaxed);
      } else {
        ++place;
      }
    }
  }
}

void Embeddings::erase(std::uint64_t node) {
  Shard& home = shard(node);
  const MutexLock lock(home.mutex);
  const auto place = home.chains.find(node);
  if (place == home.chains.end()) {
    return;
  }
  for (EmbeddingVersion* version = place.value(); version != nullptr;) {
    EmbeddingVersion* const next = version->next;
    free(version);
    version = next;
  }
  home.chains.erase(place);
  nodes_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace selvedge::graph
