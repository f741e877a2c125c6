// Changes: what an operations frame of the log holds. One codec for the writer and the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/types.h>

#include "base/bytes.h"
#include "graph/names.h"

namespace selvedge::graph {

// Payload of an operations frame; its flags, transaction and wall clock are in wal/frame.h:
//
//   begin:  varint pairs, then pairs of texts (metadata)
//   changes, one per sequence from the frame's first (after begin's own) on:
//     u8 kind | u8 flags | body bytes: u8 below 128, else 0x80 | 7 low bits and u24 above | body
//   commit: varint operation count
//   abort:  text reason
//
// Bodies:
//   create_node   u64 id | varint prev (flag restored) | image
//   update_node   u64 id | varint prev | varint after bytes | after | before
//   delete_node   u64 id | varint prev | before
//   create_edge   u64 id | u64 source | u64 target | u24 type | varint prev (flag restored) | image
//   update_edge   as create_edge's identity | varint prev | varint after bytes | after | before
//   delete_edge   as create_edge's identity | varint prev | before
//   group         u8 group kind | varint members | changes of nodes and edges (in the same form)
//   define_name   u8 name kind | u24 id | text to the end
//   update_embedding  u64 node id | u24 key | floats to the end
//
// `prev` names the sequence that the before-image had (rule 37): C << 1 for a committed version or
// an own one that has its sequence; distance << 1 | 1 for an own version that many entries earlier
// in the same frame. The before-image with flag `difference` is relative to the after-image:
// varint common prefix | varint common suffix | the bytes between.

/// Kinds of log entries, as `txlog` shows them. A group's members share one sequence.
enum class ChangeKind : std::uint8_t {
  create_node = 1,
  update_node = 2,
  delete_node = 3,
  create_edge = 4,
  update_edge = 5,
  delete_edge = 6,
  group = 7,
  define_name = 8,
  update_embedding = 9,
};

/// What a group is to people.
enum class GroupKind : std::uint8_t {
  bulk_create_nodes = 1,
  bulk_create_edges = 2,
  bulk_delete_nodes = 3,
  bulk_delete_edges = 4,
  detach_delete_node = 5,
};

namespace change_flags {
inline constexpr std::uint8_t difference = 1;  ///< of an update: before is a difference
inline constexpr std::uint8_t restored = 2;    ///< of a create: brings back what was deleted
}  // namespace change_flags

/// `prev` as it stands in the log.
struct PrevSequence {
  std::uint64_t word = 0;
  static PrevSequence absolute(std::uint64_t sequence) { return {sequence << 1}; }
  static PrevSequence own(std::uint64_t entries_back) { return {entries_back << 1 | 1}; }
  /// The sequence meant, in an entry with sequence `entry`.
  [[nodiscard]] std::uint64_t resolve(std::uint64_t entry) const {
    return (word & 1) != 0 ? entry - (word >> 1) : word >> 1;
  }
};

/// One decoded change of one entity. Spans point into the frame.
struct Change {
  ChangeKind kind{};
  std::uint8_t flags = 0;
  std::uint64_t id = 0;
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::uint32_t type = 0;  ///< edge type, name id or embedding key
  NameKind name_kind{};
  PrevSequence prev;
  std::span<const std::byte> after;       ///< image; name text; floats
  std::span<const std::byte> before_raw;  ///< image or difference

  [[nodiscard]] bool restored() const { return (flags & change_flags::restored) != 0; }
  [[nodiscard]] bool is_create() const {
    return kind == ChangeKind::create_node || kind == ChangeKind::create_edge;
  }
  [[nodiscard]] bool is_delete() const {
    return kind == ChangeKind::delete_node || kind == ChangeKind::delete_edge;
  }
  [[nodiscard]] bool is_node() const {
    return kind == ChangeKind::create_node || kind == ChangeKind::update_node ||
           kind == ChangeKind::delete_node;
  }
  [[nodiscard]] bool is_edge() const {
    return kind == ChangeKind::create_edge || kind == ChangeKind::update_edge ||
           kind == ChangeKind::delete_edge;
  }
  /// The before-image; `scratch` holds it when it was a difference. False for a bad difference.
  bool before(std::vector<std::byte>& scratch, std::span<const std::byte>& image) const;
};

/// Identity of an edge as the log repeats it.
struct EdgeIdentity {
  std::uint64_t id = 0;
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::uint32_t type = 0;
};

/// Role: appends encoded changes to a buffer.
/// Invariants: one call, one change; a group's members are written between `open_group` and
///   `close_group`, which fixes its size.
class ChangeWriter {
 public:
  explicit ChangeWriter(ByteWriter& to) : to_(to) {}

  void create_node(std::uint64_t id, std::span<const std::byte> image);
  void restore_node(std::uint64_t id, PrevSequence prev, std::span<const std::byte> image);
  void update_node(std::uint64_t id, PrevSequence prev, std::span<const std::byte> after,
                   std::span<const std::byte> before);
  void delete_node(std::uint64_t id, PrevSequence prev, std::span<const std::byte> before);
  void create_edge(const EdgeIdentity& edge, std::span<const std::byte> image);
  void restore_edge(const EdgeIdentity& edge, PrevSequence prev, std::span<const std::byte> image);
  void update_edge(const EdgeIdentity& edge, PrevSequence prev, std::span<const std::byte> after,
                   std::span<const std::byte> before);
  void delete_edge(const EdgeIdentity& edge, PrevSequence prev, std::span<const std::byte> before);
  void define_name(NameKind kind, std::uint32_t id, std::string_view text);
  void update_embedding(std::uint64_t node, std::uint32_t key, std::span<const std::byte> floats);

  /// Starts a group; `close_group` with the returned position ends it.
  std::size_t open_group(GroupKind kind, std::uint64_t members);
  void close_group(std::size_t opened);

 private:
  std::size_t open(ChangeKind kind, std::uint8_t flags, std::size_t body_bytes_max);
  void close(std::size_t opened);
  void put_identity(const EdgeIdentity& edge);
  void put_update(ChangeKind kind, const EdgeIdentity& edge, PrevSequence prev,
                  std::span<const std::byte> after, std::span<const std::byte> before);
  ByteWriter& to_;
};

/// Metadata of a transaction, in the order given.
using Metadata = std::vector<std::pair<std::string, std::string>>;

void put_begin(ByteWriter& to, const Metadata& metadata);
void put_commit(ByteWriter& to, std::uint64_t operations);
void put_abort(ByteWriter& to, std::string_view reason);

/// Which parts a frame's payload has: from its header's flags and transaction.
struct FrameShape {
  bool begin = false;
  bool commit = false;
  bool abort = false;
  std::uint64_t first_sequence = 0;
  std::uint32_t count = 0;
};

/// What a frame says beside its changes.
struct FrameNotes {
  Metadata metadata;
  std::uint64_t operations = 0;
  std::string_view reason;
};

/// A whole entry as it is in the frame, before its members are looked at.
struct EntryView {
  ChangeKind kind{};
  GroupKind group{};
  std::uint32_t members = 1;
  std::uint64_t sequence = 0;
  std::span<const std::byte> body;  ///< of a group: the member changes
  std::size_t position = 0;         ///< of `body` in the payload, for errors
  std::uint8_t flags = 0;
};

/// Role: a frame's entries one after another, for readers that stop in between.
/// Invariants: `notes` has the metadata from the first `next` on, the rest when it returned false.
/// After failure: `corruption`; no further calls.
class EntryReader {
 public:
  EntryReader(const FrameShape& shape, std::span<const std::byte> payload)
      : shape_(shape), reader_(payload) {}
  /// False behind the last change, once the frame's end has been checked.
  Result<bool> next(EntryView& entry);
  [[nodiscard]] FrameNotes& notes() { return notes_; }

 private:
  Status start();
  Status finish();
  FrameShape shape_;
  ByteReader reader_;
  FrameNotes notes_;
  bool started_ = false;
  std::uint32_t left_ = 0;
  std::uint64_t sequence_ = 0;
};

/// Called with each change and the sequence of its entry; group members one by one.
using ChangeSink = std::function<Status(const Change&, std::uint64_t sequence)>;

/// Decodes a frame: calls `sink` for each change in order. Errors are `corruption` with the
/// offset inside the payload; nothing is allocated beyond the metadata.
Result<FrameNotes> decode_frame(const FrameShape& shape, std::span<const std::byte> payload,
                                const ChangeSink& sink);
/// The same, entry by entry, without looking into groups.
Result<FrameNotes> decode_entries(const FrameShape& shape, std::span<const std::byte> payload,
                                  const std::function<Status(const EntryView&)>& sink);
/// The changes of an entry.
Status decode_entry(const EntryView& entry, const ChangeSink& sink);

}  // namespace selvedge::graph
