// One pass over a log directory: the working state of LogScanner::scan.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wal/log_scanner.h"

namespace selvedge::wal {

/// *Invariants*: `next_` is the sequence that the next frame must have, once `known_`; candidates
/// are in the order of their numbers; `stop_` tells where reading stopped last.
/// *Threads*: one. *After failure*: throw it away.
class LogScan {
 public:
  LogScan(FileSystem& files, const std::string& directory, const ScanOptions& options,
          const FrameSink& sink);
  Result<LogExtent> run();

 private:
  struct Candidate {
    SegmentInfo info;  ///< salt 0: not known
    std::string path;
    bool listed = false;
    bool on_disk = false;
    std::uint64_t file_bytes = 0;
    DecodedSegmentHeader header;
    [[nodiscard]] bool valid() const { return header.state == SegmentHeaderState::valid; }
  };
  struct Stop {
    std::string path;
    std::uint64_t offset = 0;
    FrameFault fault = FrameFault::none;
    std::string expected;
    std::string found;
  };

  Status collect();
  Status inspect();
  /// False: not part of this log.
  Result<bool> admit(Candidate& candidate);
  Status choose_start();
  void pass_over(std::size_t count);
  Status scan_candidate(std::size_t index);
  Result<bool> chains(const Candidate& candidate);
  Status read_frames(std::size_t index);
  Status deliver(const FrameView& frame, SegmentExtent& extent);
  Result<bool> skip_regenerable(SegmentReader& reader, const ReadStep& step, std::size_t index);
  Status judge_tail(File& file, std::size_t index, std::uint32_t salt, bool recycled);
  Status judge_headless(std::size_t index);
  /// Evidence that `sequence` was acknowledged, beside what the segment itself tells; empty: none.
  [[nodiscard]] std::string later_evidence(std::size_t index, std::uint64_t sequence) const;
  Status drop_rest(std::size_t index);
  Status conclude();
  /// Strict: the error. Salvage: kept, and the log ends here.
  Status damage(Error error);
  [[nodiscard]] Error damaged_at(const Stop& stop, std::uint64_t sequence,
                                 const std::string& evidence) const;
  void drop(const Stop& stop, const TailEvidence& evidence, std::string reason, bool stale);

  FileSystem& files_;
  const std::string& directory_;
  const ScanOptions& options_;
  const FrameSink& sink_;
  LogExtent result_;
  std::vector<Candidate> candidates_;
  std::size_t start_ = 0;
  std::uint64_t next_ = 0;
  bool known_ = false;
  bool cut_ = false;     ///< salvage: nothing from here on belongs to the log
  bool sealed_ = false;  ///< the segment before ended with a seal
  SealPayload seal_;
  Stop stop_;
};

}  // namespace selvedge::wal
