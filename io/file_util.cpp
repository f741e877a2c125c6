#include "io/file_util.h"

#include "base/mutants.h"

namespace selvedge::io {

Result<std::size_t> read_up_to(File& file, std::uint64_t offset, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    SELVEDGE_TRY(const std::size_t count, file.pread(offset + done, into.subspan(done)));
    if (count == 0) {
      break;
    }
    done += count;
  }
  return done;
}

Status read_exact(File& file, std::uint64_t offset, std::span<std::byte> into) {
  SELVEDGE_TRY(const std::size_t count, read_up_to(file, offset, into));
  if (count != into.size()) {
    return fail(
        Error(ErrorCode::corruption, "the file ends too early")
            .at(file.path(), offset)
            .mismatch(std::to_string(into.size()) + " bytes", std::to_string(count) + " bytes"));
  }
  return {};
}

Status write_all(File& file, std::uint64_t offset, std::span<const std::byte> from) {
  while (!from.empty()) {
    SELVEDGE_TRY(const std::size_t count, file.pwrite(offset, from));
    if (count == 0) {
      return fail(Error(ErrorCode::io, "a write made no progress").at(file.path(), offset));
    }
    if (base::mutant(base::Mutant::short_write_ignored)) {
      return {};
    }
    offset += count;
    from = from.subspan(count);
  }
  return {};
}

Result<std::vector<std::byte>> read_file(FileSystem& files, const std::string& path,
                                         std::uint64_t bytes_max) {
  SELVEDGE_TRY(const auto file, files.open(path, OpenMode::read));
  SELVEDGE_TRY(const std::uint64_t size, file->size());
  if (size > bytes_max) {
    return fail(Error(ErrorCode::too_large, "the file is too large")
                    .at(path)
                    .mismatch("at most " + std::to_string(bytes_max), std::to_string(size)));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  SELVEDGE_TRY(read_exact(*file, 0, bytes));
  return bytes;
}

Status atomic_replace(FileSystem& files, const std::string& directory, const std::string& name,
                      std::span<const std::byte> bytes) {
  const bool in_place = base::mutant(base::Mutant::manifest_in_place);
  const std::string temporary = directory + "/" + name + (in_place ? "" : ".tmp");
  const auto write = [&]() -> Status {
    SELVEDGE_TRY(const auto file, files.open(temporary, OpenMode::create));
    SELVEDGE_TRY(file->truncate(0));
    SELVEDGE_TRY(write_all(*file, 0, bytes));
    if (!base::mutant(base::Mutant::manifest_not_synced)) {
      SELVEDGE_TRY(file->sync());
    }
    SELVEDGE_TRY(file->close());
    return in_place ? Status{} : files.rename(temporary, directory + "/" + name);
  };
  if (Status status = write(); !status) {
    // Best effort: the first error is the one to report, and open removes strays.
    static_cast<void>(files.unlink(temporary));
    return status;
  }
  return base::mutant(base::Mutant::manifest_name_not_synced) ? Status{}
                                                              : files.sync_dir(directory);
}

Uuid random_uuid(FileSystem& files) {
  Uuid uuid;
  files.random(uuid.bytes);
  uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return uuid;
}

}  // namespace selvedge::io
