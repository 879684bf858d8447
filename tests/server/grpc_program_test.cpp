// mlpipe-serve itself over gRPC.
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <open_inference.grpc.pb.h>
#include <signal.h>

#include <cmath>
#include <cstring>

#include "server/http/socket.hpp"
#include "tests/server/serve_process.hpp"
#include "tests/server/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class GrpcProgram : public testing::Test {
 protected:
  GrpcProgram() { write_tiny_model(model(), 1); }
  fs::path model() const { return folder_.path() / "model"; }

  static std::unique_ptr<inference::GRPCInferenceService::Stub> connect(const ServeProcess& server) {
    return inference::GRPCInferenceService::NewStub(grpc::CreateChannel(
        fmt::format("127.0.0.1:{}", server.grpc_port()), grpc::InsecureChannelCredentials()));
  }

  TemporaryDirectory folder_;
};

inference::ModelInferRequest raw_request(const std::vector<float>& values) {
  inference::ModelInferRequest request;
  request.set_model_name("tiny");
  auto& input = *request.add_inputs();
  input.set_name("input");
  input.set_datatype("FP32");
  input.add_shape(1);
  input.add_shape(static_cast<std::int64_t>(values.size()));
  request.add_raw_input_contents(values.data(), values.size() * sizeof(float));
  return request;
}

TEST_F(GrpcProgram, AnswersWithTheScoresOfTheModel) {
  ServeProcess server(folder_.path(), model(), {"--grpc-port", "0"});
  const auto stub = connect(server);
  grpc::ClientContext context;
  inference::ModelInferResponse response;
  const grpc::Status status = stub->ModelInfer(&context, raw_request({1, 2, 3, 4}), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.model_name(), "tiny");
  ASSERT_EQ(response.raw_output_contents_size(), 2);
  float scores[3] = {};
  ASSERT_EQ(response.raw_output_contents(0).size(), sizeof(scores));
  std::memcpy(scores, response.raw_output_contents(0).data(), sizeof(scores));
  EXPECT_NEAR(scores[1], std::exp(2) / (std::exp(2) + 2), 1e-6);
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().exit_code, 0);
}

TEST_F(GrpcProgram, CallsAreLoggedAndCountedAsRequestsAre) {
  ServeProcess server(folder_.path(), model(), {"--grpc-port", "0", "--access-log"});
  const auto stub = connect(server);
  inference::ModelInferResponse response;
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "mine");
  ASSERT_TRUE(stub->ModelInfer(&context, raw_request({1, 2, 3, 4}), &response).ok());
  EXPECT_EQ(context.GetServerInitialMetadata().find("x-request-id")->second, "mine");
  grpc::ClientContext another;
  ASSERT_FALSE(stub->ModelInfer(&another, raw_request({1, 2}), &response).ok());
  const std::string metrics = WireClient(server.admin_port()).get("/metrics").body;
  for (const char* line : {R"(mlpipe_grpc_requests_total{code="OK",method="ModelInfer"} 1)",
                           R"(mlpipe_grpc_requests_total{code="INVALID_ARGUMENT",method="ModelInfer"} 1)",
                           R"(mlpipe_grpc_request_duration_seconds_count{method="ModelInfer"} 2)",
                           "mlpipe_grpc_requests_in_flight 0"}) {
    EXPECT_NE(metrics.find(line), std::string::npos) << line << " in\n" << metrics;
  }
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait().exit_code, 0);
  const std::string log = server.log();
  for (const char* part :
       {R"("id":"mine","method":"gRPC","route":"/inference.GRPCInferenceService/ModelInfer",)"
        R"("status":200,"code":"OK","ms":)",
        R"("model":"tiny","version":"1"})", R"("status":400,"code":"INVALID_ARGUMENT")"}) {
    EXPECT_NE(log.find(part), std::string::npos) << part << " in\n" << log;
  }
}

TEST_F(GrpcProgram, NothingThatAClientSendsEndsIt) {
  const ServeProcess server(folder_.path(), model(), {"--grpc-port", "0", "--body-limit", "100000"});
  const auto stub = connect(server);
  const auto code_of = [&stub](const inference::ModelInferRequest& request, bool is_packed = false) {
    grpc::ClientContext context;
    if (is_packed) {
      context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    }
    inference::ModelInferResponse response;
    return stub->ModelInfer(&context, request, &response).error_code();
  };
  EXPECT_EQ(code_of(inference::ModelInferRequest()), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(raw_request({1, 2})), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code_of(raw_request(std::vector<float>(100'000, 1))), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(code_of(raw_request(std::vector<float>(100'000, 1)), true), grpc::StatusCode::RESOURCE_EXHAUSTED)
      << "a message that is small until it is unpacked";
  WireClient not_grpc(server.grpc_port());
  not_grpc.send("GET / HTTP/1.1\r\n\r\n");
  grpc::ClientContext context;
  inference::ServerLiveResponse live;
  EXPECT_TRUE(stub->ServerLive(&context, inference::ServerLiveRequest(), &live).ok());
}

TEST_F(GrpcProgram, SpeaksGrpcOnlyWhereItIsAskedTo) {
  const ServeProcess server(folder_.path(), model());
  EXPECT_EQ(server.grpc_port(), 0);
  const FileDescriptor taken = listen_on("127.0.0.1", 0);
  const Captured result =
      run_serve({"--model", model(), "--port", "0", "--grpc-port", std::to_string(address_of(taken).port)});
  EXPECT_EQ(result.ending.exit_code, 1);
  EXPECT_NE(result.error.find("--grpc-port"), std::string::npos) << result.error;
}

}  // namespace
}  // namespace mlpipe
