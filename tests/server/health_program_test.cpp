#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "pipeline/base/file.hpp"
#include "pipeline/base/process.hpp"
#include "server/http/server.hpp"
#include "server/http/socket.hpp"
#include "tests/server/tls_client.hpp"

namespace mlpipe {
namespace {

// The real mlpipe-serve-health, and what it asks.
class HealthProgram : public testing::Test {
 protected:
  void start(const std::shared_ptr<Current<TlsContext>>& tls = nullptr) {
    FileDescriptor socket = listen_on("127.0.0.1", 0);
    port_ = std::to_string(address_of(socket).port);
    server_ = std::make_unique<HttpServer>(
        std::move(socket),
        HttpHandler{[this](const Request& request, const Respond& respond) {
                      respond({request.path == "/v2/health/ready" ? status_.load() : 404, "text/plain", "x"});
                    },
                    [](int status, std::string_view why) {
                      return Response{status, "text/plain", std::string(why)};
                    }},
        HttpLimits{}, 1, tls);
  }
  Captured ask(std::vector<std::string> arguments, const Environment& environment = {}) const {
    arguments.insert(arguments.begin(), MLPIPE_SERVE_HEALTH);
    Command command;
    command.arguments = std::move(arguments);
    command.environment = environment;
    return run_and_capture(command);
  }

  std::atomic<int> status_ = 200;
  std::string port_;
  TemporaryDirectory folder_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HealthProgram, SaysWhetherTheServerIsReady) {
  start();
  const Captured ready = ask({"--port", port_});
  EXPECT_EQ(ready.ending.exit_code, 0) << ready.output << ready.error;
  EXPECT_EQ(ready.output, "ready\n");
  status_ = 503;
  const Captured draining = ask({"--port", port_});
  EXPECT_EQ(draining.ending.exit_code, 1);
  EXPECT_EQ(draining.output, "not ready: it answers 503\n");
}

TEST_F(HealthProgram, TakesTheServersVariablesAndTheLoopbackForAllAddresses) {
  start();
  const Environment variables = {{"MLPIPE_SERVE_OPTION_HOST", "0.0.0.0"},
                                 {"MLPIPE_SERVE_OPTION_PORT", port_}};
  const Captured asked = ask({}, variables);
  EXPECT_EQ(asked.ending.exit_code, 0) << asked.output << asked.error;
  const Captured elsewhere = ask({"--port", "1"}, variables);
  EXPECT_EQ(elsewhere.ending.exit_code, 1) << "an option comes before its variable: " << elsewhere.output;
}

TEST_F(HealthProgram, SpeaksTlsWhereTheServerDoes) {
  const TlsFiles files = write_certificate(folder_.path(), "elsewhere.example");
  start(std::make_shared<Current<TlsContext>>(read_tls(files)));
  const Captured asked = ask({"--port", port_, "--tls-cert", files.certificate, "--tls-key", files.key});
  EXPECT_EQ(asked.ending.exit_code, 0) << asked.output << asked.error;
}

TEST_F(HealthProgram, SaysThatNothingAnswers) {
  start();
  server_.reset();
  const Captured asked = ask({"--port", port_});
  EXPECT_EQ(asked.ending.exit_code, 1);
  EXPECT_EQ(asked.output,
            fmt::format("not ready: nothing answers at 127.0.0.1:{}: Connection refused\n", port_));
}

TEST_F(HealthProgram, RefusesAWrongVariable) {
  const Captured asked = ask({}, {{"MLPIPE_SERVE_OPTION_PORT", "tcp://10.0.0.1:80"}});
  EXPECT_EQ(asked.ending.exit_code, 2);
  EXPECT_NE(asked.error.find("tcp://10.0.0.1:80"), std::string::npos) << asked.error;
}

}  // namespace
}  // namespace mlpipe
