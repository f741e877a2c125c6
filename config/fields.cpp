#include "config/fields.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <type_traits>

#include "config/units.h"

namespace selvedge::config {

namespace {

constexpr std::uint64_t kib = std::uint64_t{1} << 10;
constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t gib = std::uint64_t{1} << 30;
constexpr std::uint64_t tib = std::uint64_t{1} << 40;
constexpr std::uint64_t pib = std::uint64_t{1} << 50;
constexpr std::uint64_t years_10_us = std::uint64_t{3650} * 86400 * 1000000;
constexpr std::uint64_t count_max = 1000000000;

constexpr std::array<std::string_view, 3> sync_modes = {"immediate", "batch", "none"};
constexpr std::array<std::string_view, 2> isolations = {"serializable", "snapshot"};
constexpr std::array<std::string_view, 2> compressions = {"none", "zstd"};

/// The member that a path of member pointers leads to.
template <class Object, class First, class... Rest>
constexpr auto& follow(Object& object, First first, Rest... rest) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*first;
  } else {
    return follow(object.*first, rest...);
  }
}

template <class T>
struct IsDuration : std::false_type {};
template <class Count, class Period>
struct IsDuration<std::chrono::duration<Count, Period>> : std::true_type {};

template <auto... path>
using Member = std::remove_cvref_t<decltype(follow(std::declval<Options&>(), path...))>;

template <auto... path>
std::uint64_t read(const Options& options) {
  const auto& member = follow(options, path...);
  if constexpr (IsDuration<Member<path...>>::value) {
    return static_cast<std::uint64_t>(std::chrono::microseconds(member).count());
  } else {
    return static_cast<std::uint64_t>(member);
  }
}

template <auto... path>
void write(Options& options, std::uint64_t value) {
  auto& member = follow(options, path...);
  using Type = Member<path...>;
  if constexpr (IsDuration<Type>::value) {
    member = std::chrono::duration_cast<Type>(
        std::chrono::microseconds(static_cast<std::int64_t>(value)));
  } else {
    member = static_cast<Type>(value);
  }
}

template <auto... path>
constexpr Field field(std::string_view key, std::string_view summary, ConfigKind kind,
                      std::uint64_t min, std::uint64_t max) {
  Field made;
  made.key = key;
  made.summary = summary;
  made.kind = kind;
  made.min = min;
  made.max = max;
  made.read = read<path...>;
  made.write = write<path...>;
  return made;
}

template <auto... path>
constexpr Field boolean(std::string_view key, std::string_view summary) {
  static_assert(std::is_same_v<Member<path...>, bool>);
  return field<path...>(key, summary, ConfigKind::boolean, 0, 1);
}

template <auto... path>
constexpr Field choice(std::string_view key, std::span<const std::string_view> choices,
                       std::string_view summary) {
  static_assert(std::is_enum_v<Member<path...>>);
  Field made = field<path...>(key, summary, ConfigKind::choice, 0, choices.size() - 1);
  made.choices = choices;
  return made;
}

template <auto... path>
constexpr Field number(std::string_view key, ConfigKind kind, std::uint64_t min, std::uint64_t max,
                       std::string_view summary) {
  static_assert(std::is_unsigned_v<Member<path...>>);
  if (max > std::numeric_limits<Member<path...>>::max()) {
    max = std::numeric_limits<Member<path...>>::max();
  }
  return field<path...>(key, summary, kind, min, max);
}

template <auto... path>
constexpr Field duration(std::string_view key, std::uint64_t min, std::string_view summary) {
  static_assert(IsDuration<Member<path...>>::value);
  Field made = field<path...>(key, summary, ConfigKind::duration, min, years_10_us);
  made.step = static_cast<std::uint64_t>(std::chrono::microseconds(Member<path...>(1)).count());
  return made;
}

constexpr std::array table = {
    choice<&Options::sync>("sync", sync_modes, "when a commit is acknowledged"),
    duration<&Options::batch_interval>("batch_interval", 1000, "interval of sync: batch"),
    choice<&Options::isolation>("isolation", isolations,
                                "of transactions that do not say it themselves"),
    duration<&Options::transaction_age_max>(
        "transaction_age_max", 0, "transactions that stay open longer are aborted; 0 = never"),
    boolean<&Options::create_if_missing>("create_if_missing", "make the store if there is none"),
    boolean<&Options::read_only>("read_only", "no lock, no change on disk"),
    number<&Options::memory_limit_bytes>("memory_limit_bytes", ConfigKind::size, 0, pib,
                                         "upper bound of the graph's memory; 0 = none"),
    number<&Options::versions_kept>("versions_kept", ConfigKind::count, 0, count_max,
                                    "sequences that read_at can go back; 0 = no bound by count"),
    duration<&Options::version_age>("version_age", 0,
                                    "time that read_at can go back; 0 = no bound by time"),
    number<&Options::segment_bytes>("segment_bytes", ConfigKind::size, 4 * kib, tib,
                                    "a log segment is closed at this size"),
    number<&Options::segment_entries_max>("segment_entries_max", ConfigKind::count, 0, count_max,
                                          "or at this many entries; 0 = no limit"),
    number<&Options::log_buffer_bytes>("log_buffer_bytes", ConfigKind::size, 4 * kib, gib,
                                       "each of the two buffers in which commits gather"),
    number<&Options::transaction_buffer_bytes>(
        "transaction_buffer_bytes", ConfigKind::size, 0, 8 * mib,
        "what a transaction gathers before it streams to the log"),
    number<&Options::checkpoint_log_bytes>("checkpoint_log_bytes", ConfigKind::size, 0, pib,
                                           "a checkpoint after this much log; 0 = never by size"),
    duration<&Options::checkpoint_interval>(
        "checkpoint_interval", 0, "a checkpoint after this time, if there is new log; 0 = never"),
    choice<&Options::snapshot_compression>("snapshot_compression", compressions,
                                           "of new snapshots"),
    number<&Options::snapshots_kept>("snapshots_kept", ConfigKind::count, 2, count_max,
                                     "snapshots that are kept, with the log that each needs"),
    duration<&Options::snapshot_age>("snapshot_age", 0,
                                     "younger snapshots are kept besides; 0 = none"),
    boolean<&Options::log_retention, &LogRetention::everything>(
        "log_retention.everything", "a ledger: nothing of the log is let go of"),
    number<&Options::log_retention, &LogRetention::segments>(
        "log_retention.segments", ConfigKind::count, 0, count_max,
        "segments kept beyond what recovery needs; 0 = no bound by count"),
    number<&Options::log_retention, &LogRetention::bytes>(
        "log_retention.bytes", ConfigKind::size, 0, pib,
        "log kept beyond what recovery needs; 0 = no bound by size"),
    duration<&Options::log_retention, &LogRetention::age>(
        "log_retention.age", 0, "log kept beyond what recovery needs; 0 = no bound by time"),
    choice<&Options::log_retention, &LogRetention::compression>(
        "log_retention.compression", compressions, "of segments that recovery does not need"),
    number<&Options::reader_lag_bytes_max>("reader_lag_bytes_max", ConfigKind::size, 0, pib,
                                           "log that a slow reader holds at most; 0 = no bound"),
    boolean<&Options::background_maintenance>("background_maintenance",
                                              "maintenance in a thread of the store"),
    number<&Options::recovery_threads>("recovery_threads", ConfigKind::count, 0, 1024,
                                       "threads of recovery; 0 = one per processor, at most 8"),
    boolean<&Options::salvage>("salvage", "end the log at the first damage instead of refusing"),
};
static_assert(table.size() <= Config::keys_max);

std::string_view last_part(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

}  // namespace

std::span<const Field> fields() { return table; }

std::optional<std::uint64_t> Field::parse(std::string_view text) const {
  std::optional<std::uint64_t> value;
  switch (kind) {
    case ConfigKind::boolean:
      value = parse_boolean(text).has_value()
                  ? std::optional<std::uint64_t>(*parse_boolean(text) ? 1 : 0)
                  : std::nullopt;
      break;
    case ConfigKind::choice: {
      const auto found = std::find(choices.begin(), choices.end(), text);
      if (found != choices.end()) {
        value = static_cast<std::uint64_t>(found - choices.begin());
      }
      break;
    }
    case ConfigKind::count: value = parse_count(text); break;
    case ConfigKind::size: value = parse_size(text); break;
    case ConfigKind::duration: value = parse_duration(text); break;
  }
  const bool good = value && *value >= min && *value <= max && *value % step == 0;
  return good ? value : std::nullopt;
}

std::string Field::format(std::uint64_t value) const {
  switch (kind) {
    case ConfigKind::boolean: return value != 0 ? "true" : "false";
    case ConfigKind::choice: return std::string(choices[value]);
    case ConfigKind::count: break;
    case ConfigKind::size: return format_size(value);
    case ConfigKind::duration: return format_duration(value);
  }
  return std::to_string(value);
}

std::string Field::range() const {
  const auto from_to = [this] { return "from " + format(min) + " to " + format(max); };
  switch (kind) {
    case ConfigKind::boolean: return "true or false";
    case ConfigKind::choice: {
      std::string words;
      for (std::size_t i = 0; i < choices.size(); ++i) {
        words += i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ";
        words += choices[i];
      }
      return words;
    }
    case ConfigKind::count: return "a whole number " + from_to();
    case ConfigKind::size: return "a size " + from_to();
    case ConfigKind::duration: break;
  }
  return "a duration " + from_to() + " in steps of " + format_duration(step);
}

std::string Field::variable() const {
  std::string name = "SELVEDGE_";
  for (const char c : key) {
    name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

std::string_view nearest_key(std::string_view key) {
  key = key.substr(0, 64);  // whatever is longer is far from everything
  std::string_view best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const Field& field : table) {
    const std::size_t whole = distance(key, field.key);
    const std::size_t part = distance(last_part(key), last_part(field.key)) + 1;
    if (std::min(whole, part) < best_distance) {
      best_distance = std::min(whole, part);
      best = field.key;
    }
  }
  return best;
}

}  // namespace selvedge::config
