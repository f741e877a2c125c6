// The store: open it, read it, write it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/feed.h>
#include <selvedge/history.h>
#include <selvedge/options.h>
#include <selvedge/read.h>
#include <selvedge/report.h>
#include <selvedge/schema.h>
#include <selvedge/txlog.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>
#include <selvedge/value.h>

namespace selvedge {

namespace detail {
class StoreImpl;
class TransactionImpl;
class ViewImpl;
}  // namespace detail

/// A property to set. Borrowed: for parameters.
struct Property {
  KeyRef key;
  ValueArg value;
};
using Labels = std::initializer_list<LabelRef>;
using PropertyList = std::initializer_list<Property>;

/// A node or an edge to create in bulk.
struct NewNode {
  std::span<const LabelRef> labels;
  std::span<const Property> properties;
};
struct NewEdge {
  NodeId source;
  TypeRef type;
  NodeId target;
  std::span<const Property> properties;
};

/// What `create_edge_if_absent` found or made.
struct EdgeMade {
  EdgeId id;
  bool created = false;
};

/// What `get_or_create_node` found or made.
struct NodeMade {
  NodeId id;
  bool created = false;
};

/// A place in a transaction to which it can be rolled back.
struct Savepoint {
  std::uint64_t value = 0;
};

/// The operations that a transaction and the store itself share. In a transaction they become
/// visible and durable together; on the store each is atomic by itself.
/// Errors change nothing: `not_found`, `conflict`, `has_edges`, `constraint_violated`,
/// `invalid_argument`, `too_large`, `finished`, `disk_full`, `out_of_memory`, `poisoned`,
/// `read_only`.
class Writer {
 public:
  Result<NodeId> create_node(Labels labels, PropertyList properties = {}) {
    return create_node(std::span(labels.begin(), labels.size()),
                       std::span(properties.begin(), properties.size()));
  }
  Result<EdgeId> create_edge(NodeId source, TypeRef type, NodeId target,
                             PropertyList properties = {}) {
    return create_edge(source, type, target, std::span(properties.begin(), properties.size()));
  }
  virtual Result<NodeId> create_node(std::span<const LabelRef> labels,
                                     std::span<const Property> properties) = 0;
  virtual Result<EdgeId> create_edge(NodeId source, TypeRef type, NodeId target,
                                     std::span<const Property> properties) = 0;

  /// The edge of this type from source to target; created, with the properties, when there is none.
  /// Of several that do this at once, at any isolation, one creates it; the others find it, or get
  /// `conflict` while it is being made. Edges of other pairs do not matter, however large the hub.
  /// Cost: the smaller of the two degrees; between two hubs constant.
  Result<EdgeMade> create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                         PropertyList properties = {}) {
    return create_edge_if_absent(source, type, target,
                                 std::span(properties.begin(), properties.size()));
  }
  virtual Result<EdgeMade> create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                                 std::span<const Property> properties) = 0;

  /// The node of this label with this value under the key; created, with the further properties,
  /// when there is none. Needs an index or unique constraint on just this label and key
  /// (`not_found`). Of several that do this at once, at any isolation, one creates it; the others
  /// find it, or get `conflict` while it is being made. Who finds it hinders nobody. A plain
  /// `create_node` can still make another one, unless the constraint is there.
  /// Cost: a look into the index.
  Result<NodeMade> get_or_create_node(LabelRef label, KeyRef key, ValueArg value,
                                      PropertyList properties = {}) {
    return get_or_create_node(label, key, value, std::span(properties.begin(), properties.size()));
  }
  virtual Result<NodeMade> get_or_create_node(LabelRef label, KeyRef key, ValueArg value,
                                              std::span<const Property> properties) = 0;

  virtual Status set(NodeId id, std::span<const Property> properties) = 0;
  virtual Status set(EdgeId id, std::span<const Property> properties) = 0;
  Status set(NodeId id, PropertyList properties) {
    return set(id, std::span(properties.begin(), properties.size()));
  }
  Status set(EdgeId id, PropertyList properties) {
    return set(id, std::span(properties.begin(), properties.size()));
  }
  Status set(NodeId id, KeyRef key, ValueArg value) { return set(id, {{key, value}}); }
  Status set(EdgeId id, KeyRef key, ValueArg value) { return set(id, {{key, value}}); }
  /// Removing what is not there is no error.
  virtual Status remove(NodeId id, KeyRef key) = 0;
  virtual Status remove(EdgeId id, KeyRef key) = 0;
  virtual Status add_label(NodeId id, LabelRef label) = 0;
  virtual Status remove_label(NodeId id, LabelRef label) = 0;

  /// `has_edges` when there are any.
  virtual Status delete_node(NodeId id) = 0;
  /// With all its edges, as one log entry.
  virtual Status detach_delete_node(NodeId id) = 0;
  virtual Status delete_edge(EdgeId id) = 0;

  /// One log entry per batch of bounded size; on the store each batch is atomic by itself.
  virtual Result<std::vector<NodeId>> create_nodes(std::span<const NewNode> nodes) = 0;
  virtual Result<std::vector<EdgeId>> create_edges(std::span<const NewEdge> edges) = 0;
  virtual Status delete_nodes(std::span<const NodeId> ids) = 0;
  virtual Status delete_edges(std::span<const EdgeId> ids) = 0;

 protected:
  ~Writer() = default;
};

/// Role: the state at one sequence, for as long as it lives.
/// Threads: one at a time. Holding one keeps old versions in memory.
class ReadView : public Reader {
 public:
  ReadView(ReadView&&) noexcept;
  ReadView& operator=(ReadView&&) noexcept;
  ~ReadView();

 private:
  friend class Store;
  explicit ReadView(std::unique_ptr<detail::ViewImpl> impl);
  std::unique_ptr<detail::ViewImpl> impl_;
};

/// A commit whose durability can be waited for later.
class CommitTicket {
 public:
  /// The commit's place in the history; of a transaction that wrote nothing, its view's.
  [[nodiscard]] Sequence sequence() const { return sequence_; }
  /// Returns when the commit is durable. Threads: any, before the store is closed.
  Status wait() const;

 private:
  friend class Transaction;
  friend class Store;
  CommitTicket(detail::StoreImpl* store, Sequence sequence) : store_(store), sequence_(sequence) {}
  detail::StoreImpl* store_;
  Sequence sequence_;
};

struct TransactionOptions {
  /// Travels in the log with the transaction's begin.
  std::vector<std::pair<std::string, std::string>> metadata = {};
  /// Nothing: as the store's options say.
  std::optional<Isolation> isolation = {};
  /// After so long maintenance aborts it, 0 = never. Nothing: as the store's options say
  /// (`Options::transaction_age_max`).
  std::optional<std::chrono::milliseconds> age_max = {};
};

/// Role: operations that happen together or not at all. Reads see one moment and the own writes; of
///   two writers of one entity the first wins and the second gets `conflict` at once. Serializable:
///   `commit` returns `conflict` when something that was read has changed, and has aborted then.
///   docs/isolation.md has the table of what can happen at which level.
/// Invariants: destruction without commit aborts. One that gets older than its limit (`age_max`) is
///   aborted between two operations of its owner: from then on it is `finished`, operations and
///   `commit` say why, reads find nothing, cursors are at their end.
/// Threads: one at a time.
/// After failure: an operation that returns an error has changed nothing; the transaction goes on.
///   Only if what a large operation had streamed to the log cannot be taken back there (the disk is
///   full), the whole transaction is rolled back and `finished`.
class Transaction final : public Reader, public Writer {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  ~Transaction();

  using Writer::create_edge;
  using Writer::create_edge_if_absent;
  using Writer::create_node;
  using Writer::get_or_create_node;
  using Writer::set;
  Result<NodeId> create_node(std::span<const LabelRef> labels,
                             std::span<const Property> properties) override;
  Result<EdgeId> create_edge(NodeId source, TypeRef type, NodeId target,
                             std::span<const Property> properties) override;
  Result<EdgeMade> create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                         std::span<const Property> properties) override;
  Result<NodeMade> get_or_create_node(LabelRef label, KeyRef key, ValueArg value,
                                      std::span<const Property> properties) override;
  Status set(NodeId id, std::span<const Property> properties) override;
  Status set(EdgeId id, std::span<const Property> properties) override;
  Status remove(NodeId id, KeyRef key) override;
  Status remove(EdgeId id, KeyRef key) override;
  Status add_label(NodeId id, LabelRef label) override;
  Status remove_label(NodeId id, LabelRef label) override;
  Status delete_node(NodeId id) override;
  Status detach_delete_node(NodeId id) override;
  Status delete_edge(EdgeId id) override;
  Result<std::vector<NodeId>> create_nodes(std::span<const NewNode> nodes) override;
  Result<std::vector<EdgeId>> create_edges(std::span<const NewEdge> edges) override;
  Status delete_nodes(std::span<const NodeId> ids) override;
  Status delete_edges(std::span<const EdgeId> ids) override;

  Result<Savepoint> savepoint();
  /// Undoes everything since; the savepoint stays, later ones are gone.
  Status rollback_to(Savepoint savepoint);

  /// Returns the commit's sequence once it is durable as the sync mode says. After
  /// `unknown_outcome` the transaction may or may not be there when the store is opened again.
  /// A transaction that wrote nothing returns its view's sequence once that is durable.
  Result<Sequence> commit();
  /// Visible at once, durable when the ticket says so.
  Result<CommitTicket> commit_async();
  /// The reason travels in the log if anything of the transaction does.
  Status abort(std::string_view reason = {});
  [[nodiscard]] bool finished() const;
  /// Names the transaction to people and other systems; known from the first operation that is
  /// logged, at the latest after commit. Nothing before.
  [[nodiscard]] std::optional<Uuid> uuid() const;

 private:
  friend class Store;
  explicit Transaction(std::unique_ptr<detail::TransactionImpl> impl);
  std::unique_ptr<detail::TransactionImpl> impl_;
};

/// What `Store::transact` went through.
struct RetryReport {
  unsigned attempts = 0;
  std::chrono::microseconds waited{0};
};

/// Retries of `Store::transact`.
struct RetryOptions {
  unsigned attempts_max = 64;
  /// Back-off before the second attempt; doubles up to the maximum, jittered.
  std::chrono::microseconds backoff_first{20};
  std::chrono::microseconds backoff_max{5000};
  /// Of each attempt.
  TransactionOptions transaction = {};
  /// Filled in when it is over, if there is one.
  RetryReport* report = nullptr;
};

struct StoreStats {
  Sequence visible;
  Sequence durable;
  Sequence horizon;        ///< everything at or before it is settled or about to be
  Sequence readable_from;  ///< the oldest that `read_at` opens
  std::uint64_t log_entries = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t log_writes = 0;
  std::uint64_t log_syncs = 0;
  std::uint64_t log_segments = 0;
  std::uint64_t commits = 0;
  std::uint64_t aborts = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t transactions_active = 0;
  std::uint64_t transactions_expired = 0;  ///< of the aborts, those for their age
  /// The transaction that is open longest, counted from the first round of maintenance, or call of
  /// this, that saw it; and its number and name, if anything of it is in the log.
  std::chrono::milliseconds transaction_oldest_age{0};
  std::uint64_t transaction_oldest_number = 0;
  std::optional<Uuid> transaction_oldest_uuid = {};
  std::uint64_t views_open = 0;
  std::chrono::milliseconds view_oldest_age{0};  ///< also of views of transactions
  std::uint64_t finished_waiting = 0;            ///< transactions not yet settled
  std::uint64_t checkpoints = 0;
  std::uint64_t memory_used_bytes = 0;
  std::uint64_t memory_reserved_bytes = 0;
  std::uint64_t node_slots = 0;  ///< ever used
  std::uint64_t edge_slots = 0;
  bool poisoned = false;
  std::string cause;  ///< of being poisoned; or why the last checkpoint, or maintenance, failed
};

/// What `Store::check` found to be wrong; empty = sound.
struct CheckReport {
  std::vector<std::string> faults;
  std::uint64_t nodes = 0;
  std::uint64_t edges = 0;
};

/// Role: the store. Closing (or destruction) syncs the log and writes a clean close.
/// Threads: all functions from any thread.
/// After failure: a failed write or sync of the log poisons the store: writes return `poisoned`,
///   reads go on, reopening recovers. They see the durable state in immediate mode; in the others
///   they see what they saw before, which reopening may take back.
class Store final : public Writer {
 public:
  /// Errors: locked, not_a_store, newer_format, corruption (file, offset, expected, found),
  /// permission_denied, not_found (missing and `create_if_missing` is off), disk_full, io;
  /// invalid_argument: an option that means nothing (a time below 0).
  static Result<Store> open(const std::string& path, const Options& options = {});
  /// The store in this directory as it was: with everything that had committed by then, and
  /// nothing else; also its indexes and constraints. For reading: writes return `read_only`.
  /// Nothing on disk changes, and whoever has the store open, here or elsewhere, is not hindered.
  /// Cost: loads the newest snapshot before that point and reads the log between; with no such
  /// snapshot, the log from its beginning, or the oldest snapshot behind it and the log back.
  /// Errors: those of `open`; `not_retained`, naming the oldest sequence that can be had;
  /// `invalid_argument` behind the end of the log. docs/history.md, "The store as it was".
  static Result<Store> open_as_of(const std::string& path, Sequence at,
                                  const Options& options = {});
  /// At the last commit by this time (`Txlog::sequence_at`).
  static Result<Store> open_as_of(const std::string& path, Timestamp at,
                                  const Options& options = {});
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  /// Errors of the last sync come out here. `invalid_argument`, and nothing done, while a view or
  /// transaction is open (one that was aborted for its age, until its owner has learned of it by an
  /// operation, or destroyed it); destroying a store under one, or under a cursor, is a bug that
  /// stops the process. Waits for a checkpoint or maintenance under way. Writes return `closed`
  /// from then on.
  Status close();

  [[nodiscard]] ReadView read() const;
  /// The state at a sequence of the past, as long as memory has it (`Options::versions_kept`,
  /// `version_age`; with neither, only the present). An index that was dropped since is not there.
  /// Errors: `not_retained`, naming the oldest sequence that can be read; `invalid_argument` for
  /// one that cannot be read yet. Cost: that of `read`. docs/concurrency.md, "Views of the past".
  [[nodiscard]] Result<ReadView> read_at(Sequence sequence) const;
  Result<Transaction> begin(TransactionOptions options = {});

  /// Runs `function(Transaction&)`, commits, and runs it again after a conflict. The function
  /// returns a `Result`; its error aborts and is returned.
  template <class Function>
  auto transact(Function&& function, const RetryOptions& retry = {})
      -> std::invoke_result_t<Function&, Transaction&> {
    if (retry.report != nullptr) {
      *retry.report = {};
    }
    for (unsigned attempt = 1;; ++attempt) {
      if (retry.report != nullptr) {
        retry.report->attempts = attempt;
      }
      auto transaction = begin(retry.transaction);
      if (!transaction) {
        return tl::unexpected<Error>(std::move(transaction).error());
      }
      auto result = function(*transaction);
      if (result) {
        auto committed = transaction->commit();
        if (committed) {
          return result;
        }
        result = tl::unexpected<Error>(std::move(committed).error());
      } else if (!transaction->finished()) {
        static_cast<void>(transaction->abort(result.error().message()));  // it was active
      }
      if (result.error().code() != ErrorCode::conflict || attempt >= retry.attempts_max) {
        return result;
      }
      back_off(attempt, retry);
    }
  }

  using Writer::create_edge;
  using Writer::create_edge_if_absent;
  using Writer::create_node;
  using Writer::get_or_create_node;
  using Writer::set;
  Result<NodeId> create_node(std::span<const LabelRef> labels,
                             std::span<const Property> properties) override;
  Result<EdgeId> create_edge(NodeId source, TypeRef type, NodeId target,
                             std::span<const Property> properties) override;
  Result<EdgeMade> create_edge_if_absent(NodeId source, TypeRef type, NodeId target,
                                         std::span<const Property> properties) override;
  Result<NodeMade> get_or_create_node(LabelRef label, KeyRef key, ValueArg value,
                                      std::span<const Property> properties) override;
  Status set(NodeId id, std::span<const Property> properties) override;
  Status set(EdgeId id, std::span<const Property> properties) override;
  Status remove(NodeId id, KeyRef key) override;
  Status remove(EdgeId id, KeyRef key) override;
  Status add_label(NodeId id, LabelRef label) override;
  Status remove_label(NodeId id, LabelRef label) override;
  Status delete_node(NodeId id) override;
  Status detach_delete_node(NodeId id) override;
  Status delete_edge(EdgeId id) override;
  Result<std::vector<NodeId>> create_nodes(std::span<const NewNode> nodes) override;
  Result<std::vector<EdgeId>> create_edges(std::span<const NewEdge> edges) override;
  Status delete_nodes(std::span<const NodeId> ids) override;
  Status delete_edges(std::span<const EdgeId> ids) override;

  /// Sets the embedding of a node under a key: a vector that can be computed again, kept outside
  /// the node's properties. It is logged, and recovered, but belongs to no transaction, never
  /// conflicts, and a damaged log entry of one costs that value only, instead of refusing to open.
  /// At most 262,144 floats; an empty vector removes it. Errors: not_found, too_large,
  /// and those of any write.
  Status set_embedding(NodeId id, KeyRef key, std::span<const float> values);

  /// Interns a name (logs it if it is new).
  Result<LabelId> label_id(std::string_view name);
  Result<TypeId> type_id(std::string_view name);
  Result<KeyId> key_id(std::string_view name);

  /// Makes an index or constraint, on a filled store too, while writers go on. It is enforced from
  /// the beginning and online, and durable, when this returns: a crash before leaves nothing.
  /// One at a time; others wait. Cost: a look at every node or edge.
  /// Errors: `already_exists` (the same, or the name), `constraint_violated` (with the first
  /// entities that break it), `invalid_argument`, `too_large` (values that an index cannot hold,
  /// the same way), `conflict` (an unfinished transaction decides), and those of any write. Nothing
  /// changed.
  Status create_schema(const SchemaSpec& spec, const SchemaOptions& options = {});
  /// `not_found` when nothing has the name.
  Status drop_schema(std::string_view name);
  /// All of it, in the order of its making, and what is being made.
  [[nodiscard]] std::vector<SchemaInfo> schema() const;

  /// Takes a checkpoint now: the log before it is no longer needed by recovery.
  Status checkpoint();
  /// Writes a consistent copy into a new directory, as a store that opens by itself. What it holds
  /// is durable. `already_exists` for a directory that is there, as that of a backup that failed.
  Status backup(const std::string& directory);
  /// Makes everything committed durable, in every sync mode.
  Status sync();
  /// One round of maintenance: what the background thread does. For stores without it.
  Status maintain();

  /// The log, to be read: what is durable of it, at any time. Like a view it must be gone, and its
  /// cursors too, before the store closes. Errors: closed, corruption, the system's.
  [[nodiscard]] Result<Txlog> txlog() const;
  /// What was committed from this sequence on: to be pulled, or called in a thread of its own. Both
  /// must be gone before the store closes. `not_retained` when the log does not reach back.
  [[nodiscard]] Result<Feed> feed(Sequence from, const FeedOptions& options = {}) const;
  [[nodiscard]] Result<Subscription> subscribe(Sequence from, FeedCallback callback,
                                               const FeedOptions& options = {}) const;

  [[nodiscard]] const RecoveryReport& recovery_report() const;
  [[nodiscard]] StoreStats stats() const;
  [[nodiscard]] const Uuid& uuid() const;
  /// Compares every structure with every other; no writer may run. Cost: the whole store.
  [[nodiscard]] CheckReport check() const;
  /// 128-bit digest of the whole state in a view: equal states have equal digests. Cost: the
  /// whole store.
  [[nodiscard]] std::string digest() const;

 private:
  explicit Store(std::unique_ptr<detail::StoreImpl> impl);
  static void back_off(unsigned attempt, const RetryOptions& retry);
  std::unique_ptr<detail::StoreImpl> impl_;
};

}  // namespace selvedge
