#pragma once

#include <cstddef>
#include <vector>

#include "pipeline/store/reachable.hpp"

namespace mlpipe {

// What a store is kept for, as of now:
//   - of every alias its release, the one that a rollback goes to, and the one that it stood for last
//   - what deployments serve, unless they were stopped
//   - pins
//   - jobs that run, or have succeeded and wait for the next run to collect them
//   - of every pipeline the last `runs` runs, and what its steps stood for since (a run that finds all of its
//     results there leaves no other trace)
std::vector<Root> find_roots(const Store& store, std::size_t runs);

}  // namespace mlpipe
