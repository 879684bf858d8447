#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mlpipe {

// Every #include below `root` that the architecture does not allow, one line each: "FILE:LINE: what is
// wrong".
std::vector<std::string> find_layer_faults(const std::filesystem::path& root);

}  // namespace mlpipe
