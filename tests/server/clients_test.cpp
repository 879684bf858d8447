// The clients that people use, in Python, where they are installed.
#include <gtest/gtest.h>

#include <iostream>

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

TEST(Clients, FromPyPiGetTheirAnswers) {
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
                       std::to_string(server.port()),
                       std::to_string(server.admin_port()),
                       std::to_string(server.grpc_port()),
                       test_token};
  const Captured result = run_and_capture(command);
  if (result.ending.exit_code == 77) {
    GTEST_SKIP() << result.output;
  }
  EXPECT_EQ(result.ending.exit_code, 0) << result.output << result.error;
  std::cout << result.output;  // says which clients were skipped
}

}  // namespace
}  // namespace mlpipe
