#pragma once

#include "pipeline/spec/references.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Reads how a step runs: `timeout`, `finally`, `retry`, `resources` and, where `may_name_tools`, `tools`.
// Faults become diagnostics; what the schema check found faulty is passed over.
void read_rules(const YamlNode& node, bool may_name_tools, const References& references, Usage& usage,
                Diagnostics& diagnostics, Step& step);

// Reads `resources` alone.
void read_resources(const YamlNode& node, const References& references, Diagnostics& diagnostics,
                    Resources& resources);

}  // namespace mlpipe
