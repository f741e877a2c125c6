// Changes in a frame: what was written comes back; damage is an error, never a crash.
#include "graph/change.h"

#include <gtest/gtest.h>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace selvedge::graph {
namespace {

constexpr std::uint64_t first_sequence = 100;
const std::uint64_t node_a = id_bits::make(7, 1);
const std::uint64_t node_b = id_bits::make(id_bits::slot_max, id_bits::generation_max);
const EdgeIdentity edge{id_bits::make(300, 2), node_a, node_b, 0x123456};

/// A decoded change with its bytes copied out of the frame.
struct Found {
  Change change;
  std::uint64_t sequence = 0;
  std::string after;
  std::string before;
  bool before_ok = false;
};

class Changes : public testing::Test {
 protected:
  Status note(const Change& change, std::uint64_t sequence) {
    Found each{change, sequence, std::string(as_text(change.after)), {}, false};
    std::span<const std::byte> before;
    each.before_ok = change.before(scratch, before);
    if (each.before_ok) {
      each.before = as_text(before);
    }
    found.push_back(std::move(each));
    return {};
  }
  Result<FrameNotes> decode(std::span<const std::byte> payload) {
    found.clear();
    // A copy of the exact size: the sanitizers see a read past the end.
    held.assign(payload.begin(), payload.end());
    held.shrink_to_fit();
    return decode_frame(shape, held, [this](const Change& change, std::uint64_t sequence) {
      return note(change, sequence);
    });
  }
  void expect_decodes(std::uint32_t count) {
    shape.count = count;
    const auto notes = decode(buffer.span());
    ASSERT_TRUE(notes) << notes.error().message();
  }
  /// The one change of the buffer.
  const Found& only() {
    expect_decodes(1);
    static const Found none{};
    EXPECT_EQ(found.size(), 1u);
    return found.size() == 1 ? found[0] : none;
  }
  void expect_refused(const std::string& what, std::size_t position) {
    const auto notes = decode(buffer.span());
    ASSERT_FALSE(notes) << what;
    EXPECT_EQ(notes.error().code(), ErrorCode::corruption);
    EXPECT_EQ(notes.error().what(), "malformed log entry: " + what);
    EXPECT_EQ(notes.error().found(), "a fault at payload byte " + std::to_string(position));
  }
  void set_byte(std::size_t position, unsigned value) {
    buffer.data()[position] = static_cast<std::byte>(value);
  }
  /// A frame with an entry of every kind: 13 entries, begin and commit included.
  void write_all_kinds() {
    shape.begin = shape.commit = true;
    shape.count = 13;
    put_begin(buffer, {{"who", "me"}, {"why", ""}});
    writer.define_name(NameKind::label, 1, "Person");
    writer.create_node(node_a, as_bytes("image"));
    writer.restore_node(node_b, PrevSequence::own(1), as_bytes("again"));
    writer.update_node(node_a, PrevSequence::absolute(99), as_bytes("abcXdef"),
                       as_bytes("abcYdef"));
    writer.create_edge(edge, {});
    writer.update_edge(edge, PrevSequence::own(1), as_bytes("new"), as_bytes("old"));
    writer.delete_edge(edge, PrevSequence::own(1), as_bytes("new"));
    writer.restore_edge(edge, PrevSequence::own(1), as_bytes("new"));
    writer.delete_node(node_a, PrevSequence::own(6), as_bytes("image"));
    const std::size_t group = writer.open_group(GroupKind::bulk_create_nodes, 2);
    writer.create_node(id_bits::make(1, 1), as_bytes("one"));
    writer.create_node(id_bits::make(2, 1), as_bytes("two"));
    writer.close_group(group);
    writer.update_embedding(node_a, 3, as_bytes("12345678"));
    put_commit(buffer, 300);
  }

  ByteWriter buffer;
  ChangeWriter writer{buffer};
  FrameShape shape{.first_sequence = first_sequence, .count = 1};
  std::vector<Found> found;
  std::vector<std::byte> held;
  std::vector<std::byte> scratch;
};

// --- round trips -------------------------------------------------------------------------------

TEST_F(Changes, CreatedNodesComeBack) {
  writer.create_node(node_b, as_bytes("image"));
  EXPECT_EQ(only().change.kind, ChangeKind::create_node);
  EXPECT_EQ(only().change.id, node_b);
  EXPECT_EQ(only().after, "image");
  EXPECT_FALSE(only().change.restored());
}

TEST_F(Changes, RestoredNodesComeBackWithWhatTheyFollow) {
  writer.restore_node(node_a, PrevSequence::own(12), as_bytes("image"));
  EXPECT_TRUE(only().change.restored());
  EXPECT_EQ(only().change.prev.resolve(only().sequence), first_sequence - 12);
  EXPECT_EQ(only().after, "image");
}

TEST_F(Changes, DeletedNodesComeBackWithTheirImage) {
  writer.delete_node(node_a, PrevSequence::absolute(42), as_bytes("image"));
  EXPECT_TRUE(only().change.is_delete());
  EXPECT_EQ(only().change.prev.resolve(only().sequence), 42u);
  EXPECT_EQ(only().before, "image");
}

TEST_F(Changes, EveryChangeOfAnEdgeRepeatsItsIdentity) {
  writer.create_edge(edge, as_bytes("a"));
  writer.restore_edge(edge, PrevSequence::own(1), as_bytes("b"));
  writer.update_edge(edge, PrevSequence::own(1), as_bytes("c"), as_bytes("b"));
  writer.delete_edge(edge, PrevSequence::own(1), as_bytes("c"));
  expect_decodes(4);
  const std::vector<ChangeKind> kinds{ChangeKind::create_edge, ChangeKind::create_edge,
                                      ChangeKind::update_edge, ChangeKind::delete_edge};
  for (std::size_t i = 0; i < 4; ++i) {
    const Change& change = found[i].change;
    EXPECT_EQ(change.kind, kinds[i]);
    EXPECT_TRUE(change.is_edge());
    EXPECT_EQ(change.id, edge.id);
    EXPECT_EQ(change.source, edge.source);
    EXPECT_EQ(change.target, edge.target);
    EXPECT_EQ(change.type, edge.type);
    EXPECT_EQ(change.restored(), i == 1);
  }
  EXPECT_EQ(found[2].after, "c");
  EXPECT_EQ(found[2].before, "b");
  EXPECT_EQ(found[3].before, "c");
}

TEST_F(Changes, NamesOfEveryKindComeBack) {
  writer.define_name(NameKind::label, 0, "Person");
  writer.define_name(NameKind::type, 7, std::string(limits::name_bytes_max, 'n'));
  writer.define_name(NameKind::key, name_id_max, "k");
  expect_decodes(3);
  EXPECT_EQ(found[0].change.name_kind, NameKind::label);
  EXPECT_EQ(found[0].after, "Person");
  EXPECT_EQ(found[1].change.name_kind, NameKind::type);
  EXPECT_EQ(found[1].after.size(), limits::name_bytes_max);
  EXPECT_EQ(found[2].change.name_kind, NameKind::key);
  EXPECT_EQ(found[2].change.type, name_id_max);
}

TEST_F(Changes, EmbeddingsComeBack) {
  writer.update_embedding(node_a, 3, as_bytes("12345678"));
  writer.update_embedding(node_b, name_id_max, {});
  expect_decodes(2);
  EXPECT_EQ(found[0].change.kind, ChangeKind::update_embedding);
  EXPECT_EQ(found[0].change.id, node_a);
  EXPECT_EQ(found[0].change.type, 3u);
  EXPECT_EQ(found[0].after, "12345678");
  EXPECT_EQ(found[1].change.type, name_id_max);
  EXPECT_TRUE(found[1].after.empty());
}

TEST_F(Changes, SequencesRunFromTheFramesFirstBehindItsBegin) {
  write_all_kinds();
  expect_decodes(13);
  ASSERT_EQ(found.size(), 12u);  // begin and commit are none, the group has two members
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(found[i].sequence, first_sequence + 1 + i);
  }
  EXPECT_EQ(found[9].sequence, found[10].sequence);
  EXPECT_EQ(found[11].sequence, found[10].sequence + 1);
}

TEST_F(Changes, EntriesAreReadWithoutLookingIntoGroups) {
  const std::size_t group = writer.open_group(GroupKind::detach_delete_node, 2);
  writer.delete_edge(edge, PrevSequence::absolute(5), as_bytes("e"));
  writer.delete_node(node_a, PrevSequence::absolute(6), as_bytes("n"));
  writer.close_group(group);
  std::vector<EntryView> entries;
  const auto notes = decode_entries(shape, buffer.span(), [&](const EntryView& entry) {
    entries.push_back(entry);
    return Status{};
  });
  ASSERT_TRUE(notes) << notes.error().message();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind, ChangeKind::group);
  EXPECT_EQ(entries[0].group, GroupKind::detach_delete_node);
  EXPECT_EQ(entries[0].members, 2u);
  const auto sink = [this](const Change& change, std::uint64_t sequence) {
    return note(change, sequence);
  };
  ASSERT_TRUE(decode_entry(entries[0], sink));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].change.kind, ChangeKind::delete_edge);
  EXPECT_EQ(found[1].change.kind, ChangeKind::delete_node);
}

TEST_F(Changes, AGroupOfManyMembersHasOneSequence) {
  const std::size_t group = writer.open_group(GroupKind::bulk_create_nodes, 1000);
  for (std::uint64_t slot = 0; slot < 1000; ++slot) {
    writer.create_node(id_bits::make(slot, 1), as_bytes(std::to_string(slot)));
  }
  writer.close_group(group);
  expect_decodes(1);
  ASSERT_EQ(found.size(), 1000u);
  for (std::uint64_t slot = 0; slot < 1000; ++slot) {
    EXPECT_EQ(found[slot].sequence, first_sequence);
    EXPECT_EQ(found[slot].after, std::to_string(slot));
  }
}

TEST_F(Changes, MetadataAndTheOperationCountComeBack) {
  const Metadata metadata{{"who", "me"}, {"", ""}, {"who", std::string(300, 'x')}};
  shape.begin = shape.commit = true;
  shape.count = 2;
  put_begin(buffer, metadata);
  put_commit(buffer, 123456789);
  const auto notes = decode(buffer.span());
  ASSERT_TRUE(notes) << notes.error().message();
  EXPECT_EQ(notes->metadata, metadata);
  EXPECT_EQ(notes->operations, 123456789u);
}

TEST_F(Changes, TheReasonOfAnAbortComesBack) {
  shape.abort = true;
  put_abort(buffer, "because");
  const auto notes = decode(buffer.span());
  ASSERT_TRUE(notes) << notes.error().message();
  EXPECT_EQ(notes->reason, "because");
}

TEST_F(Changes, BodiesOfEveryLengthComeBack) {
  for (std::size_t size = 0; size < 300; ++size) {
    const std::string image(size, 'i');
    buffer.clear();
    writer.create_node(node_a, as_bytes(image));
    EXPECT_EQ(only().after, image);
    buffer.clear();
    writer.update_edge(edge, PrevSequence::absolute(~std::uint64_t{0} >> 1), as_bytes(image),
                       as_bytes(std::string(size, 'j')));
    EXPECT_EQ(only().after, image);
    EXPECT_EQ(only().before, std::string(size, 'j'));
  }
  const std::string largest(limits::image_bytes_max, 'i');
  buffer.clear();
  writer.delete_edge(edge, PrevSequence::absolute(1), as_bytes(largest));
  EXPECT_EQ(only().before, largest);
}

// --- before-images -----------------------------------------------------------------------------

TEST_F(Changes, EveryPairOfImagesComesBackFromItsDifference) {
  const std::vector<std::string> images{"",     "a",     "aa",      "aaa",       "aaaaaaaaaaaa",
                                        "abc",  "abcd",  "zabc",    "abXbc",     "abcabcabcabc",
                                        "abcX", "Xabcd", "abcabcX", "bcabcabca", "b"};
  for (const std::string& after : images) {
    for (const std::string& before : images) {
      buffer.clear();
      writer.update_node(node_a, PrevSequence::absolute(1), as_bytes(after), as_bytes(before));
      EXPECT_EQ(only().after, after);
      EXPECT_TRUE(only().before_ok);
      EXPECT_EQ(only().before, before) << "from " << after;
    }
  }
}

TEST_F(Changes, RandomImagesComeBackFromTheirDifference) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string after(random() % 200, 'a');
    for (char& each : after) {
      each = static_cast<char>('a' + random() % 2);
    }
    std::string before = after;
    before.erase(random() % (before.size() + 1), random() % 20);
    before.insert(random() % (before.size() + 1), std::string(random() % 20, 'b'));
    buffer.clear();
    writer.update_edge(edge, PrevSequence::absolute(1), as_bytes(after), as_bytes(before));
    ASSERT_EQ(only().after, after);
    ASSERT_EQ(only().before, before);
  }
}

TEST_F(Changes, ASmallUpdateOfALargeImageCostsFewBytes) {
  std::string after(10000, 'a');
  std::string before = after;
  before[5000] = 'b';
  writer.update_node(node_a, PrevSequence::absolute(1), as_bytes(after), as_bytes(before));
  EXPECT_LT(buffer.size(), after.size() + 32);
  EXPECT_EQ(only().change.flags, change_flags::difference);
  EXPECT_EQ(only().before, before);
}

TEST_F(Changes, ImagesWithNothingInCommonStandAsTheyAre) {
  writer.update_node(node_a, PrevSequence::absolute(1), as_bytes("abc"), as_bytes("xyz"));
  EXPECT_EQ(only().change.flags, 0u);
  EXPECT_EQ(only().before, "xyz");
}

TEST_F(Changes, ADifferenceThatDoesNotFitItsImageIsRefused) {
  const auto before_of = [this](std::uint64_t prefix, std::uint64_t suffix, std::size_t middle) {
    ByteWriter raw;
    raw.put_varint(prefix);
    raw.put_varint(suffix);
    raw.put_zeros(middle);
    Change change;
    change.flags = change_flags::difference;
    change.after = as_bytes("12345");
    change.before_raw = raw.span();
    std::span<const std::byte> image;
    return change.before(scratch, image);
  };
  EXPECT_TRUE(before_of(2, 3, 4));
  EXPECT_FALSE(before_of(6, 0, 0));
  EXPECT_FALSE(before_of(0, 6, 0));
  EXPECT_FALSE(before_of(3, 3, 0));
  EXPECT_FALSE(before_of(~std::uint64_t{0}, 1, 0));
  EXPECT_FALSE(before_of(1, ~std::uint64_t{0}, 0));
  EXPECT_TRUE(before_of(5, 0, limits::image_bytes_max - 5));
  EXPECT_FALSE(before_of(5, 0, limits::image_bytes_max - 4));
}

TEST_F(Changes, ADifferenceWithoutItsLengthsIsRefused) {
  Change change;
  change.flags = change_flags::difference;
  change.after = as_bytes("12345");
  std::span<const std::byte> image;
  EXPECT_FALSE(change.before(scratch, image));
  change.before_raw = as_bytes("\x01");
  EXPECT_FALSE(change.before(scratch, image));
}

TEST_F(Changes, PrevNamesASequenceOrADistance) {
  EXPECT_EQ(PrevSequence::absolute(7).resolve(1000), 7u);
  EXPECT_EQ(PrevSequence::absolute(0).resolve(1000), 0u);
  EXPECT_EQ(PrevSequence::own(7).resolve(1000), 993u);
}

// --- damage ------------------------------------------------------------------------------------

TEST_F(Changes, FramesTruncatedAnywhereAreCorruption) {
  write_all_kinds();
  for (std::size_t size = 0; size < buffer.size(); ++size) {
    const auto notes = decode(buffer.span().first(size));
    ASSERT_FALSE(notes) << size;
    EXPECT_EQ(notes.error().code(), ErrorCode::corruption) << size;
  }
}

TEST_F(Changes, FlippedBitsGiveAnErrorOrValuesNeverACrash) {
  write_all_kinds();
  const std::vector<std::byte> whole(buffer.span().begin(), buffer.span().end());
  unsigned refused = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::vector<std::byte> damaged = whole;
    damaged[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const auto notes = decode(damaged);
    if (!notes) {
      EXPECT_EQ(notes.error().code(), ErrorCode::corruption) << bit;
      ++refused;
    }
    for (const Found& each : found) {
      const Change& change = each.change;
      const bool of_entity = change.kind != ChangeKind::define_name &&
                             change.kind != ChangeKind::define_schema &&
                             change.kind != ChangeKind::drop_schema;
      EXPECT_TRUE(!of_entity || id_bits::well_formed(change.id)) << bit;
    }
  }
  EXPECT_GT(refused, whole.size());
}

TEST_F(Changes, RandomBytesGiveAnErrorOrValuesNeverACrash) {
  std::mt19937 random(9);
  for (int round = 0; round < 20000; ++round) {
    shape.begin = round % 2 == 0;
    shape.commit = round % 3 == 0;
    shape.count = static_cast<std::uint32_t>(random() % 4);
    std::vector<std::byte> payload(random() % 48);
    for (std::byte& byte : payload) {
      byte = static_cast<std::byte>(random() % (round % 5 == 0 ? 256 : 12));
    }
    const auto notes = decode(payload);
    ASSERT_TRUE(notes || notes.error().code() == ErrorCode::corruption) << round;
  }
}

TEST_F(Changes, AnErrorNamesTheByteOfTheDamagedEntry) {
  shape.count = 3;
  writer.create_node(node_a, as_bytes("first"));
  const std::size_t second = buffer.size();
  writer.create_node(node_a, as_bytes("second"));
  const std::size_t third = buffer.size();
  writer.create_node(node_a, as_bytes("third"));
  set_byte(second, 99);
  expect_refused("an entry's head", second);
  set_byte(second, 1);
  set_byte(third + 3, 1);  // the low byte of its id
  expect_refused("a field", third + 3);
  EXPECT_EQ(found.size(), 2u);
}

TEST_F(Changes, AnErrorInAGroupNamesTheByteOfTheMember) {
  shape.count = 2;
  writer.create_node(node_a, as_bytes("first"));
  const std::size_t group = writer.open_group(GroupKind::bulk_create_nodes, 2);
  writer.create_node(node_a, as_bytes("one"));
  const std::size_t member = buffer.size();
  writer.create_node(node_b, as_bytes("two"));
  writer.close_group(group);
  set_byte(member, 99);
  expect_refused("a group member", member);
  set_byte(member, 1);
  set_byte(member + 3, 1);
  expect_refused("a group member", member);
}

TEST_F(Changes, FlagsThatMeanNothingInTheirKindAreRefused) {
  const auto refused_with = [this](std::uint8_t flags, const std::function<void()>& write) {
    buffer.clear();
    write();
    set_byte(1, flags);
    expect_refused("an entry's head", 0);
  };
  const PrevSequence prev = PrevSequence::absolute(1);
  for (const unsigned flags : {4u, 128u, 3u}) {
    refused_with(static_cast<std::uint8_t>(flags), [&] { writer.create_node(node_a, {}); });
  }
  refused_with(change_flags::difference, [&] { writer.create_edge(edge, {}); });
  refused_with(change_flags::restored, [&] { writer.update_node(node_a, prev, {}, {}); });
  refused_with(change_flags::restored, [&] { writer.delete_node(node_a, prev, {}); });
  refused_with(change_flags::difference, [&] { writer.delete_edge(edge, prev, {}); });
  refused_with(change_flags::restored, [&] { writer.define_name(NameKind::key, 1, "k"); });
  refused_with(change_flags::difference, [&] { writer.update_embedding(node_a, 1, {}); });
}

TEST_F(Changes, IdsThatAreNoneAreRefused) {
  const std::uint64_t no_generation = id_bits::make(5, 0);
  for (const std::uint64_t id : {std::uint64_t{0}, no_generation, node_a + 1}) {
    buffer.clear();
    writer.delete_node(id, PrevSequence::absolute(1), {});
    expect_refused("a field", 3);
    buffer.clear();
    writer.update_embedding(id, 1, {});
    expect_refused("a field", 3);
    for (const EdgeIdentity& bad :
         {EdgeIdentity{id, node_a, node_b, 1}, EdgeIdentity{edge.id, id, node_b, 1},
          EdgeIdentity{edge.id, node_a, id, 1}}) {
      buffer.clear();
      writer.create_edge(bad, {});
      expect_refused("a field", 3);
    }
  }
}

TEST_F(Changes, FieldsOutOfRangeAreRefused) {
  writer.define_name(static_cast<NameKind>(3), 1, "k");
  expect_refused("a field", 3);
  buffer.clear();
  writer.update_embedding(node_a, 1, as_bytes("123"));
  expect_refused("a field", 3);
}

TEST_F(Changes, AfterImagesLongerThanTheirEntryAreRefused) {
  writer.update_node(node_a, PrevSequence::absolute(1), as_bytes("abc"), as_bytes("xyz"));
  set_byte(3 + 8 + 1, 7);
  expect_refused("a field", 3);
  set_byte(3 + 8 + 1, 6);
  EXPECT_EQ(only().after, "abcxyz");
}

TEST_F(Changes, GroupsOfUnknownKindAreRefused) {
  for (const unsigned kind : {0u, 6u, 255u}) {
    buffer.clear();
    writer.close_group(writer.open_group(static_cast<GroupKind>(kind), 0));
    expect_refused("a group's head", 0);
  }
}

TEST_F(Changes, AGroupHoldsExactlyItsMembers) {
  const auto write = [this](std::uint64_t members) {
    buffer.clear();
    const std::size_t group = writer.open_group(GroupKind::bulk_delete_nodes, members);
    writer.delete_node(node_a, PrevSequence::absolute(1), {});
    writer.close_group(group);
  };
  write(0);
  expect_refused("bytes behind a group's members", 8);
  write(2);
  expect_refused("a group member", buffer.size());
  write(~std::uint64_t{0});
  expect_refused("a group's head", 0);
  write(std::uint64_t{1} << 32 | 1);
  expect_refused("a group's head", 0);
}

TEST_F(Changes, AGroupHoldsOnlyNodesAndEdges) {
  const auto refused_inside = [this](const std::function<void()>& write) {
    buffer.clear();
    const std::size_t group = writer.open_group(GroupKind::bulk_create_nodes, 1);
    const std::size_t member = buffer.size();
    write();
    writer.close_group(group);
    expect_refused("a group member", member);
  };
  refused_inside([&] { writer.define_name(NameKind::key, 1, "k"); });
  refused_inside([&] { writer.update_embedding(node_a, 1, {}); });
  refused_inside([&] { writer.close_group(writer.open_group(GroupKind::bulk_create_nodes, 0)); });
}

TEST_F(Changes, TheEntryCountIsExact) {
  writer.create_node(node_a, {});
  const std::size_t one = buffer.size();
  writer.create_node(node_b, {});
  shape.count = 3;
  expect_refused("an entry's head", buffer.size());
  shape.count = 1;
  expect_refused("the frame's end", one);
}

TEST_F(Changes, AFrameTooShortForItsMarksIsRefused) {
  shape.begin = shape.commit = true;
  put_begin(buffer, {});
  put_commit(buffer, 0);
  expect_refused("the frame's start", 1);
}

TEST_F(Changes, MetadataPairsBeyondTheFrameAreRefused) {
  shape.begin = true;
  buffer.put_varint(~std::uint64_t{0});
  buffer.put_text("key");
  expect_refused("the frame's start", buffer.size());
}

TEST_F(Changes, AnErrorOfTheSinkStopsTheReading) {
  write_all_kinds();
  unsigned calls = 0;
  const auto notes = decode_frame(shape, buffer.span(), [&](const Change&, std::uint64_t) {
    return ++calls < 11 ? Status{} : fail(ErrorCode::out_of_memory, "full");
  });
  ASSERT_FALSE(notes);
  EXPECT_EQ(notes.error().code(), ErrorCode::out_of_memory);
  EXPECT_EQ(calls, 11u);  // the second member of the group
}

}  // namespace
}  // namespace selvedge::graph
