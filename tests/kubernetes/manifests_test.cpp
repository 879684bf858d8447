// Manifests as they go to a cluster. MLPIPE_ACCEPT=1 writes what was got into the files; look at the
// difference.
#include "pipeline/kubernetes/manifests.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

void expect_golden(const std::string& name, const Json& manifest) {
  const std::string path = std::string(MLPIPE_GOLDEN) + "/" + name + ".json";
  const std::string text = manifest.dump(2) + "\n";
  if (std::getenv("MLPIPE_ACCEPT") != nullptr) {
    write_file_atomically(path, text);
  }
  EXPECT_EQ(read_file(path), text);
}

JobOrder order() {
  JobOrder order;
  order.order.name = "mlpipe-0123456789ab";
  order.order.key = "0123456789abcdef";
  order.order.pipeline = "digits";
  order.order.step = "train[lr=0.1]";
  order.name = "mlpipe-0123456789ab-3";
  order.name_space = "team";
  order.image = "registry.example/team/mlpipe@sha256:1111";
  order.agent = "registry.example/team/mlpipe@sha256:2222";
  return order;
}

JobSettings settings() {
  JobSettings settings;
  settings.remote = "oci://registry.example/team/mlpipe";
  return settings;
}

TEST(Manifests, AStepThatAsksForNothing) {
  expect_golden("plain", job_manifest(order(), settings()));
}

TEST(Manifests, AStepThatAsksForAll) {
  JobOrder all = order();
  all.timeout = 2h;
  all.grace = 20s;
  all.secret_variables = {"TOKEN"};
  all.order.cluster_secrets = {{"PASSWORD", "db.password"}};
  all.order.cpu = 1500;
  all.order.memory = std::uint64_t{4} << 30U;
  all.order.gpu = 1;
  all.order.nodes = 2;
  ClusterPlace& place = all.order.place;
  place.service_account = "trainer";
  place.image_pull_secrets = {"pull"};
  place.node_selector = {{"disk", "fast"}};
  place.tolerations = {{"gpu", "Exists", "", "NoSchedule", std::nullopt}};
  place.priority_class = "low";
  place.queue = "night";
  place.user = 1000;
  place.labels = {{"team", "vision"}};
  place.annotations = {{"note", "kept"}};
  JobSettings more = settings();
  more.remote_secret = "registry-login";
  more.secrets = "training";
  more.insecure_registries = "registry.example";
  more.keep = 10min;
  expect_golden("all", job_manifest(all, more));
  expect_golden("all-service", service_manifest(all, "the-uid"));
  expect_golden("all-secret", secret_manifest(all, "the-uid", {{"TOKEN", "s3cr3t"}}));
}

TEST(Manifests, ARemoteThatIsAClaimIsMountedWhereBytesAreMoved) {
  JobSettings claim = settings();
  claim.remote = "pvc://results/team/a";
  const Json job = job_manifest(order(), claim);
  const Json& spec = job["spec"]["template"]["spec"];
  const Json& bring = spec["initContainers"][0];
  EXPECT_EQ(bring["command"][2], "dir:///mlpipe-remote/team/a");
  EXPECT_EQ(bring["volumeMounts"].back(),
            Json::parse(R"({"name": "remote", "mountPath": "/mlpipe-remote"})"));
  EXPECT_EQ(spec["volumes"].back(),
            Json::parse(R"({"name": "remote", "persistentVolumeClaim": {"claimName": "results"}})"));
  EXPECT_EQ(spec["containers"][0]["volumeMounts"].dump().find("mlpipe-remote"), std::string::npos);
}

}  // namespace
}  // namespace mlpipe
