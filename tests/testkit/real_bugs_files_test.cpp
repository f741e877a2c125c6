// Bugs that other systems had with files, directories, damage and other stores' logs, provoked
// here: docs/testing.md lists them all.

#include <array>

#include "tests/testkit/real_bugs_fixture.h"

namespace selvedge::testkit {
namespace {

/// Commits and checkpoints until snapshots and segments are dropped and used again.
Status several_checkpoints(Trial& trial, Status (*add_text)(Trial&, std::size_t)) {
  for (int i = 0; i < 9; ++i) {
    SELVEDGE_TRY(add_text(trial, 1'500));
    SELVEDGE_TRY(trial.store().maintain());
    if (i % 3 == 2) {
      SELVEDGE_TRY(trial.store().checkpoint());
    }
  }
  return add_text(trial, 100);  // in the log only
}

class RealBugsOfFiles : public RealBugs {
 protected:
  void run_checkpoints() {
    run(of([](Trial& trial) { return several_checkpoints(trial, &add_text); }));
  }
  /// Events of a kind.
  [[nodiscard]] std::vector<std::size_t> events(Event::Kind kind,
                                                bool (*which)(const Event&)) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < trace_.size(); ++i) {
      if (trace_[i].kind == kind && which(trace_[i])) {
        found.push_back(i);
      }
    }
    EXPECT_FALSE(found.empty());
    return found;
  }
  static bool is_rename(const Event& event) { return event.kind == Event::Kind::rename; }
};

// RocksDB 10573: the file that points to the manifest was renamed and its directory not synced;
// files that only the old one needed were gone already.
TEST_F(RealBugsOfFiles, RocksDb10573_NothingGoesBeforeTheManifestsRenameIsDurable) {
  run_checkpoints();
  const auto lost_renames = [](const Event& each) {
    return !(is_rename(each) && is_manifest(each));
  };
  for (const std::size_t event : events(Event::Kind::unlink, is_snapshot)) {
    const Disk disk = disk_before(event + 1);
    expect_recovers(crash(disk, lost_renames), ledger_.bounds(event + 1), "a snapshot is deleted");
  }
  for (const std::size_t event : events(Event::Kind::rename, is_log)) {
    expect_recovers(crash(disk_before(event + 1), lost_renames), ledger_.bounds(event + 1),
                    "a segment is used again");
  }
  EXPECT_GT(crash_everywhere(lost_renames), 0U);
}

// RocksDB 9922: a recovery made a new manifest durable before the log that it named, or what it had
// read of the old one; a second crash left a store that refused to open.
TEST_F(RealBugsOfFiles, RocksDb9922_ARecoverysManifestNamesNoLogThatACrashCanTake) {
  const auto lives = [](SyncMode mode) {
    return of(
        [](Trial& trial) -> Status {
          for (int i = 0; i < 3; ++i) {
            SELVEDGE_TRY(add_text(trial, 700));
          }
          SELVEDGE_TRY(trial.die());  // what was written is there, and not durable
          SELVEDGE_TRY(add(trial));
          return trial.lose_power({}, [](std::size_t i, std::size_t) { return i % 2 == 0; });
        },
        [mode](Options& options) {
          options.sync = mode;
          options.log_buffer_bytes = 1 << 10;
        });
  };
  expect_sound(lives(SyncMode::none), 2);
  expect_sound(lives(SyncMode::immediate), 2);
}

// RocksDB 14780: an edit of the manifest was durable and the directory entry of the file that it
// added was not.
TEST_F(RealBugsOfFiles, RocksDb14780_ASnapshotsNameIsDurableBeforeTheManifestListsIt) {
  run_checkpoints();
  EXPECT_GT(crash_everywhere(is_manifest), 0U);
  for (const std::size_t event : events(Event::Kind::rename, is_manifest)) {
    const Disk disk = disk_before(event + 1);
    for (const Event* each : disk.pending()) {
      EXPECT_FALSE(is_rename(*each) && is_snapshot(*each))
          << "the manifest is replaced, and may list " << each->to;
    }
  }
}

// etcd 6368: a directory was renamed to its final name without a sync of the parent; after a power
// loss the log, with acknowledged entries, was not there.
TEST_F(RealBugsOfFiles, Etcd6368_ANewStoresDirectoryIsDurableWhenItIsOpen) {
  run(of([](Trial& trial) { return add(trial); }));
  const Image first = crash(disk_before(ledger_.steps[0].issued), nothing);
  EXPECT_EQ(first.directories.count(store_path), 1U);
  EXPECT_EQ(first.files.count(std::string(store_path) + "/MANIFEST"), 1U);
  expect_recovers(crash(disk_before(*ledger_.steps[0].acknowledged), nothing), {1, 1}, "drop all");
  SimFileSystem files(first);
  Options options = Trial::options_of(workload_, files);
  options.create_if_missing = false;
  EXPECT_TRUE(Store::open(store_path, options));
}

// LevelDB 195: the unlink of the old file reached the disk before the rename of the new one.
TEST_F(RealBugsOfFiles, LevelDb195_AnUnlinkMayOvertakeEveryRename) {
  run_checkpoints();
  const auto is_unlink = [](const Event& each) { return each.kind == Event::Kind::unlink; };
  EXPECT_GT(crash_everywhere(is_unlink), 0U);
  EXPECT_GT(crash_everywhere([](const Event& each) { return !is_rename(each) || is_log(each); }),
            0U);
}

// LevelDB 74: CURRENT was renamed over the old one, its bytes never synced.
TEST_F(RealBugsOfFiles, LevelDb74_TheManifestHasItsBytesBeforeItHasItsName) {
  run_checkpoints();
  EXPECT_GT(crash_everywhere(is_rename), 0U);
  for (const std::size_t event : events(Event::Kind::rename, is_manifest)) {
    const Disk disk = disk_before(event + 1);
    for (const Event* each : disk.pending()) {
      EXPECT_FALSE(is_write(*each) && each->inode == trace_[event].inode) << each->to_string();
    }
  }
}

// LevelDB 1081: the error of a close() was dropped, and with it that of delayed writes.
TEST_F(RealBugsOfFiles, LevelDb1081_AfterAFailedCloseEverythingAcknowledgedIsDurable) {
  run(of([](Trial& trial) -> Status {
    SELVEDGE_TRY(add_text(trial, 3'000));
    SELVEDGE_TRY(add_text(trial, 3'000));
    SELVEDGE_TRY(trial.store().checkpoint());
    SELVEDGE_TRY(trial.reopen());
    return add(trial);
  }));
  for (const Fault& fault : faults(Operation::close, false, Fault::Effect::error)) {
    const Status done = run_with(fault);
    EXPECT_TRUE(!done || ledger_.steps.size() == 3) << fault.to_string();
    expect_recovers(crash(disk_before(trace_.size()), nothing), ledger_.bounds(trace_.size()),
                    fault.to_string());
  }
}

// Kuzu 5777: the log of a database that was deleted lay beside a new one and was replayed into it.
TEST_F(RealBugsOfFiles, Kuzu5777_TheLogOfAnotherStoreIsNeverReplayed) {
  run(of([](Trial& trial) -> Status {
    SELVEDGE_TRY(add(trial, 1));
    return add(trial, 2);
  }));
  const Image mine = left_;
  Image orphaned = mine;  // everything was deleted but the log
  std::erase_if(orphaned.files,
                [](const auto& file) { return file.first.find("/wal/") == std::string::npos; });
  EXPECT_TRUE(right_or_refused(orphaned, 2, "a log without its store"));

  SimFileSystem files;  // another store, which has the same names for its files
  std::array<std::byte, 8> other_numbers{};
  files.random(other_numbers);
  Options options = Trial::options_of(workload_, files);
  {
    auto other = Store::open(store_path, options);
    ASSERT_TRUE(other);
    ASSERT_TRUE(other->create_node({"Other"}));
    files.power_off();
  }
  const Image theirs = files.cache();
  for (const char* name : {"/store/wal/000001.wal", "/store/wal/000002.wal"}) {
    Image mixed = mine;
    mixed.files[name] = theirs.files.at("/store/wal/000001.wal");
    const bool own_log_is_gone = std::string(name) == "/store/wal/000001.wal";
    EXPECT_EQ(right_or_refused(mixed, 2, name), own_log_is_gone) << name;
  }
}

// DuckDB 24260: a checkpoint that failed left its marker in the log, and what was committed after
// it was lost at the next start.
TEST_F(RealBugsOfFiles, DuckDb24260_WhatAFailedCheckpointLeavesIsInNobodysWay) {
  run(of([](Trial& trial) -> Status {
    SELVEDGE_TRY(add(trial, 1));
    const bool failed = !trial.store().checkpoint();
    if (trial.store().stats().poisoned) {
      return fail(ErrorCode::poisoned, "the log itself failed");
    }
    SELVEDGE_TRY(add(trial, 2));
    if (failed && !trial.store().checkpoint()) {
      return fail(ErrorCode::corruption, "a checkpoint that failed once fails again");
    }
    SELVEDGE_TRY(add(trial, 3));
    return trial.die();
  }));
  std::size_t went_on = 0;
  for (const Fault& fault : plan_) {
    if (fault.sticky) {
      continue;
    }
    const Status done = run_with(fault);
    EXPECT_TRUE(done || done.error().code() != ErrorCode::corruption)
        << fault.to_string() << ": " << done.error().message();
    went_on += done ? 1U : 0U;
    expect_recovers(crash(disk_before(trace_.size()), nothing), ledger_.bounds(trace_.size()),
                    fault.to_string());
  }
  EXPECT_GT(went_on, 20U);
}

// sled 1077: data was synced and the file's new length was not.
TEST_F(RealBugsOfFiles, Sled1077_AFileMayKeepItsOldLength) {
  run_checkpoints();
  Disk disk{Image{}};
  std::size_t reached = 0;
  std::unordered_set<std::uint64_t> seen;
  for (std::size_t event = 0; event <= trace_.size() && !HasFailure(); ++event) {
    for (std::uint32_t i = 0; i < disk.pending().size(); ++i) {
      if (!is_write(*disk.pending()[i])) {
        continue;
      }
      for (const Tear::Kind kind : {Tear::Kind::data_only, Tear::Kind::size_only}) {
        Tear tear;
        tear.pending = i;
        tear.kind = kind;
        const Image image = crash(disk, everything, tear);
        if (seen.insert(image.hash()).second) {
          ++reached;
          expect_recovers(image, ledger_.bounds(event), "before event " + std::to_string(event));
        }
      }
    }
    if (event < trace_.size()) {
      disk.apply(trace_[event]);
    }
  }
  EXPECT_GT(reached, 20U);
}

// TigerBeetle: sectors that were written to the wrong place, and padding that nobody checked.
TEST_F(RealBugsOfFiles, TigerBeetle_MisdirectedSectorsAndDirtyPaddingAreSeen) {
  run_checkpoints();
  const Image image = closed();
  constexpr std::size_t sector = 512;
  std::size_t refused = 0;
  std::size_t padding = 0;
  const std::size_t all = ledger_.steps.size();
  for (const auto& [path, content] : image.files) {
    const Bytes& bytes = content->bytes;
    for (std::size_t to = 0; to + sector <= bytes.size(); to += sector) {
      for (const auto& [from, other] : image.files) {
        if (other->bytes.size() < 2 * sector || (from == path && to == sector)) {
          continue;
        }
        Bytes damaged = bytes;
        std::copy_n(other->bytes.begin() + sector, sector,
                    damaged.begin() + static_cast<std::ptrdiff_t>(to));
        const bool is_refused =
            right_or_refused(with(image, path, damaged), all, from + " over " + path);
        refused += is_refused ? 1U : 0U;
        EXPECT_FALSE(is_refused && path.find("/snapshots/") != std::string::npos)
            << from << " over " << path << ": the other snapshot does not stand in";
      }
    }
    for (std::size_t at = 3; at < bytes.size(); at += 8) {
      if (bytes[at] == std::byte{0}) {
        Bytes damaged = bytes;
        damaged[at] = std::byte{0x5a};
        ++padding;
        right_or_refused(with(image, path, damaged), all, path + " at " + std::to_string(at));
      }
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_GT(padding, 100U);
}

// Memgraph 4742: with damaged files it started with an empty database.
TEST_F(RealBugsOfFiles, Memgraph4742_DamagedFilesAreNeverAnEmptyStore) {
  run_checkpoints();
  const Image image = closed();
  std::size_t refused = 0;
  const auto damage = [&](const char* what, const std::function<bool(const std::string&)>& which,
                          const std::function<Bytes(const Bytes&)>& change) {
    Image damaged = image;
    for (const auto& [path, content] : image.files) {
      if (which(path)) {
        damaged = with(damaged, path, change(content->bytes));
      }
    }
    refused += right_or_refused(damaged, ledger_.steps.size(), what) ? 1U : 0U;
  };
  const std::array<std::pair<const char*, std::function<Bytes(const Bytes&)>>, 3> ways{{
      {"emptied", [](const Bytes&) { return Bytes{}; }},
      {"zeroed", [](const Bytes& bytes) { return Bytes(bytes.size()); }},
      {"cut",
       [](const Bytes& bytes) {
         return Bytes(bytes.begin(),
                      bytes.begin() + std::min<std::ptrdiff_t>(40, std::ssize(bytes)));
       }},
  }};
  for (const auto& [name, change] : ways) {
    damage(
        name, [](const std::string&) { return true; }, change);
    for (const char* part : {"/wal/", "/snapshots/", "/MANIFEST"}) {
      damage(
          name, [part](const std::string& path) { return path.find(part) != std::string::npos; },
          change);
    }
  }
  EXPECT_EQ(refused, ways.size() * 4);
  for (const auto& [path, content] : image.files) {
    Image lost = image;
    lost.files.erase(path);
    right_or_refused(lost, ledger_.steps.size(), path + " is lost");
  }
  for (const char* part : {"/wal/", "/snapshots/", "/MANIFEST"}) {
    Image lost = image;
    std::erase_if(lost.files,
                  [&](const auto& file) { return file.first.find(part) != std::string::npos; });
    EXPECT_TRUE(right_or_refused(lost, ledger_.steps.size(), std::string(part) + " is lost"));
  }
}

// Grafeo: one flipped bit in the log ended it there, and all later commits were gone without a
// word.
TEST_F(RealBugsOfFiles, Grafeo_AFlippedBitDoesNotEndTheLogSilently) {
  run(of([](Trial& trial) -> Status {
    for (int i = 0; i < 6; ++i) {
      SELVEDGE_TRY(add_text(trial, 900));
    }
    return {};
  }));
  std::size_t refused = 0;
  const std::size_t all = ledger_.steps.size();
  for (const auto& [path, content] : left_.files) {
    if (path.find("/wal/") == std::string::npos) {
      continue;
    }
    for (std::size_t bit = 0; bit < content->bytes.size() * 8; bit += 61) {
      Bytes damaged = content->bytes;
      damaged[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      // The last group cannot be told from one that was never synced.
      refused += right_or_refused(with(left_, path, damaged), all - 1,
                                  path + ", bit " + std::to_string(bit))
                     ? 1U
                     : 0U;
    }
  }
  EXPECT_GT(refused, 100U);
}

}  // namespace
}  // namespace selvedge::testkit
