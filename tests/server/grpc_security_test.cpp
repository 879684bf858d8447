// Who may call over gRPC, and TLS.
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

class GrpcSecurity : public testing::Test {
 protected:
  GrpcSecurity() : engine_(loader_of(small_model(), first_value_wins)) { engine_.load("/models/small", "7"); }

  std::unique_ptr<GrpcServer> start(const GrpcOptions& options) {
    return std::unique_ptr<GrpcServer>(start_grpc(*service_, options));
  }

  // The status of asking for the model's metadata with that authorization.
  static grpc::StatusCode ask(const std::shared_ptr<grpc::Channel>& channel,
                              const std::string& authorization) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (!authorization.empty()) {
      context.AddMetadata("authorization", authorization);
    }
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

TEST_F(GrpcSecurity, CallsWithoutCredentialsAreRefused) {
  GrpcOptions options;
  options.allow = [](std::string_view authorization) { return authorization == "Bearer right"; };
  const std::unique_ptr<GrpcServer> server = start(options);
  const auto channel =
      grpc::CreateChannel(fmt::format("127.0.0.1:{}", server->port()), grpc::InsecureChannelCredentials());
  EXPECT_EQ(ask(channel, "Bearer right"), grpc::StatusCode::OK);
  EXPECT_EQ(ask(channel, "Bearer wrong"), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ask(channel, ""), grpc::StatusCode::UNAUTHENTICATED);
  const auto stub = inference::GRPCInferenceService::NewStub(channel);
  {
    grpc::ClientContext context;
    inference::ModelInferResponse response;
    EXPECT_EQ(stub->ModelInfer(&context, {}, &response).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
  {
    grpc::ClientContext context;
    inference::ModelStatisticsResponse response;
    EXPECT_EQ(stub->ModelStatistics(&context, {}, &response).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
  {
    grpc::ClientContext context;
    inference::ServerMetadataResponse response;
    EXPECT_EQ(stub->ServerMetadata(&context, {}, &response).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  }
  grpc::ClientContext context;
  inference::ServerReadyResponse response;
  EXPECT_TRUE(stub->ServerReady(&context, {}, &response).ok());
  EXPECT_TRUE(response.ready());
}

TEST_F(GrpcSecurity, SpeaksTlsWhenItHasACertificate) {
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
  EXPECT_EQ(ask(grpc::CreateCustomChannel(address, grpc::SslCredentials(trusted), arguments), ""),
            grpc::StatusCode::OK);
  EXPECT_EQ(ask(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), ""),
            grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace mlpipe
