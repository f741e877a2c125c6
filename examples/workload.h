// The writers of the crash demonstration, and the ledger that judges what recovery brought back.
//
// Every operation leaves a trace that names it: writer and number. Booking number k of a writer
// creates a Booking node with edges to both airports, raises `booked` on its route and sets the
// writer's own ledger node to k, in one transaction; cancelling takes the same back. So after a
// crash each operation can be told to be there wholly, or not at all.
#pragma once

#include <fmt/core.h>
#include <selvedge/store.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace crash {

inline constexpr std::uint32_t transactional_writers = 4;
inline constexpr std::uint32_t plain_writer = 4;  ///< non-transactional operations
inline constexpr std::uint32_t bulk_writer = 5;
inline constexpr std::uint32_t writers = 6;
inline constexpr std::int64_t bulk_size = 25;

struct Message {
  enum class Kind : std::uint32_t { ready, issued, acknowledged };
  Kind kind = Kind::ready;
  std::uint32_t writer = 0;
  std::uint64_t number = 0;
  std::uint64_t cancels = 0;  ///< the operation taken back by this one; 0 = a booking
};

/// Role: what was issued and acknowledged, and the comparison with a recovered store.
class Ledger {
 public:
  void note(const Message& message) {
    Writer& writer = writers_[message.writer];
    if (message.kind == Message::Kind::issued) {
      writer.issued = message;
      return;
    }
    ++acknowledged_;
    apply(writer, message);
    writer.issued.reset();
  }

  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t lost() const { return lost_; }
  [[nodiscard]] std::uint64_t resurrected() const { return resurrected_; }

  /// What is wrong with the store; what was issued but not acknowledged may be there or not, and
  /// is taken as it is for the next round.
  std::vector<std::string> verify(selvedge::Store& store) {
    std::vector<std::string> faults;
    const auto report = store.check();
    faults.insert(faults.end(), report.faults.begin(), report.faults.end());
    const auto view = store.read();
    std::vector<std::map<std::uint64_t, std::int64_t>> found(writers);
    std::map<std::uint64_t, std::int64_t> booked;
    for (auto cursor = view.nodes("Booking"); cursor.next();) {
      const auto& node = cursor.node();
      const auto writer = static_cast<std::size_t>(*node["writer"].as_int64());
      ++found[writer][static_cast<std::uint64_t>(*node["number"].as_int64())];
      if (const auto route = node["route"].as_int64()) {
        ++booked[static_cast<std::uint64_t>(*route)];
        if (view.degree(node.id(), selvedge::Direction::out) != 2) {
          faults.push_back(fmt::format("booking {} of writer {} is not whole",
                                       *node["number"].as_int64(), writer));
        }
      }
    }
    for (auto scan = view.edges("ROUTE"); scan.next();) {
      const std::int64_t count = *scan.edge()["booked"].as_int64();
      if (count != booked[scan.edge().id().value]) {
        faults.push_back(fmt::format("route {} says {} booked, there are {}",
                                     scan.edge().id().value, count,
                                     booked[scan.edge().id().value]));
      }
    }
    std::map<std::size_t, std::uint64_t> last;
    for (auto cursor = view.nodes("Ledger"); cursor.next();) {
      last[static_cast<std::size_t>(*cursor.node()["writer"].as_int64())] =
          static_cast<std::uint64_t>(*cursor.node()["last"].as_int64());
    }
    for (std::uint32_t i = 0; i < writers; ++i) {
      compare(i, found[i], last, faults);
    }
    return faults;
  }

 private:
  struct Writer {
    std::set<std::uint64_t> live;   ///< bookings acknowledged and not cancelled
    std::uint64_t last = 0;         ///< number of the last acknowledged operation
    std::optional<Message> issued;  ///< not acknowledged
  };

  static void apply(Writer& writer, const Message& message) {
    writer.last = message.number;
    if (message.cancels != 0) {
      writer.live.erase(message.cancels);
    } else {
      writer.live.insert(message.number);
    }
  }

  void compare(std::uint32_t index, const std::map<std::uint64_t, std::int64_t>& found,
               const std::map<std::size_t, std::uint64_t>& last, std::vector<std::string>& faults) {
    Writer& writer = writers_[index];
    if (writer.issued) {
      // One operation may have become durable without its acknowledgement. If so, wholly.
      const bool there = writer.issued->cancels != 0 ? found.count(writer.issued->cancels) == 0
                                                     : found.count(writer.issued->number) != 0;
      if (there) {
        apply(writer, *writer.issued);
      }
      writer.issued.reset();
    }
    const std::int64_t expected = index == bulk_writer ? bulk_size : 1;
    for (const std::uint64_t number : writer.live) {
      const auto place = found.find(number);
      if (place == found.end() || place->second != expected) {
        ++lost_;
        faults.push_back(
            fmt::format("writer {}: acknowledged operation {} is lost", index, number));
      }
    }
    for (const auto& [number, count] : found) {
      if (writer.live.count(number) == 0) {
        ++resurrected_;
        faults.push_back(fmt::format("writer {}: operation {} should not be there", index, number));
      }
    }
    if (index < transactional_writers) {
      const auto place = last.find(index);
      if ((place == last.end() ? 0 : place->second) != writer.last) {
        ++lost_;
        faults.push_back(fmt::format("writer {}: its ledger does not say {}", index, writer.last));
      }
    }
  }

  Writer writers_[writers];
  std::uint64_t acknowledged_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t resurrected_ = 0;
};

/// Role: opens the store and writes until it is killed.
constexpr std::uint32_t checkpoint_interval = 200;  ///< operations between two checkpoints

class Workload {
 public:
  Workload(std::string path, std::uint64_t seed, int pipe)
      : path_(std::move(path)), seed_(seed), pipe_(pipe) {}

  int run() {
    selvedge::Options options;
    options.segment_bytes = std::uint64_t{4} << 20;
    options.transaction_buffer_bytes =
        0;  // each operation is logged at once: a crash leaves halves
    auto store = selvedge::Store::open(path_, options);
    if (!store) {
      return complain(store.error());
    }
    store_ = &*store;
    find_own();
    send({Message::Kind::ready});
    std::vector<std::thread> threads;
    for (std::uint32_t writer = 0; writer < writers; ++writer) {
      threads.emplace_back([this, writer] { write(writer); });
    }
    threads.emplace_back([this] {
      while (!failed_) {
        wait_for_others(checkpoint_interval);
        if (auto done = store_->checkpoint(); !done) {
          complain(done.error());
        }
      }
    });
    for (std::thread& thread : threads) {
      thread.join();
    }
    return 1;
  }

 private:
  struct Own {
    selvedge::NodeId ledger;
    std::uint64_t last = 0;
    std::map<std::uint64_t, std::vector<selvedge::NodeId>> live;
  };

  int complain(const selvedge::Error& error) {
    fmt::print(stderr, "child: {}\n", error.message());
    stop();
    return 1;
  }

  void send(const Message& message) {
    // At most PIPE_BUF bytes: atomic. The parent reads until the end.
    if (::write(pipe_, &message, sizeof message) != sizeof message) {
      stop();
    }
  }
  /// Returns after so many more operations of anybody.
  void wait_for_others(std::uint32_t operations) {
    const std::uint32_t start = done_;
    for (std::uint32_t now = start; !failed_ && now - start < operations; now = done_) {
      done_.wait(now);
    }
  }
  void stop() {
    failed_ = true;
    ++done_;
    done_.notify_all();
  }

  /// Where each writer left off in its last life.
  void find_own() {
    const auto view = store_->read();
    for (auto scan = view.edges("ROUTE"); scan.next();) {
      routes_.push_back(scan.edge().id());
    }
    for (auto cursor = view.nodes("Booking"); cursor.next();) {
      Own& own = own_[static_cast<std::size_t>(*cursor.node()["writer"].as_int64())];
      const auto number = static_cast<std::uint64_t>(*cursor.node()["number"].as_int64());
      own.live[number].push_back(cursor.id());
      own.last = std::max(own.last, number);
    }
    for (auto cursor = view.nodes("Ledger"); cursor.next();) {
      Own& own = own_[static_cast<std::size_t>(*cursor.node()["writer"].as_int64())];
      own.ledger = cursor.id();
      own.last = std::max(own.last, static_cast<std::uint64_t>(*cursor.node()["last"].as_int64()));
    }
    for (Own& own : own_) {
      own.last += 1000;  // numbers of cancels that left no trace are not used again
    }
  }

  void write(std::uint32_t writer) {
    std::mt19937_64 random(seed_ + writer);
    Own& own = own_[writer];
    while (!failed_) {
      const std::uint64_t number = ++own.last;
      const bool cancel = own.live.size() > 5 && random() % 2 == 0;
      const std::uint64_t victim = cancel ? own.live.begin()->first : 0;
      send({Message::Kind::issued, writer, number, victim});
      const selvedge::Status done =
          writer < transactional_writers ? store_->transact([&](selvedge::Transaction& tx) {
            return cancel ? unbook(tx, writer, number, victim)
                          : book(tx, writer, number, routes_[random() % routes_.size()]);
          })
          : writer == plain_writer       ? plain(number, victim)
                                         : bulk(number, victim);
      if (!done) {
        complain(done.error());
        return;
      }
      send({Message::Kind::acknowledged, writer, number, victim});
      ++done_;
      done_.notify_all();
      if (cancel) {
        own.live.erase(victim);
      } else {
        own.live[number] = made_[writer];
      }
    }
  }

  selvedge::Status note_last(selvedge::Transaction& tx, std::uint32_t writer,
                             std::uint64_t number) {
    const auto last = static_cast<std::int64_t>(number);
    if (own_[writer].ledger) {
      return tx.set(own_[writer].ledger, "last", last);
    }
    SELVEDGE_TRY(own_[writer].ledger,
                 tx.create_node({"Ledger"}, {{"writer", writer}, {"last", last}}));
    return {};
  }

  selvedge::Status book(selvedge::Transaction& tx, std::uint32_t writer, std::uint64_t number,
                        selvedge::EdgeId route) {
    const bool had_ledger = static_cast<bool>(own_[writer].ledger);
    const auto attempt = [&]() -> selvedge::Status {
      SELVEDGE_TRY(const auto edge, tx.get(route));
      SELVEDGE_TRY(tx.set(route, "booked", *edge["booked"].as_int64() + 1));
      SELVEDGE_TRY(
          const auto booking,
          tx.create_node({"Booking"}, {{"writer", writer},
                                       {"number", static_cast<std::int64_t>(number)},
                                       {"route", static_cast<std::int64_t>(route.value)}}));
      if (writer ==
          0) {  // takes its time: what it did so far reaches the disk with the others' work
        wait_for_others(2);
      }
      SELVEDGE_TRY(tx.create_edge(booking, "FROM", edge.source()));
      SELVEDGE_TRY(tx.create_edge(booking, "TO", edge.target()));
      made_[writer] = {booking};
      return note_last(tx, writer, number);
    };
    auto status = attempt();
    if (!status && !had_ledger) {
      own_[writer].ledger = {};  // made by an attempt that did not commit
    }
    return status;
  }

  selvedge::Status unbook(selvedge::Transaction& tx, std::uint32_t writer, std::uint64_t number,
                          std::uint64_t victim) {
    const selvedge::NodeId booking = own_[writer].live[victim].front();
    SELVEDGE_TRY(const auto node, tx.get(booking));
    const selvedge::EdgeId route{static_cast<std::uint64_t>(*node["route"].as_int64())};
    SELVEDGE_TRY(const auto edge, tx.get(route));
    SELVEDGE_TRY(tx.set(route, "booked", *edge["booked"].as_int64() - 1));
    SELVEDGE_TRY(tx.detach_delete_node(booking));
    return note_last(tx, writer, number);
  }

  selvedge::Status plain(std::uint64_t number, std::uint64_t victim) {
    if (victim != 0) {
      return store_->delete_node(own_[plain_writer].live[victim].front());
    }
    SELVEDGE_TRY(const auto node,
                 store_->create_node({"Booking"}, {{"writer", plain_writer},
                                                   {"number", static_cast<std::int64_t>(number)}}));
    made_[plain_writer] = {node};
    return {};
  }

  selvedge::Status bulk(std::uint64_t number, std::uint64_t victim) {
    if (victim != 0) {
      return store_->delete_nodes(own_[bulk_writer].live[victim]);
    }
    const selvedge::LabelRef labels[] = {"Booking"};
    const selvedge::Property properties[] = {{"writer", bulk_writer},
                                             {"number", static_cast<std::int64_t>(number)}};
    const std::vector<selvedge::NewNode> nodes(bulk_size, {labels, properties});
    SELVEDGE_TRY(made_[bulk_writer], store_->create_nodes(nodes));
    return {};
  }

  const std::string path_;
  const std::uint64_t seed_;
  const int pipe_;
  selvedge::Store* store_ = nullptr;
  std::vector<selvedge::EdgeId> routes_;
  Own own_[writers];
  std::vector<selvedge::NodeId> made_[writers];
  std::atomic<bool> failed_{false};
  std::atomic<std::uint32_t> done_{0};  ///< operations of all writers
};

}  // namespace crash
