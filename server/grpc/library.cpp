// What mlpipe-serve finds in this library.
#include "server/grpc/grpc_server.hpp"

extern "C" mlpipe::GrpcServer* mlpipe_start_grpc_server(mlpipe::InferenceService& service,
                                                        const mlpipe::GrpcOptions& options) {
  return mlpipe::start_grpc(service, options);
}
