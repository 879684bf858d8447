// The target that serves from a cluster: the scenarios of every target, and what only a cluster does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "pipeline/deploy/kubernetes_target.hpp"
#include "pipeline/deploy/rollout.hpp"
#include "pipeline/spec/expression.hpp"
#include "tests/cluster/definitions.hpp"
#include "tests/cluster/node_port.hpp"
#include "tests/cluster/server_image.hpp"
#include "tests/functional/serving.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Phase = Rollout::Phase;

Strategy canary(const std::string& term, int min_requests) {
  Strategy strategy;
  strategy.canary = true;
  strategy.steps = {{10, {}}, {std::nullopt, std::chrono::milliseconds(500)}, {50, {}}};
  strategy.abort_if = {{term, parse_expression(term)}};
  strategy.min_requests = min_requests;
  return strategy;
}

void expect_no_lost_answer(const RestlessClient& client) {
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
}

class OnCluster : public ClusterServerTest {
 protected:
  void SetUp() override {
    ClusterServerTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    cluster_.emplace("target");
    serving_.pipeline = "tiny";
    serving_.alias = "prod";
    serving_.registry = image()->registry.for_nodes() + "/models";
    serving_.server = {"", image()->reference};
    serving_.replicas = 2;
    serving_.exposure.service = "NodePort";
    serving_.deadline = 120s;
    for (const char* color : {"red", "green"}) {
      write_tiny_model(folder_.path() / color, color);
    }
  }
  void TearDown() override {
    if (!cluster_) {
      return;
    }
    target()->stop();
    EXPECT_EQ(everything(), Json::array());
    EXPECT_FALSE(fs::exists(place()));
  }

  const Cluster& cluster() const { return *cluster_; }
  fs::path place() const { return folder_.path() / "deployments" / "prod"; }
  Environment environment() const {
    Environment environment = own_environment();
    environment["KUBECONFIG"] = kubeconfig_.empty() ? cluster_->kubeconfig() : kubeconfig_;
    return environment;
  }
  std::unique_ptr<KubernetesTarget> target() const {
    Programs programs;
    programs.registry = MLPIPE_PROGRAMS "/mlpipe-registry";
    auto target =
        std::make_unique<KubernetesTarget>(Kubectl::find("", environment()), programs, place(), serving_);
    target->tell([this](const std::string& sentence) { said_.push_back(sentence); });
    return target;
  }
  ServedRelease release(const std::string& version, const std::string& color) const {
    return {version, digest_of(color + version), folder_.path() / color};
  }
  Rollout try_to_roll(const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
                      Strategy strategy = {}) const {
    RolloutOptions options;
    options.strategy = std::move(strategy);
    options.looked = [this](const Rollout& rollout, const Traffic&) { weights_.push_back(rollout.weight()); };
    return roll_out(*target(), candidate, previous, options);
  }
  Rollout roll(const ServedRelease& candidate, const std::optional<ServedRelease>& previous,
               Strategy strategy = {}) const {
    Rollout rollout = try_to_roll(candidate, previous, std::move(strategy));
    EXPECT_EQ(rollout.failure(), "");
    return rollout;
  }
  std::string url() const { return node_port_url(cluster().get({"service", "tiny-prod"})); }
  // What there is of the deployment, but for pods that end.
  Json everything() const {
    Json found = Json::array();
    const Json list = cluster().get(
        {"deployments,services,pods,jobs,configmaps,secrets,serviceaccounts,networkpolicies,ingresses,"
         "poddisruptionbudgets,horizontalpodautoscalers",
         "--selector=app.kubernetes.io/managed-by=mlpipe"});
    for (const Json& each : list.at("items")) {
      if (!each.at("metadata").contains("deletionTimestamp")) {
        found.push_back(fmt::format("{} {} {}", each.at("kind").get<std::string>(),
                                    each.at("metadata").at("name").get<std::string>(),
                                    each.at("metadata").at("resourceVersion").get<std::string>()));
      }
    }
    return found;
  }
  ServedRelease broken(const std::string& version) const {
    ServedRelease broken = release(version, "green");
    write_file_atomically(broken.directory / "weights.safetensors", "nothing");
    return broken;
  }

  KubernetesServing serving_;
  fs::path kubeconfig_;  // another than the test's own
  mutable std::vector<int> weights_;
  mutable std::vector<std::string> said_;

 private:
  TemporaryDirectory folder_;
  std::optional<Cluster> cluster_;
};

TEST_F(OnCluster, RollsFromReleaseToReleaseAndLosesNoRequest) {
  roll(release("1", "red"), std::nullopt);
  const ServingState state = target()->observe();
  EXPECT_TRUE(state.running);
  EXPECT_EQ(state.fault, "");
  EXPECT_EQ(state.version, "1");
  EXPECT_EQ(state.model, release("1", "red").model);
  EXPECT_EQ(state.server, target()->wanted().server);
  EXPECT_EQ(state.shape, target()->wanted().shape);
  ASSERT_EQ(state.replicas.size(), 2U);
  EXPECT_EQ(state.replicas.front().weight, 100);

  const Json before = everything();
  roll(release("1", "red"), std::nullopt);  // again: nothing is changed
  EXPECT_EQ(everything(), before);
  EXPECT_EQ(target()->diff(release("1", "red")), "");
  EXPECT_TRUE(has(target()->diff(release("2", "green")), "mlpipe.dev/release"));

  RestlessClient client(url());
  client.wait_for_answers(20);
  roll(release("2", "green"), release("1", "red"));
  client.wait_for_answers(20);
  roll(release("1", "red"), release("2", "green"));
  client.wait_for_answers(20);
  client.stop();
  expect_no_lost_answer(client);
  EXPECT_EQ(client.answers().size(), 2U);
  EXPECT_TRUE(has(target()->log(50), "tiny-prod"));
  const auto answer = target()->ask("/predict", R"({"data":[1,2,3,4]})");
  ASSERT_TRUE(answer);
  EXPECT_TRUE(has(answer->body, "red")) << answer->body;
}

TEST_F(OnCluster, AModelThatCannotBeLoadedLeavesTheOldOneServing) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  const Rollout rollout = try_to_roll(broken("2"), release("1", "red"));
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "release 2 did not get ready: "));
  EXPECT_TRUE(has(rollout.failure(), "crashing"));
  EXPECT_TRUE(has(rollout.failure(), "weights.safetensors"));
  EXPECT_TRUE(has_not(rollout.failure(), "going back failed"));
  client.wait_for_answers(20);
  client.stop();
  expect_no_lost_answer(client);
  EXPECT_EQ(client.answers().size(), 1U);
  const ServingState state = target()->observe();
  EXPECT_EQ(state.version, "1");
  EXPECT_EQ(state.fault, "");
}

TEST_F(OnCluster, WithNothingToGoBackToNothingIsLeft) {
  const Rollout rollout = try_to_roll(broken("1"), std::nullopt);
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "weights.safetensors"));
  EXPECT_EQ(everything(), Json::array());
}

TEST_F(OnCluster, ACanaryGetsItsShareAndThenAll) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  const Rollout rollout = roll(release("2", "green"), release("1", "red"), canary("error_rate > 0.01", 20));
  EXPECT_EQ(rollout.phase(), Phase::promoted);
  EXPECT_EQ(weights_.front(), 10);
  EXPECT_EQ(weights_.back(), 50);
  ASSERT_FALSE(said_.empty());
  EXPECT_EQ(said_.front(), "release 2 gets 33 % of the requests, not 10 %: it is 1 server beside 2");
  client.wait_for_answers(20);
  client.stop();
  expect_no_lost_answer(client);
  EXPECT_EQ(client.answers().size(), 2U);
  EXPECT_EQ(target()->observe().fault, "");
}

TEST_F(OnCluster, ACanaryThatIsWorseIsWithdrawn) {
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  const Rollout rollout =
      try_to_roll(release("2", "green"), release("1", "red"), canary("p99 > 0 * current.p99", 20));
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "at 10 % of the traffic: p99 > 0 * current.p99: p99 is "));
  client.wait_for_answers(20);
  client.stop();
  expect_no_lost_answer(client);
  EXPECT_EQ(target()->observe().version, "1");
  EXPECT_EQ(target()->observe().fault, "");
}

TEST_F(OnCluster, WithoutTrafficACanaryIsProbed) {
  roll(release("1", "red"), std::nullopt);
  const Rollout rollout =
      roll(release("2", "green"), release("1", "red"), canary("p99 > 100 * current.p99", 30));
  EXPECT_EQ(rollout.phase(), Phase::promoted);
}

TEST_F(OnCluster, ACanarysShareLapsesWhenNobodyRenewsIt) {
  roll(release("1", "red"), std::nullopt);
  {
    const auto killed = target();
    killed->bring_up(release("2", "green"));
    killed->weigh(release("2", "green"), release("1", "red"), 50);
  }
  EXPECT_TRUE(has(target()->observe().fault, "a rollout was cut off: servers of release 2 are left"));
  RestlessClient client(url());
  cluster().wait_for("job/tiny-prod-candidate", "condition=Failed");
  wait_until("the servers of the candidate are gone",
             [&] { return target()->observe().replicas.size() == 2; });
  client.wait_for_answers(20);
  client.stop();
  expect_no_lost_answer(client);
  roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(target()->observe().fault, "");
}

TEST_F(OnCluster, WhatAnotherOwnsStaysTheirs) {
  roll(release("1", "red"), std::nullopt);
  cluster().ask({"patch", "deployment", "tiny-prod", "--field-manager=somebody", "--patch",
                 R"({"spec":{"template":{"spec":{"terminationGracePeriodSeconds":31}}}})"});
  const Rollout rollout = try_to_roll(release("2", "green"), release("1", "red"));
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "somebody")) << rollout.failure();
  EXPECT_TRUE(has(rollout.failure(), "terminationGracePeriodSeconds"));
  EXPECT_TRUE(has_not(rollout.failure(), "going back failed"));
}

TEST_F(OnCluster, AnObjectThatMlpipeHasNotMadeIsLeftAlone) {
  cluster().ask({"create", "service", "clusterip", "tiny-prod", "--tcp=80"});
  const Rollout rollout = try_to_roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "there is a Service tiny-prod in namespace " + cluster().name_space() +
                                         " already, made by kubectl-create"));
  EXPECT_EQ(everything(), Json::array());
}

TEST_F(OnCluster, ARightThatIsMissingIsNamed) {
  cluster().ask({"create", "serviceaccount", "nobody"});
  kubeconfig_ = cluster().kubeconfig_of("nobody");
  const Rollout rollout = try_to_roll(release("1", "red"), std::nullopt);
  kubeconfig_.clear();
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "nobody may not get "));
  EXPECT_TRUE(has(rollout.failure(), "deployments.apps in namespace " + cluster().name_space()));
  EXPECT_EQ(everything(), Json::array());
}

TEST_F(OnCluster, ANamespaceThatIsMissingIsNamed) {
  serving_.place.name_space = "mlpipe-there-is-none";
  const Rollout rollout = try_to_roll(release("1", "red"), std::nullopt);
  serving_.place.name_space.clear();
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "there is no namespace mlpipe-there-is-none"));
}

TEST_F(OnCluster, AQuotaThatIsUsedUpIsNamedAndTheOldOnesServe) {
  roll(release("1", "red"), std::nullopt);
  cluster().ask({"create", "quota", "few", "--hard=pods=2"});
  const Rollout rollout = try_to_roll(release("2", "green"), release("1", "red"));
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "few")) << rollout.failure();
  EXPECT_TRUE(has(rollout.failure(), "quota"));
  EXPECT_EQ(target()->observe().version, "1");
  EXPECT_EQ(target()->observe().fault, "");
}

TEST_F(OnCluster, APodThatFitsNowhereIsSaidAtOnceAndGivenUpAtTheDeadline) {
  serving_.replicas = 1;
  roll(release("1", "red"), std::nullopt);
  serving_.resources.memory = std::uint64_t{1} << 50U;
  serving_.deadline = 3s;
  const Rollout rollout = try_to_roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  EXPECT_TRUE(has(rollout.failure(), "pending: 0/")) << rollout.failure();
  ASSERT_FALSE(said_.empty());
  EXPECT_TRUE(has(said_.front(), "is pending: 0/"));
  const ServingState state = target()->observe();
  EXPECT_TRUE(state.running);
  EXPECT_EQ(state.fault, "");
  EXPECT_TRUE(state.shape.starts_with("1, ")) << state.shape;
}

TEST_F(OnCluster, AServerThatIsGoneIsSaidAndMended) {
  roll(release("1", "red"), std::nullopt);
  cluster().ask({"delete", "deployment", "tiny-prod", "--cascade=foreground"});
  EXPECT_FALSE(target()->observe().running);
  roll(release("1", "red"), std::nullopt);
  EXPECT_TRUE(target()->observe().running);
}

TEST_F(OnCluster, EveryWayInIsTakenByTheCluster) {
  serving_.most_replicas = 4;
  serving_.resources.cpu = 10;
  serving_.exposure.ingress_host = "tiny.example";
  serving_.exposure.ingress_class = "nginx";
  roll(release("1", "red"), std::nullopt);
  const ServingState state = target()->observe();
  EXPECT_EQ(state.address, "http://tiny.example");
  EXPECT_EQ(cluster().get({"horizontalpodautoscaler", "tiny-prod"}).at("spec").at("maxReplicas"), 4);
  serving_.most_replicas.reset();
  serving_.exposure.ingress_host.clear();
  roll(release("1", "red"), std::nullopt);  // what is not wanted any more goes
  EXPECT_TRUE(has_not(everything().dump(), "Ingress"));
  EXPECT_TRUE(has_not(everything().dump(), "HorizontalPodAutoscaler"));
}

// Both Services and the weights are there while it lasts, and afterwards all goes to the Deployment's pods.
TEST_F(OnCluster, AnHttpRouteSharesRequestsOutByItsWeights) {
  const CustomDefinitions definitions(cluster());
  serving_.exposure.gateway = "public";
  serving_.exposure.gateway_host = "tiny.example";
  const auto weights = [this] {
    std::vector<int> found;
    const Json route = cluster().get({"httproute", "tiny-prod"});
    for (const Json& backend : route.at("spec").at("rules").at(0).at("backendRefs")) {
      found.push_back(backend.at("weight").get<int>());
    }
    return found;
  };
  roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(weights(), (std::vector<int>{10000, 0}));
  const auto rolling = target();
  rolling->bring_up(release("2", "green"));
  rolling->weigh(release("2", "green"), release("1", "red"), 10);
  EXPECT_EQ(weights(),
            (std::vector<int>{7000, 3000}));  // 30 % to all three pods, of which one is the candidate's
  rolling->shift(release("2", "green"));
  rolling->settle(release("2", "green"));
  EXPECT_EQ(weights(), (std::vector<int>{10000, 0}));
  EXPECT_EQ(target()->observe().address, "http://tiny.example");
  target()->stop();
  EXPECT_TRUE(has(cluster().run({"get", "httproutes"}).error, "No resources found"));
}

TEST_F(OnCluster, WithoutAGpuToSpareTheOldServerWouldEndFirstAndThatIsSaid) {
  serving_.resources.gpu = 1;
  serving_.deadline = 2s;
  const Rollout rollout = try_to_roll(release("1", "red"), std::nullopt);
  EXPECT_EQ(rollout.phase(), Phase::aborted);
  ASSERT_FALSE(said_.empty());
  EXPECT_TRUE(has(said_.front(), "the cluster has no GPU to spare, so the old server ends before"));
  EXPECT_EQ(everything(), Json::array());
}

// nginx finds what it answers in the model's folder.
constexpr const char* foreign_server = R"nginx(pid /tmp/foreign.pid;
events {{}}
http {{
  access_log off;
  default_type application/json;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server {{
    listen 9000;
    location /v2/health/ {{ return 200; }}
    location = /predict {{ return 200 '{{"prediction":"{0}"}}'; }}
    location = /v2/models/tiny/infer {{
      return 200 '{{"model_name":"tiny","outputs":[{{"name":"color","datatype":"BYTES","shape":[1],"data":["{0}"]}}]}}';
    }}
  }}
}}
)nginx";

TEST_F(OnCluster, AServerThatIsNotMlpipesIsProbedAndRollsToo) {
  Environment with_sbin = own_environment();
  with_sbin["PATH"] += ":/usr/sbin";
  const std::string nginx = find_program("nginx", with_sbin);
  serving_.server = {"", push_packed(image()->registry, "nginx", {{nginx}, {}, {}})};
  serving_.command = {"nginx", "-e", "stderr", "-c", "/model/server.conf", "-g", "daemon off;"};
  serving_.container_port = 9000;
  for (const char* color : {"red", "green"}) {
    write_file_atomically(release("", color).directory / "server.conf", fmt::format(foreign_server, color));
  }
  roll(release("1", "red"), std::nullopt);
  RestlessClient client(url());
  client.wait_for_answers(20);
  roll(release("2", "green"), release("1", "red"), canary("p99 > 100 * current.p99", 20));
  client.wait_for_answers(20);
  client.stop();
  expect_no_lost_answer(client);
  EXPECT_EQ(client.answers().size(), 2U);
}

}  // namespace
}  // namespace mlpipe
