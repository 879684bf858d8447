#pragma once

#include "pipeline/spec/images.hpp"
#include "pipeline/spec/references.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Reads `deploy:`. On Kubernetes its pods run at `place`, as far as it does not say. Faults become
// diagnostics; what the schema check found faulty is passed over.
DeploySpec read_deployment(const YamlNode& node, const References& references, Images& images,
                           const ClusterPlace& place, Diagnostics& diagnostics);

}  // namespace mlpipe
