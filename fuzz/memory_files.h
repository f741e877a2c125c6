// Files in memory, durable from the start.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include "fuzz/target.h"
#include "tests/support/memory_file_system.h"

namespace selvedge::fuzz {

void put_file(FileSystem& files, const std::string& path, Input bytes);
Buffer get_file(FileSystem& files, const std::string& path);
/// A file system with these files; the directories are the caller's.
std::unique_ptr<test::MemoryFileSystem> memory_files(
    std::initializer_list<std::pair<std::string, Input>> content);

}  // namespace selvedge::fuzz
