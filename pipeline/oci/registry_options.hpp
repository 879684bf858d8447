#pragma once

#include "pipeline/base/process.hpp"
#include "pipeline/oci/registry_client.hpp"

namespace mlpipe {

// From the environment: MLPIPE_INSECURE_REGISTRIES, a list "HOST[:PORT],…" of registries that plain http is
// spoken with, and MLPIPE_REGISTRY_CHUNK, the bytes of one piece of an upload. Throws UsageError for values
// that are neither.
RegistryOptions registry_options(const Environment& environment);

}  // namespace mlpipe
