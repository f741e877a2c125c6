#include "history/net_changes.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace selvedge::history {

namespace {

/// Nodes and edges have ids of their own; the low bits of an id are free.
std::uint64_t key_of(const graph::Change& change) { return change.id | (change.is_edge() ? 1 : 0); }

std::uint64_t hash_of(std::uint64_t key) {
  const std::uint64_t mixed = (key ^ key >> 29) * 0x9e3779b97f4a7c15U;
  return (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93U;
}

bool same(const LoggedImage& a, const LoggedImage& b) {
  return std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end());
}

}  // namespace

void settle_kind(LoggedChange& change) {
  if (!change.is_node() && !change.is_edge()) {
    return;
  }
  const bool edge = change.is_edge();
  if (!change.before) {
    change.kind = edge ? EntryKind::create_edge : EntryKind::create_node;
  } else if (!change.after) {
    change.kind = edge ? EntryKind::delete_edge : EntryKind::delete_node;
  } else {
    change.kind = edge ? EntryKind::update_edge : EntryKind::update_node;
  }
}

ChangeClass class_of(const LoggedChange& change) {
  if (!change.is_node() && !change.is_edge()) {
    return ChangeClass::others;
  }
  if ((!change.before && !change.after) ||
      (change.before && change.after && same(change.before, change.after))) {
    return ChangeClass::none;
  }
  if (change.is_edge()) {
    return change.after ? ChangeClass::edges_written : ChangeClass::edges_deleted;
  }
  return change.after ? ChangeClass::nodes_written : ChangeClass::nodes_deleted;
}

// --- in memory ---------------------------------------------------------------------------------

void NetChanges::clear() {
  reader_.clear();
  items_.clear();
  places_.clear();
  copied_.clear();
  specs_.clear();
  order_.clear();
  at_ = 0;
  held_bytes_ = 0;
}

std::uint64_t NetChanges::cost(const graph::Change& change) {
  // The before-image of a difference is at most as long as both together.
  constexpr std::uint64_t place_bytes = 64;
  return sizeof(LoggedChange) + place_bytes + 2 * change.after.size() + change.before_raw.size();
}

LoggedImage NetChanges::own(const LoggedImage& image) {
  if (!image || !copies_) {
    return image;
  }
  copied_.emplace_back(image.bytes().begin(), image.bytes().end());
  held_bytes_ += copied_.back().size();
  return image.with(copied_.back());
}

Status NetChanges::add(const graph::Change& change, std::uint64_t sequence) {
  SELVEDGE_TRY(reader_.add(change, sequence));
  const LoggedChange read = reader_.changes().back();
  const auto [place, fresh] = places_.try_emplace(key_of(change), items_.size());
  if (fresh || !(read.is_node() || read.is_edge())) {
    items_.push_back(read);
    items_.back().before = own(read.before);
    items_.back().after = own(read.after);
    if (read.schema != nullptr && copies_) {
      items_.back().schema = &specs_.emplace_back(*read.schema);
    }
    held_bytes_ += sizeof(LoggedChange) + 64;
  } else {
    items_[place->second].after = own(read.after);
  }
  if (copies_) {
    reader_.clear();
  }
  return {};
}

void NetChanges::add_other(std::uint8_t code) {
  LoggedChange other;
  other.code = code;
  items_.push_back(other);
}

void NetChanges::finish(std::optional<ChangeClass> only) {
  order_.clear();
  at_ = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    settle_kind(items_[i]);
    const ChangeClass found = class_of(items_[i]);
    if (found != ChangeClass::none && (!only || found == *only)) {
      order_.push_back(i);
    }
  }
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    return class_of(items_[a]) < class_of(items_[b]);
  });
}

const LoggedChange* NetChanges::next() {
  return at_ == order_.size() ? nullptr : &items_[order_[at_++]];
}

// --- larger than memory ------------------------------------------------------------------------

LargeCommit::LargeCommit(const graph::Names& names, Source source, std::uint64_t memory_bytes)
    : source_(std::move(source)),
      memory_bytes_(std::max<std::uint64_t>(memory_bytes, 64U << 10)),
      singles_(names),
      repeated_(names, true) {
  const std::uint64_t words = std::bit_floor(memory_bytes_ / 2 / sizeof(std::uint64_t));
  table_.resize(static_cast<std::size_t>(words));
  table_shift_ = 64 - static_cast<unsigned>(std::bit_width(words * 32) - 1);
}

void LargeCommit::note(std::uint64_t key) {
  const std::uint64_t place = hash_of(key) >> table_shift_;
  std::uint64_t& word = table_[static_cast<std::size_t>(place / 32)];
  const unsigned shift = static_cast<unsigned>(place % 32) * 2;
  const std::uint64_t seen = word >> shift & 3;
  word = (word & ~(std::uint64_t{3} << shift)) | std::min<std::uint64_t>(seen + 1, 2) << shift;
}

bool LargeCommit::once(std::uint64_t key) const {
  const std::uint64_t place = hash_of(key) >> table_shift_;
  return (table_[static_cast<std::size_t>(place / 32)] >> (place % 32 * 2) & 3) == 1;
}

Status LargeCommit::each_change(const Use& use) {
  const std::unique_ptr<Frames> frames = source_();
  for (;;) {
    SELVEDGE_TRY(const bool more, frames->next());
    if (!more) {
      return {};
    }
    SELVEDGE_TRY(
        graph::decode_frame(shape_of(frames->frame().header), frames->frame().payload, use));
  }
}

Status LargeCommit::prepare() {
  SELVEDGE_TRY(each_change([&](const graph::Change& change, std::uint64_t) -> Status {
    note(key_of(change));
    return {};
  }));
  std::uint64_t cost = 0;
  SELVEDGE_TRY(each_change([&](const graph::Change& change, std::uint64_t) -> Status {
    cost += once(key_of(change)) ? 0 : NetChanges::cost(change);
    return {};
  }));
  parts_ = cost / (memory_bytes_ / 2) + 1;
  restart();
  return {};
}

void LargeCommit::restart() {
  frames_ = source_();
  reader_.reset();
  repeated_.clear();
  singles_.clear();
  next_single_ = 0;
  draining_ = false;
}

Status LargeCommit::take(const graph::Change& change, std::uint64_t sequence) {
  const bool wanted_edge = class_ == static_cast<std::uint8_t>(ChangeClass::edges_written) ||
                           class_ == static_cast<std::uint8_t>(ChangeClass::edges_deleted);
  if (change.is_edge() != wanted_edge || !(change.is_node() || change.is_edge())) {
    return {};
  }
  const std::uint64_t key = key_of(change);
  if (once(key)) {
    // The class of one that occurs once is plain.
    const bool deleted = class_ >= static_cast<std::uint8_t>(ChangeClass::edges_deleted);
    return part_ == 0 && change.is_delete() == deleted ? singles_.add(change, sequence) : Status{};
  }
  return hash_of(key) % parts_ == part_ ? repeated_.add(change, sequence) : Status{};
}

/// Takes the next entry; false when the transaction is read through.
Result<bool> LargeCommit::read_entry() {
  singles_.clear();
  next_single_ = 0;
  graph::EntryView entry;
  for (;;) {
    if (!reader_) {
      SELVEDGE_TRY(const bool more, frames_->next());
      if (!more) {
        return false;
      }
      reader_.emplace(shape_of(frames_->frame().header), frames_->frame().payload);
    }
    SELVEDGE_TRY(const bool got, reader_->next(entry));
    if (got) {
      SELVEDGE_TRY(
          graph::decode_entry(entry, [&](const graph::Change& change, std::uint64_t sequence) {
            return take(change, sequence);
          }));
      return true;
    }
    reader_.reset();
  }
}

Result<const LoggedChange*> LargeCommit::next() {
  for (;;) {
    if (draining_) {
      if (const LoggedChange* change = repeated_.next()) {
        return change;
      }
      part_ = (part_ + 1) % parts_;
      class_ = static_cast<std::uint8_t>(class_ + (part_ == 0 ? 1 : 0));
      restart();
    }
    if (class_ >= static_cast<std::uint8_t>(ChangeClass::others)) {
      return nullptr;
    }
    while (next_single_ < singles_.changes().size()) {
      const LoggedChange& change = singles_.changes()[next_single_++];
      if (class_of(change) != ChangeClass::none) {
        return &change;
      }
    }
    SELVEDGE_TRY(const bool more, read_entry());
    if (!more) {
      repeated_.finish(static_cast<ChangeClass>(class_));
      draining_ = true;
    }
  }
}

}  // namespace selvedge::history
