#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "server/http/message.hpp"
#include "server/protocol/v2/service.hpp"

namespace mlpipe {

// What the protocol and its extensions say of models, as their JSON.
using ProtocolJson = nlohmann::ordered_json;

ProtocolJson metadata_json(const ModelDescription& model);

// The model configuration extension: what Triton's clients look up before they send.
ProtocolJson configuration_json(const ModelVersion& version);

// The statistics extension. Of the parts of an inference, waiting and forward calls are measured; a forward
// call counts once, however many requests it answered.
ProtocolJson statistics_json(const std::vector<VersionStatistics>& statistics);

Response json_document(const ProtocolJson& document, int status = 200);

}  // namespace mlpipe
