#include "pipeline/deploy/pod_state.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/deploy/version_counts.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

Json pod(const Json& container_state, bool ready = false, const std::string& pods = "new") {
  return {{"metadata",
           {{"name", "digits-1"},
            {"labels", {{"mlpipe.dev/track", "stable"}}},
            {"annotations", {{"mlpipe.dev/release", "7"}, {"mlpipe.dev/pods", pods}}}}},
          {"status",
           {{"phase", "Running"},
            {"hostIP", "10.0.0.1"},
            {"conditions", Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}})},
            {"containerStatuses",
             Json::array({{{"name", "server"}, {"restartCount", 0}, {"state", container_state}}})}}}};
}

Json waiting(const std::string& reason, const std::string& message = "") {
  return {{"waiting", {{"reason", reason}, {"message", message}}}};
}

Json deployment(int updated, int available, int replicas, int generation = 3) {
  return {{"metadata", {{"generation", generation}}},
          {"spec",
           {{"replicas", 2}, {"template", {{"metadata", {{"annotations", {{"mlpipe.dev/pods", "new"}}}}}}}}},
          {"status",
           {{"observedGeneration", 3},
            {"replicas", replicas},
            {"updatedReplicas", updated},
            {"availableReplicas", available}}}};
}

TEST(PodState, IsSaidInWords) {
  EXPECT_EQ(state_of_pod(pod({{"running", Json::object()}}, true)).state, "running");
  EXPECT_EQ(state_of_pod(pod({{"running", Json::object()}})).state, "starting");
  EXPECT_EQ(state_of_pod(pod(waiting("ContainerCreating"))).state, "starting");
  const PodState pulling = state_of_pod(pod(waiting("ImagePullBackOff", "not found")));
  EXPECT_EQ(pulling.state, "its image cannot be pulled: not found");
  EXPECT_TRUE(pulling.hopeless);
  EXPECT_FALSE(state_of_pod(pod(waiting("ErrImagePull", "refused"))).hopeless);
  EXPECT_TRUE(state_of_pod(pod(waiting("CreateContainerConfigError", "no such user"))).hopeless);
  EXPECT_FALSE(
      state_of_pod(pod(waiting("CreateContainerConfigError", "failed to sync configmap cache"))).hopeless);
  Json crashing = pod(waiting("CrashLoopBackOff"));
  crashing["status"]["containerStatuses"][0]["lastState"] = {{"terminated", {{"exitCode", 3}}}};
  EXPECT_EQ(state_of_pod(crashing).state, "crashing: exit status 3");
  crashing["status"]["containerStatuses"][0]["lastState"] = {
      {"terminated", {{"exitCode", 137}, {"reason", "OOMKilled"}}}};
  EXPECT_TRUE(state_of_pod(crashing).state.find("more than its memory") != std::string::npos);
  Json pending = pod({});
  pending["status"].erase("containerStatuses");
  pending["status"]["conditions"].push_back(
      {{"type", "PodScheduled"}, {"status", "False"}, {"message", "0/1 nodes are available"}});
  EXPECT_EQ(state_of_pod(pending).state, "pending: 0/1 nodes are available");
  EXPECT_FALSE(state_of_pod(pending).hopeless);
  Json ending = pod({{"running", Json::object()}}, true);
  ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_FALSE(state_of_pod(ending).ready);
  EXPECT_EQ(state_of_pod(Json::object()).state, "starting");
}

TEST(RolloutState, IsDoneWhenAllPodsAreNewAndReady) {
  const std::vector<PodState> states =
      states_of_pods({pod({{"running", Json::object()}}, true), pod(waiting("ContainerCreating"))});
  EXPECT_TRUE(rollout_state(deployment(2, 2, 2), states, "new").done);
  EXPECT_FALSE(rollout_state(deployment(2, 2, 3), states, "new").done);  // an old one is there
  EXPECT_FALSE(rollout_state(deployment(1, 2, 2), states, "new").done);
  EXPECT_FALSE(rollout_state(deployment(2, 1, 2), states, "new").done);
  EXPECT_FALSE(rollout_state(deployment(2, 2, 2, 4), states, "new").done);  // it was not looked at yet
  EXPECT_FALSE(rollout_state(deployment(2, 2, 2), states, "other").done);
  EXPECT_FALSE(rollout_state(Json::object(), states, "new").done);
  EXPECT_EQ(rollout_state(deployment(1, 1, 3), states, "new").waits_for,
            "1 of 2 servers is ready; digits-1 starting");
}

TEST(RolloutState, FailsForANewPodThatIsHopelessAndForNoOther) {
  const std::vector<PodState> broken = states_of_pods({pod(waiting("ImagePullBackOff", "not found"))});
  EXPECT_EQ(rollout_state(deployment(1, 2, 3), broken, "new").failure,
            "digits-1 its image cannot be pulled: not found");
  const std::vector<PodState> old = states_of_pods({pod(waiting("ImagePullBackOff", "x"), false, "old")});
  EXPECT_EQ(rollout_state(deployment(1, 2, 3), old, "new").failure, "");
  Json refused = deployment(1, 2, 3);
  refused["status"]["conditions"] =
      Json::array({{{"type", "ReplicaFailure"}, {"status", "True"}, {"message", "exceeded quota: pods"}}});
  EXPECT_EQ(rollout_state(refused, {}, "new").refused, "exceeded quota: pods");
}

constexpr const char* metrics = R"(# HELP mlpipe_http_requests_total Requests
mlpipe_http_requests_total{path="/predict",status="200"} 90
mlpipe_http_requests_total{path="/v2/models/{model}/infer",status="500"} 10
mlpipe_http_requests_total{path="/v2/health/ready",status="503"} 5000
mlpipe_http_request_duration_seconds_count{path="/predict"} 90
mlpipe_http_request_duration_seconds_bucket{path="/predict",le="0.001"} 50
mlpipe_http_request_duration_seconds_bucket{path="/predict",le="0.0025"} 80
mlpipe_http_request_duration_seconds_bucket{path="/predict",le="+Inf"} 90
mlpipe_grpc_requests_total{method="ModelInfer",code="OK"} 3
mlpipe_grpc_requests_total{method="ModelInfer",code="INTERNAL"} 1
mlpipe_grpc_requests_total{method="ServerLive",code="OK"} 700
)";

TEST(CountsInMetrics, AreThoseOfPredictions) {
  const VersionCounts counts = counts_in_metrics(metrics);
  EXPECT_EQ(counts.answered, 93U);
  EXPECT_EQ(counts.errors, 11U);
  EXPECT_EQ(counts.latencies, (std::map<double, std::uint64_t>{{0.001, 50}, {0.0025, 30}, {100, 10}}));
}

// Classes are wide: two servers that are alike must not look as if one took twice as long.
TEST(CountsInMetrics, ALatencyLiesWithinItsClass) {
  const Observation observation = counts_in_metrics(metrics).observation();
  EXPECT_NEAR(*observation.p50, 0.0009, 1e-9);  // the 45th of 50 that took up to a millisecond
  VersionCounts before = counts_in_metrics(metrics);
  before.answered = 80;
  EXPECT_EQ(counts_in_metrics(metrics).since(before).requests, 13U);
  EXPECT_FALSE(counts_in_metrics("").observation().p99);
}

}  // namespace
}  // namespace mlpipe
