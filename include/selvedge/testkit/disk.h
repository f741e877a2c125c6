// What a crash can leave of a sequence of events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <selvedge/error.h>
#include <selvedge/testkit/sim_file_system.h>

namespace selvedge::testkit {

/// A write that reached the disk in part.
struct Tear {
  enum class Kind : std::uint8_t {
    head,       ///< only what is before the boundary
    tail,       ///< only what is behind it
    hole,       ///< all but one sector
    size_only,  ///< the new size, zeros instead of the new bytes
    data_only,  ///< the bytes, but the file keeps its old size
  };
  enum class Fill : std::uint8_t { old_bytes, zeros, garbage };
  std::uint32_t pending = 0;  ///< which pending operation
  Kind kind = Kind::head;
  Fill fill = Fill::old_bytes;
  std::uint32_t sector_bytes = 512;
  std::uint64_t boundary = 0;  ///< a file offset; of a hole, where its sector starts
};

/// Which strategy chose a state.
enum class Strategy : std::uint8_t {
  drop_all,
  keep_all,
  prefix,
  single_drop,
  single_keep,
  subset,
  torn,
  stale_size,
  count
};
[[nodiscard]] const char* name_of(Strategy strategy);

/// One choice among what a crash can leave.
struct Keep {
  std::vector<bool> kept;  ///< of each pending operation
  std::optional<Tear> tear;
  Strategy strategy = Strategy::drop_all;
};

/// A crash before an event, and what it left: one step of a replay token.
struct CrashPoint {
  std::size_t event = 0;
  Keep keep;
  /// `event:mask`, in hexadecimal, and `:tear`, if any.
  [[nodiscard]] std::string to_string() const;
  static Result<CrashPoint> parse(std::string_view text);
};

/// Role: a disk that has been given events: what is durable, and what is pending.
/// Invariants: a sync makes its file's bytes durable and nothing else, a directory sync that
///   directory's entries and nothing else. Pending operations are in the order of their events.
/// Threads: one at a time. The events must outlive it.
class Disk {
 public:
  explicit Disk(const Image& start);

  void apply(const Event& event);
  [[nodiscard]] const std::vector<const Event*>& pending() const { return pending_; }
  [[nodiscard]] Image crash(const Keep& keep) const;

 private:
  struct Names {
    std::map<std::string, std::uint32_t> files;
    std::set<std::string> directories;
    void apply(const Event& event);
    void drop_orphans();
  };
  using Changed = std::map<std::uint32_t, Bytes>;
  [[nodiscard]] Bytes& changed(Changed& all, std::uint32_t inode) const;
  void start_again(const Event& event);
  void apply_torn(Bytes& bytes, const Event& event, const Tear& tear) const;

  Names durable_;
  std::vector<Content> contents_;  // durable, by inode; null: nothing written yet
  std::vector<const Event*> pending_;
};

/// Calls `use` for each choice at this point, until it returns false. With w pending operations:
/// none, all, every prefix, every single drop and keep, all 2^w subsets if w <= 8 (else 64 chosen
/// by the seed), writes torn at sector boundaries of 512 and 4,096 bytes, stale sizes.
void enumerate(const Disk& disk, std::uint64_t seed, const std::function<bool(const Keep&)>& use);

}  // namespace selvedge::testkit
