// The clients that people use, in Python, where they are installed.
#include <gtest/gtest.h>

#include <string>

#include "pipeline/base/error.hpp"
#include "tests/server/serve_process.hpp"
#include "tests/server/tiny_model.hpp"

namespace mlpipe {
namespace {

bool has_python() {
  try {
    find_program("python3", own_environment());
    return true;
  } catch (const Error&) {
    return false;
  }
}

class Clients : public testing::TestWithParam<const char*> {};

TEST_P(Clients, GetTheirAnswers) {
  if (!has_python()) {
    GTEST_SKIP() << "there is no python3";
  }
  const TemporaryDirectory folder;
  const auto repository = folder.path() / "repository";
  write_tiny_model(repository / "tiny" / "1", 1);
  write_tiny_model(repository / "other" / "1", 2, "other");
  const ServeProcess server(folder.path(), repository / "tiny" / "1",
                            {"--grpc-port", "0", "--repository", repository});
  Command command;
  command.arguments = {"python3",
                       MLPIPE_CLIENTS,
                       GetParam(),
                       std::to_string(server.port()),
                       std::to_string(server.admin_port()),
                       std::to_string(server.grpc_port()),
                       test_token};
  const Captured result = run_and_capture(command);
  if (result.ending.exit_code == 77) {
    GTEST_SKIP() << result.output;
  }
  EXPECT_EQ(result.ending.exit_code, 0) << result.output << result.error;
}

// Whatever Schemathesis makes of the server's own OpenAPI document: no answer outside it, no 5xx but 503.
TEST(Fuzz, GetsNoAnswerOutsideTheDocument) {
  if (!has_python()) {
    GTEST_SKIP() << "there is no python3";
  }
  const TemporaryDirectory folder;
  write_tiny_model(folder.path() / "model", 1);
  const ServeProcess server(folder.path(), folder.path() / "model",
                            {"--feedback", folder.path() / "feedback"});
  Command command;
  command.arguments = {"python3", MLPIPE_FUZZ, std::to_string(server.port()), "10"};
  const Captured result = run_and_capture(command);
  if (result.ending.exit_code == 77) {
    GTEST_SKIP() << result.output;
  }
  EXPECT_EQ(result.ending.exit_code, 0) << result.output << result.error;
}

INSTANTIATE_TEST_SUITE_P(Python, Clients,
                         testing::Values("triton_http", "triton_repository", "triton_grpc", "kserve_rest",
                                         "kserve_grpc", "plain_requests"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace mlpipe
