// Bulk operations: one log entry per batch of bounded size.

#include <span>
#include <vector>

#include "txn/operations.h"

namespace selvedge::txn {

using graph::NodeRecord;

namespace {

/// How many of the items make the next batch: by count, and by the bytes that they log.
template <class Item, class Bytes>
std::size_t cut(std::span<const Item> items, Bytes bytes_of) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < items.size() && count < batch_members_max && bytes < batch_bytes_max) {
    bytes += bytes_of(items[count++]);
  }
  return count;
}

}  // namespace

/// Runs each batch of the items as one entry. Several batches of one operation outside a
/// transaction become a transaction: together or not at all, and of any size. After an error the
/// caller takes back what the earlier batches did.
template <class Item, class Bytes, class Run>
Status Operations::in_batches(std::span<const Item> items, Bytes bytes_of, Run run) {
  std::size_t count = cut(items, bytes_of);
  if (count < items.size()) {
    state_.transactional = true;
  }
  while (!items.empty()) {
    SELVEDGE_TRY(run(items.first(count)));
    items = items.subspan(count);
    count = cut(items, bytes_of);
  }
  return {};
}

/// What a delete logs: the image that it takes away. The caller need not be pinned.
std::size_t Operations::node_image_bytes(std::uint64_t id) const {
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  return graph_.see_node(NodeId{id}, state_.view).image().size() + 32;
}
std::size_t Operations::edge_image_bytes(std::uint64_t id) const {
  const graph::PinGuard pin(graph_.epochs, state_.slot);
  return graph_.see_edge(EdgeId{id}, state_.view).image().size() + 32;
}

Status Operations::create_nodes(std::span<const std::span<const std::byte>> images,
                                std::vector<std::uint64_t>& ids) {
  using Image = std::span<const std::byte>;
  return in_batches<Image>(
      images, [](const Image& image) { return image.size(); },
      [&](std::span<const Image> part) {
        return as_entry([&]() -> Status {
          const std::size_t group =
              log_.open_group(graph::GroupKind::bulk_create_nodes, part.size());
          for (const Image& image : part) {
            SELVEDGE_TRY(put_node(image, ids.emplace_back()));
          }
          log_.close_group(group);
          return {};
        });
      });
}

/// Asks for the records and lists of edges to come: in a large graph each is a cache miss. Hints
/// only; the ids may be wrong.
void Operations::prefetch_ends(std::span<const EdgeSpec> edges, std::size_t next) const {
  constexpr std::size_t records_ahead = 16;
  constexpr std::size_t lists_ahead = 8;
  if (next + records_ahead < edges.size()) {
    const EdgeSpec& later = edges[next + records_ahead];
    for (const std::uint64_t id : {later.source, later.target}) {
      if (graph_.nodes.covers(id_bits::slot(id))) {
        __builtin_prefetch(&graph_.nodes.at(id_bits::slot(id)), 1);
      }
    }
  }
  if (next + lists_ahead < edges.size()) {
    const EdgeSpec& soon = edges[next + lists_ahead];
    if (const NodeRecord* source = graph_.find(NodeId{soon.source})) {
      graph::EntryList::prefetch(source->out.load(std::memory_order_relaxed));
      __builtin_prefetch(
          reinterpret_cast<const void*>(source->head.load(std::memory_order_relaxed)));
    }
    if (const NodeRecord* target = graph_.find(NodeId{soon.target})) {
      graph::EntryList::prefetch(target->in.load(std::memory_order_relaxed));
      __builtin_prefetch(
          reinterpret_cast<const void*>(target->head.load(std::memory_order_relaxed)));
    }
  }
}

Status Operations::create_edges(std::span<const EdgeSpec> edges, std::vector<std::uint64_t>& ids) {
  return in_batches<EdgeSpec>(
      edges, [](const EdgeSpec& edge) { return edge.image.size(); },
      [&](std::span<const EdgeSpec> part) {
        return as_entry([&]() -> Status {
          const std::size_t group =
              log_.open_group(graph::GroupKind::bulk_create_edges, part.size());
          for (std::size_t i = 0; i < part.size(); ++i) {
            prefetch_ends(part, i);
            SELVEDGE_TRY(put_edge(part[i], ids.emplace_back()));
          }
          log_.close_group(group);
          return {};
        });
      });
}

Status Operations::delete_nodes(std::span<const std::uint64_t> ids) {
  return in_batches<std::uint64_t>(
      ids, [&](std::uint64_t id) { return node_image_bytes(id); },
      [&](std::span<const std::uint64_t> part) {
        return as_entry([&]() -> Status {
          const std::size_t group =
              log_.open_group(graph::GroupKind::bulk_delete_nodes, part.size());
          for (const std::uint64_t id : part) {
            SELVEDGE_TRY(put_delete_node(id));  // a node named twice is `not_found` (rule 14)
          }
          log_.close_group(group);
          return {};
        });
      });
}

Status Operations::delete_edges(std::span<const std::uint64_t> ids) {
  return in_batches<std::uint64_t>(
      ids, [&](std::uint64_t id) { return edge_image_bytes(id); },
      [&](std::span<const std::uint64_t> part) {
        return as_entry([&]() -> Status {
          const std::size_t group =
              log_.open_group(graph::GroupKind::bulk_delete_edges, part.size());
          for (const std::uint64_t id : part) {
            SELVEDGE_TRY(put_delete_edge(id));
          }
          log_.close_group(group);
          return {};
        });
      });
}

/// With all its edges as one entry; a hub's many edges take several.
Status Operations::delete_node(std::uint64_t id, bool detach) {
  std::vector<std::uint64_t> edges;
  if (detach) {
    SELVEDGE_TRY(edges, edges_of(id));
  }
  if (edges.empty()) {
    return as_entry([&] { return put_delete_node(id); });
  }
  const std::uint64_t last = edges.back();
  return in_batches<std::uint64_t>(
      edges,
      [&](std::uint64_t edge) {
        return edge_image_bytes(edge) + (edge == last ? node_image_bytes(id) : 0);
      },
      [&](std::span<const std::uint64_t> part) {
        return as_entry([&]() -> Status {
          const bool all = part.back() == last;
          const std::size_t group =
              log_.open_group(graph::GroupKind::detach_delete_node, part.size() + (all ? 1 : 0));
          for (const std::uint64_t edge : part) {
            SELVEDGE_TRY(put_delete_edge(edge));
          }
          if (all) {
            SELVEDGE_TRY(put_delete_node(id));
          }
          log_.close_group(group);
          return {};
        });
      });
}

}  // namespace selvedge::txn
