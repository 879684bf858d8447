#pragma once

#include <memory>

#include "server/grpc/grpc_server.hpp"

namespace mlpipe {

// Loads the library that speaks gRPC and starts its server. The service must outlive the server. Throws Error
// when the library is not there or it cannot listen.
std::unique_ptr<GrpcServer> start_grpc_server(InferenceService& service, const GrpcOptions& options);

}  // namespace mlpipe
