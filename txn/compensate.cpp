// Rolling back to a savepoint what is in the log already: versions on top, with entries of their
// own. A compensating version is an own version like any other, so a later rollback to an earlier
// savepoint counts it among those to go beneath; nothing is ever compensated twice (rule 19).

#include <algorithm>
#include <utility>

#include <tsl/robin_map.h>

#include "base/assert.h"
#include "graph/image.h"
#include "txn/operations.h"

namespace selvedge::txn {

using graph::Head;
using graph::Seen;
using graph::Version;

namespace {

bool is_live(Head head) {
  return !head.empty() && (head.is_inline() || !head.version()->has(Version::tombstone));
}

std::span<const std::byte> image_of(Head head) {
  return head.empty() || head.is_inline() ? std::span<const std::byte>{} : head.version()->image();
}

}  // namespace

Status Manager::compensate(State& state, std::size_t from, std::size_t to) {
  return Operations(*this, state).compensate(from, to);
}

Status Operations::compensate(std::size_t from, std::size_t to) {
  struct Record {
    std::uint64_t id;
    bool node;
    std::size_t versions;
  };
  std::vector<Record> records;  // newest first: edges before the nodes that they hang on
  tsl::robin_map<std::uint64_t, std::size_t, selvedge::detail::IdHash> place[2];
  for (std::size_t i = to; i-- > from;) {
    const WriteItem item = state_.writes[i];
    if (!item.has_version()) {
      continue;
    }
    const auto [found, fresh] =
        place[item.is_node() ? 1 : 0].try_emplace(item.id(), records.size());
    if (fresh) {
      records.push_back({item.id(), item.is_node(), 0});
    }
    ++records[found->second].versions;
  }
  for (const Record& record : records) {
    SELVEDGE_TRY(put_back(record.id, record.node, record.versions));
  }
  return {};
}

Status Operations::put_back(std::uint64_t id, bool node, std::size_t versions) {
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  const std::uint64_t slot = id_bits::slot(id);
  const std::uint64_t word = (node ? graph_.nodes.at(slot).head : graph_.edges.at(slot).head)
                                 .load(std::memory_order_relaxed);
  Head then{word};
  for (std::size_t i = 0; i < versions; ++i) {
    then.word = then.version()->prev();
  }
  Writable now{word, see({word}, state_.view)};
  now.seen.version = Head{word}.version();
  if (!now.seen.live && !is_live(then)) {
    return {};
  }
  return as_entry(
      [&] { return node ? put_back_node(id, now, then) : put_back_edge(id, now, then); });
}

Status Operations::put_back_edge(std::uint64_t id, const Writable& now, Head then) {
  graph::EdgeRecord& record = graph_.edges.at(id_bits::slot(id));
  const graph::EdgeIdentity edge{id, record.source.load(std::memory_order_relaxed),
                                 record.target.load(std::memory_order_relaxed), record.type()};
  const bool live = is_live(then);
  const auto image = live ? image_of(then) : std::span<const std::byte>{};
  SELVEDGE_TRY(Version* const version,
               new_version(live ? 0u : std::uint32_t{Version::tombstone}, now.head_word, image));
  SELVEDGE_TRY(claim(record.head, now, version, id));
  if (!live) {
    written(version, unsettle_edge(id, WriteKind::delete_edge));
    log_.delete_edge(edge, prev_of(now), now.seen.image());
  } else if (now.seen.live) {
    written(version, WriteItem::make(WriteKind::update_edge, id));
    log_.update_edge(edge, prev_of(now), image, now.seen.image());
  } else {
    written(version, WriteItem::make(WriteKind::restore_edge, id));
    log_.restore_edge(edge, prev_of(now), image);
  }
  const auto before = now.seen.image();
  return enter_schema({EntityKind::edge, id, edge.type, now.seen.live ? &before : nullptr,
                       live ? &image : nullptr, false});
}

Status Operations::put_back_node(std::uint64_t id, const Writable& now, Head then) {
  graph::NodeRecord& record = graph_.nodes.at(id_bits::slot(id));
  const bool live = is_live(then);
  const auto image = live ? image_of(then) : std::span<const std::byte>{};
  SELVEDGE_TRY(Version* const version,
               new_version(live ? 0u : std::uint32_t{Version::tombstone}, now.head_word, image));
  SELVEDGE_TRY(claim(record.head, now, version, id));
  if (!live) {
    written(version, WriteItem::make(WriteKind::delete_node, id));
    log_.delete_node(id, prev_of(now), now.seen.image());
  } else if (now.seen.live) {
    written(version, WriteItem::make(WriteKind::update_node, id));
    log_.update_node(id, prev_of(now), image, now.seen.image());
  } else {
    written(version, WriteItem::make(WriteKind::restore_node, id));
    log_.restore_node(id, prev_of(now), image);
  }
  const auto before = now.seen.image();
  SELVEDGE_TRY(change_labels(id, before, image));
  return enter_schema(
      {EntityKind::node, id, 0, now.seen.live ? &before : nullptr, live ? &image : nullptr, false});
}

}  // namespace selvedge::txn
