#pragma once

#include "server/engine/servable.hpp"

namespace mlpipe {

// A model directory of mlpipe, computed by libtorch through trainer/network. Throws Error that says what is
// wrong.
std::unique_ptr<const Servable> load_predictor_model(const std::filesystem::path& directory);

}  // namespace mlpipe
