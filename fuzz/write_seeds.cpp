// Writes each target's seeds into a folder of its own: the corpora to start from.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "fuzz/target.h"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: write_seeds DIRECTORY\n");
    return 2;
  }
  for (const selvedge::fuzz::Target* target : selvedge::fuzz::all_targets()) {
    const auto folder = std::filesystem::path(arguments[1]) / target->name;
    std::filesystem::create_directories(folder);
    std::size_t number = 0;
    for (const selvedge::fuzz::Buffer& seed : target->seeds()) {
      std::ofstream out(folder / std::to_string(number++), std::ios::binary);
      out.write(reinterpret_cast<const char*>(seed.data()),
                static_cast<std::streamsize>(seed.size()));
      if (!out.flush()) {
        std::fprintf(stderr, "%s: cannot be written\n", folder.c_str());
        return 1;
      }
    }
  }
  return 0;
}
