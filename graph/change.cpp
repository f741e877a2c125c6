#include "graph/change.h"

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "base/limits.h"

namespace selvedge::graph {

namespace {

constexpr std::size_t length_bytes = 4;  // a body's length, as a varint padded to this size

tl::unexpected<Error> malformed(const char* what, std::size_t position) {
  return fail(
      Error(ErrorCode::corruption, std::string("malformed log entry: ") + what)
          .mismatch("a whole entry", "a fault at payload byte " + std::to_string(position)));
}

void put_u24(ByteWriter& to, std::uint32_t value) {
  std::byte* at = to.reserve(3);
  at[0] = static_cast<std::byte>(value);
  at[1] = static_cast<std::byte>(value >> 8);
  at[2] = static_cast<std::byte>(value >> 16);
  to.commit(3);
}

std::uint32_t take_u24(ByteReader& from) {
  const auto bytes = from.take_bytes(3);
  if (bytes.size() != 3) {
    return 0;
  }
  return std::to_integer<std::uint32_t>(bytes[0]) | std::to_integer<std::uint32_t>(bytes[1]) << 8 |
         std::to_integer<std::uint32_t>(bytes[2]) << 16;
}

struct Common {
  std::size_t prefix = 0;
  std::size_t suffix = 0;
};

Common common_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  Common common;
  const std::size_t shorter = std::min(a.size(), b.size());
  while (common.prefix < shorter && a[common.prefix] == b[common.prefix]) {
    ++common.prefix;
  }
  while (common.suffix < shorter - common.prefix &&
         a[a.size() - 1 - common.suffix] == b[b.size() - 1 - common.suffix]) {
    ++common.suffix;
  }
  return common;
}

}  // namespace

bool Change::before(std::vector<std::byte>& scratch, std::span<const std::byte>& image) const {
  if ((flags & change_flags::difference) == 0) {
    image = before_raw;
    return true;
  }
  ByteReader reader(before_raw);
  const std::uint64_t prefix = reader.take_varint();
  const std::uint64_t suffix = reader.take_varint();
  const auto middle = reader.take_rest();
  if (!reader.ok() || prefix > after.size() || suffix > after.size() - prefix ||
      prefix + suffix + middle.size() > limits::image_bytes_max) {
    return false;
  }
  scratch.clear();
  const auto head = after.first(static_cast<std::size_t>(prefix));
  const auto tail = after.last(static_cast<std::size_t>(suffix));
  scratch.insert(scratch.end(), head.begin(), head.end());
  scratch.insert(scratch.end(), middle.begin(), middle.end());
  scratch.insert(scratch.end(), tail.begin(), tail.end());
  image = scratch;
  return true;
}

std::size_t ChangeWriter::open(ChangeKind kind, std::uint8_t flags, std::size_t body_bytes_max) {
  to_.reserve(2 + length_bytes + body_bytes_max);
  to_.put(kind);
  to_.put(flags);
  const std::size_t opened = to_.size();
  if (body_bytes_max < 0x80) {
    to_.put_varint(0);
  } else {
    to_.put<std::uint32_t>(0);
  }
  return opened << 1 | (body_bytes_max < 0x80 ? 1 : 0);
}

void ChangeWriter::close(std::size_t opened) {
  const bool is_short = (opened & 1) != 0;
  std::byte* at = to_.data() + (opened >> 1);
  const std::size_t body = to_.size() - (opened >> 1) - (is_short ? 1 : length_bytes);
  if (is_short) {
    SELVEDGE_ASSERT(body < 0x80);
    *at = static_cast<std::byte>(body);
    return;
  }
  // Four bytes, flagged by the top bit of the first: 0x80 | low 7, then 8 bits each.
  SELVEDGE_ASSERT(body < std::size_t{1} << 28);
  at[0] = static_cast<std::byte>(0x80 | (body & 0x7f));
  at[1] = static_cast<std::byte>(body >> 7);
  at[2] = static_cast<std::byte>(body >> 15);
  at[3] = static_cast<std::byte>(body >> 23);
}

void ChangeWriter::put_identity(const EdgeIdentity& edge) {
  to_.put(edge.id);
  to_.put(edge.source);
  to_.put(edge.target);
  put_u24(to_, edge.type);
}

void ChangeWriter::create_node(std::uint64_t id, std::span<const std::byte> image) {
  const std::size_t opened = open(ChangeKind::create_node, 0, 8 + image.size());
  to_.put(id);
  to_.put_bytes(image);
  close(opened);
}

void ChangeWriter::restore_node(std::uint64_t id, PrevSequence prev,
                                std::span<const std::byte> image) {
  const std::size_t opened =
      open(ChangeKind::create_node, change_flags::restored, 18 + image.size());
  to_.put(id);
  to_.put_varint(prev.word);
  to_.put_bytes(image);
  close(opened);
}

void ChangeWriter::put_update(ChangeKind kind, const EdgeIdentity& edge, PrevSequence prev,
                              std::span<const std::byte> after, std::span<const std::byte> before) {
  const Common common = common_bytes(after, before);
  const std::size_t middle = before.size() - common.prefix - common.suffix;
  const std::size_t difference = varint_bytes(common.prefix) + varint_bytes(common.suffix) + middle;
  const bool smaller = difference < before.size();
  const std::size_t opened = open(kind, smaller ? change_flags::difference : std::uint8_t{0},
                                  47 + after.size() + std::min(difference, before.size()));
  if (kind == ChangeKind::update_edge) {
    put_identity(edge);
  } else {
    to_.put(edge.id);
  }
  to_.put_varint(prev.word);
  to_.put_varint(after.size());
  to_.put_bytes(after);
  if (smaller) {
    to_.put_varint(common.prefix);
    to_.put_varint(common.suffix);
    to_.put_bytes(before.subspan(common.prefix, middle));
  } else {
    to_.put_bytes(before);
  }
  close(opened);
}

void ChangeWriter::update_node(std::uint64_t id, PrevSequence prev,
                               std::span<const std::byte> after,
                               std::span<const std::byte> before) {
  put_update(ChangeKind::update_node, {.id = id}, prev, after, before);
}

void ChangeWriter::update_edge(const EdgeIdentity& edge, PrevSequence prev,
                               std::span<const std::byte> after,
                               std::span<const std::byte> before) {
  put_update(ChangeKind::update_edge, edge, prev, after, before);
}

void ChangeWriter::delete_node(std::uint64_t id, PrevSequence prev,
                               std::span<const std::byte> before) {
  const std::size_t opened = open(ChangeKind::delete_node, 0, 18 + before.size());
  to_.put(id);
  to_.put_varint(prev.word);
  to_.put_bytes(before);
  close(opened);
}

void ChangeWriter::create_edge(const EdgeIdentity& edge, std::span<const std::byte> image) {
  const std::size_t opened = open(ChangeKind::create_edge, 0, 27 + image.size());
  put_identity(edge);
  to_.put_bytes(image);
  close(opened);
}

void ChangeWriter::restore_edge(const EdgeIdentity& edge, PrevSequence prev,
                                std::span<const std::byte> image) {
  const std::size_t opened =
      open(ChangeKind::create_edge, change_flags::restored, 37 + image.size());
  put_identity(edge);
  to_.put_varint(prev.word);
  to_.put_bytes(image);
  close(opened);
}

void ChangeWriter::delete_edge(const EdgeIdentity& edge, PrevSequence prev,
                               std::span<const std::byte> before) {
  const std::size_t opened = open(ChangeKind::delete_edge, 0, 37 + before.size());
  put_identity(edge);
  to_.put_varint(prev.word);
  to_.put_bytes(before);
  close(opened);
}

void ChangeWriter::define_name(NameKind kind, std::uint32_t id, std::string_view text) {
  const std::size_t opened = open(ChangeKind::define_name, 0, 4 + text.size());
  to_.put(kind);
  put_u24(to_, id);
  to_.put_bytes(as_bytes(text));
  close(opened);
}

void ChangeWriter::update_embedding(std::uint64_t node, std::uint32_t key,
                                    std::span<const std::byte> floats) {
  const std::size_t opened = open(ChangeKind::update_embedding, 0, 11 + floats.size());
  to_.put(node);
  put_u24(to_, key);
  to_.put_bytes(floats);
  close(opened);
}

std::size_t ChangeWriter::open_group(GroupKind kind, std::uint64_t members) {
  const std::size_t opened = open(ChangeKind::group, 0, 0x80);
  to_.put(kind);
  to_.put_varint(members);
  return opened;
}

void ChangeWriter::close_group(std::size_t opened) { close(opened); }

void put_begin(ByteWriter& to, const Metadata& metadata) {
  to.put_varint(metadata.size());
  for (const auto& [key, value] : metadata) {
    to.put_text(key);
    to.put_text(value);
  }
}

void put_commit(ByteWriter& to, std::uint64_t operations) { to.put_varint(operations); }

void put_abort(ByteWriter& to, std::string_view reason) { to.put_text(reason); }

namespace {

struct RawChange {
  ChangeKind kind{};
  std::uint8_t flags = 0;
  std::span<const std::byte> body;
};

/// The flags that mean something in a change of this kind.
std::uint8_t flags_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::create_node:
    case ChangeKind::create_edge: return change_flags::restored;
    case ChangeKind::update_node:
    case ChangeKind::update_edge: return change_flags::difference;
    default: return 0;
  }
}

bool take_change(ByteReader& from, RawChange& raw) {
  const auto kind = from.take<std::uint8_t>();
  raw.flags = from.take<std::uint8_t>();
  std::size_t length = from.take<std::uint8_t>();
  if ((length & 0x80) != 0) {
    const auto rest = take_u24(from);
    length = (length & 0x7f) | static_cast<std::size_t>(rest) << 7;
  }
  raw.body = from.take_bytes(length);
  raw.kind = static_cast<ChangeKind>(kind);
  return from.ok() && kind >= 1 && kind <= 9 && (raw.flags & ~flags_of(raw.kind)) == 0;
}

bool parse(const RawChange& raw, Change& change) {
  ByteReader body(raw.body);
  change = Change{};
  change.kind = raw.kind;
  change.flags = raw.flags;
  const auto identity = [&] {
    change.id = body.take<std::uint64_t>();
    change.source = body.take<std::uint64_t>();
    change.target = body.take<std::uint64_t>();
    change.type = take_u24(body);
  };
  switch (raw.kind) {
    case ChangeKind::create_node:
    case ChangeKind::create_edge:
      if (raw.kind == ChangeKind::create_node) {
        change.id = body.take<std::uint64_t>();
      } else {
        identity();
      }
      if (change.restored()) {
        change.prev.word = body.take_varint();
      }
      change.after = body.take_rest();
      break;
    case ChangeKind::update_node:
    case ChangeKind::update_edge:
      if (raw.kind == ChangeKind::update_node) {
        change.id = body.take<std::uint64_t>();
      } else {
        identity();
      }
      change.prev.word = body.take_varint();
      change.after = body.take_bytes(body.take_varint());
      change.before_raw = body.take_rest();
      break;
    case ChangeKind::delete_node:
    case ChangeKind::delete_edge:
      if (raw.kind == ChangeKind::delete_node) {
        change.id = body.take<std::uint64_t>();
      } else {
        identity();
      }
      change.prev.word = body.take_varint();
      change.before_raw = body.take_rest();
      break;
    case ChangeKind::define_name: {
      const auto kind = body.take<std::uint8_t>();
      change.name_kind = static_cast<NameKind>(kind);
      change.type = take_u24(body);
      change.after = body.take_rest();
      return body.ok() && kind < name_kinds;
    }
    case ChangeKind::update_embedding:
      change.id = body.take<std::uint64_t>();
      change.type = take_u24(body);
      change.after = body.take_rest();
      return body.ok() && id_bits::well_formed(change.id) && change.after.size() % 4 == 0;
    case ChangeKind::group: return false;
  }
  return body.ok() && id_bits::well_formed(change.id) &&
         (!change.is_edge() ||
          (id_bits::well_formed(change.source) && id_bits::well_formed(change.target)));
}

}  // namespace

Status decode_entry(const EntryView& entry, const ChangeSink& sink) {
  Change change;
  if (entry.kind != ChangeKind::group) {
    if (!parse({entry.kind, entry.flags, entry.body}, change)) {
      return malformed("a field", entry.position);
    }
    return sink(change, entry.sequence);
  }
  ByteReader reader(entry.body);
  for (std::uint32_t i = 0; i < entry.members; ++i) {
    const std::size_t start = entry.position + reader.position();
    RawChange raw;
    if (!take_change(reader, raw) || !parse(raw, change) ||
        !(change.is_node() || change.is_edge())) {
      return malformed("a group member", start);
    }
    SELVEDGE_TRY(sink(change, entry.sequence));
  }
  if (!reader.at_end()) {
    return malformed("bytes behind a group's members", entry.position + reader.position());
  }
  return {};
}

Status EntryReader::start() {
  started_ = true;
  if (shape_.begin) {
    const std::uint64_t pairs = reader_.take_varint();
    for (std::uint64_t i = 0; i < pairs && reader_.ok(); ++i) {
      std::string key(reader_.take_text());
      std::string value(reader_.take_text());
      notes_.metadata.emplace_back(std::move(key), std::move(value));
    }
  }
  const std::uint32_t marks = (shape_.begin ? 1u : 0u) + (shape_.commit || shape_.abort ? 1u : 0u);
  if (!reader_.ok() || shape_.count < marks) {
    return malformed("the frame's start", reader_.position());
  }
  sequence_ = shape_.first_sequence + (shape_.begin ? 1 : 0);
  left_ = shape_.count - marks;
  return {};
}

Status EntryReader::finish() {
  if (shape_.commit) {
    notes_.operations = reader_.take_varint();
  } else if (shape_.abort) {
    notes_.reason = reader_.take_text();
  }
  return reader_.at_end() ? Status{} : malformed("the frame's end", reader_.position());
}

Result<bool> EntryReader::next(EntryView& entry) {
  if (!started_) {
    SELVEDGE_TRY(start());
  }
  if (left_ == 0) {
    SELVEDGE_TRY(finish());
    return false;
  }
  const std::size_t at = reader_.position();
  RawChange raw;
  if (!take_change(reader_, raw)) {
    return malformed("an entry's head", at);
  }
  entry = EntryView{.kind = raw.kind,
                    .sequence = sequence_,
                    .body = raw.body,
                    .position = reader_.position() - raw.body.size(),
                    .flags = raw.flags};
  if (raw.kind == ChangeKind::group) {
    ByteReader body(raw.body);
    const auto group = body.take<std::uint8_t>();
    const std::uint64_t members = body.take_varint();
    entry.group = static_cast<GroupKind>(group);
    entry.members = static_cast<std::uint32_t>(members);
    if (!body.ok() || group < 1 || group > 5 || members > raw.body.size()) {
      return malformed("a group's head", at);
    }
    entry.position += body.position();
    entry.body = body.take_rest();
  }
  ++sequence_;
  --left_;
  return true;
}

Result<FrameNotes> decode_entries(const FrameShape& shape, std::span<const std::byte> payload,
                                  const std::function<Status(const EntryView&)>& sink) {
  EntryReader reader(shape, payload);
  for (EntryView entry;;) {
    SELVEDGE_TRY(const bool more, reader.next(entry));
    if (!more) {
      return std::move(reader.notes());
    }
    SELVEDGE_TRY(sink(entry));
  }
}

Result<FrameNotes> decode_frame(const FrameShape& shape, std::span<const std::byte> payload,
                                const ChangeSink& sink) {
  return decode_entries(shape, payload,
                        [&](const EntryView& entry) { return decode_entry(entry, sink); });
}

}  // namespace selvedge::graph
