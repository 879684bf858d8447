#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "server/filter/call_observer.hpp"
#include "server/protocol/v2/service.hpp"

namespace mlpipe {

struct GrpcOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 takes a free one
  // In PEM: TLS is spoken, and a file that changed is taken up within ten seconds. Empty: it is not.
  std::filesystem::path certificate = {};
  std::filesystem::path key = {};
  std::size_t message_limit = std::size_t{16} << 20U;
  // Whether a call with this authorization metadata is answered; empty: every call is. Health and reflection
  // are everyone's.
  std::function<bool(std::string_view authorization)> allow = {};
  CallObserver* observer = nullptr;  // of all calls but health and reflection; outlives the server
  std::size_t memory_limit = std::size_t{512} << 20U;  // of all messages together, about
};

// Answers inference.GRPCInferenceService, grpc.health.v1.Health and reflection. What speaks gRPC is a library
// of its own, which is loaded only when it is asked for: gRPC's libraries take longer to load than a small
// program takes to start.
class GrpcServer {
 public:
  virtual ~GrpcServer() = default;
  virtual const std::string& host() const = 0;
  virtual std::uint16_t port() const = 0;
  // Health says that it is not serving; everything is answered still.
  virtual void begin_draining() = 0;
  // Takes no more calls and returns when those under way have been answered, or were cancelled once `grace`
  // is over. The engine has to go on meanwhile.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

// The caller owns the result. Throws Error when it cannot listen there.
GrpcServer* start_grpc(InferenceService& service, const GrpcOptions& options);

// The same as it is found in the library.
using StartGrpcServer = GrpcServer*(InferenceService& service, const GrpcOptions& options);
inline constexpr const char* start_grpc_server_name = "mlpipe_start_grpc_server";
inline constexpr const char* grpc_library_name = "mlpipe-serve-grpc.so";

}  // namespace mlpipe
