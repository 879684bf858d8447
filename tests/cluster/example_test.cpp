// examples/digits on Kubernetes as its README has it: `mlpipe run --profile cluster`, with no more rights
// than those that are shipped. Its images are this machine's programs; where there is a container engine too,
// mlpipe builds them.
#include <fmt/format.h>

#include <csignal>
#include <cstdlib>

#include "pipeline/container/engine.hpp"
#include "tests/cluster/node_port.hpp"
#include "tests/cluster/overlay.hpp"
#include "tests/cluster/packed_image.hpp"
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* zero =
    "0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,0,5,8,0,0,9,8,0,0,4,"
    "11,0,1,12,7,0,0,2,14,5,10,12,0,0,0,0,6,13,10,0,0,0";

// What a step's shell and the trainer take.
PackedImage packed_trainer() {
  PackedImage image = packed_jobs();
  for (const char* program : {"awk", "echo"}) {
    image.programs.emplace_back(program);
  }
  for (const char* program : {"mlpipe-train", "mlpipe-fetch"}) {
    image.programs.push_back(fs::path(MLPIPE_PROGRAMS) / program);
  }
  return image;
}

// The example, in a namespace and with a registry of its own.
class ClusterExample : public ClusterImageTest {
 protected:
  void SetUp() override {
    ClusterImageTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    cluster_.emplace("digits");
    registry_.emplace();
    project_.emplace("digits");
    fs::copy(fs::path(MLPIPE_REPOSITORY) / "examples/digits", project_->folder(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    fs::remove_all(project_->folder() / ".mlpipe");
    // As the shipped account, whose rights are exactly those that are shipped.
    cluster_->ask({"apply", Overlay({"base/rights"}, cluster_->name_space()).argument()});
    project_->environment = registry_->environment();
    project_->environment["KUBECONFIG"] = cluster_->kubeconfig_of("mlpipe");
    const std::string pods = registry_->for_pods();
    project_->replace("pipeline.yaml", "kubernetes: { registry: \"${{ params.registry }}/digits\" }",
                      fmt::format("kubernetes: {{ registry: \"${{{{ params.registry }}}}/digits\", remote: "
                                  "'oci://{}/digits/results' }}",
                                  pods));
    project_->replace("pipeline.yaml", "deploy: { target: kubernetes, replicas: 2 }",
                      "deploy: { target: kubernetes, replicas: 2, kubernetes: { service: NodePort } }");
  }
  void TearDown() override {
    project_.reset();  // takes down what it serves, while there is still a cluster
    registry_.reset();
    cluster_.reset();
  }

  void add(const std::string& text) {
    project_->pipeline(read_file(project_->folder() / "pipeline.yaml") + text);
  }
  // The images of this machine's programs, which need no engine.
  void use_packed_images() {
    add(fmt::format(
        "\nimages: {{ trainer: {{ from: '{}' }}, server: {{ from: '{}' }}, agent: {{ from: '{}' }} }}\n",
        push_packed(*registry_, "trainer", packed_trainer()),
        push_packed(*registry_, "server", packed_server()),
        push_packed(*registry_, "agent", packed_agent())));
  }

  Arguments run_arguments(const Arguments& more = {}) const {
    Arguments arguments = {"run", "--profile", "cluster", "--set", "registry=" + registry_->for_nodes()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  Captured run(const Arguments& more = {}) const { return project_->mlpipe(run_arguments(more)); }

  // Everything that serves, each object with its version in the API server.
  std::map<std::string, std::string> serving_objects() const {
    std::map<std::string, std::string> versions;
    const Json objects =
        cluster_->get({"deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies,"
                       "secrets,jobs,pods",
                       "--selector=app.kubernetes.io/managed-by=mlpipe,app.kubernetes.io/component=server"});
    for (const Json& object : objects.at("items")) {
      const Json& metadata = object.at("metadata");
      versions[object.at("kind").get<std::string>() + "/" + metadata.at("name").get<std::string>()] =
          metadata.at("resourceVersion");
    }
    return versions;
  }

  // At the node's port, which nothing but kube-proxy stands before.
  std::string address() const {
    const Json services = cluster_->get(
        {"services", "--selector=app.kubernetes.io/managed-by=mlpipe,app.kubernetes.io/component=server"});
    return node_port_url(services.at("items").at(0));
  }

  std::vector<std::string> step_jobs() const {
    std::vector<std::string> names;
    const Json jobs = cluster_->get({"jobs"});
    for (const Json& job : jobs.at("items")) {
      names.push_back(job.at("metadata").at("name"));
    }
    return names;
  }

  std::optional<Cluster> cluster_;
  std::optional<TestRegistry> registry_;
  std::optional<Project> project_;
};

TEST_F(ClusterExample, TrainsServesAndRolls) {
  use_packed_images();
  const Captured first = run();
  ASSERT_TRUE(exits(first, 0));
  EXPECT_TRUE(has(first.error, "✓ train"));
  EXPECT_TRUE(has(first.error, "✓ prod serves digits:1"));
  const std::map<std::string, std::string> objects = serving_objects();
  EXPECT_TRUE(objects.contains("Deployment/digits-prod"));

  const Captured again = run();
  EXPECT_TRUE(exits(again, 0));
  EXPECT_TRUE(has(again.error, "nothing changed"));
  EXPECT_EQ(serving_objects(), objects);

  EXPECT_EQ(project_->json({"predict", zero, "--json"}).at("prediction"), 0);

  RestlessClient client(address(), R"({"data":[)" + std::string(zero) + "]}");
  client.wait_for_answers(20);
  ASSERT_TRUE(exits(run({"--set", "lr=0.002"}), 0));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>());
  EXPECT_EQ(status_of(*project_).at("version"), 2);

  EXPECT_TRUE(exits(project_->mlpipe({"down"}), 0));
  EXPECT_EQ(serving_objects(), (std::map<std::string, std::string>()));
}

// Long enough to do something to it; a checkpoint each epoch.
constexpr const char* long_training = "epochs=60";

TEST_F(ClusterExample, IsAttachedToAfterMlpipeWasKilled) {
  use_packed_images();
  Background killed = project_->start(run_arguments({"--until", "train", "--set", long_training}));
  wait_until("the training runs", [&] {
    const Captured log = project_->mlpipe({"logs", "train"});
    return has(log.output + log.error, "epoch 2/");
  });
  killed.signal(SIGKILL);
  killed.wait();
  const std::vector<std::string> jobs = step_jobs();
  EXPECT_EQ(jobs.size(), 1U);
  const Captured attached = run({"--until", "train", "--set", long_training});
  EXPECT_TRUE(exits(attached, 0));
  EXPECT_EQ(step_jobs(), jobs);
}

TEST_F(ClusterExample, GoesOnFromItsCheckpointWhenItsPodIsDeleted) {
  use_packed_images();
  Background running = project_->start(run_arguments({"--until", "train", "--set", long_training}));
  wait_until("the training runs", [&] {
    const Captured log = project_->mlpipe({"logs", "train"});
    return has(log.output + log.error, "epoch 2/");
  });
  cluster_->ask({"delete", "pods", "--selector=app.kubernetes.io/component=step", "--wait=false"});
  EXPECT_TRUE(exits(running.wait(), 0));
  EXPECT_EQ(step_jobs().size(), 1U);
  EXPECT_TRUE(has(project_->mlpipe({"logs", "train"}).output, "goes on after epoch"));
}

TEST_F(ClusterExample, TrainsOnTwoNodes) {
  use_packed_images();
  project_->replace("pipeline.yaml", "  check:  ", "    nodes: 2\n\n  check:  ");
  const Captured trained = run({"--until", "train", "--set", "epochs=2"});
  ASSERT_TRUE(exits(trained, 0));
  cluster_->ask({"wait", "jobs", "--all", "--for=condition=Complete", "--timeout=60s"});
  const Json jobs = cluster_->get({"jobs"});
  ASSERT_EQ(jobs.at("items").size(), 1U);
  EXPECT_EQ(jobs.at("items").at(0).at("spec").at("completionMode"), "Indexed");
  EXPECT_EQ(jobs.at("items").at(0).at("status").at("succeeded"), 2);
}

TEST_F(ClusterExample, BuildsItsImagesWhereThereIsAnEngine) {
  std::optional<Engine> engine;
  try {
    engine = Engine::find("", own_environment());
    engine->ask({"info"});
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  for (const auto& [name, value] : engine->environment()) {
    project_->environment.emplace(name, value);
  }
  project_->environment["MLPIPE_ENGINE"] = engine->name();
  if (const char* base = std::getenv("MLPIPE_TEST_BUILD_BASE")) {
    std::string images = "\nimages:\n";
    for (const char* name : {"trainer", "server", "agent"}) {
      images += fmt::format("  {}: {{ args: {{ BUILD_BASE: '{}' }} }}\n", name, base);
    }
    add(images);
  }
  const Captured first = run();
  ASSERT_TRUE(exits(first, 0));
  EXPECT_TRUE(has(first.error, "✓ images.agent"));
  EXPECT_TRUE(has(first.error, "✓ prod serves digits:1"));
  EXPECT_EQ(project_->json({"predict", zero, "--json"}).at("prediction"), 0);
  EXPECT_TRUE(exits(project_->mlpipe({"down"}), 0));
}

}  // namespace
}  // namespace mlpipe
