// Indexes and constraints: from the public description to ids, and back.

#include <algorithm>
#include <string>

#include "base/limits.h"
#include "base/utf8.h"
#include "store/store_impl.h"
#include "store/write_ops.h"

namespace selvedge {

namespace detail {

namespace {

using graph::Definition;
using graph::NameKind;

/// "unique nodes Person(email, domain)".
std::string default_name(const SchemaSpec& spec) {
  std::string name(to_string(spec.kind));
  name += spec.entity == EntityKind::edge ? " edges " : " nodes ";
  name += spec.target + "(";
  for (std::size_t i = 0; i < spec.keys.size(); ++i) {
    name += (i == 0 ? "" : ", ") + spec.keys[i];
  }
  name += ")";
  if (spec.kind == SchemaKind::type) {
    name += " " + std::string(to_string(spec.type));
  }
  // Both kinds may stand beside each other.
  return spec.kind == SchemaKind::index && spec.index == IndexKind::hash ? name + " hash" : name;
}

Status check(const SchemaSpec& spec) {
  const auto refuse = [](const char* what) { return fail(ErrorCode::invalid_argument, what); };
  const auto kind = static_cast<unsigned>(spec.kind);
  if (kind < 1 || kind > 4 || static_cast<unsigned>(spec.entity) > 1 ||
      static_cast<unsigned>(spec.index) > 1 ||
      static_cast<unsigned>(spec.type) > static_cast<unsigned>(ValueType::vector)) {
    return refuse("a kind that there is not");
  }
  if (spec.keys.empty() || spec.keys.size() > SchemaSpec::keys_max) {
    return fail(Error(ErrorCode::invalid_argument, "an index or constraint is on some properties")
                    .mismatch("1 to " + std::to_string(SchemaSpec::keys_max) + " keys",
                              std::to_string(spec.keys.size())));
  }
  std::vector<std::string> sorted = spec.keys;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return refuse("a key comes twice");
  }
  if (spec.kind == SchemaKind::type && spec.keys.size() != 1) {
    return refuse("a type constraint is on one property");
  }
  if (spec.kind == SchemaKind::type && spec.type == ValueType::null) {
    return refuse("a type constraint needs a type other than null");
  }
  return {};
}

std::string text_of(const graph::Graph& graph, NameKind kind, std::uint32_t id) {
  return std::string(graph.names.of(kind).text(id));
}

SchemaInfo info_of(const graph::Graph& graph, const graph::SchemaObject& object) {
  const Definition& definition = object.definition;
  SchemaInfo info;
  info.spec.kind = definition.kind;
  info.spec.entity = definition.entity;
  info.spec.index = definition.index;
  info.spec.type = definition.type;
  info.spec.name = definition.name;
  info.spec.target =
      text_of(graph, definition.edges() ? NameKind::type : NameKind::label, definition.target);
  for (const std::uint32_t key : definition.keys) {
    info.spec.keys.push_back(text_of(graph, NameKind::key, key));
  }
  info.defined = {object.defined.load(std::memory_order_acquire)};
  info.state = info.defined.value != 0 ? SchemaState::online : SchemaState::building;
  info.entries = object.index == nullptr ? 0 : object.index->size();
  info.done = object.done.load(std::memory_order_relaxed);
  info.total = object.total.load(std::memory_order_relaxed);
  return info;
}

}  // namespace

Status StoreImpl::create_schema(const SchemaSpec& spec, const SchemaOptions& options) {
  SELVEDGE_TRY(check(spec));
  return while_open([&]() -> Status {
    Definition definition;
    definition.kind = spec.kind;
    definition.entity = spec.entity;
    definition.index = spec.index;
    definition.type = spec.type;
    definition.name = spec.name.empty() ? default_name(spec) : spec.name;
    if (definition.name.size() > limits::name_bytes_max) {
      return fail(ErrorCode::too_large, "the name of an index or constraint is too long");
    }
    if (!base::valid_utf8(definition.name)) {
      return fail(ErrorCode::invalid_argument, "a name is not valid UTF-8");
    }
    SELVEDGE_TRY(
        definition.target,
        manager_->intern(definition.edges() ? NameKind::type : NameKind::label, spec.target));
    for (const std::string& key : spec.keys) {
      SELVEDGE_TRY(definition.keys.emplace_back(), manager_->intern(NameKind::key, key));
    }
    SELVEDGE_TRY(const std::uint64_t sequence,
                 schema_changes_->create(std::move(definition), options));
    return manager_->wait_durable(sequence);
  });
}

Status StoreImpl::drop_schema(std::string_view name) {
  return while_open([&]() -> Status {
    SELVEDGE_TRY(const std::uint64_t sequence, schema_changes_->drop(name));
    return manager_->wait_durable(sequence);
  });
}

std::vector<SchemaInfo> StoreImpl::schema() {
  std::vector<SchemaInfo> all;
  graph::ReaderSlot* slot = graph_->epochs.acquire();
  {
    const graph::PinGuard pin(graph_->epochs, slot);
    if (const graph::Catalog* catalog = graph_->schema.catalog()) {
      for (const graph::SchemaObjectPtr& object : catalog->objects) {
        all.push_back(info_of(*graph_, *object));
      }
    }
  }
  graph_->epochs.release(slot);
  return all;
}

}  // namespace detail

std::vector<SchemaInfo> Reader::schema() const {
  std::vector<SchemaInfo> all;
  if (detail::over(state_)) {
    return all;
  }
  const graph::PinGuard pin(state_->epochs(), state_->slot);
  if (const graph::Catalog* catalog = state_->graph->schema.catalog()) {
    for (const graph::SchemaObjectPtr& object : catalog->objects) {
      if (object->online() && object->defined.load() <= state_->view.sequence) {
        all.push_back(detail::info_of(*state_->graph, *object));
      }
    }
  }
  return all;
}

Status Store::create_schema(const SchemaSpec& spec, const SchemaOptions& options) {
  return impl_->create_schema(spec, options);
}
Status Store::drop_schema(std::string_view name) { return impl_->drop_schema(name); }
std::vector<SchemaInfo> Store::schema() const { return impl_->schema(); }

}  // namespace selvedge
