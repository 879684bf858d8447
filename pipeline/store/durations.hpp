#pragma once

#include <string>

#include "pipeline/plan/plan.hpp"
#include "pipeline/store/database.hpp"

namespace mlpipe {

// How long each step of the pipeline took when it last succeeded. One query, whatever the number of steps.
Durations past_durations(const Database& database, const std::string& pipeline);

}  // namespace mlpipe
