// A whole store, one file of which is foreign bytes.
//
// Input: u8 choice | bytes of the file. The low bits of the choice pick one file of all golden
// stores; the high ones say how the store is opened.

#include <selvedge/store.h>

#include "base/bytes.h"
#include "fuzz/golden.h"
#include "fuzz/memory_files.h"
#include "fuzz/repair.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot_reader.h"

namespace selvedge::fuzz {

namespace {

namespace choice_bits {
constexpr unsigned file = 0x0f;
constexpr unsigned read_only = 0x20;  // first, and then for writing
constexpr unsigned salvage = 0x40;
constexpr unsigned listed = 0x80;  // the manifest lists the snapshot as it is now
}  // namespace choice_bits

struct Place {
  const GoldenStore* store = nullptr;
  const GoldenFile* file = nullptr;
};

std::vector<Place> all_places() {
  std::vector<Place> places;
  for (const GoldenStore& store : golden_stores()) {
    for (const GoldenFile& file : store.files) {
      places.push_back({&store, &file});
    }
  }
  return places;
}

Place place_of(std::byte choice) {
  static const std::vector<Place> places = all_places();
  return places[(std::to_integer<unsigned>(choice) & choice_bits::file) % places.size()];
}

/// As if the store itself had written this snapshot: what stands behind that check is reached.
void list_snapshot(FileSystem& files, const std::string& name) {
  const auto reader = snapshot::SnapshotReader::open(files, "/db/snapshots/" + name);
  if (!reader) {
    return;
  }
  auto manifest = must(snapshot::Manifest::load(files, "/db"), "a golden manifest can be read");
  for (snapshot::ManifestSnapshot& each : manifest.snapshots) {
    if (each.file == name) {
      each.begin = reader->footer().begin;
      each.end = reader->footer().end;
      each.low_water = reader->footer().low_water;
      each.digest = reader->footer().digest.to_string();
      manifest.watermark = std::max(manifest.watermark, each.end);
    }
  }
  manifest.store = reader->store();
  must(manifest.save(files, "/db"), "a manifest can be written");
}

std::unique_ptr<test::MemoryFileSystem> make_files(unsigned choice, Place place, Input bytes) {
  auto files = std::make_unique<test::MemoryFileSystem>();
  for (const char* const each : {"/db", "/db/wal", "/db/snapshots"}) {
    must(files->mkdir(each), "a directory can be made");
  }
  for (const GoldenFile& file : place.store->files) {
    put_file(*files, "/db/" + file.path, &file == place.file ? bytes : Input(file.bytes));
  }
  constexpr std::string_view folder = "snapshots/";
  if ((choice & choice_bits::listed) != 0 && place.file->path.starts_with(folder)) {
    list_snapshot(*files, place.file->path.substr(folder.size()));
  }
  for (const char* const each : {"/", "/db", "/db/wal", "/db/snapshots"}) {
    must(files->sync_dir(each), "a directory can be synced");
  }
  return files;
}

Options options_for(FileSystem& files, unsigned choice) {
  Options options;
  options.file_system = &files;
  options.background_maintenance = false;
  options.recovery_threads = 1;
  options.salvage = (choice & choice_bits::salvage) != 0;
  options.segment_bytes = std::uint64_t{32} << 10;
  options.log_buffer_bytes = 4096;
  // An id may name any of 2^36 slots: the graph's memory is what this limit is for.
  options.memory_limit_bytes = std::uint64_t{64} << 20;
  return options;
}

/// Nothing, if the bytes were refused.
std::optional<Store> open(const Options& options) {
  auto store = Store::open("/db", options);
  if (!store) {
    require_answer(store.error(),
                   {ErrorCode::corruption, ErrorCode::newer_format, ErrorCode::out_of_memory});
    return std::nullopt;
  }
  return *std::move(store);
}

void check_sound(const Store& store) {
  const CheckReport report = store.check();
  require(report.faults.empty(), report.faults.empty() ? "" : report.faults.front());
  require(!store.recovery_report().to_json().empty(), "a report can be written");
}

/// What was opened can be written to, and is there again after that.
void go_on(Store& store, const Options& options) {
  std::string digest;
  const auto fresh = store.create_node({"Fresh"}, {{"text", "of a new life"}});
  if (!fresh) {
    require_answer(fresh.error(), {ErrorCode::out_of_memory, ErrorCode::exhausted});
  }
  check_sound(store);
  digest = store.digest();
  must(store.close(), "an opened store can be closed");
  Options again = options;
  again.salvage = false;
  auto second = Store::open("/db", again);
  const Store reopened = must(std::move(second), "a store that was closed opens");
  require(reopened.digest() == digest, "what was closed is opened");
}

void run(Input input) {
  if (input.empty()) {
    return;
  }
  const auto choice = std::to_integer<unsigned>(input[0]);
  const auto files = make_files(choice, place_of(input[0]), input.subspan(1));
  const Options options = options_for(*files, choice);
  std::optional<std::string> seen;
  if ((choice & choice_bits::read_only) != 0) {
    Options reading = options;
    reading.read_only = true;
    if (const auto store = open(reading)) {
      check_sound(*store);
      seen = store->digest();
    }
  }
  auto store = open(options);
  require((choice & choice_bits::read_only) == 0 || store.has_value() == seen.has_value(),
          "what can be read can be opened");
  if (!store) {
    return;
  }
  check_sound(*store);
  const std::string digest = store->digest();
  require(!seen || *seen == digest, "a reader sees what a writer opens");
  // What was recovered is durable before anything is built on it.
  const auto crashed = files->crash(test::Keep::nothing, 1);
  Options after = options_for(*crashed, choice & ~choice_bits::salvage);
  const Store again = must(Store::open("/db", after), "a recovered store survives a power failure");
  require(again.digest() == digest, "a power failure takes nothing that was recovered");
  go_on(*store, options);
}

void repair(std::span<std::byte> input, std::uint64_t choice) {
  if (input.empty()) {
    return;
  }
  const std::string& path = place_of(input[0]).file->path;
  const auto bytes = input.subspan(1);
  if (path.starts_with("wal/")) {
    repair_segment(bytes, choice % 4 != 0);
  } else if (path.starts_with("snapshots/")) {
    repair_snapshot(bytes, choice % 4 != 0);
  } else {
    repair_manifest(bytes);
  }
}

std::vector<Buffer> seeds() {
  std::vector<Buffer> result;
  const auto places = all_places();
  for (std::size_t i = 0; i < places.size(); ++i) {
    const bool snapshot = places[i].file->path.starts_with("snapshots/");
    for (const unsigned bits :
         {0u, choice_bits::read_only, choice_bits::salvage, snapshot ? choice_bits::listed : 0u}) {
      Buffer seed = {static_cast<std::byte>(i | bits)};
      seed.insert(seed.end(), places[i].file->bytes.begin(), places[i].file->bytes.end());
      result.push_back(std::move(seed));
    }
  }
  return result;
}

}  // namespace

// The engine's buffers and windows, and the golden files several times.
const Target store_target{"store", run, repair, seeds, std::size_t{64} << 20, 1024};

}  // namespace selvedge::fuzz
