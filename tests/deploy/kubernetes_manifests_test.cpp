// What is applied to a cluster, against files in golden/. MLPIPE_ACCEPT=1 writes them anew; look at the
// difference before it is kept.
#include "pipeline/deploy/kubernetes_manifests.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

KubernetesServing digits() {
  KubernetesServing serving;
  serving.pipeline = "digits";
  serving.alias = "prod";
  serving.registry = "registry.example/team/digits";
  serving.server = {"sha256:5e44", "mlpipe/digits/server"};
  serving.replicas = 2;
  serving.resources.cpu = 500;
  serving.resources.memory = std::uint64_t{1} << 30U;
  return serving;
}

const ManifestRelease seven = {"7", "sha256:0de1", "sha256:5e44", "registry.example/team/digits@sha256:1a6e"};

void expect_golden(const std::string& text, const char* name) {
  const fs::path file = fs::path(MLPIPE_GOLDEN) / name;
  if (std::getenv("MLPIPE_ACCEPT") != nullptr) {
    write_file_atomically(file, text);
  }
  EXPECT_EQ(text, read_file_if_exists(file).value_or("")) << file;
}

std::string text_of(const KubernetesServing& serving, PodExchange exchange = PodExchange::beside) {
  return manifests_text(deployment_manifests(serving, seven, exchange), "ml");
}

TEST(KubernetesManifests, OfADeploymentAreAsTheyWere) {
  expect_golden(text_of(digits()), "plain.yaml");
}

TEST(KubernetesManifests, HaveAllWaysIntoACluster) {
  KubernetesServing serving = digits();
  serving.most_replicas = 5;
  serving.exposure = {"NodePort",   30080,         "digits.example", "nginx",
                      "digits-tls", "edge/public", "digits.example", "digits.apps.example",
                      true};
  expect_golden(text_of(serving), "exposed.yaml");
}

TEST(KubernetesManifests, OfAnotherServerKnowItsHealthPathsAlone) {
  KubernetesServing serving = digits();
  serving.command = {"other-server", "--port", "9000"};
  serving.container_port = 9000;
  serving.resources.gpu = 1;
  serving.exposure.network_policy = false;
  serving.place.service_account = "models";
  serving.place.user.reset();
  serving.place.tolerations = {{"gpu", "Exists", "", "NoSchedule"}};
  serving.place.labels = {{"team", "vision"}};
  expect_golden(text_of(serving, PodExchange::one_by_another), "other-server.yaml");
}

TEST(KubernetesManifests, OfACanaryAreAJobThatEnds) {
  const Json job = candidate_manifest(digits(), seven, 3, std::chrono::seconds(30));
  expect_golden(manifests_text(Json::array({job}), "ml"), "candidate.yaml");
}

// Every object can be found by what `down` looks for, and no Service but its own leads to it.
TEST(KubernetesManifests, AreFoundByTheirLabels) {
  KubernetesServing serving = digits();
  serving.exposure.gateway = "public";
  for (const Json& each : deployment_manifests(serving, seven, PodExchange::beside)) {
    const Json& labels = each.at("metadata").at("labels");
    EXPECT_EQ(labels.at("app.kubernetes.io/managed-by"), "mlpipe") << each;
    EXPECT_EQ(labels.at("app.kubernetes.io/instance"), "digits-prod") << each;
    EXPECT_EQ(labels.at("app.kubernetes.io/component"), "server") << each;
  }
}

TEST(KubernetesManifests, NamesAreOfDnsAndTwoNeverBecomeOne) {
  KubernetesServing serving = digits();
  EXPECT_EQ(serving.name(), "digits-prod");
  serving.pipeline = "Digits_2";
  const std::string name = serving.name();
  EXPECT_EQ(name.substr(0, 14), "digits-2-prod-");
  serving.pipeline = "digits_2";
  EXPECT_NE(serving.name(), name);
  serving.pipeline = std::string(80, 'a');
  EXPECT_LE(serving.name().size(), 50U);
  serving.pipeline = "9";
  EXPECT_TRUE(serving.name().starts_with("prod-")) << serving.name();
}

TEST(KubernetesManifests, TheShapeChangesWithWhatIsServedFromAndNotWithTheRelease) {
  const KubernetesServing serving = digits();
  EXPECT_TRUE(serving.shape().starts_with("2 × cpu 0.5, memory 1.0 GiB, ")) << serving.shape();
  KubernetesServing other = serving;
  other.server.id = "sha256:0000";
  other.registry = "elsewhere.example/x";
  EXPECT_EQ(other.shape(), serving.shape());
  other.exposure.service = "NodePort";
  EXPECT_NE(other.shape(), serving.shape());
}

TEST(KubernetesManifests, ACanarysShareIsThatOfItsPods) {
  EXPECT_EQ(candidate_pods(2, 10), 1);
  EXPECT_EQ(candidate_pods(9, 10), 1);
  EXPECT_EQ(candidate_pods(9, 50), 9);
  EXPECT_EQ(candidate_pods(4, 20), 1);
  EXPECT_DOUBLE_EQ(share_of(1, 4), 20);
}

// Of the requests to the Service of all pods the candidate's get their part; together that is the share.
TEST(KubernetesManifests, AnHttpRouteGivesACanaryItsExactShare) {
  KubernetesServing serving = digits();
  serving.exposure.gateway = "edge/public";
  for (const int percent : {1, 10, 50, 90, 99}) {
    for (const int stable : {1, 2, 3, 7}) {
      const int candidate = pods_for_route(stable, percent);
      const Json route = route_manifest(serving, percent, candidate, stable);
      const Json& backends = route.at("spec").at("rules").at(0).at("backendRefs");
      const double to_stable = backends.at(0).at("weight").get<double>();
      const double to_all = backends.at(1).at("weight").get<double>();
      EXPECT_GE(to_stable, 0);
      EXPECT_NEAR(to_all / (to_all + to_stable) * share_of(candidate, stable), percent, 0.1);
    }
  }
}

}  // namespace
}  // namespace mlpipe
