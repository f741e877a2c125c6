// Payloads of operations frames.
//
// Input: u8 flags of the frame | u16 count | payload.

#include <array>

#include "base/bytes.h"
#include "base/limits.h"
#include "fuzz/golden.h"
#include "graph/change.h"

namespace selvedge::fuzz {

namespace {

using graph::Change;
using graph::ChangeKind;

constexpr std::size_t fixed_bytes = 3;
constexpr std::uint64_t first_sequence = 1000;

/// A change with its own memory, and the before-image that its difference stands for.
struct Owned {
  Change change;
  std::uint64_t sequence = 0;
  Buffer after;
  Buffer before;

  [[nodiscard]] auto identity() const {
    return std::tie(change.kind, change.id, change.source, change.target, change.type,
                    change.name_kind, change.prev.word, sequence, after, before);
  }
  [[nodiscard]] bool operator==(const Owned& other) const {
    return identity() == other.identity() && change.restored() == other.change.restored();
  }
};

struct OwnedEntry {
  ChangeKind kind{};
  graph::GroupKind group{};
  std::vector<Owned> changes;
  bool operator==(const OwnedEntry&) const = default;
};

struct Frame {
  graph::Metadata metadata;
  std::uint64_t operations = 0;
  std::string reason;
  std::vector<OwnedEntry> entries;
  bool differences_fit = true;
};

Result<Frame> decode(const graph::FrameShape& shape, Input payload) {
  Frame frame;
  SELVEDGE_TRY(
      const graph::FrameNotes notes,
      graph::decode_entries(shape, payload, [&](const graph::EntryView& entry) -> Status {
        frame.entries.push_back({entry.kind, entry.group, {}});
        return graph::decode_entry(entry, [&](const Change& change, std::uint64_t sequence) {
          Owned owned{change, sequence, {change.after.begin(), change.after.end()}, {}};
          std::span<const std::byte> before;
          std::vector<std::byte> scratch;
          if (change.before(scratch, before)) {
            require(before.size() <= payload.size() + limits::image_bytes_max,
                    "a before-image keeps to the limit");
            owned.before.assign(before.begin(), before.end());
          } else {
            frame.differences_fit = false;
          }
          frame.entries.back().changes.push_back(std::move(owned));
          return Status{};
        });
      }));
  frame.metadata = notes.metadata;
  frame.operations = notes.operations;
  frame.reason = std::string(notes.reason);
  return frame;
}

void encode_change(graph::ChangeWriter& to, const Owned& owned) {
  const Change& change = owned.change;
  const graph::EdgeIdentity edge{change.id, change.source, change.target, change.type};
  switch (change.kind) {
    case ChangeKind::create_node:
      change.restored() ? to.restore_node(change.id, change.prev, owned.after)
                        : to.create_node(change.id, owned.after);
      break;
    case ChangeKind::update_node:
      to.update_node(change.id, change.prev, owned.after, owned.before);
      break;
    case ChangeKind::delete_node: to.delete_node(change.id, change.prev, owned.before); break;
    case ChangeKind::create_edge:
      change.restored() ? to.restore_edge(edge, change.prev, owned.after)
                        : to.create_edge(edge, owned.after);
      break;
    case ChangeKind::update_edge:
      to.update_edge(edge, change.prev, owned.after, owned.before);
      break;
    case ChangeKind::delete_edge: to.delete_edge(edge, change.prev, owned.before); break;
    case ChangeKind::define_name:
      to.define_name(change.name_kind, change.type, as_text(owned.after));
      break;
    case ChangeKind::update_embedding:
      to.update_embedding(change.id, change.type, owned.after);
      break;
    case ChangeKind::define_schema: to.define_schema(change.type, owned.after); break;
    case ChangeKind::drop_schema: to.drop_schema(change.type); break;
    case ChangeKind::group: throw Violation("a group has no group in it");
  }
}

ByteWriter encode(const graph::FrameShape& shape, const Frame& frame) {
  ByteWriter bytes;
  if (shape.begin) {
    graph::put_begin(bytes, frame.metadata);
  }
  graph::ChangeWriter to(bytes);
  for (const OwnedEntry& entry : frame.entries) {
    const bool group = entry.kind == ChangeKind::group;
    const std::size_t opened = group ? to.open_group(entry.group, entry.changes.size()) : 0;
    for (const Owned& change : entry.changes) {
      encode_change(to, change);
    }
    if (group) {
      to.close_group(opened);
    }
  }
  if (shape.commit) {
    graph::put_commit(bytes, frame.operations);
  } else if (shape.abort) {
    graph::put_abort(bytes, frame.reason);
  }
  return bytes;
}

void run(Input input) {
  if (input.size() < fixed_bytes) {
    return;
  }
  const auto flags = std::to_integer<unsigned>(input[0]);
  const graph::FrameShape shape{.begin = (flags & 1) != 0,
                                .commit = (flags & 2) != 0,
                                .abort = (flags & 2) == 0 && (flags & 4) != 0,
                                .first_sequence = first_sequence,
                                .count = load_le<std::uint16_t>(&input[1])};
  const auto payload = input.subspan(fixed_bytes);
  const auto frame = decode(shape, payload);
  if (!frame) {
    require_answer(frame.error(), {ErrorCode::corruption});
    return;
  }
  if (!frame->differences_fit) {
    return;  // recovery refuses it where it needs the image
  }
  const ByteWriter bytes = encode(shape, *frame);
  const Frame again = must(decode(shape, bytes.span()), "what was written can be read");
  require(again.entries == frame->entries, "changes are written as they were read");
  require(again.metadata == frame->metadata && again.operations == frame->operations &&
              again.reason == frame->reason,
          "a frame's notes are written as they were read");
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  for (const GoldenFrame& frame : golden_frames()) {
    if (frame.header.kind != wal::FrameKind::operations || frame.bytes.size() > 4096) {
      continue;
    }
    Buffer seed(fixed_bytes);
    seed[0] = std::byte{frame.header.flags};
    store_le(&seed[1], static_cast<std::uint16_t>(frame.header.count));
    seed.insert(seed.end(), frame.payload().begin(), frame.payload().end());
    result.push_back(std::move(seed));
  }
  ByteWriter bytes;
  graph::ChangeWriter to(bytes);
  const Buffer image = buffer_of("an image that stays nearly the same");
  const Buffer other = buffer_of("an image that stayed nearly the same");
  graph::put_begin(bytes, {{"who", "seed"}});
  to.restore_node(256, graph::PrevSequence::absolute(7), image);
  to.restore_edge({256, 512, 768, 5}, graph::PrevSequence::own(2), {});
  to.update_edge({256, 512, 768, 5}, graph::PrevSequence::absolute(7), image, other);
  to.delete_edge({256, 512, 768, 5}, graph::PrevSequence::own(1), image);
  graph::put_abort(bytes, "why not");
  Buffer seed = {std::byte{5}, std::byte{6}, std::byte{0}};
  seed.insert(seed.end(), bytes.span().begin(), bytes.span().end());
  result.push_back(std::move(seed));
  return result;
}

}  // namespace

// A change of three bytes is 120 bytes in memory, several times; a before-image of a few bytes may
// be as long as its after-image.
const Target change_target{"change", run, nullptr, seeds, std::size_t{1} << 20, 2048};

}  // namespace selvedge::fuzz
