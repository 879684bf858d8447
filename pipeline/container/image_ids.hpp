#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/container/engine.hpp"

namespace mlpipe {

// The ids ("sha256:…") of local images by reference or id, nothing for one that the engine does not have. One
// call of the engine when it has all of them, else one more for each. Throws Error when it cannot be asked.
std::map<std::string, std::optional<std::string>> image_ids(const Engine& engine,
                                                            const std::vector<std::string>& references);

}  // namespace mlpipe
