// The log as it is: every entry, in order, by sequence or by transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/file_system.h>
#include <selvedge/schema.h>
#include <selvedge/types.h>
#include <selvedge/uuid.h>
#include <selvedge/value.h>

namespace selvedge {

namespace graph {
class Names;
}
namespace history {
class Catalog;
class CursorImpl;
class Lease;
}  // namespace history
class Diff;
class EntityHistory;
class Feed;
struct DiffOptions;
struct FeedOptions;

/// What a log entry does.
enum class EntryKind : std::uint8_t {
  tx_begin,
  tx_commit,
  tx_abort,
  create_node,
  update_node,
  delete_node,
  create_edge,
  update_edge,
  delete_edge,
  bulk_create_nodes,
  bulk_create_edges,
  bulk_delete_nodes,
  bulk_delete_edges,
  detach_delete_node,  ///< a node with its edges
  define_name,
  update_embedding,
  define_schema,  ///< an index or constraint
  drop_schema,
  other,  ///< anything else: `LogEntry::code` and `payload` have it
};
std::string_view to_string(EntryKind kind);
/// Nothing for a word that names no kind.
std::optional<EntryKind> parse_entry_kind(std::string_view name);

struct LoggedProperty {
  std::string_view key;
  ValueView value;
};

/// Labels and properties of an entity as an entry has them. Borrowed: until the cursor's next step.
class LoggedImage {
 public:
  LoggedImage() = default;
  LoggedImage(const graph::Names* names, std::span<const std::byte> image)
      : names_(names), image_(image) {}
  /// False: the entity was not there.
  explicit operator bool() const { return names_ != nullptr; }
  [[nodiscard]] std::size_t label_count() const;
  [[nodiscard]] std::string_view label(std::size_t index) const;
  [[nodiscard]] bool has_label(std::string_view label) const;
  /// Number of properties.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] LoggedProperty at(std::size_t index) const;
  /// Absent when there is no such property.
  [[nodiscard]] ValueView operator[](std::string_view key) const;
  /// As docs/format.md has it.
  [[nodiscard]] std::span<const std::byte> bytes() const { return image_; }
  /// The same content in other memory.
  [[nodiscard]] LoggedImage with(std::span<const std::byte> image) const { return {names_, image}; }

 private:
  const graph::Names* names_ = nullptr;
  std::span<const std::byte> image_;
};

/// What happened to one entity. Borrowed: until the cursor's next step.
struct LoggedChange {
  /// create, update, delete x node, edge; update_embedding; define_schema, drop_schema.
  EntryKind kind = EntryKind::other;
  NodeId node;  ///< of a change of a node, and of an embedding
  EdgeId edge;
  NodeId source;  ///< source, target and type: of edges
  NodeId target;
  std::string_view type;
  LoggedImage before;
  LoggedImage after;
  Sequence before_sequence;           ///< that `before` had: which entry or commit wrote it
  std::string_view key;               ///< of an embedding
  std::span<const std::byte> vector;  ///< of an embedding: float32 each; empty = removed
  /// Of an index or constraint: its id, which another may get once it is dropped, and what it is;
  /// null of a drop.
  std::uint32_t schema_id = 0;
  const SchemaSpec* schema = nullptr;
  std::uint8_t code = 0;  ///< of kind `other`: the kind as it is in the log
  [[nodiscard]] bool is_node() const {
    return static_cast<bool>(node) && kind != EntryKind::update_embedding;
  }
  [[nodiscard]] bool is_edge() const { return static_cast<bool>(edge); }
};

/// One entry of the log. Borrowed: until the cursor's next step.
struct LogEntry {
  Sequence sequence;
  EntryKind kind = EntryKind::other;
  TxnNumber number;                 ///< 0: outside a transaction
  std::optional<Uuid> transaction;  ///< the same, as other systems know it (`Transaction::uuid`)
  Uuid db;                          ///< the store
  Timestamp timestamp;              ///< of the commit; of a streamed entry, when it was logged

  /// Of one entity, index or constraint, or of each member of a bulk entry and of a detach.
  std::span<const LoggedChange> changes;
  std::span<const std::pair<std::string, std::string>> metadata;  ///< of tx_begin
  std::uint64_t operations = 0;                                   ///< of tx_commit
  std::string_view reason;                                        ///< of tx_abort
  std::string_view name;                                          ///< of define_name: the text,
  std::string_view name_kind;                                     ///< "label", "type" or "key",
  std::uint32_t name_id = 0;                                      ///< and its id
  /// An embedding's entry whose bytes are damaged: only header, sequence and node are known.
  bool damaged = false;
  std::uint8_t code = 0;               ///< the kind as it is in the log; 0 of begin, commit, abort
  std::span<const std::byte> payload;  ///< the entry's body as it is in the log (docs/format.md)
};

/// One line: {"txId","txNumber","db","kind","seq","timestamp","payload"}. docs/history.md has the
/// payload of each kind. Cost: the entry's size.
std::string to_json(const LogEntry& entry);
/// The payload alone.
std::string payload_json(const LogEntry& entry);
/// {"kind", ..}, with what the payload of an entry of its kind has.
std::string to_json(const LoggedChange& change);

/// Which entries a cursor shows; what is empty lets everything pass.
struct EntryFilter {
  std::vector<EntryKind> kinds = {};
  std::optional<NodeId> node = {};  ///< changes of this node, its embeddings too
  std::optional<EdgeId> edge = {};  ///< or changes of this edge
};

/// Role: entries of the log, one after another.
///
///   for (auto cursor = log.entries({1}); cursor.next();) use(cursor.entry());
///
/// Invariants: sequences rise; nothing that a crash can take back is shown. Memory: one frame of
///   the log (a buffer of 1 MiB, or the largest entry) and one index, whatever the log's size.
/// Threads: one at a time. It may outlive its `Txlog`, not its store.
/// After failure: `next` is false and `status` says why: `not_retained` (position and the oldest
///   entry that is left), `corruption` with file and offset, `closed`, or the system's.
class TxlogCursor {
 public:
  TxlogCursor(TxlogCursor&&) noexcept;
  TxlogCursor& operator=(TxlogCursor&&) noexcept;
  ~TxlogCursor();

  /// Goes to the next entry. False at the end of what is durable (ask again later), behind the last
  /// that was asked for, or after an error.
  bool next();
  [[nodiscard]] const LogEntry& entry() const;
  [[nodiscard]] const Status& status() const;
  /// Where it goes on.
  [[nodiscard]] Sequence position() const;

 private:
  friend class Txlog;
  explicit TxlogCursor(std::unique_ptr<history::CursorImpl> impl);
  std::unique_ptr<history::CursorImpl> impl_;
};

struct TxlogOptions {
  /// Null: the machine's own. Must outlive the log.
  FileSystem* file_system = nullptr;
  /// Show what is written although nothing proves that it is on the disk: a crash may take it back,
  /// and its sequences may be given to other entries.
  bool unconfirmed = false;
};

/// Role: the log of a store, to be read: of an open one (`Store::txlog`), or by its path.
/// Invariants: shows sequences from `first` to `last`; of an open store `last` is what is durable.
/// Threads: any.
class Txlog {
 public:
  /// The log of the store in this directory, which nobody need have open, and which stays as it is.
  /// Beside a live store it shows what was there at this moment. What no later entry, no clean
  /// close and no manifest vouches for is not shown, unless `unconfirmed`. Cost: reads the log
  /// behind the newest snapshot once. Errors: those of `Store::open`.
  static Result<Txlog> open(const std::string& path, const TxlogOptions& options = {});
  Txlog(Txlog&&) noexcept;
  Txlog& operator=(Txlog&&) noexcept;
  ~Txlog();

  /// The oldest entry that is retained, and the newest that is durable; first > last: none, or the
  /// segments cannot be read (`entries` says why).
  [[nodiscard]] Sequence first() const;
  [[nodiscard]] Sequence last() const;
  [[nodiscard]] const Uuid& db() const;
  /// The last commit at or before a time: of a transaction, or of one operation outside of any; 0
  /// before the first. `not_retained` when the log that is left begins later. Cost: a binary
  /// search.
  [[nodiscard]] Result<Sequence> sequence_at(Timestamp time) const;

  /// Entries with from <= sequence <= to (0 = no end), at most `limit` (0 = no limit).
  /// `not_retained` when `from` is older than `first`. Cost of the start: an index look-up.
  [[nodiscard]] Result<TxlogCursor> entries(Sequence from = {1}, Sequence to = {},
                                            std::uint64_t limit = 0, EntryFilter filter = {}) const;
  /// All entries of one transaction, without reading what lies between. `not_found`,
  /// `not_retained`.
  [[nodiscard]] Result<TxlogCursor> by_transaction(TxnNumber number) const;
  /// The UUID says the number: no search. `not_found` for another store's.
  [[nodiscard]] Result<TxlogCursor> by_transaction(const Uuid& transaction) const;
  /// Commits from this sequence on (selvedge/feed.h). A transaction that began before it and
  /// committed behind it comes whole. `not_retained` when it is older than `first`.
  [[nodiscard]] Result<Feed> feed(Sequence from) const;
  [[nodiscard]] Result<Feed> feed(Sequence from, const FeedOptions& options) const;
  /// The versions of one entity, the oldest first, with who made them and when
  /// (selvedge/history.h).
  [[nodiscard]] Result<EntityHistory> history(NodeId id) const;
  [[nodiscard]] Result<EntityHistory> history(EdgeId id) const;
  /// What is different after the second sequence from what was after the first
  /// (selvedge/history.h). `invalid_argument` when they are not in order, or behind `last`;
  /// `not_retained` when the log between, or a transaction that was under way at the first, is not
  /// all there. Cost: reads the log between, from the begin of those transactions.
  [[nodiscard]] Result<Diff> diff(Sequence after, Sequence last) const;
  [[nodiscard]] Result<Diff> diff(Sequence after, Sequence last, const DiffOptions& options) const;

 private:
  friend class Store;
  explicit Txlog(std::unique_ptr<history::Lease> lease);
  std::unique_ptr<history::Lease> lease_;
};

}  // namespace selvedge
