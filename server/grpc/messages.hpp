#pragma once

#include <grpcpp/support/status.h>
#include <open_inference.pb.h>

#include "server/protocol/failure.hpp"
#include "server/protocol/v2/service.hpp"

namespace mlpipe {

// The protocol's values from and to their messages.

// The numbers stay in the message. Throws RequestError.
InferRequest read_message(const inference::ModelInferRequest& message);

// As raw contents, or in the fields of their types.
void write_message(const InferAnswer& answer, bool is_raw, inference::ModelInferResponse& message);
void write_message(const ModelDescription& model, inference::ModelMetadataResponse& message);
void write_message(const std::vector<VersionStatistics>& statistics,
                   inference::ModelStatisticsResponse& message);

grpc::Status status_of(const Failure& failure);

// As the specification of gRPC spells it: "NOT_FOUND".
std::string_view name_of(grpc::StatusCode code);

}  // namespace mlpipe
