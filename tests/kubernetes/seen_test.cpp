#include "pipeline/kubernetes/seen.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// A pod of two nodes' second, with these statuses of its containers.
SeenPod pod(const std::string& bring, const std::string& job, const std::string& record,
            const std::string& more = "") {
  return seen_pod(Json::parse(R"({"metadata": {"name": "p-1", "annotations": {
      "batch.kubernetes.io/job-completion-index": "1"},
      "ownerReferences": [{"kind": "Job", "name": "j-0", "uid": "u"}]},
    "spec": {"nodeName": "node"}, "status": {"phase": "Running")" +
                              more + R"(,
      "initContainerStatuses": [{"name": "bring", "image": "agent", "state": )" +
                              bring + R"(}, {"name": "sidecar-of-somebody", "state": {}}],
      "containerStatuses": [{"name": "job", "image": "step:1", "state": )" +
                              job + R"(}, {"name": "record", "image": "agent", "state": )" + record +
                              "}]}}"));
}

const std::string running = R"({"running": {}})";
const std::string waits = R"({"waiting": {"reason": "PodInitializing"}})";
std::string ended(int code, const std::string& reason = "Error", const std::string& message = "") {
  return Json{{"terminated", {{"exitCode", code}, {"reason", reason}, {"message", message}}}}.dump();
}
std::string waiting(const std::string& reason, const std::string& message) {
  return Json{{"waiting", {{"reason", reason}, {"message", message}}}}.dump();
}

TEST(Seen, APodIsKnownByItsJobAndItsIndex) {
  const SeenPod one = pod(running, waits, waits);
  EXPECT_EQ(one.name, "p-1");
  EXPECT_EQ(one.owner, "u");
  EXPECT_EQ(one.job_name, "j-0");
  EXPECT_EQ(one.index, 1);
  EXPECT_TRUE(one.bring.running);
  EXPECT_FALSE(one.ended());
  EXPECT_EQ(why_waiting(one), std::nullopt);
}

TEST(Seen, WhatAPodMadeIsRecordedWhenItsJobEndedByItself) {
  EXPECT_FALSE(pod(ended(0), ended(0), running).ended());
  EXPECT_TRUE(pod(ended(0), ended(0), ended(0)).recorded());
  EXPECT_TRUE(pod(ended(0), ended(1), ended(0)).recorded());
  EXPECT_FALSE(pod(ended(0), ended(0), ended(1)).recorded());
  EXPECT_FALSE(pod(ended(0), ended(137), ended(0)).recorded());
  EXPECT_FALSE(pod(ended(0), ended(143), ended(0)).recorded());
}

TEST(Seen, KnowsAContainerThatWasKilledForItsMemory) {
  EXPECT_TRUE(ran_out_of_memory(pod(ended(0), ended(137, "OOMKilled"), ended(0))));
  EXPECT_FALSE(ran_out_of_memory(pod(ended(0), ended(137), ended(0))));
  EXPECT_FALSE(ran_out_of_memory(pod(ended(0), ended(1, "OOMKilled"), ended(0)))) << "the agent tells of it";
}

TEST(Seen, SaysWhyAPodWaits) {
  const SeenPod unscheduled = seen_pod(Json::parse(R"({"metadata": {"name": "p"}, "spec": {}, "status": {
    "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
      "message": "0/1 nodes are available: 1 Insufficient memory."}]}})"));
  EXPECT_EQ(why_waiting(unscheduled)->text,
            "no node takes its pod: 0/1 nodes are available: 1 Insufficient memory.");
  const Waiting pulled = *why_waiting(pod(ended(0), waiting("ErrImagePull", "not found"), waits));
  EXPECT_EQ(pulled.text, "the image step:1 cannot be pulled: not found");
  EXPECT_EQ(pulled.kind,
            why_waiting(pod(ended(0), waiting("ImagePullBackOff", "Back-off pulling"), waits))->kind);
  EXPECT_EQ(why_waiting(pod(ended(0), waiting("CreateContainerConfigError", "secret \"s\" not found"), waits))
                ->text,
            "CreateContainerConfigError: secret \"s\" not found");
}

TEST(Seen, KnowsWhatCannotComeRight) {
  EXPECT_EQ(hopeless(pod(running, waits, waits)), "");
  EXPECT_EQ(hopeless(pod(ended(0), ended(128, "StartError", "exec: no such file"), running)),
            "the container of step:1 cannot be started: exec: no such file");
  EXPECT_EQ(hopeless(pod(ended(0), waiting("InvalidImageName", "couldn't parse"), waits)),
            "step:1 is no name of an image: couldn't parse");
  EXPECT_EQ(hopeless(pod(ended(0), waiting("CreateContainerConfigError", "couldn't find key X in Secret n/s"),
                         waits)),
            "couldn't find key X in Secret n/s");
  EXPECT_EQ(hopeless(pod(ended(0), waiting("CreateContainerConfigError", "secret \"s\" not found"), waits)),
            "");
}

TEST(Seen, SaysHowAPodEndedThatRecordedNothing) {
  EXPECT_EQ(how_it_ended(pod(ended(1, "Error", "no answer\nfrom the remote\n"), waits, waits)),
            "what it works with could not be brought: no answer; from the remote");
  EXPECT_EQ(how_it_ended(pod(ended(0), ended(143), ended(0))), "it was told to end from outside");
  EXPECT_EQ(how_it_ended(pod(ended(0), ended(137, "OOMKilled"), ended(0))),
            "its container ended: OOMKilled (exit status 137)");
  EXPECT_EQ(how_it_ended(pod(ended(0), ended(0), ended(1, "Error", "denied"))),
            "what it made could not be recorded: denied");
  EXPECT_EQ(
      how_it_ended(pod(ended(0), ended(137), ended(0),
                       R"(, "reason": "Evicted", "message": "The node was low on resource: memory. ")")),
      "Evicted: The node was low on resource: memory.");
}

TEST(Seen, AJobSaysHowItEndedAndWhatHoldsItUp) {
  const SeenJob failed = seen_job(Json::parse(R"({"metadata": {"name": "j-0", "uid": "u",
      "annotations": {"mlpipe.dev/key": "ab"}}, "spec": {"suspend": false}, "status": {"conditions": [
      {"type": "FailureTarget", "status": "True"},
      {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]}})"));
  EXPECT_TRUE(failed.failed);
  EXPECT_EQ(failed.key, "ab");
  EXPECT_EQ(failed.reason, "BackoffLimitExceeded");
  const SeenJob suspended = seen_job(Json::parse(R"({"metadata": {"name": "j-0",
      "labels": {"kueue.x-k8s.io/queue-name": "night"}}, "spec": {"suspend": true}, "status": {}})"));
  EXPECT_EQ(suspended.key, "");
  EXPECT_EQ(why_waiting(suspended)->text, "the queue night has not admitted it yet");
}

TEST(Seen, AWarningOfAQuotaSaysWhichAndWhatToDo) {
  const auto waiting = why_waiting(Json::parse(R"json({"reason": "FailedCreate", "message":
    "Error creating: pods \"j-0-x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"})json"));
  EXPECT_EQ(
      waiting->text,
      "its pod cannot be made: the quota q leaves no room: requested: pods=1, used: pods=0, limited: pods=0 "
      "(wait until something ends, ask for less, or have the quota raised (`kubectl describe quota q` "
      "shows it))");
  EXPECT_FALSE(why_waiting(Json::parse(R"({"reason": "Unhealthy", "message": "x"})")).has_value());
}

}  // namespace
}  // namespace mlpipe
