#pragma once

#include "pipeline/cli/command.hpp"
#include "pipeline/deploy/deployments.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// The deployment that --alias names or, without it, the only one there is. Throws UsageError that names what
// there is.
DeploymentRecord only_deployment(const Invocation& invocation, const Store& store);

}  // namespace mlpipe
