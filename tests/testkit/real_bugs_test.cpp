// Bugs that other systems had in the log and its syncs, provoked here: docs/testing.md lists them
// all. Each test reaches the situation, says so, and holds what is left against the ledger.

#include <array>

#include "tests/testkit/real_bugs_fixture.h"

namespace selvedge::testkit {
namespace {

// SQLite 3.7.0 to 3.51.2: a log that had been checkpointed was begun anew by a commit while a
// second checkpoint ran, which then took the new frames for copied ones.
TEST_F(RealBugs, SqliteWalReset_ACommitIntoAReusedLogDuringACheckpointIsNotSkipped) {
  const Workload workload = of([](Trial& trial) -> Status {
    NodeId a;
    SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
      SELVEDGE_TRY(a, store.create_node({"N"}));
      return {};
    }));
    const auto fill = [&](int first, int count) -> Status {
      for (int i = first; i < first + count; ++i) {
        SELVEDGE_TRY(trial.alone([&](Store& store) {
          return store.set(a, "v", std::string(1'800, static_cast<char>('a' + i)));
        }));
      }
      return {};
    };
    for (int round = 0; round < 2; ++round) {
      SELVEDGE_TRY(fill(4 * round, 4));
      SELVEDGE_TRY(trial.store().checkpoint());
      SELVEDGE_TRY(trial.store().maintain());
    }
    trial.during("checkpoint.node", 1, [&] { return fill(10, 4); });
    SELVEDGE_TRY(trial.store().checkpoint());
    return fill(20, 1);
  });
  run(workload);
  EXPECT_TRUE(std::any_of(trace_.begin(), trace_.end(), [](const Event& each) {
    return each.kind == Event::Kind::rename && is_log(each);
  })) << "no segment was used again";
  expect_sound(workload);
}

// SQLite, its test walcrash4: the sync was left out when a transaction's last frame ended exactly
// on a sector.
TEST_F(RealBugs, SqliteWalcrash4_ACommitThatEndsOnASectorIsSyncedToo) {
  std::size_t reached = 0;
  for (std::size_t bytes = 1; bytes <= 520; bytes += 8) {
    run(of([bytes](Trial& trial) { return add_text(trial, bytes); }));
    const auto last = std::find_if(trace_.rbegin(), trace_.rend(), [](const Event& each) {
      return is_write(each) && is_log(each);
    });
    ASSERT_NE(last, trace_.rend());
    if ((last->offset + last->bytes->bytes.size()) % 512 == 0) {
      ++reached;
      expect_recovers(crash(disk_before(trace_.size()), nothing), {1, 1}, "drop all");
    }
  }
  EXPECT_GT(reached, 0U) << "no frame ended on a sector";
}

// RocksDB 10560: what was appended to a log, and a switch to the next one, while a sync of it ran
// counted as synced; a later log was synced, and the hole before it went unnoticed.
TEST_F(RealBugs, RocksDb10560_WhatIsAppendedDuringASyncIsSyncedByTheNextOne) {
  const Workload workload = of([](Trial& trial) -> Status {
    std::optional<CommitTicket> late;
    SELVEDGE_TRY(add(trial, 1));  // from now on the names are known
    trial.during("wal.written", 1, [&]() -> Status {
      SELVEDGE_TRY(auto tx, trial.store().begin());
      SELVEDGE_TRY(tx.create_node({"N"}));
      SELVEDGE_TRY(late, tx.commit_async());
      return {};
    });
    SELVEDGE_TRY(add(trial, 2));  // its sync is not one of what is appended meanwhile
    SELVEDGE_TRY(trial.alone([&](Store&) { return late->wait(); }));
    return add_text(trial, 4'500);  // in the next segment
  });
  run(workload);
  ASSERT_EQ(ledger_.steps.size(), 4U);
  EXPECT_NE(ledger_.steps[1].state, ledger_.steps[2].state);
  EXPECT_LT(*ledger_.steps[1].acknowledged, *ledger_.steps[2].acknowledged);
  expect_sound(workload);
}

// RocksDB 10185: the manifest named a size of the log as synced that was larger than what had been,
// and after a crash the shorter log was refused.
TEST_F(RealBugs, RocksDb10185_TheManifestVouchesForNoMoreOfTheLogThanWasSynced) {
  run(of(
      [](Trial& trial) -> Status {
        for (int i = 0; i < 12; ++i) {
          SELVEDGE_TRY(add_text(trial, 600));  // a full segment: the next one is listed first
        }
        return trial.store().checkpoint();
      },
      unsynced));
  std::size_t written = 0;
  for (std::size_t event = 0; event < trace_.size(); ++event) {
    if (trace_[event].kind == Event::Kind::rename && is_manifest(trace_[event])) {
      const Disk disk = disk_before(event + 1);
      written += static_cast<std::size_t>(
          std::count_if(disk.pending().begin(), disk.pending().end(),
                        [](const Event* each) { return is_write(*each) && is_log(*each); }));
      expect_recovers(crash(disk, is_manifest), ledger_.bounds(event + 1),
                      "at event " + std::to_string(event));
    }
  }
  EXPECT_GT(written, 0U) << "the manifest was never saved beside an unsynced log";
}

// RocksDB 12918: recovery read on in the stale tail of a recycled log and lost what came after it.
TEST_F(RealBugs, RocksDb12918_TheTailOfARecycledLogIsNeverReplayed) {
  const auto updates = [](SyncMode mode) {
    return of(
        [](Trial& trial) -> Status {
          NodeId a;
          SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
            SELVEDGE_TRY(a, store.create_node({"N"}));
            return {};
          }));
          for (int i = 0; i < 9; ++i) {  // frames of one length: old ones lie where new ones end
            SELVEDGE_TRY(trial.alone([&](Store& store) {
              return store.set(a, "v", std::string(1'500, static_cast<char>('a' + i)));
            }));
            SELVEDGE_TRY(trial.store().maintain());
            if (i % 3 == 2) {
              SELVEDGE_TRY(trial.store().checkpoint());
            }
          }
          return {};
        },
        [mode](Options& options) { options.sync = mode; });
  };
  for (const SyncMode mode : {SyncMode::immediate, SyncMode::batch}) {
    run(updates(mode));
    EXPECT_TRUE(std::any_of(trace_.begin(), trace_.end(), [](const Event& each) {
      return each.kind == Event::Kind::rename && is_log(each);
    })) << "no segment was recycled";
    expect_sound(workload_);
  }
}

// RocksDB 12489: with syncs every so many bytes a newer log could be on disk and an older one not;
// recovery went on behind the hole.
TEST_F(RealBugs, RocksDb12489_ANewerSegmentIsNeverThereWithoutTheOlderOne) {
  run(of(
      [](Trial& trial) -> Status {
        for (int i = 0; i < 12; ++i) {
          SELVEDGE_TRY(add_text(trial, 900));
        }
        return {};
      },
      unsynced));
  std::string newest;
  for (const Event& each : trace_) {
    newest = is_log(each) ? std::max(newest, each.path) : newest;
  }
  EXPECT_GE(newest, "/store/wal/000003");
  for (const std::string& kept : {std::string("000002"), std::string("000003")}) {
    EXPECT_GT(crash_everywhere(
                  [&](const Event& each) { return each.path.find(kept) != std::string::npos; }),
              0U);
  }
}

// RocksDB 12995: after an error of a log write part of a batch was found again, and what was
// written later stood behind it.
TEST_F(RealBugs, RocksDb12995_AfterAFailedLogWriteNoHalfOfATransactionIsFound) {
  run(of([](Trial& trial) -> Status {
    SELVEDGE_TRY(add(trial));
    SELVEDGE_TRY(auto tx, trial.begin());
    for (int i = 0; i < 5; ++i) {
      SELVEDGE_TRY(tx.create_node({"Batch"}, {{"v", std::string(300, 'b')}}));
    }
    Status done = trial.commit(tx);
    if (!done && trial.store().create_node({"Later"})) {
      return fail(ErrorCode::corruption, "the log failed, and writing goes on");
    }
    return done ? add(trial) : std::move(done);
  }));
  std::size_t unknown = 0;
  for (Fault fault : faults(Operation::write, false, Fault::Effect::partial)) {
    fault.code = ErrorCode::io;
    fault.os_error = 5;
    const Status done = run_with(fault);
    unknown += !done && done.error().code() == ErrorCode::unknown_outcome ? 1U : 0U;
    EXPECT_TRUE(done || done.error().code() != ErrorCode::corruption) << done.error().message();
    const Bounds bounds = ledger_.bounds(trace_.size());
    for (const Kept& kept : {Kept(nothing), Kept(everything)}) {
      expect_recovers(crash(disk_before(trace_.size()), kept), bounds, fault.to_string());
    }
  }
  EXPECT_GT(unknown, 0U) << "no write of the log failed";
}

// RocksDB 7784: a log that a full disk had cut, with an empty one behind it, was refused for good.
TEST_F(RealBugs, RocksDb7784_AStoreThatFilledTheDiskOpensAgain) {
  run(of([](Trial& trial) -> Status {
    for (int i = 0; i < 5; ++i) {
      SELVEDGE_TRY(add_text(trial, 1'200));
    }
    return trial.store().checkpoint();
  }));
  std::size_t full = 0;
  for (const Fault& fault : faults(Operation::write, true, Fault::Effect::partial)) {
    full += run_with(fault) ? 0U : 1U;
    const Bounds bounds = ledger_.bounds(trace_.size());
    for (const Kept& kept : {Kept(nothing), Kept(everything)}) {
      const Image image = crash(disk_before(trace_.size()), kept);
      SimFileSystem files(image);
      files.inject({Operation::write, 1, true, Fault::Effect::partial, ErrorCode::disk_full, 28});
      const auto store = Store::open(store_path, Trial::options_of(workload_, files));
      EXPECT_TRUE(store || store.error().code() == ErrorCode::disk_full)
          << fault.to_string() << ": " << store.error().message();
      files.power_off();
      expect_recovers(files.cache(), bounds, fault.to_string() + ", full at the next open too");
    }
  }
  EXPECT_GT(full, 10U);
}

// etcd 14370: with one member a write was acknowledged before its log was synced.
TEST_F(RealBugs, Etcd14370_NothingIsAcknowledgedBeforeItIsSynced) {
  run(of([](Trial& trial) -> Status {
    for (int i = 0; i < 4; ++i) {
      SELVEDGE_TRY(add(trial, i));
    }
    return {};
  }));
  for (std::size_t i = 0; i < ledger_.steps.size(); ++i) {
    ASSERT_TRUE(ledger_.steps[i].acknowledged);
    ASSERT_NE(ledger_.state(i + 1), ledger_.state(i)) << "acknowledged, and not to be seen";
    const std::size_t event = *ledger_.steps[i].acknowledged;
    expect_recovers(crash(disk_before(event), nothing), {i + 1, i + 1},
                    "step " + std::to_string(i + 1));
  }
}

// etcd 6378: appends that were not synced reached the disk in another order, and a log with a gap
// at its end was refused.
TEST_F(RealBugs, Etcd6378_UnsyncedAppendsThatArriveInAnyOrderDoNotKeepItFromStarting) {
  run(of(
      [](Trial& trial) -> Status {
        SELVEDGE_TRY(add(trial));
        SELVEDGE_TRY(trial.sync());
        for (int i = 0; i < 5; ++i) {
          SELVEDGE_TRY(add_text(trial, 500));
        }
        return {};
      },
      unsynced));
  const Disk disk = disk_before(trace_.size());
  std::vector<const Event*> appends;
  std::copy_if(disk.pending().begin(), disk.pending().end(), std::back_inserter(appends),
               [](const Event* each) { return is_write(*each) && is_log(*each); });
  ASSERT_GE(appends.size(), 3U);
  for (const Event* missing : appends) {
    expect_recovers(crash(disk, [&](const Event& each) { return &each != missing; }),
                    ledger_.bounds(trace_.size()), missing->to_string() + " is missing");
    expect_recovers(crash(disk, [&](const Event& each) { return &each == missing; }),
                    ledger_.bounds(trace_.size()), missing->to_string() + " is alone");
  }
}

// Kuzu 5852: recovery stopped at a torn tail and left it; what was appended behind it made it
// damage in the middle of the log, and the second recovery stopped there too.
TEST_F(RealBugs, Kuzu5852_ATornTailIsGoneBeforeAnythingIsAppended) {
  run(of([](Trial& trial) -> Status {
    SELVEDGE_TRY(add(trial));
    return add_text(trial, 1'500);
  }));
  std::size_t torn = 0;
  for (std::size_t event = *ledger_.steps[0].acknowledged; event <= trace_.size(); ++event) {
    const Disk disk = disk_before(event);
    for (std::uint32_t i = 0; i < disk.pending().size(); ++i) {
      const Event& write = *disk.pending()[i];
      if (!is_write(write) || !is_log(write)) {
        continue;
      }
      for (const Tear::Kind kind : {Tear::Kind::head, Tear::Kind::tail, Tear::Kind::hole}) {
        Tear tear;
        tear.pending = i;
        tear.kind = kind;
        tear.fill = Tear::Fill::garbage;
        tear.boundary = (write.offset / 512 + 1) * 512;
        ++torn;
        expect_recovers(crash(disk, everything, tear), {1, 1}, "torn");
      }
    }
  }
  EXPECT_GT(torn, 0U);
  // Damage further up, cut off by a salvage: it must not be met again.
  workload_.configure = [](Options& options) { options.salvage = true; };
  Image image = crash(disk_before(trace_.size()), everything);
  const Bytes log = image.files.at("/store/wal/000001.wal")->bytes;
  for (std::size_t at = 64; at < 2'048; at += 41) {
    Bytes damaged = log;
    damaged[at] ^= std::byte{1};
    expect_recovers(with(image, "/store/wal/000001.wal", damaged), {0, 2},
                    "salvaged at " + std::to_string(at));
  }
  const Workload twice = of(
      [](Trial& trial) -> Status {
        SELVEDGE_TRY(add(trial));
        SELVEDGE_TRY(trial.sync());
        for (int life = 0; life < 2; ++life) {
          SELVEDGE_TRY(add_text(trial, 700));
          SELVEDGE_TRY(add_text(trial, 700));
          SELVEDGE_TRY(add_text(trial, 700));
          SELVEDGE_TRY(trial.lose_power({}, [](std::size_t i, std::size_t) { return i != 0; }));
          SELVEDGE_TRY(add_text(trial, 700));
          SELVEDGE_TRY(trial.sync());
        }
        return {};
      },
      unsynced);
  expect_sound(twice);
}

// PostgreSQL, 2018: a sync that had failed was tried again and succeeded, because the kernel had
// thrown the pages away; a checkpoint then counted on them.
TEST_F(RealBugs, PostgreSql2018_ASyncThatFailedOnceIsNeverBelievedAgain) {
  run(of([](Trial& trial) -> Status {
    SELVEDGE_TRY(add(trial));
    Status done = add(trial, 2);
    if (!done) {
      if (trial.store().sync() || trial.store().create_node({"Later"}) ||
          trial.store().checkpoint()) {
        return fail(ErrorCode::corruption, "the sync failed, and something succeeds later");
      }
      return done;
    }
    return trial.store().checkpoint();
  }));
  std::size_t unknown = 0;
  for (const Fault& fault : faults(Operation::sync, false, Fault::Effect::error)) {
    const Status done = run_with(fault);
    unknown += !done && done.error().code() == ErrorCode::unknown_outcome ? 1U : 0U;
    EXPECT_TRUE(done || done.error().code() != ErrorCode::corruption) << done.error().message();
    expect_recovers(crash(disk_before(trace_.size()), nothing), ledger_.bounds(trace_.size()),
                    fault.to_string());
  }
  EXPECT_GT(unknown, 0U) << "no sync of a commit failed";
}

// Ladybug 714 and 771: an intact log with large strings was refused, or its end was dropped.
TEST_F(RealBugs, Ladybug714And771_LargeStringsComeBackFromAnIntactLog) {
  constexpr std::array<std::size_t, 8> sizes{4'000,  4'032,  4'064,  4'096,
                                             32'768, 65'536, 70'000, 1'000'000};
  const auto text = [](std::size_t bytes) {
    std::string made(bytes, ' ');
    for (std::size_t i = 0; i < bytes; ++i) {
      made[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    }
    return made;
  };
  Workload workload = of([&](Trial& trial) -> Status {
    for (const std::size_t bytes : sizes) {
      SELVEDGE_TRY(trial.alone([&](Store& store) -> Status {
        SELVEDGE_TRY(store.create_node({"N"}, {{"v", text(bytes)}}));
        return {};
      }));
    }
    return trial.die();
  });
  run(workload);
  SimFileSystem files(crash(disk_before(trace_.size()), nothing));
  const auto store = Store::open(store_path, Trial::options_of(workload_, files));
  ASSERT_TRUE(store) << store.error().message();
  std::size_t i = 0;
  const ReadView view = store->read();
  for (auto node = view.nodes(); node.next(); ++i) {
    ASSERT_LT(i, sizes.size());
    EXPECT_TRUE(node.node()["v"].as_string() == text(sizes.at(i))) << sizes.at(i);
  }
  EXPECT_EQ(i, sizes.size());
}

}  // namespace
}  // namespace selvedge::testkit
