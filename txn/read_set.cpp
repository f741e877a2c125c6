#include "txn/read_set.h"

#include <utility>

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
  if (escalated_) {
    kept = {cover_of(item.kind)};
    bool& covered = kept.kind == ReadKind::all_nodes_content ? covers_nodes_ : covers_edges_;
    if (std::exchange(covered, true)) {
      return;
    }
  }
  items_.push_back(kept);
  bloom_.add(read_hash(kept.kind, kept.id, kept.other));
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
  texts_.emplace_back(text);
  add({kind, ReadItem::any_type, 0, texts_.size() - 1});
}

void ReadSet::clear() {
  items_.clear();
  if (items_.capacity() > 4096) {
    items_ = {};
  }
  texts_.clear();
  recent_.fill({});
  bloom_.clear();
  escalated_ = covers_nodes_ = covers_edges_ = false;
}

}  // namespace selvedge::txn
