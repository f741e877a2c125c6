#include <gtest/gtest.h>
#include <selvedge/testkit/disk.h>
#include <selvedge/testkit/sim_file_system.h>

#include <algorithm>
#include <set>
#include <string>

namespace selvedge::testkit {
namespace {

class Sim : public ::testing::Test {
 protected:
  std::unique_ptr<File> open(const std::string& path, OpenMode mode = OpenMode::create) {
    auto file = files.open(path, mode);
    EXPECT_TRUE(file) << file.error().message();
    return file ? *std::move(file) : nullptr;
  }
  static std::size_t write(File& file, std::uint64_t offset, std::string_view text) {
    const auto done = file.pwrite(offset, std::as_bytes(std::span(text)));
    return done ? *done : 0;
  }
  static std::string text_of(const Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static std::string text_in(const Image& image, const std::string& path) {
    const auto found = image.files.find(path);
    return found == image.files.end() ? "(none)" : text_of(found->second->bytes);
  }
  Disk disk() const {
    Disk result{Image{}};
    for (const Event& event : files.trace()) {
      result.apply(event);
    }
    return result;
  }
  Image dropped() const {
    const Disk after = disk();
    return after.crash({std::vector<bool>(after.pending().size(), false), {}, {}});
  }
  Image kept() const {
    const Disk after = disk();
    return after.crash({std::vector<bool>(after.pending().size(), true), {}, {}});
  }
  static void must(const Status& status) { ASSERT_TRUE(status) << status.error().message(); }

  SimFileSystem files;
};

TEST_F(Sim, ReadersSeeTheCache) {
  const auto file = open("/a");
  EXPECT_EQ(write(*file, 2, "xyz"), 3U);
  Bytes bytes(9);
  const auto got = open("/a", OpenMode::read)->pread(1, bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, 4U);
  EXPECT_EQ(text_of(bytes).substr(0, 4), std::string("\0xyz", 4));
  EXPECT_EQ(*file->size(), 5U);
  must(file->truncate(3));
  must(file->allocate(2));
  EXPECT_EQ(*file->size(), 3U);
  must(file->allocate(4));
  EXPECT_EQ(*file->size(), 4U);
  EXPECT_EQ(text_in(files.cache(), "/a"), std::string("\0\0x\0", 4));
}

TEST_F(Sim, NamesBehaveAsOnADisk) {
  EXPECT_FALSE(files.open("/a", OpenMode::read));
  EXPECT_FALSE(files.open("/none/a", OpenMode::create));
  must(files.mkdir("/d"));
  EXPECT_FALSE(files.mkdir("/d"));
  EXPECT_FALSE(files.mkdir("/e/f"));
  open("/d/a");
  open("/d/b");
  EXPECT_FALSE(files.open("/d/a", OpenMode::create_new));
  must(files.rename("/d/a", "/d/b"));
  EXPECT_FALSE(files.rename("/d/a", "/d/c"));
  const auto listed = files.list("/d");
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ(listed->front().name, "b");
  EXPECT_EQ(*files.kind("/d"), FileKind::directory);
  EXPECT_EQ(*files.kind("/d/b"), FileKind::file);
  must(files.unlink("/d/b"));
  EXPECT_FALSE(files.unlink("/d/b"));
  EXPECT_EQ(*files.kind("/d/b"), FileKind::none);
  const auto held = files.lock("/LOCK");
  ASSERT_TRUE(held);
  EXPECT_FALSE(files.lock("/LOCK"));
}

TEST_F(Sim, NothingIsDurableWithoutBothSyncs) {
  const auto file = open("/a");
  write(*file, 0, "one");
  EXPECT_EQ(text_in(dropped(), "/a"), "(none)");
  EXPECT_EQ(text_in(kept(), "/a"), "one");
  must(file->sync_data());
  EXPECT_EQ(text_in(dropped(), "/a"), "(none)") << "its name is not durable";
  must(files.sync_dir("/"));
  EXPECT_EQ(text_in(dropped(), "/a"), "one");
  write(*file, 1, "w");
  EXPECT_EQ(text_in(dropped(), "/a"), "one");
  EXPECT_EQ(text_in(kept(), "/a"), "owe");
}

TEST_F(Sim, ASyncIsForItsFileAndItsDirectoryOnly) {
  must(files.mkdir("/d"));
  const auto first = open("/d/a");
  const auto second = open("/b");
  write(*first, 0, "1");
  write(*second, 0, "2");
  must(first->sync());
  must(files.sync_dir("/"));
  EXPECT_EQ(text_in(dropped(), "/d/a"), "(none)");
  EXPECT_EQ(text_in(dropped(), "/b"), "");
  must(files.sync_dir("/d"));
  EXPECT_EQ(text_in(dropped(), "/d/a"), "1");
}

TEST_F(Sim, WhatStandsInALostDirectoryIsLost) {
  must(files.mkdir("/d"));
  const auto file = open("/d/a");
  write(*file, 0, "1");
  must(file->sync());
  must(files.sync_dir("/d"));
  EXPECT_TRUE(dropped().files.empty());
  EXPECT_TRUE(dropped().directories.empty());
}

TEST_F(Sim, AFailedSyncLosesWhatWasPendingAndTheNextOneLies) {
  const auto file = open("/a");
  must(files.sync_dir("/"));
  write(*file, 0, "old");
  must(file->sync());
  write(*file, 0, "new");
  Fault fault;
  fault.operation = Operation::sync;
  files.inject(fault);
  EXPECT_FALSE(file->sync());
  must(file->sync());
  EXPECT_EQ(text_in(files.cache(), "/a"), "new");
  EXPECT_EQ(text_in(kept(), "/a"), "old");
}

TEST_F(Sim, FaultsComeWhereTheyAreDue) {
  const auto file = open("/a");
  Fault fault;
  fault.nth = 2;
  files.inject(fault);
  EXPECT_EQ(write(*file, 0, "aa"), 2U);
  EXPECT_EQ(files.fault_event(), files.events());
  EXPECT_FALSE(files.fault_met());
  EXPECT_EQ(write(*file, 0, "bb"), 0U);
  EXPECT_TRUE(files.fault_met());
  EXPECT_EQ(write(*file, 0, "cc"), 2U) << "once";
  fault.nth = 1;
  fault.sticky = true;
  fault.effect = Fault::Effect::partial;
  fault.code = ErrorCode::disk_full;
  files.inject(fault);
  const auto failed = file->pwrite(0, std::as_bytes(std::span(std::string_view("dddd"))));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::disk_full);
  EXPECT_EQ(text_in(files.cache(), "/a"), "dd");
  EXPECT_EQ(write(*file, 0, "ee"), 0U) << "for good";
  fault.sticky = false;
  fault.effect = Fault::Effect::short_result;
  files.inject(fault);
  EXPECT_EQ(write(*file, 0, "ffff"), 2U);
  fault.operation = Operation::read;
  files.inject(fault);
  Bytes bytes(2);
  EXPECT_EQ(*file->pread(0, bytes), 1U);
  files.power_off();
  EXPECT_FALSE(file->sync());
  EXPECT_EQ(write(*file, 0, "gg"), 0U);
}

// --- the choices of a crash --------------------------------------------------------------------

class Choices : public Sim {
 protected:
  std::vector<Keep> all(std::uint64_t seed = 1) const {
    std::vector<Keep> choices;
    enumerate(disk(), seed, [&](const Keep& keep) {
      choices.push_back(keep);
      return true;
    });
    return choices;
  }
  std::set<std::string> texts(Strategy strategy) const {
    std::set<std::string> found;
    const Disk after = disk();
    for (const Keep& keep : all()) {
      if (keep.strategy == strategy) {
        found.insert(text_in(after.crash(keep), "/a"));
      }
    }
    return found;
  }
};

TEST_F(Choices, AllSubsetsOfFewPendingOperations) {
  const auto file = open("/a");
  must(files.sync_dir("/"));
  write(*file, 0, "1");
  write(*file, 1, "2");
  write(*file, 2, "3");
  const std::string nul(1, '\0');
  std::set<std::string> found;
  const Disk after = disk();
  for (const Keep& keep : all()) {
    found.insert(text_in(after.crash(keep), "/a"));
  }
  for (const std::string& each :
       {std::string(), std::string("1"), nul + "2", std::string("12"), nul + nul + "3",
        "1" + nul + "3", nul + "23", std::string("123")}) {
    EXPECT_TRUE(found.count(each) == 1) << each;
  }
}

TEST_F(Choices, ManyPendingOperationsAreSampledBySeed) {
  const auto file = open("/a");
  for (int i = 0; i < 100; ++i) {
    write(*file, static_cast<std::uint64_t>(i), "x");
  }
  const auto key = [](const std::vector<Keep>& choices) {
    std::string text;
    for (const Keep& keep : choices) {
      text += CrashPoint{0, keep}.to_string() + "\n";
    }
    return text;
  };
  const auto choices = all(1);
  EXPECT_EQ(std::count_if(choices.begin(), choices.end(),
                          [](const Keep& keep) { return keep.strategy == Strategy::subset; }),
            64);
  EXPECT_EQ(key(all(1)), key(all(1)));
  EXPECT_NE(key(all(1)), key(all(2)));
}

TEST_F(Choices, WritesAreTornAtSectors) {
  const auto file = open("/a");
  must(files.sync_dir("/"));
  write(*file, 0, std::string(2048, 'o'));
  must(file->sync());
  write(*file, 100, std::string(1500, 'n'));
  const auto found = texts(Strategy::torn);
  const std::string zeros(512, '\0');
  std::string whole = std::string(100, 'o') + std::string(1500, 'n') + std::string(448, 'o');
  const auto with = [&](std::size_t from, std::size_t to, const std::string& fill) {
    std::string text = whole;
    for (std::size_t i = from; i < to; ++i) {
      text[i] = fill[i % fill.size()];
    }
    return text;
  };
  EXPECT_TRUE(found.count(with(512, 1600, "o")) == 1) << "the head only";
  EXPECT_TRUE(found.count(with(100, 1536, "o")) == 1) << "the tail only";
  EXPECT_TRUE(found.count(with(512, 1024, "o")) == 1) << "a sector missing";
  EXPECT_TRUE(found.count(with(512, 1024, std::string(1, '\0'))) == 1) << "a sector of zeros";
  EXPECT_EQ(found.count(whole), 0U);
}

TEST_F(Choices, ASizeMayBeStale) {
  const auto file = open("/a");
  must(files.sync_dir("/"));
  write(*file, 0, "abc");
  must(file->sync());
  write(*file, 2, "xyz");
  EXPECT_EQ(texts(Strategy::stale_size), (std::set<std::string>{std::string("abc\0\0", 5), "abx"}));
}

TEST_F(Choices, ATokenNamesAChoice) {
  const auto file = open("/a");
  write(*file, 0, std::string(5000, 'x'));
  write(*file, 5000, "yz");
  const Disk after = disk();
  for (const Keep& keep : all()) {
    const CrashPoint point{7, keep};
    const auto parsed = CrashPoint::parse(point.to_string());
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->to_string(), point.to_string());
    EXPECT_EQ(after.crash(parsed->keep).hash(), after.crash(keep).hash());
  }
  for (const char* bad : {"", "1", "x:1.1", "1:2", "1:8.0", "1:1.g", "1:1.1:0.9.0.512.0",
                          "1:1.1:4.0.0.512.0", "1:1.1:0.0", "1:1.1:0.0.0.512.0:"}) {
    EXPECT_FALSE(CrashPoint::parse(bad)) << bad;
  }
}

std::vector<std::byte> random_bytes(const Image& start) {
  SimFileSystem files(start);
  std::vector<std::byte> bytes(32);
  files.random(bytes);
  return bytes;
}

TEST(SimFileSystem, RandomNumbersFollowFromTheImage) {
  Image other;
  other.directories.insert("/other");
  EXPECT_EQ(random_bytes({}), random_bytes({}));
  EXPECT_EQ(random_bytes(other), random_bytes(other));
  EXPECT_NE(random_bytes({}), random_bytes(other));
  SimFileSystem files;
  std::vector<std::byte> first(32);
  std::vector<std::byte> second(32);
  files.random(first);
  files.random(second);
  EXPECT_EQ(first, random_bytes({}));
  EXPECT_NE(first, second) << "in one life they go on";
}

TEST(SimFileSystem, TheClockStartsAtOneMomentAndGoesOnWithTheEvents) {
  SimFileSystem files;
  const std::uint64_t start_us = files.wall_clock_us();
  EXPECT_EQ(SimFileSystem().wall_clock_us(), start_us);
  EXPECT_EQ(files.wall_clock_us(), start_us) << "reading it is no event";
  ASSERT_TRUE(files.mkdir("/a"));
  ASSERT_TRUE(files.mkdir("/b"));
  EXPECT_EQ(files.wall_clock_us(), start_us + 2);
  const std::size_t events = files.events();
  files.pass_time(std::chrono::milliseconds(3));
  EXPECT_EQ(files.wall_clock_us(), start_us + 3002);
  EXPECT_EQ(files.events(), events);
  files.power_off();
  files.restart();
  EXPECT_EQ(files.wall_clock_us(), start_us + 3002) << "it does not go back in the next life";
  files.power_off();
  files.restart_after_power_loss([](std::size_t, std::size_t) { return false; });
  EXPECT_GE(files.wall_clock_us(), start_us + 3002);
}

/// Whatever the length of the trace: it grows by the power loss itself.
TEST_F(Sim, APowerLossLeavesWhatItIsToldTo) {
  std::string written;
  for (int i = 0; i < 70; ++i) {
    const std::string each(100, static_cast<char>('a' + i % 26));
    EXPECT_EQ(write(*open("/a"), written.size(), each), each.size());
    written += each;
    files.power_off();
    files.restart_after_power_loss([](std::size_t, std::size_t) { return true; });
    EXPECT_EQ(text_in(files.cache(), "/a"), written);
  }
}

}  // namespace
}  // namespace selvedge::testkit
