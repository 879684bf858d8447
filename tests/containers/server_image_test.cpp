#include <fmt/format.h>
#include <httplib.h>

#include "pipeline/base/process.hpp"
#include "tests/containers/image_fixture.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class ServerImage : public ImageTest {
 protected:
  void SetUp() override {
    ImageTest::SetUp();
    write_tiny_model(model(), "green");
  }
  fs::path model() const { return folder_.path() / "model"; }
  Arguments with_model() const { return {fmt::format("--volume={}:/model:ro", model().string())}; }
  const fs::path& folder() const { return folder_.path(); }

  static std::string prediction(int port) {
    httplib::Client client("127.0.0.1", port);
    const auto answer = client.Post("/predict", R"({"data": [1, 2, 3, 4]})", "application/json");
    return answer ? answer->body : "no answer";
  }
  static void expect_prediction(const RunningContainer& container) {
    const std::string answer = prediction(container.port());
    EXPECT_NE(answer.find(R"("prediction":"green")"), std::string::npos) << answer << container.log();
  }

 private:
  TemporaryDirectory folder_;
};

TEST_F(ServerImage, IsConfiguredForAnyEngine) {
  const Json config = inspect(image("server")).at("Config");
  expect_safe_configuration(config, "SIGTERM");
  EXPECT_EQ(config.at("Entrypoint"), Json({"/usr/local/bin/mlpipe-serve"}));
  EXPECT_EQ(config.at("Healthcheck").at("Test"), Json({"CMD", "/usr/local/bin/mlpipe-serve-health"}));
  EXPECT_TRUE(config.at("ExposedPorts").contains("8080/tcp"));
}

TEST_F(ServerImage, HoldsNoShellAndNothingThatWasNotAskedFor) {
  for (const std::string& file : files(image("server"))) {
    const fs::path path(file);
    EXPECT_FALSE(path.filename() == "sh" || path.filename() == "bash" || path.filename() == "dash" ||
                 path.filename() == "busybox")
        << file;
    EXPECT_FALSE(file.starts_with("usr/bin/") || file.starts_with("bin/") || file.starts_with("var/lib/") ||
                 file.starts_with("opt/") || file.starts_with("source/") || path.extension() == ".a" ||
                 path.extension() == ".h" || path.extension() == ".py")
        << file;
  }
}

TEST_F(ServerImage, HasTheSizeThatIsPromised) {
  EXPECT_LE(inspect(image("server")).at("Size").get<std::size_t>(), 400'000'000U);
}

TEST_F(ServerImage, LoadsNothingThatIsMissing) {
  for (const std::string program :
       {"bin/mlpipe-serve", "bin/mlpipe-serve-health", "lib/mlpipe/mlpipe-serve-grpc.so"}) {
    EXPECT_EQ(missing_libraries(image("server"), "/usr/local/" + program), Arguments{}) << program;
  }
}

TEST_F(ServerImage, AnswersFromAMountedModelAndEndsWhenItIsTold) {
  const RunningContainer container(engine(), image("server"), with_model());
  container.wait_until_it_answers("/v2/health/ready");
  expect_prediction(container);
  const Captured health = container.execute({"/usr/local/bin/mlpipe-serve-health"});
  EXPECT_TRUE(health.ending.succeeded()) << health.output << health.error;
  EXPECT_EQ(container.stop(), 0) << container.log();
}

TEST_F(ServerImage, IsNotHealthyWhenItDoesNotAnswer) {
  const RunningContainer container(engine(), image("server"), with_model());
  container.wait_until_it_answers("/v2/health/ready");
  const Captured health = container.execute({"/usr/local/bin/mlpipe-serve-health", "--port", "8079"});
  EXPECT_EQ(health.ending.exit_code, 1) << health.output << health.error;
}

TEST_F(ServerImage, AnswersFromAModelThatWasAppended) {
  write_file_atomically(folder() / "Dockerfile",
                        fmt::format("FROM {}\nCOPY model /model\n", image("server")));
  const std::string tag = "mlpipe-test-server-with-model";
  engine().ask({"build", "--tag", tag, folder().string()});
  {
    const RunningContainer container(engine(), tag);
    container.wait_until_it_answers("/v2/health/ready");
    expect_prediction(container);
  }
  engine().ask({"rmi", tag});
}

TEST_F(ServerImage, TakesOptionsOfTheCommandLineAndTheEnvironment) {
  write_file_atomically(folder() / "tokens", "a-token-for-tests\n");
  Arguments more = with_model();
  more.insert(more.end(), {fmt::format("--volume={}:/run/tokens:ro", (folder() / "tokens").string()),
                           "--env=MLPIPE_SERVE_OPTION_ADMIN_TOKEN_FILE=/run/tokens",
                           "--publish=127.0.0.1::8081", "--publish=127.0.0.1::9000"});
  const RunningContainer container(engine(), image("server"), more,
                                   {"--version", "7", "--grpc-port", "9000"});
  container.wait_until_it_answers("/v2/health/ready");
  const std::string answer = prediction(container.port());
  EXPECT_NE(answer.find(R"("version":"7")"), std::string::npos) << answer;
  httplib::Client admin("127.0.0.1", container.port(8081));
  EXPECT_EQ(admin.Get("/admin/state")->status, 401);
  EXPECT_EQ(admin.Get("/admin/state", {{"Authorization", "Bearer a-token-for-tests"}})->status, 200);
  EXPECT_NE(container.log().find("gRPC: 0.0.0.0:9000"), std::string::npos) << container.log();
}

TEST_F(ServerImage, SaysThatThereIsNoModel) {
  const Captured ended = run(image("server"), {}, {});
  EXPECT_EQ(ended.ending.exit_code, 2);
  EXPECT_NE(ended.error.find("/model"), std::string::npos) << ended.error;
}

}  // namespace
}  // namespace mlpipe
