// The whole way to a deployment in containers, with the real mlpipe, on each engine that is there.
#include <fmt/format.h>

#include <csignal>

#include "pipeline/base/text.hpp"
#include "pipeline/base/yaml.hpp"
#include "tests/containers/serving_image.hpp"
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

class ContainerProject : public ServingProject {
 public:
  ContainerProject(const ServingEngine& engine, const std::string& more = "") : engine_(*engine.engine) {
    for (const char* name : {"DOCKER_HOST", "CONTAINERS_CONF", "XDG_RUNTIME_DIR"}) {
      if (const char* value = std::getenv(name)) {
        environment[name] = value;
      }
    }
    environment["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
    environment["MLPIPE_ENGINE"] = engine_.name();
    replace(
        "pipeline.yaml", "deploy: { alias: prod, port: 0 }",
        fmt::format("images: {{ server: {{ from: '{0}' }}, gateway: {{ from: '{0}' }} }}\n"
                    "deploy: {{ alias: prod, port: 0, target: container, replicas: 2, model: mounted{1} }}",
                    engine.name, more));
  }

  std::string address() const { return status_of(*this).at("address"); }
  std::vector<std::string> containers(const std::string& role) const {
    const std::string names =
        engine_.ask({"ps", "--all", "--format", "{{.Names}}", "--filter", "label=mlpipe.role=" + role,
                     "--filter", "label=mlpipe.alias=prod"});
    std::vector<std::string> own;
    const Json status = status_of(*this);
    for (const std::string& name : split(names, '\n')) {
      const bool is_own =
          role == "gateway" || std::any_of(status.at("replicas").begin(), status.at("replicas").end(),
                                           [&](const Json& each) { return each.at("name") == name; });
      if (is_own && !name.empty()) {
        own.push_back(name);
      }
    }
    return own;
  }
  const Engine& engine() const { return engine_; }

 private:
  Engine engine_;
};

class Deployment : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    if (engine().image.empty()) {
      GTEST_SKIP() << engine().why_not;
    }
  }
  const ServingEngine& engine() const { return serving_engine(GetParam()); }
};

TEST_P(Deployment, RollsIsRolledBackAndLosesNoRequest) {
  ContainerProject project(engine());
  EXPECT_TRUE(has(project.run("red").error, "✓ prod serves tiny:1 at http://127.0.0.1:"));
  const Json status = status_of(project);
  EXPECT_EQ(status.at("target"), "container");
  ASSERT_EQ(status.at("replicas").size(), 2U);
  EXPECT_EQ(status.at("replicas").at(0).at("state"), "running");
  EXPECT_EQ(status.at("replicas").at(0).at("weight"), 100);
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  EXPECT_EQ(status_of(project).at("replicas"), status.at("replicas"));

  RestlessClient client(project.address());
  client.wait_for_answers(20);
  project.run("green");
  client.wait_for_answers(20);
  EXPECT_TRUE(exits(project.mlpipe({"models", "rollback"}), 0));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(client.answers().size(), 2U);
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "red");
  EXPECT_TRUE(has(project.mlpipe({"predict", "1,2,3,4"}).output, "red"));
  EXPECT_TRUE(has(project.mlpipe({"logs", "prod"}).output, "answers at"));

  const std::string composed = project.mlpipe({"deploy", "--export", "compose"}).output;
  const YamlDocument document = parse_yaml("compose.yaml", composed);
  const YamlNode* services = document.root.find("services");
  ASSERT_NE(services, nullptr) << composed;
  ASSERT_NE(services->find("gateway"), nullptr);
  // Compose refuses to write a configuration into a root that cannot be written.
  EXPECT_EQ(services->find("gateway")->find("read_only"), nullptr);
  EXPECT_NE(services->find("server-2"), nullptr);
  EXPECT_EQ(services->find("server-3"), nullptr);

  EXPECT_TRUE(exits(project.mlpipe({"down"}), 0));
  EXPECT_EQ(status_of(project).at("phase"), "stopped");
}

TEST_P(Deployment, AKilledRunIsTakenUpByTheNext) {
  ContainerProject project(engine());
  project.run("red");
  RestlessClient client(project.address());
  client.wait_for_answers(20);
  for (const std::size_t servers : {3U, 4U}) {
    Background rolling = project.start({"run", "--set", "color=green"});
    wait_until("new servers are there", [&] { return status_of(project).at("replicas").size() >= servers; });
    rolling.signal(SIGKILL);
    rolling.wait();
    EXPECT_TRUE(status_of(project).contains("fault"));
    project.run("red");
    EXPECT_EQ(status_of(project).at("replicas").size(), 2U);
    EXPECT_EQ(status_of(project).at("version"), 1);
  }
  project.run("green");
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "green");
}

TEST_P(Deployment, ACanaryThatIsWorseIsTakenBack) {
  ContainerProject project(engine(),
                           ", strategy: { canary: { steps: [{ weight: 20 }], abort-if: [p99 > 0 * "
                           "current.p99], min-requests: 20 } }");
  project.run("red");
  RestlessClient client(project.address());
  client.wait_for_answers(20);
  const Captured failed = project.run("green", 1);
  EXPECT_TRUE(
      has(failed.error, "the rollout failed: at 20 % of the traffic: p99 > 0 * current.p99: p99 is "));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "red");
  EXPECT_EQ(status_of(project).at("replicas").size(), 2U);
}

TEST_P(Deployment, GoesToContainersFromTheLocalTargetAndBack) {
  ContainerProject project(engine());
  project.replace("pipeline.yaml", "target: container, replicas: 2, model: mounted", "target: local");
  project.run("red");
  EXPECT_EQ(servers_of(project).size(), 1U);
  project.replace("pipeline.yaml", "target: local", "target: container, replicas: 2, model: mounted");
  project.run("red");
  EXPECT_TRUE(servers_of(project).empty());
  EXPECT_EQ(answer_of(project.address()).at("prediction"), "red");
}

TEST_P(Deployment, AGpuWhereThereIsNoneIsSaid) {
  ContainerProject project(engine(), ", resources: { gpu: 1 }");
  const Captured failed = project.run("red", 1);
  EXPECT_TRUE(has(failed.error, "a GPU is asked for, and "));
  EXPECT_EQ(status_of(project).at("running"), false);
}

INSTANTIATE_TEST_SUITE_P(Engines, Deployment, testing::Values(EngineKind::docker, EngineKind::podman),
                         [](const auto& each) { return std::string(name_of(each.param)); });

}  // namespace
}  // namespace mlpipe
