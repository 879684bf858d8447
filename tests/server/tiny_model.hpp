#pragma once

#include <filesystem>
#include <string>

namespace mlpipe {

// Writes a model of four values and the labels "0", "1", "2" into a new folder: whatever it is asked, it
// answers `favourite` with the same score, so that an answer tells which model gave it.
void write_tiny_model(const std::filesystem::path& directory, int favourite,
                      const std::string& name = "tiny");

}  // namespace mlpipe
