// The manifest of a store that is not open here.
#pragma once

#include <string>

#include <selvedge/error.h>
#include <selvedge/file_system.h>

#include "snapshot/manifest.h"

namespace selvedge::inspect {

/// The manifest in this directory; with errors as those of `Store::open`.
Result<snapshot::Manifest> load_manifest(FileSystem& files, const std::string& path);

inline FileSystem& files_or_default(FileSystem* files) {
  return files != nullptr ? *files : posix_file_system();
}

}  // namespace selvedge::inspect
