#include "pipeline/cluster/cluster_failure.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

// Each text is one that kubectl 1.34 or its API server has printed.
std::string said(std::string_view text) {
  const Error error = cluster_failure("applying", text);
  return error.what() + std::string("|") + error.hint();
}

TEST(ClusterFailure, NamesTheRightsThatARoleLacks) {
  EXPECT_EQ(
      said("Error from server (Forbidden): jobs.batch is forbidden: User "
           "\"system:serviceaccount:team:small\" cannot list resource \"jobs\" in API group \"batch\" in "
           "the namespace \"team\"\n"),
      "applying: system:serviceaccount:team:small may not list jobs.batch in namespace team|its Role lacks "
      "that: those in k8s/base/rights hold all that mlpipe needs");
  EXPECT_EQ(
      said("Error from server (Forbidden): configmaps \"a\" is forbidden: User \"u\" cannot patch resource "
           "\"configmaps\" in API group \"\" in the namespace \"n\"\n"
           "Error from server (Forbidden): configmaps \"b\" is forbidden: User \"u\" cannot patch resource "
           "\"configmaps\" in API group \"\" in the namespace \"n\"\n"
           "Error from server (Forbidden): nodes is forbidden: User \"u\" cannot list resource \"nodes\" in "
           "API group \"\" at the cluster scope\n"),
      "applying: u may not patch configmaps in namespace n, nor list nodes in all of the cluster|its Role "
      "lacks that: those in k8s/base/rights hold all that mlpipe needs");
}

TEST(ClusterFailure, NamesTheNamespaceThatIsNotThere) {
  EXPECT_EQ(said("error: failed to create configmap: namespaces \"nonexistent\" not found"),
            "applying: there is no namespace nonexistent in the cluster|make it (`kubectl create namespace "
            "nonexistent`), or name another by `kubernetes: { namespace: … }`");
}

TEST(ClusterFailure, NamesTheQuotaAndWhatItLeaves) {
  EXPECT_EQ(
      said("Error from server (Forbidden): pods \"p\" is forbidden: exceeded quota: q, requested: pods=1, "
           "used: pods=0, limited: pods=0"),
      "applying: the quota q leaves no room: requested: pods=1, used: pods=0, limited: pods=0|wait until "
      "something ends, ask for less, or have the quota raised (`kubectl describe quota q` shows it)");
  EXPECT_EQ(
      said("pods \"p\" is forbidden: failed quota: q: must specify limits.memory for: job"),
      "applying: the quota q asks for more than is said: must specify limits.memory for: job|say what it "
      "needs in `resources: { cpu: …, memory: … }`");
}

TEST(ClusterFailure, SaysWhoOwnsWhatIsInTheWay) {
  constexpr std::string_view advice =
      "Please review the fields above--they currently have other managers. Here\n"
      "are the ways you can resolve this warning:\n"
      "* If you intend to manage all of these fields, please re-run the apply\n";
  constexpr std::string_view to_do =
      "|mlpipe takes nothing from others: have the other leave it, or remove the object once it is not "
      "needed "
      "any more";
  EXPECT_EQ(
      said("error: Apply failed with 1 conflict: conflict with \"other\": .data.a\n" + std::string(advice)),
      "applying: .data.a belongs to other" + std::string(to_do));
  EXPECT_EQ(
      said("error: Apply failed with 3 conflicts: conflicts with \"argo\" using apps/v1:\n- .spec.replicas\n"
           "- .spec.template.spec.containers[name=\"server\"].image\nconflicts with \"kubectl-edit\":\n"
           "- .data.a\n" +
           std::string(advice)),
      "applying: .spec.replicas, .spec.template.spec.containers[name=\"server\"].image, .data.a belongs to "
      "argo and kubectl-edit" +
          std::string(to_do));
}

TEST(ClusterFailure, TellsAServerThatIsAwayFromOneThatRefuses) {
  const std::string log =
      "E1121 23:37:19.431664    1030 memcache.go:265] \"Unhandled Error\" err=\"couldn't get current server "
      "API "
      "group list: dial tcp 127.0.0.1:1: connect: connection refused\"\n";
  EXPECT_EQ(
      said(log +
           "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?"),
      "applying: the cluster's API server does not answer: The connection to the server 127.0.0.1:1 was "
      "refused - "
      "did you specify the right host or port?|see that it runs and that the kubeconfig's context is the "
      "right one "
      "(`kubectl version` must work)");
  EXPECT_EQ(
      said(log + "The connection to the server localhost:8080 was refused - did you specify the right host "
                 "or port?"),
      "applying: there is no kubeconfig that says where a cluster is|set KUBECONFIG, or put one at "
      "~/.kube/config; `kubectl get namespaces` must work");
  EXPECT_TRUE(says_unreachable("dial tcp: lookup no-such-host.invalid on 10.255.255.53:53: no such host"));
  EXPECT_TRUE(says_unreachable("dial tcp 10.0.0.1:6443: i/o timeout"));
  EXPECT_FALSE(says_unreachable("jobs.batch is forbidden"));
  EXPECT_NE(
      said("Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by "
           "unknown authority")
          .find("certificate-authority"),
      std::string::npos);
  EXPECT_NE(said("error: You must be logged in to the server (Unauthorized)").find("log in again"),
            std::string::npos);
}

TEST(ClusterFailure, HandsOnWhatItDoesNotKnow) {
  EXPECT_EQ(
      said("The Job \"own\" is invalid: \n* spec.template.spec.containers: Required value\n"
           "* spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"\n"),
      "applying: The Job \"own\" is invalid:  * spec.template.spec.containers: Required value * "
      "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"|");
  EXPECT_EQ(said("a \x1b[31mred\x1b[0m word"), "applying: a ?[31mred?[0m word|");
}

TEST(ClusterFailure, SaysWhatAdmissionAsksFor) {
  EXPECT_EQ(
      said(
          "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true (pod or "
          "container \"p\" must set securityContext.runAsNonRoot=true)"),
      "applying: the namespace's Pod Security restricted:latest does not let it in: runAsNonRoot != true "
      "(pod "
      "or container \"p\" must set securityContext.runAsNonRoot=true)|");
  EXPECT_EQ(
      said("admission webhook \"v.example\" denied the request: no owner label"),
      "applying: admission webhook \"v.example\" denied the request: no owner label|the cluster's own rules "
      "refuse it: what they ask for stands there");
}

}  // namespace
}  // namespace mlpipe
