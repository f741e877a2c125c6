#include "history/entries.h"

#include <algorithm>
#include <limits>

#include "graph/image.h"
#include "graph/schema.h"

namespace selvedge::history {

namespace {

using graph::ChangeKind;
using graph::NameKind;

/// A kind that this code does not know is shown as `other`.
EntryKind kind_of(ChangeKind kind, graph::GroupKind group) {
  switch (kind) {
    case ChangeKind::create_node: return EntryKind::create_node;
    case ChangeKind::update_node: return EntryKind::update_node;
    case ChangeKind::delete_node: return EntryKind::delete_node;
    case ChangeKind::create_edge: return EntryKind::create_edge;
    case ChangeKind::update_edge: return EntryKind::update_edge;
    case ChangeKind::delete_edge: return EntryKind::delete_edge;
    case ChangeKind::define_name: return EntryKind::define_name;
    case ChangeKind::update_embedding: return EntryKind::update_embedding;
    case ChangeKind::define_schema: return EntryKind::define_schema;
    case ChangeKind::drop_schema: return EntryKind::drop_schema;
    case ChangeKind::group:
      switch (group) {
        case graph::GroupKind::bulk_create_nodes: return EntryKind::bulk_create_nodes;
        case graph::GroupKind::bulk_create_edges: return EntryKind::bulk_create_edges;
        case graph::GroupKind::bulk_delete_nodes: return EntryKind::bulk_delete_nodes;
        case graph::GroupKind::bulk_delete_edges: return EntryKind::bulk_delete_edges;
        case graph::GroupKind::detach_delete_node: return EntryKind::detach_delete_node;
      }
      break;
    default: break;
  }
  return EntryKind::other;
}

std::string_view text_of(const graph::Names& names, NameKind kind, std::uint32_t id) {
  const graph::Dictionary& dictionary = names.of(kind);
  return id < dictionary.size() ? dictionary.text(id) : std::string_view{};
}

std::string_view name_kind(NameKind kind) {
  switch (kind) {
    case NameKind::label: return "label";
    case NameKind::type: return "type";
    case NameKind::key: break;
  }
  return "key";
}

}  // namespace

bool about_entity(const graph::Change& change) {
  return change.is_node() || change.is_edge() || change.kind == ChangeKind::update_embedding;
}

bool about_schema(const graph::Change& change) {
  return change.kind == ChangeKind::define_schema || change.kind == ChangeKind::drop_schema;
}

graph::FrameShape shape_of(const wal::FrameHeader& header) {
  return {(header.flags & wal::frame_flags::begin) != 0,
          (header.flags & wal::frame_flags::commit) != 0,
          (header.flags & wal::frame_flags::abort) != 0, header.sequence, header.count};
}

// --- changes -----------------------------------------------------------------------------------

void ChangeReader::clear() {
  changes_.clear();
  scratch_.clear();
  specs_.clear();
}

Result<LoggedImage> ChangeReader::image(std::span<const std::byte> bytes, bool node) const {
  SELVEDGE_TRY(graph::ImageView::verify(bytes, node));
  return LoggedImage(&names_, bytes);
}

Result<SchemaSpec> ChangeReader::schema(std::span<const std::byte> definition) const {
  graph::Definition defined;
  if (!graph::take_definition(definition, defined)) {
    return fail(ErrorCode::corruption, "an index or constraint that no store defines");
  }
  SchemaSpec spec;
  spec.kind = defined.kind;
  spec.entity = defined.entity;
  spec.target = text_of(names_, defined.edges() ? NameKind::type : NameKind::label, defined.target);
  for (const std::uint32_t key : defined.keys) {
    spec.keys.emplace_back(text_of(names_, NameKind::key, key));
  }
  spec.index = defined.index;
  spec.type = defined.type;
  spec.name = std::move(defined.name);
  return spec;
}

Status ChangeReader::add(const graph::Change& change, std::uint64_t sequence) {
  LoggedChange read;
  read.kind = kind_of(change.kind, {});
  if (about_schema(change)) {
    read.schema_id = change.type;
    if (change.kind == ChangeKind::define_schema) {
      SELVEDGE_TRY(SchemaSpec spec, schema(change.after));
      read.schema = &specs_.emplace_back(std::move(spec));
    }
    changes_.push_back(read);
    return {};
  }
  if (change.kind == ChangeKind::update_embedding) {
    read.node = {change.id};
    read.key = text_of(names_, NameKind::key, change.type);
    read.vector = change.after;
    changes_.push_back(read);
    return {};
  }
  const bool node = change.is_node();
  if (node) {
    read.node = {change.id};
  } else {
    read.edge = {change.id};
    read.source = {change.source};
    read.target = {change.target};
    read.type = text_of(names_, NameKind::type, change.type);
  }
  if (!change.is_delete()) {
    SELVEDGE_TRY(read.after, image(change.after, node));
  }
  if (!change.is_create()) {
    scratch_.emplace_back();
    std::span<const std::byte> before;
    if (!change.before(scratch_.back(), before)) {
      return fail(ErrorCode::corruption, "malformed log entry: the before-image's difference");
    }
    SELVEDGE_TRY(read.before, image(before, node));
    read.before_sequence = {change.prev.resolve(sequence)};
  }
  changes_.push_back(read);
  return {};
}

void ChangeReader::add_damaged(std::uint64_t node) {
  LoggedChange read;
  read.kind = EntryKind::update_embedding;
  read.node = {node};
  changes_.push_back(read);
}

// --- entries of a frame ------------------------------------------------------------------------

void EntryDecoder::start(const wal::FrameView& frame, bool damaged) {
  frame_ = frame;
  damaged_ = damaged;
  part_ = Part::begin;
  more_ = false;
  reader_.emplace(shape_of(frame.header), frame.payload);
}

Status EntryDecoder::placed(Status status) const {
  if (status || !status.error().path().empty()) {
    return status;
  }
  return fail(std::move(status).error().at(
      wal::segment_path(catalog_.wal_path(), frame_.location.segment), frame_.location.offset));
}

void EntryDecoder::open_entry(EntryKind kind, std::uint64_t sequence) {
  const wal::FrameHeader& header = frame_.header;
  changes_.clear();
  entry_ = LogEntry{};
  entry_.sequence = {sequence};
  entry_.kind = kind;
  entry_.number = {header.transaction};
  if (header.transaction != 0) {
    entry_.transaction = derive_uuid(catalog_.store(), header.transaction);
  }
  entry_.db = catalog_.store();
  entry_.timestamp = {static_cast<std::int64_t>(header.wall_us)};
}

bool EntryDecoder::passes(const EntryFilter& filter) const {
  return filter.kinds.empty() ||
         std::find(filter.kinds.begin(), filter.kinds.end(), entry_.kind) != filter.kinds.end();
}

/// Whether a change is about one of the entities asked for.
Result<bool> EntryDecoder::concerns(const EntryFilter& filter) const {
  if (!filter.node && !filter.edge) {
    return true;
  }
  bool found = false;
  if (damaged_) {
    return filter.node && filter.node->value == frame_.header.entity;
  }
  if (part_ != Part::changes) {
    return false;
  }
  SELVEDGE_TRY(
      graph::decode_entry(view_, [&](const graph::Change& change, std::uint64_t) -> Status {
        const std::uint64_t wanted = change.is_edge() ? (filter.edge ? filter.edge->value : 0)
                                                      : (filter.node ? filter.node->value : 0);
        found = found || (about_entity(change) && change.id == wanted && wanted != 0);
        return {};
      }));
  return found;
}

Status EntryDecoder::read_change() {
  return graph::decode_entry(view_,
                             [&](const graph::Change& change, std::uint64_t sequence) -> Status {
                               if (about_entity(change) || about_schema(change)) {
                                 return changes_.add(change, sequence);
                               }
                               if (change.kind == ChangeKind::define_name) {
                                 entry_.name = as_text(change.after);
                                 entry_.name_kind = name_kind(change.name_kind);
                                 entry_.name_id = change.type;
                               }
                               return {};
                             });
}

/// Opens the frame's next entry, without its changes.
Result<bool> EntryDecoder::step() {
  const graph::FrameShape shape = shape_of(frame_.header);
  if (damaged_) {
    if (part_ == Part::end) {
      return false;
    }
    part_ = Part::end;
    open_entry(EntryKind::update_embedding, frame_.header.sequence);
    entry_.damaged = true;
    changes_.add_damaged(frame_.header.entity);
    entry_.changes = changes_.changes();
    entry_.code = static_cast<std::uint8_t>(ChangeKind::update_embedding);
    return true;
  }
  if (part_ == Part::begin) {
    part_ = Part::changes;
    SELVEDGE_TRY(more_, reader_->next(view_));
    if (shape.begin) {
      open_entry(EntryKind::tx_begin, shape.first_sequence);
      entry_.metadata = reader_->notes().metadata;
      part_ = Part::begin;
      return true;
    }
  }
  if (part_ == Part::changes && more_) {
    open_entry(kind_of(view_.kind, view_.group), view_.sequence);
    entry_.code = static_cast<std::uint8_t>(view_.kind);
    entry_.payload = view_.body;
    return true;
  }
  const bool ends = part_ == Part::changes && (shape.commit || shape.abort);
  part_ = Part::end;
  if (ends) {
    open_entry(shape.commit ? EntryKind::tx_commit : EntryKind::tx_abort,
               frame_.header.last_sequence());
    entry_.operations = reader_->notes().operations;
    entry_.reason = reader_->notes().reason;
  }
  return ends;
}

Result<bool> EntryDecoder::next(const EntryFilter& filter, std::uint64_t from) {
  const auto advance = [&]() -> Result<bool> {
    for (;;) {
      SELVEDGE_TRY(const bool got, step());
      if (!got) {
        return false;
      }
      const bool change = part_ == Part::changes;
      bool wanted = entry_.sequence.value >= from && passes(filter);
      if (wanted) {
        SELVEDGE_TRY(wanted, concerns(filter));
      }
      if (wanted && change) {
        SELVEDGE_TRY(read_change());
        entry_.changes = changes_.changes();
      }
      if (part_ == Part::begin) {
        part_ = Part::changes;
      } else if (change) {
        SELVEDGE_TRY(more_, reader_->next(view_));
      }
      if (wanted) {
        return true;
      }
    }
  };
  auto got = advance();
  if (!got) {
    return fail(placed(fail(std::move(got).error())).error().clone());
  }
  return got;
}

// --- cursors -----------------------------------------------------------------------------------

Lease::Lease(Catalog& catalog, std::shared_ptr<void> keep)
    : catalog_(catalog), keep_(std::move(keep)) {
  catalog_.lease();
}
Lease::~Lease() { catalog_.release(); }

CursorImpl::CursorImpl(const Lease& lease, std::unique_ptr<Frames> frames, EntryFilter filter,
                       std::uint64_t from, std::uint64_t to, std::uint64_t limit)
    : lease_(lease.catalog(), lease.keep()),
      pin_(lease.catalog(), from),
      frames_(std::move(frames)),
      decoder_(lease.catalog()),
      filter_(std::move(filter)),
      at_(from),
      to_(to == 0 ? std::numeric_limits<std::uint64_t>::max() : to),
      left_(limit == 0 ? std::numeric_limits<std::uint64_t>::max() : limit) {}

Result<bool> CursorImpl::advance() {
  while (left_ > 0 && at_ <= to_) {
    if (in_frame_) {
      SELVEDGE_TRY(const bool got, decoder_.next(filter_, at_));
      if (got) {
        const std::uint64_t sequence = decoder_.entry().sequence.value;
        if (sequence > to_) {
          at_ = sequence;
          return false;
        }
        at_ = sequence + 1;
        --left_;
        return true;
      }
      at_ = std::max(at_, frames_->frame().header.next_sequence());
      in_frame_ = false;
      continue;
    }
    SELVEDGE_TRY(in_frame_, frames_->next());
    if (!in_frame_) {
      return false;
    }
    pin_.move(frames_->frame().header.sequence);
    decoder_.start(frames_->frame(), frames_->damaged());
  }
  return false;
}

bool CursorImpl::next() { return status_ && keep_going(advance(), status_); }

}  // namespace selvedge::history
