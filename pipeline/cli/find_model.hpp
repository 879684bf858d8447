#pragma once

#include <string>

#include "pipeline/cli/command.hpp"
#include "pipeline/registry/registry.hpp"

namespace mlpipe {

// The model that the argument NAME names, or the only one that there is. UsageError that lists them
// otherwise.
std::string only_model(const Invocation& invocation, const Registry& registry);

// The alias that --alias names, or the only one that the model has. UsageError that lists them otherwise.
std::string only_alias(const Invocation& invocation, const Registry& registry, const std::string& model);

}  // namespace mlpipe
