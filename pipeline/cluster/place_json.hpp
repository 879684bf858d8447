#pragma once

#include <nlohmann/json_fwd.hpp>

#include "pipeline/cluster/place.hpp"

namespace mlpipe {

// A place as a file has it that a later command reads: a job's pod.json, a deployment's serving.json.
nlohmann::json place_to_json(const ClusterPlace& place);
// Throws nlohmann's exceptions for what place_to_json does not write.
ClusterPlace place_from_json(const nlohmann::json& json);

}  // namespace mlpipe
