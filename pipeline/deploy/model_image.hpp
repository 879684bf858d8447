#pragma once

#include <filesystem>
#include <string>

#include "pipeline/container/engine.hpp"
#include "pipeline/deploy/target.hpp"

namespace mlpipe {

// The id of the server image with the release's folder as /model on top of it, which mlpipe-registry (at
// `program`) makes when the engine has none yet. It stays on the engine as mlpipe-model/NAME:VERSION.
std::string model_image(const Engine& engine, const std::filesystem::path& program,
                        const std::string& server_image, const ServedRelease& release,
                        const std::string& name);

}  // namespace mlpipe
