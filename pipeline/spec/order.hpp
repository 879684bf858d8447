#pragma once

#include <vector>

#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// Puts every step after those that it needs, and keeps the file's order otherwise. A cycle is a diagnostic at
// one of its steps that names the whole way round.
void order_steps(std::vector<Step>& steps, Diagnostics& diagnostics);

}  // namespace mlpipe
