// gRPC under TLS.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <open_inference.grpc.pb.h>

#include <memory>
#include <string>

#include "pipeline/base/file.hpp"
#include "server/grpc/grpc_server.hpp"
#include "tests/server/fakes.hpp"
#include "tests/server/tls_client.hpp"

namespace mlpipe {
namespace {

class GrpcTls : public testing::Test {
 protected:
  GrpcTls() : engine_(loader_of(small_model(), first_value_wins)) { engine_.load("/models/small", "7"); }

  std::unique_ptr<GrpcServer> start(const GrpcOptions& options) {
    return std::unique_ptr<GrpcServer>(start_grpc(*service_, options));
  }

  static grpc::StatusCode ask(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    inference::ModelMetadataRequest request;
    request.set_name("small");
    inference::ModelMetadataResponse response;
    return inference::GRPCInferenceService::NewStub(channel)
        ->ModelMetadata(&context, request, &response)
        .error_code();
  }

  Engine engine_;
  std::unique_ptr<InferenceService> service_ = make_inference_service(engine_);
};

TEST_F(GrpcTls, IsSpokenWhenThereIsACertificate) {
  const TemporaryDirectory folder;
  const TlsFiles files = write_certificate(folder.path(), "localhost");
  GrpcOptions options;
  options.certificate = files.certificate;
  options.key = files.key;
  const std::unique_ptr<GrpcServer> server = start(options);
  const std::string address = fmt::format("127.0.0.1:{}", server->port());
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("localhost");
  const grpc::SslCredentialsOptions trusted{read_file(files.certificate), "", ""};
  EXPECT_EQ(ask(grpc::CreateCustomChannel(address, grpc::SslCredentials(trusted), arguments)),
            grpc::StatusCode::OK);
  EXPECT_EQ(ask(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
            grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace mlpipe
