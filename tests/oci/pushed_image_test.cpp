// What `mlpipe models push --server` writes, an engine pulls and can run.
#include "pipeline/container/engine.hpp"
#include "tests/oci/real_engine.hpp"
#include "tests/oci/real_registry.hpp"
#include "tests/oci/tiny_release.hpp"

namespace mlpipe {
namespace {

class PushedImage : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!RealRegistry::is_there()) {
      GTEST_SKIP() << "docker-registry is not there";
    }
    if (const std::string why = RealEngine::missing(GetParam()); !why.empty()) {
      GTEST_SKIP() << why;
    }
    registry_ = std::make_unique<RealRegistry>();
    here_.environment = Engine::find(GetParam(), own_environment()).environment();
    publish_tiny(here_, "red");
  }
  std::string at(const std::string& rest) const { return registry_->name() + "/team/tiny" + rest; }
  Json push(const std::string& server) const {
    return here_.json(
        {"models", "push", "tiny", at(""), "--server", server, "--engine", GetParam(), "--json"});
  }
  void expect_model_in_image() {
    engine_.pull(at(":1"));
    EXPECT_EQ(engine_.file_in(at(":1"), "/model/model.yaml"),
              read_file(here_.folder() / "made" / "model.yaml"));
    EXPECT_TRUE(has(engine_.file_in(at(":1"), "/mlpipe-serve"), "a server of test"));
  }

  std::unique_ptr<RealRegistry> registry_;
  RealEngine engine_{GetParam()};
  Project here_{"here"};
  Project there_{"there"};
};

TEST_P(PushedImage, OnAServerThatTheEngineHas) {
  const std::string server = engine_.make_server();
  const Json pushed = push(server);
  EXPECT_EQ(pushed.at("image").at("reference"), at(":1"));
  expect_model_in_image();
  EXPECT_TRUE(exits(engine_.run({"image", "inspect", server}), 0));  // is there still
  const std::string store = (there_.folder() / "s").string();
  ASSERT_TRUE(exits(there_.mlpipe({"models", "pull", at(":1"), "--store", store}), 0));
  EXPECT_EQ(there_.json({"models", "ls", "--json", "--store", store}).at(0).at("version"), 1);
}

TEST_P(PushedImage, OnAServerThatIsInTheRegistry) {
  const std::string server = registry_->name() + "/team/server:1";
  engine_.push(engine_.make_server(), server);
  const Json pushed = push(server);
  EXPECT_EQ(pushed.at("image").at("layers"), Json::parse(R"({"there": 0, "mounted": 1, "sent": 1})"));
  expect_model_in_image();
}

TEST_P(PushedImage, IsThereOnceUnderItsDigest) {
  const std::string server = engine_.make_server();
  const auto push_image = [&] {
    return Json::parse(output_of({registry_program(), "push-image", "--engine", GetParam(), "--image", server,
                                  "--to", registry_->name() + "/team/images"},
                                 "", here_.environment))
        .at("reference")
        .get<std::string>();
  };
  const std::string reference = push_image();
  EXPECT_TRUE(reference.starts_with(registry_->name() + "/team/images@sha256:")) << reference;
  EXPECT_EQ(push_image(), reference);
  const Json resolved = Json::parse(output_of({registry_program(), "resolve", reference}));
  EXPECT_EQ(resolved.at("name"), reference);
  EXPECT_EQ(resolved.at("id"), reference.substr(reference.find('@') + 1));
  Command unknown;
  unknown.arguments = {registry_program(), "resolve", registry_->name() + "/team/images:none"};
  EXPECT_TRUE(exits(run_and_capture(unknown), 2));
  unknown.arguments = {registry_program(), "resolve", reference, "--platform", "windows/amd64"};
  EXPECT_TRUE(exits(run_and_capture(unknown), 2));
}

INSTANTIATE_TEST_SUITE_P(Engines, PushedImage, testing::Values("docker", "podman"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace mlpipe
