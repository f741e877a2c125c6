#include "txn/schema_changes.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "base/mutants.h"
#include "base/progress_meter.h"
#include "base/yield_point.h"
#include "graph/change.h"
#include "txn/schema_checks.h"
#include "wal/frame.h"

namespace selvedge::txn {

using graph::Definition;
using graph::Head;
using graph::ImageView;
using graph::Indexable;
using graph::KeyBytes;
using graph::SchemaObject;
using graph::SchemaObjectPtr;
using graph::Version;

namespace {

constexpr std::uint64_t repin_interval_records = 1024;
constexpr std::size_t named_max = 5;
/// How often unfinished transactions are looked at again.
constexpr std::chrono::milliseconds round_time{1};

}  // namespace

// --- filling -----------------------------------------------------------------------------------

/// Role: puts into a new object what was there before it, and finds what breaks it.
/// Threads: one; writers go on.
class SchemaChanges::Filler {
 public:
  Filler(graph::Graph& graph, SchemaObject& object, const SchemaOptions& options)
      : graph_(graph),
        object_(object),
        options_(options),
        meter_(options.progress, Activity::create_schema),
        slot_(graph.epochs.acquire()) {}
  ~Filler() { graph_.epochs.release(slot_); }
  Filler(const Filler&) = delete;
  Filler& operator=(const Filler&) = delete;

  Status run() {
    const bool edges = object_.definition.edges();
    const std::uint64_t end = edges ? graph_.edge_end() : graph_.node_end();
    object_.total.store(end, std::memory_order_relaxed);
    meter_.step("records", ProgressUnit::records, end);
    {
      const graph::PinGuard pin(graph_.epochs, slot_);
      for (std::uint64_t i = 0; i < end; ++i) {
        if (i % repin_interval_records == 0) {
          report(i);
          graph_.epochs.repin(slot_);
        }
        base::yield_point("schema.fill");
        SELVEDGE_TRY(visit(id_at(i)));
        if (broken_.size() >= named_max) {
          break;
        }
      }
    }
    SELVEDGE_TRY(settle_undecided());
    report(end);
    SELVEDGE_TRY(verdict());
    meter_.finish();
    return {};
  }

 private:
  enum class Finding : std::uint8_t { sound, broken, undecided };

  [[nodiscard]] std::uint64_t id_at(std::uint64_t slot) const {
    return id_bits::make(slot, object_.definition.edges() ? graph_.edges.at(slot).generation()
                                                          : graph_.nodes.at(slot).generation());
  }

  void report(std::uint64_t done) {
    meter_.add(done - object_.done.exchange(done, std::memory_order_relaxed));
  }

  /// Everything that a view may see or that may come back has its entry; what counts now, or may
  /// count when an unfinished transaction ends, must be sound.
  Status visit(std::uint64_t id) {
    const EntityHead top = head_of(graph_, object_.definition.entity, id);
    bool counts = true;   // at or above the newest committed version
    bool decided = true;  // nothing uncommitted down to here
    bool undecided = false;
    for (Head head{top.word}; !head.empty();) {
      const bool committed =
          head.is_inline() ||
          graph::committed_at(head.version()->stamp.load(std::memory_order_acquire)) != 0;
      decided = decided && committed;
      const bool live = head.is_inline() || !head.version()->has(Version::tombstone);
      const ImageView image(head.is_inline() ? std::span<const std::byte>{}
                                             : head.version()->image());
      if (live && object_.covers(image, top.type)) {
        SELVEDGE_TRY(const Finding found, look_at(id, image, counts, decided));
        undecided = undecided || found == Finding::undecided;
      }
      counts = counts && !committed;
      head.word = head.is_inline() ? 0 : head.version()->prev();
    }
    if (undecided) {
      undecided_.push_back(id);
    }
    return {};
  }

  Result<Finding> look_at(std::uint64_t id, const ImageView& image, bool counts, bool decided) {
    if (object_.index == nullptr) {
      const Status status = counts ? check_properties(object_, image, id) : Status{};
      return status ? Finding::sound : note_broken(id, status.error(), decided);
    }
    KeyBytes key;
    const Indexable indexable = graph::key_of(object_.definition, image, key);
    if (indexable == Indexable::absent) {
      return Finding::sound;
    }
    if (indexable != Indexable::yes) {
      return counts ? note_broken(id, unindexable(object_, indexable, id), decided)
                    : Finding::sound;
    }
    return enter(id, key, counts, decided);
  }

  /// What an unfinished transaction has written, or may take away, is not held against anybody yet.
  Finding note_broken(std::uint64_t id, const Error& why, bool decided) {
    if (!decided) {
      return Finding::undecided;
    }
    if (broken_.empty()) {
      first_ = std::make_unique<Error>(why.clone());
    }
    if (std::find(broken_.begin(), broken_.end(), id) == broken_.end()) {
      broken_.push_back(id);
    }
    return Finding::broken;
  }

  Result<Finding> enter(std::uint64_t id, const KeyBytes& key, bool counts, bool decided) {
    Finding found = Finding::sound;
    const ExclusiveLock lock(object_.index->lock_of(key));
    // The version may have been taken out since, and its entry with it.
    if (!chain_has(graph_, object_, id, key)) {
      return found;
    }
    if (counts && object_.definition.kind == SchemaKind::unique) {
      object_.index->each(key, [&](std::uint64_t other) {
        const Holds theirs =
            other == id ? Holds::no : holder_of(graph_, object_, other, key, nullptr).holds;
        if (theirs != Holds::no) {
          const Error why = broken(object_, "another entity has the same values", other);
          found = note_broken(id, why, decided && theirs == Holds::yes);
        }
        if (found == Finding::broken) {
          static_cast<void>(note_broken(other, *first_, true));
        }
        return found != Finding::broken;
      });
    }
    if (!object_.index->add(key, id)) {
      return fail(ErrorCode::out_of_memory, "the memory limit is reached");
    }
    return found;
  }

  /// Transactions that were under way may still decide; most end soon.
  Status settle_undecided() {
    auto left = options_.wait;
    for (; !undecided_.empty() && broken_.empty() && left.count() > 0; left -= round_time) {
      const std::vector<std::uint64_t> again = std::exchange(undecided_, {});
      {
        const graph::PinGuard pin(graph_.epochs, slot_);
        for (const std::uint64_t id : again) {
          SELVEDGE_TRY(visit(id));
        }
      }
      if (!undecided_.empty()) {
        std::this_thread::sleep_for(round_time);  // for whoever has them to end
      }
    }
    return {};
  }

  Status verdict() {
    if (!broken_.empty()) {
      std::string named;
      for (std::size_t i = 0; i < std::min(broken_.size(), named_max); ++i) {
        named += (i == 0 ? "" : ", ") + std::to_string(broken_[i]);
      }
      const bool data = first_->code() == ErrorCode::constraint_violated;
      return fail(Error(first_->code(), (data ? "the data breaks the constraint: "
                                              : "the data does not fit the index: ") +
                                            first_->what())
                      .mismatch("no such entity", std::to_string(broken_.size()) + ": " + named)
                      .with_entity(broken_.front()));
    }
    if (!undecided_.empty()) {
      return fail(Error(ErrorCode::conflict,
                        "an unfinished transaction has changed an entity on "
                        "which the constraint depends")
                      .with_entity(undecided_.front()));
    }
    return {};
  }

  graph::Graph& graph_;
  SchemaObject& object_;
  const SchemaOptions& options_;
  base::ProgressMeter meter_;
  graph::ReaderSlot* const slot_;
  std::vector<std::uint64_t> undecided_;
  std::vector<std::uint64_t> broken_;
  std::unique_ptr<Error> first_;
};

// --- the catalog -------------------------------------------------------------------------------

namespace {

/// Role: an object in the catalog that leaves it again unless it is kept.
class Publication {
 public:
  Publication(graph::Schema& schema, std::vector<SchemaObjectPtr> before,
              const SchemaObjectPtr& object)
      : schema_(schema), before_(std::move(before)) {
    std::vector<SchemaObjectPtr> with = before_;
    with.push_back(object);
    schema_.publish(std::move(with));
    schema_.wait_for_operations();
  }
  ~Publication() {
    if (!kept_) {
      schema_.publish(std::move(before_));
      schema_.wait_for_operations();
    }
  }
  Publication(const Publication&) = delete;
  Publication& operator=(const Publication&) = delete;
  void keep() { kept_ = true; }

 private:
  graph::Schema& schema_;
  std::vector<SchemaObjectPtr> before_;
  bool kept_ = false;
};

}  // namespace

std::vector<SchemaObjectPtr> SchemaChanges::objects() const {
  const graph::Catalog* catalog = graph_.schema.catalog();  // only we replace it
  return catalog == nullptr ? std::vector<SchemaObjectPtr>{} : catalog->objects;
}

Status SchemaChanges::check_new(const Definition& definition,
                                const std::vector<SchemaObjectPtr>& all) const {
  for (const SchemaObjectPtr& each : all) {
    if (each->definition.name == definition.name) {
      return fail(ErrorCode::already_exists,
                  "the schema has something of that name: " + definition.name);
    }
    if (each->definition.same_as(definition)) {
      return fail(ErrorCode::already_exists,
                  "the schema says that already: " + each->definition.name);
    }
  }
  return {};
}

Result<std::uint64_t> SchemaChanges::log(const ByteWriter& payload,
                                         const std::function<void(std::uint64_t)>& then) {
  wal::FrameParts parts;
  parts.count = 1;
  parts.wall_us = manager_.wall_clock_us();
  parts.payload = {payload.span(), {}, {}};
  parts.payload_crc = wal::payload_crc(parts.payload[0]);
  SELVEDGE_TRY(wal::Log::Section section, manager_.log().enter(wal::frame_bytes(payload.size())));
  if (base::mutant(base::Mutant::schema_not_logged)) {
    then(section.next_sequence() - 1);
    return section.next_sequence() - 1;
  }
  const wal::Appended appended = section.append(parts);
  then(appended.last);
  return appended.last;
}

Result<std::uint64_t> SchemaChanges::create(Definition definition, const SchemaOptions& options) {
  const MutexLock lock(mutex_);
  std::vector<SchemaObjectPtr> all = objects();
  SELVEDGE_TRY(check_new(definition, all));
  std::uint32_t id = 0;
  for (const SchemaObjectPtr& each : all) {
    id = std::max(id, each->id);
  }
  if (++id >= graph::name_id_max) {
    return fail(ErrorCode::exhausted, "no ids are left for the schema");
  }
  ByteWriter bytes;
  graph::put_definition(bytes, definition);
  ByteWriter payload;
  graph::ChangeWriter(payload).define_schema(id, bytes.span());
  const auto object =
      std::make_shared<SchemaObject>(id, std::move(definition), graph_.arena, graph_.epochs);
  Publication publication(graph_.schema, std::move(all), object);
  base::yield_point("schema.published");
  if (base::mutant(base::Mutant::schema_logged_first)) {
    SELVEDGE_TRY(log(payload, [](std::uint64_t) {}));
  }
  Status filled = Filler(graph_, *object, options).run();
  if (filled) {
    base::yield_point("schema.filled");
    auto logged = log(payload, [&](std::uint64_t sequence) {
      object->changed.store(sequence, std::memory_order_release);
      object->defined.store(sequence, std::memory_order_release);
    });
    if (logged) {
      publication.keep();
    }
    return logged;
  }
  return fail(std::move(filled).error());
}

Result<std::uint64_t> SchemaChanges::drop(std::string_view name) {
  const MutexLock lock(mutex_);
  std::vector<SchemaObjectPtr> all = objects();
  const auto found = std::find_if(all.begin(), all.end(), [&](const SchemaObjectPtr& each) {
    return each->definition.name == name;
  });
  if (found == all.end()) {
    return fail(ErrorCode::not_found, "the schema has nothing of that name: " + std::string(name));
  }
  const SchemaObjectPtr object = *found;
  ByteWriter payload;
  graph::ChangeWriter(payload).drop_schema(object->id);
  SELVEDGE_TRY(const std::uint64_t sequence, log(payload, [&](std::uint64_t) {
                 object->dropped.store(true, std::memory_order_release);
               }));
  base::yield_point("schema.dropped");
  all.erase(found);
  graph_.schema.publish(std::move(all));
  graph_.schema.wait_for_operations();
  return sequence;
}

}  // namespace selvedge::txn
