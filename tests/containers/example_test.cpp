// examples/digits as the README has it: `mlpipe run --profile container`, from the images that come with
// mlpipe to a deployment that rolls. It compiles the images unless the engine has their layers already.
#include <fmt/format.h>

#include <cstdlib>

#include "pipeline/container/engine.hpp"
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class Example : public testing::Test {
 protected:
  void SetUp() override {
    try {
      engine_ = Engine::find("", own_environment());
      engine_->ask({"info"});
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
    for (const auto& [name, value] : engine_->environment()) {
      project_.environment[name] = value;
    }
    project_.environment["MLPIPE_ENGINE"] = engine_->name();
    fs::copy(fs::path(MLPIPE_REPOSITORY) / "examples/digits", project_.folder(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    if (const char* base = std::getenv("MLPIPE_TEST_BUILD_BASE")) {
      std::string images = "\nimages:\n";
      for (const char* name : {"trainer", "server", "gateway"}) {
        images += fmt::format("  {}: {{ args: {{ BUILD_BASE: '{}' }} }}\n", name, base);
      }
      project_.pipeline(read_file(project_.folder() / "pipeline.yaml") + images);
    }
    project_.replace("pipeline.yaml", "deploy: { alias: prod, target: local }",
                     "deploy: { alias: prod, target: local, port: 0 }");
  }

  std::optional<Engine> engine_;
  Project project_{"digits"};
};

TEST_F(Example, BuildsTrainsServesAndRolls) {
  const Captured first = project_.mlpipe({"run", "--profile", "container"});
  ASSERT_TRUE(exits(first, 0));
  EXPECT_TRUE(has(first.error, "✓ images.trainer"));
  EXPECT_TRUE(has(first.error, "✓ train"));
  EXPECT_TRUE(has(first.error, "✓ prod serves digits:1 at http://127.0.0.1:"));
  const Json status = status_of(project_);
  ASSERT_EQ(status.at("replicas").size(), 2U);
  EXPECT_EQ(status.at("version"), 1);

  const Captured again = project_.mlpipe({"run", "--profile", "container"});
  EXPECT_TRUE(exits(again, 0));
  EXPECT_TRUE(has(again.error, "nothing changed: 5 steps cached, 0 jobs run"));
  EXPECT_EQ(status_of(project_).at("replicas"), status.at("replicas"));

  const std::string zero =
      "0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,0,5,8,0,0,9,8,0,0,4,"
      "11,0,1,12,7,0,0,2,14,5,10,12,0,0,0,0,6,13,10,0,0,0";
  const Json answer = project_.json({"predict", zero, "--json"});
  EXPECT_EQ(answer.at("prediction"), 0);

  RestlessClient client(status.at("address"), R"({"data":[)" + zero + "]}");
  client.wait_for_answers(20);
  ASSERT_TRUE(exits(project_.mlpipe({"run", "--profile", "container", "--set", "lr=0.002"}), 0));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>());
  EXPECT_EQ(client.answers().size(), 1U);
  EXPECT_EQ(status_of(project_).at("version"), 2);
  EXPECT_TRUE(exits(project_.mlpipe({"down"}), 0));
}

}  // namespace
}  // namespace mlpipe
