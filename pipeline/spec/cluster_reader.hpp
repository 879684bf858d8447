#pragma once

#include "pipeline/spec/references.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Reads the parts of `kubernetes:`. Faults become diagnostics; what the schema check found faulty is passed
// over. No key of these counts towards the key of a step.

// The keys that say where pods run, over what `place` says already.
void read_cluster_place(const YamlNode& node, const References& references, Diagnostics& diagnostics,
                        ClusterPlace& place);
// The pipeline's own.
ClusterAccess read_cluster_access(const YamlNode& node, const References& references,
                                  Diagnostics& diagnostics);
// A deployment's.
void read_cluster_exposure(const YamlNode& node, const References& references, Diagnostics& diagnostics,
                           DeploySpec& deploy);

}  // namespace mlpipe
