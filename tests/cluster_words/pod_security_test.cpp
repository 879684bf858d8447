#include "pipeline/cluster/pod_security.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

TEST(PodSecurity, APodOfNoPlaceRunsAsNobodyAndWithoutAToken) {
  Json spec = Json::object();
  put_place(spec, {});
  EXPECT_EQ(spec, Json::parse(R"({"automountServiceAccountToken": false, "enableServiceLinks": false,
    "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
      "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}}})"));
}

TEST(PodSecurity, APlaceIsPutIntoThePod) {
  ClusterPlace place;
  place.service_account = "trainer";
  place.image_pull_secrets = {"one", "two"};
  place.node_selector = {{"disk", "fast"}};
  place.tolerations = {{"gpu", "Equal", "yes", "NoSchedule", std::nullopt}, {"", "Exists", "", "", 30}};
  place.priority_class = "low";
  place.user.reset();
  Json spec = Json::object();
  put_place(spec, place);
  EXPECT_EQ(spec, Json::parse(R"({"automountServiceAccountToken": true, "enableServiceLinks": false,
    "serviceAccountName": "trainer", "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
    "nodeSelector": {"disk": "fast"}, "priorityClassName": "low",
    "tolerations": [{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"},
      {"operator": "Exists", "tolerationSeconds": 30}],
    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}})"));
}

TEST(PodSecurity, AmountsAreLimitsWhereMoreWouldHurtOthers) {
  EXPECT_EQ(resource_amounts(0, 0, 0), Json::object());
  EXPECT_EQ(resource_amounts(1500, 4096, 1), Json::parse(R"({
    "requests": {"cpu": "1500m", "memory": "4096", "nvidia.com/gpu": "1"},
    "limits": {"memory": "4096", "nvidia.com/gpu": "1"}})"));
}

TEST(PodSecurity, LabelsSayWhoseAnObjectIs) {
  EXPECT_EQ(object_labels({"mlpipe-step", "train[lr=1]", "step", ""}), Json::parse(R"({
    "app.kubernetes.io/managed-by": "mlpipe", "app.kubernetes.io/name": "mlpipe-step",
    "app.kubernetes.io/instance": "train-lr-1", "app.kubernetes.io/component": "step"})"));
}

}  // namespace
}  // namespace mlpipe
