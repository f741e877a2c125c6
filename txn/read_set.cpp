#include "txn/read_set.h"

#include <utility>

#include "graph/index_key.h"

namespace selvedge::txn {

namespace {

/// What covers an item. Who brings a name that was not there writes a node, or an edge.
ReadKind cover_of(ReadKind kind) {
  switch (kind) {
    case ReadKind::node:
    case ReadKind::label_members:
    case ReadKind::label_content:
    case ReadKind::all_nodes:
    case ReadKind::all_nodes_content:
    case ReadKind::unknown_label: return ReadKind::all_nodes_content;
    default: return ReadKind::all_edges_content;
  }
}

bool of_index(ReadKind kind) {
  return kind == ReadKind::index_key || kind == ReadKind::index_range;
}

}  // namespace

void ReadSet::add(const ReadItem& item) {
  if (items_.size() >= items_max) {
    escalated_ = true;
    for (const ReadItem& each : std::exchange(items_, {})) {
      keep(each);
    }
    texts_.clear();
  }
  keep(item);
}

void ReadSet::keep(const ReadItem& item) {
  ReadItem kept = item;
  if (escalated_ && of_index(item.kind)) {
    keep({ReadKind::all_nodes_content});  // whichever it is an index of
    keep({ReadKind::all_edges_content});
    return;
  }
  if (escalated_) {
    kept = {cover_of(item.kind)};
    bool& covered = kept.kind == ReadKind::all_nodes_content ? covers_nodes_ : covers_edges_;
    if (std::exchange(covered, true)) {
      return;
    }
  }
  items_.push_back(kept);
  bloom_.add(hash_of(kept));
}

void ReadSet::note_unknown(ReadKind kind, std::string_view text) {
  if (escalated_) {
    keep({kind});
    return;
  }
  for (const ReadItem& item : items_) {
    if (item.kind == kind && texts_[item.other] == text) {
      return;
    }
  }
  unknown_names_ = true;
  texts_.emplace_back(text);
  add({kind, ReadItem::any_type, 0, texts_.size() - 1});
}

namespace {

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void ReadSet::note_key(std::uint32_t object, std::span<const std::byte> key) {
  if (escalated_) {
    keep({ReadKind::index_key});
    return;
  }
  const std::uint64_t hash = graph::hash_key(key);
  const ReadItem last = items_.empty() ? ReadItem{} : items_.back();
  if (last.kind == ReadKind::index_key && last.type == object && last.id == hash &&
      texts_[last.other] == text_of(key)) {
    return;
  }
  texts_.push_back(text_of(key));
  add({ReadKind::index_key, object, hash, texts_.size() - 1});
}

void ReadSet::note_range(std::uint32_t object, std::span<const std::byte> low,
                         std::span<const std::byte> high) {
  if (escalated_) {
    keep({ReadKind::index_range});
    return;
  }
  texts_.push_back(text_of(low));
  texts_.push_back(text_of(high));
  add({ReadKind::index_range, object, 0, texts_.size() - 2});
}

void ReadSet::clear() {
  items_.clear();
  if (items_.capacity() > 4096) {
    items_ = {};
  }
  texts_.clear();
  recent_.fill({});
  bloom_.clear();
  unknown_names_ = escalated_ = covers_nodes_ = covers_edges_ = false;
}

}  // namespace selvedge::txn
