#pragma once

#include <string>

#include "pipeline/model/network.hpp"

namespace mlpipe {

// The network as a table for people: a line for each layer, those inside a residual after it, with output
// shape and parameters, and the total. Shapes must be inferred; what hangs on a number of outputs that is not
// known yet is shown as `auto`.
std::string network_table(const Network& network, const Shape& input);

}  // namespace mlpipe
