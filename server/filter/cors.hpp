#pragma once

#include <string>
#include <vector>

#include "server/filter/filter.hpp"

namespace mlpipe {

// Lets pages of these origins ("https://example.org") ask the server, or of any origin when one of them is
// "*"; answers what browsers ask before (preflight, the Fetch standard). Others get no such header, and so
// their browsers keep the answer from them. Throws UsageError for what is no origin.
Filter cross_origin(std::vector<std::string> origins);

}  // namespace mlpipe
