#pragma once

#include <memory>

#include "server/feedback/recent_examples.hpp"
#include "server/filter/filter.hpp"

namespace mlpipe {

// Keeps what requests ask about by their ids, so that feedback can name them. Behind observation(), which
// gives the ids.
Filter example_keeping(std::shared_ptr<RecentExamples> recent);

}  // namespace mlpipe
