// A store on a file system that can fail and lose power.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/faulty_file_system.h"
#include "tests/support/memory_file_system.h"

namespace selvedge {

using test::FaultyFileSystem;
using test::Keep;
using test::MemoryFileSystem;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.background_maintenance = false;
    options.segment_bytes = std::uint64_t{1} << 20;
    options.checkpoint_log_bytes = 0;
    open();
  }
  void open() {
    options.file_system = faults.get();
    auto opened = Store::open("/db", options);
    ASSERT_TRUE(opened) << opened.error().message();
    store.emplace(*std::move(opened));
  }
  void close() {
    const Status closed = store->close();
    ASSERT_TRUE(closed) << closed.error().message();
    store.reset();
  }
  void reopen() {
    close();
    open();
  }
  /// Power fails, and the store is opened again.
  void lose_power(Keep keep = Keep::nothing) {
    auto after = memory->crash(keep, 1);
    store.reset();
    faults = std::make_unique<FaultyFileSystem>(*after);
    memory = std::move(after);
    open();
  }
  Transaction begin() {
    auto tx = store->begin();
    EXPECT_TRUE(tx) << tx.error().message();
    return *std::move(tx);
  }
  NodeId node(std::int64_t value = 0) {
    const auto made = store->create_node({"N"}, {{"v", value}});
    EXPECT_TRUE(made) << made.error().message();
    return made ? *made : NodeId{};
  }
  std::optional<std::int64_t> value(NodeId id) const {
    const auto view = store->read();
    const auto found = view.get(id);
    return found ? (*found)["v"].as_int64() : std::nullopt;
  }
  static void must(const Status& status) { ASSERT_TRUE(status) << status.error().message(); }
  void expect_sound() const {
    const CheckReport report = store->check();
    EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  }
  std::vector<std::string> files_in(const std::string& directory) const {
    std::vector<std::string> names;
    const auto found = memory->list(directory);
    EXPECT_TRUE(found);
    for (const DirectoryEntry& each : *found) {
      names.push_back(each.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void write_file(const std::string& path, std::uint64_t offset, std::string_view bytes) const {
    auto file = memory->open(path, OpenMode::create);
    ASSERT_TRUE(file) << file.error().message();
    ASSERT_TRUE((*file)->pwrite(offset, std::as_bytes(std::span(bytes))));
    must((*file)->sync());
  }
  std::string read_file(const std::string& path) const {
    auto file = memory->open(path, OpenMode::read);
    EXPECT_TRUE(file) << file.error().message();
    std::string bytes(static_cast<std::size_t>(*(*file)->size()), '\0');
    EXPECT_TRUE((*file)->pread(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
  }

  std::unique_ptr<MemoryFileSystem> memory = std::make_unique<MemoryFileSystem>();
  std::unique_ptr<FaultyFileSystem> faults = std::make_unique<FaultyFileSystem>(*memory);
  Options options;
  std::optional<Store> store;
};

}  // namespace selvedge
