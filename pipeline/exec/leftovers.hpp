#pragma once

#include "pipeline/store/store.hpp"

namespace mlpipe {

// Removes what killed processes left and nobody needs: folders of jobs whose result is in the index or was
// lost with the agent, locks of keys without a job, trash. What can be collected stays, and what anybody
// works with.
void remove_leftovers(const Store& store);

}  // namespace mlpipe
