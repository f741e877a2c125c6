// Histories of concurrent transactions: recorded, kept as JSON lines, and held against a level of
// isolation.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/options.h>

namespace selvedge::testkit {

/// What its client was told of a transaction.
enum class Outcome : std::uint8_t {
  ok,       ///< it is committed
  fail,     ///< nothing of it ever happened
  unknown,  ///< either of the two, and nobody was told which
};

/// One operation, with what it read. Lists hold elements in the order in which they were appended;
/// the edges of a node, those of a pair of nodes, and the members of a label are sets. An element
/// is appended to a list only once; the numbers of edges and of members are given only once, all
/// together. An edge that is replaced leaves another one in its place, so that who does not find it
/// is known to have come too early or too late; of what is removed this must be worked out.
///
/// The edges of a pair are those that exist once (`create_edge_if_absent`); they count for the pair
/// only, not for the edges of its nodes.
struct HistoryOperation {
  enum class Kind : std::uint8_t {
    append,   ///< `value` to list `key`
    read,     ///< list `key`, found as `seen`
    insert,   ///< edge `value`, from node `key` to node `target`
    out,      ///< the edges that leave node `key`, found as `seen`, in any order
    in,       ///< the edges that come to node `key`
    replace,  ///< edge `replaced` goes, edge `value` comes, from node `key` to node `target`
    remove,   ///< edge `value`, from node `key` to node `target`, goes
    make,     ///< edge `value`, from node `key` to node `target`, as there was none of this pair
    remake,   ///< of this pair: `replaced` goes, `value` comes
    pair,     ///< the edges of this pair, found as `seen`: none or one
    join,     ///< member `value` of label `key`
    leave,    ///< `value` is no member of label `key` any more
    members,  ///< the members of label `key`, found as `seen`, in any order
  };
  Kind kind = Kind::append;
  std::uint64_t key = 0;
  std::uint64_t value = 0;
  std::uint64_t target = 0;
  std::vector<std::uint64_t> seen = {};
  std::uint64_t replaced = 0;
  bool operator==(const HistoryOperation&) const = default;

  static HistoryOperation append(std::uint64_t list, std::uint64_t element);
  static HistoryOperation read(std::uint64_t list, std::vector<std::uint64_t> elements);
  static HistoryOperation insert(std::uint64_t source, std::uint64_t edge, std::uint64_t target);
  static HistoryOperation out(std::uint64_t node, std::vector<std::uint64_t> edges);
  static HistoryOperation in(std::uint64_t node, std::vector<std::uint64_t> edges);
  static HistoryOperation replace(std::uint64_t source, std::uint64_t edge, std::uint64_t target,
                                  std::uint64_t replaced);
  static HistoryOperation remove(std::uint64_t source, std::uint64_t edge, std::uint64_t target);
  static HistoryOperation make(std::uint64_t source, std::uint64_t edge, std::uint64_t target);
  static HistoryOperation remake(std::uint64_t source, std::uint64_t edge, std::uint64_t target,
                                 std::uint64_t replaced);
  static HistoryOperation pair(std::uint64_t source, std::uint64_t target,
                               std::vector<std::uint64_t> edges);
  static HistoryOperation join(std::uint64_t label, std::uint64_t member);
  static HistoryOperation leave(std::uint64_t label, std::uint64_t member);
  static HistoryOperation members(std::uint64_t label, std::vector<std::uint64_t> members);
  [[nodiscard]] std::string to_string() const;
};

/// A transaction as its client saw it. The moments are of one clock for the whole history.
struct HistoryTransaction {
  std::uint64_t process = 0;   ///< the client: it does one thing at a time
  std::uint64_t invoked = 0;   ///< before it began
  std::uint64_t returned = 0;  ///< after its end was known; means nothing of an unknown one
  Outcome outcome = Outcome::unknown;
  std::vector<HistoryOperation> operations = {};  ///< those that were done, in their order
  bool operator==(const HistoryTransaction&) const = default;
};

struct History {
  std::vector<HistoryTransaction> transactions;  ///< by the moment of their begin
  bool operator==(const History&) const = default;
};

/// Role: the clock and the notebook of all clients.
/// Invariants: what was invoked is in the history once it is handed back.
/// Threads: any.
class HistoryRecorder {
 public:
  /// To be called before the transaction begins.
  [[nodiscard]] HistoryTransaction invoke(std::uint64_t process);
  /// To be called after its commit or its abort has returned, or failed to.
  void done(HistoryTransaction transaction, Outcome outcome);
  /// Everything so far.
  [[nodiscard]] History history() const;

 private:
  std::atomic<std::uint64_t> clock_{0};
  mutable std::mutex mutex_;
  std::vector<HistoryTransaction> transactions_;
};

/// Two lines for each transaction, by the moments: `{"type":"invoke","process":0,"time":1,
/// "f":"txn","value":[["append",3,1],["r",3,null],["insert",1,7,2],["out",1,null]]}`, and the same
/// with the type `ok`, `fail` or `info` and with what was read. Elle reads lists in this form.
[[nodiscard]] std::string to_json_lines(const History& history);
/// `invalid_argument`, with the number of the line, for what is none. A transaction of which there
/// is no end is unknown.
[[nodiscard]] Result<History> history_from_json_lines(std::string_view text);

/// What a history must not show. Adya's names where there are some.
enum class AnomalyKind : std::uint8_t {
  unwritten,           ///< somebody read what nobody wrote
  duplicate,           ///< an element twice in one read
  g1a,                 ///< a read of what was rolled back
  g1b,                 ///< a read of a part of what a transaction wrote
  internal,            ///< a transaction's own reads and writes do not agree
  one_sided,           ///< an edge leaves its source, and does not come to its target, or reverse
  incompatible_order,  ///< two reads of a list, of which neither continues the other
  lost_update,         ///< two changed a list after having read the same of it, took one element
                       ///< away, or made the only edge of one pair
  g0,                  ///< a circle of writes
  g1c,                 ///< a circle of writes and reads
  g_single,            ///< a circle with one read of the past
  g_nonadjacent,       ///< a circle with several of them, no two in a row
  g2,                  ///< a circle with two of them in a row: write skew
};
[[nodiscard]] const char* name_of(AnomalyKind kind);

struct Anomaly {
  AnomalyKind kind = AnomalyKind::unwritten;
  bool real_time = false;                 ///< a circle only together with the order of the moments
  std::vector<std::size_t> transactions;  ///< those in it, by their places in the history
  std::string text;                       ///< what they did, and why it cannot be
};

/// Holds a history against a level of isolation:
/// - `snapshot`: no circle in E1 u (E1 ; rw) with E1 = ww u wr (Cerone and Gotsman 2018),
/// - `serializable`: no circle in ww u wr u rw (Adya, Liskov and O'Neil 2000),
/// - `real_time`: nor together with "had returned before the other one began", which counts as E1:
///   strong snapshot isolation, strict serializability.
/// ww: consecutive elements of a list, as the longest read has them; wr: from who wrote what was
/// read last; rw: from who read a beginning to who wrote what comes next. Of a set each element
/// seen is a wr, and a rw to who took it away; each one not seen, nor what came in its place, a rw.
/// Who does not find what was removed came before it was there or after it had gone: which of the
/// two, follows from the other dependencies, or stays open. An unknown transaction counts as soon
/// as somebody who counts saw something that it wrote. Every anomaly that is no circle is reported,
/// and the first circle, from the worst kind on. `invalid_argument` for histories that write
/// something twice. Cost: its size, times its logarithm; for each set reads times inserts; and
/// where something was removed, dependencies times transactions, in steps of hundreds at once.
[[nodiscard]] Result<std::vector<Anomaly>> find_anomalies(const History& history,
                                                          Isolation isolation,
                                                          bool real_time = true);

}  // namespace selvedge::testkit
