#pragma once

#include <nlohmann/json_fwd.hpp>

#include "pipeline/agent/job.hpp"

namespace mlpipe {

// The section "container" of a job.json.
nlohmann::json container_to_json(const JobContainer& container);
// Throws nlohmann::json::exception or Error for what container_to_json does not write.
JobContainer container_from_json(const nlohmann::json& json);

}  // namespace mlpipe
