#include "fuzz/memory_files.h"

namespace selvedge::fuzz {

void put_file(FileSystem& files, const std::string& path, Input bytes) {
  const auto file = must(files.open(path, OpenMode::create), "a file can be made");
  must(file->truncate(0), "a file can be emptied");
  must(file->pwrite(0, bytes), "a file can be written");
  must(file->sync(), "a file can be synced");
}

Buffer get_file(FileSystem& files, const std::string& path) {
  const auto file = must(files.open(path, OpenMode::read), "a file can be read");
  Buffer bytes(static_cast<std::size_t>(must(file->size(), "a file has a size")));
  must(file->pread(0, bytes), "a file can be read");
  return bytes;
}

std::unique_ptr<test::MemoryFileSystem> memory_files(
    std::initializer_list<std::pair<std::string, Input>> content) {
  auto files = std::make_unique<test::MemoryFileSystem>();
  for (const auto& [path, bytes] : content) {
    put_file(*files, path, bytes);
  }
  return files;
}

}  // namespace selvedge::fuzz
