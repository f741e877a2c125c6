// What the tests named after other systems' bugs share: a run on a simulated disk, and crashes of
// it that keep exactly what such a bug needs.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/testkit/explorer.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "testkit/fault_plan.h"
#include "testkit/verify.h"

namespace selvedge::testkit {

class RealBugs : public ::testing::Test {
 protected:
  using Kept = std::function<bool(const Event&)>;

  static Workload of(std::function<Status(Trial&)> body,
                     std::function<void(Options&)> configure = {}) {
    Workload workload;
    workload.name = "real bug";
    workload.body = std::move(body);
    workload.configure = std::move(configure);
    return workload;
  }
  static void unsynced(Options& options) {
    options.sync = SyncMode::none;
    options.log_buffer_bytes = 1 << 10;
  }

  // --- what a body does ---
  static Status add(Trial& trial, int value = 1) {
    return trial.alone([&](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"N"}, {{"v", value}}));
      return {};
    });
  }
  static Status add_text(Trial& trial, std::size_t bytes) {
    return trial.alone([&](Store& store) -> Status {
      SELVEDGE_TRY(store.create_node({"N"}, {{"v", std::string(bytes, 't')}}));
      return {};
    });
  }

  // --- a run ---
  void run(Workload workload) {
    workload_ = std::move(workload);
    SimFileSystem files;
    Trial trial(workload_, files);
    const Status done = trial.execute();
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_FALSE(trial.violation()) << *trial.violation();
    ledger_ = reference_ = trial.ledger();
    trace_ = files.trace();
    plan_ = fault_plan(files);
    left_ = files.cache();
  }
  /// The same again, with one failure. What it was told counts.
  Status run_with(const Fault& fault) {
    SimFileSystem files;
    files.inject(fault);
    Trial trial(workload_, files, &reference_);
    Status done = trial.execute();
    EXPECT_FALSE(trial.violation()) << fault.to_string() << ": " << *trial.violation();
    ledger_ = trial.ledger();
    trace_ = files.trace();
    left_ = files.cache();
    return done;
  }
  [[nodiscard]] std::vector<Fault> faults(Operation operation, bool sticky,
                                          Fault::Effect effect) const {
    std::vector<Fault> chosen;
    std::copy_if(plan_.begin(), plan_.end(), std::back_inserter(chosen), [&](const Fault& each) {
      return each.operation == operation && each.sticky == sticky && each.effect == effect;
    });
    EXPECT_FALSE(chosen.empty());
    return chosen;
  }

  // --- crashes ---
  [[nodiscard]] Disk disk_before(std::size_t event) const {
    Disk disk{Image{}};
    for (std::size_t i = 0; i < event; ++i) {
      disk.apply(trace_[i]);
    }
    return disk;
  }
  static Image crash(const Disk& disk, const Kept& kept, std::optional<Tear> tear = {}) {
    Keep keep;
    for (const Event* each : disk.pending()) {
      keep.kept.push_back(kept(*each));
    }
    keep.tear = tear;
    return disk.crash(keep);
  }
  static bool nothing(const Event&) { return false; }
  static bool everything(const Event&) { return true; }
  static bool is_log(const Event& event) { return event.path.find("/wal/") != std::string::npos; }
  static bool is_snapshot(const Event& event) {
    return event.path.find("/snapshots/") != std::string::npos;
  }
  static bool is_manifest(const Event& event) {
    return event.path.find("/MANIFEST") != std::string::npos;
  }
  static bool is_write(const Event& event) { return event.kind == Event::Kind::write; }

  void expect_recovers(const Image& image, Bounds bounds, const std::string& where) {
    const Verified verified(workload_, image, ledger_, bounds);
    ASSERT_FALSE(verified.fault()) << where << ": " << *verified.fault();
    Disk disk(image);
    for (const Event& event : verified.trace()) {
      disk.apply(event);
    }
    const auto later = verified.second_life(crash(disk, nothing));
    EXPECT_FALSE(later) << where << ": " << *later;
  }
  /// A crash before each event that keeps exactly this of what is pending. Returns in how many
  /// different images some of it was kept.
  std::size_t crash_everywhere(const Kept& kept) {
    Disk disk{Image{}};
    std::unordered_set<std::uint64_t> seen;
    std::size_t reached = 0;
    for (std::size_t event = 0; event <= trace_.size() && !HasFailure(); ++event) {
      const auto& pending = disk.pending();
      const bool any = std::any_of(pending.begin(), pending.end(),
                                   [&](const Event* each) { return kept(*each); });
      const Image image = crash(disk, kept);
      const Bounds bounds = ledger_.bounds(event);
      if (seen.insert(image.hash() + bounds.lower * 31 + bounds.upper * 37).second) {
        reached += any ? 1U : 0U;
        expect_recovers(image, bounds, "before event " + std::to_string(event));
      }
      if (event < trace_.size()) {
        disk.apply(trace_[event]);
      }
    }
    return reached;
  }
  static Counts expect_sound(const Workload& workload, unsigned depth = 1, bool faults = false) {
    ExploreOptions options;
    options.depth = depth;
    options.faults = faults;
    const Exploration found = Explorer(options).explore(workload);
    for (const Violation& each : found.violations) {
      ADD_FAILURE() << each.what << "\n" << each.token << "\n" << each.trace;
    }
    EXPECT_GT(found.counts.distinct_images, 20U);
    return found.counts;
  }

  // --- damage ---
  /// Closes what the run left, and returns the files as they lie there then.
  Image closed() {
    SimFileSystem files(left_);
    {
      auto store = Store::open(store_path, Trial::options_of(workload_, files));
      EXPECT_TRUE(store) << store.error().message();
      EXPECT_TRUE(store->close());
    }
    return files.cache();
  }
  static Image with(Image image, const std::string& path, Bytes bytes) {
    image.files[path] = std::make_shared<Blob>(std::move(bytes));
    return image;
  }
  /// Right, or refused with the file's name and nothing changed. Returns whether it was refused.
  bool right_or_refused(const Image& image, std::size_t steps_min, const std::string& what) {
    SimFileSystem files(image);
    const auto store = Store::open(store_path, Trial::options_of(workload_, files));
    if (!store) {
      EXPECT_FALSE(store.error().path().empty()) << what << ": " << store.error().message();
      EXPECT_EQ(files.events(), 0U) << what << ": the refusal changed the disk";
      return true;
    }
    std::size_t steps = 0;
    const auto wrong =
        compare_state(*store, workload_, ledger_, {steps_min, ledger_.steps.size()}, steps);
    EXPECT_FALSE(wrong) << what << ": " << *wrong;
    files.power_off();
    return false;
  }

  Workload workload_;
  Ledger reference_;
  Ledger ledger_;
  std::vector<Event> trace_;
  std::vector<Fault> plan_;
  Image left_;
};

}  // namespace selvedge::testkit
