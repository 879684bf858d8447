#pragma once

#include "pipeline/spec/images.hpp"
#include "pipeline/spec/references.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Reads `deploy:`. Faults become diagnostics; what the schema check found faulty is passed over.
DeploySpec read_deployment(const YamlNode& node, const References& references, Images& images,
                           Diagnostics& diagnostics);

}  // namespace mlpipe
