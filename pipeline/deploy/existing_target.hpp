#pragma once

#include <memory>

#include "pipeline/deploy/deployments.hpp"
#include "pipeline/deploy/target.hpp"
#include "pipeline/exec/programs.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// What carries a deployment, as it was begun. Throws Error when that cannot be used here: an engine that is
// not installed.
std::unique_ptr<Target> existing_target(const Store& store, const DeploymentRecord& record,
                                        const Programs& programs);

}  // namespace mlpipe
