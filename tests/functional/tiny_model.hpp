#pragma once

#include <filesystem>
#include <string>

namespace mlpipe {

// Writes a model that takes four numbers and always answers `label`, one of "red", "green", "blue": what a
// training would take seconds for. `folder` is made.
void write_tiny_model(const std::filesystem::path& folder, const std::string& label);

}  // namespace mlpipe
