// Whole reads and writes, and the atomic replacement of a file.
#pragma once

#include <string>
#include <vector>

#include <selvedge/file_system.h>
#include <selvedge/uuid.h>

namespace selvedge::io {

/// Fills the span; `corruption` when the file ends before.
Status read_exact(File& file, std::uint64_t offset, std::span<std::byte> into);
/// Reads until the span is full or the file ends; returns the count.
Result<std::size_t> read_up_to(File& file, std::uint64_t offset, std::span<std::byte> into);
/// Writes everything, however short the single writes are.
Status write_all(File& file, std::uint64_t offset, std::span<const std::byte> from);
/// The whole file; `too_large` above the limit.
Result<std::vector<std::byte>> read_file(FileSystem& files, const std::string& path,
                                         std::uint64_t bytes_max);
/// Puts `bytes` under `directory/name` so that a crash leaves the old or the new content: a
/// temporary file, write, fsync, close, rename, directory fsync. After a failure before the
/// rename the temporary file is removed and the old content stands.
Status atomic_replace(FileSystem& files, const std::string& directory, const std::string& name,
                      std::span<const std::byte> bytes);

/// Version 4, from the file system's random bytes.
Uuid random_uuid(FileSystem& files);

}  // namespace selvedge::io
