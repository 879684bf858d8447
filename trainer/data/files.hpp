#pragma once

#include <filesystem>

namespace mlpipe {

// A UsageError unless the path is a regular file with something in it.
void require_data_file(const std::filesystem::path& path);

}  // namespace mlpipe
