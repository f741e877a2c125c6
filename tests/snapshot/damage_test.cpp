// Damaged snapshot files: nothing wrong is ever read.
#include "tests/snapshot/snapshot_fixture.h"

namespace selvedge::snapshot {
namespace {

class SnapshotDamage : public SnapshotTest {
 protected:
  /// Flips each byte in turn; every flip must be refused, or change nothing that is read.
  void flip_every_byte() {
    write_small();
    const std::string whole = bytes();
    const auto before = read();
    ASSERT_TRUE(before) << before.error().message();
    std::size_t refused = 0;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (const int mask : {0x01, 0x80, 0xff}) {
        set_byte(i, static_cast<char>(whole[i] ^ mask));
        const auto after = read();
        set_byte(i, whole[i]);
        refused += after ? 0U : 1U;
        if (after) {
          EXPECT_EQ(*after, *before) << "byte " << i;
        } else {
          EXPECT_EQ(after.error().code(), ErrorCode::corruption) << after.error().message();
          EXPECT_EQ(after.error().path(), path());
        }
      }
    }
    RecordProperty("flips", static_cast<int>(whole.size() * 3));
    RecordProperty("refused", static_cast<int>(refused));
    EXPECT_EQ(refused, whole.size() * 3);  // every byte is covered by a CRC or a magic
  }

  std::uint64_t footer_at() {
    const std::string content = bytes();
    return load_le<std::uint64_t>(as_bytes(content).data() + content.size() - trailer_bytes);
  }
  std::size_t footer_crc_at() { return bytes().size() - trailer_bytes - 4; }
  /// Writes into the footer and makes its CRC right again.
  template <class T>
  void forge_footer(std::size_t at, T value) {
    forge(footer_at() + at, value, footer_at(), footer_crc_at());
  }
};

TEST_F(SnapshotDamage, EveryFlippedByteIsFound) { flip_every_byte(); }

TEST_F(SnapshotDamage, EveryFlippedByteIsFoundWhenCompressed) {
  options = {Compression::zstd};
  flip_every_byte();
}

TEST_F(SnapshotDamage, EveryTruncationIsFound) {
  write_small();
  const std::string whole = bytes();
  for (std::size_t size = whole.size(); size-- > 0;) {
    std::filesystem::resize_file(path(), size);
    expect_refused(ErrorCode::corruption);
  }
}

TEST_F(SnapshotDamage, BytesBehindTheEndAreFound) {
  write_small();
  set_bytes(bytes() + std::string(16, '\0'));
  expect_refused_at(ErrorCode::corruption, bytes().size() - 16);
}

TEST_F(SnapshotDamage, AMissingFooterIsNamed) {
  write_small();
  const std::uint64_t at = footer_at();
  set_bytes(bytes().substr(0, at));
  expect_refused_at(ErrorCode::corruption, at - 16);
  EXPECT_EQ(read().error().expected(), "SELVEND1");
}

TEST_F(SnapshotDamage, AnEmptyFileIsNoSnapshot) {
  set_bytes("");
  expect_refused_at(ErrorCode::corruption, 0);
}

TEST_F(SnapshotDamage, AMissingFileIsNotFound) { expect_refused(ErrorCode::not_found); }

TEST_F(SnapshotDamage, AForeignFileIsNoSnapshot) {
  set_bytes("{\"json\": true}" + std::string(400, ' '));
  expect_refused_at(ErrorCode::corruption, 0);
  EXPECT_EQ(read().error().found(), "{\"json\":");
}

TEST_F(SnapshotDamage, ANewerVersionIsNotTouched) {
  write_small();
  forge(8, format_version + 1, 0, 60);
  expect_refused_at(ErrorCode::newer_format, 8);
}

TEST_F(SnapshotDamage, VersionZeroIsDamage) {
  write_small();
  forge(8, std::uint32_t{0}, 0, 60);
  expect_refused(ErrorCode::corruption);
}

TEST_F(SnapshotDamage, ASequenceThatNoStoreReachesIsFound) {
  write_small();
  forge_footer(8, std::uint64_t{1} << 61);
  expect_refused_at(ErrorCode::corruption, footer_at());
  forge_footer(8, (std::uint64_t{1} << 61) - 1);
  EXPECT_TRUE(read());
}

TEST_F(SnapshotDamage, AChunkOfALaterKindIsANewerFormat) {
  write_small();
  forge_footer(footer_fixed_bytes + 8, static_cast<std::uint32_t>(chunk_types + 1));
  expect_refused(ErrorCode::newer_format);
}

TEST_F(SnapshotDamage, AFlipInAChunkNamesTheChunksBytes) {
  write_small();
  const ChunkInfo chunk = open().chunks().at(1);
  std::string content = bytes();
  content[chunk.offset + chunk_head_bytes + 5] ^= 1;
  set_bytes(content);
  ASSERT_TRUE(SnapshotReader::open(files, path()));
  const auto loaded = open().load(1);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().offset(), chunk.offset + chunk_head_bytes);
  EXPECT_TRUE(open().load(0));  // the others are still readable
}

TEST_F(SnapshotDamage, TwoSwappedChunksAreFound) {
  options.chunk_bytes = 1;  // each record alone
  create();
  node(1, 1, image("one"));
  node(2, 2, image("two"));
  finish();
  const auto chunks = open().chunks();
  ASSERT_EQ(chunks.size(), 2U);
  std::string content = bytes();
  const std::string first = content.substr(chunks[0].offset, chunks[1].offset - chunks[0].offset);
  const std::string second = content.substr(chunks[1].offset, first.size());
  content.replace(chunks[0].offset, first.size(), second);
  content.replace(chunks[1].offset, first.size(), first);
  set_bytes(content);
  expect_refused_at(ErrorCode::corruption, chunks[0].offset);
}

TEST_F(SnapshotDamage, ACountThatTheIndexContradictsIsFound) {
  write_small();
  forge_footer(80, std::uint64_t{99});  // names
  expect_refused_at(ErrorCode::corruption, footer_at());
}

TEST_F(SnapshotDamage, AnotherDigestIsFound) {
  write_small();
  forge_footer(96, std::uint64_t{99});
  EXPECT_TRUE(SnapshotReader::open(files, path()));
  expect_refused(ErrorCode::corruption);
}

TEST_F(SnapshotDamage, ARecordBeyondTheHighWaterMarkIsFound) {
  write_small();
  forge_footer(40, std::uint64_t{2});  // node slots
  expect_refused(ErrorCode::corruption);
}

TEST_F(SnapshotDamage, ARecordNewerThanTheEndIsFound) {
  write_small();
  forge_footer(8, std::uint64_t{99});  // an edge has sequence 100
  expect_refused(ErrorCode::corruption);
}

TEST_F(SnapshotDamage, ContradictingSequencesAreFound) {
  write_small();
  forge_footer(0, std::uint64_t{102});  // begin > end + 1
  expect_refused_at(ErrorCode::corruption, footer_at());
}

TEST_F(SnapshotDamage, AChunkCountBeyondTheFooterAllocatesNothing) {
  write_small();
  forge_footer(116, std::uint32_t{0xffffffff});
  expect_refused_at(ErrorCode::corruption, footer_at());
}

TEST_F(SnapshotDamage, AnImpossibleChunkSizeAllocatesNothing) {
  write_small();
  forge_footer(footer_fixed_bytes + 16, std::uint32_t{0xffffffff});  // raw bytes
  expect_refused_at(ErrorCode::corruption, footer_at() + footer_fixed_bytes);
}

/// The head, the index and all CRCs agree on a size that the compressed bytes do not have.
TEST_F(SnapshotDamage, ALyingCompressedSizeAllocatesNothing) {
  options = {Compression::zstd};
  create();
  node(1, 1, image(std::string(200, 'x')));
  finish();
  const std::uint32_t lie = chunk_bytes_max;
  forge(header_bytes + 12, lie, header_bytes, header_bytes + 44);
  forge_footer(footer_fixed_bytes + 16, lie);
  expect_refused_at(ErrorCode::corruption, header_bytes + chunk_head_bytes);
}

/// A record that is wrong although every CRC is right: here, an image size beyond the chunk.
TEST_F(SnapshotDamage, AMalformedRecordIsNamedByItsPlace) {
  create();
  node(1, 1, "");
  node(2, 2, "");
  finish();
  std::string content = bytes();
  const std::size_t data = header_bytes + chunk_head_bytes;
  content[data + 26 + 25] = 9;  // the second record's image size
  const std::uint32_t crc = base::crc32c(as_bytes(std::string_view(content).substr(data, 52)));
  set_bytes(content);
  forge(header_bytes + 20, crc, header_bytes, header_bytes + 44);
  expect_refused_at(ErrorCode::corruption, data + 26);
}

TEST_F(SnapshotDamage, AReadErrorIsPassedOn) {
  write_small();
  files.fail_next({.operation = test::Operation::read, .sticky = true});
  const auto content = read();
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().code(), ErrorCode::io);
}

}  // namespace
}  // namespace selvedge::snapshot
