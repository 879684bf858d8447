#pragma once

#include "server/engine/servable.hpp"

namespace mlpipe {

// Reads a model folder of whichever format. Throws Error that says what is wrong with it.
std::unique_ptr<const Servable> load_model(const std::filesystem::path& directory);

}  // namespace mlpipe
