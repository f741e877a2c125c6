// What lies beside the log: indexes and filters of segments, and compressed segments.
//
// Input: u8 (bit 0: a compressed segment; else bit 1: a filter) | file.

#include <algorithm>
#include <array>

#include <selvedge/store.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fuzz/memory_files.h"
#include "history/archive.h"
#include "history/entity_filter.h"
#include "history/segment_index.h"
#include "io/file_util.h"

namespace selvedge::fuzz {

namespace {

constexpr std::size_t archive_covered = 72;
constexpr std::size_t archive_head = 76;

void run_index(Input file) {
  const auto index = history::SegmentIndex::decode(file, "/index");
  if (!index) {
    require_answer(index.error(), {ErrorCode::corruption});
    return;
  }
  require(index->encode() == Buffer(file.begin(), file.end()), "an index has one form");
  for (const std::uint64_t sequence : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0},
                                       index->identity().first_sequence, index->next_sequence()}) {
    const history::FramePlace place = index->find(sequence);
    require(place.offset <= index->end_offset(), "a place lies in the segment");
    bool ended = false;
    for (const history::FramePlace& each : index->frames_of(sequence, ended)) {
      require(each.sequence >= sequence, "a transaction's frames come behind its begin");
    }
  }
}

void run_filter(Input file) {
  const auto filter = history::EntityFilter::decode(file, "/filter");
  if (!filter) {
    require_answer(filter.error(), {ErrorCode::corruption});
    return;
  }
  require(filter->encode() == Buffer(file.begin(), file.end()), "a filter has one form");
  for (const std::uint64_t key : {std::uint64_t{256}, std::uint64_t{257}, ~std::uint64_t{0}}) {
    static_cast<void>(filter->may_name(key));
  }
}

void run_archive(Input file) {
  const auto files = memory_files({{"/archive", file}});
  auto archive = history::ArchiveFile::open(*files, "/archive");
  if (!archive) {
    require_answer(archive.error(), {ErrorCode::corruption, ErrorCode::newer_format});
    return;
  }
  const std::uint64_t bytes = must((*archive)->size(), "a size is known");
  std::array<std::byte, 4096> piece{};
  for (std::uint64_t at = 0; at < bytes;) {
    const auto got = io::read_up_to(**archive, at, piece);
    if (!got) {
      require_answer(got.error(), {ErrorCode::corruption});
      return;
    }
    require(*got == std::min<std::uint64_t>(piece.size(), bytes - at), "a sound file is whole");
    at += *got;
  }
}

void run(Input input) {
  if (input.empty()) {
    return;
  }
  const Input file = input.subspan(1);
  if ((input[0] & std::byte{1}) != std::byte{0}) {
    run_archive(file);
  } else if ((input[0] & std::byte{2}) != std::byte{0}) {
    run_filter(file);
  } else {
    run_index(file);
  }
}

void repair(std::span<std::byte> input, std::uint64_t) {
  if (input.empty()) {
    return;
  }
  const auto file = input.subspan(1);
  if ((input[0] & std::byte{1}) == std::byte{0}) {
    if (file.size() >= 4) {
      const auto covered = file.first(file.size() - 4);
      store_le(file.data() + covered.size(), base::crc32c(covered));
    }
    return;
  }
  if (file.size() < archive_head) {
    return;
  }
  const std::size_t rows = load_le<std::uint32_t>(file.data() + 68);
  const auto table =
      file.subspan(archive_head).first(std::min<std::size_t>(rows * 8, file.size() - archive_head));
  store_le(file.data() + archive_covered,
           base::crc32c(base::crc32c(file.first(archive_covered)), table));
}

/// All kinds, from a store that keeps everything.
std::vector<Buffer> seeds() {
  test::MemoryFileSystem files;
  Options options;
  options.file_system = &files;
  options.background_maintenance = false;
  options.segment_bytes = 8 << 10;
  options.log_buffer_bytes = 4 << 10;
  options.transaction_buffer_bytes = 0;
  options.log_retention.everything = true;
  options.log_retention.compression = Compression::zstd;
  {
    Store store = must(Store::open("/store", options), "a store opens");
    for (int round = 0; round < 4; ++round) {
      Transaction tx = must(store.begin(), "a transaction begins");
      for (int i = 0; i < 60; ++i) {
        must(tx.create_node({"Seed"}, {{"i", i}, {"text", std::string(100, 's')}}), "a node");
      }
      must(tx.commit(), "a commit");
      must(store.checkpoint(), "a checkpoint");
      must(store.maintain(), "maintenance");
      must(store.maintain(), "maintenance");
    }
    {
      const Txlog log = must(store.txlog(), "a log");
      EntityHistory past = must(log.history(NodeId{256}), "a history");
      while (past.next()) {
      }
    }
    must(store.close(), "a close");
  }
  std::vector<Buffer> found;
  for (const DirectoryEntry& each : must(files.list("/store/history"), "a directory")) {
    Buffer bytes = get_file(files, "/store/history/" + each.name);
    bytes.insert(bytes.begin(), each.name.ends_with(".zst")   ? std::byte{1}
                                : each.name.ends_with(".flt") ? std::byte{2}
                                                              : std::byte{0});
    found.push_back(std::move(bytes));
  }
  return found;
}

}  // namespace

const Target history_target{"history", run, repair, seeds, std::size_t{64} << 20, 256};

}  // namespace selvedge::fuzz
