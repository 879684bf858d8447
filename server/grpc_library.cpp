#include "server/grpc_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"

namespace mlpipe {

std::unique_ptr<GrpcServer> start_grpc_server(InferenceService& service, const GrpcOptions& options) {
  const auto path =
      path_of_own_executable().parent_path().parent_path() / "lib" / "mlpipe" / grpc_library_name;
  // Never closed again: threads of gRPC go on for as long as the process.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw Error(fmt::format("--grpc-port: {}", ::dlerror()), "it comes with mlpipe-serve; install it whole");
  }
  auto* start = reinterpret_cast<StartGrpcServer*>(::dlsym(library, start_grpc_server_name));
  if (start == nullptr) {
    throw Error(fmt::format("--grpc-port: {} is of another version", path.string()), "install it anew");
  }
  return std::unique_ptr<GrpcServer>(start(service, options));
}

}  // namespace mlpipe
