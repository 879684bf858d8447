// A model on top of a server's image, in an engine.
#include "tests/oci/real_engine.hpp"
#include "tests/oci/real_registry.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class ModelImage : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string why = RealEngine::missing(GetParam()); !why.empty()) {
      GTEST_SKIP() << why;
    }
    write_model(scratch_.path() / "model");
  }
  std::string tag(const std::string& version) {
    const std::string name = fmt::format("mlpipe-registry-test-{}:{}", ::getpid(), version);
    engine_.owns(name);
    return name;
  }
  Json make(const std::string& server, const std::string& name) {
    return Json::parse(
        output_of({registry_program(), "model-image", "--engine", GetParam(), "--server", server, "--model",
                   (scratch_.path() / "model").string(), "--tag", name, "--label", "mlpipe.model=digits:7"}));
  }
  Json inspect(const std::string& image) {
    return Json::parse(engine_.run({"image", "inspect", image}).output).at(0);
  }

  TemporaryDirectory scratch_;
  RealEngine engine_{GetParam()};
};

TEST_P(ModelImage, IsTheServersWithOneMoreLayer) {
  const std::string server = engine_.make_server();
  const std::string name = tag("7");
  const Json made = make(server, name);
  EXPECT_EQ(made.at("made_by"), "load");
  EXPECT_EQ(engine_.file_in(name, "/model/model.yaml"), read_file(scratch_.path() / "model" / "model.yaml"));
  EXPECT_TRUE(has(engine_.file_in(name, "/mlpipe-serve"), "a server of test"));
  const Json image = inspect(name);
  const Json base = inspect(server);
  EXPECT_EQ(image.at("RootFS").at("Layers").size(), base.at("RootFS").at("Layers").size() + 1);
  EXPECT_EQ(image.at("Config").at("Entrypoint"), base.at("Config").at("Entrypoint"));
  EXPECT_EQ(image.at("Config").at("ExposedPorts"), base.at("Config").at("ExposedPorts"));
  EXPECT_EQ(image.at("Config").at("User"), "65532");
  EXPECT_EQ(image.at("Config").at("Labels").at("mlpipe.model"), "digits:7");
}

TEST_P(ModelImage, TheSameTwiceIsTheSameImage) {
  const std::string server = engine_.make_server();
  const std::string id = make(server, tag("1")).at("id");
  engine_.run({"rmi", "--force", tag("1")});
  EXPECT_EQ(make(server, tag("2")).at("id"), id);
  write_model(scratch_.path() / "model", "[other, labels]");
  EXPECT_NE(make(server, tag("3")).at("id"), id);
}

TEST_P(ModelImage, AnEngineThatWantsAllLayersBuilds) {
  const std::string server = engine_.make_server();
  // An engine as those with containerd's image store are, to this program.
  const fs::path programs = scratch_.path() / "programs";
  fs::create_directory(programs);
  write_file_atomically(
      programs / GetParam(),
      fmt::format("#!/bin/sh\n[ \"$1\" = load ] && {{ echo 'blob not found' >&2; exit 1; }}\n"
                  "exec {} \"$@\"\n",
                  program_in_path(GetParam())),
      0755);
  const std::string name = tag("built");
  const Json made =
      Json::parse(output_of({registry_program(), "model-image", "--engine", GetParam(), "--server", server,
                             "--model", (scratch_.path() / "model").string(), "--tag", name},
                            "", {{"PATH", programs.string() + ":" + own_environment()["PATH"]}}));
  EXPECT_EQ(made.at("made_by"), "build");
  EXPECT_EQ(engine_.file_in(name, "/model/model.yaml"), read_file(scratch_.path() / "model" / "model.yaml"));
}

TEST_P(ModelImage, BadInput) {
  const auto refused = [&](const std::string& server, const std::string& model, const std::string& name) {
    Command command;
    command.arguments = {registry_program(), "model-image", "--engine", GetParam(), "--server", server,
                         "--model",          model,         "--tag",    name};
    const Captured captured = run_and_capture(std::move(command));
    EXPECT_TRUE(exits(captured, 2));
    return captured.error;
  };
  const std::string model = (scratch_.path() / "model").string();
  EXPECT_TRUE(has(refused("mlpipe-no-such-image:1", model, "a:1"), "has no image mlpipe-no-such-image:1"));
  EXPECT_TRUE(has(refused("a:1", scratch_.path().string() + "/none", "a:1"), "is no folder"));
  EXPECT_TRUE(has(refused("a:1", model, "Not A Name"), "names no image"));
  EXPECT_TRUE(has(refused("a:1", model, "-rm"), "names no image"));
}

INSTANTIATE_TEST_SUITE_P(Engines, ModelImage, testing::Values("docker", "podman"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace mlpipe
