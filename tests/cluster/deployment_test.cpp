// The real mlpipe with `target: kubernetes`: run, plan, status, predict, logs, rollback, down, and being
// killed on the way.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "tests/cluster/node_port.hpp"
#include "tests/cluster/server_image.hpp"
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class OnClusterDeployment : public ClusterServerTest {
 protected:
  void SetUp() override {
    ClusterServerTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    cluster_.emplace("deploy");
    project_.emplace();
    project_->environment["KUBECONFIG"] = cluster_->kubeconfig();
    deploy(1);
  }
  void TearDown() override {
    if (cluster_) {
      if (fs::exists(project_->store())) {
        EXPECT_TRUE(exits(project_->mlpipe({"down"}), 0));
      }
      EXPECT_EQ(objects(), std::vector<std::string>{});
    }
  }

  void deploy(int replicas) {
    const std::string now = fmt::format(
        "deploy:\n"
        "  alias: prod\n"
        "  target: kubernetes\n"
        "  image: server\n"
        "  replicas: {}\n"
        "  kubernetes: {{ service: NodePort, deadline: 60s }}\n"
        "images: {{ server: {{ from: \"{}\" }} }}\n"
        "kubernetes: {{ registry: {}/models }}\n",
        replicas, image()->reference, image()->registry.for_nodes());
    project_->replace("pipeline.yaml", deployed_, now);
    deployed_ = now;
  }
  // With their resource versions, but for what is on its way out.
  std::vector<std::string> objects() const {
    std::vector<std::string> found;
    const Json list =
        cluster_->get({"deployments,services,pods,jobs,configmaps,secrets,serviceaccounts,networkpolicies,"
                       "poddisruptionbudgets",
                       "--selector=app.kubernetes.io/managed-by=mlpipe"});
    for (const Json& each : list.at("items")) {
      const Json& metadata = each.at("metadata");
      if (!metadata.contains("deletionTimestamp")) {
        found.push_back(each.at("kind").get<std::string>() + " " + metadata.at("name").get<std::string>() +
                        " " + metadata.at("resourceVersion").get<std::string>());
      }
    }
    return found;
  }
  std::string url() const { return node_port_url(cluster_->get({"service", "colors-prod"})); }
  // The old server goes on answering until the node has heard that it is to end.
  void wait_for_answer(const std::string& color) const {
    wait_until("it answers " + color, [&] { return answer_of(url()).at("prediction") == color; });
  }
  Project& project() { return *project_; }
  Captured run(const std::string& color, int status = 0) { return project_->run(color, status); }

  std::optional<Cluster> cluster_;
  std::optional<ServingProject> project_;

 private:
  std::string deployed_ = "deploy: { alias: prod, port: 0 }\n";
};

TEST_F(OnClusterDeployment, GoesTheWholeWay) {
  run("red");
  EXPECT_EQ(status_of(project()).at("version"), 1);
  const std::vector<std::string> before = objects();
  EXPECT_TRUE(has(run("red").error, "nothing changed"));
  EXPECT_EQ(objects(), before);

  const Captured manifests = project().mlpipe({"deploy", "--dry-run", "-o", "yaml", "--set", "color=red"});
  EXPECT_TRUE(exits(manifests, 0));
  const Captured compared =
      cluster_->run({"diff", "--server-side", "--field-manager=mlpipe", "--filename=-"}, manifests.output);
  EXPECT_TRUE(exits(compared, 0));  // exactly what was applied

  RestlessClient client(url());
  client.wait_for_answers(20);
  run("green");
  client.wait_for_answers(20);
  EXPECT_TRUE(has(project().mlpipe({"predict", "1,2,3,4"}).output, "green"));
  EXPECT_TRUE(has(project().mlpipe({"logs", "prod"}).output, "colors-prod-"));
  EXPECT_TRUE(exits(project().mlpipe({"models", "rollback"}), 0));
  client.wait_for_answers(20);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(status_of(project()).at("version"), 1);

  deploy(2);
  const Captured plan = project().mlpipe({"plan", "--set", "color=red"});
  EXPECT_TRUE(has(plan.output, "in the cluster:"));
  EXPECT_TRUE(has(plan.output, "replicas: 2"));
  const Json changes = project().json({"plan", "--json", "--set", "color=red"}).at("cluster");
  ASSERT_EQ(changes.size(), 1U) << changes;
  EXPECT_TRUE(has(changes[0].at("object"), ".Deployment."));
  EXPECT_TRUE(has(changes[0].at("lines").dump(), "+  replicas: 2"));
  run("red");
  EXPECT_EQ(status_of(project()).at("replicas").size(), 2U);
}

TEST_F(OnClusterDeployment, AModelThatCannotBeServedLeavesTheOldOne) {
  run("red");
  const Captured failed = run("broken", 1);
  EXPECT_TRUE(has(failed.error, "crashing"));
  const Json status = status_of(project());
  EXPECT_EQ(status.at("version"), 1);
  EXPECT_FALSE(status.contains("fault")) << status;
}

// Killed in the middle of a rollout, twice: the next run goes on with it, or takes it back.
TEST_F(OnClusterDeployment, GoesOnAfterBeingKilledInTheMiddle) {
  run("red");
  RestlessClient client(url());
  for (const std::string next : {"green", "red"}) {
    Background rollout = project().start({"run", "--set", "color=green"});
    wait_until("a new server is started", [this] {
      const std::vector<std::string> now = objects();
      return std::count_if(now.begin(), now.end(),
                           [](const std::string& each) { return each.starts_with("Pod "); }) > 1;
    });
    rollout.signal(SIGKILL);
    rollout.wait();
    EXPECT_TRUE(status_of(project()).contains("fault"));
    run(next);
    wait_for_answer(next);
    EXPECT_FALSE(status_of(project()).contains("fault"));
    run("red");
  }
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
}

// Killed beside every write to the cluster and to the deployment's folder.
TEST_F(OnClusterDeployment, GoesOnAfterBeingKilledBesideEveryWrite) {
  run("red");
  const fs::path log = project().side("points");
  project().environment["MLPIPE_CRASH_LOG"] = log;
  run("green");
  project().environment.erase("MLPIPE_CRASH_LOG");
  std::vector<int> points;
  std::ifstream lines(log);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("mlpipe ")) {
      ++number;
      if (line.find("cluster") != std::string::npos || line.find("manifests") != std::string::npos) {
        points.push_back(number);
      }
    }
  }
  ASSERT_GE(points.size(), 6U);
  const std::string colors[] = {"red", "green"};
  std::size_t turn = 0;
  for (const int point : points) {
    const std::string color = colors[turn++ % 2];
    project().environment["MLPIPE_CRASH_AT"] = fmt::format("mlpipe:{}", point);
    project().mlpipe({"run", "--set", "color=" + color});
    project().environment.erase("MLPIPE_CRASH_AT");
    run(color);
    wait_for_answer(color);
    EXPECT_FALSE(status_of(project()).contains("fault")) << "killed at " << point;
  }
}

// Nothing beyond the Roles in k8s/ is needed, from the first rollout to `down`.
TEST_F(OnClusterDeployment, NeedsNoRightsButThoseOfTheRoles) {
  cluster_->ask(
      {"apply", "--kustomize", MLPIPE_REPOSITORY "/k8s/base/rights", "--namespace", cluster_->name_space()});
  project().environment["KUBECONFIG"] = cluster_->kubeconfig_of("mlpipe");
  run("red");
  project().replace("pipeline.yaml", "  replicas: 1\n",
                    "  replicas: 1\n  strategy: { canary: { steps: [{ weight: 50 }], min-requests: 5 } }\n");
  run("green");
  EXPECT_TRUE(has(project().mlpipe({"predict", "1,2,3,4"}).output, "green"));
  EXPECT_TRUE(has(project().mlpipe({"logs", "prod"}).output, "colors-prod-"));
  EXPECT_TRUE(exits(project().mlpipe({"down"}), 0));
  EXPECT_EQ(objects(), std::vector<std::string>{});
}

TEST_F(OnClusterDeployment, WhatCannotBeDoneIsSaidBeforeAnythingRuns) {
  project().environment["KUBECONFIG"] = project().side("none");
  const Captured none = project().mlpipe({"run"});
  EXPECT_TRUE(exits(none, 1));
  EXPECT_EQ(project().runs("make"), 0U);
  project().environment["KUBECONFIG"] = cluster_->kubeconfig();
  project().replace("pipeline.yaml", "kubernetes: { registry", "kubernetes: { context: elsewhere, registry");
  const Captured context = project().mlpipe({"run"});
  EXPECT_TRUE(exits(context, 2));
  EXPECT_TRUE(has(context.error, "the kubeconfig has no context 'elsewhere'"));
}

}  // namespace
}  // namespace mlpipe
