// Verbs for tests of recovery: write a log and snapshots by hand, recover, compare states.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/change.h"
#include "graph/image.h"
#include "recovery/recovery.h"
#include "snapshot/snapshot_writer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_directory.h"
#include "wal/log.h"
#include "wal/log_scanner.h"

namespace selvedge::recovery {

using Bytes = std::vector<std::byte>;
using graph::ChangeWriter;
using graph::PrevSequence;

/// What a recovered graph holds, comparable. Values are those of the one property.
struct State {
  std::map<std::uint64_t, std::int64_t> nodes;
  std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> edges;
  bool operator==(const State&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const State& state) {
  out << "{";
  for (const auto& [id, value] : state.nodes) {
    out << " n" << id_bits::slot(id) << "." << id_bits::generation(id) << "=" << value;
  }
  for (const auto& [id, both] : state.edges) {
    out << " e" << id_bits::slot(id) << "." << id_bits::generation(id);
  }
  return out << " }";
}

constexpr std::uint64_t id_of(std::uint64_t slot, std::uint64_t generation = 1) {
  return id_bits::make(slot, generation);
}

/// An image with one property (key 0) and one label (0).
inline Bytes image_of(std::int64_t value) {
  graph::ImageBuilder builder;
  builder.reset();
  builder.add_label(0);
  EXPECT_TRUE(builder.set(0, value));
  const auto image = builder.finish();
  return {image->begin(), image->end()};
}

inline std::int64_t value_of(std::span<const std::byte> image) {
  return graph::ImageView(image).find(0).as_int64().value_or(-999);
}

inline constexpr std::array<PhaseOrder, 6> all_orders = {{
    {ApplyPhase::redo, ApplyPhase::undo, ApplyPhase::non_transactional},
    {ApplyPhase::redo, ApplyPhase::non_transactional, ApplyPhase::undo},
    {ApplyPhase::undo, ApplyPhase::redo, ApplyPhase::non_transactional},
    {ApplyPhase::undo, ApplyPhase::non_transactional, ApplyPhase::redo},
    {ApplyPhase::non_transactional, ApplyPhase::redo, ApplyPhase::undo},
    {ApplyPhase::non_transactional, ApplyPhase::undo, ApplyPhase::redo},
}};

class RecoveryTest : public testing::Test, protected wal::SegmentRegistry {
 protected:
  using Write = std::function<void(ChangeWriter&)>;

  RecoveryTest() : path(directory.path("s")) {
    for (const std::string& each : {path, path + "/wal", path + "/snapshots"}) {
      std::filesystem::create_directory(each);
    }
    manifest.store.bytes[0] = std::byte{7};
    options.salvage = false;
    log_options.segment_bytes = 64U << 10;
    log_options.buffer_bytes = 16U << 10;
    files.set_wall_clock_us(1);
    open_log();
    define(graph::NameKind::label, 0, "L");
    define(graph::NameKind::type, 0, "T");
    define(graph::NameKind::key, 0, "k");
  }

  // --- changes -------------------------------------------------------------------------------
  static Write create(std::uint64_t node, std::int64_t value) {
    return [=](ChangeWriter& to) { to.create_node(node, image_of(value)); };
  }
  static Write restore(std::uint64_t node, std::uint64_t prev, std::int64_t value) {
    return [=](ChangeWriter& to) {
      to.restore_node(node, PrevSequence::absolute(prev), image_of(value));
    };
  }
  static Write update(std::uint64_t node, std::uint64_t prev, std::int64_t from, std::int64_t to) {
    return [=](ChangeWriter& writer) {
      writer.update_node(node, PrevSequence::absolute(prev), image_of(to), image_of(from));
    };
  }
  /// `prev` is an entry of the same frame, so many entries back.
  static Write update_own(std::uint64_t node, std::uint64_t back, std::int64_t from,
                          std::int64_t to) {
    return [=](ChangeWriter& writer) {
      writer.update_node(node, PrevSequence::own(back), image_of(to), image_of(from));
    };
  }
  static Write remove(std::uint64_t node, std::uint64_t prev, std::int64_t value) {
    return [=](ChangeWriter& to) {
      to.delete_node(node, PrevSequence::absolute(prev), image_of(value));
    };
  }
  static Write link(std::uint64_t edge, std::uint64_t source, std::uint64_t target) {
    return [=](ChangeWriter& to) { to.create_edge({edge, source, target, 0}, {}); };
  }
  static Write unlink(std::uint64_t edge, std::uint64_t source, std::uint64_t target,
                      std::uint64_t prev) {
    return [=](ChangeWriter& to) {
      to.delete_edge({edge, source, target, 0}, PrevSequence::absolute(prev), {});
    };
  }
  static Write group(graph::GroupKind kind, std::vector<Write> members) {
    return [kind, members = std::move(members)](ChangeWriter& to) {
      const std::size_t opened = to.open_group(kind, members.size());
      for (const Write& member : members) {
        member(to);
      }
      to.close_group(opened);
    };
  }

  // --- frames --------------------------------------------------------------------------------
  wal::Appended frame(std::uint64_t transaction, std::uint8_t flags,
                      const std::vector<Write>& writes,
                      const std::function<void(ByteWriter&)>& head = {},
                      const std::function<void(ByteWriter&)>& tail = {}, std::uint64_t entity = 0) {
    ByteWriter payload;
    if (head) {
      head(payload);
    }
    ChangeWriter writer(payload);
    for (const Write& write : writes) {
      write(writer);
    }
    if (tail) {
      tail(payload);
    }
    wal::FrameParts parts;
    parts.flags = flags;
    parts.transaction = transaction;
    parts.wall_us = wall_us;
    parts.entity = entity;
    parts.count = static_cast<std::uint32_t>(
        writes.size() + ((flags & wal::frame_flags::begin) != 0 ? 1 : 0) +
        ((flags & (wal::frame_flags::commit | wal::frame_flags::abort)) != 0 ? 1 : 0));
    parts.payload = {payload.span(), {}, {}};
    parts.payload_crc = wal::payload_crc(parts.payload[0]);
    auto section = log->enter(wal::frame_bytes(payload.size(), flags));
    EXPECT_TRUE(section) << section.error().message();
    return section->append(parts);
  }
  /// An entry of no transaction; returns its sequence.
  std::uint64_t plain(const Write& write) { return frame(0, 0, {write}, {}).first; }
  void define(graph::NameKind kind, std::uint32_t id, std::string_view text) {
    plain([&](ChangeWriter& to) { to.define_name(kind, id, text); });
  }
  /// A transaction in one frame; returns the sequence of its first change.
  std::uint64_t small(const std::vector<Write>& writes) {
    return frame(
               wal::transaction_self, wal::frame_flags::begin | wal::frame_flags::commit, writes,
               [](ByteWriter& to) { graph::put_begin(to, {}); },
               [&](ByteWriter& to) { graph::put_commit(to, writes.size()); })
               .first +
           1;
  }
  /// A streamed transaction: its number.
  std::uint64_t start(const std::vector<Write>& writes = {}) {
    const std::uint64_t number =
        frame(wal::transaction_self, wal::frame_flags::begin, writes, [](ByteWriter& to) {
          graph::put_begin(to, {});
        }).first;
    operations[number] = writes.size();
    return number;
  }
  /// Returns the sequence of the first change.
  std::uint64_t stream(std::uint64_t number, const std::vector<Write>& writes) {
    operations[number] += writes.size();
    return frame(number, 0, writes).first;
  }
  void commit(std::uint64_t number, const std::vector<Write>& writes = {}) {
    operations[number] += writes.size();
    ends[number] = frame(number, wal::frame_flags::commit, writes, {}, [&](ByteWriter& to) {
                     graph::put_commit(to, operations[number]);
                   }).last;
  }
  void abort(std::uint64_t number) {
    frame(number, wal::frame_flags::abort, {}, {},
          [&](ByteWriter& to) { graph::put_abort(to, "why not"); });
  }
  std::uint64_t embed(std::uint64_t node, std::uint32_t key, float value,
                      std::uint64_t transaction = 0) {
    const std::array<float, 1> floats = {value};
    return frame(transaction, wal::frame_flags::regenerable, {[&](ChangeWriter& to) {
                   to.update_embedding(node, key, std::as_bytes(std::span(floats)));
                 }},
                 {}, {}, node)
        .first;
  }

  // --- the log -------------------------------------------------------------------------------
  void open_log(const wal::LogStart& from = {}) {
    log = std::make_unique<wal::Log>(files, path + "/wal", log_options, manifest.store, from,
                                     static_cast<wal::SegmentRegistry&>(*this));
  }
  /// The machine stops: what is synced stays.
  void stop() {
    if (log) {
      EXPECT_TRUE(log->sync_now());
      log.reset();
    }
  }
  /// Last sequence of a transaction that has ended.
  std::uint64_t last_of(std::uint64_t number) const { return ends.at(number); }
  std::string segment(std::uint64_t number) const {
    return wal::segment_path(path + "/wal", number);
  }
  std::uint64_t newest_segment() const { return manifest.segments.back().number; }
  static std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const std::string& file, const std::string& content) {
    std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
  }
  static void flip(const std::string& file, std::uint64_t offset) {
    std::string content = read(file);
    ASSERT_LT(offset, content.size());
    content[offset] = static_cast<char>(content[offset] ^ 0x10);
    write(file, content);
  }
  /// The place of the frame that holds this sequence.
  struct Place {
    wal::FrameHeader header;
    std::uint64_t segment = 0;
    std::uint64_t offset = 0;
  };
  Place place(std::uint64_t sequence) {
    for (const auto& each : manifest.segments) {
      auto reader = wal::SegmentReader::open(files, path + "/wal", each.number);
      if (!reader || reader->header_state().state != wal::SegmentHeaderState::valid) {
        continue;
      }
      for (;;) {
        auto step = reader->next();
        if (!step || step->kind != wal::ReadStep::Kind::frame) {
          break;
        }
        const wal::FrameHeader& header = step->frame.header;
        if (header.count != 0 && header.sequence <= sequence &&
            sequence <= header.last_sequence()) {
          return {header, each.number, step->frame.location.offset};
        }
      }
    }
    ADD_FAILURE() << "no frame holds sequence " << sequence;
    return {};
  }

  // --- snapshots -----------------------------------------------------------------------------
  struct Entity {
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;
    std::int64_t value = 0;
    bool tombstone = false;
  };
  struct Link {
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;
    std::uint64_t source = 0;
    std::uint64_t target = 0;
    bool tombstone = false;
  };
  struct Shot {
    std::vector<Entity> nodes{};
    std::vector<Link> edges{};
    std::vector<snapshot::FreeSlot> free_nodes{};
    std::vector<snapshot::FreeSlot> free_edges{};
    struct Vector {
      std::uint64_t node = 0;
      std::uint64_t sequence = 0;
      std::uint32_t key = 0;
      std::vector<float> values;
    };
    std::vector<Vector> embeddings{};
    std::uint64_t low_water = 0;  ///< 0 = begin
    snapshot::Kind kind = snapshot::Kind::checkpoint;
  };
  /// Takes a snapshot whose scan ends now, and lists it. Returns its file.
  std::string take(const Shot& shot) {
    EXPECT_TRUE(log->sync_now());
    const wal::LastFrame bound = log->last_frame();
    const std::string name = std::to_string(manifest.next_snapshot++) + ".snap";
    auto made = snapshot::SnapshotWriter::create(files, path + "/snapshots", name, manifest.store,
                                                 shot.kind, Compression::none, 1);
    EXPECT_TRUE(made) << made.error().message();
    snapshot::SnapshotWriter& writer = **made;
    const std::array<std::string_view, 3> names = {"L", "T", "k"};
    for (std::uint8_t kind = 0; kind < names.size(); ++kind) {
      EXPECT_TRUE(writer.add_name({kind, 0, names[kind]}));
    }
    for (const Entity& node : shot.nodes) {
      const Bytes image = node.tombstone ? Bytes{} : image_of(node.value);
      EXPECT_TRUE(writer.add_node({node.id, node.sequence, node.tombstone, image}));
    }
    for (const Link& edge : shot.edges) {
      EXPECT_TRUE(writer.add_edge(
          {edge.id, edge.sequence, edge.tombstone, edge.source, edge.target, 0, {}}));
    }
    for (const auto& slot : shot.free_nodes) {
      EXPECT_TRUE(writer.add_free_node(slot));
    }
    for (const auto& slot : shot.free_edges) {
      EXPECT_TRUE(writer.add_free_edge(slot));
    }
    for (const auto& each : shot.embeddings) {
      EXPECT_TRUE(writer.add_embedding(
          {each.node, each.sequence, each.key, std::as_bytes(std::span(each.values))}));
    }
    snapshot::Footer footer;
    footer.end = bound.sequence;
    footer.begin = bound.sequence + 1;
    footer.low_water = shot.low_water == 0 ? footer.begin : shot.low_water;
    if (shot.kind == snapshot::Kind::checkpoint) {
      footer.end_frame_sequence = bound.sequence;
      footer.end_frame_crc = bound.header_crc;
    }
    auto finished = writer.finish(footer);
    EXPECT_TRUE(finished) << finished.error().message();
    const Status adopted = writer.adopt_name();
    EXPECT_TRUE(adopted);
    snapshot::ManifestSnapshot listed;
    listed.file = name;
    listed.begin = finished->begin;
    listed.end = finished->end;
    listed.low_water = finished->low_water;
    listed.kind = shot.kind;
    listed.digest = finished->digest.to_string();
    manifest.snapshots.push_back(listed);
    manifest.watermark = std::max(manifest.watermark, finished->end);
    return path + "/snapshots/" + name;
  }

  // --- recovering ----------------------------------------------------------------------------
  Result<Recovered> recover_once(const PhaseOrder& order = default_order, unsigned threads = 1) {
    options.recovery_threads = threads;
    return recover({files, path, manifest, options, graph, order});
  }
  /// All orders and thread counts, each twice, give this state, and change nothing on disk.
  void expect_state(const State& expected) {
    stop();
    const auto before = content();
    std::set<std::pair<std::uint64_t, std::uint64_t>> nexts;
    for (const PhaseOrder& order : all_orders) {
      for (const unsigned threads : {1U, 3U}) {
        for (int time = 0; time < 2; ++time) {
          const auto recovered = recover_once(order, threads);
          ASSERT_TRUE(recovered) << recovered.error().message();
          ASSERT_EQ(state(), expected)
              << "order " << static_cast<int>(order[0]) << static_cast<int>(order[1])
              << static_cast<int>(order[2]) << ", threads " << threads;
          check_derived(*recovered, expected);
          nexts.emplace(recovered->next_sequence, recovered->open_transactions.size());
        }
      }
    }
    EXPECT_EQ(nexts.size(), 1U) << "the next sequence depends on the phase order";
    EXPECT_EQ(content(), before) << "recovery changed the disk";
  }
  /// Refused at this place, in all orders, with nothing changed on disk.
  void expect_refused(ErrorCode code, const std::string& file = {}) {
    stop();
    const auto before = content();
    for (const PhaseOrder& order : all_orders) {
      for (const unsigned threads : {1U, 3U}) {
        const auto recovered = recover_once(order, threads);
        ASSERT_FALSE(recovered) << "opened with " << state();
        EXPECT_EQ(recovered.error().code(), code) << recovered.error().message();
        if (!file.empty()) {
          EXPECT_EQ(recovered.error().path(), file) << recovered.error().message();
        }
      }
    }
    EXPECT_EQ(content(), before);
  }
  /// Makes true on disk what recovery decided.
  static void repair(const RecoveryInput& input, Recovered& recovered) {
    const Status settled = settle_log(input, recovered);
    EXPECT_TRUE(settled) << settled.error().message();
    const Status removed = remove_left_overs(input, recovered);
    EXPECT_TRUE(removed) << removed.error().message();
  }
  /// The embedding that recovery put into the graph; empty: none.
  std::vector<float> embedding(std::uint64_t node, std::uint32_t key) const {
    std::vector<float> values;
    graph->embeddings.read(node, key, ~std::uint64_t{0}, values);
    return values;
  }
  /// Recovers, repairs, and goes on in a new segment, as a store does.
  Recovered reopen() {
    stop();
    auto recovered = recover_once();
    EXPECT_TRUE(recovered) << recovered.error().message();
    if (!recovered) {
      return {};
    }
    const RecoveryInput input{files, path, manifest, options, graph};
    repair(input, *recovered);
    manifest.snapshots = recovered->snapshots;
    manifest.segments = recovered->segments;
    manifest.watermark = recovered->next_sequence - 1;
    open_log({recovered->next_sequence, recovered->log.segment_number_max + 1,
              recovered->log.last_frame_crc, recovered->last_entries, recovered->wall_us});
    for (const std::uint64_t number : recovered->open_transactions) {
      abort(number);
    }
    return *std::move(recovered);
  }
  State state() const {
    State found;
    for (std::uint64_t slot = 0; slot < graph->node_slots.high_water(); ++slot) {
      const graph::NodeRecord& record = graph->nodes.at(slot);
      const graph::Head head{record.head.load()};
      if (!head.empty()) {
        found.nodes[id_of(slot, record.generation())] = value_of(head.version()->image());
      }
    }
    for (std::uint64_t slot = 0; slot < graph->edge_slots.high_water(); ++slot) {
      const graph::EdgeRecord& record = graph->edges.at(slot);
      if (record.head.load() != 0) {
        found.edges[id_of(slot, record.generation())] = {record.source.load(),
                                                         record.target.load()};
      }
    }
    return found;
  }
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> result;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) {
        result[entry.path()] = read(entry.path());
      }
    }
    return result;
  }

  test::TempDirectory directory;
  test::FaultyFileSystem files{posix_file_system()};
  const std::string path;
  snapshot::Manifest manifest;
  Options options;
  wal::LogOptions log_options;
  std::unique_ptr<wal::Log> log;
  std::unique_ptr<graph::Graph> graph;
  std::map<std::uint64_t, std::uint64_t> operations;
  std::map<std::uint64_t, std::uint64_t> ends;
  std::uint64_t wall_us = 1000;

 private:
  Status segment_prepared(const wal::SegmentInfo& info) override {
    for (auto& each : manifest.segments) {
      if (each.number == info.number) {
        each.salt = info.salt;
        return {};
      }
    }
    snapshot::ManifestSegment listed;
    listed.number = info.number;
    listed.salt = info.salt;
    manifest.segments.push_back(listed);
    return {};
  }
  /// Lists, labels, counts and free slots say the same as the records.
  void check_derived(const Recovered& recovered, const State& expected) {
    EXPECT_EQ(recovered.report.nodes, expected.nodes.size());
    EXPECT_EQ(recovered.report.edges, expected.edges.size());
    const auto count = [&](graph::CounterKind kind) {
      return static_cast<std::size_t>(recovered.counts.of(kind, 0));
    };
    EXPECT_EQ(count(graph::CounterKind::nodes), expected.nodes.size());
    EXPECT_EQ(count(graph::CounterKind::label), expected.nodes.size());
    EXPECT_EQ(count(graph::CounterKind::edges), expected.edges.size());
    EXPECT_EQ(count(graph::CounterKind::type), expected.edges.size());
    std::set<std::pair<std::uint64_t, std::uint64_t>> out;
    std::set<std::pair<std::uint64_t, std::uint64_t>> in;
    std::set<std::pair<std::uint64_t, std::uint64_t>> labelled;
    for (const auto& [id, value] : expected.nodes) {
      const graph::NodeRecord& record = graph->nodes.at(id_bits::slot(id));
      collect(record.out.load(), out);
      collect(record.in.load(), in);
    }
    if (const graph::LabelList* list = graph->find_label(0)) {
      collect(list->head.load(), labelled);
    }
    std::set<std::pair<std::uint64_t, std::uint64_t>> forward;
    std::set<std::pair<std::uint64_t, std::uint64_t>> backward;
    std::set<std::pair<std::uint64_t, std::uint64_t>> members;
    for (const auto& [id, both] : expected.edges) {
      forward.emplace(id, both.second);
      backward.emplace(id, both.first);
    }
    for (const auto& [id, value] : expected.nodes) {
      members.emplace(id, 0);
    }
    EXPECT_EQ(out, forward);
    EXPECT_EQ(in, backward);
    EXPECT_EQ(labelled, members);
    const std::uint64_t slots = graph->node_slots.high_water();
    EXPECT_EQ(graph->node_slots.free_count() + expected.nodes.size(), slots);
    EXPECT_EQ(graph->edge_slots.free_count() + expected.edges.size(),
              graph->edge_slots.high_water());
  }
  static void collect(std::uint64_t head, std::set<std::pair<std::uint64_t, std::uint64_t>>& into) {
    graph::EntryScan scan(head);
    for (graph::EntryScan::Run run; scan.next(run);) {
      EXPECT_TRUE(run.regular) << "an entry is not settled";
      for (std::uint32_t i = 0; i < run.count; ++i) {
        std::uint64_t entity = 0;
        std::uint64_t neighbour = 0;
        ASSERT_TRUE(graph::load_entry(run.entries[i], entity, neighbour));
        const bool fresh =
            into.emplace(entity & graph::Entry::id_mask, neighbour & graph::Entry::id_mask).second;
        EXPECT_TRUE(fresh) << "an entry stands twice";
      }
    }
  }
};

}  // namespace selvedge::recovery
