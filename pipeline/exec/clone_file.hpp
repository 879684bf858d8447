#pragma once

#include <sys/types.h>

#include <filesystem>

namespace mlpipe {

// Makes `to`, which must not be there, hold what `from` does: shares the bytes until one side changes where
// the file system can do that, copies them elsewhere.
void clone_file(const std::filesystem::path& from, const std::filesystem::path& to, mode_t mode);

}  // namespace mlpipe
