// Indexes and constraints: what they are, and what can be asked of an index.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <selvedge/progress.h>
#include <selvedge/types.h>
#include <selvedge/value.h>

namespace selvedge {

enum class SchemaKind : std::uint8_t {
  index = 1,   ///< finds entities by the values of properties
  unique = 2,  ///< no two entities have the same values; is an index, too
  exists = 3,  ///< every entity has all of the properties
  type = 4,    ///< a property, where it is there, has one type
};
std::string_view to_string(SchemaKind kind);

enum class EntityKind : std::uint8_t { node, edge };

enum class IndexKind : std::uint8_t {
  hash,     ///< equality of all its keys; less memory
  ordered,  ///< equality, ranges, prefixes, and scans in order
};

/// An index or constraint: on the nodes of a label or the edges of a type.
///
/// How values compare: numbers by their value, whatever their type (5 equals 5.0, -0.0 equals 0.0;
/// int64 beyond 2^53 exactly); a NaN equals every NaN and is no number; strings and bytes by their
/// bytes. Values of different kinds (a number, a string) are never equal. Boolean, int64, float64,
/// string, bytes, timestamp and uuid can be indexed; null counts as absent. An entity that lacks
/// one of the keys is not in the index, and free of a unique constraint.
struct SchemaSpec {
  SchemaKind kind = SchemaKind::index;
  EntityKind entity = EntityKind::node;
  std::string target;             ///< label or edge type
  std::vector<std::string> keys;  ///< 1 to 8; their order is the index's
  IndexKind index = IndexKind::ordered;
  ValueType type = ValueType::null;  ///< of a type constraint
  std::string name = {};             ///< of the store's choosing when empty

  static constexpr std::size_t keys_max = 8;
  /// All values of one entity together, encoded for comparison: about their size. Larger ones are
  /// `too_large`.
  static constexpr std::size_t key_bytes_max = 8192;

  static SchemaSpec node_index(std::string label, std::vector<std::string> keys,
                               IndexKind index = IndexKind::ordered) {
    return {SchemaKind::index, EntityKind::node, std::move(label), std::move(keys), index};
  }
  static SchemaSpec edge_index(std::string type, std::vector<std::string> keys,
                               IndexKind index = IndexKind::ordered) {
    return {SchemaKind::index, EntityKind::edge, std::move(type), std::move(keys), index};
  }
  static SchemaSpec node_unique(std::string label, std::vector<std::string> keys,
                                IndexKind index = IndexKind::hash) {
    return {SchemaKind::unique, EntityKind::node, std::move(label), std::move(keys), index};
  }
  static SchemaSpec edge_unique(std::string type, std::vector<std::string> keys,
                                IndexKind index = IndexKind::hash) {
    return {SchemaKind::unique, EntityKind::edge, std::move(type), std::move(keys), index};
  }
  static SchemaSpec node_exists(std::string label, std::vector<std::string> keys) {
    return {SchemaKind::exists, EntityKind::node, std::move(label), std::move(keys)};
  }
  static SchemaSpec edge_exists(std::string type, std::vector<std::string> keys) {
    return {SchemaKind::exists, EntityKind::edge, std::move(type), std::move(keys)};
  }
  static SchemaSpec node_type(std::string label, std::string key, ValueType type) {
    return {SchemaKind::type, EntityKind::node,   std::move(label),
            {std::move(key)}, IndexKind::ordered, type};
  }
  static SchemaSpec edge_type(std::string type, std::string key, ValueType value) {
    return {SchemaKind::type, EntityKind::edge,   std::move(type),
            {std::move(key)}, IndexKind::ordered, value};
  }
  bool operator==(const SchemaSpec&) const = default;
};

enum class SchemaState : std::uint8_t {
  building,  ///< being filled and checked; breaking writes are refused already, reads not served
  online,
};

/// An index or constraint of a store.
struct SchemaInfo {
  SchemaSpec spec;
  SchemaState state = SchemaState::online;
  Sequence defined;           ///< its entry in the log; 0 while building
  std::uint64_t entries = 0;  ///< in the index, those of old versions included
  std::uint64_t done = 0;     ///< records looked at while building
  std::uint64_t total = 0;
};

struct SchemaOptions {
  /// How long unfinished transactions are waited for that have changed what a constraint or index
  /// depends on, before this; then it is a `conflict`.
  std::chrono::milliseconds wait{1000};
  /// In the calling thread; the step is "records".
  ProgressCallback progress = {};
};

/// What is asked about one key. Borrowed: for parameters.
class Match {
 public:
  /// Equality with a value.
  template <class T>
  requires std::is_convertible_v<const T&, ValueArg> Match(const T& value)
      : Match(Kind::equal, value, nullptr) {}

  static Match at_least(ValueArg low) { return {Kind::at_least, low, nullptr}; }
  static Match above(ValueArg low) { return {Kind::above, low, nullptr}; }
  static Match at_most(ValueArg high) { return {Kind::at_most, nullptr, high}; }
  static Match below(ValueArg high) { return {Kind::below, nullptr, high}; }
  /// Both ends included.
  static Match between(ValueArg low, ValueArg high) { return {Kind::between, low, high}; }
  /// Strings that begin so.
  static Match prefix(std::string_view text) { return {Kind::prefix, text, nullptr}; }
  /// Any value at all: for scans in order.
  static Match any() { return {Kind::any, nullptr, nullptr}; }

  enum class Kind : std::uint8_t { equal, at_least, above, at_most, below, between, prefix, any };
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const ValueArg& low() const { return low_; }
  [[nodiscard]] const ValueArg& high() const { return high_; }

 private:
  Match(Kind kind, ValueArg low, ValueArg high) : kind_(kind), low_(low), high_(high) {}
  Kind kind_;
  ValueArg low_;
  ValueArg high_;
};

/// A condition on a property. Borrowed: for parameters.
struct Condition {
  KeyRef key;
  Match match;
};

/// Of what is found by an ordered index: by its keys, one after another; equal ones by id.
enum class Order : std::uint8_t { ascending, descending };

}  // namespace selvedge
