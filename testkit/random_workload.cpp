// Random mixes of everything that a program can do with a store.

#include <selvedge/testkit/workload.h>

#include <array>
#include <random>
#include <string>
#include <utility>

namespace selvedge::testkit {

namespace {

/// Role: does one thing for each word. What a word means depends on what is there, so words can be
///   left out and the rest still makes sense.
class Mix {
 public:
  explicit Mix(Trial& trial) : trial_(trial) {}

  Status execute(const std::vector<std::uint64_t>& words) {
    for (std::size_t i = 1; i < words.size(); ++i) {  // the first one chose the options
      word_ = words[i];
      const Status status = act();
      if (!status && !expected(status.error().code())) {
        return fail(status.error().clone());
      }
    }
    for (auto& lane : lanes_) {
      lane.reset();
    }
    return {};
  }

 private:
  struct Lane {
    Transaction transaction;
    std::optional<Savepoint> savepoint;
  };

  /// What a program meets in daily life; nothing has changed then.
  static bool expected(ErrorCode code) {
    return code == ErrorCode::conflict || code == ErrorCode::not_found ||
           code == ErrorCode::has_edges || code == ErrorCode::invalid_argument ||
           code == ErrorCode::constraint_violated || code == ErrorCode::already_exists;
  }
  std::uint64_t take(std::uint64_t below) {
    const std::uint64_t taken = word_ % below;
    word_ /= below;
    return taken;
  }
  NodeId some_node() { return nodes_.empty() ? NodeId{} : nodes_[take(nodes_.size())]; }
  EdgeId some_edge() { return edges_.empty() ? EdgeId{} : edges_[take(edges_.size())]; }

  Status act() {
    const std::uint64_t choice = take(100);
    auto& lane = lanes_[take(lanes_.size())];
    if (choice < 70) {
      return lane ? change(lane->transaction)
                  : trial_.alone([&](Store& store) { return change(store); });
    }
    if (choice < 90) {
      return lane ? end_or_mark(lane, choice) : begin(lane);
    }
    switch (choice) {
      case 90:
      case 91:
      case 92:
      case 93: return trial_.store().checkpoint();
      case 94:
      case 95: return trial_.sync();
      case 96: return take(3) == 0 ? trial_.store().maintain() : change_schema();
      case 97: return trial_.backup("/copy" + std::to_string(++copies_));
      case 98: return reopen();
      default: return crash();
    }
  }

  Status begin(std::optional<Lane>& lane) {
    SELVEDGE_TRY(auto transaction, trial_.begin());
    lane.emplace(Lane{std::move(transaction), {}});
    return {};
  }

  Status end_or_mark(std::optional<Lane>& lane, std::uint64_t choice) {
    if (choice < 80) {
      const Status status = trial_.commit(lane->transaction);
      lane.reset();
      return status ? Status{} : fail(status.error().clone());
    }
    if (choice < 83) {
      const Status status = lane->transaction.abort("the mix wants it so");
      lane.reset();
      return status ? Status{} : fail(status.error().clone());
    }
    if (choice < 86 || !lane->savepoint) {
      SELVEDGE_TRY(lane->savepoint, lane->transaction.savepoint());
      return {};
    }
    return lane->transaction.rollback_to(*lane->savepoint);
  }

  Status reopen() {
    for (auto& lane : lanes_) {
      lane.reset();
    }
    return trial_.reopen();
  }

  /// The process dies, on every second occasion with the power.
  Status crash() {
    std::vector<Transaction> open;
    for (auto& lane : lanes_) {
      if (lane) {
        open.push_back(std::move(lane->transaction));
        lane.reset();
      }
    }
    if (take(2) == 0) {
      return trial_.die(std::move(open));
    }
    const std::uint64_t chosen = word_ == 0 ? 1 : word_;
    return trial_.lose_power(std::move(open), [chosen](std::size_t i, std::size_t) {
      return (chosen >> (i % 16) & 1U) != 0;
    });
  }

  static constexpr std::array labels{"A", "B", "C"};
  static constexpr std::array keys{"v", "w", "x"};

  Status change_schema() {
    const std::uint64_t what = take(7);
    const char* const label = labels[take(3)];
    const char* const key = keys[take(3)];
    const auto create = [&](const SchemaSpec& spec) {
      SchemaOptions options;
      options.wait = std::chrono::milliseconds(0);
      return trial_.alone([&](Store& store) { return store.create_schema(spec, options); });
    };
    switch (what) {
      case 0: return create(SchemaSpec::node_index(label, {key}));
      case 1: return create(SchemaSpec::node_index(label, {"v", "w"}));
      case 2: return create(SchemaSpec::node_unique(label, {key}));
      case 3: return create(SchemaSpec::edge_index(label, {key}, IndexKind::hash));
      case 4: return create(SchemaSpec::node_exists(label, {key}));
      case 5: return create(SchemaSpec::node_type(label, key, ValueType::int64));
      default: break;
    }
    const auto all = trial_.store().schema();
    return all.empty() ? Status{} : trial_.alone([&](Store& store) {
      return store.drop_schema(all[word_ % all.size()].spec.name);
    });
  }

  Status change(Writer& writer) {
    const std::uint64_t what = take(14);
    const char* const label = labels[take(3)];
    const char* const key = keys[take(3)];
    const auto value = static_cast<std::int64_t>(take(1000));
    switch (what) {
      case 0:
      case 1:
      case 2: {
        SELVEDGE_TRY(const NodeId id, writer.create_node({label}, {{key, value}}));
        nodes_.push_back(id);
        return {};
      }
      case 3:
      case 4:
      case 5: {
        const NodeId from = some_node();
        SELVEDGE_TRY(const EdgeId id, writer.create_edge(from, label, some_node()));
        edges_.push_back(id);
        return {};
      }
      case 6: return writer.set(some_node(), {{key, value}});
      case 7: {
        const EdgeId id = some_edge();
        return take(2) == 0 ? writer.set(id, {{key, value}}) : writer.remove(id, key);
      }
      case 8: return writer.set(some_node(), {{key, std::string(50 + take(3000), 'x')}});
      case 9: return writer.add_label(some_node(), label);
      case 10: return writer.remove_label(some_node(), label);
      case 11: return writer.delete_edge(some_edge());
      case 12: {
        const NodeId id = some_node();
        return take(2) == 0 ? writer.delete_node(id) : writer.detach_delete_node(id);
      }
      default: return several(writer, label, value);
    }
  }

  Status several(Writer& writer, const char* label, std::int64_t value) {
    const std::array<Property, 1> properties{{{"v", value}}};
    const std::array<LabelRef, 1> carried{label};
    const std::vector<NewNode> fresh(2 + take(4), NewNode{carried, properties});
    SELVEDGE_TRY(const auto made, writer.create_nodes(fresh));
    nodes_.insert(nodes_.end(), made.begin(), made.end());
    return {};
  }

  Trial& trial_;
  std::uint64_t word_ = 0;
  std::array<std::optional<Lane>, 3> lanes_;
  std::vector<NodeId> nodes_;  // some of them never came to be
  std::vector<EdgeId> edges_;
  int copies_ = 0;
};

}  // namespace

std::vector<std::uint64_t> random_words(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> words(count);
  for (std::uint64_t& word : words) {
    word = random();
  }
  return words;
}

Workload random_workload(std::vector<std::uint64_t> words) {
  const std::uint64_t options = words.empty() ? 0 : words.front();
  Workload workload;
  workload.name = "random";
  workload.body = [words = std::move(words)](Trial& trial) { return Mix(trial).execute(words); };
  workload.configure = [options](Options& each) {
    static constexpr std::array modes{SyncMode::immediate, SyncMode::immediate, SyncMode::batch,
                                      SyncMode::none};
    static constexpr std::array<std::uint32_t, 3> buffers{0, 256, 64 << 10};
    static constexpr std::array<std::uint64_t, 3> segments{4096, 8192, 16384};
    each.sync = modes[options % 4];
    each.transaction_buffer_bytes = buffers[options / 4 % 3];
    each.segment_bytes = segments[options / 12 % 3];
  };
  return workload;
}

}  // namespace selvedge::testkit
