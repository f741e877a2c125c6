// Replays the traces of the rules: steps of one party run at a named place in another one's way.
#pragma once

#include <gtest/gtest.h>
#include <selvedge/store.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "recovery/recovery.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot_format.h"
#include "tests/support/memory_file_system.h"
#include "tests/support/seams.h"

namespace selvedge {

using test::Keep;
using test::MemoryFileSystem;
using test::Seams;

class RulesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.background_maintenance = false;
    options.segment_bytes = std::uint64_t{1} << 20;
    options.checkpoint_log_bytes = 0;
    open();
  }
  void TearDown() override { EXPECT_TRUE(seams.done()) << "a step was never reached"; }

  // --- the store -----------------------------------------------------------------------------
  void open() {
    options.file_system = files.get();
    auto opened = Store::open("/db", options);
    ASSERT_TRUE(opened) << opened.error().message();
    store.emplace(*std::move(opened));
  }
  void reopen_with(const std::function<void(Options&)>& change) {
    ASSERT_TRUE(store->close());
    store.reset();
    change(options);
    open();
  }
  /// Every operation of a transaction is logged at once.
  void log_each_operation() {
    reopen_with([](Options& each) { each.transaction_buffer_bytes = 0; });
  }
  NodeId node(std::int64_t value = 0) {
    auto made = store->create_node({"N"}, {{"v", value}});
    EXPECT_TRUE(made) << made.error().message();
    return made ? *made : NodeId{};
  }
  Transaction begin() {
    auto tx = store->begin();
    EXPECT_TRUE(tx);
    return *std::move(tx);
  }
  /// Makes the transaction's buffer overflow: what it has so far goes to the log before the next
  /// operation.
  void spill(Transaction& tx) {
    const auto ballast = tx.create_node({}, {{"v", std::string(100'000, 'b')}});
    EXPECT_TRUE(ballast) << ballast.error().message();
    EXPECT_TRUE(tx.create_node({}));
  }
  static void must(const Status& status) { ASSERT_TRUE(status) << status.error().message(); }
  static std::optional<std::int64_t> value(const Store& in, NodeId id) {
    const auto view = in.read();
    const auto found = view.get(id);
    return found ? (*found)["v"].as_int64() : std::nullopt;
  }
  std::optional<std::int64_t> value(NodeId id) const { return value(*store, id); }
  snapshot::Manifest manifest() {
    auto loaded = snapshot::Manifest::load(*files, "/db");
    EXPECT_TRUE(loaded);
    return loaded ? *loaded : snapshot::Manifest{};
  }
  /// Slots given back as far as views allow.
  void settle() { must(store->maintain()); }

  // --- the crash -----------------------------------------------------------------------------
  /// What a power failure at this moment leaves; the store runs on, unaware of it.
  void crash_here(Keep keep = Keep::nothing) { left = files->crash(keep, 1); }
  void crash_now(Keep keep = Keep::nothing) {
    crash_here(keep);
    move_to_left();
  }
  /// Goes over to what the crash left.
  void move_to_left() {
    ASSERT_NE(left, nullptr);
    store.reset();
    files = std::move(left);
    options.file_system = files.get();
  }
  /// The state after recovery, in every order of the phases and with one and three threads, then
  /// as a store, and once more.
  void expect_recovered(const std::function<void(Store&)>& check) {
    std::set<std::string> digests;
    for (const recovery::PhaseOrder& order : orders()) {
      for (const unsigned threads : {1U, 3U}) {
        digests.insert(recovered_digest(order, threads));
      }
    }
    ASSERT_EQ(digests.size(), 1U) << "the order of the phases shows";
    for (int life = 0; life < 2; ++life) {
      open();
      ASSERT_TRUE(store.has_value());
      EXPECT_EQ(store->digest(), *digests.begin());
      const CheckReport report = store->check();
      EXPECT_TRUE(report.faults.empty()) << report.faults.front();
      check(*store);
      must(store->close());
      store.reset();
    }
    open();
  }

  void change_file(const std::string& path, std::uint64_t offset) const {
    auto file = files->open(path, OpenMode::read_write);
    ASSERT_TRUE(file) << file.error().message();
    std::array<std::byte, 1> byte{};
    ASSERT_TRUE((*file)->pread(offset, byte));
    byte[0] ^= std::byte{0x10};
    ASSERT_TRUE((*file)->pwrite(offset, byte));
    ASSERT_TRUE((*file)->sync());
  }
  std::vector<std::string> files_in(const std::string& directory) const {
    std::vector<std::string> names;
    const auto found = files->list(directory);
    EXPECT_TRUE(found);
    for (const DirectoryEntry& each : *found) {
      names.push_back(each.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::unique_ptr<MemoryFileSystem> files = std::make_unique<MemoryFileSystem>();
  std::unique_ptr<MemoryFileSystem> left;
  Options options;
  std::optional<Store> store;
  Seams seams;

 private:
  static std::vector<recovery::PhaseOrder> orders() {
    recovery::PhaseOrder order = recovery::default_order;
    std::sort(order.begin(), order.end());
    std::vector<recovery::PhaseOrder> all;
    do {
      all.push_back(order);
    } while (std::next_permutation(order.begin(), order.end()));
    return all;
  }
  std::string recovered_digest(const recovery::PhaseOrder& order, unsigned threads) {
    const std::string directory = "/db";
    const snapshot::Manifest listed = manifest();
    Options chosen = options;
    chosen.recovery_threads = threads;
    std::unique_ptr<graph::Graph> graph;
    const recovery::RecoveryInput input{*files, directory, listed, chosen, graph, order};
    const auto recovered = recovery::recover(input);
    EXPECT_TRUE(recovered) << recovered.error().message();
    if (!recovered) {
      return recovered.error().message();
    }
    snapshot::StateDigest digest;
    for (std::uint64_t slot = 0; slot < graph->node_slots.high_water(); ++slot) {
      const graph::NodeRecord& record = graph->nodes.at(slot);
      const graph::Head head{record.head.load()};
      if (!head.empty()) {
        digest.add_node(id_bits::make(slot, record.generation()), head.version()->image());
      }
    }
    for (std::uint64_t slot = 0; slot < graph->edge_slots.high_water(); ++slot) {
      const graph::EdgeRecord& record = graph->edges.at(slot);
      const graph::Head head{record.head.load()};
      if (!head.empty()) {
        digest.add_edge(id_bits::make(slot, record.generation()), record.source.load(),
                        record.target.load(), record.type(),
                        head.is_inline() ? std::span<const std::byte>{} : head.version()->image());
      }
    }
    return digest.to_string();
  }
};

}  // namespace selvedge
