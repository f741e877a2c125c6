// Filters of segments: kept where a reader of history has made them.

#include "history/catalog.h"
#include "io/file_util.h"

namespace selvedge::history {

std::optional<EntityFilter> Catalog::filter_of(const Segment& segment) {
  constexpr std::uint64_t filter_bytes_max = std::uint64_t{64} << 20;
  const std::string path = history_path() + "/" + filter_name(segment.identity.number);
  const auto bytes = segment.last() ? fail(ErrorCode::not_found, "the segment is not complete")
                                    : io::read_file(files_, path, filter_bytes_max);
  if (!bytes) {
    return std::nullopt;
  }
  auto filter = EntityFilter::decode(*bytes, path);
  if (!filter || filter->identity() != segment.identity ||
      filter->next_sequence() != segment.next_sequence) {
    return std::nullopt;  // damaged, or of an older generation of the file: the log is read
  }
  return *std::move(filter);
}

Status Catalog::keep_filter(const EntityFilter& filter) {
  const std::uint64_t number = filter.identity().number;
  const MutexLock writing(filters_mutex_);
  {
    const MutexLock lock(mutex_);
    if (number < first_number_) {
      return {};  // let go of meanwhile: nobody would remove the file
    }
  }
  SELVEDGE_TRY(make_directory());
  SELVEDGE_TRY(io::atomic_replace(files_, history_path(), filter_name(number), filter.encode()));
  filters_.insert(number);
  return {};
}

Status Catalog::forget_filter(std::uint64_t number) {
  const MutexLock writing(filters_mutex_);
  if (filters_.erase(number) == 0) {
    return {};
  }
  const Status gone = files_.unlink(history_path() + "/" + filter_name(number));
  return gone || gone.error().code() == ErrorCode::not_found ? Status{}
                                                             : fail(gone.error().clone());
}

void Catalog::filters_are(const std::set<std::uint64_t>& numbers) {
  const MutexLock writing(filters_mutex_);
  filters_ = numbers;
}

}  // namespace selvedge::history
